//! Signing in with a login service: `POST /sign-in/with` sends the browser there, `GET /sign-in/return` is where it comes back to,
//! and `POST /sign-in/logout` where the service says itself that somebody has signed out there.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;

use super::cookies::Name;
use super::page;
use super::{form, provider, redirect, refused, sign_in, unkept};
use crate::http::Server;
use crate::sign_in::{Fault, form_token};

pub(super) async fn send(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    sent(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::refused(fault.as_refusal()))
}

async fn sent(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let form = form(request, payload).await?;
    let visit = Name::Visit.of(request, sign_in).unwrap_or_default();
    page::require_token(&form, &form_token(&visit))?;
    let name = form.one("provider")?.ok_or(OauthError::request("the login service is missing"))?;
    let asked = form.one("request")?.unwrap_or_default().to_owned();
    Ok(redirect(&sign_in.send_to(name, &visit, asked, None).await?).finish())
}

pub(super) async fn come_back(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    came_back(&request, &server).await.unwrap_or_else(|fault| page::refused(fault.as_refusal()))
}

async fn came_back(request: &HttpRequest, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let form = Form::parse(request.query_string().as_bytes())?;
    let state = form.one("state")?.ok_or(OauthError::request("the state is missing"))?;
    let visit = Name::Visit.of(request, sign_in).unwrap_or_default();
    let code = match (form.one("code")?, form.one("error")?) {
        (Some(code), None) => Ok(code),
        _ => Err(OauthError::new(ErrorCode::AccessDenied, "you have not signed in with the login service")),
    };
    let returned = sign_in.returned(state, &visit, code, form.one("iss")?).await?;
    let before = Name::Session.of(request, sign_in);
    let cookie = sign_in.begin_session(returned.signing, before.as_deref()).await?;
    let next = provider::next(Some(returned.request.as_str()).filter(|text| !text.is_empty()))?;
    let mut builder = redirect(&next);
    builder.append_header((header::SET_COOKIE, Name::Session.set(&cookie, sign_in)));
    builder.append_header((header::SET_COOKIE, Name::Visit.gone(sign_in)));
    Ok(builder.finish())
}

/// `POST /sign-in/logout` (OpenID Connect Back-Channel Logout 1.0, section 2.5)
pub(super) async fn log_out(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    match logged_out(&request, &mut payload, &server).await {
        Ok(()) => unkept(StatusCode::OK).finish(),
        Err(fault) => refused(&request, &fault),
    }
}

async fn logged_out(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<(), Fault> {
    let sign_in = sign_in(server)?;
    let form = form(request, payload).await?;
    let token = form.one("logout_token")?.ok_or(OauthError::request("the logout_token is missing"))?;
    let ended = sign_in.signed_out_there(token).await?;
    tracing::info!(ended, "a login service says that somebody has signed out");
    Ok(())
}
