//! Codes that a query names without listing them: what is in a value set, and what lies above or below a code (the modifiers
//! `:in`, `:not-in`, `:above` and `:below` of tokens, R4 "Search").
//!
//! Which codes these are is not said here, for it depends on what is stored and who asks.

use std::fmt::{self, Display, Formatter};

/// Codes that a query names without listing them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Those of a value set, by its canonical url or by `ValueSet/id`.
    In(String),
    /// A code and those above it.
    Above(Code),
    /// A code and those below it.
    Below(Code),
}

/// A code of a code system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    /// The url of the code system.
    pub system: String,
    /// The code.
    pub code: String,
}

impl Display for Codes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Codes::In(set) => write!(f, "in the value set {set}"),
            Codes::Above(code) => write!(f, "above {}|{}", code.system, code.code),
            Codes::Below(code) => write!(f, "below {}|{}", code.system, code.code),
        }
    }
}
