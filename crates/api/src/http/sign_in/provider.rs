//! `/sign-in`: the login services, and with the development provider a list of people to pick from; and `/sign-out`.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::OauthError;
use concord_signin::form::Form;

use super::cookies::{self, Name};
use super::html::Html;
use super::page::{self, Page, PageName};
use super::{redirect, sign_in};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::sign_in::{Fault, SignIn, Signing, Somebody};

/// `GET /sign-in`
pub(super) async fn page(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    let offered = async {
        // What the NHS App sends along when it opens this page for who is signed in to it.
        let form = Form::parse(request.query_string().as_bytes())?;
        let asserted = [form.one("assertedLoginIdentity")?, form.one("asserted_login_identity")?];
        match asserted.into_iter().flatten().next() {
            Some(asserted) => send_asserted(&request, &server, asserted).await,
            None => offered(&request, sign_in(&server)?, (None, None), form.one(SIGNED_OUT)?.is_some()).await,
        }
    };
    offered.await.unwrap_or_else(|fault| page::failed(&fault))
}

/// Sends a browser to the login service to which another service of theirs has said who somebody is: nobody is asked anything.
async fn send_asserted(request: &HttpRequest, server: &Data<Server>, asserted: &str) -> Result<HttpResponse, Fault> {
    const NONE: OauthError = OauthError::request("there is no login service here that could check who you are");
    let sign_in = sign_in(server)?;
    let name = sign_in.takes_assertions().ok_or(NONE)?.to_owned();
    let (visit, cookie) = cookies::kept(request, sign_in)?;
    let address = super::address(request, server);
    let mut builder = redirect(&sign_in.send_to(&name, &visit, (String::new(), Some(asserted)), address).await?);
    if let Some(cookie) = cookie {
        builder.append_header((header::SET_COOKIE, cookie));
    }
    Ok(builder.finish())
}

/// The parameter of the page to which somebody is sent who has signed out.
const SIGNED_OUT: &str = "signed_out";

/// The page. Whoever signs in goes on with what an app asks, or to the apps that they have let in. `leads_to` is where the app is,
/// whose redirect URI has been checked. Who has signed out is told so, where it is true.
pub(super) async fn offered(
    request: &HttpRequest,
    sign_in: &SignIn,
    (asked, leads_to): (Option<&Form>, Option<String>),
    has_signed_out: bool,
) -> Result<HttpResponse, Fault> {
    let (token, cookie) = cookies::visit(request, sign_in)?;
    let services = sign_in.login_services().await;
    let fields = page::token_field(&token).each(asked, |html, asked| {
        html.then("<input type=\"hidden\" name=\"request\" value=\"").text(&asked.to_string()).then("\">")
    });
    let mut body = Html::default();
    if has_signed_out && Name::Session.of(request, sign_in).is_none() {
        body = body.then("<div class=\"panel\" role=\"status\"><p><strong>You are signed out.</strong></p>");
        if !services.is_empty() {
            body = body
                .then("<p>You may still be signed in to the service that you signed in with: sign out there too.</p>");
        }
        body = body.then("</div>");
    }
    body = body.then("<h1>Who are you?</h1>");
    if !services.is_empty() {
        body = body
            .then("<form method=\"post\" action=\"/sign-in/with\">")
            .add(&fields)
            .each(&services, |html, (name, title, _)| {
                let html = html.then("<p><button name=\"provider\" value=\"").text(name);
                html.then("\">").text(title).then("</button></p>")
            })
            .then("</form>");
    }
    if sign_in.is_for_development() {
        body = body.add(&everybody(&sign_in.people().await?, &fields));
    }
    Ok(Page {
        cookies: cookie.into_iter().collect(),
        // Whoever signs in may be sent on to the app at once, with what is wrong with its request.
        leads_to: services.into_iter().filter_map(|(_, _, address)| address).chain(leads_to).collect(),
        ..Page::new(PageName::SignIn, "Who are you?", body)
    }
    .response())
}

/// Everybody, to pick oneself from.
fn everybody(people: &[Somebody], fields: &Html) -> Html {
    let mut groups: Vec<(&str, Vec<&Somebody>)> = Vec::new();
    for one in people {
        match groups.last_mut().filter(|(group, _)| *group == one.group) {
            Some((_, members)) => members.push(one),
            None => groups.push((one.group, vec![one])),
        }
    }
    Html::of("<p class=\"error\">This server is for development: everybody can be anybody.</p>")
        .then("<form method=\"post\" action=\"/sign-in\">")
        .add(fields)
        .each(groups, |html, (group, members)| {
            html.then("<h2>").text(group).then("</h2>").each(members, |html, one| {
                html.then("<button class=\"person\" name=\"person\" value=\"")
                    .text(&one.reference)
                    .then("\">")
                    .text(&one.name)
                    .then("</button>")
            })
        })
        .then("</form>")
}

/// Where somebody goes on who has signed in: to what an app had asked, or to the apps that they have let in.
pub(super) fn next(asked: Option<&str>) -> Result<String, Fault> {
    Ok(match asked {
        Some(asked) => format!("/oauth/authorize?{}", Form::parse(asked.as_bytes())?),
        None => "/apps".to_owned(),
    })
}

/// `POST /sign-in`
pub(super) async fn sign_in_as(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    picked(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn picked(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, _) = page::form(request, payload, sign_in, Name::Visit).await?;
    const NOBODY: OauthError = OauthError::request("there is no such person to sign in as");
    if !sign_in.is_for_development() {
        return Err(NOBODY.into());
    }
    let person = sign_in.somebody(form.one("person")?.ok_or(NOBODY)?).await?.ok_or(NOBODY)?;
    let before = Name::Session.of(request, sign_in);
    let standing = sign_in.standing_of(&person.reference).await?;
    let signing = Signing { person: person.reference, standing, ..Signing::default() };
    let cookie = sign_in.begin_session(signing, before.as_ref(), &request_id(request)).await?;
    let next = next(form.one("request")?)?;
    let mut builder = redirect(&next);
    builder.append_header((header::SET_COOKIE, Name::Session.set(&cookie, sign_in)));
    builder.append_header((header::SET_COOKIE, Name::Visit.gone(sign_in)));
    Ok(builder.finish())
}

/// `POST /sign-out`
pub(super) async fn sign_out(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    signed_out(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn signed_out(
    request: &HttpRequest,
    payload: &mut Payload,
    server: &Data<Server>,
) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (_, cookie) = page::form(request, payload, sign_in, Name::Session).await?;
    // Also one that nobody has used for long: apps go on with it until it ends.
    sign_in.end_session_of(&cookie).await?;
    let mut builder = redirect(&format!("/sign-in?{SIGNED_OUT}=yes"));
    builder.append_header((header::SET_COOKIE, Name::Session.gone(sign_in)));
    Ok(builder.finish())
}
