//! The paths of single types in the OpenAPI document: what is served at the paths with `{type}`, with the type's own search
//! parameters and schema.

use concord_fhir::registry::{ResourceType, parameters};
use serde_json::{Value, json};

use super::openapi_schemas::reference;
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
    TYPES.lines().filter(|line| !line.starts_with('#')).filter_map(ResourceType::parse)
}

/// Adds them to a document that has the paths of all types.
pub(super) fn add(document: &mut Value) {
    for one in types() {
        for path in PATHS {
            let mut item = document["paths"][path].clone();
            let Some(methods) = item.as_object_mut() else { continue };
            methods.retain(|method, _| !HOOKS.of(one).is_append_only || !CHANGES.contains(&method.as_str()));
            for operation in methods.values_mut() {
                of_type(operation, one);
            }
            document["paths"][path.replace("{type}", one.name())] = item;
        }
    }
}

/// Makes the description of an interaction that of one type's.
fn of_type(operation: &mut Value, one: ResourceType) {
    let interaction = operation["operationId"].as_str().unwrap_or_default().to_owned();
    operation["operationId"] = json!(format!("{interaction}{one}"));
    operation["summary"] = json!(format!("{} ({one})", operation["summary"].as_str().unwrap_or_default()));
    operation["tags"] = json!([one.name()]);
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
        content["schema"] = reference(one.name());
    }
    if interaction == "read" {
        operation["responses"]["200"]["content"]["application/fhir+json"]["schema"] = reference(one.name());
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
