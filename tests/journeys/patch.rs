//! patch: parts of a resource are changed by the rules of an update, and nothing else of it.

use concord_tests::client::{Ask, Method};
use concord_tests::people::{self, blood_pressure};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    parts_are_changed_and_nothing_else,
    what_does_not_fit_changes_nothing,
    a_patch_obeys_the_rules_of_an_update
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
    patch(&amina, &place, &replace("/subject/reference", json!("Patient/callum"))).await.expect(403).issues();
    patch(&amina, &place, &replace("/performer/0/reference", json!("Practitioner/gp"))).await.expect(422).issues();
    let hidden = patch(&concord.patient("callum"), &place, &json!([])).await.expect(404);
    let missing = patch(&concord.patient("callum"), "Observation/none-such", &json!([])).await.expect(404);
    assert_eq!(hidden.body, missing.body, "hidden equals missing");
    let refused = patch(&concord.user("Practitioner/gp"), &place, &replace("/status", json!("amended"))).await;
    assert!(refused.expect(403).text().contains("Communication"), "the way is told");
    amina.delete(&place).await.expect(204);
    patch(&amina, &place, &json!([])).await.expect(410).issues();
}
