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
    a_patch_in_every_form,
    a_patch_in_every_form_obeys_the_rules,
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
    let other = |media: &str| amina.ask(Method::PATCH, &place).body(media, "{}".to_owned());
    other("text/plain").await.expect(415).issues();
    other("application/fhir+json").await.expect(400).issues();
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
        ("application/fhir+json", json!({"status": "amended"}), 400),
        ("application/xml", json!({"status": "amended"}), 400),
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

/// A patch that sets the status of an Observation, in every form: its media type and its body.
fn every_form(status: &str) -> Vec<(&'static str, String)> {
    let part = |name: &str, kind: &str, value: &str| json!({"name": name, kind: value});
    let operation =
        |parts: Value| json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]});
    let parameters = operation(json!([
        part("type", "valueCode", "replace"),
        part("path", "valueString", "Observation.status"),
        part("value", "valueCode", status)
    ]));
    let xml = format!(
        "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"operation\"/>\
         <part><name value=\"type\"/><valueCode value=\"replace\"/></part>\
         <part><name value=\"path\"/><valueString value=\"Observation.status\"/></part>\
         <part><name value=\"value\"/><valueCode value=\"{status}\"/></part></parameter></Parameters>"
    );
    let diff = format!(
        "<diff xmlns:f=\"http://hl7.org/fhir\"><replace sel=\"f:Observation/f:status/@value\">{status}</replace></diff>"
    );
    vec![
        ("application/json-patch+json", replace("/status", json!(status)).to_string()),
        ("application/merge-patch+json", json!({"status": status}).to_string()),
        ("application/xml-patch+xml", diff.clone()),
        ("application/xml", diff),
        ("application/fhir+json", parameters.to_string()),
        ("application/json", parameters.to_string()),
        ("application/fhir+xml; charset=utf-8", xml.clone()),
        ("text/xml", xml),
    ]
}

async fn a_patch_in_every_form(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let text = blood_pressure("amina", 120).to_string().replace("120", "120.50");
    let made = amina.ask(Method::POST, "Observation").body("application/fhir+json", text).await.expect(201).json();
    let id = made["id"].as_str().expect("an id");
    let place = format!("Observation/{id}");
    let mut version = 1;
    let mut statuses = ["amended", "final"].into_iter().cycle();
    for number in 0..every_form("final").len() {
        let mut next = || {
            let status = statuses.next().expect("one");
            let (media, body) = every_form(status).swap_remove(number);
            version += 1;
            (status, media, body, format!("W/\"{version}\""))
        };
        for address in [place.clone(), format!("Observation?_id={id}")] {
            let (status, media, body, tag) = next();
            let changed = amina.ask(Method::PATCH, &address).body(media, body).await.expect(200);
            assert_eq!((changed.json()["status"].as_str(), changed.header("etag")), (Some(status), tag.as_str()));
            assert!(changed.text().contains("120.50"), "no digit is lost: {changed}");
        }
        for kind in ["batch", "transaction"] {
            let (status, media, body, tag) = next();
            let is_parameters = media == "application/fhir+json";
            let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body);
            let resource = match is_parameters && kind == "batch" {
                true => serde_json::from_str(&body).expect("JSON"),
                false => json!({"resourceType": "Binary", "contentType": media, "data": data}),
            };
            let entry = json!({"resource": resource, "request": {"method": "PATCH", "url": place}});
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
            let answer = amina.post("", &bundle).await.expect(200).json();
            assert_eq!(answer["entry"][0]["response"]["etag"], tag, "{media} {answer}");
            assert_eq!(amina.get(&place).await.expect(200).json()["status"], status);
        }
    }
    let mut wanted = made.clone();
    let after = amina.get(&place).await.expect(200).json();
    wanted["meta"] = after["meta"].clone();
    assert_eq!(after, wanted, "nothing else of it has changed");
    let formats = concord.nobody().get("metadata").await.expect(200).json()["patchFormat"].clone();
    let told = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/xml-patch+xml",
        "application/fhir+json",
        "application/fhir+xml",
    ];
    assert_eq!(formats, json!(told));
}

async fn a_patch_in_every_form_obeys_the_rules(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let send = |app: &App, media: &str, body: String| app.ask(Method::PATCH, &place).body(media, body);
    for (media, body) in every_form("excellent") {
        send(&amina, media, body).await.expect(422).issues();
    }
    for (media, body) in every_form("amended") {
        send(&concord.patient("callum"), media, body.clone()).await.expect(404).issues();
        send(&concord.user("Practitioner/gp"), media, body.clone()).await.expect(403).issues();
        let text = body.replace("Observation", "Goal").replace("f:status", "f:colour").replace("status", "colour");
        let told = send(&amina, media, text).await;
        assert!(told.status == 422, "{media}: {told}");
        send(&amina, media, "<".to_owned() + &body).await.expect(400).issues();
    }
    let subject = |media: &str| match media {
        "application/xml-patch+xml" => {
            "<diff><replace sel=\"Observation/subject/reference/@value\">Patient/callum</replace></diff>".to_owned()
        }
        _ => every_form("Patient/callum")
            .swap_remove(4)
            .1
            .replace("Observation.status", "Observation.subject.reference")
            .replace("valueCode\":\"Patient", "valueString\":\"Patient"),
    };
    for media in ["application/xml-patch+xml", "application/fhir+json"] {
        send(&amina, media, subject(media)).await.expect(422).issues();
    }
    let operation = "<remove sel=\"Observation/note\"/>";
    let many = format!("<diff>{}</diff>", operation.repeat(1_001));
    let told = send(&amina, "application/xml-patch+xml", many).await.expect(400);
    assert!(told.text().contains("at most 1000 operations"), "{told}");
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"1\"");
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
