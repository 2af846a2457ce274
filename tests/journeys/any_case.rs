//! Identifiers, e-mail addresses and other texts of no code system are found however they are written (R4 "Search", token).

use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! { plain_texts_in_any_case, a_condition_in_any_case_makes_no_second_copy, what_has_no_system_is_asked_for_without }

async fn plain_texts_in_any_case(concord: &Concord) {
    let system = concord.system();
    let patient = system
        .create(&json!({"resourceType": "Patient", "identifier": [{"system": "urn:Ward", "value": "Ab-12-É"}],
            "telecom": [{"system": "email", "value": "Amina.H@Example.org"}]}))
        .await;
    let other = system
        .create(&json!({"resourceType": "Patient", "identifier": [{"system": "urn:Ward", "value": "ab-13"}],
            "telecom": [{"system": "email", "value": "nobody@example.org"}]}))
        .await;
    let reading = system
        .create(&json!({"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:c", "code": "aB"}]},
            "subject": {"reference": format!("Patient/{patient}")}, "performer": [{"identifier": {"system": "urn:Staff", "value": "Dr7x"}}]}))
        .await;
    for (query, wanted) in [
        ("Patient?identifier=ab-12-%C3%A9", Some(&patient)),
        ("Patient?identifier=urn:Ward|AB-12-%C3%89", Some(&patient)),
        ("Patient?identifier=urn:Ward|Ab-12-%C3%89", Some(&patient)),
        ("Patient?identifier=urn:ward|Ab-12-%C3%89", None),
        ("Patient?identifier=AB-13", Some(&other)),
        ("Patient?email=amina.h@EXAMPLE.org", Some(&patient)),
        ("Patient?telecom=Nobody@Example.Org", Some(&other)),
        ("Patient?identifier:not=AB-13", Some(&patient)),
        ("Patient?_filter=identifier%20eq%20%22aB-13%22", Some(&other)),
        ("Observation?patient.identifier=urn:Ward|aB-12-%C3%89", Some(&reading)),
        ("Observation?performer:identifier=urn:Staff|dR7X", Some(&reading)),
        ("Patient?_has:Observation:patient:performer:identifier=DR7X", Some(&patient)),
        ("Observation?code=aB", Some(&reading)),
        ("Observation?code=ab", None),
    ] {
        let found = system.get(query).await.expect(200).ids();
        assert_eq!(found, wanted.into_iter().cloned().collect::<Vec<_>>(), "{query}");
    }
}

async fn a_condition_in_any_case_makes_no_second_copy(concord: &Concord) {
    let system = concord.system();
    let device = json!({"resourceType": "Device", "identifier": [{"system": "urn:s", "value": "Scale-1"}]});
    let first = system.create(&device).await;
    let again = system.post("Device", &device).header("if-none-exist", "identifier=urn:s|SCALE-1").await.expect(200);
    assert!(again.header("content-location").contains(&first), "{again}");
    system.post("Device", &device).header("if-none-exist", "identifier=urn:s|SCALE-2").await.expect(201);
    // Two that differ in nothing but that are two matches.
    let other = json!({"resourceType": "Device", "identifier": [{"system": "urn:s", "value": "SCALE-1"}]});
    system.create(&other).await;
    system.delete("Device?identifier=urn:s|scale-1").await.expect(412);
}

/// R4 lets nobody ask for a contact point or a flag by `system|value`. HAPI takes the kind of a contact point for its system; here it
/// would find nothing, and a condition would make another copy each time.
async fn what_has_no_system_is_asked_for_without(concord: &Concord) {
    let system = concord.system();
    let patient =
        json!({"resourceType": "Patient", "active": true, "telecom": [{"system": "email", "value": "a@x.example"}]});
    let id = system.create(&patient).await;
    for query in [
        "telecom=email|a@x.example",
        "email=email|a@x.example",
        "telecom=email|",
        "active=urn:x|true",
        "telecom:not=phone|a@x.example",
    ] {
        let refused = system.get(&format!("Patient?{query}")).await.expect(400).issues();
        assert!(refused[0].2.contains("`email`") && refused[0].2.contains("without `|`"), "{query} {refused:?}");
    }
    let condition = system.post("Patient", &patient).header("if-none-exist", "telecom=email|a@x.example");
    condition.await.expect(400);
    for query in ["telecom=a@x.example", "email=a@x.example", "telecom=|a@x.example", "active=true", "active=|true"] {
        assert_eq!(system.get(&format!("Patient?{query}")).await.expect(200).ids(), [id.as_str()], "{query}");
    }
    assert!(system.get("Patient?phone=a@x.example").await.expect(200).ids().is_empty());
}
