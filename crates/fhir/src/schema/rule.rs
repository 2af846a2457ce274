//! What a rule between elements is.

use crate::json::Object;

/// A rule of a shape. Elements are named as in the definitions, `value[x]` for a choice.
#[derive(Debug)]
pub(super) struct Rule {
    /// The key that R4 gives it, such as `obs-6`.
    pub(super) key: &'static str,
    /// What the client should know, without the key.
    pub(super) text: &'static str,
    pub(super) holds: Holds,
}

/// When a rule holds.
#[derive(Debug)]
pub(super) enum Holds {
    /// Not more than one of these.
    AtMostOne(&'static [&'static str]),
    /// At least one of these.
    AtLeastOne(&'static [&'static str]),
    /// The first is there only together with the second.
    Needs(&'static str, &'static str),
    /// Whatever the function says of the object.
    When(fn(&Object<'_>) -> bool),
}
