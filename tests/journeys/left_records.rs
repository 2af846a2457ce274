//! What a resource was while it was in somebody's record stays in that record, when the resource comes to be about somebody
//! else: in its history and in the log. What it becomes is nothing of the first, and what it was nothing of the second.

use concord_fhir::registry::{ResourceType, may_change_record};
use concord_tests::minimal;
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::owner;

on_both! {
    each_type_that_may_move_leaves_its_past, what_somebody_labelled_stays_where_it_is, there_and_back, what_it_was_is_protected_as_it_was_last, an_appointment_loses_one_of_two
}

fn of(resource_type: ResourceType, id: &str, patient: &str) -> Value {
    let owner = owner(resource_type).expect("an owner");
    let about = (owner.as_slice(), json!({"reference": format!("Patient/{patient}")}));
    with(minimal::resource(resource_type, &[about]), "id", json!(id))
}

fn device(patient: &str) -> Value {
    with(of(ResourceType::of("Device"), "cuff", patient), "lotNumber", json!(format!("of-{patient}")))
}

/// The versions of a resource that somebody is shown by its history, by that of its type and of everything, and one by one.
async fn versions(app: &App, place: &str) -> Vec<i64> {
    let (name, id) = place.split_once('/').expect("a place");
    let numbers = |entries: Vec<Value>| -> Vec<i64> {
        let all =
            entries.iter().map(|entry| &entry["resource"]).filter(|one| one["resourceType"] == name && one["id"] == id);
        let mut numbers: Vec<i64> = all.filter_map(|one| one["meta"]["versionId"].as_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    };
    let answer = app.get(&format!("{place}/_history")).await;
    let found = if answer.status == 200 { numbers(answer.entries()) } else { Vec::new() };
    for way in [format!("{name}/_history?_count=1000"), "_history?_count=1000".to_owned()] {
        assert_eq!(numbers(app.entries(&way).await), found, "{way}");
    }
    for number in 1..=5 {
        let status = app.get(&format!("{place}/_history/{number}")).await.status;
        assert_eq!(status == 200, found.contains(&number), "{place}/_history/{number}: {status}");
    }
    found
}

/// How many events of somebody's log are about a resource.
async fn logged(app: &App, patient: &str, place: &str) -> usize {
    let names = |event: &&Value| {
        let entities = event["resource"]["entity"].as_array().into_iter().flatten();
        entities.filter_map(|one| one["what"]["reference"].as_str()).any(|what| what.starts_with(place))
    };
    let events = app.entries(&format!("AuditEvent?patient={patient}&_count=1000")).await;
    let told = events.iter().filter(names).count();
    let log = app.get(&format!("Patient/{patient}/$access-log")).await.expect(200).text();
    assert_eq!(log.contains(place), told > 0, "{place}");
    told
}

async fn each_type_that_may_move_leaves_its_past(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, callum, gp) =
        (concord.system(), concord.patient("amina"), concord.patient("callum"), concord.user("Practitioner/gp"));
    let types: Vec<ResourceType> = ResourceType::all().filter(|one| may_change_record(*one)).collect();
    assert!(types.len() > 4, "{types:?}");
    for resource_type in types {
        let place = format!("{resource_type}/moves");
        system.store(&of(resource_type, "moves", "amina")).await;
        system.store(&with(of(resource_type, "moves", "amina"), "language", json!("en"))).await;
        amina.get(&place).await.expect(200);
        gp.get(&place).await.expect(200);
        let (before, was) = (logged(&amina, "amina", &place).await, versions(&amina, &place).await);
        assert_eq!(was, [1, 2], "{place}");
        let before = before + 2;
        system.store(&of(resource_type, "moves", "callum")).await;
        amina.get(&place).await.expect(404);
        callum.get(&place).await.expect(200);
        assert_eq!(versions(&amina, &place).await, [1, 2], "{place}");
        for app in [&amina, &gp] {
            let history = app.get(&format!("{place}/_history")).await.expect(200).text();
            assert!(history.contains("Patient/amina") && !history.contains("callum"), "{place}: {history}");
            app.get(&format!("{place}/_history/1")).await.expect(200);
            app.get(&format!("{place}/_history/3")).await.expect(404);
        }
        assert!(logged(&amina, "amina", &place).await >= before, "{place}");
        assert_eq!(versions(&callum, &place).await, [3], "{place}");
        let his = callum.get(&format!("{place}/_history")).await.expect(200).text();
        assert!(!his.contains("amina"), "{place}: {his}");
        let told = Value::from(callum.entries("AuditEvent?patient=callum&_count=1000").await).to_string();
        assert!(!told.contains("Patient/amina"), "{place}");
    }
}

