//! `/fhir/metadata` for people: the CapabilityStatement as a page.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::Value;

use super::headers::FOR_ANY_PAGE;
use super::html::Html;
use super::page::{Name, Page};
use crate::error::ApiError;

/// What the page of a statement says.
///
/// # Errors
/// When it is no JSON.
pub(super) fn body(statement: &str) -> Result<Html, ApiError> {
    let statement: Value = serde_json::from_str(statement)
        .map_err(|error| ApiError::Internal(format!("the statement cannot be read: {error}")))?;
    let said = |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let rest = statement.pointer("/rest/0").unwrap_or(&Value::Null);
    let resources = list(&rest["resource"]);
    Ok(Html::of("<h1>What this server can do</h1><p>The CapabilityStatement of <strong>")
        .text(said("/implementation/url"))
        .then("</strong>: FHIR ")
        .text(said("/fhirVersion"))
        .then(", Concord ")
        .text(said("/software/version"))
        .then(". Programs get it in JSON or XML. <a href=\"?_format=json&amp;_pretty=true\">As JSON</a></p><p>")
        .text(said("/rest/0/security/description"))
        .then("</p>")
        .add(&called("On all of it", rest))
        .then("<h2>Types of resources</h2>")
        .each(resources, |html, resource| html.add(&of_type(resource))))
}

/// The page.
pub(super) fn response(body: Html) -> HttpResponse {
    let mut page = Page::of_server(Name::Capabilities, "What this server can do", body).response();
    let headers = page.headers_mut();
    headers.insert(header::VARY, header::HeaderValue::from_static("accept"));
    headers.insert(FOR_ANY_PAGE.0, header::HeaderValue::from_static(FOR_ANY_PAGE.1));
    // As it is: to pack it takes longer than to send it.
    headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("identity"));
    page
}

fn of_type(resource: &Value) -> Html {
    let html = Html::of("<details><summary>").text(text(&resource["type"])).then("</summary>");
    let html = match resource["documentation"].as_str() {
        Some(words) => html.then("<p>").text(words).then("</p>"),
        None => html,
    };
    html.add(&called("Interactions and operations", resource))
        .then("<dl><dt>Searched by</dt><dd>")
        .text(&joined(&resource["searchParam"], |one| format!("{} ({})", text(&one["name"]), text(&one["type"]))))
        .then("</dd><dt>Can be included</dt><dd>")
        .text(&joined(&resource["searchInclude"], |one| text(one).to_owned()))
        .then("</dd></dl></details>")
}

/// The interactions and the operations that there are.
fn called(heading: &'static str, of: &Value) -> Html {
    let interactions = joined(&of["interaction"], |one| text(&one["code"]).to_owned());
    let operations = joined(&of["operation"], |one| format!("${}", text(&one["name"])));
    let html = Html::of("<dl><dt>").text(heading).then("</dt><dd>").text(&interactions);
    let html = if operations.is_empty() { html } else { html.then("; ").text(&operations) };
    html.then("</dd></dl>")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn joined(value: &Value, of: impl Fn(&Value) -> String) -> String {
    list(value).iter().map(of).collect::<Vec<_>>().join(", ")
}
