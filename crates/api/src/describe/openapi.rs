//! The OpenAPI document, made from the handlers that serve it.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::interact::operation::{Level, OPERATIONS, Operation, Parameter};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, PathItem, Required, ResponseBuilder};

use super::{openapi_bodies, openapi_interactions, openapi_types};
use crate::http::{health, system};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Concord",
        description = "A FHIR R4 backend for personal health records: patients are authors of their own record, \
            Consent is enforced, and everybody can see who looked. Bodies are FHIR R4 resources in JSON \
            (application/fhir+json) or XML (application/fhir+xml); every error is an OperationOutcome. \
            /fhir/metadata lists the search parameters of each resource type.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "resources", description = "One resource"),
        (name = "search", description = "Many resources"),
        (name = "history", description = "Versions"),
        (name = "system", description = "What the server can do"),
        (name = "sign-in", description = "Where this server gives out tokens itself: OAuth 2.0, OpenID Connect, SMART App Launch 2.2"),
        (name = "extended", description = "Operations: what is more than one interaction"),
        (name = "operations", description = "For those who run it")
    ),
    paths(
        openapi_interactions::read,
        openapi_interactions::vread,
        openapi_interactions::create,
        openapi_interactions::update,
        openapi_interactions::conditional_update,
        openapi_interactions::patch,
        openapi_interactions::conditional_patch,
        openapi_interactions::delete,
        openapi_interactions::conditional_delete,
        openapi_interactions::instance_history,
        openapi_interactions::type_history,
        openapi_interactions::system_history,
        openapi_interactions::search,
        openapi_interactions::search_by_post,
        openapi_interactions::search_system,
        openapi_interactions::search_system_by_post,
        openapi_interactions::search_compartment,
        openapi_interactions::search_compartment_by_post,
        openapi_interactions::batch,
        system::metadata, system::smart, health::alive, health::ready, health::metrics, system::openapi
    ),
    security(("bearer" = [])),
    modifiers(&Bearer, &Extended)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        scheme.description = Some("A token of a configured issuer with SMART scopes".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The operations of the table, each at every address that it has.
struct Extended;

impl Modify for Extended {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for operation in OPERATIONS {
            for level in operation.levels {
                for (place, suffix) in places(operation, *level) {
                    document.paths.paths.insert(place, described(operation, *level, &suffix));
                }
            }
        }
    }
}

/// The addresses of an operation at a level, and what tells them apart in names.
fn places(operation: &Operation, level: Level) -> Vec<(String, String)> {
    let types = if operation.types.is_empty() { &["{type}"][..] } else { operation.types };
    let name = operation.name;
    match level {
        Level::System => vec![(format!("/fhir/{name}"), String::new())],
        Level::Type => types.iter().map(|one| (format!("/fhir/{one}/{name}"), (*one).to_owned())).collect(),
        Level::Instance => {
            types.iter().map(|one| (format!("/fhir/{one}/{{id}}/{name}"), format!("{one}One"))).collect()
        }
    }
}

fn described(operation: &Operation, level: Level, suffix: &str) -> PathItem {
    let mut item = PathItemBuilder::new().operation(HttpMethod::Post, method(operation, level, suffix, true));
    if !operation.conduct.changes {
        item = item.operation(HttpMethod::Get, method(operation, level, suffix, false));
    }
    item.build()
}

fn method(operation: &Operation, level: Level, suffix: &str, by_post: bool) -> utoipa::openapi::path::Operation {
    let place = suffix.trim_matches(|part| part == '{' || part == '}');
    let place =
        if suffix.contains("{type}") { place.replace("{type}", "type").replace('}', "") } else { place.to_owned() };
    let verb = if by_post { "Post" } else { "" };
    let in_path = |name: &str| {
        ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).build()
    };
    let mut built = OperationBuilder::new()
        .tag("extended")
        .summary(Some(format!("{} {}", operation.name, operation.description)))
        .operation_id(Some(format!("{}{place}{verb}", operation.code())));
    if level != Level::System && operation.types.is_empty() {
        built = built.parameter(in_path("type"));
    }
    if level == Level::Instance {
        built = built.parameter(in_path("id"));
    }
    for Parameter { name, of, min, max, description } in operation.parameters {
        if of.chars().next().is_some_and(char::is_lowercase) {
            let required = if *min > 0 && !by_post { Required::True } else { Required::False };
            built = built.parameter(
                ParameterBuilder::new()
                    .name(*name)
                    .parameter_in(ParameterIn::Query)
                    .required(required)
                    .description(Some(*description))
                    .schema(Some(schema(of, *max)))
                    .build(),
            );
        }
    }
    if by_post {
        let body = RequestBodyBuilder::new()
            .description(Some("A Parameters resource, or the resource that is its only parameter"))
            .content("application/fhir+json", ContentBuilder::new().build());
        built = built.request_body(Some(body.build()));
    }
    let answer = |text: &str| ResponseBuilder::new().description(text).build();
    built
        .response("200", answer("What came of it"))
        .response("400", answer("A parameter is wrong"))
        .response("401", answer("No valid token"))
        .response("403", answer("Not permitted"))
        .response("404", answer("Not there, or hidden from the caller"))
        .build()
}

/// The schema of a parameter of a FHIR type in a query, of which there may be several.
fn schema(of: &str, max: usize) -> Schema {
    let kind = match of {
        "boolean" => Type::Boolean,
        "integer" | "unsignedInt" | "positiveInt" => Type::Integer,
        _ => Type::String,
    };
    let one = ObjectBuilder::new().schema_type(kind);
    if max > 1 { ArrayBuilder::new().items(one).into() } else { one.into() }
}

/// The document, with line breaks and a line end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document() -> Result<String, String> {
    let failed = |error: serde_json::Error| format!("openapi: {error}");
    let mut document = serde_json::to_value(Document::openapi()).map_err(failed)?;
    openapi_types::add(&mut document);
    openapi_bodies::add(&mut document)?;
    openapi_bodies::complete(&mut document)?;
    serde_json::to_string_pretty(&in_order(document)).map(|text| text + "\n").map_err(failed)
}

/// The same with the members of objects by their names, however they are kept in memory.
fn in_order(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<String, Value> = members.into_iter().collect();
            Value::Object(sorted.into_iter().map(|(name, value)| (name, in_order(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(in_order).collect()),
        other => other,
    }
}
