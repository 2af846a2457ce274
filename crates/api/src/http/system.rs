//! What needs no token: what the server can do, and its documentation.

use std::sync::{Arc, LazyLock};

use actix_web::http::Method;
use actix_web::http::header::{self, AcceptEncoding, Encoding, Header as _};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use super::exchange::request_id;
use super::headers::FOR_ANY_PAGE;
use super::kept_forms::{Form, Told};
use super::negotiate::Answer;
use super::{Server, capability_page, readable};
use crate::describe::openapi;
use crate::error::ApiError;

/// What the server can do
#[utoipa::path(get, path = "/fhir/metadata", tag = "system", operation_id = "capabilities", security(()),
    params(("mode" = Option<String>, Query, description = "With terminology, the TerminologyCapabilities"),
        ("_format" = Option<String>, Query), ("_pretty" = Option<bool>, Query)),
    responses((status = 200, description = "A CapabilityStatement, or the TerminologyCapabilities", content_type = "application/fhir+json"),
        (status = 406, description = "No such format")))]
pub async fn metadata(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let id = request_id(&request);
    let answer = match Answer::asked(&pairs, accept) {
        Ok(answer) => answer,
        Err(fault) => return super::error::response(&fault, &Answer::default(), &id),
    };
    let fault = |fault: ApiError| super::error::response(&fault, &answer, &id);
    let is_packed = takes_gzip(&request);
    if pairs.iter().any(|(name, value)| name == "mode" && value == "terminology") {
        let form = Form { told: Told::Terminology, answer: answer.clone(), is_packed };
        let text = server.capabilities.terminology();
        return server.forms.response(form, text).await.unwrap_or_else(fault);
    }
    // Without its database the server still says what it could do.
    let store = &server.service.store;
    let registry = store.newest_registry().await.unwrap_or_else(|_| store.registry());
    let text = match server.capabilities.text(&registry) {
        Ok(text) => text,
        Err(error) => return fault(error),
    };
    let told = Told::Capabilities(registry.version());
    if readable::is_for_people(&request) {
        let page = server.forms.page(registry.version(), move || capability_page::body(&text)).await;
        return page.map_or_else(fault, capability_page::response);
    }
    let form = Form { told, answer: answer.clone(), is_packed };
    server.forms.response(form, text).await.unwrap_or_else(fault)
}

/// Whether gzip is what the client likes best of what the server has.
fn takes_gzip(request: &HttpRequest) -> bool {
    let own = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).is_ok_and(|asked| asked.negotiate(own.iter()) == Some(Encoding::gzip()))
}

/// Where apps get their tokens
#[utoipa::path(get, path = "/fhir/.well-known/smart-configuration", tag = "system", operation_id = "smartConfiguration",
    security(()),
    responses((status = 200, description = "SMART App Launch 2.2, Conformance", content_type = "application/json"),
        (status = 404, description = "No issuer is configured with a token endpoint")))]
pub async fn smart(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match &server.smart {
        Some(document) => {
            HttpResponse::Ok().content_type("application/json").insert_header(FOR_ANY_PAGE).body(document.clone())
        }
        None => super::error::response(&ApiError::NotFound, &Answer::default(), &request_id(&request)),
    }
}

/// What GET would answer below `/docs/`, without its body.
pub async fn documentation_head(request: HttpRequest) -> HttpResponse {
    let file = request.path().trim_start_matches("/docs/");
    match utoipa_swagger_ui::serve(file, Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"))) {
        Ok(Some(file)) => {
            HttpResponse::Ok().content_type(file.content_type).no_chunking(file.bytes.len() as u64).finish()
        }
        Ok(None) => unknown(request).await,
        Err(error) => {
            let fault = ApiError::Internal(format!("/docs/: {error}"));
            super::error::response(&fault, &Answer::default(), &request_id(&request))
        }
    }
}

/// This description of the API
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json")))]
pub async fn openapi() -> HttpResponse {
    static DOCUMENT: LazyLock<Result<Bytes, String>> = LazyLock::new(|| openapi::document().map(Bytes::from));
    match &*DOCUMENT {
        Ok(document) => HttpResponse::Ok().content_type("application/json").body(document.clone()),
        Err(error) => {
            tracing::error!(error, "the description of the API cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// An address that leads nowhere.
pub async fn unknown(request: HttpRequest) -> HttpResponse {
    super::error::response(&ApiError::NotFound, &Answer::default(), &request_id(&request))
}

/// A method that an address does not have, whoever asks; or the question which it has.
pub(super) fn not_allowed(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return options(allow);
    }
    let text = format!("{} is not possible here", request.method());
    super::error::response(&ApiError::NotAllowed { text, allow }, &Answer::default(), &request_id(request))
}

/// Which methods there are (RFC 9110, section 9.3.7).
pub(super) fn options(allow: &str) -> HttpResponse {
    let allow = if allow.is_empty() { "OPTIONS".to_owned() } else { format!("{allow}, OPTIONS") };
    HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish()
}
