//! Code systems, value sets and concept maps: which codes there are, what they are called, which are in a set, what lies
//! below what, and what maps to what (R4 "Terminology Module").
//!
//! | question | file |
//! |---|---|
//! | which of them does R4 itself have? | [`tables`] |
//! | which codes does a code system have, and which lie below which? | [`code_system`] |
//! | what is a code called besides, and in which language? | [`designation`] |
//! | what is a value set made of? | [`value_set`] |
//! | which version of a code system does it mean? | [`versions`] |
//! | which codes does a filter of it let through? | [`filter`] |
//! | which codes are in it, all together? | [`expansion`] |
//! | is this code in it? | [`membership`] |
//! | what does a map say? | [`concept_map`] |
//! | what is a code in another system, and how do two codes lie to one another? | [`translation`] |
//! | where is one of that name? | [`library`] |
//! | what can be asked of a server elsewhere? | [`elsewhere`] |
//! | which codes does a search mean? | [`search`] |
//! | what is odd about the codes of a resource? | [`remarks`] |
//!
//! Pure: where resources come from is the caller's business ([`library::Source`]), and so is who may see them. What
//! cannot be told for certain is said to be so: half of a value set would find too much or too little, and nobody would
//! know.

pub mod code_system;
pub mod concept_map;
pub mod designation;
pub mod elsewhere;
pub mod expansion;
pub mod filter;
pub mod item;
pub mod library;
pub mod membership;
pub mod name;
pub mod remarks;
pub mod search;
pub mod tables;
pub mod translation;
pub mod value_set;
pub mod versions;

mod answer;
mod grammar;
#[cfg(test)]
mod tests;

pub use answer::{ExpandedPage, definition, expanded, terminology_capabilities};
pub use library::{Kind, Library, LookUpError, Source};
pub use membership::{Tables, member_of};

/// The most concepts of a code system that are read, and the most codes that a value set may hold.
pub const MOST_CONCEPTS: usize = 100_000;

/// The most codes of an expansion that are handed out at once.
pub const MOST_EXPANDED: usize = 10_000;

/// The most parts and filters of value sets that one question may be about.
pub const MOST_PARTS: usize = 1_000;

/// The most steps that one question may take: codes looked at, each for every part and filter. It is some tenths of a
/// second.
pub const MOST_STEPS: usize = 1_000_000;

/// How deep value sets may be built on others.
pub const DEEPEST_IMPORT: usize = 8;

/// The most value sets and code systems that one question may be about.
pub const MOST_SOURCES: usize = 50;
