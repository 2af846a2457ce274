//! `/oauth/authorize`, and the page on which a person says what an app gets.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::authorize::{self, AuthorizeRequest, Refusal};
use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;
use concord_signin::kinds::SENSITIVE;

use super::cookies::Name;
use super::html::Html;
use super::page::{self, Page, PageName};
use super::{form, provider, redirect, sign_in, whose};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::sign_in::{Asked, Choice, Fault, Granting, LASTS, Picking, SignIn, SignedIn, Visit, Whose, kinds_asked};

/// `GET`
pub(super) async fn by_get(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match Form::parse(request.query_string().as_bytes()) {
        Ok(form) => asked(&request, &server, &form).await.unwrap_or_else(|fault| page::failed(&fault)),
        Err(error) => page::led_astray(error.into()),
    }
}

/// `POST`: as if it had been a GET, so that the browser sends its cookies, which it does not along with another page's form.
pub(super) async fn by_post(request: HttpRequest, mut payload: Payload) -> HttpResponse {
    match form(&request, &mut payload).await {
        Ok(form) => redirect(&format!("/oauth/authorize?{form}")).finish(),
        Err(error) => page::led_astray(error),
    }
}

/// A request that may be put to a person, or the answer to one that may not.
pub(super) async fn read(
    sign_in: &SignIn,
    form: &Form,
) -> Result<Result<(AuthorizeRequest, Client), HttpResponse>, Fault> {
    let client = match authorize::client_id(form) {
        Ok(id) => sign_in.client(id).await?,
        Err(error) => return Ok(Err(page::led_astray(error))),
    };
    match (AuthorizeRequest::read(form, client.as_ref(), sign_in.audience()), client) {
        (Ok(request), Some(client)) => Ok(Ok((request, client))),
        (Err(Refusal::There { redirect_uri, state, error }), client) => {
            Ok(Err(sent_back_unasked(sign_in, client.as_ref(), (&redirect_uri, state.as_deref()), error)))
        }
        (Err(Refusal::Here(error)), _) => Ok(Err(page::led_astray(error))),
        (Ok(_), None) => {
            Ok(Err(page::led_astray(OauthError::request("no app with this client_id is registered here"))))
        }
    }
}

fn sent_back(sign_in: &SignIn, redirect_uri: &str, state: Option<&str>, error: OauthError) -> HttpResponse {
    match authorize::refusal(redirect_uri, &sign_in.issuer, state, error) {
        Ok(address) => redirect(&address).finish(),
        Err(error) => page::refused(error),
    }
}

/// The same where nobody has said anything yet. Whoever opens such a link is not sent on to where an app that nobody has checked would
/// have them, or this address would lead anywhere for whoever registers (RFC 9700 section 4.11.2): they say first that they want to go.
fn sent_back_unasked(
    sign_in: &SignIn,
    client: Option<&Client>,
    (redirect_uri, state): (&str, Option<&str>),
    error: OauthError,
) -> HttpResponse {
    match authorize::refusal(redirect_uri, &sign_in.issuer, state, error) {
        Ok(address) if client.is_some_and(|client| client.registered_itself) => {
            page::leads_on(&host(redirect_uri), &address, error)
        }
        Ok(address) => redirect(&address).finish(),
        Err(error) => page::refused(error),
    }
}

/// A request to the end, whatever becomes of it: what is refused from here on is told to the app.
async fn asked(request: &HttpRequest, server: &Data<Server>, form: &Form) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (asked, client) = match read(sign_in, form).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let (back, of) = ((asked.redirect_uri.clone(), asked.state.clone()), client.clone());
    let answered = ask(request, sign_in, form, asked, client).await;
    Ok(answered.unwrap_or_else(|fault| match fault.as_refusal() {
        error if is_for_people(error) => page::refused(error),
        error => sent_back_unasked(sign_in, Some(&of), (&back.0, Some(&back.1)), error),
    }))
}

