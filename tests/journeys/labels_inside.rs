//! Labels that protect though they do not stand where a label usually stands, or are not written as their system has them: those of
//! the resources inside a Bundle, and codings that nobody understands.

use concord_api::auth::development::TokenRequest;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    with super::SETTINGS;
    of_what_a_bundle_holds, that_are_not_understood
}

const SETTINGS: &[(&str, &str)] =
    &[("CONCORD_CLIENTS", r#"[{"client": "phr-app"}, {"client": "letters", "purposes": ["TREAT"]}]"#)];

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const LEVEL: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const PKB: &str = "http://fhir.patientsknowbest.com/codesystem/privacy-label";
const OWN: &str = "urn:concord:label";

fn letters(concord: &Concord) -> App {
    concord.app(&TokenRequest {
        client_id: "letters".to_owned(),
        scope: "system/*.cruds".to_owned(),
        ..TokenRequest::default()
    })
}

fn urn(number: usize) -> String {
    format!("urn:uuid:3c3c6c1c-0000-4000-8000-{number:012}")
}

/// A Bundle of a type with these resources.
fn bundle(id: &str, of: &str, resources: &[Value]) -> Value {
    let entry = |(number, resource): (usize, &Value)| json!({"fullUrl": urn(number), "resource": resource});
    let entries: Vec<Value> = resources.iter().enumerate().map(entry).collect();
    json!({"resourceType": "Bundle", "id": id, "type": of, "timestamp": "2026-01-01T00:00:00Z",
        "identifier": {"system": "urn:x", "value": id}, "entry": entries})
}

fn composition() -> Value {
    json!({"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "subject": {"display": "x"},
        "date": "2026-01-01", "author": [{"display": "x"}], "title": "t"})
}

fn labelled(security: &Value) -> Value {
    with(blood_pressure("amina", 120), "meta", json!({"security": security}))
}

async fn of_what_a_bundle_holds(concord: &Concord) {
    people::arrive(concord).await;
    let (system, letters) = (concord.system(), letters(concord));
    let sensitive = labelled(&json!([{"system": ACT, "code": "SEX"}]));
    let plain = labelled(&json!([{"system": LEVEL, "code": "N"}]));
    let within = bundle("inner", "collection", &[plain.clone(), sensitive.clone()]);
    for (id, held, is_shown) in [
        ("plain", bundle("plain", "collection", std::slice::from_ref(&plain)), true),
        ("one", bundle("one", "collection", &[plain.clone(), sensitive.clone()]), false),
        ("deep", bundle("deep", "collection", &[within]), false),
        ("document", bundle("document", "document", &[composition(), sensitive.clone()]), false),
        ("open-document", bundle("open-document", "document", &[composition(), plain.clone()]), true),
    ] {
        system.store(&held).await;
        let status = if is_shown { 200 } else { 404 };
        letters.get(&format!("Bundle/{id}")).await.expect(status);
        letters.get(&format!("Bundle/{id}/_history/1")).await.expect(status);
        assert_eq!(
            letters.get(&format!("Bundle?_id={id}")).await.expect(200).ids().len(),
            usize::from(is_shown),
            "{id}"
        );
        if id.ends_with("document") {
            letters.get(&format!("Bundle/{id}/$document")).await.expect(status);
        }
    }
    // What names it is protected by that, and another version by its own.
    let about = json!({"resourceType": "DocumentReference", "id": "names", "status": "current",
        "subject": {"reference": "Patient/amina"}, "content": [{"attachment": {"url": "Bundle/one"}}]});
    system.store(&about).await;
    letters.get("DocumentReference/names").await.expect(404);
    system.store(&bundle("one", "collection", &[plain])).await;
    letters.get("Bundle/one").await.expect(200);
    letters.get("Bundle/one/_history/1").await.expect(404);
    letters.get("DocumentReference/names").await.expect(200);
}

async fn that_are_not_understood(concord: &Concord) {
    people::arrive(concord).await;
    let (system, letters) = (concord.system(), letters(concord));
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let reasons = json!({"extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]});
    let shapes = [
        // The patient and her GP are shown it; the GP alone is not; nobody is.
        (json!({"system": ACT, "code": "SEX"}), true, false),
        (json!({"code": "SEX"}), true, false),
        (json!({"system": ACT, "code": "NODSCLCD"}), true, true),
        (json!({"system": "urn:elsewhere", "display": "secret"}), true, true),
        (json!({"system": "urn:elsewhere", "code": "sex"}), true, true),
        (json!({"system": ACT, "display": "Sexual health"}), false, false),
        (json!({"system": ACT, "_code": reasons}), false, false),
        (json!({"system": ACT, "code": "sex"}), false, false),
        (json!({"system": ACT, "code": "nopat"}), false, false),
        (json!({"system": ACT, "code": "XYZZY"}), false, false),
        (json!({"system": "http://hl7.org/fhir/v3/ActCode", "display": "x"}), false, false),
        (json!({"system": LEVEL, "code": "r"}), false, false),
        (json!({"system": LEVEL, "display": "restricted"}), false, false),
        (json!({"system": PKB, "code": "Mental health"}), false, false),
        (json!({"system": OWN, "display": "author team"}), false, false),
        (json!({"system": OWN, "code": "whatever"}), false, false),
        (json!({"code": "AUTHOR-TEAM"}), false, false),
    ];
    for (number, (coding, to_amina, to_gp)) in shapes.iter().enumerate() {
        let id = format!("label-{number}");
        system.store(&with(labelled(&json!([coding])), "id", json!(id))).await;
        let place = format!("Observation/{id}");
        for (app, is_shown) in [(&amina, *to_amina), (&gp, *to_gp), (&letters, *to_gp)] {
            app.get(&place).await.expect(if is_shown { 200 } else { 404 });
            let found = app.get(&format!("Observation?_id={id}")).await.expect(200).ids();
            assert_eq!(found.len(), usize::from(is_shown), "{coding}");
        }
    }
    // Who put it there may take it away again.
    system.store(&with(blood_pressure("amina", 120), "id", json!("label-5"))).await;
    gp.get("Observation/label-5").await.expect(200);
}
