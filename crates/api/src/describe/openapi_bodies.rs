//! What the OpenAPI document says of bodies and parameters: schemas for all of them, examples of what people do, and how refusals
//! look.

use serde_json::{Map, Value, json};

use super::openapi_schemas::{self, primitive, reference, set};
use super::openapi_types;

const COMPONENTS: &str = include_str!("openapi_parts/components.json");
const EXAMPLES: &str = include_str!("openapi_parts/examples.json");
const SIGN_IN: &str = include_str!("openapi_parts/sign_in.json");

const FHIR: &str = "application/fhir+json";
const FHIR_XML: &str = "application/fhir+xml";
const FORM: &str = "application/x-www-form-urlencoded";

/// Adds the paths of sign-in and the components.
///
/// # Errors
/// When a part is no JSON.
pub(super) fn add(document: &mut Value) -> Result<(), String> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("openapi: {error}"));
    let extend = |to: &mut Value, more: Value| {
        if let (Some(to), Value::Object(more)) = (to.as_object_mut(), more) {
            to.extend(more);
        }
    };
    extend(&mut document["paths"], parsed(SIGN_IN)?);
    let mut components = parsed(COMPONENTS)?;
    for (name, schema) in openapi_schemas::of_types(openapi_types::types()) {
        set(&mut components, &["schemas", &name], schema);
    }
    extend(&mut document["components"], components);
    Ok(())
}

/// Gives every operation what it lacks.
///
/// # Errors
/// When the examples are no JSON.
pub(super) fn complete(document: &mut Value) -> Result<(), String> {
    let examples: Vec<Value> = serde_json::from_str(EXAMPLES).map_err(|error| format!("openapi: {error}"))?;
    let Some(paths) = document["paths"].as_object_mut() else { return Ok(()) };
    for (path, item) in paths {
        let Some(methods) = item.as_object_mut() else { continue };
        for (method, operation) in methods {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                of_parameter(parameter);
            }
            if path.starts_with("/fhir") {
                bodies(path, operation);
                responses(path, method, operation);
            }
            for example in examples.iter().filter(|one| one["method"] == *method && names(one, path)) {
                let shown = json!({ "summary": example["summary"], "value": example["value"] });
                let text = |name: &str| example.get(name).and_then(Value::as_str).unwrap_or_default();
                set(operation, &["requestBody", "content", text("media"), "examples", text("name")], shown);
            }
        }
    }
    Ok(())
}

fn names(example: &Value, path: &str) -> bool {
    example["paths"].as_array().is_some_and(|paths| paths.iter().any(|one| one == path))
}

/// The schema of a parameter by its name, where that says more than its type.
fn of_parameter(parameter: &mut Value) {
    let named = |codes: &[&str]| json!({ "type": "string", "enum": codes });
    let schema = match (parameter["in"].as_str().unwrap_or_default(), parameter["name"].as_str().unwrap_or_default()) {
        ("path", "type") => reference("ResourceType"),
        ("path", "id") => reference("Id"),
        ("path", "version") => reference("VersionId"),
        ("query", "_format") => named(&["json", "xml", "application/fhir+json", "application/fhir+xml"]),
        ("query", "_summary") => named(&["true", "text", "data", "count", "false"]),
        ("query", "_total") => named(&["none", "estimate", "accurate"]),
        ("query", "_pretty" | "_explain") => primitive("boolean"),
        ("query", "_count") => json!({ "type": "integer", "minimum": 0, "maximum": 10_000 }),
        _ => match &parameter["schema"] {
            // One that may be left out is no null.
            Value::Object(schema) => schema.get("type").and_then(Value::as_array).map_or_else(
                || Value::Object(schema.clone()),
                |types| json!({ "type": types.iter().find(|one| *one != "null") }),
            ),
            _ => json!({ "type": "string" }),
        },
    };
    parameter["schema"] = schema;
    if let ("query", Some(example)) = (parameter["in"].as_str().unwrap_or_default(), example_of(&parameter["name"])) {
        parameter["example"] = json!(example);
    }
}

/// What people ask for.
fn example_of(name: &Value) -> Option<&'static str> {
    Some(match name.as_str()? {
        "patient" => "amina",
        "date" => "ge2026-01-01",
        "_sort" => "-date",
        "_since" => "2026-01-01T00:00:00Z",
        "_elements" => "code,effective,value",
        "_type" => "Observation,Condition",
        _ => return None,
    })
}

/// Schemas of what is sent.
fn bodies(path: &str, operation: &mut Value) {
    let Some(content) = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) else { return };
    let of = |media: &str| match media {
        "application/json-patch+json" => reference("JsonPatch"),
        "application/merge-patch+json" => reference("MergePatch"),
        FORM => reference("SearchForm"),
        _ if path == "/fhir" => reference("BundleOfResources"),
        _ if path.contains('$') => json!({ "anyOf": [reference("OperationParameters"), reference("Resource")] }),
        _ => reference("Resource"),
    };
    for (media, body) in content.iter_mut() {
        if body.pointer("/schema/$ref").is_none() {
            set(body, &["schema"], of(media));
        }
    }
    if content.contains_key(FHIR) {
        content.insert(FHIR_XML.to_owned(), json!({ "schema": { "type": "string" } }));
    }
}

/// Schemas of what is answered, and of refusals, of which any may come.
fn responses(path: &str, method: &str, operation: &mut Value) {
    let is_open = operation["security"].is_array();
    let of_versions = path.contains("_history") && !path.ends_with("{version}");
    let of_matches = path.contains("_search") || method == "get" && (path.ends_with("/{type}") || is_type(path));
    let answered =
        reference(if path == "/fhir" || of_versions || of_matches { "BundleOfResources" } else { "Resource" });
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['4', '5']) {
            *response = json!({ "$ref": "#/components/responses/Refused", "description": response["description"] });
            continue;
        }
        let has_body = ["200", "201"].contains(&status.as_str()) && method != "delete";
        if !has_body || path.ends_with("smart-configuration") {
            continue;
        }
        let own =
            response.pointer("/content/application~1fhir+json/schema").filter(|schema| schema.get("$ref").is_some());
        let schema = own.unwrap_or(&answered).clone();
        let mut content = Map::new();
        content.extend(response.pointer("/content/*~1*").map(|any| ("*/*".to_owned(), any.clone())));
        content.insert(FHIR.to_owned(), json!({ "schema": schema }));
        content.insert(FHIR_XML.to_owned(), json!({ "schema": { "type": "string" } }));
        if path == "/fhir/metadata" {
            content.insert("text/html".to_owned(), json!({ "schema": { "type": "string" } }));
        }
        response["content"] = Value::Object(content);
    }
    if !is_open {
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Refused" }));
    }
}

/// Whether a path is that of a type.
fn is_type(path: &str) -> bool {
    path.strip_prefix("/fhir/").is_some_and(|name| openapi_types::types().any(|one| one.name() == name))
}
