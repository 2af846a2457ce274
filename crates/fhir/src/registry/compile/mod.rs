//! From the FHIRPath expression of a search parameter to the paths of the table.
//!
//! The same code makes the table from the official definitions (`concord-generate`) and understands what an operator adds
//! while the server runs ([`definition`]). The two differ in where they know the elements from ([`Elements`]).

mod definition;
mod elements;
mod expression;
mod resolve;

pub use definition::{Defined, LONGEST_EXPRESSION, MOST_PATHS, definition};
pub use expression::extension_url;
pub use resolve::{composite, simple};

/// What one step down a path leads to: a JSON member and one data type that it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name of the JSON member.
    pub member: String,
    /// The path under which its own members are defined.
    pub path: String,
    /// Its data type.
    pub data_type: String,
}

/// What is known of the elements of resources and data types.
pub trait Elements {
    /// The members that `name` stands for under a path (`Observation`, `Observation.component`, `Period`): one, or one
    /// for each type of a choice.
    fn step(&self, path: &str, name: &str) -> Vec<Member>;

    /// The members that the value of the extension with that url may have.
    fn extension(&self, url: &str) -> Vec<Member>;

    /// Whether a parameter of the kind is read from values of the data type.
    fn suits(&self, kind: &str, data_type: &str) -> bool;
}
