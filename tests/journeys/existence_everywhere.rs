//! What a caller may not know exists, no answer tells: over every form of address of every type, every operation with every
//! parameter, every search parameter, and every element by which a resource may name another. Each is tried with what is hidden
//! and with what was never used, as entries of a batch, whose answers and whose log must be the same.
//!
//! The kinds of callers share them: what differs between types, parameters and elements are rows of tables, and what differs
//! between callers [`crate::existence`] tries at each kind of door.

use concord_api::describe::openapi;
use concord_fhir::registry::{ResourceType, parameters};
use concord_tests::client::{App, text};
use concord_tests::doors::{self, Door, owner, types};
use concord_tests::minimal;
use concord_tests::people::with;
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::existence::{
    Asker, HIDDEN, SETTINGS, a_carer, a_patient, a_professional, a_stranger, a_system_for_a_purpose,
    a_system_with_a_granular_scope, an_app_of_others, an_office_without_a_reason, difference, hidden, plain, readable,
};
use crate::existence_doors::Named;

on_both! {
    with super::SETTINGS;
    to_a_patient, to_a_carer, to_a_professional, to_a_stranger, to_an_office_without_a_reason, to_an_app_of_others,
    to_a_system_for_a_purpose, to_a_system_with_a_granular_scope
}

/// How many kinds of callers share the doors.
const CALLERS: usize = 8;

/// How many entries a batch has.
const AT_ONCE: usize = 250;

/// An id that was never used, and a patient's, as long as those that are hidden.
const NEVER: &str = "absent-000";

/// One hidden resource of every type that is part of records, in Amina's, with an identifier and a url where it can have them.
async fn hide(concord: &Concord, seen: &[&str]) {
    let put = |resource_type: ResourceType| {
        let amina = json!({"reference": "Patient/amina"});
        let owner = owner(resource_type);
        let values: Vec<(&[String], Value)> = owner.iter().map(|owner| (owner.as_slice(), amina.clone())).collect();
        let mut made = with(with(minimal::resource(resource_type, &values), "id", json!(HIDDEN)), "meta", hidden());
        let name = resource_type.name();
        if parameters(resource_type).any(|one| &*one.code == "url") {
            made["url"] = json!(format!("http://secret.example/{name}/{HIDDEN}"));
        }
        if parameters(resource_type).any(|one| &*one.code == "identifier") && made["identifier"].is_null() {
            made["identifier"] = json!([{"system": "urn:secret", "value": HIDDEN}]);
        }
        json!({"resource": made, "request": {"method": "PUT", "url": format!("{name}/{HIDDEN}")}})
    };
    // Those that the cast has hidden already stay as they are.
    let system = concord.system();
    let mut entries = Vec::new();
    for one in types().filter(|one| !seen.contains(&one.name())) {
        if system.get(&format!("{one}/{HIDDEN}")).await.status == 404 {
            entries.push(put(one));
        }
    }
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = system.post("", &bundle).await.expect(200);
    for (entry, told) in entries.iter().zip(answer.entries()) {
        let stored = text(&told, "/response/status").starts_with('2');
        // Some types have one identifier and no list.
        assert!(stored || retried(&system, entry).await, "{entry}: {told}");
    }
}

/// Stores it with one identifier instead of a list.
async fn retried(system: &App, entry: &Value) -> bool {
    let mut resource = entry["resource"].clone();
    resource["identifier"] = resource["identifier"][0].clone();
    system.put(text(entry, "/request/url"), &resource).await.status == 201
}

/// The OpenAPI document.
pub(crate) fn document() -> Value {
    serde_json::from_str(&openapi::document().expect("a document")).expect("JSON")
}

/// What the caller's own log says of a request, put into words, in an order that has nothing to do with time.
async fn log(app: &App, request: &str, named: &Named<'_>) -> Vec<String> {
    let answer = app.get("AuditEvent?_count=1000").await;
    if answer.status != 200 {
        return vec![answer.status.to_string()];
    }
    let mut told: Vec<String> = answer
        .matches()
        .into_iter()
        .filter(|event| event.to_string().contains(request))
        .map(|mut event| {
            readable(&mut event);
            plain(&event.to_string().replace(request, "REQUEST"), named)
        })
        .collect();
    told.sort_unstable();
    told
}

/// What is answered to each of the doors, and what the log says of all of them.
async fn tried(app: &App, doors: &[&Door], named: &Named<'_>) -> (Vec<String>, Vec<String>) {
    let request = uuid::Uuid::new_v4().to_string();
    let entries: Vec<Value> = doors.iter().map(|door| door.filled(|text| named.filled(text))).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = app.post("", &bundle).header("x-request-id", &request).await.expect(200);
    let told = |entry: &Value| {
        assert!(!entry.to_string().contains(r#""code":"exception""#), "{entry}");
        plain(&entry.to_string().replace(&request, "REQUEST"), named)
    };
    let entries = answer.entries();
    (entries.iter().map(told).collect(), log(app, &request, named).await)
}

/// Tries the caller's share of all doors. Of the types that are `seen` whole nothing is hidden.
async fn check(concord: &Concord, number: usize, asker: Asker<'_>, seen: &[&str]) {
    hide(concord, seen).await;
    let all = doors::all(&document());
    let own: Vec<&Door> = all.iter().skip(number).step_by(CALLERS).collect();
    assert!(own.len() > 500, "{}", own.len());
    // As long, and with digits where the other has some: what is no id may be said otherwise of the two.
    let letters = "nobody".chars().cycle().zip(asker.patient.chars());
    let nobody: String = letters.map(|(other, own)| if own.is_ascii_digit() { '0' } else { other }).collect();
    let (there, none) = (asker.naming(HIDDEN, asker.patient), asker.naming(NEVER, &nobody));
    let mut problems = Vec::new();
    for doors in own.chunks(AT_ONCE) {
        let (found, own_log) = tried(&asker.app, doors, &there).await;
        let (nothing, log_of_nothing) = tried(&asker.app, doors, &none).await;
        for ((door, found), nothing) in doors.iter().zip(&found).zip(&nothing) {
            if found != nothing {
                problems.push(format!("{}: the answer differs{}", door.name, difference(found, nothing)));
            }
        }
        if own_log != log_of_nothing {
            let at = own_log.iter().zip(&log_of_nothing).find(|(one, other)| one != other);
            let told = at.map_or_else(
                || format!("{} and {} events", own_log.len(), log_of_nothing.len()),
                |(one, other)| difference(one, other),
            );
            problems.push(format!("the log of {} and what comes after differs: {told}", doors[0].name));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

async fn to_a_patient(concord: &Concord) {
    check(concord, 0, a_patient(concord).await, &[]).await;
}

async fn to_a_carer(concord: &Concord) {
    check(concord, 1, a_carer(concord).await, &[]).await;
}

async fn to_a_professional(concord: &Concord) {
    check(concord, 2, a_professional(concord).await, &[]).await;
}

async fn to_a_stranger(concord: &Concord) {
    check(concord, 3, a_stranger(concord).await, &[]).await;
}

async fn to_an_office_without_a_reason(concord: &Concord) {
    check(concord, 4, an_office_without_a_reason(concord).await, &[]).await;
}

async fn to_an_app_of_others(concord: &Concord) {
    check(concord, 5, an_app_of_others(concord).await, &[]).await;
}

async fn to_a_system_for_a_purpose(concord: &Concord) {
    check(concord, 6, a_system_for_a_purpose(concord).await, &[]).await;
}

async fn to_a_system_with_a_granular_scope(concord: &Concord) {
    check(concord, 7, a_system_with_a_granular_scope(concord).await, &["Communication"]).await;
}
