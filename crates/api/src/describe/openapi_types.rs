//! The paths of single types in the OpenAPI document: what is served at the paths with `{type}`, with the type's own search
//! parameters and schema.

use concord_fhir::registry::{ResourceType, parameters};
use serde_json::{Value, json};

use super::openapi_schemas::{reference, set};
use crate::interact::hooks::table::HOOKS;
use crate::interact::is_event;

/// See the text at its head.
const TYPES: &str = include_str!("openapi_parts/types.txt");

/// The paths that types have of their own.
const PATHS: [&str; 2] = ["/fhir/{type}", "/fhir/{type}/{id}"];

/// What is never done to what is never changed.
const CHANGES: [&str; 3] = ["put", "patch", "delete"];

/// The types that have paths of their own.
pub(super) fn types() -> impl Iterator<Item = ResourceType> {
    rows().map(|(one, _)| one)
}

/// The same, each with whether it is sent as what it holds.
fn rows() -> impl Iterator<Item = (ResourceType, bool)> {
    let lines = TYPES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let name = line.strip_suffix(" content");
        Some((ResourceType::parse(name.unwrap_or(line))?, name.is_some()))
    })
}

/// Adds them to a document that has the paths of all types.
pub(super) fn add(document: &mut Value) {
    for (one, is_content) in rows() {
        for path in PATHS {
            let mut item = document.get("paths").and_then(|paths| paths.get(path)).cloned().unwrap_or_default();
            let Some(methods) = item.as_object_mut() else { continue };
            methods.retain(|method, _| !HOOKS.of(one).is_append_only || !CHANGES.contains(&method.as_str()));
            for operation in methods.values_mut() {
                of_type(operation, one);
                if is_content && operation["operationId"] == format!("read{one}") {
                    set(operation, &["responses", "200", "content", "*/*"], json!({ "schema": {} }));
                }
            }
            set(document, &["paths", &path.replace("{type}", one.name())], item);
        }
    }
}

/// Makes the description of an interaction that of one type's.
fn of_type(operation: &mut Value, one: ResourceType) {
    let interaction = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let summary = format!("{} ({one})", operation["summary"].as_str().unwrap_or_default());
    set(operation, &["operationId"], json!(format!("{interaction}{one}")));
    set(operation, &["summary"], json!(summary));
    set(operation, &["tags"], json!([one.name()]));
    if let Some(described) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        described.retain(|parameter| parameter["name"] != "type" && parameter["name"] != "patient");
    }
    if interaction == "search" {
        let own = searched(one);
        if let Some(described) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            described.splice(0..0, own);
        }
    }
    // What else may be answered stands at the path of all types.
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.retain(|status, _| status.starts_with(['2', '3']) || status == "401");
    }
    if let Some(content) = operation.pointer_mut("/requestBody/content/application~1fhir+json") {
        set(content, &["schema"], reference(one.name()));
    }
    if interaction == "read" {
        set(operation, &["responses", "200", "content", "application/fhir+json", "schema"], reference(one.name()));
    }
}

/// The search parameters of a type.
fn searched(one: ResourceType) -> Vec<Value> {
    let is_log = is_event(one);
    parameters(one)
        .filter(|parameter| !is_log || concord_store::audit::SEARCHABLE.contains(&&*parameter.code))
        .filter(|parameter| parameter.is_supported())
        .map(|parameter| {
            json!({ "name": parameter.code, "in": "query", "schema": { "type": "string" },
                "description": parameter.kind.code() })
        })
        .collect()
}
