//! `/apps`: what is connected, since when, used when, and a way to end it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_fhir::display;
use concord_fhir::json::Value;
use concord_signin::error::OauthError;

use super::cookies::Name;
use super::html::Html;
use super::page::{self, Page, PageName};
use super::{provider, redirect, sign_in};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::interact::instant;
use crate::sign_in::{ConnectedApp, Fault, SignedIn};

/// `GET /apps`
pub(super) async fn page(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    list(&request, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn list(request: &HttpRequest, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let cookie = Name::Session.of(request, sign_in);
    let Some(signed_in) = sign_in.signed_in(cookie.as_ref()).await? else {
        return provider::offered(request, sign_in, (None, None), false).await;
    };
    let apps = sign_in.connected(&signed_in).await?;
    let name = sign_in.somebody(&signed_in.person).await?.map(|person| person.name);
    let none = if apps.is_empty() { "<p>No app is connected.</p>" } else { "" };
    let body = Html::of("<h1>Connected apps</h1>")
        .add(&page::signed_in(&name.unwrap_or_default(), &signed_in))
        .then(none)
        .each(&apps, |html, app| html.add(&connected(app, &signed_in)));
    Ok(Page::new(PageName::Apps, "Connected apps", body).response())
}

fn connected(app: &ConnectedApp, signed_in: &SignedIn) -> Html {
    let day = |seconds: i64| {
        let date: String = instant(seconds.saturating_mul(1000)).chars().take(10).collect();
        display::text(&Value::String(date.into()))
    };
    let used = if app.used_s == 0 { "never".to_owned() } else { day(app.used_s) };
    Html::of("<form method=\"post\" action=\"/apps/end\" class=\"panel\"><h2>")
        .text(&app.name)
        .then("</h2><dl><dt>Connected since</dt><dd>")
        .text(&day(app.since_s))
        .then("</dd><dt>Last used</dt><dd>")
        .text(&used)
        .then("</dd><dt>Until</dt><dd>")
        .text(&day(app.until_s))
        .then("</dd></dl>")
        .add(&page::token_field(&signed_in.form_token))
        .then("<input type=\"hidden\" name=\"client\" value=\"")
        .text(&app.client)
        .then("\"><input type=\"hidden\" name=\"person\" value=\"")
        .text(&app.person)
        .then("\"><button class=\"second\">End the access of ")
        .text(&app.name)
        .then("</button></form>")
}

/// `POST /apps/end`
pub(super) async fn end(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    ended(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn ended(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, cookie) = page::form(request, payload, sign_in, Name::Session).await?;
    if let Some(signed_in) = sign_in.signed_in(Some(&cookie)).await? {
        let client = form.one("client")?.ok_or(OauthError::request("the app is missing"))?;
        let person = form.one("person")?.unwrap_or(&signed_in.person);
        let ended = sign_in.end_app(&signed_in, (client, person), &request_id(request)).await?;
        if !ended.left.is_empty() {
            return Ok(left(&ended.left));
        }
    }
    Ok(redirect("/apps").finish())
}

/// What a person is told whose sharing choice about an app could not be changed.
fn left(consents: &[String]) -> HttpResponse {
    const TITLE: &str = "The app is let in no more";
    let body = Html::of("<h1>")
        .then(TITLE)
        .then("</h1><p>What you had shared with it is still written down as your choice, because something that it names may not be there ")
        .then("any more. Nothing is shared by it now.</p><h2>What to do</h2><p>Open the app in which you see your record, look under your ")
        .then("sharing choices for ")
        .each(consents, |html, id| html.then("<strong>Consent/").text(id).then("</strong> "))
        .then("and end it there, or delete it. If you cannot do that, ask your GP surgery, or whoever runs this service.</p>")
        .then("<p><a href=\"/apps\">Connected apps</a></p>");
    Page::new(PageName::Apps, TITLE, body).response()
}
