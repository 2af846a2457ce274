//! Many rules: what they ask of a database stays small, and what is more than can be evaluated closes one record only.

use std::convert::Infallible;
use std::sync::Arc;

use concord_fhir::json;
use concord_fhir::registry::ResourceType;

use crate::TOO_MUCH;
use crate::combine::MOST_ASKED;
use crate::decide;
use crate::facts::{ConsentFacts, Effect, Facts, GivenBy, PatientFacts, Period, Target};
use crate::provision_scope::READ;
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

/// A patient whose Consents ask as much as can be evaluated, and one that would ask for one more. What names somebody else is
/// counted and says nothing, which is told at once.
fn as_much_as_can_be_evaluated() -> (PatientFacts, ConsentFacts) {
    let of_another = |rules: &[String]| {
        let mut consent = consent("p1", 1, rules);
        consent.root.effect = Effect::Deny;
        consent.root.actors = vec![Target::Local("Practitioner/another".to_owned())];
        consent
    };
    let mut patient = PatientFacts { patient: "p1".to_owned(), ..PatientFacts::default() };
    patient.consents.push(consent("p1", 0, &[]));
    let many: Vec<String> = (0..199).map(|code| rule(code, "")).collect();
    for rules in [many.as_slice(), &[]] {
        let each = PatientFacts { consents: vec![of_another(rules)], ..PatientFacts::default() }.asks(NOW);
        while patient.asks(NOW) + each <= MOST_ASKED {
            patient.consents.push(of_another(rules));
        }
    }
    (patient, of_another(&[]))
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
    let asks = |rules: &[String]| {
        PatientFacts { consents: vec![consent("p1", 0, rules)], ..PatientFacts::default() }.asks(NOW)
    };
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
    assert_eq!((patient.asks(NOW), asked(&of_one(&patient), "Observation").2), (of_two_consents, false));
    patient.consents.push(one_more);
    assert_eq!((patient.asks(NOW), asked(&of_one(&patient), "Observation").2), (of_two_consents + 2, true));
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
    let others = ["Practitioner/other", "Practitioner/one-more"];
    of_another.root.actors.extend(others.map(|one| Target::Local(one.to_owned())));
    // The last two ask for as much as that one.
    patient.consents.truncate(patient.consents.len() - 2);
    let without = seen(&patient);
    assert_eq!(without.0, ["Practitioner/gp"]);
    patient.consents.push(of_another);
    assert_eq!((patient.asks(NOW), seen(&patient)), (MOST_ASKED, without));
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

/// Of hundreds of rules that share, each is read once for a type, and twice for everything: for what is shown in part as well.
#[test]
fn rules_that_share_are_read_once() {
    let shares =
        |code: usize| format!(r#"{{"type":"permit","code":[{{"coding":[{{"system":"urn:s","code":"c{code}"}}]}}]}}"#);
    let rules: Vec<String> = (0..100).map(shares).collect();
    let facts = facts(vec![("p1", vec![consent("p1", 0, &rules)])]);
    let caller = caller("Practitioner/gp", "user/*.rs", None);
    for (resource_type, times) in [(ResourceType::parse("Observation"), 1), (None, 2)] {
        let request =
            Request { caller: &caller, action: Action::TypeHistory, resource_type, purpose: None, reason: None };
        let before = READ.get();
        let decision = decide(&request, &facts, NOW);
        assert_ne!(decision.permit, concord_fhir::predicate::Predicate::None);
        assert_eq!(READ.get() - before, times * 101, "{resource_type:?}");
    }
}

/// What has ended asks nothing of a decision; what has not begun counts.
#[test]
fn what_has_ended_is_not_counted() {
    let (patient, one_more) = as_much_as_can_be_evaluated();
    let period = |start: &'static str, end: &'static str| {
        let end_of = |name: &'static str, text: &'static str| (name, json::Value::string(text));
        Period::of(Some(&json::Value::object([end_of("start", start), end_of("end", end)])))
    };
    for (start, end, is_counted) in
        [("1999", "2000", false), ("1999", "2999", true), ("2998", "2999", true), ("2000", "2026-02-28", false)]
    {
        let mut patient = patient.clone();
        for _ in 0..20 {
            let mut one = one_more.clone();
            one.root.period = period(start, end);
            patient.consents.push(one);
        }
        assert_eq!(asked(&of_one(&patient), "Observation").2, is_counted, "{start} {end}");
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
