//! What people read who come with a browser: an error is a page, with the same status and nothing more in it than API clients
//! are told; and a page that may not call learns why. Nothing here decides.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};
use concord_fhir::issue::Issue;

use super::error::{self, Told};
use super::exchange::request_id;
use super::headers::text;
use super::html::Html;
use super::negotiate::{Answer, is_form, ranges};
use super::page::{Name, Page};
use crate::error::ApiError;

/// How much of an origin is said back.
const LONGEST_ORIGIN: usize = 100;

/// Whether somebody reads the answer: HTML is what is liked best of what there is. Whoever takes anything is a program.
pub(super) fn is_for_people(request: &HttpRequest) -> bool {
    let Some(accept) = text(request.headers(), &header::ACCEPT).filter(|accept| accept.contains("text/html")) else {
        return false;
    };
    let names_form =
        || url::form_urlencoded::parse(request.query_string().as_bytes()).any(|(name, _)| name == "_format");
    likes_pages(accept) && !names_form()
}

fn likes_pages(accept: &str) -> bool {
    let (mut page, mut form) = (0, 0);
    for (media, weight) in ranges(accept) {
        match media.as_str() {
            "text/html" => page = page.max(weight),
            other if is_form(other) => form = form.max(weight),
            _ => {}
        }
    }
    page > form
}

/// Says in a form for people what is said to people.
///
/// # Errors
/// Those of the services inside.
pub async fn readable<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.call(request).await?;
    if asks_first && response.status().is_client_error() {
        return Ok(not_let_in(response));
    }
    if response.status().as_u16() < 400 || !is_for_people(response.request()) {
        return Ok(response.map_into_left_body());
    }
    let told = response.response_mut().extensions_mut().remove::<Told>();
    Ok(match told {
        Some(Told(issues)) => as_page(response, &issues),
        None => response.map_into_left_body(),
    })
}

/// Says what to do in an OperationOutcome to whoever takes no coding that answers come in: the layer that packs them names its codings
/// only.
///
/// # Errors
/// Those of the services inside.
pub async fn unpackable<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(request).await?;
    // What is said elsewhere says in which form.
    if response.status() != StatusCode::NOT_ACCEPTABLE || response.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(response.map_into_left_body());
    }
    let text = "answers come as they are or in gzip or deflate, and Accept-Encoding takes none of these: name one, or leave it out";
    let fault = ApiError::NotAcceptable(text.to_owned());
    let mut answer = error::response(&fault, &Answer::default(), &request_id(response.request()));
    answer.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept-Encoding"));
    let (request, _) = response.into_parts();
    Ok(ServiceResponse::new(request, answer.map_into_right_body()))
}

/// The answer to a page that may not call (CORS-preflight, Fetch section 3.3.5), with what can be done about it.
fn not_let_in<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let (request, answered) = response.into_parts();
    let why = answered.into_body().try_into_bytes().ok();
    let why = why.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    let text = if why.starts_with("Origin") {
        let origin: String =
            text(request.headers(), &header::ORIGIN).unwrap_or_default().chars().take(LONGEST_ORIGIN).collect();
        format!(
            "pages of {origin} may not call this server: whoever runs it lets them in by naming that origin in the setting \
             cors_origins, or an address of it in the redirect_uris of a registered client"
        )
    } else {
        format!("{why}: docs/API.md of Concord lists the methods and headers that pages may use")
    };
    let answer = error::response(&ApiError::denied(text), &Answer::default(), &request_id(&request));
    ServiceResponse::new(request, answer.map_into_right_body())
}

/// An error as a page.
fn as_page<B: MessageBody>(response: ServiceResponse<B>, issues: &[Issue]) -> ServiceResponse<EitherBody<B>> {
    let (request, answered) = response.into_parts();
    let (status, headers) = (answered.status(), answered.headers().clone());
    let mut page = page(status, issues, &request_id(&request)).response();
    keep(page.headers_mut(), &headers);
    ServiceResponse::new(request, page.map_into_right_body())
}

/// What an answer says besides its body.
fn keep(page: &mut HeaderMap, told: &HeaderMap) {
    for name in [header::WWW_AUTHENTICATE, header::ALLOW, header::RETRY_AFTER, header::ACCESS_CONTROL_ALLOW_ORIGIN] {
        for value in told.get_all(&name) {
            page.append(name.clone(), value.clone());
        }
    }
    page.insert(header::VARY, header::HeaderValue::from_static("accept, origin"));
}

fn page(status: StatusCode, issues: &[Issue], request_id: &str) -> Page {
    let title = match status.as_u16() {
        401 => "This is for apps",
        403 => "This is not allowed",
        404 => "There is nothing here",
        405 => "This cannot be done here",
        410 => "It has been deleted",
        429 => "That was too often",
        500.. => "This does not work now",
        _ => "This could not be understood",
    };
    let body = Html::of("<h1>").text(title).then("</h1>").each(issues, |html, issue| {
        let html = html.then("<p class=\"error\">").text(&issue.text);
        match &issue.expression {
            Some(place) => html.then("<br><code>").text(place).then("</code></p>"),
            None => html.then("</p>"),
        }
    });
    let body = match status {
        StatusCode::UNAUTHORIZED => {
            body.then("<p>Records are shown in an app that its user has let in, and not at this address.</p>")
        }
        _ => body,
    };
    let body = body
        .then("<p><a href=\"/\">What is at this server</a></p><p class=\"hint\">")
        .text(&status.to_string())
        .then("; request <code>")
        .text(request_id)
        .then("</code></p>");
    Page { status, ..Page::of_server(Name::Error, title, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_likes_pages_best_gets_one() {
        for browser in
            ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "TEXT/HTML;q=0.3, */*"]
        {
            assert!(likes_pages(browser), "{browser}");
        }
        for program in [
            "*/*",
            "",
            "application/fhir+json",
            "application/json, text/plain, */*",
            "text/html, application/fhir+json",
            "text/html;q=0.5, application/fhir+xml",
            "text/html;q=0",
            "application/xml, text/html",
        ] {
            assert!(!likes_pages(program), "{program}");
        }
    }

    #[test]
    fn what_an_issue_says_is_no_markup() {
        let issue = Issue::plain(concord_fhir::issue::IssueCode::Value, "<script>");
        let body = page(StatusCode::BAD_REQUEST, &[issue], "\"><b>").body.into_string();
        assert!(body.contains("&lt;script&gt;") && !body.contains("<script") && !body.contains("<b>"), "{body}");
    }
}
