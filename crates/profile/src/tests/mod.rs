//! Tests over the whole crate.

mod definitions;
