//! Whoever learns by a search something of a patient's data that the answer does not show stands in her log: by a chain or `_has`, at
//! whatever element and however many steps away, by a number, by a next page, by an answer that is too large, and by the condition of a
//! write, also of a transaction that fails.

use std::collections::BTreeSet;

use concord_fhir::registry::path::{DataType, Only};
use concord_fhir::registry::{Kind, Parameter, PatientCompartment, ResourceType, parameters, patient_compartment};
use concord_tests::client::Method;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, doors, minimal, on_both};
use serde_json::{Value, json};

on_both! {
    with super::SETTINGS;
    by_every_parameter, whoever_stands_where_a_chain_begins, in_more_than_one_step, those_whose_data_is_as_was_asked_are_told,
    by_numbers_and_pages, by_what_does_not_fit, by_conditions, by_conditions_that_take_long, by_transactions_that_fail,
    who_is_undone_is_told_nothing
}

const SETTINGS: &[(&str, &str)] = &[("CONCORD_MAX_ANSWER_BYTES", "300000")];

/// How many of her events are of a request that asks for this.
async fn told(concord: &Concord, app: &App, her: &App, number: usize, question: &str) -> (Value, usize) {
    let request = request_id(number);
    concord.later(1_000);
    let answer = app.get(question).header("x-request-id", &request).await;
    (answer.json(), events(her, &request).await.len())
}

fn request_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

async fn events(her: &App, request: &str) -> Vec<String> {
    let events = her.get("AuditEvent?_sort=-date&_count=30").await.expect(200).matches();
    events.iter().map(Value::to_string).filter(|event| event.contains(request)).collect()
}

/// Asks each, and finds so many of her events of it.
async fn each(concord: &Concord, (app, her): (&App, &App), from: usize, questions: &[(&str, i64, bool)]) {
    for (place, (question, total, is_told)) in questions.iter().enumerate() {
        let (answer, number) = told(concord, app, her, from + place, question).await;
        assert_eq!(answer["total"], *total, "{question}: {answer}");
        assert_eq!(number > 0, *is_told, "{question}: {number}");
    }
}

/// Something of every type that is hers and of every type that is Callum's, and what refers to it by each reference parameter.
struct Led {
    parameter: &'static Parameter,
    of: ResourceType,
    target: ResourceType,
    /// Whether by it somebody is the one whom the resource is about.
    is_owner: bool,
    place: Vec<String>,
}

fn leading() -> Vec<Led> {
    let (mut all, patient) = (Vec::new(), ResourceType::of("Patient"));
    for of in ResourceType::all()
        .filter(|of| !["AuditEvent", "Provenance", "Subscription", "Parameters"].contains(&of.name()))
    {
        for parameter in parameters(of).filter(|parameter| parameter.kind == Kind::Reference) {
            let path = parameter.paths.iter().find(|path| {
                path.data_type == DataType::Reference && path.steps.iter().all(|step| step.only == Only::All)
            });
            let Some(path) = path else { continue };
            let may_be =
                |one: &ResourceType| path.refers_to.is_none_or(|only| only == *one) && parameter.targets.contains(*one);
            let target = doors::types().filter(|one| *one != patient).chain([patient]).find(may_be);
            let Some(target) = target else { continue };
            let place: Vec<String> = path.steps.iter().map(|step| step.member.to_string()).collect();
            let is_owner = doors::owner(of).is_some_and(|owner| place.starts_with(&owner[..1]));
            all.push(Led { parameter, of, target, is_owner, place });
        }
    }
    all
}

