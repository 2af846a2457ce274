//! The CapabilityStatement (R4 "CapabilityStatement"): what `/fhir/metadata` answers, computed from the registry.

use std::sync::{PoisonError, RwLock};

use concord_fhir::json::{self, Value};
use concord_fhir::registry::{self, Kind, Parameter, Registry, ResourceType};

use crate::interact::operation::{Level, OPERATIONS, Operation};
use crate::interact::{AUDIT_EVENT, PROVENANCE, audit, instant};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The statement, made once for each moment's search parameters.
pub struct Statement {
    base: String,
    now_ms: i64,
    made: RwLock<Option<(i64, String)>>,
}

impl Statement {
    /// `base` is the FHIR base as clients see it; `now_ms` is when the server started.
    #[must_use]
    pub fn new(base: &str, now_ms: i64) -> Statement {
        Statement { base: base.to_owned(), now_ms, made: RwLock::new(None) }
    }

    /// The statement as JSON, for these search parameters.
    #[must_use]
    pub fn text(&self, registry: &Registry) -> String {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = made.as_ref().filter(|(version, _)| *version == registry.version()) {
            return text.clone();
        }
        drop(made);
        let text = statement(&self.base, self.now_ms, registry);
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some((registry.version(), text.clone()));
        text
    }
}

fn statement(base: &str, now_ms: i64, registry: &Registry) -> String {
    let resources = ResourceType::all()
        .filter(|listed| listed.name() != "Parameters")
        .map(|listed| resource(listed, base, registry))
        .collect();
    let coded = |system: &'static str, code: &'static str| {
        Value::object([(
            "coding",
            Value::Array(vec![Value::object([("system", Value::string(system)), ("code", Value::string(code))])]),
        )])
    };
    let mut rest = Value::object([
        ("mode", Value::string("server")),
        (
            "security",
            Value::object([
                ("cors", Value::Bool(true)),
                (
                    "service",
                    Value::Array(vec![coded(
                        "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "SMART-on-FHIR",
                    )]),
                ),
                (
                    "description",
                    Value::string(
                        "Bearer tokens (JWT) of configured issuers with SMART v1 or v2 scopes. What a caller may see \
                         is decided by the patient's Consent and care teams on every interaction; what is hidden \
                         answers like what is not there.",
                    ),
                ),
            ]),
        ),
        ("resource", Value::Array(resources)),
        ("interaction", codes(&["transaction", "batch", "history-system", "search-system"])),
        ("searchParam", Value::Array(parameters_of_several_types())),
        ("compartment", Value::Array(vec![Value::string("http://hl7.org/fhir/CompartmentDefinition/patient")])),
    ]);
    let called: Vec<Value<'static>> = OPERATIONS
        .iter()
        .filter(|operation| operation.levels.contains(&Level::System))
        .map(|operation| called(operation, base))
        .collect();
    if let (Some(object), false) = (rest.as_object_mut(), called.is_empty()) {
        object.set("operation", Value::Array(called));
    }
    json::to_string(&Value::object([
        ("resourceType", Value::string("CapabilityStatement")),
        ("id", Value::string("concord")),
        ("url", Value::string(format!("{base}/metadata"))),
        ("version", Value::string(VERSION)),
        ("name", Value::string("Concord")),
        ("title", Value::string("Concord")),
        ("status", Value::string("active")),
        ("date", Value::string(instant(now_ms))),
        ("publisher", Value::string("The Concord project")),
        ("kind", Value::string("instance")),
        ("software", Value::object([("name", Value::string("Concord")), ("version", Value::string(VERSION))])),
        (
            "implementation",
            Value::object([
                ("description", Value::string("A personal health record that asks the patient")),
                ("url", Value::string(base)),
            ]),
        ),
        ("fhirVersion", Value::string("4.0.1")),
        (
            "format",
            Value::Array(
                ["application/fhir+json", "application/fhir+xml", "json", "xml"]
                    .into_iter()
                    .map(Value::string)
                    .collect(),
            ),
        ),
        ("patchFormat", Value::Array(vec![Value::string("application/json-patch+json")])),
        ("rest", Value::Array(vec![rest])),
    ]))
}

