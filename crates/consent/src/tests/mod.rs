//! Decisions as data and as properties.

mod cases;
mod properties;
mod reference;