/// Whether it is what only the person can mend.
fn is_for_people(error: OauthError) -> bool {
    error.code == ErrorCode::UnmetAuthenticationRequirements
}

/// What goes wrong is told to the app, at its redirect URI and with its state; but not what only the person can mend.
pub(super) fn refused_at_the_app(
    sign_in: &SignIn,
    (redirect_uri, state): &(String, String),
    fault: &Fault,
) -> HttpResponse {
    match fault.as_refusal() {
        error if is_for_people(error) => page::refused(error),
        error => sent_back(sign_in, redirect_uri, Some(state), error),
    }
}

/// Puts a request to somebody who is signed in, or asks first whose record it is about.
pub(super) async fn put(
    sign_in: &SignIn,
    form: &Form,
    (asked, client): (AuthorizeRequest, Client),
    signed_in: SignedIn,
    picking: &Picking,
    request_id: &str,
) -> Result<HttpResponse, Fault> {
    let form_of = signed_in.clone();
    match sign_in.granting(asked, client, signed_in, picking, request_id).await? {
        Asked::Whose(to_pick) => Ok(whose::page(sign_in, &to_pick, &form_of, form, None).await?.response()),
        Asked::Granting(granting) => {
            let chosen = sign_in.chosen_before(&granting).await?;
            let visits = sign_in.visits(&granting, request_id).await?;
            let name = sign_in.name_of_record(&granting, request_id).await?;
            let logo = sign_in.logo_of(&granting.client.id).is_some();
            Ok(page(&granting, (&chosen, logo), form, (&visits, name.as_deref())).response())
        }
    }
}

async fn ask(
    request: &HttpRequest,
    sign_in: &SignIn,
    form: &Form,
    asked: AuthorizeRequest,
    client: Client,
) -> Result<HttpResponse, Fault> {
    let cookie = Name::Session.of(request, sign_in);
    let is_recent =
        |signed_in: &SignedIn| asked.max_age_s.is_none_or(|seconds| sign_in.now_s() - signed_in.since_s <= seconds);
    let signed_in = sign_in.signed_in(cookie.as_ref()).await?.filter(is_recent).filter(|_| !asked.sign_in_again);
    match (signed_in, asked.silently) {
        (None, true) => Err(OauthError::new(ErrorCode::LoginRequired, "nobody is signed in").into()),
        (Some(_), true) => Err(OauthError::new(ErrorCode::InteractionRequired, "the person is always asked").into()),
        // Once they have signed in, they need not do it again.
        (None, false) => {
            let form = form.without("prompt").without("max_age");
            provider::offered(request, sign_in, (Some(&form), Some(asked.redirect_uri)), false).await
        }
        (Some(signed_in), false) => {
            let picking = Picking::default();
            put(sign_in, form, (asked, client), signed_in, &picking, &request_id(request)).await
        }
    }
}