fn codes(interactions: &[&'static str]) -> Value<'static> {
    Value::Array(interactions.iter().map(|code| Value::object([("code", Value::string(*code))])).collect())
}

/// An operation, with the address of its definition.
fn called(operation: &Operation, base: &str) -> Value<'static> {
    let definition = match operation.definition {
        Some(url) => url.to_owned(),
        None => format!("{base}/OperationDefinition/{}", operation.code()),
    };
    Value::object([
        ("name", Value::string(operation.code())),
        ("definition", Value::string(definition)),
        ("documentation", Value::string(operation.told)),
    ])
}

/// What can be done with one type.
fn resource(resource_type: ResourceType, base: &str, registry: &Registry) -> Value<'static> {
    let append_only = resource_type == AUDIT_EVENT || resource_type == PROVENANCE;
    let interactions: &[&str] = if resource_type == AUDIT_EVENT {
        &["read", "vread", "create", "search-type"]
    } else if append_only {
        &["read", "vread", "create", "search-type", "history-instance", "history-type"]
    } else {
        &["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
    };
    let name = resource_type.name();
    let mut parameters: Vec<Value<'static>> = registry
        .parameters(resource_type)
        .filter(|parameter| resource_type != AUDIT_EVENT || audit::SEARCHABLE.contains(&&*parameter.code))
        .filter(|parameter| parameter.is_supported())
        .map(known)
        .collect();
    if resource_type != AUDIT_EVENT {
        parameters.extend(["_content", "_filter", "_has", "_list", "_text"].map(|code| parameter(code, "special")));
    }
    let mut members = Value::object([
        ("type", Value::string(name)),
        ("profile", Value::string(format!("http://hl7.org/fhir/StructureDefinition/{name}"))),
        ("interaction", codes(interactions)),
        ("versioning", Value::string(if append_only { "versioned" } else { "versioned-update" })),
        ("readHistory", Value::Bool(resource_type != AUDIT_EVENT)),
        ("updateCreate", Value::Bool(!append_only)),
        ("conditionalCreate", Value::Bool(resource_type != AUDIT_EVENT)),
        ("conditionalRead", Value::string("full-support")),
        ("conditionalUpdate", Value::Bool(!append_only)),
        ("conditionalDelete", Value::string(if append_only { "not-supported" } else { "single" })),
        ("searchInclude", texts(includes(resource_type, registry))),
        ("searchRevInclude", texts(reverse_includes(resource_type, registry))),
        ("searchParam", Value::Array(parameters)),
    ]);
    if resource_type == AUDIT_EVENT
        && let Some(object) = members.as_object_mut()
    {
        object.0.retain(|(name, _)| name != "searchInclude" && name != "searchRevInclude");
    }
    let operations: Vec<Value<'static>> = OPERATIONS
        .iter()
        .filter(|operation| operation.levels != [Level::System] && operation.is_on(resource_type))
        .map(|operation| called(operation, base))
        .collect();
    if let (Some(object), false) = (members.as_object_mut(), operations.is_empty()) {
        object.set("operation", Value::Array(operations));
    }
    if let (Some(text), Some(object)) = (documentation(resource_type), members.as_object_mut()) {
        object.set_at(2, "documentation", Value::string(text));
    }
    members
}

fn parameter(code: &str, kind: &'static str) -> Value<'static> {
    Value::object([("name", Value::string(code.to_owned())), ("type", Value::string(kind))])
}

/// A parameter of the registry; of one that was added, with the address of its definition.
fn known(found: &Parameter) -> Value<'static> {
    let mut told = parameter(&found.code, found.kind.code());
    if let (Some(added), Some(object)) = (&found.added, told.as_object_mut()) {
        object.set_at(1, "definition", Value::string(added.url.to_string()));
    }
    told
}

fn texts(texts: Vec<String>) -> Value<'static> {
    Value::Array(texts.into_iter().map(Value::string).collect())
}

/// The parameters of a search over several types.
fn parameters_of_several_types() -> Vec<Value<'static>> {
    let everywhere = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"];
    let found = everywhere.into_iter().filter_map(registry::parameter_of_every_resource);
    std::iter::once(parameter("_type", "special")).chain(found.map(known)).collect()
}

/// What `_include` takes.
fn includes(resource_type: ResourceType, registry: &Registry) -> Vec<String> {
    let references = registry.parameters(resource_type).filter(|parameter| parameter.kind == Kind::Reference);
    std::iter::once("*".to_owned()).chain(references.map(|found| format!("{resource_type}:{}", found.code))).collect()
}

/// What `_revinclude` takes.
fn reverse_includes(resource_type: ResourceType, registry: &Registry) -> Vec<String> {
    let mut found = vec!["*".to_owned()];
    for source in ResourceType::all().filter(|source| *source != AUDIT_EVENT) {
        let refers =
            |parameter: &&Parameter| parameter.kind == Kind::Reference && parameter.targets.contains(resource_type);
        found.extend(registry.parameters(source).filter(refers).map(|found| format!("{source}:{}", found.code)));
    }
    found
}

/// The rules that a developer would otherwise meet by surprise.
fn documentation(resource_type: ResourceType) -> Option<&'static str> {
    match resource_type.name() {
        "AuditEvent" => Some("Written by the server for every access and refusal. Systems may hand in their own."),
        "Provenance" => Some("Written by the server for what people write. Systems may hand in their own."),
        "Observation" => Some(
            "What a patient writes is about that patient, performed by that patient, has a time and a value, and is \
             labelled PATAST. What a professional wrote is commented on, not edited.",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::search::{Handling, parse};

    #[test]
    fn what_the_statement_lists_is_understood() {
        let text = statement("https://phr.example/fhir", 0, Registry::r4());
        let value = json::parse(text.as_bytes(), &json::Limits::default()).unwrap();
        let rest = &value.list("rest")[0];
        let mut listed = 0;
        for resource in rest.list("resource") {
            let resource_type = ResourceType::parse(resource.text("type").unwrap());
            let understood = |name: &str, value: &str| {
                let pairs = [(name.to_owned(), value.to_owned())];
                let query = parse(resource_type, &pairs, Handling::Strict, 0, "");
                assert!(query.is_ok(), "{resource_type:?} {name}={value}: {query:?}");
            };
            for parameter in resource.list("searchParam") {
                listed += 1;
                let name = parameter.text("name").unwrap();
                if parameter.text("type") != Some("special") {
                    understood(&format!("{name}:missing"), "true");
                }
            }
            for include in resource.list("searchInclude") {
                understood("_include", include.as_str().unwrap());
            }
            for include in resource.list("searchRevInclude") {
                understood("_revinclude", include.as_str().unwrap());
            }
        }
        assert!(listed > 1_600, "{listed}");
    }
}
