//! `$who-can-see` lists exactly what an app of others reaches of a record.

use std::collections::BTreeSet;

use concord_api::auth::development::TokenRequest;
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};
use concord_tests::{Concord, on_both, people};
use serde_json::json;

use crate::story::arrive_from_fixtures;

on_both! { with &[("CONCORD_CLIENTS", r#"[{"client": "heart-diary", "kind": "third-party"}]"#)]; all_that_an_app_reaches_is_listed }

async fn all_that_an_app_reaches_is_listed(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let app = concord.app(&TokenRequest {
        client_id: "heart-diary".to_owned(),
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    let mut consent = people::consent("active", "Device/x", &["access"], &["Observation", "Goal", "Patient"]);
    consent["id"] = json!("amina-heart-diary");
    consent["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    let system = concord.system();
    let (mut reached, mut there) = (BTreeSet::new(), BTreeSet::new());
    for is_shared in [false, true] {
        if is_shared {
            system.store(&consent).await;
        }
        let told = concord.patient("amina").get("Patient/amina/$who-can-see").await.expect(200).json();
        let parts = told["parameter"].as_array().expect("parameters");
        let own = parts.iter().find(|one| one["part"][0]["valueIdentifier"]["value"] == "heart-diary");
        let sees =
            own.and_then(|own| own["part"].as_array()).into_iter().flatten().filter(|part| part["name"] == "sees");
        let types =
            sees.flat_map(|part| part["part"].as_array().expect("what is seen")).filter(|one| one["name"] == "type");
        let listed: BTreeSet<String> = types.map(|one| one["valueCode"].as_str().expect("a type").to_owned()).collect();
        reached.clear();
        for one in
            ResourceType::all().filter(|one| matches!(patient_compartment(*one), PatientCompartment::Record { .. }))
        {
            let place = match one.name() {
                "Patient" => "Patient?_id=amina".to_owned(),
                name => format!("Patient/amina/{name}?_count=5"),
            };
            let all = system.get(&place).await;
            if all.status == 400 {
                // Of the record, and not of R4's compartment.
                continue;
            }
            if !all.expect(200).matches().is_empty() {
                there.insert(one.name().to_owned());
            }
            if !app.get(&place).await.expect(200).matches().is_empty() {
                reached.insert(one.name().to_owned());
            }
        }
        assert_eq!(reached, listed.intersection(&there).cloned().collect(), "listed: {listed:?}");
        assert_eq!(listed.is_empty(), !is_shared, "{listed:?}");
    }
    assert!(there.len() > 8, "{there:?}");
}
