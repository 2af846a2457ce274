//! patch: parts of a resource are changed by the rules of an update, and nothing else of it.

use concord_tests::client::{Ask, Method};
use concord_tests::people::{self, blood_pressure};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    parts_are_changed_and_nothing_else,
    what_does_not_fit_changes_nothing,
    a_patch_obeys_the_rules_of_an_update,
    a_merge_patch_does_the_same,
    a_create_takes_its_condition_from_the_address
}

fn patch(app: &App, place: &str, operations: &Value) -> Ask {
    app.ask(Method::PATCH, place).body("application/json-patch+json", operations.to_string())
}

fn replace(path: &str, value: Value) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

async fn parts_are_changed_and_nothing_else(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let text = blood_pressure("amina", 120).to_string().replace("120", "120.50");
    let made = amina.ask(Method::POST, "Observation").body("application/fhir+json", text).await.expect(201);
    let before = made.json();
    let id = before["id"].as_str().expect("an id").to_owned();
    let place = format!("Observation/{id}");
    let operations = json!([
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
        {"op": "add", "path": "/note", "value": [{"text": "after a rest"}]}
    ]);
    let changed = patch(&amina, &place, &operations).header("If-Match", "W/\"1\"").await.expect(200);
    assert_eq!(changed.header("etag"), "W/\"2\"");
    assert!(changed.text().contains("120.50"), "no digit is lost: {changed}");
    let mut wanted = before.clone();
    wanted["status"] = json!("amended");
    wanted["note"] = json!([{"text": "after a rest"}]);
    wanted["meta"] = changed.json()["meta"].clone();
    assert_eq!(changed.json(), wanted);
    let same = patch(&amina, &place, &replace("/status", json!("amended"))).await.expect(200);
    assert_eq!(same.header("etag"), "W/\"2\"", "an identical version is none");
    let matched = patch(&amina, &format!("Observation?_id={id}"), &replace("/status", json!("final"))).await;
    assert_eq!((matched.status, matched.header("etag")), (200, "W/\"3\""));
    let log = concord.patient("amina").get("AuditEvent?patient=amina").await.expect(200);
    assert!(log.text().contains("\"code\":\"patch\""), "{log}");
    let origin = concord.system().get(&format!("Provenance?target={place}/_history/2")).await.expect(200);
    assert_eq!(origin.ids().len(), 3, "one for each version, whichever is named: {origin}");
}

async fn what_does_not_fit_changes_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    for (operations, status) in [
        (json!([{"op": "test", "path": "/status", "value": "amended"}]), 409),
        (replace("/nothing", json!(1)), 422),
        (replace("/status", json!("excellent")), 422),
        (json!([{"op": "add", "path": "/colour", "value": "red"}]), 422),
        (json!([{"op": "remove", "path": "/code"}]), 422),
        (replace("/id", json!("another")), 422),
        (replace("/resourceType", json!("Goal")), 422),
        (json!([{"op": "shake", "path": "/code"}]), 400),
        (json!({"status": "amended"}), 400),
    ] {
        patch(&amina, &place, &operations).await.expect(status).issues();
    }
    patch(&amina, &place, &json!([])).header("If-Match", "W/\"7\"").await.expect(412).issues();
    let merge = amina.ask(Method::PATCH, &place).body("application/fhir+json", "{}".to_owned()).await;
    merge.expect(415).issues();
    patch(&amina, "Observation?_id=none-such", &json!([])).await.expect(404).issues();
    patch(&amina, "Observation", &json!([])).await.expect(400).issues();
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"1\"");
}

async fn a_patch_obeys_the_rules_of_an_update(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    patch(&amina, &place, &replace("/subject/reference", json!("Patient/callum"))).await.expect(422).issues();
    patch(&amina, &place, &replace("/performer/0/reference", json!("Practitioner/gp"))).await.expect(422).issues();
    let hidden = patch(&concord.patient("callum"), &place, &json!([])).await.expect(404);
    let missing = patch(&concord.patient("callum"), "Observation/none-such", &json!([])).await.expect(404);
    assert_eq!(hidden.body, missing.body, "hidden equals missing");
    let refused = patch(&concord.user("Practitioner/gp"), &place, &replace("/status", json!("amended"))).await;
    assert!(refused.expect(403).text().contains("Communication"), "the way is told");
    amina.delete(&place).await.expect(204);
    patch(&amina, &place, &json!([])).await.expect(410).issues();
}

