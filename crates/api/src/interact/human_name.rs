//! What somebody is called (R4 "HumanName").

use concord_fhir::json::Value;

/// The first name of a person as text.
pub(crate) fn human_name(resource: &Value<'_>) -> Option<String> {
    let name = resource.list("name").first()?;
    if let Some(text) = name.text("text") {
        return Some(text.to_owned());
    }
    let given = name.list("given").iter().filter_map(Value::as_str);
    let parts: Vec<&str> =
        name.list("prefix").iter().filter_map(Value::as_str).chain(given).chain(name.text("family")).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
