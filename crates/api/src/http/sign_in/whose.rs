//! `POST /sign-in/whose`: somebody picks whose record an app gets, or looks for a patient.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::form::Form;

use super::authorize;
use super::cookies::Name;
use super::html::Html;
use super::page::{self, Page, PageName};
use super::{federation, redirect, sign_in};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::sign_in::{Fault, Picking, SignIn, SignedIn, ToPick};

/// The page. `asked` is what the app asks, `sought` what was looked for.
pub(super) async fn page(
    sign_in: &SignIn,
    to_pick: &ToPick,
    signed_in: &SignedIn,
    asked: &Form,
    sought: Option<&str>,
) -> Result<Page, Fault> {
    let name = federation::name(sign_in, &signed_in.person, &signed_in.standing).await?;
    let form = || {
        Html::of("<form method=\"post\" action=\"/sign-in/whose\">")
            .add(&page::token_field(&signed_in.form_token))
            .then("<input type=\"hidden\" name=\"request\" value=\"")
            .text(&asked.to_string())
            .then("\">")
    };
    let mut body = Html::of("<h1>Whose record?</h1><p>The app asks for the record of one person.</p>")
        .add(&page::signed_in(&name, signed_in));
    if !to_pick.records.is_empty() {
        body = body
            .add(&form())
            .each(&to_pick.records, |html, record| {
                html.then("<button class=\"person\" name=\"whose\" value=\"")
                    .text(&record.reference)
                    .then("\">")
                    .text(&record.name)
                    .then("</button>")
            })
            .then("</form>");
    }
    if to_pick.more {
        body = body
            .then("<p id=\"more\">Not all are shown: more people have named you than this page lists. Ask whoever is missing to ")
            .then("take back what they have written of you more than once.</p>");
    }
    if to_pick.looks {
        let is_in_vain = sought.is_some() && to_pick.records.is_empty();
        body = body.add(&form()).then("<p><label for=\"sought\">NHS number or name</label></p>");
        if is_in_vain {
            body = body
                .then("<p class=\"error\" id=\"none\">There is nobody of that name or number whom you may see.</p>");
        }
        body = body
            .then(
                "<p><input id=\"sought\" name=\"sought\" autocomplete=\"off\" spellcheck=\"false\" maxlength=\"100\" ",
            )
            .then(if is_in_vain { "aria-describedby=\"none\" aria-invalid=\"true\" " } else { "" })
            .then("value=\"")
            .text(sought.unwrap_or_default())
            .then("\"></p><button>Find</button></form>");
    }
    if to_pick.without {
        body = body
            .add(&form())
            .then("<button class=\"second\" name=\"whose\" value=\"nobody\">Go on without a patient</button></form>");
    }
    Ok(Page::new(PageName::Whose, "Whose record?", body))
}

pub(super) async fn pick(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    picked(&request, &mut payload, &server).await.unwrap_or_else(|fault| page::failed(&fault))
}

async fn picked(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<HttpResponse, Fault> {
    let sign_in = sign_in(server)?;
    let (form, cookie) = page::form(request, payload, sign_in, Name::Session).await?;
    let asked = Form::parse(form.one("request")?.unwrap_or_default().as_bytes())?;
    let Some(signed_in) = sign_in.signed_in(Some(&cookie)).await? else {
        return Ok(redirect(&format!("/oauth/authorize?{asked}")).finish());
    };
    let (read, client) = match authorize::read(sign_in, &asked).await? {
        Ok(read) => read,
        Err(answer) => return Ok(answer),
    };
    let picking = Picking::read(&form)?;
    let (back, id) = ((read.redirect_uri.clone(), read.state.clone()), request_id(request));
    let shown = match form.one("sought")? {
        Some(sought) => {
            let records = sign_in.sought(&signed_in, sought, &id).await?;
            let without = client.scope.contains("user/");
            let found = ToPick { records, more: false, looks: true, without };
            Ok(page(sign_in, &found, &signed_in, &asked, Some(sought)).await?.response())
        }
        None => authorize::put(sign_in, &asked, (read, client), signed_in, &picking, &id).await,
    };
    Ok(shown.unwrap_or_else(|fault| authorize::refused_at_the_app(sign_in, &back, &fault)))
}
