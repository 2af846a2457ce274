//! What protects a thing protects whatever names it, by every element of R4 and every type that may stand there: at once when
//! the label comes, along what the thing is part of, shown again when it goes, and for good when all of that is deleted.

use std::collections::BTreeMap;

use concord_fhir::registry::ResourceType;
use concord_tests::client::text;
use concord_tests::doors::targets;
use concord_tests::minimal;
use concord_tests::people::with;
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::every_place::hands_on;
use crate::protection_follows::relabel;
use crate::protection_is_inherited::{cast, encounter, hidden_from_both, owner};

on_both! { by_every_element_of_every_type }

/// What is named is called that, of whatever type it is.
const NAMED: &str = "named";

/// How many entries a Bundle of these has.
const AT_ONCE: usize = 400;

/// Types of which nothing can be stored that could be named here, each with its reason.
const UNNAMED: [(&str, &str); 4] = [
    ("AuditEvent", "events have no address that somebody chooses"),
    ("Parameters", "are never stored"),
    ("Provenance", "cannot be stored under an id"),
    ("Subscription", "are not taken"),
];

/// Something of that type in Amina's record, if it can be in one, which happened during her visit.
fn named(resource_type: ResourceType) -> Value {
    let during = json!([{"url": "http://example.org/during", "valueReference": {"reference": "Encounter/visit"}}]);
    let of_amina = owner(resource_type).map(|owner| (owner, json!({"reference": "Patient/amina"})));
    let values: Vec<(&[String], Value)> =
        of_amina.iter().map(|(owner, amina)| (owner.as_slice(), amina.clone())).collect();
    let made = with(minimal::resource(resource_type, &values), "id", json!(NAMED));
    match resource_type.name() {
        // These have none of their own.
        "Binary" | "Bundle" => with(made, "meta", json!({"extension": during})),
        _ => with(made, "extension", during),
    }
}

/// What is shown all the same, each with its reason.
const SHOWN: [(&str, &str); 1] = [(
    "AuditEvent.agent.location",
    "an event is told to the patient who may see all that it names, and she may see a place, whatever label that has",
)];

/// What names something: where, its type, and what it is.
struct Naming {
    name: String,
    resource_type: ResourceType,
    resource: Value,
}

/// Of every element that hands labels on, in every type that is part of a record, with each type that may stand there: of those
/// where anything may, with an Encounter and an Observation.
fn naming() -> Vec<Naming> {
    let mut all = Vec::new();
    for place in minimal::references() {
        let Some(owner) = owner(place.resource_type) else { continue };
        let is_list =
            ["AuditEvent", "Contract", "Provenance", "VerificationResult"].contains(&place.resource_type.name());
        if (owner == place.members && !is_list) || SHOWN.iter().any(|(name, _)| *name == place.name()) {
            continue;
        }
        for target in targets(&place) {
            let is_wanted = !place.targets.is_empty() || ["Encounter", "Observation"].contains(&target.name());
            if !is_wanted || !hands_on(&place, target) || UNNAMED.iter().any(|(name, _)| *name == target.name()) {
                continue;
            }
            let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
            let names = (place.members.as_slice(), json!({"reference": format!("{target}/{NAMED}")}));
            let resource = minimal::resource(place.resource_type, &[of_amina, names]);
            let name = format!("{} -> {target}", place.name());
            all.push(Naming { name, resource_type: place.resource_type, resource });
        }
    }
    all
}

/// Sends entries in Bundles; what is answered of each.
async fn sent(app: &App, kind: &str, entries: &[Value]) -> Vec<Value> {
    let mut answered = Vec::new();
    for some in entries.chunks(AT_ONCE) {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": some});
        let answer = app.post("", &bundle).await;
        assert_eq!(answer.status, 200, "{:?}", answer.issues());
        answered.extend(answer.entries());
    }
    answered
}

