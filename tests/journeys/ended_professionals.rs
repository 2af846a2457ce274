//! A professional of whom it is on record that they act no more is told that and nothing else: at every door, whatever they name,
//! whether it is there, hidden, missing or cannot be read. Others who ask what they may do are told: nothing.

use concord_tests::client::{Answer, App, FHIR_JSON, Method, text};
use concord_tests::doors::operations;
use concord_tests::people::{self, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::existence::{Asker, HIDDEN, SETTINGS, a_professional};
use crate::existence_doors::{Named, doors};
use crate::existence_everywhere::document;

on_both! {
    with super::SETTINGS;
    whoever_is_inactive_is_told_nothing_else, whoever_is_deleted_is_told_nothing_else, nor_by_a_role_that_is_theirs,
    nor_by_the_standing_of_somebody_else, whoever_asks_about_them_is_answered
}

const ENDED: &str = "not active here any more";

/// Whether an answer says anything else; an answer to a batch says it of each entry.
fn wrong(answer: &Answer, is_head: bool) -> bool {
    if answer.status == 200 && text(&answer.json(), "/type") == "batch-response" {
        let entries = answer.entries();
        return entries.is_empty()
            || !entries
                .iter()
                .all(|entry| text(entry, "/response/status").starts_with("403") && entry.to_string().contains(ENDED));
    }
    answer.status != 403 || !(is_head || answer.text().contains(ENDED))
}

/// Tries every door of the journeys about what exists, with what is hidden, what is there, and what there never was.
async fn check(app: &App, asker: &Asker<'_>) {
    let mut problems = Vec::new();
    for (item, patient) in [(HIDDEN, "callum"), ("common", "amina"), ("absent-000", "nobody")] {
        for door in doors(&asker.naming(item, patient)) {
            let mut ask = app.ask(door.method.clone(), &door.place);
            for (name, value) in &door.headers {
                ask = ask.header(name, value);
            }
            if let Some((media, body)) = &door.body {
                ask = ask.body(media, body.clone());
            }
            let answer = ask.await;
            if wrong(&answer, door.method == Method::HEAD) {
                problems.push(format!("{} ({item}): {answer}", door.name));
            }
        }
    }
    problems.extend(malformed(app).await);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Tries what cannot be read, or has nothing in it.
async fn malformed(app: &App) -> Vec<String> {
    let bundle =
        |kind: &str, entries: Value| json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string();
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let empty = |kind: &str| json!({"resourceType": "Bundle", "type": kind}).to_string();
    let bodies = [
        ("Observation", "{}".to_owned()),
        ("Observation", "{".to_owned()),
        ("Observation", json!({"resourceType": "Observation", "status": "x"}).to_string()),
        ("Patient/amina/$nosuch", "{}".to_owned()),
        ("Observation/$validate", json!({"resourceType": "Patient", "x": 1}).to_string()),
        ("/fhir", empty("batch")),
        ("/fhir", empty("transaction")),
        ("/fhir", empty("collection")),
        ("/fhir", bundle("batch", json!([get("Observation?_count=x"), get("Observation/common"), get("Nosuch/1")]))),
        ("/fhir", bundle("transaction", json!([get("Observation?_count=x")]))),
        ("/fhir", bundle("transaction", json!([get("Observation/common"), get("Observation/common")]))),
    ];
    let mut problems = Vec::new();
    for (place, body) in bodies {
        let answer = app.ask(Method::POST, place).body(FHIR_JSON, body.clone()).await;
        // What is no operation of that place is told to everybody.
        if wrong(&answer, false) && !(place.contains("$nosuch") && answer.status == 404) {
            problems.push(format!("{body}: {answer}"));
        }
    }
    for place in ["Observation?_count=x", "Observation?nosuch:x=1", "Observation/common/_history?_count=x"] {
        let answer = app.get(place).header("prefer", "handling=strict").await;
        if wrong(&answer, false) {
            problems.push(answer.to_string());
        }
    }
    for (name, value) in
        [("x-purpose-of-use", "NOSUCH"), ("x-purpose-reason", ""), ("if-match", "x"), ("x-provenance", "{")]
    {
        let answer = app.put("Observation/common", &people::blood_pressure("amina", 1)).header(name, value).await;
        if wrong(&answer, false) {
            problems.push(format!("{name}: {answer}"));
        }
    }
    problems
}

/// Tries every operation at every address, alone and as entries.
async fn check_operations(app: &App, asker: &Asker<'_>) {
    let mut problems = Vec::new();
    let all = operations(&document());
    for named in [asker.naming(HIDDEN, "callum"), asker.naming("common", "amina"), asker.naming("absent-000", "nobody")]
    {
        for (number, door) in all.iter().enumerate() {
            // With each of its parameters they are tried in turn: all would be thousands.
            if door.name.contains('?') && number % 23 != 0 {
                continue;
            }
            problems.extend(alone_and_as_entries(app, &door.filled(|text| named.filled(text)), &named).await);
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

async fn alone_and_as_entries(app: &App, entry: &Value, named: &Named<'_>) -> Vec<String> {
    let method: Method = text(entry, "/request/method").parse().expect("a method");
    let ask = app.ask(method, text(entry, "/request/url"));
    let ask = match entry.get("resource") {
        Some(resource) => ask.resource(resource),
        None => ask,
    };
    let mut answers = vec![ask.await];
    for kind in ["batch", "transaction"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        answers.push(app.post("/fhir", &bundle).await);
    }
    // An address at which there is no such operation, or not by that method, is told to everybody.
    let is_wrong = |answer: &&Answer| wrong(answer, false) && answer.status != 405;
    answers.iter().filter(is_wrong).map(|answer| format!("{entry} ({}): {answer}", named.item)).collect()
}

async fn whoever_is_inactive_is_told_nothing_else(concord: &Concord) {
    let asker = a_professional(concord).await;
    let nurse = concord.system().get("Practitioner/nurse").await.expect(200).json();
    concord.system().store(&with(nurse, "active", json!(false))).await;
    check(&asker.app, &asker).await;
    check_operations(&asker.app, &asker).await;
}

async fn whoever_is_deleted_is_told_nothing_else(concord: &Concord) {
    let asker = a_professional(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Practitioner", "id": "leaver"})).await;
    system.delete("Practitioner/leaver").await.expect(204);
    check(&concord.user("Practitioner/leaver"), &asker).await;
}

/// Whichever way the role names them, and whenever it is held.
async fn nor_by_a_role_that_is_theirs(concord: &Concord) {
    let asker = a_professional(concord).await;
    let system = concord.system();
    let number = json!({"system": "urn:number", "value": "nurse-1"});
    let nurse = system.get("Practitioner/nurse").await.expect(200).json();
    let nurse = with(nurse, "identifier", json!([number]));
    system.store(&nurse).await;
    let by_reference = json!({"reference": "Practitioner/nurse"});
    let roles = [
        ("held", json!({"practitioner": by_reference})),
        ("over", json!({"practitioner": by_reference, "period": {"end": "2020-01-01"}})),
        ("to-begin", json!({"practitioner": by_reference, "period": {"start": "2090-01-01"}})),
        ("by-identifier", json!({"practitioner": {"identifier": number}})),
        ("by-both", json!({"practitioner": {"identifier": number, "reference": "Practitioner/nurse"}})),
    ];
    let apps = roles.map(|(id, said)| (said, id, concord.user(&format!("PractitionerRole/{id}"))));
    for (said, id, app) in &apps {
        let role = with(with(said.clone(), "resourceType", json!("PractitionerRole")), "id", json!(id));
        system.store(&role).await;
        // What is known of them is remembered from here on.
        app.get("Practitioner/gp").await.expect(200);
    }
    system.store(&with(nurse.clone(), "active", json!(false))).await;
    for (_, id, app) in &apps {
        for place in ["Practitioner/gp", "Practitioner/nosuch", "Questionnaire", "AuditEvent?patient=amina"] {
            let answer = app.get(place).await;
            assert!(!wrong(&answer, false), "{id}: {answer}");
        }
    }
    check(&apps[1].2, &asker).await;
    system.store(&with(nurse, "active", json!(true))).await;
    for (_, _, app) in &apps {
        app.get("Practitioner/gp").await.expect(200);
    }
}

fn asks(patient: &str, actor: &str) -> Value {
    let named = |name: &str, to: &str| json!({"name": name, "valueReference": {"reference": to}});
    json!({"resourceType": "Parameters", "parameter": [named("patient", patient), named("actor", actor),
        named("resource", "Observation/common"), {"name": "type", "valueCode": "Observation"}]})
}

/// Who asks about somebody else who acts still acts no more by that.
async fn nor_by_the_standing_of_somebody_else(concord: &Concord) {
    let asker = a_professional(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "active": false})).await;
    let officer = concord.officer("Practitioner/nurse", "privacy-officer");
    for patient in ["Patient/amina", "Patient/callum", "Patient/nosuch"] {
        for actor in ["Practitioner/gp", "Practitioner/nurse", "Organization/surgery", "RelatedPerson/yusuf"] {
            let ask = officer.post("Consent/$evaluate", &asks(patient, actor));
            let answer = ask.header("x-purpose-reason", "a complaint has to be looked into").await;
            assert!(!wrong(&answer, false), "{patient} {actor}: {answer}");
        }
    }
    check(&officer, &asker).await;
}

/// She is told that they may do nothing, and no more that they see her record.
async fn whoever_asks_about_them_is_answered(concord: &Concord) {
    a_professional(concord).await;
    let system = concord.system();
    let role = json!({"resourceType": "PractitionerRole", "id": "nurse-role", "practitioner": {"reference": "Practitioner/nurse"}});
    system.store(&role).await;
    let members = ["Practitioner/gp", "Practitioner/nurse", "PractitionerRole/nurse-role"];
    system.store(&people::care_team(&members)).await;
    let amina = concord.patient("amina");
    let effects = async |app: &App, actor: &str| -> Vec<String> {
        let told = app.post("Consent/$evaluate", &asks("Patient/amina", actor)).await.expect(200).json();
        let decisions = told["parameter"].as_array().cloned().unwrap_or_default();
        let of =
            |one: &Value| one["part"].as_array().into_iter().flatten().find(|part| part["name"] == "effect").cloned();
        decisions.iter().filter_map(of).map(|part| text(&part, "/valueCode").to_owned()).collect()
    };
    for actor in members {
        assert_eq!(effects(&amina, actor).await, ["permit", "permit"], "{actor}");
        let seen = amina.get("Patient/amina/$who-can-see").await.expect(200).text();
        assert!(seen.contains(&format!("\"{actor}\"")), "{actor}: {seen}");
    }
    for is_deleted in [false, true] {
        match is_deleted {
            false => system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "active": false})).await,
            true => system.delete("Practitioner/nurse").await.expect(204),
        };
        for app in [&amina, &system] {
            for actor in members.into_iter().skip(1) {
                assert_eq!(effects(app, actor).await, ["deny", "deny"], "{actor}");
            }
            assert_eq!(effects(app, members[0]).await, ["permit", "permit"]);
            let seen = app.get("Patient/amina/$who-can-see").await.expect(200).text();
            assert!(seen.contains("\"Practitioner/gp\""), "{seen}");
            assert!(!seen.contains("nurse"), "{seen}");
        }
    }
}
