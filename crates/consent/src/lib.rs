//! Who may see and do what in Concord, and why.
//!
//! This crate is pure: no clock, no I/O, no cache. Same inputs, same answer.

pub mod caller;
pub mod purpose;
pub mod request;
pub mod scope;
