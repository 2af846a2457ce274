//! The audit log: every access and every refusal is in it, told to the patient whom it concerns and to nobody else.

use concord_tests::client::{Ask, Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    every_interaction_is_told, one_record_for_each_patient, refusals, strangers_learn_nothing_from_it, found_by_its_parameters,
    pages, handed_in_by_systems, every_instant_is_found, many_at_once, events_are_valid, why_a_resource_could_be_read, by_modifiers
}

/// The events that the app may see and that match, newest first.
async fn events(app: &App, query: &str) -> Vec<Value> {
    app.get(&format!("AuditEvent?{query}&_count=1000")).await.expect(200).matches()
}

/// Who did what to which resource, and how it ended: `Practitioner/gp read Observation/1 0`.
fn summary(event: &Value) -> String {
    let agents = event.get("agent").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let asked = agents.iter().find(|agent| agent.get("requestor").and_then(Value::as_bool) == Some(true));
    let who = asked.map_or("", |agent| match text(agent, "/who/reference") {
        "" => text(agent, "/who/identifier/value"),
        reference => reference,
    });
    let entities = event.get("entity").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let object = entities.iter().find(|entity| text(entity, "/role/code") == "4");
    let what = object.map_or("-", |entity| text(entity, "/what/reference"));
    format!("{who} {} {what} {}", text(event, "/subtype/0/code"), text(event, "/outcome"))
}

/// What was searched, as an event tells it.
fn queries(event: &Value) -> Vec<&str> {
    let entities = event.get("entity").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entities.iter().map(|entity| text(entity, "/description")).collect()
}

async fn every_interaction_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let changed = with(blood_pressure("amina", 121), "id", json!(id));
    amina.get(&place).await.expect(200);
    amina.head(&place).await.expect(200);
    amina.get(&place).header("if-none-match", "W/\"1\"").await.expect(304);
    amina.get(&format!("{place}/_history/1")).await.expect(200);
    amina.get(&format!("{place}/_history")).await.expect(200);
    amina.get("Observation/_history").await.expect(200);
    amina.get("_history").await.expect(200);
    amina.get("Observation?status=final").await.expect(200);
    amina.ask(Method::POST, "Observation/_search").body("application/x-www-form-urlencoded", "").await.expect(200);
    amina.put(&place, &changed).await.expect(200);
    amina.put(&place, &changed).await.expect(200);
    amina.put(&format!("Observation?_id={id}"), &blood_pressure("amina", 122)).await.expect(200);
    amina.delete(&format!("Observation?_id={id}")).await.expect(204);
    amina.get(&place).await.expect(410);
    amina.get(&format!("{place}/_history/9")).await.expect(404);
    amina.put(&place, &with(changed.clone(), "status", json!("nonsense"))).await.expect(422);
    let log = events(&amina, "agent=Patient/amina&_sort=date").await;
    let found: Vec<String> = log.iter().map(|event| summary(event).replace(&id, "ID")).collect();
    let expected = [
        "Patient/amina create Observation/ID/_history/1 0",
        "Patient/amina read Observation/ID/_history/1 0",
        "Patient/amina read Observation/ID/_history/1 0",
        "Patient/amina read Observation/ID/_history/1 0",
        "Patient/amina vread Observation/ID/_history/1 0",
        "Patient/amina history-instance Observation/ID 0",
        "Patient/amina history-type - 0",
        "Patient/amina history-system - 0",
        "Patient/amina search-type - 0",
        "Patient/amina search-type - 0",
        "Patient/amina update Observation/ID/_history/2 0",
        "Patient/amina update Observation/ID/_history/2 0",
        "Patient/amina update Observation/ID/_history/3 0",
        "Patient/amina delete Observation/ID/_history/4 0",
        "Patient/amina read Observation/ID/_history/4 4",
        "Patient/amina vread Observation/ID/_history/9 4",
    ];
    assert_eq!(found, expected);
}

