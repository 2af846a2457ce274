//! What somebody sees who comes with a browser, and a program that asks which methods there are or whether its page may call.

use concord_tests::client::Method;
use concord_tests::{Answer, App, Concord, Database, on_both};

use crate::story::arrive_from_fixtures;

on_both! { an_error_in_a_browser_is_a_page, options_and_405_name_the_same_methods }
on_both! { with crate::sign_in::SETTINGS; the_first_page_leads_everywhere }

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn as_browser(app: &App, place: &str) -> Answer {
    app.get(place).header("accept", BROWSER).await
}

/// The addresses that a page leads to.
fn links(page: &Answer) -> Vec<String> {
    let html = page.text();
    html.split("href=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

#[track_caller]
fn is_page(page: &Answer) {
    assert!(page.header("content-type").starts_with("text/html"), "{page}");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    assert!(!page.text().contains("<script"), "{page}");
    assert!(page.text().contains("width=device-width"), "{page}");
}

async fn the_first_page_leads_everywhere(concord: &Concord) {
    let nobody = concord.nobody();
    let page = as_browser(&nobody, "/").await.expect(200);
    is_page(&page);
    assert!(page.text().contains("<strong>Ready.</strong>"), "{page}");
    let found = links(&page);
    for wanted in
        ["/docs/", "/fhir/metadata", "/openapi.json", "/apps", "/example/", "/fhir/.well-known/smart-configuration"]
    {
        assert!(found.iter().any(|link| link == wanted), "{wanted}: {found:?}");
    }
    assert!(page.text().contains("WALKTHROUGH.md"), "{page}");
    for link in &found {
        as_browser(&nobody, link).await.expect(200);
    }
    nobody.head("/").await.expect(200);
    // Programs get it too: it is no resource.
    assert!(nobody.get("/").await.expect(200).header("content-type").starts_with("text/html"));
}

/// Where nobody signs in and nothing is for development, neither is spoken of.
#[test]
fn the_first_page_tells_only_of_what_there_is() {
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let nobody = concord.nobody();
        let page = nobody.get("/").await.expect(200);
        let found = links(&page);
        assert!(!found.iter().any(|link| link == "/apps" || link == "/example/"), "{found:?}");
        nobody.get("/example/").await.expect(404);
        nobody.get("/example/app.js").await.expect(404);
    });
}

/// The CapabilityStatement has a page with all that is in it, for browsers alone.
#[test]
fn the_capability_statement_is_a_page_too() {
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let nobody = concord.nobody();
        let statement = nobody.get("/fhir/metadata").await.expect(200);
        assert!(statement.header("content-type").starts_with("application/fhir+json"));
        assert!(statement.header("vary").contains("accept"), "{}", statement.header("vary"));
        let page = as_browser(&nobody, "/fhir/metadata").await.expect(200);
        is_page(&page);
        let html = page.text();
        for resource in statement.json()["rest"][0]["resource"].as_array().expect("resources") {
            let name = resource["type"].as_str().expect("a type");
            assert!(html.contains(&format!("<summary>{name}</summary>")), "{name}");
        }
        assert!(html.contains("$everything") && html.contains("birthdate (date)"));
        for place in ["/fhir/metadata?_format=json", "/fhir/metadata?_format=xml&_pretty=true"] {
            let answer = as_browser(&nobody, place).await.expect(200);
            assert!(answer.header("content-type").starts_with("application/fhir+"), "{place}");
        }
    });
}

