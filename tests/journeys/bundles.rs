//! Batches and transactions: every entry goes the way of its own interaction, and a transaction is whole or nothing.

use base64::Engine;
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_transaction_is_whole, or_nothing, a_batch_goes_on, what_is_hidden_stays_hidden, entries_refer_to_one_another,
    conditions_after_deletions, entries_that_must_not_be_there_yet, patches, histories_and_compartments,
    operations_in_a_batch, forms_of_single_entries
}

async fn send(app: &App, kind: &str, entries: &[Value]) -> Answer {
    app.post("/fhir", &json!({"resourceType": "Bundle", "type": kind, "entry": entries})).await
}

fn goal(subject: &str) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": format!("Patient/{subject}")}})
}

fn request(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

/// The status of each entry, without its text.
fn statuses(answer: &Answer) -> Vec<String> {
    let told = |entry: &Value| text(entry, "/response/status").chars().take(3).collect();
    answer.entries().iter().map(told).collect()
}

async fn a_transaction_is_whole(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let old = amina.create(&blood_pressure("amina", 120)).await;
    let name = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "Mine",
        "category": [{"text": "support"}], "subject": {"reference": "Patient/amina"}, "goal": [{"reference": name}]});
    let entries = [
        json!({"request": {"method": "POST", "url": "CarePlan"}, "resource": plan}),
        json!({"fullUrl": name, "request": {"method": "POST", "url": "Goal"}, "resource": goal("amina")}),
        json!({"request": {"method": "PUT", "url": format!("Observation/{old}"), "ifMatch": "W/\"1\""},
            "resource": with(blood_pressure("amina", 121), "id", json!(old))}),
        request("GET", &format!("Observation/{old}")),
        request("GET", "Goal?lifecycle-status=active"),
    ];
    let answer = send(&amina, "transaction", &entries).await.expect(200);
    assert_eq!(text(&answer.json(), "/type"), "transaction-response");
    assert_eq!(statuses(&answer), ["201", "201", "200", "200", "200"]);
    let answers = answer.entries();
    let goal = text(&answers[1], "/response/location").split("/_history/").next().unwrap_or_default().to_owned();
    let goal = goal.trim_start_matches("http://concord.test/fhir/").to_owned();
    let plan = text(&answers[0], "/response/location").split("/_history/").next().unwrap_or_default().to_owned();
    let plan = amina.get(&plan).await.expect(200).json();
    assert_eq!(text(&plan, "/goal/0/reference"), goal, "the name of the entry has become its address");
    // Reads come last and see what the others have done.
    assert_eq!(text(&answers[3], "/resource/meta/versionId"), "2");
    let found = answers[4]["resource"]["entry"].as_array().expect("entries");
    assert_eq!(found.iter().filter(|entry| entry["search"]["mode"] == "match").count(), 1, "{found:?}");
    // Each write has its Provenance and each entry its record.
    let told = amina.get(&format!("Provenance?target={goal}")).await.expect(200).ids();
    assert_eq!(told.len(), 1);
    assert_eq!(amina.get(&format!("AuditEvent?action=C&entity={goal}")).await.expect(200).ids().len(), 1);
    let read = amina.get(&format!("AuditEvent?subtype=read&entity=Observation/{old}")).await.expect(200).ids();
    assert_eq!(read.len(), 1);
}

async fn or_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let kept = amina.create(&goal("amina")).await;
    let good = json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal("amina")});
    let delete = request("DELETE", &format!("Goal/{kept}"));
    let forged = with(goal("amina"), "expressedBy", json!({"reference": "Practitioner/gp"}));
    for (bad, status) in [
        (json!({"request": {"method": "POST", "url": "Goal"}, "resource": forged}), 422),
        (json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal("callum")}), 403),
        (request("GET", "Goal/none"), 404),
        (request("GET", "Patient/callum"), 404),
        (request("DELETE", "Practitioner/gp"), 403),
        (
            json!({"request": {"method": "PUT", "url": format!("Goal/{kept}"), "ifMatch": "W/\"9\""},
            "resource": with(goal("amina"), "id", json!(kept))}),
            412,
        ),
        (request("GET", "Nonsense"), 404),
        (request("DELETE", "AuditEvent/1"), 405),
        (request("DELETE", "Goal"), 400),
    ] {
        // The entry that fails may be for the same resource as the delete.
        let entries = if status == 412 { vec![good.clone(), bad] } else { vec![good.clone(), delete.clone(), bad] };
        let refused = send(&amina, "transaction", &entries).await;
        assert_eq!(refused.status, status, "{entries:?}: {refused}");
        let place = format!("Bundle.entry[{}]", entries.len() - 1);
        assert!(refused.issues().iter().all(|(_, at, _)| at.starts_with(&place)), "{place}: {refused}");
        let left = amina.get("Goal").await.expect(200).ids();
        assert_eq!(left, [kept.as_str()], "{entries:?}");
    }
    assert_eq!(amina.get("Provenance").await.expect(200).ids().len(), 1);
    // An entry without a request makes the Bundle itself invalid.
    send(&amina, "transaction", &[json!({"resource": goal("amina")})]).await.expect(422).issues();
    let twice = [delete.clone(), delete];
    send(&amina, "transaction", &twice).await.expect(400).issues();
    for kind in ["collection", "searchset", "document"] {
        let refused = send(&amina, kind, &[]).await;
        assert!([400, 422].contains(&refused.status), "{kind}: {refused}");
    }
}