/// `POST /sign-in/decision`
pub(super) async fn decide(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    decided(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn decided(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, cookie) = page::form(request, payload, sign_in, Name::Session).await?;
    let asked = Form::parse(form.one("request")?.unwrap_or_default().as_bytes())?;
    let Some(signed_in) = sign_in.signed_in(Some(&cookie)).await? else {
        // Their session has ended meanwhile.
        return Ok(redirect(&format!("/oauth/authorize?{asked}")).finish());
    };
    let (asked, client) = match read(sign_in, &asked).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let (redirect_uri, state) = (asked.redirect_uri.clone(), asked.state.clone());
    let code = async {
        if form.one("decision")? != Some("allow") {
            return Err(OauthError::new(ErrorCode::AccessDenied, "the person said no").into());
        }
        const UNPICKED: OauthError = OauthError::new(ErrorCode::AccessDenied, "nobody said whose record it is about");
        let (picking, id) = (Picking::read(&form)?, request_id(request));
        let Asked::Granting(granting) = sign_in.granting(asked, client, signed_in, &picking, &id).await? else {
            return Err(UNPICKED.into());
        };
        let choice = Choice::read(&form, &granting.scope);
        sign_in.grant(&granting, &choice, &id).await
    };
    Ok(match code.await {
        Ok(code) => {
            let answer = authorize::answer(&redirect_uri, &sign_in.issuer, Some(&state), &[("code", &code)]);
            answer.map_or_else(page::refused, |address| redirect(&address).finish())
        }
        Err(fault) => refused_at_the_app(sign_in, &(redirect_uri, state), &fault),
    })
}

/// Whose record it is, to somebody who lets an app into their own.
const OWN: &str = "your record";

fn page(
    granting: &Granting,
    (chosen, has_logo): (&Choice, bool),
    asked: &Form,
    (visits, name): (&[Visit], Option<&str>),
) -> Page {
    let client = &granting.client;
    let whose = match (&granting.patient, granting.keeps_consent()) {
        (_, true) => OWN,
        (Some(_), false) if granting.request.launch.is_some() => "the record that you are looking at",
        (Some(_), false) if granting.person.relative_of.is_some() => "the record of the person that you care for",
        (Some(_), false) if granting.person.group == "Patients" => OWN,
        (Some(_), false) => "the record of one patient",
        (None, false) => "the records that you may see",
    };
    // Its name stands beside it.
    let logo =
        |html: Html, id: &String| html.then("<img class=\"logo\" alt=\"\" src=\"/sign-in/logo/").text(id).then("\">");
    let body = Html::default()
        .each(has_logo.then_some(&client.id), logo)
        .then("<h1>")
        .text(&client.name)
        .then(" wants to use ")
        .then(whose)
        .then("</h1>")
        .each(name, |html, name| html.then("<p>It is the record of <strong>").text(name).then("</strong>.</p>"))
        .each(&client.about, |html, about| html.then("<p>").text(about).then("</p>"))
        .add(&standing(granting))
        .add(&page::signed_in(granting.person_name(), &granting.signed_in))
        .then("<form method=\"post\" action=\"/sign-in/decision\">")
        .add(&page::token_field(&granting.signed_in.form_token))
        .then("<input type=\"hidden\" name=\"request\" value=\"")
        .text(&asked.to_string())
        .then("\">")
        .add(&picked(&granting.whose))
        .add(&visited(visits))
        .add(&kinds(granting, chosen, whose == OWN))
        .add(&sensitive(granting, chosen))
        .add(&lasts(granting, chosen))
        .then("<p>You can end this at any time on the page <a href=\"/apps\">connected apps</a>.</p>")
        .then("<button name=\"decision\" value=\"allow\">Let it in</button>")
        .then("<button name=\"decision\" value=\"deny\" class=\"second\">Do not let it in</button></form>");
    Page {
        leads_to: vec![granting.request.redirect_uri.clone()],
        ..Page::new(PageName::Authorise, format!("Let {} in?", client.name), body)
    }
}

/// Whose app it is, and where it is: of one that has registered itself nobody has looked at what it says of itself.
fn standing(granting: &Granting) -> Html {
    let client = &granting.client;
    let of = |markup| Html::of(markup);
    match (client.own, client.registered_itself) {
        (true, _) if granting.keeps_consent() => of("<p>It is an app of those who keep your record.</p>"),
        (true, _) => of("<p>It is an app of those who keep the record.</p>"),
        (false, false) => {
            of("<p>It is not an app of those who keep the record. It gets only what you choose here.</p>")
        }
        (false, true) => {
            of("<p class=\"error\"><strong>Nobody has checked who makes this app.</strong> It has registered \
             itself, and its name is what it says itself. It is not an app of those who keep the record. You will be \
             sent to <strong>")
            .text(&host(&granting.request.redirect_uri))
            .then("</strong>. If you do not know it, do not let it in.</p>")
        }
    }
}

/// Where an address leads, as people know it.
fn host(address: &str) -> String {
    let url = url::Url::parse(address).ok();
    let host = url.as_ref().and_then(|url| Some(url.host_str()?.to_owned()));
    host.or_else(|| Some(format!("{}:", url?.scheme()))).unwrap_or_default()
}

/// What was picked before, so that it goes with the form.
fn picked(whose: &Whose) -> Html {
    let value = match whose {
        Whose::Unsaid => return Html::default(),
        Whose::Nobody => "nobody",
        Whose::Named(reference) => reference,
    };
    Html::of("<input type=\"hidden\" name=\"whose\" value=\"").text(value).then("\">")
}

/// The visits to pick from, where the app asks for one.
fn visited(visits: &[Visit]) -> Html {
    if visits.is_empty() {
        return Html::default();
    }
    let row = |html: Html, visit: &Visit| {
        html.then("<div class=\"choice\"><input type=\"radio\" name=\"visit\" value=\"")
            .text(&visit.id)
            .then("\" id=\"visit-")
            .text(&visit.id)
            .then("\"><label for=\"visit-")
            .text(&visit.id)
            .then("\">")
            .text(&visit.title)
            .then("</label></div>")
    };
    Html::of("<fieldset><legend>Which visit it is about</legend><p class=\"hint\">You need not say.</p>")
        .each(visits, row)
        .then("</fieldset>")
}

fn kinds(granting: &Granting, chosen: &Choice, is_own: bool) -> Html {
    let rows = kinds_asked(&granting.scope).filter_map(|kind| Some((kind, kind.asked(&granting.scope)?)));
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Html::of("<p>It wants to know who you are, and nothing else.</p>");
    }
    Html::of("<fieldset><legend>What it may see and do</legend><p class=\"hint\">Take away what it should not get.</p>")
        .each(rows, |html, (kind, wanted)| {
            let known = chosen.kinds.iter().any(|code| code == kind.code);
            checkbox(html, ("checkbox", "kind"), kind.code, known)
                .then(if is_own { kind.title } else { kind.of_another })
                .then(": ")
                .text(&wanted.words())
                .then("</label></div>")
        })
        .then("</fieldset>")
}

