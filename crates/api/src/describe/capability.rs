//! The CapabilityStatement (R4 "CapabilityStatement"): what `/fhir/metadata` answers, computed from the registry.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use concord_fhir::json;
use concord_fhir::registry::{self, Kind, Parameter, Registry, ResourceType, is_addressed};
use concord_terminology::terminology_capabilities;

use concord_model::build::{
    CapabilityStatementParts, OperationParts, ResourceParts, SearchParameterParts, capability_statement,
};

use crate::error::ApiError;
use crate::interact::hooks::table::HOOKS;
use crate::interact::operation::{Level, OPERATIONS, Operation, expand};
use crate::interact::{instant, is_event, media_type};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The statement, made once for each version of the search parameters.
pub struct Statement {
    base: String,
    now_ms: i64,
    made: RwLock<Option<(i64, Arc<str>)>>,
    terminology: OnceLock<Arc<str>>,
}

impl Statement {
    /// `base` is the FHIR base as clients see it; `now_ms` is when the server started.
    #[must_use]
    pub fn new(base: &str, now_ms: i64) -> Statement {
        Statement { base: base.to_owned(), now_ms, made: RwLock::new(None), terminology: OnceLock::new() }
    }

    /// What the server can say of terminology, as JSON.
    pub fn terminology(&self) -> Arc<str> {
        let made = self.terminology.get_or_init(|| {
            let parameters: Vec<&str> = expand::PARAMETERS.iter().map(|one| one.name).collect();
            let told = terminology_capabilities(&self.base, VERSION, &instant(self.now_ms), &parameters);
            json::to_string(&told).into()
        });
        Arc::clone(made)
    }

    /// The statement as JSON, for these search parameters.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&self, registry: &Registry) -> Result<Arc<str>, ApiError> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = made.as_ref().filter(|(version, _)| *version == registry.version()) {
            return Ok(Arc::clone(made));
        }
        drop(made);
        let text: Arc<str> = statement(&self.base, self.now_ms, registry)?.into();
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some((registry.version(), Arc::clone(&text)));
        Ok(text)
    }
}

const SECURITY: &str = "Bearer tokens with SMART v1 or v2 scopes: JWTs of configured issuers, and those that this server \
                        gives out where people or systems sign in to it. What a caller may see is decided by the \
                        patient's Consent and care teams on every interaction; what is hidden answers like what is \
                        not there. Of those who may write a type, only systems from which nothing is kept create \
                        under an id of their choosing (updateCreate).";

fn statement(base: &str, now_ms: i64, registry: &Registry) -> Result<String, ApiError> {
    let listed = ResourceType::all().filter(|listed| is_addressed(*listed));
    let operations = OPERATIONS.iter().filter(|operation| operation.levels.contains(&Level::System));
    let parts = CapabilityStatementParts {
        base,
        version: VERSION,
        date: instant(now_ms),
        security: SECURITY,
        formats: &["application/fhir+json", "application/fhir+xml", "json", "xml"],
        patch_formats: &media_type::PATCHES,
        resources: listed.map(|listed| resource(listed, base, registry)).collect(),
        interactions: &["transaction", "batch", "history-system", "search-system"],
        search_parameters: parameters_of_several_types(),
        operations: operations.map(|operation| called(operation, base)).collect(),
        compartments: &["http://hl7.org/fhir/CompartmentDefinition/patient"],
    };
    Ok(capability_statement(parts)?)
}

/// An operation, with the address of its definition.
fn called(operation: &Operation, base: &str) -> OperationParts {
    let definition = match operation.definition {
        Some(url) => url.to_owned(),
        None => format!("{base}/OperationDefinition/{}", operation.code()),
    };
    OperationParts { name: operation.code(), definition, documentation: operation.description }
}

/// What can be done with one type.
fn resource(resource_type: ResourceType, base: &str, registry: &Registry) -> ResourceParts {
    let is_log = is_event(resource_type);
    let append_only = HOOKS.of(resource_type).is_append_only;
    let interactions: &[&str] = if is_log {
        &["read", "vread", "create", "search-type"]
    } else if append_only {
        &["read", "vread", "create", "search-type", "history-instance", "history-type"]
    } else {
        &["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
    };
    let mut search_parameters: Vec<SearchParameterParts> = registry
        .parameters(resource_type)
        .filter(|parameter| !is_log || concord_store::audit::SEARCHABLE.contains(&&*parameter.code))
        .filter(|parameter| parameter.is_supported())
        .map(search_parameter)
        .collect();
    if !is_log {
        search_parameters.extend(["_content", "_filter", "_has", "_list", "_text"].map(special));
    }
    let operations = OPERATIONS.iter().filter(|one| one.levels != [Level::System] && one.is_on(resource_type));
    ResourceParts {
        name: resource_type.name(),
        documentation: documentation(resource_type),
        interactions,
        versioning: if append_only { "versioned" } else { "versioned-update" },
        read_history: !is_log,
        update_create: !append_only,
        conditional_create: !is_log,
        conditional_update: !append_only,
        conditional_delete: if append_only { "not-supported" } else { "single" },
        includes: if is_log { Vec::new() } else { includes(resource_type, registry) },
        reverse_includes: if is_log { Vec::new() } else { reverse_includes(resource_type, registry) },
        search_parameters,
        operations: operations.map(|operation| called(operation, base)).collect(),
    }
}

fn special(code: &str) -> SearchParameterParts {
    SearchParameterParts { name: code.to_owned(), definition: None, kind: "special" }
}

/// A parameter of the registry; of one that was added, with the address of its definition.
fn search_parameter(found: &Parameter) -> SearchParameterParts {
    let definition = found.added.as_ref().map(|added| added.url.to_string());
    SearchParameterParts { name: found.code.to_string(), definition, kind: found.kind.code() }
}

/// The parameters of a search over several types.
fn parameters_of_several_types() -> Vec<SearchParameterParts> {
    let everywhere = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"];
    let found = everywhere.into_iter().filter_map(registry::parameter_of_every_resource);
    std::iter::once(special("_type")).chain(found.map(search_parameter)).collect()
}

/// What `_include` takes.
fn includes(resource_type: ResourceType, registry: &Registry) -> Vec<String> {
    let references = registry.parameters(resource_type).filter(|parameter| parameter.kind == Kind::Reference);
    std::iter::once("*".to_owned()).chain(references.map(|found| format!("{resource_type}:{}", found.code))).collect()
}

/// What `_revinclude` takes.
fn reverse_includes(resource_type: ResourceType, registry: &Registry) -> Vec<String> {
    let mut found = vec!["*".to_owned()];
    for source in ResourceType::all().filter(|source| !is_event(*source)) {
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
        let text = statement("https://phr.example/fhir", 0, Registry::r4()).unwrap();
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
