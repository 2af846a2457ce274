//! NHS systems name a patient by NHS number: what they send is in that patient's record, and stays as it was sent.

use concord_tests::client::{App, FHIR_JSON, Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    filed_as_it_was_sent, filed_for_every_type, what_cannot_be_filed_is_refused, no_oracle, in_bundles_and_by_changes,
    care_teams_and_consents_work, searched_by_number, searched_by_a_superseded_number, what_names_nobody_here_says_so, who_is_named_twice_is_one_person
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Amina's number.
const AMINA: &str = "9990011176";
/// Nobody's.
const NOBODY: &str = "9434765919";

/// A reference by number alone.
fn numbered(number: &str) -> Value {
    json!({"identifier": {"system": NHS, "value": number}, "display": "as sent"})
}

/// The cast, with Amina's number.
async fn arrive(concord: &Concord) -> App {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&bearing("amina", AMINA)).await;
    system
}

/// A Patient with a number.
fn bearing(id: &str, number: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": "Hussain"}],
        "identifier": [{"system": NHS, "value": number}]})
}

fn reading(number: &str) -> Value {
    with(blood_pressure("amina", 120), "subject", numbered(number))
}

async fn filed_as_it_was_sent(concord: &Concord) {
    let system = arrive(concord).await;
    // A client's spelling: numbers, order and blanks inside texts.
    let body = with(reading(AMINA), "note", json!([{"text": " as it was "}])).to_string().replace("120", "120.0");
    let created = system.ask(Method::POST, "Observation").body(FHIR_JSON, body.clone()).await.expect(201);
    let id = text(&created.json(), "/id").to_owned();
    let place = format!("Observation/{id}");
    let subject = numbered(AMINA);
    for app in [&concord.patient("amina"), &concord.user("Practitioner/gp"), &concord.user("RelatedPerson/yusuf")] {
        let read = app.get(&place).await.expect(200);
        assert_eq!(read.json()["subject"], subject);
        assert!(read.text().contains("120.0"), "{read}");
        for search in ["patient=amina", "subject=Patient/amina", "patient=Patient/amina", "subject:Patient=amina"] {
            assert_eq!(app.get(&format!("Observation?{search}")).await.expect(200).ids(), [id.as_str()], "{search}");
        }
        assert_eq!(app.get("Patient/amina/Observation").await.expect(200).ids(), [id.as_str()]);
    }
    for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        app.get(&place).await.expect(404);
    }
    let stored = system.get(&place).await.expect(200).text();
    let told = |text: &str| {
        let (_, rest) = text.split_once("\"subject\"").expect("a subject");
        rest.split("\"effective").next().map(str::to_owned)
    };
    assert_eq!(told(&stored), told(&body), "byte for byte");
    let whole = concord.patient("amina").entries("Patient/amina/$everything").await;
    assert!(whole.iter().any(|entry| text(entry, "/resource/id") == id), "it is part of everything");
    // It stays in the record when the Patient's number changes, and follows no other number.
    system.store(&bearing("amina", NOBODY)).await;
    system.store(&bearing("callum", AMINA)).await;
    let again = with(with(reading(AMINA), "id", json!(id)), "status", json!("amended"));
    system.put(&place, &again).await.expect(200);
    concord.patient("amina").get(&place).await.expect(200);
    concord.patient("callum").get(&place).await.expect(404);
    let moved = with(again, "subject", numbered(NOBODY));
    system.put(&place, &moved).await.expect(200);
    concord.patient("amina").get(&place).await.expect(200);
    let other = with(moved, "subject", json!({"reference": "Patient/callum"}));
    let refused = system.put(&place, &other).await.expect(422).issues();
    assert_eq!(refused[0].1, "Observation.subject");
}