async fn one_record_for_each_patient(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, callum, system) = (concord.patient("amina"), concord.patient("callum"), concord.system());
    for number in 0..3 {
        amina.create(&blood_pressure("amina", 100 + number)).await;
        callum.create(&blood_pressure("callum", 100 + number)).await;
    }
    let shared = json!({"resourceType": "Appointment", "id": "both", "status": "proposed", "participant": [
        {"actor": {"reference": "Patient/amina"}, "status": "accepted"},
        {"actor": {"reference": "Patient/callum"}, "status": "accepted"}]});
    system.store(&shared).await;
    let before = (events(&amina, "").await.len(), events(&callum, "").await.len());
    system.get("Observation?patient=amina,callum").await.expect(200);
    system.get("Observation/_history").await.expect(200);
    system.get("Appointment?_id=both").await.expect(200);
    for (app, own, other, before) in [(&amina, "amina", "callum", before.0), (&callum, "callum", "amina", before.1)] {
        let log = events(app, "").await;
        assert!(log.len() >= before + 3, "{own}: {before} then {}", log.len());
        for event in &log {
            let told = event.to_string();
            assert!(!told.contains(other), "{own} is told of {other}: {told}");
            let patients: Vec<&str> = event["entity"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|entity| text(entity, "/role/code") == "1")
                .map(|entity| text(entity, "/what/reference"))
                .collect();
            assert_eq!(patients, [format!("Patient/{own}")]);
        }
    }
    // Each disclosure is told exactly once to each of them.
    for app in [&amina, &callum] {
        let log = events(app, "").await;
        for asked in ["Observation?patient", "Observation/_history", "Appointment?_id"] {
            let told = log.iter().filter(|event| queries(event).contains(&asked)).count();
            assert_eq!(told, 1, "{asked}: {log:?}");
        }
    }
    // A search that finds nothing tells the one patient who was asked about.
    system.get("Goal?patient=callum").await.expect(200);
    let log = events(&callum, "subtype=search-type").await;
    assert!(log.iter().any(|event| queries(event).contains(&"Goal?patient")), "{log:?}");
    assert!(!events(&amina, "").await.iter().any(|event| queries(event).contains(&"Goal?patient")));
}

async fn refusals(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let stranger = concord.user("Practitioner/gp-elsewhere");
    stranger.get(&place).await.expect(404);
    stranger.get(&format!("{place}/_history")).await.expect(404);
    stranger.delete(&place).await.expect(404);
    concord.user("Practitioner/gp").delete(&place).await.expect(403);
    concord.patient_with("amina", "patient/Goal.rs").get(&place).await.expect(403);
    let log = events(&amina, "outcome=4").await;
    let found: Vec<String> = log.iter().rev().map(summary).collect();
    for wanted in [
        format!("Practitioner/gp-elsewhere read {place} 4"),
        format!("Practitioner/gp-elsewhere history-instance {place} 4"),
        format!("Practitioner/gp-elsewhere delete {place} 4"),
        format!("Practitioner/gp delete {place}/_history/1 4"),
    ] {
        assert!(found.contains(&wanted), "{wanted} is not in {found:?}");
    }
    assert!(log.iter().all(|event| !text(event, "/outcomeDesc").is_empty()), "each says why");

    concord.nobody().get(&place).await.expect(401);
    amina.with_token("junk").get(&place).await.expect(401);
    concord.patient_with("amina", "patient/Goal.rs").get("Observation").await.expect(403);
    let all = events(&concord.system(), "outcome=4").await;
    let logins = all.iter().filter(|event| text(event, "/type/code") == "110114").count();
    assert_eq!(logins, 2);
    assert!(all.iter().map(summary).any(|line| line == "Patient/amina search-type - 4"));
    assert!(events(&amina, "").await.iter().all(|event| text(event, "/type/code") != "110114"));
}

