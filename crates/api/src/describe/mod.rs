//! What the server says that it can do, computed from the same tables that it does it with.

pub mod capability;
pub mod openapi;
pub mod openapi_interactions;
pub mod sign_in;
pub mod smart;
