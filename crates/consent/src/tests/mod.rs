//! Decisions as data and as properties.

pub(crate) mod cases;
mod properties;
mod reference;
mod who;
