//! Which codes a value set holds and which codes are above or below another: for the modifiers `:in`, `:not-in`,
//! `:above` and `:below` of tokens (R4 "Search", token; "ValueSet", "CodeSystem").
//!
//! | question | file |
//! |---|---|
//! | what is in a ValueSet? | `value_set` |
//! | which codes does a CodeSystem have, and which lie below which? | `code_system` |
//!
//! What cannot be told for certain is refused by name: a value set that is half understood would find too much or too
//! little, and nobody would know. Where the resources come from is the caller's business ([`Source`]).

mod code_system;
mod value_set;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use crate::issue::IssueCode;
use crate::json::Value;
pub use code_system::CodeSystem;

/// The most codes that a value set may hold, for a search by it.
pub const MOST_CODES: usize = 1_000;

/// The most concepts of a code system that are read.
pub const MOST_CONCEPTS: usize = 20_000;

/// How deep value sets may be built on others.
pub const DEEPEST_IMPORT: usize = 8;

/// The most value sets and code systems that one value set may be built on.
pub const MOST_SOURCES: usize = 50;

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// Where value sets and code systems are.
pub trait Source {
    /// Why one cannot be had now.
    type Error;

    /// The ValueSet of that name: a canonical url, with `|version` or not, or `ValueSet/id`.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn value_set(&mut self, name: &str) -> Result<Option<Value<'static>>, Self::Error>;

    /// The CodeSystem of that name, likewise.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn code_system(&mut self, name: &str) -> Result<Option<Value<'static>>, Self::Error>;
}

/// Why codes cannot be told.
#[derive(Debug)]
pub enum LookUpError<E> {
    /// What they are made of is not there, not understood or too much: to be told to the client.
    Said(IssueCode, String),
    /// The source failed.
    Source(E),
}

impl<E> LookUpError<E> {
    fn unsupported(text: String) -> LookUpError<E> {
        LookUpError::Said(IssueCode::NotSupported, text)
    }

    fn costly(text: String) -> LookUpError<E> {
        LookUpError::Said(IssueCode::TooCostly, text)
    }

    fn missing(text: String) -> LookUpError<E> {
        LookUpError::Said(IssueCode::NotFound, text)
    }
}

/// The codes, each once.
///
/// # Errors
/// When they cannot be told for certain, or are too many.
pub fn look_up<S: Source>(source: &mut S, codes: &Codes) -> Result<BTreeSet<Code>, LookUpError<S::Error>> {
    let mut expansion = value_set::Expansion::new(source);
    let found = match codes {
        Codes::In(name) => expansion.value_set(name)?,
        Codes::Above(code) => expansion.related(code, CodeSystem::with_ancestors)?,
        Codes::Below(code) => expansion.related(code, CodeSystem::with_descendants)?,
    };
    if found.len() > MOST_CODES {
        let text = format!("these are {} codes, and at most {MOST_CODES} can be searched for at once", found.len());
        return Err(LookUpError::costly(text));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