/// A resource of each type in the record, with the element by which it is filed.
async fn filed_for_every_type(concord: &Concord) {
    let system = arrive(concord).await;
    let amina = concord.patient("amina");
    let concept = json!({"text": "x"});
    for (resource, search) in [
        (
            json!({"resourceType": "Appointment", "status": "proposed", "participant": [
            {"status": "accepted", "actor": numbered(AMINA)},
            {"status": "accepted", "actor": {"reference": "Practitioner/gp"}}]}),
            "patient=amina",
        ),
        (
            json!({"resourceType": "DocumentReference", "status": "current", "subject": numbered(AMINA),
            "content": [{"attachment": {"title": "x"}}]}),
            "patient=amina",
        ),
        (
            json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": numbered(AMINA)}),
            "patient=amina",
        ),
        (json!({"resourceType": "Condition", "subject": numbered(AMINA), "code": concept}), "subject=Patient/amina"),
        (
            json!({"resourceType": "AllergyIntolerance", "patient": numbered(AMINA), "code": concept,
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                "code": "active"}]}}),
            "patient=amina",
        ),
        (
            json!({"resourceType": "Communication", "status": "completed", "sender": numbered(AMINA)}),
            "sender=Patient/amina",
        ),
        (
            json!({"resourceType": "Coverage", "status": "active", "beneficiary": numbered(AMINA),
            "payor": [{"display": "x"}]}),
            "beneficiary=Patient/amina",
        ),
        (json!({"resourceType": "Person", "link": [{"target": numbered(AMINA)}]}), "patient=amina"),
        (
            json!({"resourceType": "Provenance", "target": [numbered(AMINA)], "recorded": "2026-12-01T11:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/gp"}}]}),
            "patient=amina",
        ),
    ] {
        let name = text(&resource, "/resourceType").to_owned();
        let id = system.create(&resource).await;
        let stored = amina.get(&format!("{name}/{id}")).await.expect(200).json();
        for (element, value) in resource.as_object().expect("an object") {
            assert_eq!(&stored[element], value, "{name}.{element} stays as it was sent");
        }
        let found = amina.get(&format!("{name}?{search}")).await.expect(200).ids();
        assert!(found.contains(&id), "{name}?{search}: {found:?}");
        concord.patient("callum").get(&format!("{name}/{id}")).await.expect(404);
    }
}

async fn what_cannot_be_filed_is_refused(concord: &Concord) {
    let system = arrive(concord).await;
    let refused = system.post("Observation", &reading(NOBODY)).await.expect(422).issues();
    assert_eq!((refused[0].0.as_str(), refused[0].1.as_str()), ("not-found", "Observation.subject"));
    assert!(refused[0].2.contains("NHS number"), "{}", refused[0].2);
    let appointment = json!({"resourceType": "Appointment", "status": "proposed", "participant": [
        {"status": "accepted", "actor": numbered(AMINA)}, {"status": "accepted", "actor": numbered(NOBODY)}]});
    let refused = system.post("Appointment", &appointment).await.expect(422).issues();
    assert_eq!(refused[0].1, "Appointment.participant[1].actor");
    // Who else has to do with it decides nothing, and may be anybody.
    let performed = with(blood_pressure("amina", 120), "performer", json!([numbered(NOBODY)]));
    system.create(&performed).await;
    // A local number, and the number of somebody who is no patient, are as before.
    let local = json!({"identifier": {"system": "urn:local", "value": "1"}});
    system.create(&with(reading(AMINA), "subject", local)).await;
    let event = json!({"resourceType": "Provenance", "target": [numbered(NOBODY)], "recorded": "2026-12-01T11:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/gp"}}]});
    let refused = system.post("Provenance", &event).await.expect(422).issues();
    assert_eq!(refused[0].1, "Provenance.target[0]");
    // Events that are handed in are in the log of the patient whom they name.
    let happened = |number: &str| {
        json!({"resourceType": "AuditEvent", "type": {"code": "rest"}, "subtype": [{"code": "read"}],
            "recorded": "2026-12-01T11:00:00Z", "agent": [{"requestor": true, "who": {"reference": "Practitioner/far"}}],
            "source": {"observer": {"display": "An app"}}, "entity": [{"what": numbered(number)}]})
    };
    let stored = system.post("AuditEvent", &happened(AMINA)).await.expect(201).json();
    assert_eq!(stored["entity"][0]["what"], numbered(AMINA));
    let own = concord.patient("amina").get("AuditEvent?agent=Practitioner/far").await.expect(200).ids();
    assert_eq!(own.len(), 1);
    let refused = system.post("AuditEvent", &happened(NOBODY)).await.expect(422).issues();
    assert_eq!(refused[0].1, "AuditEvent.entity[0].what");
}

