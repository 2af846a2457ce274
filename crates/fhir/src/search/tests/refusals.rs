//! What is refused, in which words, and what is left out.

use super::*;

#[test]
fn an_unknown_parameter_is_refused_or_ignored_and_named() {
    let pairs = owned(&[("colour", "red"), ("code", "1")]);
    let strict = parse(of("Observation"), &pairs, Handling::Strict, NOW, BASE).expect_err("refused");
    assert_eq!(strict[0].text, "search parameter `colour`: Observation has no search parameter `colour`");
    let lenient = parse(of("Observation"), &pairs, Handling::Lenient, NOW, BASE).expect("a query");
    assert_eq!(lenient.ignored[0].0, "colour");
    assert_eq!(lenient.used, owned(&[("code", "1")]));
}

#[test]
fn what_is_known_and_wrong_is_always_refused() {
    for (name, value) in [
        ("date", "2020-13"),
        ("date", "xx2020"),
        ("date", "2020-01-01,"),
        ("code", ""),
        ("code", "|"),
        ("code", "a|b|c"),
        ("code:blue", "a"),
        ("status:missing", "maybe"),
        ("subject", "#a"),
        ("subject:Organization", "1"),
        ("subject:Patient", "Group/1"),
        ("value-quantity", "high"),
        ("value-quantity", "5||mg|x"),
        ("value-string", "--"),
        ("_id", "a b"),
        ("_lastUpdated", "yesterday"),
        ("_count", "-1"),
        ("_count", "+1"),
        ("_count", "99999999999"),
        ("_count", ""),
        ("_total", "some"),
        ("_summary", "yes"),
        ("_elements", "a,,b"),
        ("_sort", "colour"),
        ("_sort", "date,-date"),
        ("_sort", ""),
        ("_cursor", ""),
        ("code", "a\u{1f}b"),
        ("code-value-quantity", "1"),
        ("code-value-quantity", "1$"),
        ("code-value-quantity", "1$2$3"),
        ("code-value-quantity", "1$x"),
        ("identifier:of-type", "a|b"),
        ("code:in", ""),
        ("code:not-in", "http://example.org/vs,"),
        ("code:below", "1"),
        ("code:above", "http://loinc.org|"),
        ("_explain", "yes"),
        ("_text", "-"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::Value, "{name}={value}: {}", issue.text);
        assert!(issue.text.contains(&format!("`{}`", name)), "{}", issue.text);
    }
    for name in ["_count", "_cursor"] {
        let twice = parse(of("Goal"), &owned(&[(name, "1"), (name, "2")]), Handling::Lenient, NOW, BASE);
        let text = format!("search parameter `{name}`: it may be given only once");
        assert_eq!(twice.expect_err("refused")[0].text, text);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (name, value) in [
        ("_contained", "true"),
        ("_query", "pain"),
        ("_type", "Goal"),
        ("date:exact", "2020"),
        ("_id:not", "a"),
        ("_id:in", "http://example.org/vs"),
        ("subject:below", "Patient/1"),
        ("_sort", "code-value-quantity"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::NotSupported, "{name}: {}", issue.text);
        assert!(issue.text.contains(&format!("`{name}`")), "{}", issue.text);
    }
}

#[test]
fn a_query_has_limits() {
    let many: Vec<_> = (0..=MOST_PARAMETERS).map(|_| ("code".to_owned(), "1".to_owned())).collect();
    assert!(parse(of("Goal"), &many, Handling::Lenient, NOW, BASE).is_err());
    assert_eq!(refusal("Observation", "code", &"a,".repeat(MOST_ALTERNATIVES)).code, IssueCode::TooCostly);
    assert_eq!(refusal("Observation", "code", &"a".repeat(LONGEST_VALUE + 1)).code, IssueCode::TooLong);
    let long_name = "a".repeat(1_000);
    let refused = parse(of("Goal"), &owned(&[(&long_name, "1")]), Handling::Lenient, NOW, BASE);
    assert!(refused.expect_err("refused")[0].text.len() < 200);
}

#[test]
fn every_problem_is_listed() {
    let pairs = owned(&[("date", "x"), ("_count", "y"), ("_include", "z")]);
    let issues = parse(of("Observation"), &pairs, Handling::Lenient, NOW, BASE).expect_err("refused");
    assert_eq!(issues.len(), 3);
}

#[test]
fn a_chain_that_leads_nowhere_is_refused() {
    for (name, value, why) in [
        ("code.name", "a", "leads to no resource"),
        ("subject:Organization.name", "a", "never refers to Organization"),
        ("subject:Nobody.name", "a", "is not a resource type"),
        ("subject.colour", "a", "no search parameter `colour`"),
        ("subject:Patient.birthdate", "2020-13", "not a date"),
        ("focus.status", "final", "name one"),
        ("_has:Observation", "a", "has the form"),
        ("_has:Observation:patient", "a", "has the form"),
        ("_has:Nobody:patient:code", "a", "is not a resource type"),
        ("_has:Goal:colour:code", "a", "no search parameter `colour`"),
        ("_has:Goal:subject:status", "a", "never refers to Observation"),
        ("_has:Goal:lifecycle-status:status", "a", "leads to no resource"),
        ("_list", "a b", "not the id of a List"),
        ("_include", "Observation", "the form"),
        ("_include", "Observation:code", "no reference parameter"),
        ("_include", "Nobody:code", "is not a resource type"),
        ("_include", "Goal:subject", "no Goal is among the matches"),
        ("_include", "Observation:subject:Organization", "never refers to Organization"),
        ("_include", "Observation:subject:Patient:x", "the form"),
        ("_include:recurse", "Observation:subject", "the only modifier"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::Value, "{name}={value}: {}", issue.text);
        assert!(issue.text.contains(why) && issue.text.contains(&format!("`{name}`")), "{}", issue.text);
    }
    assert_eq!(refusal("Observation", "_list", "$current-problems").code, IssueCode::NotSupported);
    let deep = format!("{}_id", "part-of.".repeat(crate::search::LONGEST_CHAIN + 1));
    assert_eq!(refusal("Encounter", &deep, "1").code, IssueCode::TooCostly);
    let wide = "based-on.subject.organization.partof.name";
    let narrow = query("CarePlan", &[("based-on.subject:Patient.organization.partof.name", "x")]);
    assert!(narrow.predicate.has_chains());
    assert!(
        parse(of("ServiceRequest"), &owned(&[(wide, "x")]), Handling::Strict, NOW, BASE)
            .is_ok_and(|found| { found.predicate.has_chains() })
    );
}
