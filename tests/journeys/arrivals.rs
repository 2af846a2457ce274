//! Resources as users' files and clients write them: read, stored unchanged, and done once.

use concord_tests::client::{FHIR_JSON, Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! {
    files_as_they_are, numbers_are_tested_by_their_value, versions_are_told_by_their_ids, deleting_what_never_was,
    what_systems_hand_in_is_handed_in_once
}

const FHIR_XML: &str = "application/fhir+xml";

async fn files_as_they_are(concord: &Concord) {
    let system = concord.system();
    let wanted = json!({"gender": "male", "name": [{"family": "Fraser"}]});
    for (media, body) in [
        (
            FHIR_JSON,
            "\u{FEFF}{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Fraser\"}],\"gender\":\"male\"}".to_owned(),
        ),
        (
            FHIR_XML,
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?><?xml-stylesheet href=\"x.xsl\"?><ns0:Patient \
             xmlns:ns0=\"http://hl7.org/fhir\" xmlns:other=\"urn:other\"><ns0:name><ns0:family value=\" Fraser \"/>\
             </ns0:name><ns0:gender value=\"male \"/></ns0:Patient>"
                .to_owned(),
        ),
    ] {
        let stored = system.ask(Method::POST, "Patient").body(media, body.clone()).await.expect(201).json();
        assert_eq!((&stored["gender"], &stored["name"]), (&wanted["gender"], &wanted["name"]), "{body}");
    }
    // A Bundle, a patch and a form come the same way.
    let bundle = "\u{FEFF}{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{\"method\":\"GET\",\"url\":\"Patient\"}}]}";
    system.ask(Method::POST, "/fhir").body(FHIR_JSON, bundle).await.expect(200);
    // Still no entities and no document types.
    for body in [
        "<!DOCTYPE Patient [<!ENTITY e \"male\">]><Patient xmlns=\"http://hl7.org/fhir\"><gender value=\"&e;\"/></Patient>",
        "<ns0:Patient xmlns:ns0=\"urn:hl7-org:v3\"/>",
        "<ns0:Patient xmlns:ns0=\"http://hl7.org/fhir\"><gender value=\"male\"/></ns0:Patient>",
    ] {
        let refused = system.ask(Method::POST, "Patient").body(FHIR_XML, body).await;
        assert!([400, 422].contains(&refused.status), "{body}: {refused}");
    }
    // White space that is written comes back, in either form.
    let spaces = json!({"resourceType": "Basic", "code": {"text": " two  blanks \n"}});
    let id = system.create(&spaces).await;
    let xml = system.get(&format!("Basic/{id}")).header("accept", FHIR_XML).await.expect(200).text();
    let again = system.ask(Method::PUT, &format!("Basic/{id}")).body(FHIR_XML, xml).await.expect(200).json();
    assert_eq!((text(&again, "/code/text"), text(&again, "/meta/versionId")), (" two  blanks \n", "1"));
}

async fn numbers_are_tested_by_their_value(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let body = with(
        blood_pressure("amina", 120),
        "component",
        json!([{"code": {"text": "x"}, "valueQuantity": {"value": 0, "unit": "x"}}]),
    );
    // As a client writes it: with the digits that it means.
    let body = body.to_string().replace("\"value\":0", "\"value\":1.10");
    let id =
        text(&system.ask(Method::POST, "Observation").body(FHIR_JSON, body).await.expect(201).json(), "/id").to_owned();
    for (number, status) in
        [("1.1", 200), ("1.10", 200), ("11e-1", 200), ("0.11E+1", 200), ("1.11", 409), ("11", 409), ("\"1.1\"", 409)]
    {
        let patch = format!("[{{\"op\":\"test\",\"path\":\"/component/0/valueQuantity/value\",\"value\":{number}}}]");
        let ask = system.ask(Method::PATCH, &format!("Observation/{id}"));
        ask.body("application/json-patch+json", patch).await.expect(status);
    }
    let stored = system.get(&format!("Observation/{id}")).await.expect(200);
    assert!(stored.text().contains("\"value\":1.10"), "the digits stay: {stored}");
}

/// A version id is a text: what is another way to write its number is the id of none.
async fn versions_are_told_by_their_ids(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    amina.get(&format!("Observation/{id}/_history/1")).await.expect(200);
    let changed = with(with(blood_pressure("amina", 121), "id", json!(id)), "status", json!("amended"));
    for version in ["01", "+1", "001", "1.0", "0", "-1", "x"] {
        amina.get(&format!("Observation/{id}/_history/{version}")).await.expect(404);
        let stale = amina.put(&format!("Observation/{id}"), &changed).header("if-match", &format!("W/\"{version}\""));
        stale.await.expect(412).issues();
        let read = amina.get(&format!("Observation/{id}")).header("if-none-match", &format!("W/\"{version}\""));
        read.await.expect(200);
    }
}

/// Sync clients delete what they do not know to be there. Whoever may not know of everything learns nothing.
async fn deleting_what_never_was(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    system.delete("Patient/never").await.expect(204);
    system.delete("Patient/never").header("if-match", "W/\"1\"").await.expect(412);
    let told = system.get("AuditEvent?action=D&entity=Patient/never&_count=10").await.expect(200).ids();
    assert_eq!(told.len(), 2, "the log tells of both");
    let entries = [
        json!({"request": {"method": "DELETE", "url": "Patient/never"}}),
        json!({"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}),
    ];
    system.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await.expect(200);
    let hidden = system.create(&blood_pressure("callum", 120)).await;
    for app in [
        concord.patient("amina"),
        concord.user("Practitioner/gp"),
        concord.system_with("system/Observation.cruds?status=amended"),
    ] {
        let answers = [hidden.as_str(), "01900000-0000-7000-8000-000000000000"].map(|id| format!("Observation/{id}"));
        let mut told = Vec::new();
        for place in &answers {
            let refused = app.delete(place).await;
            told.push((refused.status, refused.text()));
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0].0, 404);
    }
    system.get(&format!("Observation/{hidden}")).await.expect(200);
}

async fn what_systems_hand_in_is_handed_in_once(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let reading = system.create(&blood_pressure("amina", 120)).await;
    let event = json!({"resourceType": "AuditEvent", "type": {"code": "rest"}, "subtype": [{"code": "read"}],
        "recorded": "2026-12-01T11:00:00Z", "agent": [{"requestor": true, "who": {"reference": "Practitioner/elsewhere"}}],
        "source": {"observer": {"display": "An app"}}, "entity": [{"what": {"reference": "Patient/amina"}}]});
    let said = json!({"resourceType": "Provenance", "target": [{"reference": format!("Observation/{reading}")}],
        "recorded": "2026-12-01T11:00:00Z", "agent": [{"who": {"reference": "Practitioner/gp"}}]});
    for (resource, condition) in [
        (&event, "agent=Practitioner/elsewhere&patient=Patient/amina".to_owned()),
        (&said, format!("target=Observation/{reading}")),
    ] {
        let name = text(resource, "/resourceType");
        let mut ids = Vec::new();
        for status in [201, 200, 200] {
            let answer = system.post(name, resource).header("if-none-exist", &condition).await.expect(status);
            ids.push(text(&answer.json(), "/id").to_owned());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{name}: {ids:?}");
        let found = system.get(&format!("{name}?{condition}")).await.expect(200).ids();
        assert_eq!(found, [ids[0].as_str()], "{name}");
        let mut entry =
            json!({"request": {"method": "POST", "url": name, "ifNoneExist": condition}, "resource": resource});
        for kind in ["batch", "transaction"] {
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
            let answer = system.post("/fhir", &bundle).await.expect(200).entries();
            assert!(text(&answer[0], "/response/status").starts_with("200"), "{name} {kind}: {}", answer[0]);
        }
        // More than one is no answer, and a condition that says nothing is none.
        system.post(name, resource).await.expect(201);
        system.post(name, resource).header("if-none-exist", &condition).await.expect(412).issues();
        system.post(name, resource).header("if-none-exist", "_count=1").await.expect(400).issues();
        entry["request"]["ifNoneExist"] = json!("colour=red");
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
        let answer = system.post("/fhir", &bundle).await.expect(200).entries();
        assert!(text(&answer[0], "/response/status").starts_with("400"), "{name}: {}", answer[0]);
    }
    // Nobody else hands in events, whatever the condition.
    let amina = concord.patient("amina");
    amina.post("AuditEvent", &event).header("if-none-exist", "patient=Patient/amina").await.expect(403).issues();
}
