//! `/oauth/register` (RFC 7591) and `/oauth/register/[client]` (RFC 7592).

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::{ErrorCode, OauthError};
use serde_json::Value;

use super::{address, bytes, refused, sign_in, unkept};
use crate::auth::{AuthError, bearer};
use crate::http::Server;
use crate::interact::media_type;
use crate::sign_in::{Fault, Registered};

/// The token that a request brings, if it brings one.
fn token(request: &HttpRequest) -> Result<Option<&str>, Fault> {
    const NO_BEARER: OauthError =
        OauthError::new(ErrorCode::AccessDenied, "the Authorization header is not Bearer and one token");
    match bearer(request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes())) {
        Ok(token) => Ok(Some(token)),
        Err(AuthError::Missing) => Ok(None),
        Err(_) => Err(NO_BEARER.into()),
    }
}

fn required(request: &HttpRequest) -> Result<&str, Fault> {
    const MISSING: OauthError = OauthError::new(ErrorCode::AccessDenied, "a bearer token is required");
    Ok(token(request)?.ok_or(MISSING)?)
}

async fn json(request: &HttpRequest, payload: &mut Payload) -> Result<Vec<u8>, Fault> {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type::is(media, media_type::JSON) {
        return Err(OauthError::request("the body is not application/json").into());
    }
    Ok(bytes(payload).await?)
}

fn answered(request: &HttpRequest, status: StatusCode, told: Result<Registered, Fault>) -> HttpResponse {
    match told {
        Ok(told) => unkept(status).content_type("application/json").body(Value::Object(told).to_string()),
        // RFC 7592 section 2: whoever may not know of a client is told so in the same way as of one that is not there.
        Err(Fault::Refused(error)) if error.code == ErrorCode::AccessDenied => unkept(StatusCode::UNAUTHORIZED)
            .insert_header((header::WWW_AUTHENTICATE, AuthError::NotIssued.www_authenticate()))
            .content_type("application/json")
            .body(serde_json::json!({"error": "invalid_token", "error_description": error.text}).to_string()),
        Err(fault) => refused(request, &fault),
    }
}

pub(super) async fn add(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    let address = address(&request, &server);
    let told = async {
        let sign_in = sign_in(&server)?;
        let token = token(&request)?;
        sign_in.register(token, &json(&request, &mut payload).await?, address).await
    };
    answered(&request, StatusCode::CREATED, told.await)
}

pub(super) async fn list(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    let told = async { sign_in(&server)?.registered_by(required(&request)?).await };
    answered(&request, StatusCode::OK, told.await)
}

pub(super) async fn show(request: HttpRequest, id: Path<String>, server: Data<Server>) -> HttpResponse {
    let told = async { sign_in(&server)?.registered(required(&request)?, &id).await };
    answered(&request, StatusCode::OK, told.await)
}

pub(super) async fn change(
    request: HttpRequest,
    id: Path<String>,
    mut payload: Payload,
    server: Data<Server>,
) -> HttpResponse {
    let address = request.peer_addr().map(|peer| peer.ip());
    let told = async {
        let sign_in = sign_in(&server)?;
        let token = required(&request)?;
        sign_in.register_anew(token, &id, &json(&request, &mut payload).await?, address).await
    };
    answered(&request, StatusCode::OK, told.await)
}

pub(super) async fn remove(request: HttpRequest, id: Path<String>, server: Data<Server>) -> HttpResponse {
    let done = async { sign_in(&server)?.register_no_more(required(&request)?, &id).await };
    match done.await {
        Ok(()) => unkept(StatusCode::NO_CONTENT).finish(),
        Err(fault) => answered(&request, StatusCode::NO_CONTENT, Err(fault)),
    }
}