async fn a_batch_goes_on(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let kept = amina.create(&goal("amina")).await;
    let entries = [
        json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal("amina")}),
        json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal("callum")}),
        request("GET", &format!("Goal/{kept}")),
        request("GET", "Patient/callum"),
        request("GET", "Nonsense/1"),
        request("DELETE", &format!("Goal/{kept}")),
        request("GET", &format!("Goal/{kept}")),
        json!({"request": {"method": "POST", "url": "Goal"}, "resource": people::without(goal("amina"), "subject")}),
    ];
    let answer = send(&amina, "batch", &entries).await.expect(200);
    assert_eq!(text(&answer.json(), "/type"), "batch-response");
    let found = statuses(&answer);
    assert_eq!(found, ["201", "403", "200", "404", "404", "204", "410", "422"]);
    for (entry, status) in answer.entries().iter().zip(&found) {
        let outcome = text(entry, "/response/outcome/resourceType");
        assert_eq!(outcome == "OperationOutcome", status.starts_with('4'), "{entry}");
    }
    assert_eq!(amina.get("Goal").await.expect(200).ids().len(), 1);
}

/// An entry learns no more than its own request would.
async fn what_is_hidden_stays_hidden(concord: &Concord) {
    people::arrive(concord).await;
    let hidden = concord.patient("amina").create(&goal("amina")).await;
    let unused = "01900000-0000-7000-8000-000000000000";
    for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        let mut answers = Vec::new();
        for id in [hidden.as_str(), unused] {
            let entries = [
                request("GET", &format!("Goal/{id}")),
                request("GET", &format!("Goal/{id}/_history/1")),
                request("GET", &format!("Goal?_id={id}&_total=accurate")),
                request("DELETE", &format!("Goal/{id}")),
                request("DELETE", &format!("Goal?_id={id}")),
                json!({"request": {"method": "PUT", "url": format!("Goal/{id}")},
                    "resource": with(goal("callum"), "id", json!(id))}),
            ];
            let batch = send(&app, "batch", &entries).await.expect(200).text().replace(id, "ID");
            let mut told = vec![batch];
            for entry in &entries {
                let refused = send(&app, "transaction", std::slice::from_ref(entry)).await;
                told.push(format!("{} {}", refused.status, refused.text().replace(id, "ID")));
            }
            answers.push(told);
        }
        assert_eq!(answers[0], answers[1]);
    }
    concord.patient("amina").get(&format!("Goal/{hidden}")).await.expect(200);
}

const PATIENT: &str = "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d11";

fn patient(number: &str) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": "urn:app", "value": number}]})
}

fn entry(method: &str, url: &str, full_url: &str, resource: &Value) -> Value {
    json!({"fullUrl": full_url, "request": {"method": method, "url": url}, "resource": resource})
}

fn reading(subject: &str) -> Value {
    with(blood_pressure("amina", 120), "subject", json!({"reference": subject}))
}

/// The address of what an entry wrote, without the version.
fn written(answer: &Answer, place: usize) -> String {
    let location = answer.entries()[place]["response"]["location"].clone();
    let location = location.as_str().unwrap_or_default().trim_start_matches("http://concord.test/fhir/");
    location.split("/_history/").next().unwrap_or_default().to_owned()
}

