//! What is too much in a definition, an expression or a question about codes is refused where it is, and nobody waits for it.

use concord_tests::client::{Answer, Method};
use concord_tests::people::{self, blood_pressure};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { what_is_too_much_is_told_with_its_place }

/// A StructureDefinition over Observation with these elements.
fn profile(elements: Value) -> Value {
    json!({"resourceType": "StructureDefinition", "url": "https://example.org/profile/much", "name": "Much", "status": "active",
        "kind": "resource", "abstract": false, "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation", "differential": {"element": elements}})
}

/// A profile with a constraint.
fn constrained(expression: &str) -> Value {
    let constraint = json!([{"key": "own-1", "severity": "error", "human": "h", "expression": expression}]);
    profile(json!([{"id": "Observation", "path": "Observation", "constraint": constraint}]))
}

/// Whether an error or a warning is told at a place that begins so.
fn is_told(answer: &Answer, place: &str) -> bool {
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    issues.iter().any(|issue| {
        let at = issue["expression"][0].as_str().unwrap_or_default();
        matches!(issue["severity"].as_str(), Some("error" | "warning")) && at.starts_with(place)
    })
}

async fn what_is_too_much_is_told_with_its_place(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let slice = |at: usize| json!({"id": format!("Observation.note:s{at}"), "path": "Observation.note", "sliceName": format!("s{at}")});
    let slices: Vec<Value> = (0..10_000).map(slice).collect();
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    for (made, place) in [
        (profile(json!(slices)), "StructureDefinition.differential"),
        (constrained(&"a".repeat(100_000)), "StructureDefinition.differential.element[0]"),
        (constrained(&nested(10_000)), "StructureDefinition.differential.element[0]"),
        (
            constrained("'a'.matches('((((a{1,99}){1,99}){1,99}){1,99})')"),
            "StructureDefinition.differential.element[0]",
        ),
        (constrained("'a'.replaceMatches('(((a{99}){99}){99})', 'b')"), "StructureDefinition.differential.element[0]"),
        (constrained("%factory.Coding('a')"), "StructureDefinition.differential.element[0]"),
    ] {
        let told = system.post("StructureDefinition/$validate", &made).await.expect(200);
        assert!(is_told(&told, place), "{place}: {told}");
    }
    // What is ended while it runs is told where it was.
    for expression in ["1.repeat($this + 1).count() > 0", "'x'.repeat($this & $this).count() > 0"] {
        let stored = system.create(&constrained(expression)).await;
        let place = "Observation/$validate?profile=https://example.org/profile/much";
        let told = amina.post(place, &blood_pressure("amina", 120)).await.expect(200);
        assert!(told.text().contains("own-1") || told.text().contains("too-costly"), "{expression}: {told}");
        system.delete(&format!("StructureDefinition/{stored}")).await.expect(204);
    }
    let mine = amina.create(&blood_pressure("amina", 120)).await;
    for path in
        ["a".repeat(100_000), nested(10_000), "Observation.note.where(text.matches('(((a{99}){99}){99})'))".to_owned()]
    {
        let part = |name: &str, value: &str| json!({"name": name, "valueString": value});
        let patch = json!({"resourceType": "Parameters", "parameter": [{"name": "operation",
            "part": [{"name": "type", "valueCode": "delete"}, part("path", &path)]}]});
        let refused = amina
            .ask(Method::PATCH, &format!("Observation/{mine}"))
            .body("application/fhir+json", patch.to_string())
            .await;
        assert!(matches!(refused.status, 400 | 422), "{refused}");
    }
    let mut form = json!({"linkId": "deepest", "type": "display", "text": "x"});
    for depth in 0..200 {
        form = json!({"linkId": depth.to_string(), "type": "group", "item": [form]});
    }
    let form = json!({"resourceType": "Questionnaire", "status": "active", "item": [form]});
    let refused = system.post("Questionnaire", &form).await;
    assert!(matches!(refused.status, 400 | 413 | 422), "{refused}");
    let expand = "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender";
    for more in
        ["count=2147483647", "count=-1", "offset=-1", "offset=2147483647", "offset=99999999999999999999", "count=1.5"]
    {
        let refused = amina.get(&format!("{expand}&{more}")).await.expect(400).issues();
        let parameter = more.split('=').next().unwrap_or_default();
        assert!(refused[0].2.contains(&format!("parameter {parameter}")), "{more}: {refused:?}");
    }
}