/// At each reference parameter of every type: forwards from what is Callum's, or nobody's, to what is hers, and backwards.
async fn by_every_parameter(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let patient = ResourceType::of("Patient");
    let of = |one: ResourceType, whose: &str, id: &str, more: &[(&[String], Value)]| {
        let owner = doors::owner(one);
        let mut values: Vec<(&[String], Value)> =
            owner.iter().map(|owner| (owner.as_slice(), json!({"reference": whose}))).collect();
        if let Some((place, _)) = more.first() {
            values.retain(|(owner, _)| owner[0] != place[0]);
        }
        values.extend_from_slice(more);
        with(minimal::resource(one, &values), "id", json!(id))
    };
    let all = leading();
    let targets: BTreeSet<ResourceType> = all.iter().map(|led| led.target).filter(|one| *one != patient).collect();
    let mut stored: Vec<Value> = Vec::new();
    for one in &targets {
        stored.push(of(*one, "Patient/amina", "hers", &[]));
        stored.push(of(*one, "Patient/callum", "his", &[]));
    }
    for (number, led) in all.iter().enumerate() {
        let id = |whose: &str| {
            if led.target == patient {
                whose.to_owned()
            } else if whose == "amina" {
                "hers".to_owned()
            } else {
                "his".to_owned()
            }
        };
        let names = |whose: &str| json!({"reference": format!("{}/{}", led.target, id(whose))});
        let place = led.place.as_slice();
        stored.push(of(led.of, "Patient/callum", &format!("to{number}"), &[(place, names("amina"))]));
        stored.push(of(led.of, "Patient/amina", &format!("from{number}"), &[(place, names("callum"))]));
    }
    for some in stored.chunks(50) {
        let put = |one: &Value| {
            let url =
                format!("{}/{}", one["resourceType"].as_str().expect("a type"), one["id"].as_str().expect("an id"));
            json!({"resource": one, "request": {"method": "PUT", "url": url}})
        };
        let entries: Vec<Value> = some.iter().map(put).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
        for (entry, sent) in system.post("", &bundle).await.expect(200).entries().iter().zip(some) {
            let is_new = entry["response"]["status"].as_str().is_some_and(|status| status.starts_with("201"));
            assert!(is_new, "{sent}: {entry}");
        }
    }
    let (mut problems, mut asked) = (Vec::new(), 0);
    for (place, led) in all.iter().enumerate() {
        // What is asked of the database is made of the same predicates on both.
        if concord.is_postgres() && place % 3 > 0 {
            continue;
        }
        let (code, of, target) = (&led.parameter.code, led.of, led.target);
        let (his, then) = if target == patient { ("callum", "family=hussain") } else { ("his", "_id=hers") };
        let mut questions = vec![format!("{of}?_id=to{place}&{code}:{target}.{then}&_count=0")];
        // A Patient is in her own record.
        if !led.is_owner && of != patient && matches!(patient_compartment(of), PatientCompartment::Record { .. }) {
            questions.push(format!("{target}?_id={his}&_has:{of}:{code}:_id=from{place}&_summary=count"));
        }
        for question in questions {
            asked += 1;
            let (answer, events) = told(concord, &system, &amina, asked, &question).await;
            if answer["total"] != 1 || events == 0 {
                problems.push(format!("{question}: {} found, {events} told", answer["total"]));
            }
        }
    }
    assert!(problems.is_empty(), "{} of {asked}:\n{}", problems.len(), problems.join("\n"));
    assert!(asked > 150, "{asked}");
}

fn condition(id: &str, whose: &str, code: &str, evidence: &[&str]) -> Value {
    let detail: Vec<Value> = evidence.iter().map(|one| json!({"reference": one})).collect();
    let made = json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{whose}")},
        "code": {"coding": [{"system": "urn:example:codes", "code": code}]}});
    if detail.is_empty() { made } else { with(made, "evidence", json!([{"detail": detail}])) }
}

fn appointment(id: &str, whom: &[&str]) -> Value {
    let part = |one: &&str| json!({"actor": {"reference": one}, "status": "accepted"});
    let kind = json!([{"coding": [{"system": "urn:example:codes", "code": "hiv"}]}]);
    json!({"resourceType": "Appointment", "id": id, "status": "booked", "start": "2026-12-07T10:00:00Z",
        "end": "2026-12-07T10:10:00Z", "serviceType": kind, "participant": whom.iter().map(part).collect::<Vec<_>>()})
}

