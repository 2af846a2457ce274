//! What is done for every label of a resource, and for every message above an answer, is bounded by number: at the bound everything
//! works, and one more is refused with the number, in whatever way it comes.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    labels_of_one_resource, labels_beside_one_resource, a_thread, what_a_message_answers, what_a_request_for_correction_is_about
}

/// How many labels a resource bears at most, and how many are beside it.
const MOST_LABELS: usize = 100;
const MOST_BESIDE: usize = 50;

/// How many messages may be above an answer.
const LONGEST: usize = 200;

/// How many messages one answers, and how many things it is about.
const MOST_NAMED: usize = 20;

fn labels(from: usize, to: usize) -> Value {
    (from..to).map(|number| json!({"system": "urn:x", "code": format!("c{number}")})).collect()
}

fn labelled(resource: Value, number: usize) -> Value {
    with(resource, "meta", json!({"security": labels(0, number)}))
}

async fn meta(app: &App, place: &str, operation: &str, labels: Value) -> Answer {
    let given =
        json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": labels}}]});
    app.post(&format!("{place}/{operation}"), &given).await
}

async fn patched(app: &App, place: &str, patch: Value) -> Answer {
    app.ask(Method::PATCH, place).body("application/json-patch+json", patch.to_string()).await
}

async fn in_transaction(app: &App, method: &str, url: &str, resource: &Value) -> Answer {
    let entry = json!({"request": {"method": method, "url": url}, "resource": resource});
    app.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).await
}

/// That it was refused for its number, which is told.
fn refuses(answer: &Answer, numbers: &[usize]) {
    assert_eq!(answer.status, 422, "{answer}");
    for number in numbers {
        assert!(
            answer.text().contains(&format!("{number} ")) || answer.text().contains(&format!("{number}\"")),
            "{answer}"
        );
    }
}

fn count(resource: &Value) -> usize {
    resource["meta"]["security"].as_array().map_or(0, Vec::len)
}

async fn labels_of_one_resource(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    for (app, own) in [(&amina, 1), (&system, 0)] {
        let reading = |number: usize| labelled(blood_pressure("amina", 120), number);
        let id = app.create(&reading(MOST_LABELS)).await;
        let place = format!("Observation/{id}");
        refuses(&app.post("Observation", &reading(MOST_LABELS + 1)).await, &[MOST_LABELS, MOST_LABELS + 1]);
        let stored = app.get(&place).await.expect(200).json();
        assert_eq!(count(&stored), MOST_LABELS + own, "with who vouches for it");
        // What was read is sent back; one more is too many.
        app.put(&place, &with(stored.clone(), "status", json!("amended"))).await.expect(200);
        let more = with(reading(MOST_LABELS + 1), "id", json!(id));
        refuses(&app.put(&place, &more).await, &[MOST_LABELS, MOST_LABELS + 1]);
        // By a patch, and by the operation.
        patched(app, &place, json!([{"op": "replace", "path": "/status", "value": "final"}])).await.expect(200);
        let one = json!({"system": "urn:x", "code": "another"});
        let add = json!([{"op": "add", "path": "/meta/security/-", "value": one}]);
        refuses(&patched(app, &place, add.clone()).await, &[MOST_LABELS, MOST_LABELS + 1]);
        refuses(&meta(app, &place, "$meta-add", json!([one])).await, &[MOST_LABELS, MOST_LABELS + 1]);
        meta(app, &place, "$meta-add", labels(0, 1)).await.expect(200);
        // In a transaction: of which nothing is stored.
        in_transaction(app, "POST", "Observation", &reading(MOST_LABELS)).await.expect(200);
        let refused = in_transaction(app, "POST", "Observation", &reading(MOST_LABELS + 1)).await;
        refuses(&refused, &[MOST_LABELS, MOST_LABELS + 1]);
        assert_eq!(refused.issues()[0].1, "Bundle.entry[0].resource.meta.security", "{refused}");
        refuses(&in_transaction(app, "PUT", &place, &more).await, &[MOST_LABELS, MOST_LABELS + 1]);
        // Of one that has fewer, the last one is put there.
        let fewer = format!("Observation/{}", app.create(&reading(MOST_LABELS - 2)).await);
        patched(app, &fewer, add).await.expect(200);
        meta(app, &fewer, "$meta-add", json!([{"system": "urn:x", "code": "last"}])).await.expect(200);
        assert_eq!(count(&app.get(&fewer).await.expect(200).json()), MOST_LABELS + own);
        refuses(
            &meta(app, &fewer, "$meta-add", json!([{"system": "urn:x", "code": "more"}])).await,
            &[MOST_LABELS, MOST_LABELS + 1],
        );
    }
}

/// What inherits is no more bounded by that: what it reads with is not its own, and is sent back.
async fn labels_beside_one_resource(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let visit = json!({"resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/amina"}});
    system.store(&labelled(visit, MOST_LABELS)).await;
    let during = with(blood_pressure("amina", 120), "encounter", json!({"reference": "Encounter/visit"}));
    let own: Value = (0..MOST_LABELS).map(|number| json!({"system": "urn:y", "code": format!("c{number}")})).collect();
    let id = system.create(&with(during, "meta", json!({"security": own}))).await;
    let stored = system.get(&format!("Observation/{id}")).await.expect(200).json();
    assert_eq!(count(&stored), 2 * MOST_LABELS);
    system.put(&format!("Observation/{id}"), &with(stored, "status", json!("amended"))).await.expect(200);
    // Beside what others wrote a patient puts what raises the sensitivity, of which there are few.
    let raising = |number: usize| -> Value {
        (0..number)
            .map(|_| json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}))
            .collect()
    };
    let place = format!("Observation/{id}");
    meta(&amina, &place, "$meta-add", raising(MOST_BESIDE)).await.expect(200);
    let refused = meta(&amina, &place, "$meta-add", raising(MOST_BESIDE)).await;
    refuses(&refused, &[MOST_BESIDE]);
    let refused = meta(&amina, &place, "$meta-add", raising(MOST_BESIDE + 1)).await.expect(400);
    assert!(refused.text().contains(&format!("{MOST_BESIDE} ")), "{refused}");
}

