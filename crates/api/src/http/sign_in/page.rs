//! What the pages of sign-in share.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;
use concord_signin::secret;

use super::cookies::Name;
use super::html::Html;
pub(super) use crate::http::page::{Name as PageName, Page};
use crate::sign_in::{BrowserSecret, Fault, SignIn, SignedIn};

/// What a person is told who has to prove who they are before they see anything.
fn unproven(error: OauthError) -> HttpResponse {
    let body = Html::of("<h1>Prove who you are first</h1><p>")
        .text(error.text)
        .then("</p><h2>What to do</h2><ol><li>Open the NHS App, or the settings of your NHS login in a browser.</li>")
        .then("<li>Choose to prove who you are. You need a passport, a driving licence or another document with your ")
        .then("photo, or details that your GP surgery gives you.</li>")
        .then("<li>When NHS login says that it is done, come back here and sign in again.</li></ol>")
        .then("<p>If you cannot do that, ask your GP surgery.</p><p><a href=\"/sign-in\">Sign in again</a></p>");
    Page { status: StatusCode::FORBIDDEN, ..Page::new(PageName::Unproven, "Prove who you are first", body) }.response()
}

/// The same where something failed, or was asked too often.
pub(super) fn failed(fault: &Fault) -> HttpResponse {
    let mut response = refused(fault.as_refusal());
    let wait_s = fault.wait_s();
    if wait_s.is_some() {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    if wait_s.is_some() || response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s.unwrap_or(1)));
    }
    response
}

/// What a person is told who cannot be sent on.
pub(super) fn refused(error: OauthError) -> HttpResponse {
    let (status, title, then) = match error.code {
        ErrorCode::UnmetAuthenticationRequirements => return unproven(error),
        ErrorCode::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "This does not work", "Try again later."),
        ErrorCode::TemporarilyUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "This does not work now", "Try again in a moment.")
        }
        ErrorCode::AccessDenied => (
            StatusCode::BAD_REQUEST,
            "You are not signed in",
            "If that should not be so, ask your GP surgery, or whoever runs this service.",
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            "This does not work",
            "Go back to the app, or to the page that you came from, and try again.",
        ),
    };
    let body = Html::of("<h1>")
        .then(title)
        .then("</h1><p class=\"error\">")
        .text(&sentence(error.text))
        .then("</p><p>")
        .then(then)
        .then("</p><p><a href=\"/sign-in\">Sign in</a></p>");
    Page { status, ..Page::new(PageName::Refused, title, body) }.response()
}

/// What a person is told where it is not certain which app sent them, or where it wants them back: nothing is sent anywhere, and what is
/// wrong is for whoever makes the app.
pub(super) fn led_astray(error: OauthError) -> HttpResponse {
    const TITLE: &str = "The app's link does not work";
    let body = Html::of("<h1>")
        .then(TITLE)
        .then("</h1><p>Nothing has been shared, and you are not sent back to the app, because it is not certain which app it is.</p>")
        .then("<p>Go back to the app and try again. If it happens again, tell whoever makes the app what is wrong:</p><p class=\"error\">")
        .text(&sentence(error.text))
        .then("</p>");
    Page { status: StatusCode::BAD_REQUEST, ..Page::new(PageName::Astray, TITLE, body) }.response()
}

/// What a person is told whom an app that nobody has checked sends with what cannot be done, before they go where it would have them go.
pub(super) fn leads_on(host: &str, address: &str, error: OauthError) -> HttpResponse {
    let body = Html::of("<h1>Go on to ")
        .text(host)
        .then("?</h1><p>An app that nobody has checked has sent you here, and what it asks for cannot be done. Nothing has been shared.</p>")
        .then("<p class=\"error\">")
        .text(&sentence(error.text))
        .then("</p><p>If you know <strong>")
        .text(host)
        .then("</strong>, you can <a rel=\"noreferrer\" href=\"")
        .text(address)
        .then("\">go back to the app there</a>. If you do not, close this page.</p>");
    Page { status: StatusCode::BAD_REQUEST, ..Page::new(PageName::LeadsOn, "Go on?", body) }.response()
}

/// What is wrong, as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// The hidden field of a form by which it is known to be one of this browser's.
pub(super) fn token_field(token: &str) -> Html {
    Html::of("<input type=\"hidden\" name=\"form_token\" value=\"").text(token).then("\">")
}

/// What another page may have sent.
pub(super) const NOT_OURS: OauthError =
    OauthError::request("this page is too old, or was opened in another browser: go back, and load it again");

/// The form of one of these pages, and what the browser keeps that it is tied to. What another page may have sent is refused: what
/// a page of another site sends, by the browser's word; what comes without the cookie; and what does not bring along the token
/// that is made of it.
pub(super) async fn form(
    request: &HttpRequest,
    payload: &mut Payload,
    sign_in: &SignIn,
    tied_to: Name,
) -> Result<(Form, BrowserSecret), Fault> {
    if !is_from_here(request, sign_in) {
        return Err(NOT_OURS.into());
    }
    let kept = tied_to.of(request, sign_in).ok_or(NOT_OURS)?;
    let form = super::form(request, payload).await?;
    match form.one("form_token")?.is_some_and(|sent| secret::same(sent, &kept.form_token())) {
        true => Ok((form, kept)),
        false => Err(NOT_OURS.into()),
    }
}

/// Whether a browser says nothing of where a form comes from, or that it comes from here (Fetch Metadata, Fetch "Origin").
fn is_from_here(request: &HttpRequest, sign_in: &SignIn) -> bool {
    let all = |name: &str| request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default());
    if !all("sec-fetch-site").all(|site| matches!(site, "same-origin" | "none")) {
        return false;
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let own = url::Url::parse(&sign_in.issuer).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    // A proxy may call this host otherwise; a page at the address that the browser itself has asked is one of ours.
    let is_host = |origin: &str| !host.is_empty() && origin.split_once("://").is_some_and(|(_, named)| named == host);
    all("origin").all(|origin| origin == own || is_host(origin))
}

/// Who is signed in, with a way out.
pub(super) fn signed_in(name: &str, signed_in: &SignedIn) -> Html {
    Html::of(
        "<form method=\"post\" action=\"/sign-out\" class=\"panel\"><p class=\"hint\">You are signed in as <strong>",
    )
    .text(name)
    .then("</strong>. If you open no page for ")
    .text(&signed_in.idle_minutes.to_string())
    .then(" minutes, you have to sign in again.</p>")
    .add(&token_field(&signed_in.form_token))
    .then("<button class=\"second\">Sign out</button></form>")
}