/// Where it begins with somebody who is no patient, or whose record it is not.
async fn whoever_stands_where_a_chain_begins(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    let device = json!({"resourceType": "Device", "id": "pump", "patient": {"reference": "Patient/amina"},
        "deviceName": [{"name": "pump", "type": "other"}]});
    let group = json!({"resourceType": "Group", "id": "group", "type": "person", "actual": true,
        "member": [{"entity": {"reference": "Patient/amina"}}]});
    let about = |id: &str, whom: &str| {
        with(with(blood_pressure("callum", 120), "id", json!(id)), "subject", json!({"reference": whom}))
    };
    let born =
        json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "birthDate": "1950-01-01"});
    let linked = json!({"resourceType": "Patient", "id": "callum", "name": [{"family": "Fraser"}],
        "link": [{"other": {"reference": "Patient/amina"}, "type": "seealso"}]});
    let account = json!({"resourceType": "Account", "id": "owed", "status": "active", "name": "debt",
        "subject": [{"reference": "Patient/amina"}, {"reference": "Organization/surgery"}]});
    for one in [
        born,
        linked,
        device,
        group,
        account,
        appointment("hers", &["Patient/amina", "Practitioner/gp"]),
        appointment("both", &["Patient/amina", "Patient/callum", "RelatedPerson/yusuf"]),
        about("ofdev", "Device/pump"),
        about("ofgrp", "Group/group"),
        about("his", "Patient/callum"),
    ] {
        system.store(&one).await;
    }
    each(
        concord,
        (&gp, &amina),
        100,
        &[
            ("Practitioner?_id=gp&_has:Appointment:actor:date=2026-12-07&_summary=count", 1, true),
            ("Practitioner?_id=gp&_has:Appointment:actor:date=2026-12-08&_summary=count", 0, false),
            ("Practitioner?_id=gp&_has:Appointment:practitioner:service-type=hiv&_summary=count", 1, true),
            ("Practitioner?_id=gp&_has:Appointment:actor:patient:Patient.birthdate=1950-01-01&_summary=count", 1, true),
            ("Organization?_id=surgery&_has:Account:subject:name=debt&_summary=count", 1, true),
        ],
    )
    .await;
    each(
        concord,
        (&system, &amina),
        200,
        &[
            ("Observation?_id=ofdev&subject:Device.device-name=pump&_count=0", 1, true),
            ("Observation?_id=ofgrp&subject:Group.member:Patient.birthdate=1950-01-01&_count=0", 1, true),
            ("Observation?_id=his&subject:Patient.link:Patient.birthdate=1950-01-01&_count=0", 1, true),
            ("Observation?_id=his&subject:Patient.link:Patient.birthdate=1950-01-02&_count=0", 0, false),
            ("Patient?_id=callum&_has:Appointment:patient:date=2026-12-07&_summary=count", 1, true),
        ],
    )
    .await;
    let callum = concord.patient("callum");
    each(
        concord,
        (&system, &callum),
        300,
        &[("RelatedPerson?_id=yusuf&_has:Appointment:actor:date=2026-12-07&_summary=count", 1, true)],
    )
    .await;
}

/// Also where the first step stays in one record.
async fn in_more_than_one_step(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.store(&condition("open", "amina", "a", &[])).await;
    system.store(&condition("callums", "callum", "c", &["Condition/open"])).await;
    system.store(&with(blood_pressure("callum", 120), "id", json!("callobs"))).await;
    each(concord, (&system, &amina), 100, &[
        ("Patient?_id=callum&_has:Condition:patient:evidence-detail:Condition.code=a&_summary=count", 1, true),
        ("Patient?_id=callum&_has:Condition:patient:evidence-detail:Condition.code=z&_summary=count", 0, false),
        ("Patient?_id=callum&_filter=_has:Condition:patient:evidence-detail:Condition.code%20eq%20a&_summary=count", 1, true),
        ("Observation?_id=callobs&subject:Patient._has:Condition:patient:evidence-detail:Condition.code=a&_count=0", 1, true),
        ("Condition?_id=callums&evidence-detail:Condition.code:not=z&_count=0", 1, true),
    ]).await;
}