async fn entries_refer_to_one_another(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let subject = async |place: String| {
        let reading = system.get(&place).await.expect(200).json();
        text(&reading, "/subject/reference").to_owned()
    };
    // A conditional update that finds nothing, and then something.
    for status in ["201", "200"] {
        let entries = [
            entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d12", &reading(PATIENT)),
            entry("PUT", "Patient?identifier=urn:app|1", PATIENT, &patient("1")),
        ];
        let answer = send(&system, "transaction", &entries).await.expect(200);
        assert_eq!(statuses(&answer), ["201", status]);
        assert_eq!(subject(written(&answer, 0)).await, written(&answer, 1));
    }
    // What is relative is relative to the address that the entry had elsewhere.
    let elsewhere = "https://elsewhere.example/fhir";
    let entries = [
        entry("POST", "Patient", &format!("{elsewhere}/Patient/amina"), &patient("2")),
        entry("POST", "Observation", &format!("{elsewhere}/Observation/1"), &reading("Patient/amina")),
        entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d13", &reading("Patient/amina")),
    ];
    let answer = send(&system, "transaction", &entries).await.expect(200);
    assert_eq!(subject(written(&answer, 1)).await, written(&answer, 0));
    assert_eq!(subject(written(&answer, 2)).await, "Patient/amina");
    // A search in place of an address is for transactions.
    let by_search = reading("Patient?identifier=urn:app|1");
    let place = "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d20";
    let entries = [entry("POST", "Observation", place, &by_search)];
    send(&system, "transaction", &entries).await.expect(200);
    assert_eq!(statuses(&send(&system, "batch", &entries).await.expect(200)), ["400"]);
    assert_eq!(system.post("Observation", &by_search).await.expect(400).issues()[0].1, "Observation.subject");
    let collection = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [{"fullUrl": place, "resource": by_search}]});
    system.create(&collection).await;
    // Links in the narrative.
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{PATIENT}\">her</a></div>");
    let told = with(reading(PATIENT), "text", json!({"status": "generated", "div": div}));
    let entries = [
        entry("POST", "Patient", PATIENT, &patient("3")),
        entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d14", &told),
    ];
    let answer = send(&system, "transaction", &entries).await.expect(200);
    let stored = system.get(&written(&answer, 1)).await.expect(200).json();
    assert!(text(&stored, "/text/div").contains(&format!("href=\"{}\"", written(&answer, 0))), "{stored}");
    // Two entries with the same name, and two that are for the same resource.
    let before = system.get("Patient?_summary=count").await.json();
    let condition = "Patient?identifier=urn:app|4";
    for entries in [
        [entry("POST", "Patient", PATIENT, &patient("4")), entry("POST", "Patient", PATIENT, &patient("5"))],
        [
            entry("PUT", condition, PATIENT, &patient("4")),
            entry("PUT", condition, "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d15", &patient("4")),
        ],
    ] {
        send(&system, "transaction", &entries).await.expect(400).issues();
    }
    assert_eq!(system.get("Patient?_summary=count").await.json()["total"], before["total"]);
}

async fn conditions_after_deletions(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let old = system.create(&patient("1")).await;
    let create = |condition: &str, full_url: &str| {
        let mut entry = entry("POST", "Patient", full_url, &patient("1"));
        entry["request"]["ifNoneExist"] = json!(condition);
        entry
    };
    let entries = [
        create("identifier=urn:app|1", PATIENT),
        entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d16", &reading(PATIENT)),
        request("DELETE", "Patient?identifier=urn:app|1"),
    ];
    let answer = send(&system, "transaction", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "201", "204"]);
    let new = written(&answer, 0);
    assert_ne!(new, format!("Patient/{old}"));
    system.get(&format!("Patient/{old}")).await.expect(410);
    let stored = system.get(&written(&answer, 1)).await.expect(200).json();
    assert_eq!(text(&stored, "/subject/reference"), new);
    // The same condition twice is the same resource, in whichever form it is written.
    let other = "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d17";
    for (number, condition) in
        [("2", "identifier=urn:app|2"), ("3", "http://concord.test/fhir/Patient?identifier=urn:app|3")]
    {
        let mut entries = [
            create(condition, PATIENT),
            create(condition, other),
            entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d18", &reading(other)),
        ];
        entries[0]["resource"] = patient(number);
        entries[1]["resource"] = patient(number);
        let answer = send(&system, "transaction", &entries).await.expect(200);
        assert_eq!(statuses(&answer), ["201", "200", "201"]);
        assert_eq!(written(&answer, 0), written(&answer, 1));
        let stored = system.get(&written(&answer, 2)).await.expect(200).json();
        assert_eq!(text(&stored, "/subject/reference"), written(&answer, 0));
    }
    // A condition that another entry comes to meet: nobody is left to refer to what is not there.
    let entries = |subject: &str| {
        let mut second = create("identifier=urn:app|4", other);
        second["resource"] = patient("4");
        [
            entry("POST", "Patient", PATIENT, &patient("4")),
            second,
            entry("POST", "Observation", "urn:uuid:5b0f5d2c-3f0c-4a57-9c0b-2a1f3b0c8d19", &reading(subject)),
        ]
    };
    send(&system, "transaction", &entries(other)).await.expect(400).issues();
    assert!(system.get("Patient?identifier=urn:app|4").await.expect(200).ids().is_empty());
    send(&system, "transaction", &entries(PATIENT)).await.expect(200);
}

