//! What depends on an item is protected as the item is, from the moment on at which it is: when a label, a link or the
//! encounter itself comes later, and for older versions too.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_is_inherited::{cast, encounter, hidden_from_both};

on_both! {
    what_depends_on_an_item_follows_it, what_is_kept_from_the_patient_takes_its_talk_along, data_may_come_before_its_label,
    a_link_that_comes_later, a_comment_about_two_things, what_a_label_hid_comes_back
}

pub(crate) const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

pub(crate) async fn relabel(app: &App, place: &str, operation: &str, code: &str) {
    let meta = json!({"name": "meta", "valueMeta": {"security": [{"system": ACT, "code": code}]}});
    let given = json!({"resourceType": "Parameters", "parameter": [meta]});
    app.post(&format!("{place}/{operation}"), &given).await.expect(200);
}

fn in_visit(resource: Value) -> Value {
    with(resource, "encounter", json!({"reference": "Encounter/visit"}))
}

pub(crate) fn said(about: &[&str], says: &str) -> Value {
    let about: Vec<Value> = about.iter().map(|one| json!({"reference": one})).collect();
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": about, "payload": [{"contentString": says}]})
}

/// The places of everything that came of a visit which is labelled by nobody yet, each with what it is: written by the
/// GP, by Amina and by the server itself.
async fn a_visit(concord: &Concord) -> Vec<(&'static str, String)> {
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&encounter("visit", json!({}))).await;
    let condition =
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"}, "code": {"text": "mood"}});
    let condition = format!("Condition/{}", gp.create(&in_visit(condition)).await);
    let reading = format!("Observation/{}", amina.create(&in_visit(blood_pressure("amina", 150))).await);
    let comment = format!("Communication/{}", gp.create(&said(&[&condition], "It will pass")).await);
    let hers = format!("Communication/{}", amina.create(&said(&[&condition], "It will not")).await);
    let reply = with(said(&[&condition], "I hear you"), "inResponseTo", json!([{"reference": hers}]));
    let reply = format!("Communication/{}", gp.create(&reply).await);
    let asked = with(said(&[&condition], "Not so"), "recipient", json!([{"reference": "Practitioner/gp"}]));
    let asked = amina.post("Communication/$correctionrequest", &asked).await.expect(200).json();
    let task = asked["parameter"].as_array().into_iter().flatten().find(|one| one["name"] == "Task").expect("a Task");
    let task = format!("Task/{}", text(task, "/resource/id"));
    let leaflet = json!({"resourceType": "CommunicationRequest", "status": "active", "subject": {"reference": "Patient/amina"},
        "category": [{"coding": [{"system": "urn:concord:communication-category", "code": "information-prescription"}]}],
        "about": [{"reference": condition}], "recipient": [{"reference": "Patient/amina"}],
        "payload": [{"contentString": "What to read"}]});
    let prescription = format!("CommunicationRequest/{}", gp.create(&leaflet).await);
    let version = json!({"resourceType": "Parameters", "parameter": [{"name": "version", "valueId": "1"}]});
    let verified = gp.post(&format!("{reading}/$verify"), &version).await.expect(200).json();
    let verification = format!("Provenance/{}", text(&verified, "/id"));
    let flag = json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/amina"},
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/flag-detail", "valueReference": {"reference": condition}}]});
    let flag = format!("Flag/{}", system.create(&flag).await);
    let list = json!({"resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": "Patient/amina"},
        "entry": [{"item": {"reference": condition}}]});
    let list = format!("List/{}", system.create(&list).await);
    let issue = json!({"resourceType": "DetectedIssue", "status": "final", "patient": {"reference": "Patient/amina"},
        "evidence": [{"detail": [{"reference": reading}]}]});
    let issue = format!("DetectedIssue/{}", system.create(&issue).await);
    let told = system.get(&format!("Provenance?target={condition}")).await.expect(200).ids();
    let provenance = format!("Provenance/{}", told[0]);
    let told = system.get(&format!("Provenance?target={comment}")).await.expect(200).ids();
    let of_comment = format!("Provenance/{}", told[0]);
    vec![
        ("the encounter", "Encounter/visit".to_owned()),
        ("a condition", condition),
        ("a reading", reading),
        ("a professional's comment", comment),
        ("the patient's comment", hers),
        ("a reply", reply),
        ("a request for correction", task),
        ("a prescription", prescription),
        ("a verification", verification),
        ("a flag", flag),
        ("a list", list),
        ("an issue that was detected", issue),
        ("the server's Provenance", provenance),
        ("the Provenance of a comment", of_comment),
    ]
}