/// Nobody learns from an answer whether a number is known here.
async fn no_oracle(concord: &Concord) {
    arrive(concord).await;
    let alike = async |app: &App, resource: &dyn Fn(&str) -> Value, name: &str| {
        let mut told = Vec::new();
        for number in [AMINA, NOBODY] {
            let answer = app.post(name, &resource(number)).await;
            let issues = if answer.status < 300 { Vec::new() } else { answer.issues() };
            told.push((answer.status, issues));
        }
        assert_eq!(told[0], told[1], "{name}");
        told[0].0
    };
    let blind = concord.system_with("system/Observation.cruds system/Appointment.cruds");
    assert_eq!(alike(&blind, &reading, "Observation").await, 422);
    let appointment = |number: &str| {
        json!({"resourceType": "Appointment", "status": "proposed",
            "participant": [{"status": "accepted", "actor": numbered(number)}]})
    };
    assert_eq!(alike(&blind, &appointment, "Appointment").await, 422);
    for person in [
        concord.patient("amina"),
        concord.patient("callum"),
        concord.user("Practitioner/gp"),
        concord.user("Practitioner/gp-elsewhere"),
        concord.user("RelatedPerson/yusuf"),
    ] {
        let status = alike(&person, &reading, "Observation").await;
        assert!((400..500).contains(&status), "{status}");
    }
}

async fn in_bundles_and_by_changes(concord: &Concord) {
    let system = arrive(concord).await;
    let post = |resource: &Value| json!({"resource": resource, "request": {"method": "POST", "url": text(resource, "/resourceType")}});
    let put = |resource: &Value| {
        let place = format!("{}/{}", text(resource, "/resourceType"), text(resource, "/id"));
        json!({"resource": resource, "request": {"method": "PUT", "url": place}})
    };
    let bundle = |kind: &str, entry: Vec<Value>| json!({"resourceType": "Bundle", "type": kind, "entry": entry});
    let amina = concord.patient("amina");
    // A batch, entry by entry.
    let answer = system.post("/fhir", &bundle("batch", vec![post(&reading(AMINA)), post(&reading(NOBODY))])).await;
    let entries = answer.expect(200).entries();
    let statuses: Vec<&str> =
        entries.iter().map(|entry| text(entry, "/response/status").split(' ').next().unwrap_or_default()).collect();
    assert_eq!(statuses, ["201", "422"]);
    // A transaction with the Patient in it, wherever it stands, new under an id of the server's or one of its own.
    for (place, patient) in [post(&bearing("x", NOBODY)), put(&bearing("new", "9449305552"))].into_iter().enumerate() {
        let number = ["9434765919", "9449305552"][place];
        let all = vec![post(&reading(number)), patient];
        let answer = system.post("/fhir", &bundle("transaction", all)).await.expect(200).entries();
        let at = |place: usize| text(&answer[place], "/response/location").split('/').collect::<Vec<_>>();
        let (reading, patient) = (at(0), at(1));
        let id = patient[patient.iter().position(|part| *part == "Patient").expect("a Patient") + 1].to_owned();
        let own = reading[reading.iter().position(|part| *part == "Observation").expect("one") + 1].to_owned();
        concord.patient(&id).get(&format!("Observation/{own}")).await.expect(200);
    }
    // One that cannot be filed undoes all.
    let refused =
        system.post("/fhir", &bundle("transaction", vec![post(&reading(AMINA)), post(&reading("9876543210"))]));
    let refused = refused.await.expect(422).issues();
    assert_eq!(refused[0].1, "Bundle.entry[1].resource.subject", "{refused:?}");
    assert_eq!(amina.get("Observation?patient=amina").await.expect(200).ids().len(), 1);
    // By update as create, by update of what was in no patient's record, and by patch.
    system.store(&with(reading(AMINA), "id", json!("own-id"))).await;
    amina.get("Observation/own-id").await.expect(200);
    let local = json!({"identifier": {"system": "urn:local", "value": "1"}});
    let id = system.create(&with(reading(AMINA), "subject", local)).await;
    amina.get(&format!("Observation/{id}")).await.expect(404);
    let patch = json!([{"op": "replace", "path": "/subject", "value": numbered(AMINA)}]).to_string();
    let patched = system.ask(Method::PATCH, &format!("Observation/{id}"));
    patched.body("application/json-patch+json", patch).await.expect(200);
    amina.get(&format!("Observation/{id}")).await.expect(200);
    // The same again makes no version.
    let stored = system.get("Observation/own-id").await.expect(200).json();
    let again = system.put("Observation/own-id", &stored).await.expect(200).json();
    assert_eq!(text(&again, "/meta/versionId"), "1");
}

