//! What the tests of this crate share.

use concord_fhir::json::{Limits, Value, parse};

/// The same as our own tree.
pub(crate) fn from_json(value: &serde_json::Value) -> Value<'static> {
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    parse(value.to_string().as_bytes(), &limits).unwrap().into_owned()
}
