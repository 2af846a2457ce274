//! A document as a page that people read (R4 "FHIR Documents", presentation): whose it is, and the narrative of each section.
//! Narratives are XHTML in which nothing runs, as the check of every resource sees to; all else is written as text. The
//! page has no scripts, and loads nothing.

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentEncoding};
use concord_fhir::display;
use concord_fhir::json::Value;
use concord_fhir::schema::without_comments;

use crate::interact::execute::Outcome;
use crate::interact::operation::Output;

/// What a browser may do with the page: show it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";

const STYLE: &str = "*{box-sizing:border-box}body{margin:0 auto;max-width:60rem;padding:1rem;color:#212b32;background:#fff;\
    font:1rem/1.5 Arial,Helvetica,sans-serif;overflow-wrap:anywhere}h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem}\
    h2{font-size:1.25rem;line-height:1.3;margin:2rem 0 .5rem;border-top:2px solid #005eb8;padding-top:.5rem}\
    dl{margin:0 0 1rem}dt{font-weight:700}dd{margin:0 0 .5rem}section>div{overflow-x:auto}\
    table{border-collapse:collapse;width:100%;min-width:min(100%,20rem)}th,td{text-align:left;vertical-align:top;\
    padding:.4rem .6rem .4rem 0;border-bottom:1px solid #aeb7bd}img{max-width:100%}@media print{body{max-width:none}}";

/// The document that came out, if one did.
pub(super) fn document(outcome: &Outcome) -> Option<&Value<'static>> {
    let Outcome::Output(found) = outcome else { return None };
    let Output::Value(value) = &found.output else { return None };
    (value.text("type") == Some("document")).then_some(value)
}

/// A document as a page.
pub(super) fn response(document: &Value<'_>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "Accept"))
        .insert_header(ContentEncoding::Identity)
        .content_type("text/html; charset=utf-8")
        .body(page(document))
}

fn page(document: &Value<'_>) -> String {
    let resources = || document.list("entry").iter().filter_map(|entry| entry.get("resource"));
    let composition = resources().next().unwrap_or(&Value::Null);
    let title = composition.text("title").unwrap_or("Document");
    let mut out = String::from("<!doctype html><html lang=\"en-GB\"><head><meta charset=\"utf-8\"><title>");
    escape(title, &mut out);
    out.push_str("</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body data-page=\"document\"><main><h1>");
    escape(title, &mut out);
    out.push_str("</h1><dl>");
    let subject = composition.get("subject").and_then(|subject| subject.text("reference"));
    if let Some(person) = subject.and_then(|subject| found(document, subject)) {
        row("Name", &display::label(person), &mut out);
        row("Born", &person.get("birthDate").map(display::text).unwrap_or_default(), &mut out);
        let numbers: Vec<String> = person.list("identifier").iter().map(display::text).collect();
        row("Number", &numbers.join(", "), &mut out);
    }
    row("Made", &composition.get("date").map(display::text).unwrap_or_default(), &mut out);
    out.push_str("</dl>");
    narrative(composition, &mut out);
    sections(composition.list("section"), &mut out);
    out.push_str("</main></body></html>");
    out
}

/// The resource of an entry that a reference leads to: its address ends with it.
fn found<'o, 'v>(document: &'o Value<'v>, reference: &str) -> Option<&'o Value<'v>> {
    let leads = |entry: &&Value<'_>| {
        let rest = entry.text("fullUrl").and_then(|address| address.strip_suffix(reference));
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    document.list("entry").iter().find(leads)?.get("resource")
}

fn sections(all: &[Value<'_>], out: &mut String) {
    for section in all {
        out.push_str("<section><h2>");
        escape(section.text("title").unwrap_or_default(), out);
        out.push_str("</h2>");
        narrative(section, out);
        sections(section.list("section"), out);
        out.push_str("</section>");
    }
}

fn narrative(of: &Value<'_>, out: &mut String) {
    let Some(stored) = of.get("text").and_then(|text| text.text("div")) else { return };
    match without_comments(stored) {
        Some(shown) => out.push_str(&shown),
        None => out.push_str("<p>What this part says cannot be shown on a page.</p>"),
    }
}

fn row(what: &str, text: &str, out: &mut String) {
    if !text.is_empty() {
        out.extend(["<dt>", what, "</dt><dd>"]);
        escape(text, out);
        out.push_str("</dd>");
    }
}

/// A text as the content of an element.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use concord_fhir::json::{self, Limits};

    use super::*;

    #[test]
    fn text_is_never_markup_and_narratives_are_as_they_were_checked() {
        let text = r#"{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"http://x/Composition/1","resource":
            {"title":"<script>1</script>","date":"2026-01-02","subject":{"reference":"Patient/p"},
            "section":[{"title":"A & B","text":{"div":"<div>own<!--><script>x</script> --></div>"},"section":[{"title":"Inner"}]}]}},
            {"fullUrl":"http://x/Patient/p","resource":{"name":[{"family":"O'Neill"}],"birthDate":"1980-02-01"}}]}"#;
        let document = json::parse(text.as_bytes(), &Limits::default()).expect("JSON");
        let page = page(&document);
        for part in
            ["&lt;script&gt;", "<dd>O&#39;Neill</dd>", "1 February 1980", "A &amp; B", "<div>own</div>", "Inner"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("<script"), "{page}");
    }
}
