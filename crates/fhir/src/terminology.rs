//! Codes that a query names without listing them: what is in a value set, and what lies above or below a code (the modifiers
//! `:in`, `:not-in`, `:above` and `:below` of tokens, R4 "Search").
//!
//! Which codes these are is not said here, for it depends on what is stored and who asks: [`Terminology`] is asked by checks.

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

/// A code, and what a Coding says of where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodingRef<'c> {
    /// The url of the code system; none for an element that holds nothing but a code.
    pub system: Option<&'c str>,
    /// The version of the code system, where it is said.
    pub version: Option<&'c str>,
    /// The code.
    pub code: &'c str,
}

impl<'c> CodingRef<'c> {
    /// A code by itself.
    #[must_use]
    pub fn bare(code: &'c str) -> CodingRef<'c> {
        CodingRef { system: None, version: None, code }
    }

    /// A code of a system, of any version.
    #[must_use]
    pub fn of(system: Option<&'c str>, code: &'c str) -> CodingRef<'c> {
        CodingRef { system, version: None, code }
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        self.code.len() + self.system.map_or(0, str::len) + self.version.map_or(0, str::len)
    }
}

/// Whether a code is in a value set or code system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody here can tell: the set, or a code system that it takes codes from, is not here.
    Unknown,
}

impl Membership {
    /// What is known for certain.
    #[must_use]
    pub fn of(is_in: bool) -> Membership {
        if is_in { Membership::Yes } else { Membership::No }
    }

    /// In both.
    #[must_use]
    pub fn and(self, other: Membership) -> Membership {
        match (self, other) {
            (Membership::No, _) | (_, Membership::No) => Membership::No,
            (Membership::Yes, Membership::Yes) => Membership::Yes,
            _ => Membership::Unknown,
        }
    }

    /// In one of the two.
    #[must_use]
    pub fn or(self, other: Membership) -> Membership {
        match (self, other) {
            (Membership::Yes, _) | (_, Membership::Yes) => Membership::Yes,
            (Membership::No, Membership::No) => Membership::No,
            _ => Membership::Unknown,
        }
    }

    /// The answer as true or false, if there is one.
    #[must_use]
    pub fn known(self) -> Option<bool> {
        match self {
            Membership::Yes => Some(true),
            Membership::No => Some(false),
            Membership::Unknown => None,
        }
    }
}

/// Who knows code systems and value sets. Checks ask of codes in no other way.
pub trait Terminology {
    /// Whether the code of that system and version is in the value set of that canonical. Without a system, as of an element that
    /// holds nothing but a code, whether a code of any system is. A version that is not here is not known.
    fn member_of(&self, coding: CodingRef<'_>, value_set: &str) -> Membership;

    /// Whether one code of a code system, with `|version` or without, is another one or above it.
    fn subsumes(&self, system: &str, above: &str, below: &str) -> Membership {
        let _ = (system, above, below);
        Membership::Unknown
    }
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
