//! What the check finds, and where it says it is.

use super::check;
use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, parse};

fn issues(text: &str) -> Vec<Issue> {
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    check(&value, &Limits::default()).err().unwrap_or_default()
}

/// The issues as `code place`.
fn found(text: &str) -> Vec<String> {
    issues(text)
        .iter()
        .map(|issue| format!("{} {}", issue.code.code(), issue.expression.as_deref().unwrap_or("-")))
        .collect()
}

/// The issues of an observation with these members beside those that must be there.
fn observation(members: &str) -> Vec<String> {
    found(&format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#))
}

#[test]
fn a_good_resource_is_named() {
    let text = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}"#;
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(check(&value, &Limits::default()).unwrap().name(), "Observation");
}

#[test]
fn every_problem_is_listed() {
    let text = r#"{"resourceType":"Observation","status":"finished","category":{"text":1},"code":[{"text":"x"}],
        "effectiveDateTime":"2023-02-29","effectivePeriod":{},"performer":[],"foo":1,
        "component":[{"valueQuantity":{"value":"1","codes":2}},null,3],"issued":null}"#;
    let wanted = [
        "code-invalid Observation.status",
        "structure Observation.category",
        "structure Observation.category.text",
        "structure Observation.code",
        "value Observation.effectiveDateTime",
        "invalid Observation.effectivePeriod",
        "structure Observation.effectivePeriod",
        "structure Observation.performer",
        "invalid Observation.foo",
        "structure Observation.component[0].valueQuantity.value",
        "invalid Observation.component[0].valueQuantity.codes",
        "required Observation.component[0].code",
        "structure Observation.component[1]",
        "structure Observation.component[2]",
        "structure Observation.issued",
    ];
    assert_eq!(found(text), wanted);
}

