//! Signing in with a login service: `POST /sign-in/with` sends the browser there, `GET /sign-in/return` is where it comes back to,
//! and `POST /sign-in/logout` where the service says itself that somebody has signed out there.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;

use super::cookies::Name;
use super::html::Html;
use super::page::{self, Page};
use super::{form, provider, redirect, refused, sign_in, unkept};
use crate::http::Server;
use crate::sign_in::{Fault, Kept, SignIn, SignedIn, Signing};

pub(super) async fn send(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    sent(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::refused(fault.as_refusal()))
}

async fn sent(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, visit) = page::form(request, payload, sign_in, Name::Visit).await?;
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
    let visit = Name::Visit.of(request, sign_in).ok_or(page::NOT_OURS)?;
    let code = match (form.one("code")?, form.one("error")?) {
        (Some(code), None) => Ok(code),
        _ => Err(OauthError::new(ErrorCode::AccessDenied, "you have not signed in with the login service")),
    };
    let returned = sign_in.returned(state, &visit, code, form.one("iss")?).await?;
    let before = Name::Session.of(request, sign_in);
    if !returned.was_asked
        && let Some(other) = other(sign_in, before.as_ref(), &returned.signing).await?
    {
        return Ok(unasked(sign_in, &other, &returned.signing).await?.response());
    }
    let cookie = sign_in.begin_session(returned.signing, before.as_ref()).await?;
    let next = provider::next(Some(returned.request.as_str()).filter(|text| !text.is_empty()))?;
    let mut builder = redirect(&next);
    builder.append_header((header::SET_COOKIE, Name::Session.set(&cookie, sign_in)));
    builder.append_header((header::SET_COOKIE, Name::Visit.gone(sign_in)));
    Ok(builder.finish())
}

/// Who is signed in, if that is somebody else than who comes.
async fn other(sign_in: &SignIn, cookie: Option<&Kept>, comes: &Signing) -> Result<Option<SignedIn>, Fault> {
    Ok(sign_in.signed_in(cookie).await?.filter(|signed_in| signed_in.person != comes.person))
}

/// What is shown where another service says that somebody comes who has not said so, while somebody else is signed in.
async fn unasked(sign_in: &SignIn, signed_in: &SignedIn, comes: &Signing) -> Result<Page, Fault> {
    let name = async |person: &str| -> Result<String, Fault> {
        Ok(sign_in.somebody(person).await?.map(|somebody| somebody.name).unwrap_or_default())
    };
    let body = Html::of("<h1>Somebody else is signed in</h1><p>You come as <strong>")
        .text(&name(&comes.person).await?)
        .then("</strong>, but in this browser somebody else is signed in. Nothing has changed.</p>")
        .add(&page::signed_in(&name(&signed_in.person).await?, signed_in))
        .then("<p>If you want to go on as yourself, sign out here, and open this page again from where you came.</p>");
    Ok(Page { status: StatusCode::CONFLICT, ..Page::new("Somebody else is signed in", body) })
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