/// What decides about access is understood as a literal reference is.
async fn care_teams_and_consents_work(concord: &Concord) {
    let system = arrive(concord).await;
    let reading = system.create(&blood_pressure("amina", 120)).await;
    let elsewhere = concord.user("Practitioner/gp-elsewhere");
    elsewhere.get(&format!("Observation/{reading}")).await.expect(404);
    let team = with(people::care_team(&["Practitioner/gp-elsewhere"]), "id", json!("by-number"));
    system.store(&with(team, "subject", numbered(AMINA))).await;
    elsewhere.get(&format!("Observation/{reading}")).await.expect(200);
    let neighbour = concord.user("RelatedPerson/neighbour");
    neighbour.get(&format!("Observation/{reading}")).await.expect(404);
    let consent = people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]);
    let consent = with(with(consent, "id", json!("by-number")), "patient", numbered(AMINA));
    let stored = system.store(&consent).await.json();
    assert_eq!(stored["patient"], numbered(AMINA), "as sent");
    neighbour.get(&format!("Observation/{reading}")).await.expect(200);
}

/// `:identifier` with an NHS number finds who refers by it and who refers literally, as the NHS App's aggregator asks.
async fn searched_by_number(concord: &Concord) {
    let system = arrive(concord).await;
    let literal = json!({"reference": "Patient/amina"});
    let mut wanted = Vec::new();
    for subject in [&literal, &numbered(AMINA)] {
        let appointment = json!({"resourceType": "Appointment", "status": "proposed",
            "participant": [{"status": "accepted", "actor": subject}]});
        let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": subject,
            "content": [{"attachment": {"title": "x"}}]});
        let task = json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": subject});
        for resource in [appointment, document, task, with(reading(AMINA), "subject", subject.clone())] {
            wanted.push((text(&resource, "/resourceType").to_owned(), system.create(&resource).await));
        }
    }
    system.create(&blood_pressure("callum", 120)).await;
    let who = format!("{NHS}|{AMINA}");
    for search in [
        format!("Appointment?patient:identifier={who}"),
        format!("DocumentReference?patient:identifier={who}"),
        format!("Task?patient:identifier={who}"),
        format!("Appointment?actor:identifier={who}"),
        format!("DocumentReference?subject:identifier={who}"),
        format!("DocumentReference?subject:identifier={NHS}|{NOBODY},{who}"),
        format!("Task?subject:identifier={who}"),
        format!("Observation?patient:identifier={who}"),
        format!("Observation?subject:identifier={who}&_sort=-date"),
    ] {
        let name = search.split('?').next().expect("a type");
        let mut own: Vec<&str> = wanted.iter().filter(|(of, _)| of == name).map(|(_, id)| id.as_str()).collect();
        own.sort_unstable();
        for app in [&system, &concord.patient("amina"), &concord.user("Practitioner/gp")] {
            let mut found = app.get(&search).await.expect(200).ids();
            found.sort_unstable();
            assert_eq!(found, own, "{search}");
        }
        for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
            assert!(app.get(&search).await.expect(200).ids().is_empty(), "{search}");
        }
    }
    // Nothing there is a total of nothing.
    let none = system.get(&format!("Task?patient:identifier={NHS}|{NOBODY}&_total=accurate")).await.expect(200).json();
    assert_eq!(none["total"], 0);
    // Who may not search Patients finds what names the number, and learns nothing of whom else it means.
    let blind = concord.system_with("system/Task.rs");
    let found = blind.get(&format!("Task?patient:identifier={who}")).await.expect(200).matches();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["for"], numbered(AMINA));
    // Another system's identifier is compared with what is written.
    assert!(system.get("Task?patient:identifier=urn:local|9990011176").await.expect(200).ids().is_empty());
}

