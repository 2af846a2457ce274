//! Elements that are put into a resource that somebody else wrote, which the typed model does not read. A test holds
//! each against what the typed model writes.

use concord_fhir::json::Value;

use super::Code;

/// A Reference.
pub fn reference(to: impl Into<String>) -> Value<'static> {
    Value::object([("reference", Value::string(to))])
}

/// A Coding.
#[must_use]
pub fn coding(Code { system, code }: Code<'_>) -> Value<'static> {
    Value::object([("system", Value::string(system)), ("code", Value::string(code))])
}

/// A CodeableConcept.
#[must_use]
pub fn codeable_concept(code: Code<'_>) -> Value<'static> {
    Value::object([("coding", Value::Array(vec![coding(code)]))])
}

/// A Narrative of one paragraph of plain text.
#[must_use]
pub fn narrative(text: &str) -> Value<'static> {
    let narrative = super::elements::narrative([text]);
    let member = |text: Option<String>| Value::string(text.unwrap_or_default());
    Value::object([("status", member(narrative.status.value)), ("div", member(Some(narrative.div.value)))])
}

/// What goes into a Task in answer to what it waits for: a Communication.
#[must_use]
pub fn task_input(kind: Code<'_>, reference_to: String) -> Value<'static> {
    Value::object([("type", codeable_concept(kind)), ("valueReference", reference(reference_to))])
}
