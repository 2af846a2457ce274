//! Who may see and do what in Concord, and why.
//!
//! This crate is pure: no clock, no I/O, no cache. Same inputs, same answer.
//!
//! | question | module |
//! |---|---|
//! | who calls? | [`caller`], [`actor`] |
//! | what does the token let the app do? | [`scope`] |
//! | what is asked? | [`request`], [`action`], [`purpose`] |
//! | what is known? | [`facts`], [`identity`] |
//! | may they? | [`decide()`]: `scope_limit` (the app), `types`, then `patient_side`, `professional` or `system` |
//! | what does one Consent say, and several? | `ruling`, `provision_scope`; `combine` |
//! | which data is labelled, unclassified, a comment, refers to what? | `label`, `plain`, `comment`, `link` |
//! | what is being worked on, and what cannot be known? | `asked`; `tri`, `unseen` |
//! | what is the answer? | [`decision`] |
//! | who decides about sharing? | `proposal` |
//! | may they change what somebody wrote? | [`authorship`] |
//! | what do codes suggest? | [`suggest`] |
//! | who can see a record? | [`who`] |
//! | how is it told? | [`explain`] |

pub mod action;
pub mod actor;
mod asked;
pub mod authorship;
pub mod caller;
mod combine;
mod comment;
pub mod decide;
pub mod decision;
pub mod explain;
pub mod facts;
pub mod identity;
mod label;
mod link;
mod patient_side;
mod plain;
mod professional;
mod proposal;
mod provision_scope;
pub mod purpose;
pub mod request;
mod ruling;
pub mod scope;
mod scope_limit;
pub mod suggest;
mod system;
#[cfg(test)]
mod tests;
mod tri;
mod types;
mod unseen;
pub mod who;

pub use authorship::may_change;
pub use combine::TOO_MUCH;
pub use decide::decide;
pub use label::{OWN_SYSTEM, hidden_from_patients, hides_from_patients, raises};
pub use patient_side::legal_basis;
pub use professional::{REVIEW_TASK, changed_in_office};
pub use who::who_can_see;
