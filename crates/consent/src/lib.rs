//! Who may see and do what in Concord, and why.
//!
//! This crate is pure: no clock, no I/O, no cache. Same inputs, same answer.
//!
//! | question | module |
//! |---|---|
//! | who calls? | [`caller`] |
//! | what does the token let the app do? | [`scope`] |
//! | what is asked? | [`request`], [`purpose`] |
//! | what is known? | [`facts`], [`identity`] |
//! | may they? | [`decide()`] |
//! | what is the answer? | [`decision`] |
//! | may they change what somebody wrote? | [`authorship`] |
//! | how is it told? | [`explain`] |

pub mod authorship;
mod axis;
pub mod caller;
mod ceiling;
mod comment;
pub mod decide;
pub mod decision;
pub mod explain;
pub mod facts;
pub mod identity;
mod label;
pub mod purpose;
pub mod request;
mod ruling;
pub mod scope;
#[cfg(test)]
mod tests;
mod tri;
mod types;

pub use authorship::may_change;
pub use decide::decide;
pub use label::OWN_SYSTEM;
