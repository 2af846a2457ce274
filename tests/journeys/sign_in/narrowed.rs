//! What has been decided for a token serves it no longer than it gives what it gave then: who narrows a client takes from its tokens also
//! what they have read before.

use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

use super::app;
use super::registered::{let_in, registrar};
use super::registration::{call, diary, register, server};

on_both! {
    with super::super::SETTINGS;
    an_app_reads_no_more_what_it_has_read, a_system_reads_no_more_what_it_has_read, a_system_of_some_purposes_reads_no_more_what_it_has_read,
    a_system_asks_for_nothing_more_that_it_has_asked_for
}

/// A reading of each category in the record: where they are.
async fn readings(concord: &Concord) -> [String; 2] {
    let store = async |category: &str| {
        let coding = json!({"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category});
        let reading = people::with(people::blood_pressure("amina", 120), "category", json!([{"coding": [coding]}]));
        let stored = concord.patient("amina").post("Observation", &reading).await.expect(201).json();
        format!("Observation/{}", text(&stored, "/id"))
    };
    [store("vital-signs").await, store("laboratory").await]
}

/// How the readings are answered, and how many of them a search finds.
async fn seen(app: &App, readings: &[String; 2], purpose: Option<&str>) -> ([u16; 2], usize) {
    let ask = async |place: &str| -> Answer {
        let ask = app.ask(Method::GET, place);
        match purpose {
            Some(purpose) => ask.header("x-purpose-of-use", purpose).await,
            None => ask.await,
        }
    };
    let [first, second] = readings;
    let found = ask("Observation?patient=amina&code=85354-9").await;
    let entries = if found.status == 200 { found.matches().len() } else { 0 };
    ([ask(first).await.status, ask(second).await.status], entries)
}

const ALL: ([u16; 2], usize) = ([200, 200], 2);
const VITAL_SIGNS: ([u16; 2], usize) = ([200, 404], 1);
const NOTHING: ([u16; 2], usize) = ([404, 404], 0);
const NOT_THE_TYPE: ([u16; 2], usize) = ([403, 403], 0);

/// What a scope leaves of what was read before.
const NARROWER: [(&str, ([u16; 2], usize)); 3] = [
    ("Observation.rs", ALL),
    ("Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs", VITAL_SIGNS),
    ("Patient.rs", NOT_THE_TYPE),
];

pub(super) async fn an_app_reads_no_more_what_it_has_read(concord: &Concord) {
    people::arrive(concord).await;
    let readings = readings(concord).await;
    let server = server(concord, json!({"registration": "open"})).await;
    let mut said = people::with(diary(), "scope", json!("openid fhirUser launch/patient offline_access patient/*.rs"));
    let told = register(&server, None, &said).await.expect(201).json();
    let (id, own) = (text(&told, "/client_id"), text(&told, "/registration_access_token"));
    let app = app(&server, &let_in(&server, id).await);
    assert_eq!(seen(&app, &readings, None).await, ALL);
    said["client_id"] = json!(id);
    for (scope, left) in NARROWER {
        said["scope"] = json!(format!("launch/patient patient/{scope}"));
        call(&server, Method::PUT, &format!("/oauth/register/{id}"), Some(own), Some(&said)).await.expect(200);
        assert_eq!(seen(&app, &readings, None).await, left, "{scope}");
    }
}

/// A system that is registered with these, by whom it is narrowed, and its token.
async fn robot(concord: &Concord, purposes: Option<Value>) -> (Concord, String, Value, App) {
    let (system, server, admin) =
        registrar(concord, json!({"scope": "system/clients system/Patient.rs system/Observation.rs"})).await;
    let mut said = json!({"client_id": "robot", "client_name": "Robot", "concord_kind": "own", "jwks": system.keys(),
        "scope": "system/Patient.rs system/Observation.rs"});
    if let Some(purposes) = purposes {
        said["concord_purposes"] = purposes;
    }
    register(&server, Some(&admin), &said).await.expect(201);
    let mut claims = system.assertion(concord, "robot");
    (claims["iss"], claims["sub"]) = (json!("robot"), json!("robot"));
    let tokens = system.ask(&server, &system.signed(&claims), "system/*.rs").await.expect(200).json();
    let robot = app(&server, &tokens);
    (server, admin, said, robot)
}

pub(super) async fn a_system_reads_no_more_what_it_has_read(concord: &Concord) {
    system_narrowed(concord, None).await;
}

pub(super) async fn a_system_of_some_purposes_reads_no_more_what_it_has_read(concord: &Concord) {
    system_narrowed(concord, Some(json!(["TREAT"]))).await;
}

async fn system_narrowed(concord: &Concord, purposes: Option<Value>) {
    people::arrive(concord).await;
    let readings = readings(concord).await;
    let (server, admin, mut said, robot) = robot(concord, purposes).await;
    assert_eq!(seen(&robot, &readings, None).await, ALL);
    for (scope, left) in NARROWER {
        said["scope"] = json!(format!("system/{scope}"));
        call(&server, Method::PUT, "/oauth/register/robot", Some(&admin), Some(&said)).await.expect(200);
        assert_eq!(seen(&robot, &readings, None).await, left, "{scope}");
    }
}

pub(super) async fn a_system_asks_for_nothing_more_that_it_has_asked_for(concord: &Concord) {
    people::arrive(concord).await;
    let readings = readings(concord).await;
    let (server, admin, mut said, robot) = robot(concord, Some(json!(["TREAT", "HOPERAT"]))).await;
    for purpose in ["TREAT", "HOPERAT"] {
        assert_eq!(seen(&robot, &readings, Some(purpose)).await, ALL, "{purpose}");
    }
    said["concord_purposes"] = json!(["TREAT"]);
    call(&server, Method::PUT, "/oauth/register/robot", Some(&admin), Some(&said)).await.expect(200);
    assert_eq!(seen(&robot, &readings, Some("HOPERAT")).await, NOTHING);
    assert_eq!(seen(&robot, &readings, Some("TREAT")).await, ALL);
}
