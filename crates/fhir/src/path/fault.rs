//! Why an expression is no expression, or has no result.

use std::fmt;

/// What is wrong with the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The position of the byte where it is wrong, from 0.
    pub position: usize,
    /// What is wrong there, for whoever wrote it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.text, self.position + 1)
    }
}

impl std::error::Error for Problem {}

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It asks for what makes no sense: a sum of words, one item where there are several.
    Wrong(Box<str>),
    /// It takes more steps than it may.
    TooCostly,
    /// It asks for what cannot be known here: a terminology, a profile, a resource elsewhere.
    Unknown(Box<str>),
}

impl Fault {
    pub(super) fn wrong(text: impl Into<Box<str>>) -> Fault {
        Fault::Wrong(text.into())
    }

    pub(super) fn unknown(text: impl Into<Box<str>>) -> Fault {
        Fault::Unknown(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Wrong(text) | Fault::Unknown(text) => f.write_str(text),
            Fault::TooCostly => f.write_str("the expression takes too many steps"),
        }
    }
}

impl std::error::Error for Fault {}