fn message(about: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": about}], "payload": [{"contentString": "well"}]})
}

fn answer(to: &[&str]) -> Value {
    let to: Vec<Value> = to.iter().map(|one| json!({"reference": one})).collect();
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "inResponseTo": to, "payload": [{"contentString": "better"}]})
}

/// A thread of so many messages: the last of them.
async fn thread(app: &App, about: &str, length: usize) -> String {
    let name = |number: usize| format!("urn:uuid:00000000-0000-4000-8000-{number:012}");
    let entry = |number: usize| {
        let mut said = message(about);
        if number > 0 {
            said["inResponseTo"] = json!([{"reference": name(number - 1)}]);
        }
        json!({"fullUrl": name(number), "request": {"method": "POST", "url": "Communication"}, "resource": said})
    };
    let entries: Vec<Value> = (0..length).map(entry).collect();
    let sent = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answered = app.post("/fhir", &sent).await.expect(200).json();
    let last = text(&answered, &format!("/entry/{}/response/location", length - 1)).to_owned();
    let (_, id) = last.split_once("Communication/").expect("a location");
    format!("Communication/{}", id.trim_end_matches("/_history/1"))
}

async fn a_thread(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let last = thread(&amina, &reading, LONGEST).await;
    // At the bound: by each way.
    let next = format!("Communication/{}", amina.create(&answer(&[&last])).await);
    in_transaction(&amina, "POST", "Communication", &answer(&[&last])).await.expect(200);
    let written = amina.get(&next).await.expect(200).json();
    let payload = json!([{"contentString": "best"}]);
    amina.put(&next, &with(written.clone(), "payload", payload.clone())).await.expect(200);
    patched(&amina, &next, json!([{"op": "replace", "path": "/payload/0/contentString", "value": "well"}]))
        .await
        .expect(200);
    meta(&amina, &next, "$meta-add", labels(0, 1)).await.expect(200);
    // One above.
    refuses(&amina.post("Communication", &answer(&[&next])).await, &[LONGEST]);
    refuses(&in_transaction(&amina, "POST", "Communication", &answer(&[&next])).await, &[LONGEST]);
    let other = amina.create(&message(&reading)).await;
    let place = format!("Communication/{other}");
    let moved = with(with(answer(&[&next]), "id", json!(other)), "about", json!([{"reference": reading}]));
    refuses(&amina.put(&place, &moved).await, &[LONGEST]);
    let add = json!([{"op": "add", "path": "/inResponseTo", "value": [{"reference": next}]}]);
    refuses(&patched(&amina, &place, add).await, &[LONGEST]);
    // By whatever way it is gone up: what several ways lead to counts once.
    let beside = format!("Communication/{}", amina.create(&message(&reading)).await);
    refuses(&amina.post("Communication", &answer(&[&last, &beside])).await, &[LONGEST]);
    amina.create(&answer(&[&last, &last])).await;
}

async fn what_a_message_answers(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let mut first = Vec::new();
    for _ in 0..=MOST_NAMED {
        first.push(format!("Communication/{}", amina.create(&message(&reading)).await));
    }
    let all: Vec<&str> = first.iter().map(String::as_str).collect();
    let place = format!("Communication/{}", amina.create(&answer(&all[..MOST_NAMED])).await);
    in_transaction(&amina, "POST", "Communication", &answer(&all[..MOST_NAMED])).await.expect(200);
    refuses(&amina.post("Communication", &answer(&all)).await, &[MOST_NAMED, MOST_NAMED + 1]);
    refuses(&in_transaction(&amina, "POST", "Communication", &answer(&all)).await, &[MOST_NAMED, MOST_NAMED + 1]);
    meta(&amina, &place, "$meta-add", labels(0, 1)).await.expect(200);
    let add = json!([{"op": "add", "path": "/inResponseTo/-", "value": {"reference": all[MOST_NAMED]}}]);
    refuses(&patched(&amina, &place, add).await, &[MOST_NAMED, MOST_NAMED + 1]);
    let written = amina.get(&place).await.expect(200).json();
    let more = with(written, "inResponseTo", answer(&all)["inResponseTo"].clone());
    refuses(&amina.put(&place, &more).await, &[MOST_NAMED, MOST_NAMED + 1]);
}

async fn what_a_request_for_correction_is_about(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let mut named = Vec::new();
    for _ in 0..=MOST_NAMED {
        named.push(format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await));
    }
    let asking = |number: usize| {
        let about: Vec<Value> = named[..number].iter().map(|one| json!({"reference": one})).collect();
        let coding = json!({"system": "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionTaskTypes",
            "code": "medRecCxReq"});
        json!({"resourceType": "Communication", "status": "completed", "category": [{"coding": [coding]}],
            "subject": {"reference": "Patient/amina"}, "about": about, "payload": [{"contentString": "this is wrong"}]})
    };
    amina.post("Communication", &asking(MOST_NAMED)).await.expect(201);
    in_transaction(&amina, "POST", "Communication", &asking(MOST_NAMED)).await.expect(200);
    refuses(&amina.post("Communication", &asking(MOST_NAMED + 1)).await, &[MOST_NAMED]);
    refuses(&in_transaction(&amina, "POST", "Communication", &asking(MOST_NAMED + 1)).await, &[MOST_NAMED]);
}
