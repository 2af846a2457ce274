//! What the server says about itself: the OpenAPI document and its page.

use std::path::Path;

use concord_api::describe::openapi;
use concord_tests::client::Method;
use concord_tests::{Concord, Database, on_both};
use serde_json::Value;

use crate::story::arrive_from_fixtures;

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let document = openapi::document().expect("a document");
    assert!(committed == document, "openapi/openapi.json is stale: run `make generate`");
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let served = concord.nobody().get("/openapi.json").await.expect(200);
        assert!(served.header("content-type").starts_with("application/json"));
        assert_eq!(served.text(), document);
    });
}

#[test]
fn every_operation_says_what_it_needs() {
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let place = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{place}");
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{place}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let parameters = operation["parameters"].as_array().expect("parameters");
                let described = parameters.iter().any(|one| one["name"] == name && one["in"] == "path");
                assert!(described, "{place}: {name}");
            }
            // What needs no token says so.
            let open = operation["security"]
                .as_array()
                .is_some_and(|list| list.iter().all(|one| one == &Value::Object(serde_json::Map::new())));
            const OF_TOKENS: [&str; 3] = ["/oauth/userinfo", "/oauth/launch", "/oauth/register/{id}"];
            let needs = path.starts_with("/fhir")
                && !["/fhir/metadata", "/fhir/.well-known/smart-configuration"].contains(&path.as_str())
                || OF_TOKENS.contains(&path.as_str());
            if path == "/oauth/register" {
                // With an invitation, a system's token, a statement, or nothing, as the operator has it.
                continue;
            }
            if path.starts_with("/oauth/") && !needs {
                // A client proves who it is by other means.
                assert!(open, "{place}");
                continue;
            }
            assert_eq!(!open, needs, "{place}");
            assert_eq!(responses.contains_key("401"), needs, "{place}");
        }
    }
}

/// Tools read the document: every parameter and every body has a schema, and every reference leads to something.
#[test]
fn everything_has_a_schema() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|one| references(one, found));
            }
            Value::Array(items) => items.iter().for_each(|one| references(one, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let place = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].to_string()), "{place}: its id is another's");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["schema"].is_object(), "{place}: {parameter}");
            }
            for (media, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                assert!(body["schema"].is_object(), "{place}: {media}");
            }
            if path.starts_with("/fhir") && !["HEAD"].contains(&method.as_str()) {
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    let has_body = status == "200" && method != "delete";
                    assert!(!has_body || response["content"].is_object(), "{place}: {status}");
                    assert!(!status.starts_with('4') || response["$ref"].is_string(), "{place}: {status}");
                }
            }
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 1_000, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

on_both! { every_example_works }

/// What the document shows is what one can send.
async fn every_example_works(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/src/describe/openapi_parts/examples.json");
    let examples: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the examples")).expect("JSON");
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    assert!(examples.len() >= 10, "{}", examples.len());
    for example in &examples {
        let text = |name: &str| example[name].as_str().expect("a text");
        for path in example["paths"].as_array().expect("paths") {
            let content = &document["paths"][path.as_str().expect("a path")][text("method")]["requestBody"]["content"];
            assert_eq!(content[text("media")]["examples"][text("name")]["value"], example["value"], "{path}");
        }
        let method = Method::from_bytes(text("method").to_uppercase().as_bytes()).expect("a method");
        let body = match text("media") {
            "application/x-www-form-urlencoded" => {
                let pairs = example["value"].as_object().expect("a form").iter();
                pairs
                    .map(|(name, value)| format!("{name}={}", value.as_str().expect("a text")))
                    .collect::<Vec<_>>()
                    .join("&")
            }
            _ => example["value"].to_string(),
        };
        let answer = concord.patient(text("as")).ask(method, text("at")).body(text("media"), body).await;
        assert!((200..300).contains(&answer.status), "{}: {answer}", text("name"));
    }
}

/// The page works without any other server: what it loads is beside it.
#[test]
fn the_page_loads_nothing_from_elsewhere() {
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let nobody = concord.nobody();
        let moved = nobody.get("/docs").await;
        assert!([301, 302, 307, 308].contains(&moved.status), "{moved}");
        assert_eq!(moved.header("location"), "/docs/");
        let page = nobody.get("/docs/").await.expect(200);
        let head = nobody.head("/docs/").await.expect(200);
        assert_eq!((head.header("content-type"), head.body.len()), (page.header("content-type"), 0));
        nobody.head("/docs/no-such").await.expect(404);
        assert!(page.header("content-type").starts_with("text/html"));
        let html = page.text();
        let mut loaded = 0;
        for attribute in ["src=\"", "href=\""] {
            for rest in html.split(attribute).skip(1) {
                let place = rest.split('"').next().unwrap_or_default();
                assert!(!place.contains("//"), "{place}");
                let file = nobody.get(&format!("/docs/{}", place.trim_start_matches("./"))).await.expect(200);
                assert!(!file.body.is_empty(), "{place}");
                if place.ends_with("initializer.js") {
                    assert!(file.text().contains("/openapi.json"), "{}", file.text());
                    assert!(!file.text().contains("https://"), "{}", file.text());
                }
                loaded += 1;
            }
        }
        assert!(loaded >= 4, "{html}");
    });
}

/// The guide lists exactly what a patient and a carer may write.
#[test]
fn what_people_may_write_is_listed() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let part = guide.split("### What a patient may write").nth(1).expect("a part of the guide");
    let part = part.split("\n## ").next().unwrap_or_default().replace('\n', " ");
    let listed = |from: &str, to: &str| -> Vec<String> {
        let (_, rest) = part.split_once(from).expect("the beginning of a list");
        let (list, _) = rest.split_once(to).expect("the end of a list");
        list.replace(" and ", ", ").split(", ").map(|name| name.trim().to_owned()).collect()
    };
    let names = |types: Vec<concord_fhir::registry::ResourceType>| -> Vec<String> {
        types.into_iter().map(|one| one.name().to_owned()).collect()
    };
    let patients = names(concord_fhir::rules::types_for_patients().collect());
    assert_eq!(listed("about nobody else: ", "; and of a Task"), patients);
    let carers = names(concord_fhir::rules::types_for_related_persons().collect());
    assert_eq!(listed("A carer or proxy writes ", ", as far as"), carers);
}