async fn entries_that_must_not_be_there_yet(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let put = |family: &str| {
        json!({"request": {"method": "PUT", "url": "Patient/new", "ifNoneMatch": "*"},
            "resource": {"resourceType": "Patient", "id": "new", "name": [{"family": family}]}})
    };
    send(&system, "transaction", &[put("first")]).await.expect(200);
    send(&system, "transaction", &[put("second")]).await.expect(412).issues();
    assert_eq!(statuses(&send(&system, "batch", &[put("third")]).await.expect(200)), ["412"]);
    assert_eq!(text(&system.get("Patient/new").await.expect(200).json(), "/name/0/family"), "first");
}

/// The entry of a patch: a JSON Patch in a Binary.
fn patch(url: &str, operations: &Value) -> Value {
    let data = base64::engine::general_purpose::STANDARD.encode(operations.to_string());
    json!({"request": {"method": "PATCH", "url": url},
        "resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}})
}

async fn patches(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let (one, other) = (amina.create(&goal("amina")).await, amina.create(&goal("amina")).await);
    let named = with(goal("amina"), "identifier", json!([{"system": "urn:app", "value": "third"}]));
    let third = amina.create(&named).await;
    let change = json!([{"op": "replace", "path": "/description/text", "value": "run"}]);
    let entries = [
        patch(&format!("Goal/{one}"), &change),
        patch("Goal?identifier=urn:app|third", &change),
        json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal("amina")}),
    ];
    let answer = send(&amina, "transaction", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "200", "201"]);
    for id in [&one, &third] {
        let stored = amina.get(&format!("Goal/{id}")).await.expect(200).json();
        assert_eq!((text(&stored, "/description/text"), text(&stored, "/meta/versionId")), ("run", "2"));
        let log = amina.get(&format!("AuditEvent?entity=Goal/{id}&subtype=patch")).await.expect(200).ids();
        assert_eq!(log.len(), 1);
    }
    // A test that does not hold undoes all of it.
    let test = json!([{"op": "test", "path": "/description/text", "value": "swim"}]);
    let entries = [
        patch(&format!("Goal/{one}"), &json!([{"op": "replace", "path": "/description/text", "value": "rest"}])),
        patch(&format!("Goal/{other}"), &test),
    ];
    send(&amina, "transaction", &entries).await.expect(409);
    assert_eq!(text(&amina.get(&format!("Goal/{one}")).await.json(), "/meta/versionId"), "2");
    // Each by the rules of its own request.
    let hidden = concord.system().create(&goal("callum")).await;
    let mut plain = patch(&format!("Goal/{one}"), &change);
    plain["resource"]["contentType"] = json!("text/plain");
    // As in a header, its case says nothing, and it may have parameters.
    let mut named = patch(&format!("Goal/{other}"), &change);
    named["resource"]["contentType"] = json!("Application/JSON-Patch+json; charset=utf-8");
    let entries = [
        patch(&format!("Goal/{other}"), &change),
        patch(&format!("Goal/{hidden}"), &change),
        plain,
        patch(&format!("Goal/{other}"), &test),
        patch("Goal?identifier=none|none", &change),
        json!({"request": {"method": "PATCH", "url": format!("Goal/{one}")}}),
        named,
    ];
    let answer = send(&amina, "batch", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "404", "415", "409", "404", "400", "200"]);
    // Twice the same resource.
    let entries = [patch(&format!("Goal/{other}"), &change), request("DELETE", &format!("Goal/{other}"))];
    send(&amina, "transaction", &entries).await.expect(400);
}

