//! What needs no token: what the server can do, whether it is well, and its documentation.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Server;
use super::exchange::request_id;
use super::negotiate::Answer;
use crate::fault::Fault;

/// What the server can do
#[utoipa::path(get, path = "/fhir/metadata", tag = "system", operation_id = "capabilities", security(()),
    params(("_format" = Option<String>, Query), ("_pretty" = Option<bool>, Query)),
    responses((status = 200, description = "A CapabilityStatement", content_type = "application/fhir+json"),
        (status = 406, description = "No such format")))]
pub async fn metadata(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let id = request_id(&request);
    let answer = match Answer::asked(&pairs, accept) {
        Ok(answer) => answer,
        Err(fault) => return super::fault::response(&fault, &Answer::default(), &id),
    };
    // Without its database the server still says what it could do.
    let store = &server.concord.store;
    let registry = store.newest_registry().await.unwrap_or_else(|_| store.registry());
    match answer.resource(server.capabilities.text(&registry)) {
        Ok(text) => HttpResponse::Ok().content_type(answer.content_type()).body(text),
        Err(fault) => super::fault::response(&fault, &answer, &id),
    }
}

/// Where apps get their tokens
#[utoipa::path(get, path = "/fhir/.well-known/smart-configuration", tag = "system", operation_id = "smartConfiguration",
    security(()),
    responses((status = 200, description = "SMART App Launch 2.2, Conformance", content_type = "application/json"),
        (status = 404, description = "No issuer is configured with a token endpoint")))]
pub async fn smart(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match &server.smart {
        Some(document) => HttpResponse::Ok().content_type("application/json").body(document.clone()),
        None => super::fault::response(&Fault::NotFound, &Answer::default(), &request_id(&request)),
    }
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", tag = "operations", operation_id = "alive", security(()),
    responses((status = 200, description = "It is", content_type = "text/plain")))]
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether the server can answer: its database does
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "ready", security(()),
    responses((status = 200, description = "It can", content_type = "text/plain"),
        (status = 503, description = "The database does not answer")))]
pub async fn ready(server: Data<Server>) -> HttpResponse {
    let (status, text) = if server.concord.store.ready().await {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
    };
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

/// Metrics in Prometheus' text form
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics", security(()),
    responses((status = 200, description = "The metrics", content_type = "text/plain")))]
pub async fn metrics(server: Data<Server>) -> HttpResponse {
    match server.metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// This description of the API
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json")))]
pub async fn openapi(server: Data<Server>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(server.openapi.clone())
}

/// An address that leads nowhere.
pub async fn unknown(request: HttpRequest) -> HttpResponse {
    super::fault::response(&Fault::NotFound, &Answer::default(), &request_id(&request))
}

/// A method that an address does not have, whoever asks.
pub async fn not_allowed(request: HttpRequest) -> HttpResponse {
    let template = request.match_pattern().unwrap_or_default();
    let allow = match template.as_str() {
        called if called.contains("{operation") => "GET, HEAD, POST",
        "/fhir/{type}/{id}" => "GET, HEAD, PUT, PATCH, DELETE",
        "/fhir/{type}" => "GET, HEAD, POST, PUT, PATCH, DELETE",
        "/fhir" | "/fhir/" => "GET, HEAD, POST",
        "/fhir/{type}/_search" => "POST",
        _ => "GET, HEAD",
    };
    let text = format!("{} is not possible here", request.method());
    super::fault::response(&Fault::NotAllowed { text, allow }, &Answer::default(), &request_id(&request))
}
