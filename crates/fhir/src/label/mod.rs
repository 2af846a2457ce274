//! Which labels protect a resource besides its own: those of everything that it is part of or speaks about.
//!
//! | question | module |
//! |---|---|
//! | which element hands labels on? | `elements` |
//! | a code in which element says what the data is about? | `codes` |
//! | what does a resource inherit labels from, and what from it? which labels has it inside? | `sources` |
//! | what does it name by that, and what is it without some of those names? | `naming` |
//! | which labels are understood? | `understood` |
//! | which labels are handed on, and what is in effect then? | `inherit` |
//!
//! Nothing here reads or writes: the store asks it for each version that it stores.

mod codes;
mod elements;
mod inherit;
mod naming;
mod sources;
mod understood;

pub use crate::entry::Source;
pub use codes::CODED;
pub use elements::is_content;
pub use inherit::{Member, effective_labels, hands_on, spares_words, union};
pub use naming::{is_of_names, leave_out, may_be_left_out, may_go_with_a_name, may_name, named};
pub use sources::{Links, Said, canonical_name, links, links_and_said, named_by_parties, sources};
pub use understood::{OWN_SYSTEM, is_understood};