/// Whoever was refused does not learn from the log whose record it was.
async fn strangers_learn_nothing_from_it(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let own_event = events(&amina, "").await[0]["id"].as_str().expect("an id").to_owned();
    for stranger in [
        concord.patient("callum"),
        concord.user("Practitioner/gp-elsewhere"),
        concord.user("RelatedPerson/neighbour"),
        concord.user("Practitioner/former"),
    ] {
        stranger.get(&place).await.expect(404);
        stranger.get("Observation/none").await.expect(404);
        for query in ["", "patient=amina", &format!("entity={place}"), "outcome=4", "agent=Patient/amina"] {
            let log = events(&stranger, query).await;
            assert!(log.iter().all(|event| !event.to_string().contains("amina")), "{query}: {log:?}");
            assert!(log.iter().all(|event| text(event, "/outcome") == "0" || event.to_string().contains("callum")));
        }
        for query in ["patient=amina", &format!("entity={place}")] {
            let count = stranger.get(&format!("AuditEvent?{query}&_summary=count")).await.expect(200).json();
            assert_eq!(count["total"], json!(0), "{query}");
        }
        let hidden = stranger.get(&format!("AuditEvent/{own_event}")).await.expect(404);
        assert_eq!(hidden.body, stranger.get("AuditEvent/123456789").await.expect(404).body);
    }
    // A professional sees what they did themselves, and not what a colleague did.
    let gp = concord.user("Practitioner/gp");
    gp.get(&place).await.expect(200);
    let own: Vec<String> = events(&gp, "patient=amina").await.iter().map(summary).collect();
    assert_eq!(own, [format!("Practitioner/gp read {place}/_history/1 0")]);
    gp.get(&format!("AuditEvent/{own_event}")).await.expect(404);
}

async fn found_by_its_parameters(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let id = amina.create(&blood_pressure("amina", 120)).await;
    concord.later(3_600_000);
    concord.user("Practitioner/gp").get(&format!("Observation/{id}")).await.expect(200);
    let first = events(&amina, "agent=Practitioner/gp").await;
    let event = text(&first[0], "/id").to_owned();
    for (query, wanted) in [
        ("agent=Practitioner/gp", 1),
        ("patient=amina&agent=Practitioner/gp", 1),
        ("patient=Patient/amina&agent=Practitioner/gp", 1),
        ("patient=callum&agent=Practitioner/gp", 0),
        (&format!("entity=Observation/{id}"), 2),
        (&format!("entity=Observation/{id}&action=R"), 1),
        (&format!("entity=Observation/{id}&action=C"), 1),
        (&format!("entity=Observation/{id}&subtype=read"), 1),
        (&format!("entity=Observation/{id}&subtype=http://hl7.org/fhir/restful-interaction|read"), 1),
        (&format!("entity=Observation/{id}&outcome=0"), 2),
        (&format!("entity=Observation/{id}&outcome=4"), 0),
        (&format!("entity=Observation/{id}&date=ge2026-12-01T13:00:00Z"), 1),
        (&format!("entity=Observation/{id}&date=lt2026-12-01T13:00:00Z"), 1),
        (&format!("entity=Observation/{id}&date=2026-12-01"), 2),
        (&format!("entity=Observation/{id}&date=2026-12-02"), 0),
        (&format!("_id={event}"), 1),
    ] {
        for app in [&amina, &system] {
            assert_eq!(events(app, query).await.len(), wanted, "{query}");
        }
    }
    let entity = format!("entity=Observation/{id}");
    for (led, wanted) in
        [("agent=Practitioner/gp", 1), ("agent=Practitioner/gp,Patient/amina", 2), ("patient=amina,callum", 2)]
    {
        assert_eq!(events(&system, &format!("{entity}&{led}")).await.len(), wanted, "{led}");
    }
    let read = amina.get(&format!("AuditEvent/{event}")).await.expect(200);
    assert_eq!(read.json(), first[0]);
    assert_eq!(amina.get(&format!("AuditEvent/{event}/_history/1")).await.expect(200).body, read.body);
    for wrong in ["policy=x", "altid=x", "date=yesterday"] {
        amina.get(&format!("AuditEvent?{wrong}")).header("prefer", "handling=strict").await.expect(400).issues();
    }
}

