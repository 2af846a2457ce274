//! Who gets what from every route. A route of the OpenAPI document without a row here fails.

use std::collections::BTreeSet;

use concord_api::describe::openapi;
use concord_fhir::registry::ResourceType;
use concord_tests::client::{Ask, Method};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { every_route_and_every_caller }

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Get {
    /// This status, and Amina's reading in the body.
    Shown(u16),
    /// This status, and nothing of Amina's in the body or headers.
    Without(u16),
}
use Get::{Shown, Without};

/// Nobody; a patient who is a stranger; Amina; her son, who has her Consent for Observations; her GP; a professional who has
/// left her care team; an app of Amina's with scopes for other types; a system.
const CALLERS: [&str; 8] =
    ["nobody", "stranger", "patient", "carer", "professional", "revoked", "wrong scope", "system"];

/// Those who may see the reading, where the others are answered as if it were not there.
const READ: [Get; 8] =
    [Without(401), Without(404), Shown(200), Shown(200), Shown(200), Without(404), Without(403), Shown(200)];
/// The same where the others find nothing.
const FOUND: [Get; 8] =
    [Without(401), Without(200), Shown(200), Shown(200), Shown(200), Without(200), Without(403), Shown(200)];
/// Whoever has a token may have a resource validated that they bring along.
const VALIDATED: [Get; 8] =
    [Without(401), Without(200), Without(200), Without(200), Without(200), Without(200), Without(200), Without(200)];
/// The same without a resource.
const NOTHING_TO_JUDGE: [Get; 8] =
    [Without(401), Without(400), Without(400), Without(400), Without(400), Without(400), Without(400), Without(400)];
/// As a new version of the reading, if they see it.
const VALIDATED_IN_A_RECORD: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(200), Without(200), Without(404), Without(403), Without(200)];
/// The same without a resource: what there is to say of the reading itself.
const NOTHING_TO_JUDGE_IN_A_RECORD: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(200), Without(200), Without(404), Without(403), Without(200)];
/// Amina's whole record: who sees nothing of it is answered as if she were not there.
const EVERYTHING: [Get; 8] =
    [Without(401), Without(404), Shown(200), Shown(200), Shown(200), Without(404), Without(200), Shown(200)];
/// The same, for those who may see the Patient.
const SUMMARY: [Get; 8] =
    [Without(401), Without(404), Shown(200), Without(404), Shown(200), Without(404), Without(200), Shown(200)];
/// The record of the patient who calls; whoever is none has to name one.
const OWN: [Get; 8] =
    [Without(401), Without(200), Shown(200), Without(400), Without(400), Without(400), Without(200), Without(400)];
/// Readings in numbers, without what is written beside them.
const TREND: [Get; 8] =
    [Without(401), Without(200), Without(200), Without(200), Without(200), Without(200), Without(403), Without(200)];
/// There is no Goal of that id.
const NO_GOAL: [Get; 8] =
    [Without(401), Without(404), Without(404), Without(404), Without(404), Without(404), Without(404), Without(404)];
/// The labels of the reading.
const LABELS: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(200), Without(200), Without(404), Without(403), Without(200)];
/// The labels of the reading, changed: she has written it.
const RELABELLED: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(403), Without(403), Without(404), Without(403), Without(403)];
/// A question about her son.
const EVALUATED: [Get; 8] =
    [Without(401), Without(403), Without(200), Without(200), Without(403), Without(403), Without(403), Without(200)];
/// Who can see the record of Amina.
const WHO: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(404), Without(403), Without(404), Without(403), Without(200)];
/// What she alone does.
const HERS: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(404), Without(403), Without(404), Without(403), Without(403)];
/// What is kept from Amina: for those who may see the Patient, and never to her.
const DUE: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(404), Without(200), Without(404), Without(200), Without(200)];
/// The reading is kept from nobody, and is not theirs to release.
const RELEASED: [Get; 8] =
    [Without(401), Without(404), Without(403), Without(403), Without(403), Without(404), Without(403), Without(422)];
/// A professional verifies it.
const VERIFIED: [Get; 8] =
    [Without(401), Without(404), Without(403), Without(403), Without(200), Without(404), Without(403), Without(403)];
/// There is nothing of that type and id.
const NOTHING: [Get; 8] =
    [Without(401), Without(404), Without(404), Without(404), Without(404), Without(404), Without(403), Without(404)];
/// She asks for a correction; her son may not write Communications.
const CORRECTED: [Get; 8] =
    [Without(401), Without(404), Without(200), Without(403), Without(403), Without(403), Without(403), Without(403)];
