//! What a check of answers may take, and that what is offered is found however it is looked for.

use concord_fhir::json::{Limits, parse};
use concord_terminology::Tables;

use super::*;

fn checked(asked: &str, given: &str) -> Vec<Issue> {
    let questionnaire = format!(r#"{{"resourceType":"Questionnaire","status":"active","item":[{asked}]}}"#);
    let response = format!(r#"{{"resourceType":"QuestionnaireResponse","status":"completed","item":[{given}]}}"#);
    let limits = Limits { nodes: 10_000_000, ..Limits::default() };
    let questionnaire = parse(questionnaire.as_bytes(), &limits).unwrap();
    check(&parse(response.as_bytes(), &limits).unwrap(), &questionnaire, &Tables, None)
}

/// Many checks, each of which is far below what one may take: together they are ended, and each of those that is says so.
#[test]
fn the_checks_of_a_request_have_one_budget() {
    let limits = Limits::default();
    let asked = r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"a","type":"string"}]}"#;
    let given = r#"{"resourceType":"QuestionnaireResponse","status":"completed","item":[{"linkId":"a","answer":[{"valueString":"x"}]}]}"#;
    let [asked, given] = [asked, given].map(|text| parse(text.as_bytes(), &limits).unwrap());
    let together = Cell::new(100);
    let ends = |_: &usize| is_too_much(&check(&given, &asked, &Tables, Some(&together)));
    let done = (0..100).take_while(|number| !ends(number)).count();
    assert!(done > 1 && done < 100, "{done}");
    assert!((0..3).all(|number| ends(&number)));
    assert!(!is_too_much(&check(&given, &asked, &Tables, None)));
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

fn is_too_much(issues: &[Issue]) -> bool {
    issues.iter().any(|issue| issue.code == IssueCode::TooCostly && issue.severity == Severity::Information)
}

#[test]
fn what_multiplies_is_ended_and_never_called_wrong() {
    let answers = |value: &dyn Fn(usize) -> String| {
        format!(r#"{{"linkId":"a","answer":[{}]}}"#, many(20_000, |at| format!("{{{}}}", value(at))))
    };
    let text = |at: usize| format!(r#""valueString":"t{at}""#);
    let repeating = r#""linkId":"a","type":"string","repeats":true"#;
    let long = "x".repeat(100_000);
    let products = [
        // Conditions, each of which asks every answer.
        (
            format!(
                "{{{repeating}}},{}",
                many(5_000, |at| format!(
                    r#"{{"linkId":"b{at}","type":"string","enableWhen":[{{"question":"a","operator":"=","answerString":"z"}}]}}"#
                ))
            ),
            answers(&text),
        ),
        // Options that nothing tells apart.
        (
            format!(
                r#"{{"linkId":"a","type":"choice","repeats":true,"answerOption":[{}]}}"#,
                many(20_000, |at| format!(r#"{{"valueCoding":{{"system":"urn:{at}","code":"c"}}}}"#))
            ),
            answers(&|at| format!(r#""valueCoding":{{"system":"urn:x{at}","code":"c"}}"#)),
        ),
        // Extensions of a question, which are read for each answer.
        (
            format!(
                r#"{{{repeating},"extension":[{}]}}"#,
                many(5_000, |at| format!(r#"{{"url":"urn:{at}","valueString":"x"}}"#))
            ),
            answers(&text),
        ),
        // Items of a group, for each time that it is there.
        (
            format!(
                r#"{{"linkId":"g","type":"group","repeats":true,"item":[{}]}}"#,
                many(5_000, |at| format!(r#"{{"linkId":"i{at}","type":"string"}}"#))
            ),
            many(5_000, |_| r#"{"linkId":"g","item":[{"linkId":"i0","answer":[{"valueString":"x"}]}]}"#.to_owned()),
        ),
        // A long text, repeated in each message.
        (
            format!(
                r#"{{"linkId":"a","type":"reference","repeats":true,"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource","valueCode":"{long}"}}]}}"#
            ),
            answers(&|_| r#""valueReference":{"reference":"Patient/a"}"#.to_owned()),
        ),
        // Answers by themselves.
        (format!("{{{repeating}}}"), many(30, |_| answers(&text))),
    ];
    for (number, (asked, given)) in products.iter().enumerate() {
        let issues = checked(asked, given);
        assert!(is_too_much(&issues), "{number}: {:?}", issues.first());
        let ends = issues.iter().position(|issue| issue.code == IssueCode::TooCostly);
        assert_eq!(ends.map(|at| at + 1), Some(issues.len()), "{number}: nothing is said after the end");
        assert!(issues.iter().all(|issue| issue.text.len() < 1_000), "{number}");
    }
}

#[test]
fn many_options_and_answers_that_can_be_told_apart_are_checked() {
    let options = many(10_000, |at| format!(r#"{{"valueCoding":{{"system":"urn:s","code":"c{at}"}}}}"#));
    let asked =
        format!(r#"{{"linkId":"a","type":"choice","repeats":true,"answerOption":[{options},{{"valueString":"w"}}]}}"#);
    let given = |last: &str| {
        let answers = many(10_000, |at| format!(r#"{{"valueCoding":{{"system":"urn:s","code":"c{at}"}}}}"#));
        format!(r#"{{"linkId":"a","answer":[{answers},{{"valueString":"w"}},{last}]}}"#)
    };
    assert_eq!(checked(&asked, &given(r#"{"valueCoding":{"system":"urn:s","code":"c1"}}"#)), []);
    for wrong in [
        r#"{"valueCoding":{"system":"urn:other","code":"c1"}}"#,
        r#"{"valueCoding":{"system":"urn:s","code":"d"}}"#,
        r#"{"valueString":"v"}"#,
    ] {
        let found = checked(&asked, &given(wrong));
        assert_eq!(found.iter().map(|issue| issue.code).collect::<Vec<_>>(), [IssueCode::CodeInvalid], "{wrong}");
    }
}

#[test]
fn an_option_is_found_by_what_it_is_compared_by() {
    let cases = [
        // Without a system a code of any; without a code what it is called.
        (r#""valueCoding":{"code":"a"}"#, r#""valueCoding":{"system":"urn:s","code":"a"}"#, true),
        (r#""valueCoding":{"display":"a"}"#, r#""valueCoding":{"display":"a"}"#, true),
        (r#""valueCoding":{"display":"a"}"#, r#""valueCoding":{"display":"b"}"#, false),
        (
            r#""valueReference":{"reference":"Patient/a","display":"A"}"#,
            r#""valueReference":{"reference":"Patient/a"}"#,
            true,
        ),
        (r#""valueReference":{"reference":"Patient/a"}"#, r#""valueReference":{"reference":"Patient/b"}"#, false),
        (r#""valueInteger":1"#, r#""valueInteger":1"#, true),
        (r#""valueInteger":1"#, r#""valueInteger":2"#, false),
        (r#""valueDate":"2026-01-01""#, r#""valueDate":"2026-01-01""#, true),
        (r#""valueString":"a""#, r#""valueString":"b""#, false),
        (
            r#""valueQuantity":{"value":1.0,"code":"kg"}"#,
            r#""valueQuantity":{"value":1,"unit":"kilo","code":"kg"}"#,
            true,
        ),
    ];
    for (option, answer, is_offered) in cases {
        let asked = format!(r#"{{"linkId":"a","type":"choice","answerOption":[{{{option}}}]}}"#);
        let found = checked(&asked, &format!(r#"{{"linkId":"a","answer":[{{{answer}}}]}}"#));
        assert_eq!(found.is_empty(), is_offered, "{option} {answer}: {found:?}");
    }
}
