//! The typed R4 model of fhirbolt, behind a few functions without type parameters.
//!
//! This is the only crate that names fhirbolt. [`build`] composes with it what the server itself says, so that a misspelt
//! element does not compile. Its model is compiled again in every crate that calls it generically (minutes, and gigabytes
//! of memory), so that none of it shows in a signature: what goes in are small structs of our own, what comes out is JSON.
//!
//! What clients send does not pass through it: alone it panics on an empty array, and lets much through that is no FHIR.
//! What it is trusted with, and what not, is in docs/adr/0001-fhirbolt-behind-the-gate.md.

pub mod build;
mod refused;
mod verbatim;
mod write;

pub use refused::Refused;