async fn pages(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for number in 0..7 {
        amina.create(&blood_pressure("amina", 100 + number)).await;
    }
    for (sort, count) in [("-date", 2), ("date", 2), ("-date", 3), ("date", 7)] {
        let mut ids = Vec::new();
        let mut next = Some(format!("AuditEvent?patient=amina&subtype=create&_count={count}&_sort={sort}"));
        while let Some(link) = next {
            let page = amina.get(&link).await.expect(200);
            ids.extend(page.ids());
            next = page.link("next");
        }
        let numbers: Vec<i64> = ids.iter().map(|id| id.parse().expect("a number")).collect();
        assert!(numbers.is_sorted_by(|a, b| if sort == "date" { a < b } else { a > b }), "{sort}: {numbers:?}");
        assert_eq!(numbers.len(), 7, "{sort} {count}");
    }
    let page = amina.get("AuditEvent?patient=amina&_count=2").await.expect(200);
    let next = page.link("next").expect("a next page");
    concord.patient("callum").get(&next).await.expect(400).issues();
}

async fn handed_in_by_systems(concord: &Concord) {
    people::arrive(concord).await;
    let event = json!({
        "resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R", "recorded": "2026-11-30T23:00:00Z", "outcome": "0",
        "agent": [{"who": {"reference": "Practitioner/gp"}, "requestor": true}],
        "source": {"observer": {"display": "another system"}},
        "entity": [{"what": {"reference": "Patient/amina"},
            "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"}}]
    });
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let created = system.post("AuditEvent", &event).await.expect(201).json();
    let id = text(&created, "/id").to_owned();
    assert_eq!(text(&created, "/meta/source"), "urn:concord:client:phr-app", "whose word it is");
    assert_eq!(amina.get(&format!("AuditEvent/{id}")).await.expect(200).json(), created);
    assert!(amina.get("AuditEvent?patient=amina").await.expect(200).ids().contains(&id));
    assert!(concord.user("Practitioner/gp").get("AuditEvent").await.expect(200).ids().contains(&id));
    concord.patient("callum").get(&format!("AuditEvent/{id}")).await.expect(404).issues();
    // It is found by when it happened, as it says, and not by when it came.
    for (asked, is_there) in [
        ("date=2026-11-30", true),
        ("date=2026-11-30T23:00:00Z", true),
        ("date=2026-12-01T00:00:00%2B01:00", true),
        ("date=lt2026-12-01", true),
        ("date=gt2026-11-30T23:00:00Z", false),
        ("date=2026-12-01", false),
        ("date=ge2026-12-01", false),
        ("date=ne2026-12-01", true),
        ("_lastUpdated=ge2026-12-01", true),
        ("_lastUpdated=lt2026-12-01", false),
    ] {
        for place in [format!("AuditEvent?patient=amina&{asked}&_count=100"), format!("AuditEvent?{asked}&_count=100")]
        {
            assert_eq!(system.get(&place).await.expect(200).ids().contains(&id), is_there, "{place}");
        }
    }
    let to_come = with(event.clone(), "recorded", json!("2026-12-01T13:00:00Z"));
    assert_eq!(system.post("AuditEvent", &to_come).await.expect(422).issues()[0].1, "AuditEvent.recorded");
    for app in [&amina, &concord.user("Practitioner/gp"), &concord.user("RelatedPerson/yusuf")] {
        app.post("AuditEvent", &event).await.expect(403).issues();
        app.post("AuditEvent", &event).header("if-none-exist", "patient=amina").await.expect(403).issues();
    }
    concord.system_with("system/Observation.cruds").post("AuditEvent", &event).await.expect(403).issues();
    let refused: Vec<String> = events(&system, "outcome=4&subtype=create").await.iter().map(summary).collect();
    assert!(refused.len() >= 7, "{refused:?}");
}