/// What came back is seen whole again but for what it was elsewhere.
async fn there_and_back(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, callum) = (concord.system(), concord.patient("amina"), concord.patient("callum"));
    for patient in ["amina", "callum", "amina"] {
        system.store(&device(patient)).await;
    }
    assert_eq!(versions(&amina, "Device/cuff").await, [1, 3]);
    assert_eq!(versions(&callum, "Device/cuff").await, [2]);
    system.delete("Device/cuff").await.expect(204);
    assert_eq!(versions(&callum, "Device/cuff").await, [2]);
    system.store(&device("callum")).await;
    amina.get("Device/cuff").await.expect(404);
    callum.get("Device/cuff").await.expect(200);
    for (app, other) in [(&amina, "of-callum"), (&callum, "of-amina")] {
        let told = app.get("Device/cuff/_history").await.expect(200).text();
        assert!(!told.contains(other), "{told}");
    }
    amina.get("Device/cuff/_history/2").await.expect(404);
    callum.get("Device/cuff/_history/1").await.expect(404);
    concord.user("Practitioner/gp-elsewhere").get("Device/cuff/_history/1").await.expect(404);
    concord.patient("noone").get("Device/cuff/_history").await.expect(404);
}

/// By the labels that it had, and by those that it had last in that record; whatever labels it gets in the next.
async fn what_it_was_is_protected_as_it_was_last(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    let nopat = json!({"security": [{"system": crate::protection_is_inherited::ACT, "code": "NOPAT"}]});
    system.store(&device("amina")).await;
    system.store(&with(device("amina"), "meta", nopat.clone())).await;
    amina.get("Device/cuff/_history/1").await.expect(404);
    system.store(&device("callum")).await;
    for place in ["Device/cuff", "Device/cuff/_history", "Device/cuff/_history/1", "Device/cuff/_history/2"] {
        amina.get(place).await.expect(404);
    }
    gp.get("Device/cuff/_history/1").await.expect(200);
    system.store(&with(device("amina"), "id", json!("other"))).await;
    system.store(&with(device("callum"), "id", json!("other"))).await;
    system.store(&with(with(device("callum"), "id", json!("other")), "meta", nopat)).await;
    assert_eq!(versions(&amina, "Device/other").await, [1]);
    relabel(&system, "Device/other", "$meta-add", "SEX").await;
    assert_eq!(versions(&amina, "Device/other").await, [1]);
}

/// A label that a patient puts beside something protects it in her record, and says nothing of anybody else's.
async fn what_somebody_labelled_stays_where_it_is(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    for resource_type in ResourceType::all().filter(|one| may_change_record(*one) && owner(*one).is_some()) {
        let place = format!("{resource_type}/labelled");
        system.store(&of(resource_type, "labelled", "amina")).await;
        relabel(&amina, &place, "$meta-add", "SEX").await;
        assert_eq!(versions(&gp, &place).await, [0; 0], "{place}");
        let moved = of(resource_type, "labelled", "callum");
        let refused = system.put(&place, &moved).await.expect(422);
        assert!(refused.text().contains("label beside this"), "{refused}");
        system.delete(&place).await.expect(204);
        system.put(&place, &moved).await.expect(422);
        assert_eq!(versions(&gp, &place).await, [0; 0], "{place}");
    }
}

async fn an_appointment_loses_one_of_two(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, callum) = (concord.system(), concord.patient("amina"), concord.patient("callum"));
    let with_both = |patients: &[&str]| {
        let all: Vec<Value> = patients
            .iter()
            .map(|one| json!({"actor": {"reference": format!("Patient/{one}")}, "status": "accepted"}))
            .collect();
        json!({"resourceType": "Appointment", "id": "both", "status": "booked", "start": "2026-12-02T10:00:00Z",
            "end": "2026-12-02T10:20:00Z", "participant": all})
    };
    system.store(&with_both(&["amina", "callum"])).await;
    system.store(&with_both(&["callum"])).await;
    assert_eq!(versions(&amina, "Appointment/both").await, [1]);
    assert_eq!(versions(&callum, "Appointment/both").await, [1, 2]);
}
