//! What people say to one another in a record: comments and their threads, and requests for correction.

pub(crate) mod comment;
pub(crate) mod correction;
pub(crate) mod words;