/// Those alone whose data is as was asked for, however many others there are.
async fn those_whose_data_is_as_was_asked_are_told(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, callum) = (concord.system(), concord.patient("amina"), concord.patient("callum"));
    for (id, born) in [("amina", "1933-03-03"), ("callum", "1980-01-01")] {
        let family = if id == "amina" { "Hussain" } else { "Fraser" };
        system
            .store(&json!({"resourceType": "Patient", "id": id, "birthDate": born, "name": [{"family": family}],
            "generalPractitioner": [{"reference": "Practitioner/gp"}]}))
            .await;
    }
    let question = "Practitioner?_id=gp&_has:Patient:general-practitioner:birthdate=1933-03-03&_summary=count";
    for (her, number) in [(&amina, 1), (&callum, 0)] {
        let (answer, events) = told(concord, &system, her, 100 + number, question).await;
        assert_eq!((answer["total"].as_i64(), events), (Some(1), number), "{answer}");
    }
}

/// By a number beside a page, and by that there is a next page: the first match on it is there.
async fn by_numbers_and_pages(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    for one in [
        condition("open", "amina", "a", &[]),
        condition("his", "callum", "x", &[]),
        condition("c0", "callum", "x", &["Condition/his"]),
        condition("c9", "callum", "x", &["Condition/open"]),
        appointment("early", &["Patient/callum"]),
        with(appointment("late", &["Patient/callum", "Patient/amina"]), "start", json!("2026-12-07T10:05:00Z")),
        with(blood_pressure("callum", 120), "id", json!("o0")),
        with(blood_pressure("amina", 77), "id", json!("o9")),
    ] {
        system.store(&one).await;
    }
    for (number, (question, links, is_told)) in [
        ("Condition?_id=c0,c9&evidence-detail:Condition.code=a,x&_sort=_id&_count=1&_total=accurate", 1, true),
        ("Condition?_id=c0,c9&evidence-detail:Condition.code=x&_sort=_id&_count=1&_total=accurate", 0, false),
        ("Condition?_id=c0,c9&evidence-detail:Condition.code=a,x&_sort=_id&_count=1", 1, true),
        ("Condition?_id=c0,c9&evidence-detail:Condition.code=x&_sort=_id&_count=1", 0, false),
        ("Observation?_id=o0,o9&_sort=_id&_count=1", 1, true),
        ("Appointment?patient=callum&date=2026-12-07&_sort=date&_count=1", 1, true),
        ("Appointment?patient=callum&date=lt2026-12-07T10:03:00Z&_sort=date&_count=1", 0, false),
        ("Observation?_id=o0,o9&status=final&_sort=_id&_count=2", 0, true),
    ]
    .into_iter()
    .enumerate()
    {
        let (answer, events) = told(concord, &system, &amina, 100 + number, question).await;
        let next = answer["link"].as_array().into_iter().flatten().filter(|link| link["relation"] == "next").count();
        assert_eq!((next, events > 0), (links, is_told), "{question}: {answer}");
    }
}

/// That an answer is too large tells what it would have.
async fn by_what_does_not_fit(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let note = |id: &str, whose: &str, length: usize| {
        with(with(blood_pressure(whose, 77), "id", json!(id)), "note", json!([{"text": "n".repeat(length)}]))
    };
    system.store(&note("his", "callum", 290_000)).await;
    system.store(&note("hers", "amina", 20_000)).await;
    system
        .store(&with(
            condition("about", "callum", "c", &[]),
            "evidence",
            json!([{"detail": [{"reference": "Observation/hers"}]}]),
        ))
        .await;
    for (number, (question, status, is_told)) in [
        ("Observation?_id=his,hers&status=final", 413, true),
        ("Observation?_id=his,hers&status=amended", 200, false),
        ("Observation?_id=his", 200, false),
    ]
    .into_iter()
    .enumerate()
    {
        let request = request_id(100 + number);
        system.get(question).header("x-request-id", &request).await.expect(status);
        let events = events(&amina, &request).await;
        assert_eq!(!events.is_empty(), is_told, "{question}: {events:?}");
    }
}