/// The same status and headers, and nothing in it that the outcome does not say.
async fn an_error_in_a_browser_is_a_page(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let (nobody, amina, callum) = (concord.nobody(), concord.patient("amina"), concord.patient("callum"));
    for (app, place) in [
        (&nobody, "Patient/amina"),
        (&nobody, "/nothing/here"),
        (&nobody, "/fhir/a/b/c/d/e"),
        (&amina, "Nothing/1"),
        (&amina, "Observation?date=%3Cscript%3E"),
        (&callum, "Patient/amina"),
        (&callum, "Patient/no-such-id"),
    ] {
        let outcome = app.get(place).await;
        assert!(outcome.header("content-type").starts_with("application/fhir+json"), "{outcome}");
        let page = as_browser(app, place).await.expect(outcome.status);
        is_page(&page);
        assert_eq!(page.header("www-authenticate"), outcome.header("www-authenticate"), "{place}");
        for (_, _, text) in outcome.issues() {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;");
            assert!(page.text().contains(&text.replace('"', "&quot;")), "{text}: {page}");
        }
        for program in
            ["application/fhir+json", "*/*", "application/json, text/plain, */*", "text/html, application/fhir+json"]
        {
            let answer = app.get(place).header("accept", program).await.expect(outcome.status);
            assert!(answer.header("content-type").starts_with("application/fhir+json"), "{program}: {answer}");
        }
    }
    // What is hidden looks like what is not there, on a page too.
    let plain = |page: &Answer| {
        let id = page.header("x-request-id").to_owned();
        page.text().replace(&id, "")
    };
    let (hidden, absent) =
        (as_browser(&callum, "Patient/amina").await, as_browser(&callum, "Patient/no-such-id").await);
    assert_eq!(plain(&hidden), plain(&absent));
    // What is found is no page: a browser gets what it got.
    let found = as_browser(&amina, "Patient/amina").await.expect(200);
    assert!(found.header("content-type").starts_with("application/fhir+json"), "{found}");
}

/// One of each form of address, and each type that has less.
const PLACES: &[(&str, &str)] = &[
    ("/", "GET, HEAD"),
    ("/style.css", "GET, HEAD"),
    ("/docs/", "GET, HEAD"),
    ("/openapi.json", "GET, HEAD"),
    ("/healthz", "GET, HEAD"),
    ("/fhir/metadata", "GET, HEAD"),
    ("/fhir", "GET, HEAD, POST"),
    ("/fhir/_history", "GET, HEAD"),
    ("/fhir/_search", "POST"),
    ("/fhir/Goal", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ("/fhir/Goal/g", "GET, HEAD, PUT, PATCH, DELETE"),
    ("/fhir/Goal/_history", "GET, HEAD"),
    ("/fhir/Goal/g/_history/1", "GET, HEAD"),
    ("/fhir/AuditEvent", "GET, HEAD, POST"),
    ("/fhir/AuditEvent/a", "GET, HEAD"),
    ("/fhir/Provenance", "GET, HEAD, POST"),
    ("/fhir/Provenance/p", "GET, HEAD"),
    ("/fhir/Patient/p/Goal", "GET, HEAD"),
    ("/fhir/Patient/p/Goal/_search", "POST"),
    ("/fhir/Patient/p/$everything", "GET, HEAD, POST"),
    ("/fhir/Observation/o/$verify", "POST"),
    ("/fhir/Goal/g/$meta-add", "POST"),
];

async fn options_and_405_name_the_same_methods(concord: &Concord) {
    let (nobody, system) = (concord.nobody(), concord.system());
    for (place, allow) in PLACES {
        let answer = nobody.ask(Method::OPTIONS, place).await.expect(204);
        assert_eq!(answer.header("allow"), format!("{allow}, OPTIONS"), "{place}");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if allow.split(", ").any(|one| one == method.as_str()) {
                continue;
            }
            let refused = system.ask(method.clone(), place).body("application/fhir+json", "{}").await.expect(405);
            assert_eq!(refused.header("allow"), *allow, "{method} {place}");
        }
    }
    for place in ["/nothing", "/fhir/Nothing", "/fhir/a/b/c/d/e", "/fhir/Goal/$nothing"] {
        nobody.ask(Method::OPTIONS, place).await.expect(404);
    }
}

/// A page that may not call is told which setting lets it in, and one that may is let in.
#[test]
fn a_page_that_may_not_call_is_told_what_to_do() {
    let settings = [("CONCORD_CORS_ORIGINS", "https://app.example")];
    concord_tests::run(Database::Sqlite, &settings, async |concord: &Concord| {
        let nobody = concord.nobody();
        let ask = |origin: &'static str, method: &'static str| {
            let ask = nobody.ask(Method::OPTIONS, "/fhir/Observation").header("origin", origin);
            ask.header("access-control-request-method", method)
                .header("access-control-request-headers", "authorization")
        };
        let let_in = ask("https://app.example", "POST").await.expect(200);
        assert_eq!(let_in.header("access-control-allow-origin"), "https://app.example");
        let refused = ask("https://other.example", "POST").await.expect(403);
        let (_, _, text) = refused.issues().remove(0);
        assert!(text.contains("https://other.example") && text.contains("cors_origins"), "{text}");
        let refused = ask("https://app.example", "TRACE").await.expect(403);
        assert!(refused.issues()[0].2.contains("methods"), "{refused}");
    });
}
