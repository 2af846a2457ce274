//! Signing in with a login service: `POST /sign-in/with` sends the browser there, `GET /sign-in/return` is where it comes back to,
//! `POST /sign-in/arrival` where somebody says that it is they who have come without having been sent,
//! and `POST /sign-in/logout` where the service says itself that somebody has signed out there.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;

use super::cookies::Name;
use super::html::Html;
use super::page::{self, Page, PageName};
use super::{address, parameters, provider, redirect, refused, sign_in, unkept};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::sign_in::{Fault, SignIn, SignedIn, Signing, Standing, UNPROVEN_NAME};

pub(super) async fn send(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    sent(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn sent(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, visit) = page::form(request, payload, sign_in, Name::Visit).await?;
    let name = form.one("provider")?.ok_or(OauthError::request("the login service is missing"))?;
    let asked = form.one("request")?.unwrap_or_default().to_owned();
    let address = address(request, server);
    Ok(redirect(&sign_in.send_to(name, &visit, (asked, None), address).await?).finish())
}

pub(super) async fn come_back(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match came_back(&request, &server).await {
        Ok(response) => response,
        Err(fault) => {
            let noted = note(&request, &server, &fault).await;
            page::failed(&noted.err().unwrap_or(fault))
        }
    }
}

/// Tells the log of somebody whom a login service has sent back and who is not let in: who looks for a way in is seen.
async fn note(request: &HttpRequest, server: &Data<Server>, fault: &Fault) -> Result<(), Fault> {
    match fault {
        Fault::Refused(error)
            if matches!(error.code, ErrorCode::AccessDenied | ErrorCode::UnmetAuthenticationRequirements) =>
        {
            let address = server.proxies.client_of(request);
            Ok(server.refusals.note(&server.service, "sign-in: not let in", address, &request_id(request)).await?)
        }
        _ => Ok(()),
    }
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
    if !returned.was_asked {
        match sign_in.signed_in(before.as_ref()).await? {
            None => return arrived(sign_in, returned.signing).await,
            Some(other) if other.person != returned.signing.person => {
                return Ok(unasked(sign_in, &other, &returned.signing).await?.response());
            }
            Some(_) => {}
        }
    }
    let cookie = sign_in.begin_session(returned.signing, before.as_ref(), &request_id(request)).await?;
    let next = provider::next(Some(returned.request.as_str()).filter(|text| !text.is_empty()))?;
    let mut builder = redirect(&next);
    builder.append_header((header::SET_COOKIE, Name::Session.set(&cookie, sign_in)));
    builder.append_header((header::SET_COOKIE, Name::Visit.gone(sign_in)));
    Ok(builder.finish())
}

/// What somebody is called, for their own eyes.
pub(super) async fn name(sign_in: &SignIn, person: &str, standing: &Standing) -> Result<String, Fault> {
    if !standing.is_proven() {
        return Ok(UNPROVEN_NAME.to_owned());
    }
    Ok(sign_in.somebody(person).await?.map(|somebody| somebody.name).unwrap_or_default())
}

/// What is shown where another service says that somebody comes who has not said so. Any page can send a browser here with the word for
/// somebody else, whose record the person at the browser would then take for their own: they say first that it is they who come.
/// Until then nobody is signed in.
async fn arrived(sign_in: &SignIn, comes: Signing) -> Result<HttpResponse, Fault> {
    let name = name(sign_in, &comes.person, &comes.standing).await?;
    let arrival = sign_in.keep_arrival(comes).await?;
    let body = Html::of("<h1>Is this you?</h1><p>You come as <strong>")
        .text(&name)
        .then("</strong>. If that is somebody else, another page has sent you here: do not go on.</p>")
        .then("<form method=\"post\" action=\"/sign-in/arrival\">")
        .add(&page::token_field(&arrival.form_token()))
        .then("<button name=\"decision\" value=\"go-on\">Yes, go on</button>")
        .then("<button name=\"decision\" value=\"no\" class=\"second\">No, this is not me</button></form>");
    let cookies = vec![Name::Arrival.set(&arrival, sign_in), Name::Visit.gone(sign_in)];
    Ok(Page { cookies, ..Page::new(PageName::Arrival, "Is this you?", body) }.response())
}

/// `POST /sign-in/arrival`: whoever has come says whether it is they.
pub(super) async fn arrive(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    answered(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn answered(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, arrival) = page::form(request, payload, sign_in, Name::Arrival).await?;
    let goes_on = form.one("decision")? == Some("go-on");
    // Somebody may have signed in meanwhile.
    let begun = match goes_on {
        true => {
            let before = Name::Session.of(request, sign_in);
            sign_in.begin_arrived(&arrival, before.as_ref(), &request_id(request)).await?
        }
        false => None,
    };
    let mut builder = redirect(if begun.is_some() { "/apps" } else { "/sign-in" });
    builder.append_header((header::SET_COOKIE, Name::Arrival.gone(sign_in)));
    match begun {
        Some(cookie) => drop(builder.append_header((header::SET_COOKIE, Name::Session.set(&cookie, sign_in)))),
        None => sign_in.end_session_of(&arrival).await?,
    }
    Ok(builder.finish())
}

/// What is shown where another service says that somebody comes who has not said so, while somebody else is signed in.
async fn unasked(sign_in: &SignIn, signed_in: &SignedIn, comes: &Signing) -> Result<Page, Fault> {
    let body = Html::of("<h1>Somebody else is signed in</h1><p>You come as <strong>")
        .text(&name(sign_in, &comes.person, &comes.standing).await?)
        .then("</strong>, but in this browser somebody else is signed in. Nothing has changed.</p>")
        .add(&page::signed_in(&name(sign_in, &signed_in.person, &signed_in.standing).await?, signed_in))
        .then("<p>If you want to go on as yourself, sign out here, and open this page again from where you came.</p>");
    Ok(Page { status: StatusCode::CONFLICT, ..Page::new(PageName::SomebodyElse, "Somebody else is signed in", body) })
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
    let form = parameters(request, payload).await?;
    let token = form.one("logout_token")?.ok_or(OauthError::request("the logout_token is missing"))?;
    let ended = sign_in.signed_out_there(token, address(request, server)).await?;
    tracing::info!(ended, "a login service says that somebody has signed out");
    Ok(())
}