/// Everybody, and it says nothing of anybody.
const OPEN: [Get; 8] = [Without(200); 8];
const NOT_CONFIGURED: [Get; 8] = [Without(404); 8];

/// Method, path of the OpenAPI document, and what each caller gets.
const TABLE: &[(&str, &str, [Get; 8])] = &[
    ("GET", "/fhir/{type}/{id}", READ),
    ("GET", "/fhir/{type}/{id}/_history/{version}", READ),
    ("GET", "/fhir/{type}/{id}/_history", READ),
    ("GET", "/fhir/{type}", FOUND),
    ("POST", "/fhir/{type}/_search", FOUND),
    ("GET", "/fhir", FOUND),
    ("POST", "/fhir/_search", FOUND),
    ("GET", "/fhir/Patient/{id}/{type}", FOUND),
    ("POST", "/fhir/Patient/{id}/{type}/_search", FOUND),
    ("GET", "/fhir/{type}/_history", FOUND),
    (
        // Of the types that the token's scopes are about.
        "GET",
        "/fhir/_history",
        [Without(401), Without(200), Shown(200), Shown(200), Shown(200), Without(200), Without(200), Shown(200)],
    ),
    (
        // A reading of Amina's, which is shown to the one who has written it.
        "POST",
        "/fhir/{type}",
        [Without(401), Without(403), Shown(201), Shown(201), Shown(201), Without(403), Without(403), Shown(201)],
    ),
    (
        "PUT",
        "/fhir/{type}/{id}",
        [Without(401), Without(404), Shown(200), Without(403), Without(403), Without(404), Without(403), Shown(200)],
    ),
    (
        // The comment at the end is replaced.
        "PATCH",
        "/fhir/{type}/{id}",
        [Without(401), Without(404), Shown(200), Without(403), Without(403), Without(404), Without(403), Shown(200)],
    ),
    (
        "PATCH",
        "/fhir/{type}",
        [Without(401), Without(404), Shown(200), Without(403), Without(403), Without(404), Without(403), Shown(200)],
    ),
    (
        // Whoever does not see it would create one, in a record that is not theirs.
        "PUT",
        "/fhir/{type}",
        [Without(401), Without(403), Shown(200), Without(403), Without(403), Without(403), Without(403), Shown(200)],
    ),
    (
        "DELETE",
        "/fhir/{type}/{id}",
        [
            Without(401),
            Without(404),
            Without(204),
            Without(403),
            Without(403),
            Without(404),
            Without(403),
            Without(204),
        ],
    ),
    (
        // Whoever does not see it finds nothing to delete.
        "DELETE",
        "/fhir/{type}",
        [
            Without(401),
            Without(204),
            Without(204),
            Without(403),
            Without(403),
            Without(204),
            Without(403),
            Without(204),
        ],
    ),
    (
        // A transaction that reads the reading: it fails as a whole as its entry does.
        "POST", "/fhir", READ,
    ),
    ("GET", "/fhir/{type}/$validate", NOTHING_TO_JUDGE),
    ("POST", "/fhir/{type}/$validate", VALIDATED),
    ("GET", "/fhir/{type}/{id}/$validate", NOTHING_TO_JUDGE_IN_A_RECORD),
    ("POST", "/fhir/{type}/{id}/$validate", VALIDATED_IN_A_RECORD),
    ("GET", "/fhir/Patient/$match", NOTHING_TO_JUDGE),
    ("POST", "/fhir/Patient/$match", NOTHING_TO_JUDGE),
    ("GET", "/fhir/Patient/{id}/$everything", EVERYTHING),
    ("POST", "/fhir/Patient/{id}/$everything", EVERYTHING),
    ("GET", "/fhir/Patient/$everything", OWN),
    ("POST", "/fhir/Patient/$everything", OWN),
    ("GET", "/fhir/Patient/{id}/$summary", SUMMARY),
    ("POST", "/fhir/Patient/{id}/$summary", SUMMARY),
    ("GET", "/fhir/Patient/$summary", OWN),
    ("POST", "/fhir/Patient/$summary", OWN),
    ("GET", "/fhir/Composition/$document", NOTHING_TO_JUDGE),
    ("POST", "/fhir/Composition/$document", NOTHING_TO_JUDGE),
    ("GET", "/fhir/Composition/{id}/$document", NOTHING),
    ("POST", "/fhir/Composition/{id}/$document", NOTHING),
    ("GET", "/fhir/Bundle/$document", NOTHING_TO_JUDGE),
    ("POST", "/fhir/Bundle/$document", NOTHING_TO_JUDGE),
    ("GET", "/fhir/Bundle/{id}/$document", NOTHING),
    ("POST", "/fhir/Bundle/{id}/$document", NOTHING),
    ("GET", "/fhir/Patient/{id}/$access-log", TREND),
    ("POST", "/fhir/Patient/{id}/$access-log", TREND),
    ("GET", "/fhir/Observation/$lastn", FOUND),
    ("POST", "/fhir/Observation/$lastn", FOUND),
    ("GET", "/fhir/Observation/$trend", TREND),
    ("POST", "/fhir/Observation/$trend", TREND),
    ("GET", "/fhir/Observation/$duplicates", TREND),
    ("POST", "/fhir/Observation/$duplicates", TREND),
    ("GET", "/fhir/Goal/{id}/$agreement", NO_GOAL),
    ("POST", "/fhir/Goal/{id}/$agreement", NO_GOAL),
    ("GET", "/fhir/{type}/{id}/$meta", LABELS),
    ("POST", "/fhir/{type}/{id}/$meta", LABELS),
    ("POST", "/fhir/{type}/{id}/$meta-add", RELABELLED),
    ("POST", "/fhir/{type}/{id}/$meta-delete", RELABELLED),
    ("POST", "/fhir/{type}/{id}/$release", RELEASED),
    ("POST", "/fhir/Observation/{id}/$verify", VERIFIED),
    ("POST", "/fhir/AllergyIntolerance/{id}/$verify", NOTHING),
    ("POST", "/fhir/MedicationStatement/{id}/$verify", NOTHING),
    ("GET", "/fhir/Patient/{id}/$due-for-review", DUE),
    ("POST", "/fhir/Patient/{id}/$due-for-review", DUE),
    ("POST", "/fhir/Communication/$correctionrequest", CORRECTED),
    // What her son may see: she may ask, and he.
    ("GET", "/fhir/Consent/$evaluate", EVALUATED),
    ("POST", "/fhir/Consent/$evaluate", EVALUATED),
    ("GET", "/fhir/Patient/{id}/$who-can-see", WHO),
    ("POST", "/fhir/Patient/{id}/$who-can-see", WHO),
    ("GET", "/fhir/Patient/{id}/$connected-apps", WHO),
    ("POST", "/fhir/Patient/{id}/$connected-apps", WHO),
    ("POST", "/fhir/Patient/{id}/$end-app-access", HERS),
    // What is R4's own is everybody's who has a token; the others are not there.
    ("GET", "/fhir/ValueSet/$expand", VALIDATED),
    ("GET", "/fhir/ValueSet/{id}/$expand", NOTHING),
    ("POST", "/fhir/ValueSet/$expand", VALIDATED),
    ("POST", "/fhir/ValueSet/{id}/$expand", NOTHING),
    ("GET", "/fhir/ValueSet/$validate-code", VALIDATED),
    ("GET", "/fhir/ValueSet/{id}/$validate-code", NOTHING),
    ("POST", "/fhir/ValueSet/$validate-code", VALIDATED),
    ("POST", "/fhir/ValueSet/{id}/$validate-code", NOTHING),
    ("GET", "/fhir/CodeSystem/$validate-code", VALIDATED),
    ("GET", "/fhir/CodeSystem/{id}/$validate-code", NOTHING),
    ("POST", "/fhir/CodeSystem/$validate-code", VALIDATED),
    ("POST", "/fhir/CodeSystem/{id}/$validate-code", NOTHING),
    ("GET", "/fhir/CodeSystem/$lookup", VALIDATED),
    ("POST", "/fhir/CodeSystem/$lookup", VALIDATED),
    ("GET", "/fhir/CodeSystem/$subsumes", VALIDATED),
    ("GET", "/fhir/CodeSystem/{id}/$subsumes", NOTHING),
    ("POST", "/fhir/CodeSystem/$subsumes", VALIDATED),
    ("POST", "/fhir/CodeSystem/{id}/$subsumes", NOTHING),
    ("GET", "/fhir/ConceptMap/$translate", VALIDATED),
    ("GET", "/fhir/ConceptMap/{id}/$translate", NOTHING),
    ("POST", "/fhir/ConceptMap/$translate", VALIDATED),
    ("POST", "/fhir/ConceptMap/{id}/$translate", NOTHING),
    ("GET", "/fhir/metadata", OPEN),
    ("GET", "/fhir/.well-known/smart-configuration", NOT_CONFIGURED),
    // Without sign-in of its own.
    ("GET", "/.well-known/jwks.json", NOT_CONFIGURED),
    ("GET", "/.well-known/openid-configuration", NOT_CONFIGURED),
    ("GET", "/oauth/authorize", NOT_CONFIGURED),
    ("POST", "/oauth/authorize", NOT_CONFIGURED),
    ("POST", "/oauth/introspect", NOT_CONFIGURED),
    ("POST", "/oauth/launch", NOT_CONFIGURED),
    ("POST", "/oauth/revoke", NOT_CONFIGURED),
    ("POST", "/oauth/token", NOT_CONFIGURED),
    ("GET", "/oauth/userinfo", NOT_CONFIGURED),
    ("POST", "/oauth/userinfo", NOT_CONFIGURED),
    ("POST", "/oauth/register", NOT_CONFIGURED),
    ("GET", "/oauth/register", NOT_CONFIGURED),
    ("GET", "/oauth/register/{id}", NOT_CONFIGURED),
    ("PUT", "/oauth/register/{id}", NOT_CONFIGURED),
    ("DELETE", "/oauth/register/{id}", NOT_CONFIGURED),
    ("POST", "/sign-in/logout", NOT_CONFIGURED),
    ("GET", "/healthz", OPEN),
    ("GET", "/readyz", OPEN),
    ("GET", "/metrics", OPEN),
    ("GET", "/openapi.json", OPEN),
];

