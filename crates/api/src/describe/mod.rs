//! What the server says that it can do, computed from the same tables that it does it with.

pub mod capability;
pub mod openapi;
mod openapi_bodies;
pub mod openapi_interactions;
mod openapi_schemas;
mod openapi_types;
pub mod sign_in;
pub mod smart;