/// A number of who has been replaced finds what is of the one who is left, as filing by it does; to whoever may not find both, it is
/// nobody's.
async fn searched_by_a_superseded_number(concord: &Concord) {
    const OLD: &str = "9449305552";
    const OLDER: &str = "9434765919";
    let system = arrive(concord).await;
    let replaced = |id: &str, number: &str, by: &str| {
        with(
            bearing(id, number),
            "link",
            json!([{"type": "replaced-by", "other": {"reference": format!("Patient/{by}")}}]),
        )
    };
    system.store(&replaced("older", OLDER, "old")).await;
    system.store(&replaced("old", OLD, "amina")).await;
    let mut wanted = Vec::new();
    for subject in [json!({"reference": "Patient/amina"}), numbered(AMINA), numbered(OLD), numbered(OLDER)] {
        wanted.push(system.create(&with(reading(AMINA), "subject", subject)).await);
    }
    let before = system.create(&with(reading(AMINA), "subject", json!({"reference": "Patient/old"}))).await;
    wanted.sort();
    let ids = async |app: &App, query: &str| {
        let mut ids = app.get(&format!("Observation?{query}")).await.expect(200).ids();
        ids.sort();
        ids
    };
    // With what is still said of the one who was replaced.
    let mut all = wanted.clone();
    all.push(before);
    all.sort();
    for parameter in ["patient:identifier", "subject:identifier", "patient.identifier", "subject:Patient.identifier"] {
        for number in [OLD, OLDER] {
            assert_eq!(ids(&system, &format!("{parameter}={NHS}|{number}")).await, all, "{parameter} {number}");
        }
        let several = format!("{parameter}={NHS}|9000000009,{NHS}|{OLD}&status=final");
        assert_eq!(ids(&system, &several).await, all, "{several}");
    }
    // Among many numbers as alone.
    let many: Vec<String> = (0..60).map(|number| format!("{NHS}|{number}")).chain([format!("{NHS}|{OLDER}")]).collect();
    assert_eq!(ids(&system, &format!("patient:identifier={}", many.join(","))).await, all);
    // A search for Patients is for who bears the number.
    assert_eq!(system.get(&format!("Patient?identifier={NHS}|{OLD}")).await.expect(200).ids(), ["old"]);
    // A condition is such a search.
    let task = json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/amina"}});
    let first = system.create(&task).await;
    let again = system.post("Task", &task).header("if-none-exist", &format!("patient:identifier={NHS}|{OLDER}"));
    assert!(again.await.expect(200).header("content-location").contains(&first));
    // Who may find neither the old one nor what she was replaced by learns nothing of the number.
    let named = |number: &str| format!("patient:identifier={NHS}|{number}");
    for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        assert!(ids(&app, &named(OLD)).await.is_empty());
    }
    let blind = concord.system_with("system/Observation.rs");
    assert_eq!(ids(&blind, &named(OLDER)).await.len(), 1, "what is said by the number itself");
}

/// What names its patient in a way by which nobody can tell who that is stays in no patient's record, and does so with a word.
async fn what_names_nobody_here_says_so(concord: &Concord) {
    let system = arrive(concord).await;
    let identifier = |system: &str| json!({"identifier": {"system": system, "value": AMINA}});
    let elsewhere = json!({"reference": "https://elsewhere.example/fhir/Patient/1"});
    let contained = json!([{"resourceType": "Patient", "id": "p", "identifier": [{"system": NHS, "value": AMINA}]}]);
    let told = |answer: &concord_tests::Answer| {
        let texts = answer.issues();
        texts
            .into_iter()
            .filter(|issue| issue.2.contains("no patient's record"))
            .map(|issue| issue.1)
            .collect::<Vec<_>>()
    };
    for subject in [
        identifier("urn:oid:2.16.840.1.113883.2.1.4.1"),
        identifier("https://hospital.example/patients"),
        json!({"identifier": {"value": AMINA}}),
        elsewhere.clone(),
        with(elsewhere, "identifier", json!({"system": NHS, "value": AMINA})),
        json!({"reference": "#p"}),
    ] {
        let observation = with(blood_pressure("amina", 120), "subject", subject.clone());
        let observation =
            if subject["reference"] == "#p" { with(observation, "contained", contained.clone()) } else { observation };
        let sent =
            system.post("Observation", &observation).header("prefer", "return=OperationOutcome").await.expect(201);
        assert_eq!(told(&sent), ["Observation.subject"], "{sent}");
        assert!(!sent.header("warning").is_empty(), "{sent}");
    }
    let appointment = |actor: Value| json!({"resourceType": "Appointment", "status": "proposed", "participant": [{"status": "accepted", "actor": actor}]});
    let sent = system
        .post("Appointment", &appointment(identifier("urn:local")))
        .header("prefer", "return=OperationOutcome")
        .await;
    assert_eq!(told(&sent.expect(201)), ["Appointment.participant[0].actor"]);
    // Where it is said who is meant, and where nobody could be, there is nothing to say.
    for subject in [
        json!({"reference": "Patient/amina"}),
        numbered(AMINA),
        json!({"reference": "Location/ward"}),
        json!({"reference": "https://elsewhere.example/fhir/Location/1"}),
        with(identifier("urn:local"), "type", json!("Location")),
        json!({"display": "somebody"}),
    ] {
        let observation = with(blood_pressure("amina", 120), "subject", subject.clone());
        let sent =
            system.post("Observation", &observation).header("prefer", "return=OperationOutcome").await.expect(201);
        assert_eq!(told(&sent), [""; 0], "{subject}");
    }
}

