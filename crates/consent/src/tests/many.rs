//! Many rules: what they ask of a database stays small, and what is more than can be evaluated closes one record only.

use std::convert::Infallible;
use std::sync::Arc;

use concord_fhir::json;
use concord_fhir::registry::ResourceType;

use crate::TOO_MUCH;
use crate::combine::MOST_ASKED;
use crate::decide;
use crate::facts::{ConsentFacts, Effect, Facts, GivenBy, PatientFacts, Period, Target};
use crate::purpose::Purpose;
use crate::request::{Action, Request};
use crate::tests::cases::{NOW, caller};
use crate::who::who_can_see;

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

/// A patient whose Consents ask as much as can be evaluated, and one that is over and would ask for one more. What is over is
/// counted and says nothing, which is told at once.
fn as_much_as_can_be_evaluated() -> (PatientFacts, ConsentFacts) {
    let over = |rules: &[String]| {
        let mut consent = consent("p1", 1, rules);
        consent.root.effect = Effect::Deny;
        let end = json::Value::object([("end", json::Value::string("2000-01-01"))]);
        consent.root.period = Period::of(Some(&end));
        consent.root.actors.clear();
        consent
    };
    let mut patient = PatientFacts { patient: "p1".to_owned(), ..PatientFacts::default() };
    patient.consents.push(consent("p1", 0, &[]));
    let many: Vec<String> = (0..199).map(|code| rule(code, "")).collect();
    for rules in [many.as_slice(), &[]] {
        let each = PatientFacts { consents: vec![over(rules)], ..PatientFacts::default() }.asks();
        while patient.asks() + each <= MOST_ASKED {
            patient.consents.push(over(rules));
        }
    }
    (patient, over(&[]))
}

/// What a Consent asks is counted by what each provision names, what a denial leaves open inside, and what a permit does not
/// cover beside and inside it.
#[test]
fn every_criterion_is_counted() {
    let many = |name: &str, number: usize, one: &str| format!(r#""{name}":[{}]"#, vec![one; number].join(","));
    let coding = r#"{"system":"urn:s","code":"c"}"#;
    let concept = format!(r#"{{"coding":[{coding}]}}"#);
    let reference = r#"{"reference":{"reference":"Practitioner/gp"}}"#;
    let criteria = [
        many("actor", 2, reference),
        many("action", 3, &concept),
        many("securityLabel", 4, coding),
        many("purpose", 5, coding),
        many("class", 6, coding),
        many("code", 7, &concept),
        many("data", 8, reference),
        r#""dataPeriod":{"start":"2000"}"#.to_owned(),
    ];
    let asks =
        |rules: &[String]| PatientFacts { consents: vec![consent("p1", 0, rules)], ..PatientFacts::default() }.asks();
    // The outermost, which permits, counts itself and an actor; beside it, what is denied in it.
    assert_eq!(asks(&[]), 2);
    assert_eq!(asks(&[format!(r#"{{"type":"deny",{}}}"#, criteria.join(","))]), 2 + 2 * 37);
    let permit = format!(r#"{{"type":"permit",{}}}"#, many("class", 2, coding));
    assert_eq!(asks(&[rule(1, &format!(r#","provision":[{permit}]"#))]), 2 + 2 * 2 + 2 * 3);
    assert_eq!(asks(&[rule(1, ""), permit]), 2 + 3 * 2 + 3);
}

fn of_one(patient: &PatientFacts) -> Facts {
    Facts { patients: vec![Arc::new(patient.clone())], ..Facts::default() }
}

#[test]
fn the_most_that_can_be_evaluated_is() {
    let (mut patient, one_more) = as_much_as_can_be_evaluated();
    let of_two_consents = 2 * concord_fhir::rules::consent::MOST_ASKED;
    assert_eq!((patient.asks(), asked(&of_one(&patient), "Observation").2), (of_two_consents, false));
    patient.consents.push(one_more);
    assert_eq!((patient.asks(), asked(&of_one(&patient), "Observation").2), (of_two_consents + 1, true));
}

#[test]
fn nobody_is_told_to_see_a_record_about_which_more_is_said_than_can_be_evaluated() {
    // Who sees something, and how many steps it takes to find that out of the first.
    let seen = |patient: &PatientFacts| {
        let mut steps = Vec::new();
        let Ok(seen) = who_can_see(&of_one(patient), NOW, |one| {
            steps.push(one);
            Ok::<_, Infallible>(())
        });
        (seen.into_iter().map(|one| one.who).collect::<Vec<_>>(), steps.first().copied())
    };
    let (mut patient, one_more) = as_much_as_can_be_evaluated();
    // It is about somebody else: by what is about the GP alone there would not be too much.
    let mut of_another = one_more.clone();
    of_another.root.actors.push(Target::Local("Practitioner/other".to_owned()));
    // The last two ask for as much as that one.
    patient.consents.truncate(patient.consents.len() - 2);
    let without = seen(&patient);
    assert_eq!(without.0, ["Practitioner/gp"]);
    patient.consents.push(of_another);
    assert_eq!((patient.asks(), seen(&patient)), (MOST_ASKED, without));
    patient.consents.push(one_more);
    assert_eq!(seen(&patient).0, Vec::<String>::new());
}

/// An emergency opens a record of which more is said than can be evaluated, unless something of it is about emergencies.
#[test]
fn more_than_can_be_evaluated_closes_a_record_in_an_emergency_where_it_names_one() {
    let purpose = |code: &str| {
        format!(r#","purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"{code}"}}]"#)
    };
    for (named, opens) in [("", true), (purpose("TREAT").as_str(), true), (purpose("BTG").as_str(), false)] {
        let (mut patient, one_more) = as_much_as_can_be_evaluated();
        patient.consents.push(one_more);
        patient.consents.insert(0, consent("p1", 2, &[rule(0, named)]));
        let caller = caller("Practitioner/gp", "user/*.rs", None);
        let (resource_type, reason) =
            (ResourceType::parse("Observation"), Some("unconscious in the emergency department"));
        let purpose = Some(Purpose::BREAK_GLASS);
        let request = Request { caller: &caller, action: Action::Read, resource_type, purpose, reason };
        let decision = decide(&request, &of_one(&patient), NOW);
        let told = |rule: &str| decision.reasons.iter().any(|reason| reason.rule == rule);
        assert_eq!((told("break-glass"), told("break-glass.refused")), (opens, !opens), "{named}");
    }
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