/// Whatever instant R4 allows, it is found by what it says, and no search fails by it.
async fn every_instant_is_found(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let instants = [
        ("2016-12-31T23:59:60Z", "2016-12-31"),
        ("2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.999Z"),
        ("2017-01-01T13:59:60.123456789+14:00", "2016-12-31"),
        ("0001-01-01T00:00:00+14:00", "lt0001"),
        ("2020-02-29T12:30:00.25-12:00", "2020-03-01T00:30:00.25Z"),
        ("2020-02-29T12:30:00.123456789012345678901234567890Z", "2020-02-29T12:30:00.123Z"),
    ];
    let mut ids = Vec::new();
    for (recorded, _) in instants {
        let event = json!({"resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": recorded,
            "agent": [{"who": {"reference": "Practitioner/gp"}, "requestor": true}],
            "source": {"observer": {"display": "another system"}}, "entity": [{"what": {"reference": "Patient/amina"}}]});
        let created = system.post("AuditEvent", &event).await.expect(201).json();
        ids.push((text(&created, "/id").to_owned(), recorded));
    }
    for ((id, recorded), (_, date)) in ids.iter().zip(instants) {
        for (date, is_there) in [(date, true), ("ge2026", false), ("lt2026", true)] {
            let found = system.get(&format!("AuditEvent?date={date}&_count=100")).await.expect(200).ids();
            assert_eq!(found.contains(id), is_there, "{recorded} by {date}");
        }
    }
}

/// Reads that arrive together are each in the log when they are answered.
async fn many_at_once(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let gp = concord.user("Practitioner/gp");
    let reads: Vec<Ask> = (0..40).map(|_| gp.get(&place)).collect();
    let reads: Vec<_> = reads.into_iter().map(|ask| tokio::spawn(ask.into_future())).collect();
    for (number, read) in reads.into_iter().enumerate() {
        let request = read.await.expect("a read").expect(200).header("x-request-id").to_owned();
        if number % 10 == 0 {
            let log = events(&amina, "agent=Practitioner/gp").await;
            assert!(
                log.iter().any(|event| event.to_string().contains(&request)),
                "{request} was answered and is not in the log"
            );
        }
    }
    assert_eq!(events(&amina, "agent=Practitioner/gp").await.len(), 40);
}

/// What the log is told as is valid R4.
async fn events_are_valid(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    amina.create(&blood_pressure("amina", 120)).await;
    amina.get("Observation?status=final").await.expect(200);
    concord.user("Practitioner/gp-elsewhere").get("Patient/amina").await.expect(404);
    concord.nobody().get("Patient/amina").await.expect(401);
    let limits = concord_fhir::json::Limits::default();
    let log = events(&concord.system(), "").await;
    assert!(log.len() > 10);
    for event in &log {
        let bytes = event.to_string().into_bytes();
        let checked = concord_fhir::codec::read(concord_fhir::codec::Format::Json, &bytes, &limits);
        assert!(checked.is_ok(), "{event}: {checked:?}");
        assert!(event["agent"].as_array().is_some_and(|agents| !agents.is_empty()));
    }
    let bundle = concord.system().get("AuditEvent?_count=5").await.expect(200).body;
    let checked = concord_fhir::codec::read(concord_fhir::codec::Format::Json, &bundle, &limits);
    assert!(checked.is_ok(), "{checked:?}");
    let history = concord.system().get("Observation/_history").await.expect(200).body;
    let checked = concord_fhir::codec::read(concord_fhir::codec::Format::Json, &history, &limits);
    assert!(checked.is_ok(), "{checked:?}");
}