async fn histories_and_compartments(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina")).await;
    let changed = with(with(goal("amina"), "id", json!(id)), "lifecycleStatus", json!("on-hold"));
    amina.put(&format!("Goal/{id}"), &changed).await.expect(200);
    let hidden = concord.system().create(&goal("callum")).await;
    let entries = [
        request("GET", &format!("Goal/{id}/_history")),
        request("GET", "Goal/_history?_count=1"),
        request("GET", "Patient/amina/Goal?lifecycle-status=on-hold"),
        request("GET", "Patient/amina/*?_type=Goal"),
        request("GET", &format!("Goal/{hidden}/_history")),
        request("GET", "Patient/callum/Goal"),
        request("GET", "Goal/_history?name=x"),
        request("GET", "Patient/amina/Nonsense"),
    ];
    let told = |answer: &Answer| {
        let all = answer.entries();
        let history = all[0]["resource"]["entry"].as_array().expect("versions").clone();
        assert_eq!(history.len(), 2);
        assert_eq!((text(&history[0], "/request/method"), text(&all[0], "/resource/type")), ("PUT", "history"));
        assert_eq!(all[1]["resource"]["entry"].as_array().map(Vec::len), Some(1));
        assert!(all[1]["resource"]["link"].as_array().expect("links").iter().any(|link| link["relation"] == "next"));
        for place in [2, 3] {
            assert_eq!(text(&all[place], "/resource/entry/0/resource/id"), id, "{}", all[place]);
        }
        assert_eq!(
            text(&all[2], "/resource/link/0/url"),
            "http://concord.test/fhir/Patient/amina/Goal?lifecycle-status=on-hold"
        );
    };
    let answer = send(&amina, "batch", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "200", "200", "200", "404", "200", "400", "404"]);
    told(&answer);
    let found = answer.entries()[5]["resource"]["entry"].as_array().cloned().unwrap_or_default();
    assert!(found.iter().all(|entry| entry["search"]["mode"] == "outcome"), "{found:?}");
    told(&send(&amina, "transaction", &entries[..4]).await.expect(200));
    send(&amina, "transaction", &entries[..5]).await.expect(404);
    let log = amina.get("AuditEvent?subtype=history-instance").await.expect(200).ids();
    assert_eq!(log.len(), 3, "that it was refused at its last entry tells what the others read");
}

async fn operations_in_a_batch(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina")).await;
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "meta", "valueMeta": {"tag": [{"system": "urn:app", "code": "mine"}]}}]});
    let post = |url: &str| json!({"request": {"method": "POST", "url": url}, "resource": body});
    let entries = [
        request("GET", "Patient/amina/$everything?_type=Goal"),
        post(&format!("Goal/{id}/$meta-add")),
        request("GET", &format!("Goal/{id}/$meta")),
        request("GET", "Patient/callum/$everything"),
        request("GET", &format!("Goal/{id}/$meta-add")),
        request("GET", "Goal/$nonsense"),
        request("GET", "Patient/amina/$everything?nonsense=1"),
    ];
    let answer = send(&amina, "batch", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "200", "200", "404", "405", "404", "400"], "{answer}");
    let all = answer.entries();
    let found = all[0]["resource"]["entry"].as_array().expect("a record");
    assert!(found.iter().any(|entry| text(entry, "/resource/id") == id), "{found:?}");
    assert!(all[2]["resource"].to_string().contains("mine"), "{}", all[2]);
    let answer = send(&amina, "transaction", &entries[..3]).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "200", "200"], "{answer}");
    assert!(answer.entries()[2]["resource"].to_string().contains("mine"), "{answer}");
}

/// `_summary` and `_elements` of an entry are for its own answer.
async fn forms_of_single_entries(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina")).await;
    let place = format!("Goal/{id}");
    let entries = [
        request("GET", &format!("{place}?_elements=lifecycleStatus")),
        request("GET", &place),
        request("GET", "Goal?_summary=count"),
        request("GET", "Goal?_elements=lifecycleStatus"),
        request("GET", &format!("{place}?_summary=nonsense")),
        // A read has no search parameters; as over HTTP they say nothing.
        request("GET", &format!("{place}?status=x")),
    ];
    let answer = send(&amina, "batch", &entries).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "200", "200", "200", "400", "200"]);
    let all = answer.entries();
    assert!(all[0]["resource"].get("expressedBy").is_none() && all[0]["resource"].get("lifecycleStatus").is_some());
    assert!(all[1]["resource"].get("expressedBy").is_some());
    assert_eq!(all[2]["resource"]["total"], json!(1));
    let matches = |entry: &Value| {
        let list = entry["resource"]["entry"].as_array().cloned().unwrap_or_default();
        list.into_iter().filter(|one| one["search"]["mode"] == "match").collect::<Vec<_>>()
    };
    assert!(matches(&all[2]).is_empty());
    assert!(matches(&all[3])[0]["resource"].get("expressedBy").is_none(), "{}", all[3]);
}
