//! What a resource type is, as data: its name and number, whose record it is part of and its search parameters.

mod added;
mod combined;
mod compartment;
pub mod compile;
mod parameter;
pub mod path;
mod record;
mod resource_type;
mod tree;

pub use added::{MOST_ADDED, Registry};
pub use combined::combined;
pub use compartment::compartment_parameters;
pub use parameter::{
    Added, Component, Index, Kind, Parameter, Targets, added_parameter, canonical_url, parameter, parameter_by_id,
    parameter_of_every_resource, parameters, refers_by_url,
};
pub(crate) use parameter::{composites, tree};
pub use record::{RecordClass, record_class};
pub use resource_type::ResourceType;
pub(crate) use tree::{Leaf, Tree};
