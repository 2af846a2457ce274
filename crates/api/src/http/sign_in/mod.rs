//! Sign-in over HTTP: the endpoints of OAuth 2.0 and OpenID Connect, a file each, and the pages.
//!
//! A server without sign-in has none of these addresses.

mod apps;
mod authorize;
mod cookies;
mod federation;
mod introspect;
mod launch;
mod logo;
mod page;
mod provider;
mod register;
mod revoke;
mod token;
mod userinfo;
mod well_known;
mod whose;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding, HeaderValue};
use actix_web::rt::time::timeout;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use concord_signin::authentication::Claimed;
use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::{Form, MAX_BYTES};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use super::client_address::counted;
use super::{Server, html, only, only_by, read};
use crate::auth::AuthError;
use crate::interact::media_type;
use crate::sign_in::{Fault, SignIn};

/// How long a form may take to arrive.
const WITHIN: Duration = Duration::from_secs(10);

/// The addresses of a server that people, or only systems, sign in to.
pub(super) fn routes(config: &mut ServiceConfig, has_provider: bool) {
    config
        .service(only_by("/oauth/token", "POST").route(web::post().to(token::serve)))
        .service(only_by("/oauth/introspect", "POST").route(web::post().to(introspect::serve)))
        .service(only_by("/oauth/revoke", "POST").route(web::post().to(revoke::serve)))
        .service(
            only_by("/oauth/register", "GET, POST")
                .route(web::post().to(register::add))
                .route(web::get().to(register::list)),
        )
        .service(
            only_by("/oauth/register/{id}", "GET, PUT, DELETE")
                .route(web::get().to(register::show))
                .route(web::put().to(register::change))
                .route(web::delete().to(register::remove)),
        )
        .service(only("/.well-known/jwks.json").route(read().to(well_known::jwks)))
        .service(only("/oauth/jwks").route(read().to(well_known::jwks)));
    if !has_provider {
        return;
    }
    config
        .service(
            only_by("/oauth/authorize", "GET, POST")
                .route(web::get().to(authorize::by_get))
                .route(web::post().to(authorize::by_post)),
        )
        .service(
            only_by("/oauth/userinfo", "GET, POST")
                .route(web::get().to(userinfo::serve))
                .route(web::post().to(userinfo::serve)),
        )
        .service(only_by("/oauth/launch", "POST").route(web::post().to(launch::serve)))
        .service(only("/.well-known/openid-configuration").route(read().to(well_known::openid)))
        .service(
            only_by("/sign-in", "GET, HEAD, POST")
                .route(read().to(provider::page))
                .route(web::post().to(provider::sign_in_as)),
        )
        .service(only("/sign-in/logo").route(read().to(logo::own)))
        .service(only("/sign-in/logo/{client}").route(read().to(logo::of_app)))
        .service(only_by("/sign-in/with", "POST").route(web::post().to(federation::send)))
        .service(only_by("/sign-in/return", "GET").route(web::get().to(federation::come_back)))
        .service(only_by("/sign-in/arrival", "POST").route(web::post().to(federation::arrive)))
        .service(only_by("/sign-in/logout", "POST").route(web::post().to(federation::log_out)))
        .service(only_by("/sign-in/whose", "POST").route(web::post().to(whose::pick)))
        .service(only_by("/sign-in/decision", "POST").route(web::post().to(authorize::decide)))
        .service(only_by("/sign-out", "POST").route(web::post().to(provider::sign_out)))
        .service(only("/apps").route(read().to(apps::page)))
        .service(only_by("/apps/end", "POST").route(web::post().to(apps::end)));
}

/// The sign-in of this server. Its addresses are there only if it is.
fn sign_in(server: &Data<Server>) -> Result<&Arc<SignIn>, Fault> {
    const NONE: OauthError = OauthError::new(ErrorCode::TemporarilyUnavailable, "there is no sign-in here");
    Ok(server.sign_in.as_ref().ok_or(NONE)?)
}

