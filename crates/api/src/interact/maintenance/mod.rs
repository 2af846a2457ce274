//! What operators do with a whole database: loading it, writing it out, making its index again.

pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod label_backlog;
pub(crate) mod reindex;
pub(crate) mod verify;
