//! What is sensible for a type, beyond what the FHIR element table says: who stands in the author elements, whose record
//! a resource joins, and the rules of single types. One file for each type with rules of its own.
//!
//! Nothing here asks whether the writer may write at all: that is the access decision.

mod allergy_intolerance;
mod authorship;
mod care_plan;
mod colleague;
pub mod communication;
pub mod consent;
mod derived;
mod device;
pub mod goal;
pub mod instant;
mod observation;
mod observation_range;
mod parties;
mod patient;
pub mod patient_match;
mod prepare;
mod previous;
pub mod provenance;
mod said;
pub mod signed;
mod speakers;
mod table;
pub mod task;
mod vouching;
mod writer;

pub use authorship::{authors, types_for_patients, types_for_related_persons};
pub(crate) use derived::DERIVED;
pub(crate) use parties::is_a_partys;
pub use prepare::{is_multi_author, may_be_multi_author, prepare};
pub use previous::Previous;
pub use said::{REVIEW_BY, difference, is_same, says_the_same};
pub use vouching::{is_claim_code, keep_claims, stamp_label};
pub use writer::{Settings, WriteContext, Writer, WriterKind, local_reference};