/// Of many Consents an event names the one that lets the resource be read, whatever else the caller may see or not.
async fn why_a_resource_could_be_read(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let who = "Practitioner/gp-elsewhere";
    let to = |types: &[&str]| people::without(people::consent("active", who, &["access"], types), "id");
    let about = |code: &str| {
        let mut consent = to(&["Observation"]);
        consent["provision"]["code"] = json!([{"coding": [{"system": "http://loinc.org", "code": code}]}]);
        consent
    };
    let ago =
        json!([{"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}]);
    for types in ["CarePlan", "Condition", "MedicationStatement", "AllergyIntolerance", "Procedure", "Immunization"] {
        let mut consent = to(&[types]);
        consent["provision"]["provision"] = ago.clone();
        amina.create(&consent).await;
    }
    let goals = amina.create(&to(&["Goal"])).await;
    for code in ["8867-4", "29463-7", "8310-5"] {
        amina.create(&about(code)).await;
    }
    let readings = amina.create(&about("85354-9")).await;
    amina.create(&about("9279-1")).await;

    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", amina.create(&goal).await);
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let gp = concord.user(who);
    for (place, consent) in [(&goal, &goals), (&reading, &readings)] {
        gp.get(place).await.expect(200);
        let log = events(&amina, &format!("agent={who}")).await;
        let why: Vec<&str> = text(&log[0], "/outcomeDesc").split(", ").collect();
        assert_eq!(why, ["scope.covers", &format!("Consent/{consent}/_history/1")], "{place}");
    }
    // What none of them is about is refused for that, and for nothing that forbids something else.
    let other = with(blood_pressure("amina", 121), "code", json!({"text": "something else"}));
    gp.get(&format!("Observation/{}", amina.create(&other).await)).await.expect(404);
    let log = events(&amina, &format!("agent={who}")).await;
    assert_eq!(text(&log[0], "/outcomeDesc"), "hidden: default");
}

/// What the log does not keep is refused: an empty answer would say that there is none.
async fn by_modifiers(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.get("Patient/amina").await.expect(200);
    let all = events(&amina, "_sort=date").await;
    let identified = |event: &Value| {
        let agents = event["agent"].as_array()?;
        let who = &agents.iter().find(|agent| agent["requestor"] == true)?["who"];
        who.pointer("/identifier/value").and_then(Value::as_str).map(str::to_owned)
    };
    let by_system: Vec<String> = all.iter().filter_map(identified).collect();
    let name = by_system.first().expect("what the system did");
    for query in [format!("agent:identifier={name}"), format!("agent:identifier=|{name}")] {
        assert_eq!(events(&amina, &query).await.len(), by_system.len(), "{query}");
    }
    assert_eq!(events(&amina, "agent:identifier=Patient/amina").await.len(), 0);
    // With a system there would never be any, whatever was handed in.
    for query in ["urn:x|y", "urn:x|", "|y,urn:x|y", "y,http://example.org|x"] {
        let refused = system.get(&format!("AuditEvent?agent:identifier={query}")).await.expect(400).issues();
        assert!(refused[0].2.contains("has no system"), "{query}: {refused:?}");
    }
    assert!(!events(&amina, "agent:Patient=amina").await.is_empty());
    assert!(events(&amina, "agent:missing=true").await.is_empty());
    let others = events(&amina, "action:not=R").await;
    assert!(!others.is_empty() && others.iter().all(|event| text(event, "/action") != "R"));
    let codes = ["_id", "_lastUpdated", "patient", "date", "agent", "entity", "action", "outcome", "subtype"];
    let modifiers = ["above", "below", "contains", "exact", "identifier", "in", "not-in", "of-type", "text"];
    for code in codes {
        for modifier in modifiers {
            let known = (code, modifier) == ("agent", "identifier");
            let value = if known { "auth0%5C%7Cx,%7Cy" } else { "http://example.org%7Cx" };
            let query = format!("AuditEvent?{code}:{modifier}={value}");
            for app in [&system, &amina] {
                app.get(&query).await.expect(if known { 200 } else { 400 });
            }
        }
    }
}