/// The parameters of a request to an endpoint, each of which is there once.
async fn parameters(request: &HttpRequest, payload: &mut Payload) -> Result<Form, OauthError> {
    let form = form(request, payload).await?;
    form.each_once()?;
    Ok(form)
}

/// The parameters of a form that is the body, of which some may be choices.
async fn form(request: &HttpRequest, payload: &mut Payload) -> Result<Form, OauthError> {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type::is(media, media_type::FORM) {
        return Err(OauthError::request("the body is not application/x-www-form-urlencoded"));
    }
    Ok(Form::parse(&bytes(payload).await?)?)
}

/// A body, which is no longer than a form may be.
async fn bytes(payload: &mut Payload) -> Result<Vec<u8>, OauthError> {
    let mut bytes = Vec::new();
    let read = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| OauthError::request("the body does not arrive whole"))?;
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(OauthError::request("the body is longer than 32768 bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    timeout(WITHIN, read).await.map_err(|_| OauthError::request("the body does not arrive within 10 s"))??;
    Ok(bytes)
}

/// From where a request comes, as attempts are counted: all addresses of one network of IPv6 are one.
fn address(request: &HttpRequest, server: &Server) -> Option<IpAddr> {
    server.proxies.client_of(request).map(counted)
}

/// The client that a request is from, and its parameters.
async fn client(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<(Client, Form), Fault> {
    let sign_in = sign_in(server)?;
    let mut headers = request.headers().get_all(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let header = match (headers.next(), headers.next()) {
        (_, Some(_)) => return Err(OauthError::request("there is more than one Authorization header").into()),
        (header, None) => header,
    };
    let form = parameters(request, payload).await?;
    let holder = match (form.one("grant_type")?, form.one("refresh_token")?) {
        (Some("refresh_token"), Some(token)) if !Claimed::is_said(header, &form) => sign_in.holder(token).await?,
        _ => None,
    };
    let claimed = holder.map_or_else(|| Claimed::read(header, &form), |id| Ok(Claimed::Public(id)))?;
    Ok((sign_in.authenticated(&claimed, address(request, server)).await?, form))
}

/// An answer that nobody keeps (RFC 6749 section 5.1).
fn unkept(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
    builder
}

/// A JSON object, or the refusal in its place (RFC 6749 section 5.2).
fn answered(request: &HttpRequest, result: Result<Map<String, Value>, Fault>) -> HttpResponse {
    match result {
        Ok(members) => unkept(StatusCode::OK).content_type("application/json").body(Value::Object(members).to_string()),
        Err(fault) => refused(request, &fault),
    }
}

fn refused(request: &HttpRequest, fault: &Fault) -> HttpResponse {
    let (error, wait_s) = (fault.as_refusal(), fault.wait_s());
    let status = match error.code {
        _ if wait_s.is_some() => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut builder = unkept(status);
    if status == StatusCode::UNAUTHORIZED && request.headers().contains_key(header::AUTHORIZATION) {
        builder.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"concord\""));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || wait_s.is_some() {
        builder.insert_header((header::RETRY_AFTER, wait_s.unwrap_or(1).to_string()));
    }
    let told = json!({"error": error.code.name(), "error_description": error.text});
    builder.content_type("application/json").body(told.to_string())
}

/// The answer to an access token that is missing or does not work (RFC 6750 section 3).
fn challenged(error: AuthError) -> HttpResponse {
    unkept(StatusCode::UNAUTHORIZED).insert_header((header::WWW_AUTHENTICATE, error.www_authenticate())).finish()
}

/// Sends the browser on, with nothing of this address in its next request.
fn redirect(to: &str) -> HttpResponseBuilder {
    let mut builder = unkept(StatusCode::SEE_OTHER);
    builder
        .insert_header((header::LOCATION, to))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(ContentEncoding::Identity);
    builder
}