#[test]
fn the_resource_type_must_be_known() {
    for text in [
        "{}",
        r#"{"resourceType":1}"#,
        r#"{"resourceType":"Nothing"}"#,
        r#"{"resourceType":"Resource"}"#,
        "[]",
        "null",
        "1",
    ] {
        let issues = issues(text);
        assert_eq!(issues.len(), 1, "{text}");
        assert_eq!(issues[0].code, IssueCode::Structure, "{text}");
    }
    assert_eq!(found(r#"{"resourceType":"Patient"}"#), [] as [&str; 0]);
}

#[test]
fn primitives_and_what_stands_beside_them_are_paired() {
    let patient = |name: &str| found(&format!(r#"{{"resourceType":"Patient","name":[{name}]}}"#));
    let extension = r#"{"extension":[{"url":"http://x","valueCode":"y"}]}"#;
    for good in [
        format!(r#"{{"given":["a",null],"_given":[null,{extension}]}}"#),
        format!(r#"{{"_given":[{extension}]}}"#),
        r#"{"given":["a"],"_given":[{"id":"x"}]}"#.to_owned(),
        format!(r#"{{"_family":{extension}}}"#),
    ] {
        assert_eq!(patient(&good), [] as [&str; 0], "{good}");
    }
    for (bad, wanted) in [
        (r#"{"given":["a",null]}"#.to_owned(), "structure Patient.name[0].given[1]"),
        (format!(r#"{{"given":["a",null],"_given":[{extension}]}}"#), "structure Patient.name[0].given"),
        (format!(r#"{{"given":["a"],"_given":{extension}}}"#), "structure Patient.name[0].given"),
        (r#"{"given":["a"],"_given":[]}"#.to_owned(), "structure Patient.name[0].given"),
        (r#"{"_given":[null]}"#.to_owned(), "structure Patient.name[0].given[0]"),
        (r#"{"given":[null],"_given":[null]}"#.to_owned(), "structure Patient.name[0].given[0]"),
        (r#"{"family":null}"#.to_owned(), "structure Patient.name[0].family"),
        (r#"{"_family":{"id":"x"}}"#.to_owned(), "invariant Patient.name[0].family"),
        (r#"{"_family":null}"#.to_owned(), "structure Patient.name[0].family"),
        (r#"{"family":"a","_family":{}}"#.to_owned(), "structure Patient.name[0].family"),
        (r#"{"family":"a","_family":{"value":"b"}}"#.to_owned(), "invalid Patient.name[0].family.value"),
        (r#"{"_period":{"id":"x"}}"#.to_owned(), "invalid Patient.name[0]._period"),
    ] {
        assert!(patient(&bad).contains(&wanted.to_owned()), "{bad}: {:?}", patient(&bad));
    }
}

#[test]
fn a_required_primitive_may_say_why_it_is_absent() {
    let text = r#"{"resourceType":"Observation","_status":{"extension":[{"url":"http://x","valueCode":"unknown"}]},"code":{"text":"x"}}"#;
    assert_eq!(found(text), [] as [&str; 0]);
}

#[test]
fn a_choice_is_made_once() {
    assert_eq!(observation(r#""valueString":"a","_valueString":{"id":"x"}"#), [] as [&str; 0]);
    assert_eq!(observation(r#""valueString":"a","valueInteger":1"#), ["invalid Observation.valueInteger"]);
    assert_eq!(
        observation(r#""valueString":"a","_valueBoolean":{"extension":[{"url":"http://x","valueCode":"y"}]}"#),
        ["invalid Observation.valueBoolean"]
    );
    assert_eq!(observation(r#""value":1"#), ["invalid Observation.value"]);
}

#[test]
fn codes_of_required_bindings_are_known() {
    assert_eq!(found(r#"{"resourceType":"Patient","gender":"woman"}"#), ["code-invalid Patient.gender"]);
    assert_eq!(found(r#"{"resourceType":"Patient","gender":" female"}"#).len(), 2);
    let condition = |status: &str| {
        found(&format!(r#"{{"resourceType":"Condition","subject":{{"display":"x"}},"clinicalStatus":{status}}}"#))
    };
    let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    assert_eq!(condition(&format!(r#"{{"coding":[{{"system":"{system}","code":"active"}}]}}"#)), [] as [&str; 0]);
    assert_eq!(condition(r#"{"extension":[{"url":"http://x","valueCode":"unknown"}]}"#), [] as [&str; 0]);
    for bad in [
        format!(r#"{{"coding":[{{"system":"{system}","code":"busy"}}]}}"#),
        r#"{"coding":[{"system":"http://x","code":"active"}]}"#.to_owned(),
        r#"{"coding":[{"code":"active"}]}"#.to_owned(),
        r#"{"text":"active"}"#.to_owned(),
    ] {
        assert_eq!(condition(&bad), ["code-invalid Condition.clinicalStatus"], "{bad}");
    }
}

#[test]
fn elements_are_not_empty() {
    assert_eq!(observation(r#""subject":{"id":"x"}"#), ["invariant Observation.subject"]);
    assert_eq!(observation(r#""subject":{}"#), ["structure Observation.subject"]);
    assert_eq!(observation(r#""note":[{"text":""}]"#), ["value Observation.note[0].text"]);
    assert_eq!(observation(r#""language":"""#), ["value Observation.language"]);
}

#[test]
fn extensions_have_a_url_and_either_value_or_extensions() {
    let extension = |inside: &str| observation(&format!(r#""extension":[{inside}]"#));
    assert_eq!(extension(r#"{"url":"http://x","valueString":"a"}"#), [] as [&str; 0]);
    assert_eq!(extension(r#"{"url":"http://x","extension":[{"url":"y","valueCode":"z"}]}"#), [] as [&str; 0]);
    assert_eq!(extension(r#"{"url":"http://x"}"#), ["invariant Observation.extension[0]"]);
    assert_eq!(extension(r#"{"valueString":"a"}"#), ["required Observation.extension[0].url"]);
    let both = r#"{"url":"http://x","valueString":"a","extension":[{"url":"y","valueCode":"z"}]}"#;
    assert_eq!(extension(both), ["invariant Observation.extension[0]"]);
}

#[test]
fn contained_resources_are_checked_and_found() {
    let with = |inside: &str, reference: &str| {
        observation(&format!(r#""contained":[{inside}],"subject":{{"reference":"{reference}"}}"#))
    };
    let patient = r#"{"resourceType":"Patient","id":"p"}"#;
    assert_eq!(with(patient, "#p"), [] as [&str; 0]);
    // An id means one of them.
    assert_eq!(with(&format!("{patient},{patient}"), "#p"), ["value Observation.contained[1].id"]);
    // What is contained is there for what contains it (dom-3).
    assert_eq!(with(patient, "#"), ["invariant Observation"]);
    assert_eq!(with(patient, "Patient/p"), ["invariant Observation"]);
    assert_eq!(with(patient, "#q"), ["invariant Observation.subject.reference", "invariant Observation"]);
    assert_eq!(with(r#"{"resourceType":"Patient","id":"p","foo":1}"#, "#p"), ["invalid Observation.contained[0].foo"]);
    assert_eq!(with(r#"{"id":"p"}"#, "#p"), ["structure Observation.contained[0]"]);
    let nested = r#"{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q"}],"meta":{"versionId":"1","security":[{"code":"x"}]}}"#;
    let wanted = [
        "invariant Observation.contained[0]",
        "invariant Observation.contained[0].contained",
        "invariant Observation.contained[0].meta.versionId",
        "invariant Observation.contained[0].meta.security",
    ];
    assert_eq!(with(nested, "#p"), wanted);
    let inner = |own: &str| {
        format!(
            r##"{{"resourceType":"Procedure","id":"p","status":"completed","subject":{{"reference":"#o"}},"asserter":{{"reference":"{own}"}}}},{{"resourceType":"Patient","id":"o"}}"##
        )
    };
    assert_eq!(with(&inner("#"), "#o"), [] as [&str; 0]);
    assert_eq!(with(&inner("#o"), "#o"), ["invariant Observation"]);
}

#[test]
fn resources_in_bundles_and_parameters_are_checked() {
    let text = r##"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Observation","code":{"text":"x"},"subject":{"reference":"#p"}},"request":{"method":"POST","url":"Observation"}},
        {"resource":{"resourceType":"Nothing"},"request":{"method":"STEAL","url":"x"}},
        {"resource":[]}]}"##;
    let wanted = [
        "invariant Bundle.entry[0].resource.subject.reference",
        "required Bundle.entry[0].resource.status",
        "structure Bundle.entry[1].resource",
        "code-invalid Bundle.entry[1].request.method",
        "structure Bundle.entry[2].resource",
        "invariant Bundle",
    ];
    assert_eq!(found(text), wanted);
    let text = r#"{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","x":1}},
        {"name":"b"},{"name":"c","valueString":"x","part":[{"name":"d","valueCode":"e"}]}]}"#;
    let wanted = [
        "invalid Parameters.parameter[0].resource.x",
        "invariant Parameters.parameter[1]",
        "invariant Parameters.parameter[2]",
    ];
    assert_eq!(found(text), wanted);
}

#[test]
fn rules_between_elements_hold() {
    for (members, wanted) in [
        (r#""dataAbsentReason":{"text":"x"},"valueString":"a""#, "invariant Observation"),
        (r#""effectivePeriod":{"start":"2024-01-02","end":"2024-01-01"}"#, "invariant Observation.effectivePeriod"),
        (r#""valueQuantity":{"value":1,"code":"g"}"#, "invariant Observation.valueQuantity"),
        (r#""referenceRange":[{"appliesTo":[{"text":"x"}]}]"#, "invariant Observation.referenceRange[0]"),
        (r#""valueRatio":{"numerator":{"value":1}}"#, "invariant Observation.valueRatio"),
        (
            r#""effectiveTiming":{"repeat":{"period":-1,"periodUnit":"d"}}"#,
            "invariant Observation.effectiveTiming.repeat",
        ),
        (
            r#""referenceRange":[{"low":{"value":1,"comparator":"<"}}]"#,
            "invalid Observation.referenceRange[0].low.comparator",
        ),
    ] {
        assert_eq!(observation(members), [wanted], "{members}");
    }
    let same_code = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://x","code":"a"}]},"valueInteger":1,
        "component":[{"code":{"coding":[{"code":"a","system":"http://x"}]}}]}"#;
    assert_eq!(found(same_code), ["invariant Observation"]);
}

#[test]
fn what_is_too_deep_or_too_much_is_bounded() {
    let deep = format!(
        r#"{{"resourceType":"Basic","code":{{"text":"x"}},"extension":[{}{{"url":"x","valueCode":"y"}}{}]}}"#,
        r#"{"url":"x","extension":["#.repeat(20),
        "]}".repeat(20)
    );
    let value = parse(deep.as_bytes(), &Limits::default()).unwrap();
    assert!(check(&value, &Limits::default()).is_ok());
    let issues = check(&value, &Limits { depth: 10, ..Limits::default() }).unwrap_err();
    assert_eq!((issues.len(), issues[0].code), (1, IssueCode::TooLong));
    let many = format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, vec!["{\"x\":1}"; 5000].join(","));
    let found = self::issues(&many);
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].text, "4000 more problems are not listed");
}
