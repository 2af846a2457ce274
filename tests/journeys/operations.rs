//! Operations: what every one of them does alike, and `$validate`.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! {
    a_resource_is_validated_and_not_stored,
    operations_are_addressed_exactly
}

async fn a_resource_is_validated_and_not_stored(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = blood_pressure("amina", 120);
    let well = amina.post("Observation/$validate", &reading).await.expect(200).json();
    let said = |told: &serde_json::Value| {
        let issues = told["issue"].as_array().cloned().unwrap_or_default();
        issues.iter().map(|one| text(one, "/diagnostics").to_owned()).collect::<Vec<_>>()
    };
    assert!(well["issue"].as_array().expect("issues").iter().all(|one| one["severity"] != "error"), "{well}");
    assert!(!said(&well).iter().any(|text| text.contains("not checked")), "{well}");
    let wrong = with(with(reading.clone(), "status", json!("excellent")), "colour", json!("red"));
    let told = amina.post("Observation/$validate", &wrong).await.expect(200).json();
    let issues = told["issue"].as_array().expect("issues");
    let wrong = issues.iter().filter(|one| one["severity"] == "error");
    let places: Vec<_> = wrong.map(|one| &one["expression"][0]).collect();
    assert_eq!(places, [&json!("Observation.status"), &json!("Observation.colour")], "{told}");
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "mode", "valueCode": "create"}, {"name": "resource", "resource": reading}]});
    amina.post("Observation/$validate", &parameters).await.expect(200);
    // What R4 does not foresee is told, and stored all the same.
    let odd = with(
        reading.clone(),
        "performer",
        json!([{"reference": "Patient/amina"}, {"type": "Encounter", "display": "x"}]),
    );
    let told = amina.post("Observation/$validate", &odd).await.expect(200).json();
    assert_eq!(text(&told, "/issue/0/severity"), "warning");
    assert_eq!(text(&told, "/issue/0/expression/0"), "Observation.performer[1].type");
    // What is asked with Parameters can itself be asked about.
    let value = json!({"name": "x", "valueString": "y"});
    let own = json!({"resourceType": "Parameters", "parameter": [value]});
    let asked = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": own}]});
    for body in [&own, &asked, &json!({"resourceType": "Parameters"})] {
        let told = amina.post("Parameters/$validate", body).await.expect(200).json();
        assert!(said(&told).iter().any(|text| text.contains("no problem")), "{told}");
    }
    let wrong = json!({"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": 1}]});
    let told = amina.post("Parameters/$validate", &wrong).await.expect(200).json();
    assert_eq!(text(&told, "/issue/0/expression/0"), "Parameters.parameter[0].valueString", "{told}");
    amina.post("Parameters", &own).await.expect(404);
    amina.get("Parameters/x").await.expect(404);
    let other = amina.post("Goal/$validate", &reading).await.expect(200).json();
    assert_eq!(other["issue"][0]["severity"], "error", "of another type than the address");
    let found = amina.get("Observation?_summary=count").await.expect(200).json();
    assert_eq!(found["total"], 0, "nothing is stored");
    let told = concord.system().post("Observation", &odd).header("prefer", "return=OperationOutcome");
    let told = told.await.expect(201).json();
    assert_eq!(text(&told, "/issue/1/expression/0"), "Observation.performer[1].type", "{told}");
}

async fn operations_are_addressed_exactly(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for place in ["$nothing", "Observation/$nothing", "Observation/some/$nothing", "Nothing/$validate", "$validate"] {
        let answer = amina.get(place).await;
        assert_eq!(answer.status, 404, "{place}: {answer}");
    }
    let refused = amina.get("Observation/$validate?colour=red").await.expect(400).json();
    assert!(refused["issue"][0]["diagnostics"].as_str().expect("text").contains("colour"), "{refused}");
    for place in ["Observation/$duplicates?patient=a%00", "Observation/$trend?patient=amina&code=%00%1F"] {
        assert_eq!(concord.system().get(place).await.expect(400).issues()[0].0, "value", "{place}");
    }
    let answer = amina.ask(Method::PUT, "Observation/$validate").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, POST"));
    let listed = amina.get("metadata").await.expect(200).json();
    let resources = listed["rest"][0]["resource"].as_array().expect("resources");
    let named = |name: &str| resources.iter().find(|one| one["type"] == name).expect("a type");
    let operations = named("Observation")["operation"].as_array().expect("operations");
    assert!(operations.iter().any(|one| one["name"] == "validate"), "{operations:?}");
}