/// Stores all that names something; the address of each.
async fn stored(system: &App, all: &[Naming]) -> Vec<String> {
    let entry = |one: &Naming| json!({"resource": one.resource, "request": {"method": "POST", "url": one.resource_type.name()}});
    let entries: Vec<Value> = all.iter().map(entry).collect();
    let answered = sent(system, "batch", &entries).await;
    let problems: Vec<String> = all
        .iter()
        .zip(&answered)
        .filter(|(_, answer)| !text(answer, "/response/status").starts_with("201"))
        .map(|(one, answer)| format!("{}: {}", one.name, answer["response"]))
        .collect();
    assert!(problems.is_empty(), "{} are not stored:\n{}", problems.len(), problems.join("\n"));
    let place = |entry: &Value| {
        let location = text(entry, "/response/location");
        let mut parts = location.rsplit('/').skip(2);
        let (id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{name}/{id}")
    };
    answered.iter().map(place).collect()
}

/// How each of these is found to be: read by its address, and found by searches, which must say the same.
async fn shown(app: &App, places: &[String]) -> Vec<bool> {
    let reads: Vec<Value> = places.iter().map(|place| json!({"request": {"method": "GET", "url": place}})).collect();
    let read = sent(app, "batch", &reads).await;
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, id) in places.iter().filter_map(|place| place.split_once('/')) {
        ids.entry(name).or_default().push(id);
    }
    let mut found = Vec::new();
    for (name, ids) in ids {
        for some in ids.chunks(100) {
            let answer = app.get(&format!("{name}?_id={}&_count=1000", some.join(","))).await.expect(200);
            found.extend(answer.ids().into_iter().map(|id| format!("{name}/{id}")));
        }
    }
    let is_read = |entry: &Value| text(entry, "/response/status").starts_with("200");
    let told = |(place, entry)| {
        let is_read = is_read(entry);
        assert_eq!(is_read, found.contains(place), "{place}: read, and found by a search");
        is_read
    };
    places.iter().zip(&read).map(told).collect()
}

/// Of which the viewers are not shown what they should be, or are what they should not.
async fn problems(
    viewers: &[(&str, &App)],
    all: &[Naming],
    places: &[String],
    wanted: bool,
    when: &str,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (who, app) in viewers {
        for (one, is_shown) in all.iter().zip(shown(app, places).await) {
            // The log of a record is the patient's.
            let is_theirs = one.resource_type.name() != "AuditEvent" || *who == "the patient";
            if is_theirs && is_shown != wanted {
                problems.push(format!("{when}: {} is{} shown to {who}", one.name, if is_shown { "" } else { " not" }));
            }
        }
    }
    problems
}

async fn by_every_element_of_every_type(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let viewers = [("the patient", &amina), ("a professional", &nurse)];
    system.store(&encounter("visit", json!({}))).await;
    let is_named = |one: &ResourceType| !UNNAMED.iter().any(|(name, _)| *name == one.name());
    let things: Vec<Value> = ResourceType::all().filter(is_named).map(named).collect();
    let put = |one: &Value| json!({"resource": one, "request": {"method": "PUT", "url": format!("{}/{NAMED}", text(one, "/resourceType"))}});
    let answered = sent(&system, "batch", &things.iter().map(put).collect::<Vec<_>>()).await;
    for (thing, answer) in things.iter().zip(&answered) {
        assert!(text(answer, "/response/status").starts_with("201"), "{thing}: {}", answer["response"]);
    }
    let all = naming();
    assert!(all.len() > 900, "{}", all.len());
    let places = stored(&system, &all).await;
    let mut found = problems(&viewers, &all, &places, true, "before").await;
    // What they are named by was part of a visit, which is labelled now.
    for code in ["NOPAT", "SEX"] {
        relabel(&system, "Encounter/visit", "$meta-add", code).await;
    }
    found.extend(problems(&viewers, &all, &places, false, "once the visit is labelled").await);
    for code in ["NOPAT", "SEX"] {
        relabel(&system, "Encounter/visit", "$meta-delete", code).await;
    }
    found.extend(problems(&viewers, &all, &places, true, "once it no longer is").await);
    // By an update, and then all of it goes.
    system.store(&encounter("visit", json!({"meta": hidden_from_both()}))).await;
    system.delete("Encounter/visit").await.expect(204);
    found.extend(problems(&viewers, &all, &places, false, "once the visit is deleted").await);
    let gone = |one: &Value| json!({"request": {"method": "DELETE", "url": format!("{}/{NAMED}", text(one, "/resourceType"))}});
    sent(&system, "batch", &things.iter().map(gone).collect::<Vec<_>>()).await;
    found.extend(problems(&viewers, &all, &places, false, "once all that is named is deleted").await);
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}
