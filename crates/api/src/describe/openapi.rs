//! The OpenAPI document, made from the handlers that serve it.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::http::{bundle, resource, search, system};

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
        (name = "operations", description = "For those who run it")
    ),
    paths(
        resource::read, resource::vread, resource::create, resource::update, resource::conditional_update,
        resource::delete, resource::conditional_delete, search::search, search::search_by_post, search::system,
        search::system_by_post, search::compartment, search::compartment_by_post,
        bundle::batch, resource::instance_history, resource::type_history, resource::system_history,
        system::metadata, system::alive, system::ready, system::metrics, system::openapi
    ),
    security(("bearer" = [])),
    modifiers(&Bearer)
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

/// The document, with line breaks and a line end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document() -> Result<String, String> {
    Document::openapi().to_pretty_json().map(|text| text + "\n").map_err(|error| format!("openapi: {error}"))
}
