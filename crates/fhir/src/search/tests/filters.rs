//! `_filter`.

use super::*;

#[test]
fn a_filter_joins_tests() {
    let (reading, person) = (reading(), person());
    for filter in [
        "status eq final",
        "status eq final and code eq http://loinc.org|85354-9",
        "status eq draft or date ge 2023-01-01",
        "not (status eq draft)",
        "(status eq draft or status eq final) and not(code eq x)",
        "subject eq Patient/1",
        "patient re Patient/1",
        "code ne local",
        "status pr true and value-quantity pr false",
        "date po 2023-03-05 and date sa 2023-03-04 and date lt 2024",
        "_id eq bp-1 and _lastUpdated gt 2023-03-04",
        "status eq draft and status eq final or code eq local",
        "_tag eq \"http://example.org/tags|home\"",
        "_source sb urn:app:one",
    ] {
        assert!(finds(&reading, "_filter", filter), "{filter}");
    }
    for filter in ["status eq draft", "status ne final", "not(status eq final)", "code eq local and status eq draft"] {
        assert!(!finds(&reading, "_filter", filter), "{filter}");
    }
    for filter in [
        "name co \"ia\"",
        "family sw ONE",
        "family ew neill",
        "given eq sian",
        "given ne siana",
        "address-city eq \"Leeds\"",
    ] {
        assert!(finds(&person, "_filter", filter), "{filter}");
    }
    for filter in ["given eq sia", "family ew ne", "given ne sian", "name co x"] {
        assert!(!finds(&person, "_filter", filter), "{filter}");
    }
    let all = household();
    assert_eq!(
        found_among(&all, "Observation", &[("_filter", "patient.name co \"ia\" and status eq final")]),
        ["bp-1"]
    );
    assert_eq!(found_among(&all, "Patient", &[("_filter", "_has:Observation:patient:code eq local")]), ["1", "2"]);
}

#[test]
fn a_filter_that_is_not_understood_is_refused() {
    let deep = format!("{}status eq final{}", "(".repeat(30), ")".repeat(30));
    let many = ["status eq final"; 60].join(" or ");
    for (filter, code) in [
        ("status", IssueCode::Value),
        ("status eq", IssueCode::Value),
        ("status is final", IssueCode::Value),
        ("status eq final)", IssueCode::Value),
        ("(status eq final", IssueCode::Value),
        ("status eq final and", IssueCode::Value),
        ("status eq \"final", IssueCode::Value),
        ("status eq final status eq draft", IssueCode::Value),
        ("colour eq red", IssueCode::Value),
        ("status:not eq final", IssueCode::Value),
        ("date eq ge2020", IssueCode::Value),
        ("date eq never", IssueCode::Value),
        ("status pr perhaps", IssueCode::Value),
        ("status co fin", IssueCode::NotSupported),
        ("value-string in http://example.org/vs", IssueCode::NotSupported),
        ("related[type eq x].target eq y", IssueCode::NotSupported),
        (&deep, IssueCode::TooCostly),
        (&many, IssueCode::TooCostly),
    ] {
        let issue = refusal("Observation", "_filter", filter);
        assert_eq!(issue.code, code, "{filter}: {}", issue.text);
        assert!(issue.text.contains("`_filter`"), "{}", issue.text);
    }
}