/// A reference to one person and the number of another: the wrong patient.
async fn who_is_named_twice_is_one_person(concord: &Concord) {
    const CALLUM: &str = "9434765919";
    const OLD: &str = "9449305552";
    let system = arrive(concord).await;
    system.store(&bearing("callum", CALLUM)).await;
    let old = with(
        bearing("amina-before", OLD),
        "link",
        json!([{"type": "replaced-by", "other": {"reference": "Patient/amina"}}]),
    );
    system.store(&old).await;
    let both = |id: &str, number: &str| with(numbered(number), "reference", json!(format!("Patient/{id}")));
    let of = |subject: Value| with(blood_pressure("amina", 120), "subject", subject);
    let refused = |answer: concord_tests::Answer, place: &str| {
        let answer = answer.expect(422);
        let issues = answer.issues();
        assert!(issues[0].2.contains("two different people"), "{answer}");
        assert!(answer.text().contains(place) && !answer.text().contains(AMINA), "{answer}");
    };
    // A system: of whom is known here; a superseded number means who is left.
    for (id, number) in [("callum", AMINA), ("amina", CALLUM), ("callum", OLD)] {
        refused(system.post("Observation", &of(both(id, number))).await, "Observation.subject");
    }
    for (id, number) in
        [("amina", AMINA), ("callum", CALLUM), ("amina", OLD), ("amina-before", AMINA), ("callum", "9000000009")]
    {
        system.post("Observation", &of(both(id, number))).await.expect(201);
    }
    let task = json!({"resourceType": "Task", "status": "requested", "intent": "plan", "for": both("callum", AMINA)});
    refused(system.post("Task", &task).await, "Task.for");
    let appointment = json!({"resourceType": "Appointment", "status": "proposed", "participant": [
        {"actor": {"reference": "Practitioner/gp"}, "status": "accepted"}, {"actor": both("callum", AMINA), "status": "accepted"}]});
    refused(system.post("Appointment", &appointment).await, "Appointment.participant[1].actor");
    // Others are not told who bears a number: somebody's is refused as nobody's is.
    let amina = concord.patient("amina");
    for number in [CALLUM, OLD, "9000000009"] {
        refused(amina.post("Observation", &of(both("amina", number))).await, "Observation.subject");
    }
    amina.post("Observation", &of(both("amina", AMINA))).await.expect(201);
    // What has been said all along is no reason to refuse a change; another word is.
    let id = system.create(&of(both("amina", AMINA))).await;
    system.store(&bearing("amina", "9000000009")).await;
    system
        .store(&with(
            bearing("callum", CALLUM),
            "identifier",
            json!([{"system": NHS, "value": CALLUM}, {"system": NHS, "value": AMINA}]),
        ))
        .await;
    let again = with(with(of(both("amina", AMINA)), "id", json!(id)), "status", json!("amended"));
    system.put(&format!("Observation/{id}"), &again).await.expect(200);
    let other = with(again, "subject", both("amina", CALLUM));
    refused(system.put(&format!("Observation/{id}"), &other).await, "Observation.subject");
}
