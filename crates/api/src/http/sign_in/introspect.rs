//! `POST /oauth/introspect` (RFC 7662)

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::authentication::Claimed;
use concord_signin::client::Client;
use concord_signin::error::OauthError;
use concord_signin::form::Form;

use super::{answered, challenged, client, parameters, sign_in};
use crate::auth::{self, AuthError};
use crate::http::Server;
use crate::sign_in::{Fault, Inspected};

pub(super) async fn serve(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    match bearer(&request) {
        None => answered(&request, inspect(&request, &mut payload, &server).await),
        Some(Err(error)) => challenged(error),
        Some(Ok(token)) => match by_token(&request, &mut payload, &server, token).await {
            Ok(Some(told)) => answered(&request, Ok(told)),
            // RFC 7662 section 2.3
            Ok(None) => challenged(AuthError::NotIssued),
            Err(fault) => answered(&request, Err(fault)),
        },
    }
}

/// The access token by which a client asks, if that is how it asks (SMART App Launch 2.2, "Token Introspection").
fn bearer(request: &HttpRequest) -> Option<Result<&str, AuthError>> {
    const SCHEME: &[u8] = b"bearer ";
    let mut headers = request.headers().get_all(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_bearer = |header: &[u8]| header.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
    // Whoever sends two headers is told by who reads those of clients.
    match (headers.next(), headers.next()) {
        (Some(header), None) if is_bearer(header) => Some(auth::bearer(Some(header))),
        _ => None,
    }
}

async fn inspect(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<Inspected, Fault> {
    let (client, form) = client(request, payload, server).await?;
    if client.is_public() {
        // Anybody can say that they are a public client (RFC 7662 section 2.1).
        return Err(
            OauthError::client("a public client cannot prove who it is, so it is told nothing of tokens").into()
        );
    }
    told(server, &client, &form).await
}

/// The same for who asks with an access token; none if it does not work, or its client may not ask about all.
async fn by_token(
    request: &HttpRequest,
    payload: &mut Payload,
    server: &Data<Server>,
    token: &str,
) -> Result<Option<Inspected>, Fault> {
    let Some(client) = sign_in(server)?.asks_about_all(token).await? else { return Ok(None) };
    let form = parameters(request, payload).await?;
    if Claimed::is_said(None, &form) {
        return Err(OauthError::request("the client says twice who it is: by its token and by parameters").into());
    }
    told(server, &client, &form).await.map(Some)
}

async fn told(server: &Data<Server>, client: &Client, form: &Form) -> Result<Inspected, Fault> {
    let token = form.one("token")?.ok_or(OauthError::request("the token is missing"))?;
    sign_in(server)?.introspect(client, token).await
}