const PATCH: &str = "application/json-patch+json";

fn patch(test: &str, value: &str) -> Value {
    let patch =
        json!([{"op": "test", "path": test, "value": value}, {"op": "add", "path": "/language", "value": "en"}]);
    json!({"resourceType": "Binary", "contentType": PATCH, "data": base64(&patch.to_string())})
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn changing(url: &str, resource: &Value) -> Value {
    json!({"request": {"method": "PATCH", "url": url}, "resource": resource})
}

/// What the condition of a write is led through in the records of others, whatever it finds.
async fn by_conditions(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.store(&condition("open", "amina", "a", &[])).await;
    system.store(&condition("callums", "callum", "c", &["Condition/open"])).await;
    let body = json!([{"op": "add", "path": "/language", "value": "en"}]).to_string();
    for (number, (code, status, number_told)) in [("a", 200, 1), ("z", 404, 0)].into_iter().enumerate() {
        let (request, url) =
            (request_id(100 + number), format!("Condition?_id=callums&evidence-detail:Condition.code={code}"));
        let ask = system.ask(Method::PATCH, &url).header("x-request-id", &request);
        ask.body(PATCH, body.clone()).await.expect(status);
        assert_eq!(events(&amina, &request).await.len(), number_told, "{code}");
        // A reference by a search is one as well.
        let request = request_id(200 + number);
        let naming = with(
            without(blood_pressure("callum", 120), "id"),
            "extension",
            json!([{"url": "urn:example:about", "valueReference": {"reference": url}}]),
        );
        let bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [{"resource": naming, "request": {"method": "POST", "url": "Observation"}}]});
        let answer = system.post("", &bundle).header("x-request-id", &request).await;
        assert_eq!(answer.status == 200, status == 200, "{answer}");
        assert_eq!(events(&amina, &request).await.len(), number_told, "{code}");
    }
}

/// A condition that leads to much by what is hidden is met, and told, like any other.
async fn by_conditions_that_take_long(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let kept = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let names: Vec<String> = (0..196).map(|number| format!("Condition/many{number}")).collect();
    for some in names.chunks(50) {
        let put = |name: &String| {
            let id = name.trim_start_matches("Condition/");
            let one = with(condition(id, "amina", "z", &[]), "note", json!([{"text": "n".repeat(3_000)}]));
            json!({"resource": one, "request": {"method": "PUT", "url": name}})
        };
        let bundle =
            json!({"resourceType": "Bundle", "type": "transaction", "entry": some.iter().map(put).collect::<Vec<_>>()});
        system.post("", &bundle).await.expect(200);
    }
    let addresses: Vec<Value> = names.iter().map(|name| json!({"reference": name})).collect();
    system
        .store(&json!({"resourceType": "CarePlan", "id": "wide", "meta": kept, "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/amina"}, "addresses": addresses}))
        .await;
    let body = json!([{"op": "add", "path": "/language", "value": "en"}]).to_string();
    concord.later(1_000);
    for (number, (code, status)) in [("z", 200), ("zzz", 404)].into_iter().enumerate() {
        let request = request_id(100 + number);
        let ask = system.ask(Method::PATCH, &format!("CarePlan?_id=wide&condition.code={code}"));
        ask.header("x-request-id", &request).body(PATCH, body.clone()).await.expect(status);
        let events = events(&amina, &request).await;
        assert_eq!(events.len(), usize::from(status == 200), "{code}: {events:?}");
        assert!(!events.iter().any(|event| event.contains("CarePlan")), "{events:?}");
    }
}