fn sensitive(granting: &Granting, chosen: &Choice) -> Html {
    if !granting.keeps_consent() || kinds_asked(&granting.scope).next().is_none() {
        return Html::default();
    }
    Html::of("<fieldset><legend>Sensitive information</legend><p class=\"hint\">It gets none of this unless you choose it.</p>")
        .each(SENSITIVE, |html, group| {
            let known = chosen.sensitive.iter().any(|code| code == group.code);
            checkbox(html, ("checkbox", "sensitive"), group.code, known).then(group.title).then("</label></div>")
        })
        .then("</fieldset>")
}

fn lasts(granting: &Granting, chosen: &Choice) -> Html {
    if !granting.scope.has("offline_access") {
        return Html::of("<p>It gets this until you sign out, and for as long as you stay signed in.</p>");
    }
    Html::of("<fieldset><legend>For how long</legend>")
        .each(LASTS, |html, (lasts, code, title)| {
            checkbox(html, ("radio", "lasts"), code, chosen.lasts == lasts).then(title).then("</label></div>")
        })
        .then("</fieldset>")
}

/// The start of a box with its label, which the caller ends.
fn checkbox(html: Html, (kind, name): (&'static str, &'static str), code: &'static str, is_on: bool) -> Html {
    html.then("<div class=\"choice\"><input type=\"")
        .then(kind)
        .then("\" name=\"")
        .then(name)
        .then("\" value=\"")
        .then(code)
        .then("\" id=\"")
        .then(name)
        .then("-")
        .then(code)
        .then(if is_on { "\" checked><label for=\"" } else { "\"><label for=\"" })
        .then(name)
        .then("-")
        .then(code)
        .then("\">")
}
