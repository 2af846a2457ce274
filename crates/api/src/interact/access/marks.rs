//! What a resource says of itself of which something is left out.

use concord_fhir::json::Value;

use crate::interact::labels;

/// The system of the marks.
pub(super) const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// What marks a resource of which something is left out.
pub(super) const MARKS: [&str; 2] = ["REDACTED", "SUBSETTED"];

/// Says of a resource that something is left out of it.
pub(super) fn add(value: &mut Value<'_>) {
    let marks = MARKS.map(|code| Value::object([("system", Value::string(SYSTEM)), ("code", Value::string(code))]));
    labels::add(value, marks);
}
