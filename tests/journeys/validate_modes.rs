//! What `$validate` says by its mode: of what would be created, updated or deleted, and of the profiles that are named; and that
//! a summary is made by no other profile than its own.

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    modes_say_what_they_are_about, a_write_is_judged_as_it_would_be, what_is_hidden_is_judged_as_what_is_not_there, profiles_from_everywhere_count, what_time_it_is_counts, a_summary_by_its_own_profile,
}

/// The errors of an answer, as place and words.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    let wanted = issues.iter().filter(|issue| issue["severity"] == "error" || issue["severity"] == "fatal");
    wanted.map(|issue| (text(issue, "/expression/0").to_owned(), text(issue, "/diagnostics").to_owned())).collect()
}

async fn modes_say_what_they_are_about(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let reading = blood_pressure("amina", 120);
    let mine = amina.create(&reading).await;
    let others = system.create(&blood_pressure("amina", 121)).await;
    let own = |id: &str| with(reading.clone(), "id", json!(id));
    // Of one that is stored, with the resource and without; what somebody else wrote is not hers to change or delete.
    for (place, body, is_allowed) in [
        (format!("Observation/{mine}/$validate?mode=delete"), None, true),
        (format!("Observation/{mine}/$validate?mode=delete"), Some(json!({"resourceType": "Observation"})), true),
        (format!("Observation/{others}/$validate?mode=delete"), None, false),
        (format!("Observation/{mine}/$validate?mode=update"), Some(own(&mine)), true),
        (format!("Observation/{mine}/$validate?mode=update"), None, true),
        (format!("Observation/{others}/$validate?mode=update"), Some(own(&others)), false),
        ("Observation/$validate?mode=create".to_owned(), Some(reading.clone()), true),
    ] {
        let told = match &body {
            Some(body) => amina.post(&place, body).await,
            None => amina.get(&place).await,
        };
        let told = told.expect(200);
        assert_eq!(errors(&told).is_empty(), is_allowed, "{place}: {told}");
    }
    amina.get(&format!("Observation/{mine}")).await.expect(200);
    // What is wrong with the content is beside the point of a deletion, and is the point of all else.
    let wrong = with(own(&mine), "status", json!("excellent"));
    assert_eq!(errors(&amina.post(&format!("Observation/{mine}/$validate?mode=delete"), &wrong).await.expect(200)), []);
    for mode in ["create", "update"] {
        let told = amina.post(&format!("Observation/{mine}/$validate?mode={mode}"), &wrong).await.expect(200);
        assert!(errors(&told).iter().any(|(at, _)| at == "Observation.status"), "{mode}: {told}");
    }
    // What nobody changes or deletes.
    let provenance = system.get(&format!("Provenance?target=Observation/{mine}")).await.expect(200).ids().remove(0);
    for mode in ["update", "delete"] {
        let told = system.get(&format!("Provenance/{provenance}/$validate?mode={mode}")).await.expect(200);
        assert!(errors(&told).iter().any(|(_, said)| said.contains("never changed or deleted")), "{mode}: {told}");
    }
    // Whoever may not write hears so.
    let reader = concord.patient_with("amina", "patient/Observation.rs");
    for (place, body) in [
        ("Observation/$validate?mode=create".to_owned(), Some(reading.clone())),
        (format!("Observation/{mine}/$validate?mode=update"), Some(own(&mine))),
        (format!("Observation/{mine}/$validate?mode=delete"), None),
    ] {
        let told = match &body {
            Some(body) => reader.post(&place, body).await,
            None => reader.get(&place).await,
        };
        let told = told.expect(200);
        assert!(errors(&told).iter().any(|(_, said)| said.contains("no scope")), "{place}: {told}");
    }
    assert_eq!(errors(&reader.post("Observation/$validate", &reading).await.expect(200)), []);
    assert_eq!(amina.get("Observation?patient=amina").await.expect(200).ids().len(), 2, "nothing is stored");
    // An update or deletion is of one that is there; a profile is to be named; a creation has something to create.
    for place in [
        "Observation/$validate?mode=update",
        "Observation/$validate?mode=delete",
        "Observation/$validate?mode=profile",
        "Observation/$validate?mode=patch",
    ] {
        amina.post(place, &reading).await.expect(400);
    }
    amina.get("Observation/$validate?mode=create").await.expect(400);
    for mode in ["update", "delete"] {
        amina.get(&format!("Observation/none/$validate?mode={mode}")).await.expect(404);
    }
}

