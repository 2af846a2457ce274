//! What all pages share: the frame, and what a browser may do with them. They work without JavaScript, and none is run.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding};
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::Form;
use concord_signin::secret;
use url::Url;

use super::html::Html;
use super::unkept;
use crate::sign_in::{Fault, SignedIn};

/// The stylesheet.
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .body(include_str!("style.css"))
}

/// A page.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) body: Html,
    /// The addresses that forms of the page lead to in the end: browsers ask for them.
    pub(super) leads_to: Vec<String>,
    /// `Set-Cookie`.
    pub(super) cookies: Vec<String>,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, body: Html) -> Page {
        Page { status: StatusCode::OK, title: title.into(), body, leads_to: Vec::new(), cookies: Vec::new() }
    }

    /// The answer. What is on a page is not packed: its length would tell of what is secret in it.
    pub(super) fn response(self) -> HttpResponse {
        let leads_to: String = self.leads_to.iter().filter_map(|address| source(address)).collect();
        let policy = format!(
            "default-src 'none'; style-src 'self'; form-action 'self'{leads_to}; frame-ancestors 'none'; base-uri 'none'"
        );
        let html = Html::of("<!doctype html><html lang=\"en-GB\"><head><meta charset=\"utf-8\"><title>")
            .text(&self.title)
            .then("</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            .then("<link rel=\"stylesheet\" href=\"/sign-in/style.css\"></head><body><header>Your health record</header><main>")
            .add(&self.body)
            .then("</main></body></html>");
        let mut builder = unkept(self.status);
        for cookie in self.cookies {
            builder.append_header((header::SET_COOKIE, cookie));
        }
        builder
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::REFERRER_POLICY, "same-origin"))
            .insert_header(ContentEncoding::Identity)
            .content_type("text/html; charset=utf-8")
            .body(html.into_string())
    }
}

/// An address as a source of a content security policy, after a space; none for one that cannot be written so.
fn source(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    Some(match url.scheme() {
        "http" | "https" => format!(" {}", url.origin().ascii_serialization()),
        other => format!(" {other}:"),
    })
}

/// What a person is told who has to prove who they are before they see anything.
fn unproven(error: OauthError) -> HttpResponse {
    let body = Html::of("<h1>Prove who you are first</h1><p>")
        .text(error.text)
        .then("</p><h2>What to do</h2><ol><li>Open the NHS App, or the settings of your NHS login in a browser.</li>")
        .then("<li>Choose to prove who you are. You need a passport, a driving licence or another document with your ")
        .then("photo, or details that your GP surgery gives you.</li>")
        .then("<li>When NHS login says that it is done, come back here and sign in again.</li></ol>")
        .then("<p>If you cannot do that, ask your GP surgery.</p><p><a href=\"/sign-in\">Sign in again</a></p>");
    Page { status: StatusCode::FORBIDDEN, ..Page::new("Prove who you are first", body) }.response()
}

/// What a person is told who cannot be sent on.
pub(super) fn refused(error: OauthError) -> HttpResponse {
    if error.code == ErrorCode::UnmetAuthenticationRequirements {
        return unproven(error);
    }
    let body = Html::of("<h1>This does not work</h1><p class=\"error\">")
        .text(error.text)
        .then("</p><p>Go back to the app and try again. If it happens again, tell whoever makes the app.</p>");
    let status = match error.code {
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    Page { status, ..Page::new("This does not work", body) }.response()
}

/// The hidden field of a form by which it is known to be one of this browser's.
pub(super) fn token_field(token: &str) -> Html {
    Html::of("<input type=\"hidden\" name=\"form_token\" value=\"").text(token).then("\">")
}

/// Refuses a form that another page may have sent.
pub(super) fn require_token(form: &Form, token: &str) -> Result<(), Fault> {
    match form.one("form_token")?.is_some_and(|sent| secret::same(sent, token)) {
        true => Ok(()),
        false => {
            Err(OauthError::request("the form is not one of this browser, or is old: go back, and load the page again")
                .into())
        }
    }
}

/// Who is signed in, with a way out.
pub(super) fn signed_in(name: &str, signed_in: &SignedIn) -> Html {
    Html::of(
        "<form method=\"post\" action=\"/sign-out\" class=\"panel\"><p class=\"hint\">You are signed in as <strong>",
    )
    .text(name)
    .then("</strong>.</p>")
    .add(&token_field(&signed_in.form_token))
    .then("<button class=\"second\">Sign out</button></form>")
}
