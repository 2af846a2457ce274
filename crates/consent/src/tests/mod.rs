//! Decisions as data and as properties.

pub(crate) mod cases;
mod comments;
mod properties;
mod reference;
mod who;