/// What would be done in the caller's place is decided as it is when it is done.
async fn a_write_is_judged_as_it_would_be(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let (former, yusuf) = (concord.user("Practitioner/former"), concord.user("RelatedPerson/yusuf"));
    let of = |patient: &str| blood_pressure(patient, 120);
    let nobodys = without(of("amina"), "subject");
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "proposed", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    for (app, body, is_taken) in [
        (&amina, of("amina"), true),
        (&amina, of("callum"), false),
        (&amina, of("nobody"), false),
        (&amina, nobodys.clone(), false),
        (&amina, with(of("amina"), "effectiveDateTime", json!("2999-01-01")), false),
        (&gp, of("amina"), true),
        (&gp, of("callum"), false),
        (&gp, goal.clone(), true),
        (&former, of("amina"), false),
        (&yusuf, of("amina"), true),
        (&yusuf, goal.clone(), false),
        (&system, of("callum"), true),
    ] {
        let of_type = text(&body, "/resourceType");
        let judged = errors(&app.post(&format!("{of_type}/$validate?mode=create"), &body).await.expect(200));
        let written = app.post(of_type, &body).await;
        let wrong = if written.status == 201 { Vec::new() } else { errors(&written) };
        assert_eq!(written.status == 201, is_taken, "{body}: {written}");
        let all = wrong.iter().all(|one| judged.contains(one));
        assert!(all && judged.is_empty() == is_taken, "{body}: {judged:?} {wrong:?}");
    }
    // An update as well: what may be changed, and into what.
    let mine = amina.create(&of("amina")).await;
    let own = |body: Value| with(body, "id", json!(mine));
    for (app, body, is_taken) in [
        (&amina, own(of("amina")), true),
        (&amina, own(of("callum")), false),
        (&amina, own(with(of("amina"), "effectiveDateTime", json!("2999-01-01"))), false),
        (&gp, own(of("amina")), false),
    ] {
        let place = format!("Observation/{mine}");
        let judged = errors(&app.post(&format!("{place}/$validate?mode=update"), &body).await.expect(200));
        let written = app.put(&place, &body).await;
        let wrong = if written.status == 200 { Vec::new() } else { errors(&written) };
        assert_eq!(written.status == 200, is_taken, "{body}: {written}");
        let all = wrong.iter().all(|one| judged.contains(one));
        assert!(all && judged.is_empty() == is_taken, "{body}: {judged:?} {wrong:?}");
    }
}

/// Whoever asks learns no more than whoever writes.
async fn what_is_hidden_is_judged_as_what_is_not_there(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let hidden = system.create(&blood_pressure("callum", 120)).await;
    let answers = async |app: &App, body: &dyn Fn(&str) -> Value, id: &str| {
        let body = body(id);
        let of_type = text(&body, "/resourceType").to_owned();
        let told = app.post(&format!("{of_type}/$validate?mode=create"), &body).await.expect(200);
        let issues: Vec<String> =
            told.issues().into_iter().map(|issue| format!("{issue:?}").replace(id, "ID")).collect();
        issues
    };
    let member =
        |id: &str| with(blood_pressure("amina", 120), "hasMember", json!([{"reference": format!("Observation/{id}")}]));
    let about = |id: &str| {
        json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
            "about": [{"reference": format!("Observation/{id}")}], "payload": [{"contentString": "x"}]})
    };
    let subject = |id: &str| blood_pressure(id, 120);
    for app in [&amina, &gp] {
        for body in [&member as &dyn Fn(&str) -> Value, &about] {
            assert_eq!(answers(app, body, &hidden).await, answers(app, body, "nothing-there").await);
        }
        assert_eq!(answers(app, &subject, "callum").await, answers(app, &subject, "nobody-there").await);
    }
}