async fn a_merge_patch_does_the_same(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let text = blood_pressure("amina", 120).to_string().replace("120", "120.50");
    let made = amina.ask(Method::POST, "Observation").body("application/fhir+json", text).await.expect(201).json();
    let place = format!("Observation/{}", made["id"].as_str().expect("an id"));
    let merge = |media: &str, body: &Value| amina.ask(Method::PATCH, &place).body(media, body.to_string());
    let note = json!({"status": "amended", "note": [{"text": "after a rest"}]});
    let changed = merge("application/merge-patch+json", &note).header("If-Match", "W/\"1\"").await.expect(200);
    assert!(changed.text().contains("120.50"), "no digit is lost: {changed}");
    assert_eq!((&changed.json()["status"], &changed.json()["code"]), (&json!("amended"), &made["code"]));
    // As libraries send it.
    let without = merge("application/json", &json!({"note": null})).await.expect(200).json();
    assert_eq!(without.get("note"), None);
    let listed = merge("application/json; charset=utf-8", &replace("/status", json!("final"))).await.expect(200).json();
    assert_eq!(listed["status"], "final");
    for (media, body, status) in [
        ("application/merge-patch+json", json!([]), 400),
        ("application/merge-patch+json", json!({"status": "excellent"}), 422),
        ("application/merge-patch+json", json!({"id": "another"}), 422),
        ("application/merge-patch+json", json!({"resourceType": "Goal"}), 422),
        ("application/merge-patch+json", json!({"code": null}), 422),
        ("application/merge-patch+json", json!({"subject": {"reference": "Patient/callum"}}), 422),
        ("application/json", json!("status"), 400),
        ("application/fhir+json", json!({"status": "amended"}), 415),
        ("application/xml", json!({"status": "amended"}), 415),
    ] {
        merge(media, &body).await.expect(status).issues();
    }
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, note.to_string());
    let binary = json!({"resourceType": "Binary", "contentType": "application/merge-patch+json", "data": data});
    let entry = json!({"resource": binary, "request": {"method": "PATCH", "url": place}});
    for kind in ["batch", "transaction"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        let answer = amina.post("", &bundle).await.expect(200).json();
        assert_eq!(answer["entry"][0]["response"]["status"], "200 OK", "{answer}");
    }
    assert_eq!(amina.get(&place).await.expect(200).json()["note"], note["note"]);
}

/// What some libraries call "get or create".
async fn a_create_takes_its_condition_from_the_address(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let device = json!({"resourceType": "Device", "identifier": [{"system": "urn:example", "value": "d"}]});
    let first = system.post("Device?identifier=urn:example%7Cd&_pretty=true", &device).await.expect(201).json();
    let again = system.post("Device?identifier=urn:example%7Cd", &device).await.expect(200).json();
    assert_eq!(again["id"], first["id"]);
    system.create(&device).await;
    system.post("Device?identifier=urn:example%7Cd", &device).await.expect(412).issues();
    for wrong in ["Device?nothing=x", "Device?_count=1"] {
        system.post(wrong, &device).await.expect(400).issues();
    }
    // The name of a file is none.
    let content = system.ask(Method::POST, "Binary?_filename=a.txt").body("text/plain", "hello".to_owned());
    let stored = content.await.expect(201).json();
    let place = format!("Binary/{}", stored["id"].as_str().expect("an id"));
    assert_eq!(system.get(&place).header("accept", "text/plain").await.expect(200).text(), "hello");
    let twice = system.post("Device?identifier=urn:example%7Cd", &device).header("if-none-exist", "identifier=x");
    twice.await.expect(400).issues();
    let other = json!({"resourceType": "Device", "identifier": [{"system": "urn:example", "value": "e"}]});
    let entry = json!({"resource": other, "request": {"method": "POST", "url": "Device?identifier=urn:example|e"}});
    for (kind, status) in [("transaction", "201 Created"), ("transaction", "200 OK"), ("batch", "200 OK")] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        let answer = system.post("", &bundle).await.expect(200).json();
        assert_eq!(answer["entry"][0]["response"]["status"], status, "{answer}");
    }
}
