//! What leads from a resource to others: chains, includes, lists and compartments.

use super::*;

#[test]
fn chains_lead_through_other_resources() {
    let all = household();
    let found = |resource_type: &str, name: &str, value: &str| found_among(&all, resource_type, &[(name, value)]);
    assert_eq!(found("Observation", "subject:Patient.name", "sian"), ["bp-1"]);
    assert_eq!(found("Observation", "subject.name", "sian"), ["bp-1"]);
    assert_eq!(found("Observation", "patient.gender", "male"), ["two"]);
    assert_eq!(found("Observation", "patient.gender:not", "male"), ["bp-1"]);
    assert_eq!(found("Observation", "patient._id", "1,2"), ["bp-1", "two"]);
    assert_eq!(found("Observation", "patient.general-practitioner:Practitioner.family", "okafor"), ["two"]);
    assert_eq!(found("Observation", "patient.general-practitioner:missing", "true"), ["bp-1"]);
    assert_eq!(found("Provenance", "target:Observation.patient.name:exact", "Siân"), ["p"]);
    assert_eq!(found("QuestionnaireResponse", "questionnaire.status", "active"), ["a"]);
    assert_eq!(found("Observation", "patient.name", "okafor"), [""; 0]);
}

#[test]
fn reverse_chains_and_lists_lead_back() {
    let all = household();
    let found = |resource_type: &str, name: &str, value: &str| found_among(&all, resource_type, &[(name, value)]);
    assert_eq!(found("Patient", "_has:Observation:patient:code", "85354-9"), ["1"]);
    assert_eq!(found("Patient", "_has:Observation:patient:_id", "two,bp-1"), ["1", "2"]);
    assert_eq!(found("Observation", "_has:Provenance:target:agent", "Patient/1"), ["bp-1"]);
    assert_eq!(found("Patient", "_has:Observation:patient:_has:Provenance:target:agent", "Patient/1"), ["1"]);
    assert_eq!(found("Observation", "patient._has:Observation:subject:status", "final"), ["bp-1", "two"]);
    assert_eq!(found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status", "completed"), ["q"]);
    assert_eq!(found("Observation", "_list", "l"), ["two"]);
    assert_eq!(found("Observation", "_list", "other"), [""; 0]);
}

#[test]
fn a_hop_that_may_not_be_made_finds_nothing_under_any_negation() {
    let all = household();
    let asked = |name: &str, value: &str| query("Observation", &[(name, value)]).predicate;
    let never = &mut |_: ResourceType| Ok::<_, ()>(Predicate::None);
    let only_two = &mut |_: ResourceType| Ok::<_, ()>(Predicate::Id(vec!["2".to_owned()]));
    assert_eq!(asked("patient.gender", "male").at_chains(never), Ok(Predicate::None));
    assert_eq!(asked("patient.gender", "male").negate().at_chains(never), Ok(Predicate::All));
    let female = asked("patient.gender:not", "male").at_chains(only_two).expect("no error");
    assert!(!all.iter().any(|one| female.holds_among(one, &all)));
    let deep = asked("patient._has:Observation:patient:code", "85354-9").at_chains(never);
    assert_eq!(deep, Ok(Predicate::None));
    assert!(asked("patient.gender", "male").has_chains() && !asked("code", "1").has_chains());
}

#[test]
fn includes_are_read() {
    let asked = query(
        "Observation",
        &[
            ("_include", "Observation:subject:Patient"),
            ("_include", "*"),
            ("_include:iterate", "Patient:general-practitioner"),
            ("_revinclude", "Provenance:target"),
            ("_revinclude", "Communication:*"),
            ("_revinclude", "Communication:*"),
        ],
    );
    assert_eq!(asked.include.len(), 5);
    assert_eq!(asked.predicate, Predicate::All);
    assert!(asked.include[2].iterate && !asked.include[2].reverse);
    assert!(asked.include[3].reverse && asked.include[3].source == of("Provenance"));
    assert_eq!(asked.include[0].target, of("Patient"));
    assert_eq!(asked.include[4].parameter, None);
}

#[test]
fn a_compartment_is_what_the_parameters_link() {
    let all = household();
    let asked = query("Observation", &[("status", "final")]).in_compartment("2").expect("a compartment");
    let found = |one: &&Entries| asked.of_type(one.resource_type).holds_among(one, &all);
    let observations = all.iter().filter(|one| one.resource_type.name() == "Observation");
    assert_eq!(observations.filter(found).map(|one| one.id.as_str()).collect::<Vec<_>>(), ["two"]);
    assert!(query("Practitioner", &[]).in_compartment("2").is_err());
    let everything = parse(None, &[], Handling::Strict, NOW, BASE).expect("a query");
    assert!(everything.searched_types().is_empty());
    let everything = everything.in_compartment("1").expect("a compartment");
    assert!(everything.searched_types().len() > 60);
    let patient = of("Patient").expect("a type");
    assert!(everything.of_type(patient).holds(&person()));
}

#[test]
fn a_canonical_leads_to_the_version_that_it_names() {
    let entries = |id: &str, json: serde_json::Value| {
        let value = from_json(&json);
        let resource_type = of(value.text("resourceType").expect("a type")).expect("a type");
        extract_under(BASE, resource_type, id, 0, &value)
    };
    let form =
        |version: &str| serde_json::json!({ "resourceType": "Questionnaire", "url": "http://e/q", "version": version });
    let answer = |canonical: &str| serde_json::json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical });
    let all = [
        entries("q1", form("1.0")),
        entries("q2", form("2.0")),
        entries("a1", answer("http://e/q|1.0")),
        entries("a3", answer("http://e/q|3.0")),
        entries("any", answer("http://e/q")),
    ];
    let found = |resource_type: &str, name: &str, value: &str| found_among(&all, resource_type, &[(name, value)]);
    assert_eq!(found("QuestionnaireResponse", "questionnaire.version", "1.0"), ["a1", "any"]);
    assert_eq!(found("QuestionnaireResponse", "questionnaire.version", "2.0"), ["any"]);
    assert_eq!(found("QuestionnaireResponse", "questionnaire.url", "http://e/q"), ["a1", "any"]);
    assert_eq!(found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id", "a1"), ["q1"]);
    assert_eq!(found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id", "a3"), [""; 0]);
    assert_eq!(found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id", "any"), ["q1", "q2"]);
}
