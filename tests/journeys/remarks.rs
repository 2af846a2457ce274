//! A word where something is odd, for those who did not ask for it too.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { nothing_is_missing_that_is_there, warnings_reach_who_does_not_ask, what_would_never_happen_is_refused }

/// A reading of glucose, with this coding and this number.
fn glucose(coding: Value, value: u32, unit: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "effectiveDateTime": "2026-11-30", "code": {"coding": [coding]},
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit}})
}

fn loinc(code: &str) -> Value {
    json!({"system": "http://loinc.org", "code": code})
}

async fn warnings_reach_who_does_not_ask(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let well = amina.post("Observation", &glucose(loinc("15074-8"), 6, "mmol/L")).await.expect(201);
    assert_eq!((well.header("warning"), well.header("link")), ("", ""));
    for (odd, place, words) in [
        (glucose(loinc("15074-8"), 115, "mmol/L"), "Observation.value", "unusual"),
        (glucose(loinc("15074-9"), 6, "mmol/L"), "Observation.code.coding[0].code", "check digit"),
        (
            glucose(json!({"system": "loinc.org", "code": "15074-8"}), 6, "mmol/L"),
            "Observation.code.coding[0].system",
            "http://loinc.org",
        ),
        (
            glucose(json!({"system": "https://snomed.info/sct/", "code": "271062006"}), 6, "mmol/L"),
            "Observation.code.coding[0].system",
            "http://snomed.info/sct",
        ),
    ] {
        let stored = amina.post("Observation", &odd).await.expect(201);
        let (told, link) = (stored.header("warning").to_owned(), stored.header("link").to_owned());
        assert!(told.starts_with("199 - \"1 remark"), "{told}: {odd}");
        let id = text(&stored.json(), "/id").to_owned();
        let there = link.split('>').next().unwrap_or_default().trim_start_matches('<').to_owned();
        assert!(there.ends_with(&format!("Observation/{id}/$validate")) && told.contains(&there), "{link} {told}");
        let issues = amina.get(&there).await.expect(200).issues();
        assert!(issues.iter().any(|(_, at, said)| at == place && said.contains(words)), "{issues:?}");
        // The same to whoever asks, in a Bundle, and for a change.
        let asked = amina.post("Observation", &odd).header("prefer", "return=OperationOutcome").await.expect(201);
        assert!(asked.issues().iter().any(|(_, at, said)| at == place && said.contains(words)));
        let minimal = amina.post("Observation", &odd).header("prefer", "return=minimal").await.expect(201);
        assert!(minimal.header("warning").starts_with("199 - \"1 remark"));
        let entry = json!({"resource": odd, "request": {"method": "POST", "url": "Observation"}});
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
        let answer = amina.post("/fhir", &bundle).await.expect(200).entries();
        assert_eq!(text(&answer[0], "/response/outcome/issue/0/severity"), "warning", "{}", answer[0]);
        let changed = with(with(odd, "id", json!(id)), "status", json!("amended"));
        let changed = amina.put(&format!("Observation/{id}"), &changed).await.expect(200);
        assert!(changed.header("warning").starts_with("199 - \"1 remark"), "{changed}");
    }
    // What is not seen is not told of.
    let hidden = format!("Observation/{}/$validate", concord.system().create(&blood_pressure("callum", 120)).await);
    amina.get(&hidden).await.expect(404);
    // A Consent that shares nothing by a slip.
    let slip = |system: &str| {
        let mut sharing = people::without(people::consent("active", "Practitioner/gp", &["access"], &["Goal"]), "id");
        sharing["provision"]["class"][0]["system"] = json!(system);
        sharing
    };
    let stored = amina.post("Consent", &slip("http://hl7.org/fhir/resource-types")).await.expect(201);
    assert_eq!(stored.header("warning"), "");
    let stored = amina.post("Consent", &slip("http://hl7.org/fhir/resource-type")).await.expect(201);
    assert!(stored.header("warning").contains("1 remark"), "{stored}");
    // A plan without a category is a plan.
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "Walk more",
        "subject": {"reference": "Patient/amina"}});
    let stored = amina.post("CarePlan", &plan).await.expect(201);
    assert!(stored.header("warning").contains("1 remark"), "{stored}");
}

/// What an attachment, a link or a canonical leads to is missing only where it is.
async fn nothing_is_missing_that_is_there(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Questionnaire", "id": "about-me", "status": "active"})).await;
    let leading = |to: &str| {
        let link = json!({"status": "additional",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{to}\">this</a></div>")});
        let attached = json!({"resourceType": "DocumentReference", "status": "current",
            "subject": {"reference": "Patient/amina"}, "content": [{"attachment": {"url": to}}]});
        let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": to,
            "subject": {"reference": "Patient/amina"}});
        [attached, with(blood_pressure("amina", 120), "text", link), answers]
    };
    let missing = async |app: &App, resource: &Value| {
        let place = text(resource, "/resourceType").to_owned();
        let told = app.post(&place, resource).header("prefer", "return=OperationOutcome").await.expect(201).issues();
        told.iter().any(|(_, _, said)| said.contains("finds nothing"))
    };
    for (to, is_missing) in [
        ("Patient/amina", false),
        ("Practitioner/gp", false),
        ("Questionnaire/about-me", false),
        ("Patient/nobody", true),
        ("Practitioner/nobody", true),
        ("Questionnaire/nothing", true),
    ] {
        for resource in leading(to) {
            assert_eq!(missing(&system, &resource).await, is_missing, "{resource}");
        }
    }
    // An app is not told who is there of whom it may not read.
    let narrow = concord.system_with("system/DocumentReference.cruds");
    for to in ["Patient/amina", "Patient/nobody"] {
        assert!(!missing(&narrow, &leading(to)[0]).await, "{to}");
    }
    assert!(missing(&narrow, &leading("Practitioner/nobody")[0]).await);
}

async fn what_would_never_happen_is_refused(concord: &Concord) {
    let system = concord.system();
    let subscription = |status: &str, endpoint: &str| {
        json!({"resourceType": "Subscription", "status": status, "reason": "x", "criteria": "Observation?",
            "channel": {"type": "rest-hook", "endpoint": endpoint}})
    };
    for endpoint in ["https://app.example.org/hook", "file:///etc/passwd", "gopher://x"] {
        for status in ["requested", "active"] {
            let refused = system.post("Subscription", &subscription(status, endpoint)).await.expect(422).issues();
            assert_eq!((refused[0].0.as_str(), refused[0].1.as_str()), ("not-supported", "Subscription.status"));
            assert!(refused[0].2.contains("_lastUpdated"), "{}", refused[0].2);
        }
    }
    let id = system.create(&subscription("off", "https://app.example.org/hook")).await;
    let on = with(subscription("requested", "https://app.example.org/hook"), "id", json!(id));
    system.put(&format!("Subscription/{id}"), &on).await.expect(422).issues();
    let patch = json!([{"op": "replace", "path": "/status", "value": "active"}]).to_string();
    let patched = system.ask(concord_tests::client::Method::PATCH, &format!("Subscription/{id}"));
    patched.body("application/json-patch+json", patch).await.expect(422).issues();
}
