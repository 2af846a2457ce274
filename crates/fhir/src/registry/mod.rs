//! What a resource type is, as data: its name and number, its patient paths and its search parameters.

mod resource_type;

pub use resource_type::ResourceType;
