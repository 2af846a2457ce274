//! Whether a rule applies, when that may be unknown.

/// An answer that may be "cannot be told". The order makes `min` an "and" and `max` an "or".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tri {
    /// It does not.
    No,
    /// It cannot be told. What permits then does not apply; what denies does.
    Maybe,
    /// It does.
    Yes,
}

impl From<bool> for Tri {
    fn from(value: bool) -> Tri {
        if value { Tri::Yes } else { Tri::No }
    }
}