/// In the reading and nowhere else.
const MARK: &str = "only-in-this-reading";

async fn every_route_and_every_caller(concord: &Concord) {
    people::arrive(concord).await;
    let listed: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(listed.len(), TABLE.len(), "a route has two rows");
    assert_eq!(listed, routes(), "a route without a row, or a row without a route");
    for (method, path, wanted) in TABLE {
        for (caller, wanted) in CALLERS.iter().zip(wanted) {
            check(concord, caller, method, path, *wanted).await;
        }
    }
}

/// A path of single types as that of any type, where it has no row of its own.
fn row_of(method: &str, path: &str) -> String {
    let named = path.strip_prefix("/fhir/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let is_listed = TABLE.iter().any(|(listed, at, _)| *listed == method && *at == path);
    match ResourceType::parse(named) {
        Some(_) if !is_listed => path.replacen(named, "{type}", 1),
        _ => path.to_owned(),
    }
}

/// The routes of the OpenAPI document: method and path.
fn routes() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods
                .map(|method| method.to_uppercase())
                .map(|method| (method.clone(), row_of(&method, path)))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn app(concord: &Concord, caller: &str) -> App {
    match caller {
        "nobody" => concord.nobody(),
        "stranger" => concord.patient("callum"),
        "patient" => concord.patient("amina"),
        "carer" => concord.user("RelatedPerson/yusuf"),
        "professional" => concord.user("Practitioner/gp"),
        "revoked" => concord.user("Practitioner/former"),
        "wrong scope" => concord.patient_with("amina", "patient/Goal.cruds patient/Patient.rs"),
        _ => concord.system(),
    }
}

async fn check(concord: &Concord, caller: &str, method: &str, path: &str, wanted: Get) {
    let marked = with(blood_pressure("amina", 120), "note", json!([{"text": MARK}]));
    let id = concord.patient("amina").create(&marked).await;
    let app = app(concord, caller);
    let answer = ask(&app, method, path, &id, &marked).await;
    let (status, shown) = match wanted {
        Shown(status) => (status, true),
        Without(status) => (status, false),
    };
    assert_eq!(answer.status, status, "{caller} {method} {path}: {answer}");
    let told = format!("{} {:?}", answer.text(), answer.headers);
    // A write that is answered shows what was written to the one who wrote it.
    assert_eq!(told.contains(MARK), shown, "{caller} {method} {path}: {answer}");
    // Where the request does not name it, neither does the answer.
    if !shown && path.contains("{type}") && !path.contains("{id}") && method == "GET" {
        assert!(!told.contains(&id), "{caller} {method} {path}: {answer}");
    }
    if method == "GET" {
        let head = app.ask(Method::HEAD, &filled(path, &id)).await;
        assert_eq!((head.status, head.body.len()), (status, 0), "{caller} HEAD {path}");
    }
    // What was not permitted has not happened.
    let system = concord.system();
    let now = system.get(&format!("Observation/{id}")).await;
    if status >= 400 || (!shown && method == "DELETE" && caller != "patient" && caller != "system") {
        assert_eq!((now.status, now.header("etag")), (200, "W/\"1\""), "{caller} {method} {path}");
    }
    system.delete(&format!("Observation/{id}")).await.expect(204);
}

fn filled(path: &str, id: &str) -> String {
    let path = match path {
        "/fhir" => "/fhir?_type=Observation",
        "/fhir/Consent/$evaluate" => {
            "/fhir/Consent/$evaluate?patient=Patient/amina&actor=RelatedPerson/yusuf&resource=Observation/{id}"
        }
        _ => path,
    };
    let path = path.replace("/Patient/{id}/", "/Patient/amina/");
    let path = match path.split('/').next_back() {
        Some("$expand" | "$validate-code" | "$lookup" | "$subsumes" | "$translate") => {
            let gender = "http://hl7.org/fhir/administrative-gender";
            let url = match path.as_str() {
                "/fhir/ValueSet/$expand" => "url=http://hl7.org/fhir/ValueSet/administrative-gender".to_owned(),
                "/fhir/ValueSet/{id}/$expand" => "count=1".to_owned(),
                "/fhir/ValueSet/$validate-code" => {
                    "url=http://hl7.org/fhir/ValueSet/administrative-gender&code=male".to_owned()
                }
                "/fhir/CodeSystem/$validate-code" => format!("url={gender}&code=male"),
                "/fhir/CodeSystem/{id}/$validate-code" => "code=male".to_owned(),
                other if other.ends_with("$subsumes") => format!("system={gender}&codeA=male&codeB=female"),
                _ => format!("system={gender}&code=male"),
            };
            format!("{path}?{url}")
        }
        Some("$end-app-access") => format!("{path}?client=nobody"),
        Some("$everything") => format!("{path}?_count=1000"),
        Some("$lastn" | "$duplicates") => format!("{path}?patient=amina"),
        Some("$trend") => format!("{path}?patient=amina&code=85354-9"),
        _ => path,
    };
    path.replace("{type}", "Observation").replace("{id}", id).replace("{version}", "1")
}

fn ask(app: &App, method: &str, path: &str, id: &str, marked: &Value) -> Ask {
    let place = filled(path, id);
    let changed = with(marked.clone(), "status", json!("amended"));
    let conditional = format!("{place}?_id={id}");
    match (method, path) {
        ("POST", "/fhir/_search") => app
            .ask(Method::POST, &place)
            .body("application/x-www-form-urlencoded", format!("_type=Observation&_id={id}")),
        ("POST", "/fhir/{type}/_search" | "/fhir/Patient/{id}/{type}/_search") => {
            app.ask(Method::POST, &place).body("application/x-www-form-urlencoded", format!("_id={id}"))
        }
        ("POST", "/fhir") => {
            let entry = json!({"request": {"method": "GET", "url": format!("Observation/{id}")}});
            app.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}))
        }
        ("POST", "/fhir/{type}/{id}/$meta-add" | "/fhir/{type}/{id}/$meta-delete") => {
            let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
            let meta = json!({"security": [{"system": system, "code": "R"}]});
            let given = json!({"name": "meta", "valueMeta": meta});
            app.post(&place, &json!({"resourceType": "Parameters", "parameter": [given]}))
        }
        ("POST", "/fhir/{type}/{id}/$release") => {
            let given = json!({"name": "reason", "valueString": "it has been talked about"});
            app.post(&place, &json!({"resourceType": "Parameters", "parameter": [given]}))
        }
        ("POST", _) if path.ends_with("/$verify") => {
            let given = json!({"name": "version", "valueId": "1"});
            app.post(&place, &json!({"resourceType": "Parameters", "parameter": [given]}))
        }
        ("POST", "/fhir/Communication/$correctionrequest") => {
            let about = json!([{"reference": format!("Observation/{id}")}]);
            let asked = json!({"resourceType": "Communication", "status": "completed", "about": about,
                "subject": {"reference": "Patient/amina"}, "payload": [{"contentString": "Not so"}]});
            app.post(&place, &asked)
        }
        ("POST", "/fhir/{type}/{id}/$meta" | "/fhir/Consent/$evaluate" | "/fhir/Patient/{id}/$who-can-see") => {
            app.ask(Method::POST, &place)
        }
        ("POST", _) if path.contains("/$") && !path.ends_with("$validate") => {
            app.post(&place, &json!({"resourceType": "Parameters"}))
        }
        ("POST", _) => app.post(&place, marked),
        ("PUT", "/fhir/{type}") => app.put(&conditional, &changed),
        ("PUT", _) => app.put(&place, &with(changed, "id", json!(id))),
        ("PATCH", _) => {
            let place = if path.contains("{id}") { place } else { conditional };
            let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
            app.ask(Method::PATCH, &place).body("application/json-patch+json", patch.to_string())
        }
        ("DELETE", "/fhir/{type}") => app.delete(&conditional),
        ("DELETE", _) => app.delete(&place),
        ("GET", "/fhir/_history" | "/fhir/{type}/_history") => app.get(&format!("{place}?_count=1000")),
        _ => app.get(&place),
    }
}
