//! What a change is compared with.

use crate::json::Value;

/// What stands before a change.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// The current version.
    pub value: &'a Value<'a>,
    /// Whether the writer wrote the resource first.
    pub own: bool,
}