/// What the entries before the one that fails have met and tested was so: it is told, and that nothing of it stands.
async fn by_transactions_that_fail(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    let born =
        json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "birthDate": "1950-01-01"});
    system.store(&born).await;
    system.store(&condition("open", "amina", "a", &[])).await;
    system.store(&condition("callums", "callum", "c", &["Condition/open"])).await;
    let own = gp.create(&without(condition("own", "amina", "w", &[]), "id")).await;
    let fails = changing("VisionPrescription?_id=none", &patch("/status", "active"));
    let language = json!([{"op": "add", "path": "/language", "value": "en"}]).to_string();
    let plain = json!({"resourceType": "Binary", "contentType": PATCH, "data": base64(&language)});
    let stored = system.get("Condition/open").await.expect(200).json();
    let update = |matches: &str| json!({"resource": stored, "request": {"method": "PUT", "url": "Condition/open", "ifMatch": matches}});
    for (number, (app, entry)) in [
        (&gp, changing(&format!("Condition?_id={own}&subject:Patient.birthdate=1950-01-01"), &plain)),
        (&system, changing("Condition/open", &patch("/code/coding/0/code", "a"))),
        (&system, changing("Patient/amina", &patch("/birthDate", "1950-01-01"))),
        (&system, changing("Patient?_id=amina&birthdate=1950-01-01", &plain)),
        (&system, changing("Condition?_id=callums&evidence-detail:Condition.code=a", &plain)),
        (&system, update("W/\"1\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let request = request_id(100 + number);
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry, fails]});
        let refused = app.post("", &bundle).header("x-request-id", &request).await;
        assert!(refused.status >= 400 && refused.text().contains("entry[1]"), "{entry}: {refused}");
        let events = events(&amina, &request).await;
        assert!(!events.is_empty(), "{entry}");
        let changes = |event: &&String| event.contains("\"U\"");
        assert!(events.iter().filter(changes).all(|event| !event.contains("\"outcome\":\"0\"")), "{events:?}");
    }
    assert_eq!(system.get("Condition/open").await.expect(200).json()["meta"]["versionId"], "1");
    // Also where it fails before any of it is carried out: two entries are for the same.
    let stale = json!({"request": {"method": "DELETE", "url": "Condition/open", "ifMatch": "W/\"99\""}});
    let replaces = |url: &str, id: &str| json!({"resource": with(stored.clone(), "id", json!(id)), "request": {"method": "PUT", "url": url}});
    let his = json!({"request": {"method": "DELETE", "url": "Condition/callums", "ifMatch": "W/\"99\""}});
    for (number, (code, is_told)) in [("a", true), ("b", false)].into_iter().enumerate() {
        for (way, entries) in [
            json!([replaces(&format!("Condition?_id=open&code={code}"), "open"), stale]),
            json!([changing(&format!("Condition?_id=open&code={code}"), &plain), stale]),
            json!([changing(&format!("Condition?_id=callums&evidence-detail:Condition.code={code}"), &plain), his]),
        ]
        .into_iter()
        .enumerate()
        {
            let request = request_id(200 + 10 * number + way);
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
            let refused = system.post("", &bundle).header("x-request-id", &request).await;
            assert!(refused.status >= 400, "{refused}");
            let events = events(&amina, &request).await;
            // That one of hers was not deleted is told as well.
            let met = events.iter().filter(|event| !event.contains("\"D\"")).count();
            assert_eq!(met > 0, is_told, "{code} {way}: {events:?}");
        }
    }
}

/// A patient whom only such a transaction has named is nobody afterwards: the next who is stored reads nothing of it.
async fn who_is_undone_is_told_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let put = |one: &Value| {
        let url = format!("{}/{}", one["resourceType"].as_str().expect("a type"), one["id"].as_str().expect("an id"));
        json!({"resource": one, "request": {"method": "PUT", "url": url}})
    };
    let gone = json!({"resourceType": "Patient", "id": "gone", "name": [{"family": "Gone"}]});
    let fails = changing("VisionPrescription?_id=none", &patch("/status", "active"));
    let entries = json!([put(&gone), put(&condition("of-gone", "gone", "g", &[])), fails]);
    let request = request_id(100);
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    system.post("", &bundle).header("x-request-id", &request).await.expect(404);
    system.store(&json!({"resourceType": "Patient", "id": "next", "name": [{"family": "Next"}]})).await;
    assert!(events(&concord.patient("next"), &request).await.is_empty());
    system.store(&gone).await;
    assert!(events(&concord.patient("gone"), &request).await.is_empty());
}