fn profile(name: &str, element: &str) -> Value {
    json!({"resourceType": "StructureDefinition", "url": format!("http://example.org/{name}"), "name": "Own", "status": "active",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": format!("Patient.{element}"), "path": format!("Patient.{element}"), "min": 1}]}})
}

/// Those of the address and those of the body.
async fn profiles_from_everywhere_count(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    for (name, element) in [("photographed", "photo"), ("spoken", "communication"), ("named", "name")] {
        system.create(&profile(name, element)).await;
    }
    let claimed = with(json!({"resourceType": "Patient"}), "meta", json!({"profile": ["http://example.org/named"]}));
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "profile", "valueUri": "http://example.org/photographed"}, {"name": "resource", "resource": claimed}]});
    let told = amina.post("Patient/$validate?profile=http://example.org/spoken", &body).await.expect(200);
    let mut places: Vec<String> = errors(&told).into_iter().map(|(at, _)| at).collect();
    places.sort();
    assert_eq!(places, ["Patient.communication", "Patient.name", "Patient.photo"], "{told}");
}

/// A profile may ask what time it is: by the request's clock, where it is asked and where something is written.
async fn what_time_it_is_counts(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let constraint = json!({"key": "own-1", "severity": "error", "human": "it has been seen",
        "expression": "effective.ofType(dateTime) <= now()"});
    let made = with(
        without(profile("seen", "name"), "differential"),
        "differential",
        json!({"element": [{"id": "Observation", "path": "Observation", "constraint": [constraint]}]}),
    );
    let made = with(
        with(made, "type", json!("Observation")),
        "baseDefinition",
        json!("http://hl7.org/fhir/StructureDefinition/Observation"),
    );
    system.create(&made).await;
    let seen = |day: &str| {
        let claimed = with(blood_pressure("amina", 120), "meta", json!({"profile": ["http://example.org/seen"]}));
        with(claimed, "effectiveDateTime", json!(day))
    };
    for (day, count) in [("2020-01-01T10:00:00Z", 0), ("2999-01-01T10:00:00Z", 1)] {
        let told = amina.post("Observation/$validate", &seen(day)).await.expect(200);
        let about = errors(&told).into_iter().filter(|(_, said)| said.contains("own-1")).count();
        assert!(about == count && !told.text().contains("not evaluated"), "{day}: {told}");
    }
    let stored = system.post("Observation", &seen("2027-01-01T10:00:00Z")).header("prefer", "return=OperationOutcome");
    assert!(stored.await.expect(201).text().contains("own-1"));
}

async fn a_summary_by_its_own_profile(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let ips = "http://hl7.org/fhir/uv/ips/StructureDefinition";
    for (profile, status) in [
        (format!("{ips}/Composition-uv-ips"), 200),
        (format!("{ips}/Bundle-uv-ips%7C2.0.0"), 200),
        (format!("{ips}/Bundle-uv-ips%7C2.0"), 200),
        (format!("{ips}/Bundle-uv-ips%7C1.1.0"), 400),
        ("http://example.org/unknown".to_owned(), 400),
    ] {
        let told = amina.get(&format!("Patient/amina/$summary?profile={profile}")).await.expect(status);
        assert_eq!(status == 400, told.text().contains("Bundle-uv-ips with "), "{profile}: {told}");
    }
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "profile", "valueCanonical": "urn:none"}]});
    amina.post("Patient/amina/$summary", &body).await.expect(400);
}