/// Which of these are shown by read, by version, by history and by search.
async fn shown(app: &App, things: &[(&'static str, String)]) -> Vec<String> {
    let mut shown = Vec::new();
    for (name, place) in things {
        let (resource_type, id) = place.split_once('/').expect("a place");
        let mut ways = Vec::new();
        for way in [place.clone(), format!("{place}/_history/1"), format!("{place}/_history")] {
            if app.get(&way).await.status == 200 {
                ways.push(way.replace(place, ""));
            }
        }
        if !app.get(&format!("{resource_type}?_id={id}")).await.expect(200).ids().is_empty() {
            ways.push("?".to_owned());
        }
        if !ways.is_empty() {
            shown.push(format!("{name} ({})", ways.join(" ")));
        }
    }
    let whole = Value::from(app.entries("Patient/amina/$everything?_count=1000").await).to_string();
    let named = things.iter().filter(|(_, place)| whole.contains(place.as_str()));
    shown.extend(named.map(|(name, _)| format!("{name} (in $everything)")));
    shown
}

/// What depends on an item in this sense. The patient labels the visit, and all that came of it is hidden from
/// the nurse with the next request, also versions of before.
async fn what_depends_on_an_item_follows_it(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let things = a_visit(concord).await;
    for (name, place) in &things {
        nurse.get(place).await.expect(200);
        amina.get(place).await.expect(200);
        assert!(!name.is_empty());
    }
    let before = nurse.get(&things[1].1).await.expect(200).json();
    concord
        .user("Practitioner/gp")
        .put(&things[1].1, &with(before, "code", json!({"text": "low mood"})))
        .await
        .expect(200);
    relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
    assert_eq!(shown(&nurse, &things).await, Vec::<String>::new());
    // Whoever labelled it sees it all.
    for (name, place) in &things {
        assert_eq!(amina.get(place).await.status, 200, "{name}");
    }
}

/// A system labels the visit as not for the patient: neither she nor her carer, nor her log, tells of what came
/// of it. What she said herself stays hers, and what she asks to have corrected: that names what it is about.
async fn what_is_kept_from_the_patient_takes_its_talk_along(concord: &Concord) {
    let (amina, _) = cast(concord).await;
    let system = concord.system();
    system
        .store(&people::consent(
            "active",
            "RelatedPerson/yusuf",
            &["access"],
            &[
                "Encounter",
                "Condition",
                "Observation",
                "Communication",
                "Task",
                "CommunicationRequest",
                "Provenance",
                "Flag",
                "List",
                "DetectedIssue",
            ],
        ))
        .await;
    let son = concord.user("RelatedPerson/yusuf");
    let things = a_visit(concord).await;
    assert_eq!(shown(&son, &things[..3]).await.len(), 3 + 3, "he sees them all");
    relabel(&system, "Encounter/visit", "$meta-add", "NOPAT").await;
    let hers = ["the patient's comment", "a request for correction"];
    let others: Vec<_> = things.into_iter().filter(|(name, _)| !hers.contains(name)).collect();
    for app in [&amina, &son] {
        let mut found = shown(app, &others).await;
        found.retain(|one| one != "a condition (in $everything)");
        assert_eq!(found, Vec::<String>::new());
    }
    let mut told = String::new();
    for place in ["AuditEvent?patient=amina&_count=1000", "Patient/amina/$access-log?_count=1000"] {
        told.push_str(&Value::from(amina.entries(place).await).to_string());
    }
    // Her own request for a correction and her own reading she has seen go by, in her own requests.
    let of_others: Vec<&str> = others
        .iter()
        .filter(|(_, place)| told.contains(&format!("\"{place}")))
        .map(|(name, _)| *name)
        .filter(|name| *name != "a reading" && *name != "a condition")
        .collect();
    assert_eq!(of_others, Vec::<&str>::new(), "in the log");
    let condition = &others[1].1;
    system.get(condition).await.expect(200);
    concord.user("Practitioner/gp").get(condition).await.expect(200);
    for place in ["AuditEvent?patient=amina&_count=3", "Patient/amina/$access-log?_count=3"] {
        let told = amina.get(place).await.expect(200).text();
        assert!(!told.contains(condition.as_str()), "{place}: {told}");
    }
    let asked = amina.get(&format!("AuditEvent?entity={condition}")).await.expect(200);
    assert!(!asked.text().contains("Practitioner/gp\""), "{asked}");
}

/// Data that arrives before its label, and before its encounter.
async fn data_may_come_before_its_label(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    system.store(&with(in_visit(blood_pressure("amina", 120)), "id", json!("early"))).await;
    system.store(&with(in_visit(blood_pressure("amina", 120)), "id", json!("early-too"))).await;
    let of_episode = json!({"context": {"encounter": [{"reference": "EpisodeOfCare/later"}]}});
    let mut document = json!({"resourceType": "DocumentReference", "id": "early", "status": "current",
        "subject": {"reference": "Patient/amina"}, "content": [{"attachment": {"title": "x"}}]});
    document["context"] = of_episode["context"].clone();
    system.store(&document).await;
    system.store(&encounter("visit", json!({"meta": hidden_from_both()}))).await;
    system
        .store(&json!({"resourceType": "EpisodeOfCare", "id": "later", "status": "active",
        "patient": {"reference": "Patient/amina"}, "meta": hidden_from_both()}))
        .await;
    for app in [&amina, &nurse] {
        for place in
            ["Observation/early", "Observation/early-too", "DocumentReference/early", "Observation/early/_history/1"]
        {
            app.get(place).await.expect(404);
        }
        assert!(!app.get("Observation?patient=amina").await.expect(200).text().contains("early"));
    }
    // First without its label, as some systems send it, and labelled by the update.
    system.store(&encounter("second", json!({}))).await;
    let during = with(blood_pressure("amina", 120), "encounter", json!({"reference": "Encounter/second"}));
    system.store(&with(during.clone(), "id", json!("of-second"))).await;
    system.store(&json!({"resourceType": "Immunization", "id": "of-second", "status": "completed", "vaccineCode": {"text": "x"},
        "patient": {"reference": "Patient/amina"}, "occurrenceDateTime": "2026-11-30",
        "encounter": {"reference": "Encounter/second"}})).await;
    nurse.get("Observation/of-second").await.expect(200);
    nurse.get("Immunization/of-second").await.expect(200);
    system.store(&encounter("second", json!({"meta": hidden_from_both()}))).await;
    for app in [&amina, &nurse] {
        for place in ["Observation/of-second", "Immunization/of-second", "Immunization/of-second/_history/1"] {
            app.get(place).await.expect(404);
        }
    }
}

/// When a link changes, everything downstream follows in the same transaction.
async fn a_link_that_comes_later(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    system.store(&encounter("visit", json!({}))).await;
    let condition =
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"}, "code": {"text": "mood"}});
    let condition = format!("Condition/{}", gp.create(&in_visit(condition)).await);
    let comment = format!("Communication/{}", gp.create(&said(&[&condition], "It will pass")).await);
    let told = system.get(&format!("Provenance?target={condition}")).await.expect(200).ids();
    let provenance = format!("Provenance/{}", told[0]);
    let places = [condition.clone(), format!("{condition}/_history/1"), comment, provenance];
    for place in &places {
        nurse.get(place).await.expect(200);
    }
    // The visit turns out to be part of a hidden one.
    let part_of = |id: &str| encounter("visit", json!({"partOf": {"reference": format!("Encounter/{id}")}}));
    system.store(&part_of("secret")).await;
    for place in &places {
        for app in [&amina, &nurse] {
            app.get(place).await.expect(404);
        }
    }
    // And that was a mistake: it is part of another.
    system.store(&part_of("known")).await;
    for place in &places {
        nurse.get(place).await.expect(200);
    }
    // A version that named a hidden encounter stays hidden when the next one names another.
    let moved = |id: &str| {
        let during = json!({"reference": format!("Encounter/{id}")});
        with(with(blood_pressure("amina", 120), "encounter", during), "id", json!("moved"))
    };
    system.store(&moved("secret")).await;
    system.store(&moved("known")).await;
    for app in [&amina, &nurse] {
        app.get("Observation/moved/_history/1").await.expect(404);
        app.get("Observation/moved").await.expect(200);
        let versions = app.entries("Observation/moved/_history").await;
        assert_eq!(versions.len(), 1, "{versions:?}");
    }
}

/// A comment about two things is shown to nobody who may not read both, also when one of them is labelled
/// later, or inherits its label.
async fn a_comment_about_two_things(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    let open = format!("Observation/{}", gp.create(&blood_pressure("amina", 120)).await);
    let other = format!("Observation/{}", gp.create(&blood_pressure("amina", 121)).await);
    let later = format!("Communication/{}", gp.create(&said(&[&open, &other], "both at once")).await);
    nurse.get(&later).await.expect(200);
    relabel(&amina, &other, "$meta-add", "SEX").await;
    let now = format!("Communication/{}", gp.create(&said(&[&open, &other], "both again")).await);
    let inherited = with(said(&[&open, "Observation/secret"], "and this"), "id", json!("inherited"));
    system.store(&inherited).await;
    for place in [later.as_str(), now.as_str(), "Communication/inherited"] {
        assert_eq!(nurse.get(place).await.status, 404, "{place}");
    }
    let beside = format!("Observation?_id={}&_revinclude=Communication:about", open.replace("Observation/", ""));
    let told = nurse.get(&beside).await.expect(200).text();
    assert!(!told.contains("both at once") && !told.contains("both again") && !told.contains("and this"), "{told}");
    let found = nurse.get(&format!("Communication?patient=amina&about={open}")).await.expect(200).ids();
    assert_eq!(found, Vec::<String>::new());
    amina.get(&now).await.expect(200);
    amina.get("Communication/inherited").await.expect(404);
}

/// The other way about too: what was hidden by the visit's label alone is shown again when that is taken away.
async fn what_a_label_hid_comes_back(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let things = a_visit(concord).await;
    relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
    relabel(&amina, "Encounter/visit", "$meta-delete", "SEX").await;
    for (name, place) in &things {
        assert_eq!(nurse.get(place).await.status, 200, "{name}");
        assert_eq!(nurse.get(&format!("{place}/_history/1")).await.status, 200, "{name}");
    }
    let bare = without(nurse.get(&things[1].1).await.expect(200).json(), "text");
    assert!(!bare.to_string().contains("SEX"), "{bare}");
}
