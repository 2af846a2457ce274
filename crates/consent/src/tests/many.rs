//! Many rules: what they ask of a database stays small, and what is more than can be evaluated closes one record only.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;

use crate::TOO_MUCH;
use crate::decide;
use crate::facts::{ConsentFacts, Facts, GivenBy, PatientFacts};
use crate::request::{Action, Request};
use crate::tests::cases::{NOW, caller};

/// One patient's Consent that lets the GP see all, with exceptions.
fn consent(patient: &str, number: usize, rules: &[String]) -> ConsentFacts {
    let text = format!(
        r#"{{"resourceType":"Consent","status":"active","scope":{{"coding":[{{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
            "patient":{{"reference":"Patient/{patient}"}},"provision":{{"type":"permit",
            "actor":[{{"reference":{{"reference":"Practitioner/gp"}}}}],"provision":[{}]}}}}"#,
        rules.join(",")
    );
    let value = concord_fhir::json::parse(text.as_bytes(), &concord_fhir::json::Limits::default()).unwrap();
    ConsentFacts::from_resource(&format!("{patient}-{number}"), 1, &value, "").given_by(GivenBy::Patient)
}

fn rule(code: usize, inner: &str) -> String {
    format!(r#"{{"type":"deny","code":[{{"coding":[{{"system":"urn:s","code":"c{code}"}}]}}]{inner}}}"#)
}

fn facts(records: Vec<(&str, Vec<ConsentFacts>)>) -> Facts {
    let patients = records.into_iter().map(|(patient, consents)| {
        Arc::new(PatientFacts { patient: patient.to_owned(), consents, ..PatientFacts::default() })
    });
    Facts { patients: patients.collect(), ..Facts::default() }
}

fn asked(facts: &Facts, resource_type: &str) -> (usize, String, bool) {
    let caller = caller("Practitioner/gp", "user/*.rs", None);
    let resource_type = ResourceType::parse(resource_type);
    let request = Request { caller: &caller, action: Action::Search, resource_type, purpose: None, reason: None };
    let decision = decide(&request, facts, NOW);
    let told = decision.reasons.iter().any(|reason| reason.rule == TOO_MUCH);
    (decision.permit.weight(), decision.permit.to_string(), told)
}

#[test]
fn what_hundreds_of_rules_ask_of_a_database_stays_small() {
    let classes: Vec<String> =
        (0..20).map(|one| format!(r#"{{"code":"http://x.example/StructureDefinition/p{one}"}}"#)).collect();
    let nested = format!(r#","provision":[{{"type":"permit","class":[{}]}}]"#, classes.join(","));
    for (rules, inner) in [(199, ""), (20, nested.as_str())] {
        let rules: Vec<String> = (0..rules).map(|code| rule(code, inner)).collect();
        let facts = facts(vec![("p1", vec![consent("p1", 0, &rules)])]);
        for of_type in ["Observation", "Communication", "Condition"] {
            let (weight, _, told) = asked(&facts, of_type);
            assert!(weight < 1_500 && !told, "{of_type}: {weight}");
        }
    }
}

#[test]
fn more_than_can_be_evaluated_closes_one_record() {
    let rules: Vec<String> = (0..199).map(|code| rule(code, "")).collect();
    let many = (0..60).map(|number| consent("p1", number, &rules)).collect();
    let few = vec![consent("p2", 0, &rules)];
    let (_, permit, told) = asked(&facts(vec![("p1", many), ("p2", few)]), "Observation");
    assert!(told && permit.contains("Patient/p2"), "{permit}");
    // What they wrote themselves they keep.
    let closed = permit.replace("in the record of Patient/p1 and written by Practitioner/gp", "");
    assert!(!closed.contains("Patient/p1"), "{permit}");
}

#[test]
fn of_many_records_the_heaviest_are_closed() {
    let periods = |patient: &str| {
        let rules: Vec<String> = (0..190)
            .map(|code| rule(code, &format!(r#","dataPeriod":{{"start":"{}","end":"{}"}}"#, 1800 + code, 1801 + code)))
            .collect();
        consent(patient, 0, &rules)
    };
    let heavy: Vec<String> = (0..40).map(|number| format!("heavy-{number}-of-them")).collect();
    let mut records: Vec<(&str, Vec<ConsentFacts>)> = heavy
        .iter()
        .map(|patient| (patient.as_str(), vec![periods(patient), consent(patient, 1, &[rule(patient.len(), "")])]))
        .collect();
    // No two say the same.
    for (number, (patient, consents)) in records.iter_mut().enumerate() {
        consents.push(consent(patient, 2, &[rule(1_000 + number, "")]));
    }
    records.push(("light", vec![consent("light", 0, &[rule(1, "")])]));
    let (weight, permit, told) = asked(&facts(records), "Observation");
    assert!(told && weight <= 10_000 && permit.contains("light"), "{weight}");
}
