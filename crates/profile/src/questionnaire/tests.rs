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

/// The places of the errors.
fn places(asked: &str, given: &str) -> Vec<String> {
    let errors = checked(asked, given).into_iter().filter(|issue| issue.severity >= Severity::Error);
    errors.filter_map(|issue| issue.expression).collect()
}

#[test]
fn every_operator_says_whether_an_item_is_asked() {
    let kilograms = |value: u32, code: &str| {
        format!(r#"Quantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#)
    };
    let (kg, less) = (kilograms(70, "kg"), kilograms(69_000, "g"));
    let coding = |code: &str| format!(r#"Coding":{{"system":"urn:s","code":"{code}"}}"#);
    let (red, blue) = (coding("red"), coding("blue"));
    for (operator, wanted, answer, is_asked) in [
        ("exists", r#"Boolean":true"#, r#"String":"x""#, true),
        ("exists", r#"Boolean":false"#, r#"String":"x""#, false),
        ("exists", r#"Boolean":false"#, "", true),
        ("exists", r#"Boolean":true"#, "", false),
        ("=", r#"Integer":3"#, r#"Integer":3"#, true),
        ("=", r#"Integer":3"#, r#"Integer":4"#, false),
        ("=", r#"Integer":3"#, "", false),
        ("=", r#"Decimal":1.50"#, r#"Decimal":1.5"#, true),
        ("=", &red, &red, true),
        ("=", &red, &blue, false),
        ("=", &kg, &less, false),
        ("=", &kg, &kilograms(70_000, "g"), true),
        ("!=", r#"Integer":3"#, r#"Integer":4"#, true),
        ("!=", r#"Integer":3"#, r#"Integer":3"#, false),
        ("!=", r#"Integer":3"#, "", false),
        (">", r#"Integer":3"#, r#"Integer":4"#, true),
        (">", r#"Integer":3"#, r#"Integer":3"#, false),
        (">", r#"Date":"2026-01-31""#, r#"Date":"2026-02-01""#, true),
        (">", r#"Date":"2026-01-31""#, r#"Date":"2026""#, false),
        ("<", r#"Decimal":0.3"#, r#"Decimal":0.29999999999999999999"#, true),
        ("<", &kg, &less, true),
        ("<", &kg, &kilograms(1, "m"), false),
        ("<", r#"Time":"10:00:00""#, r#"Time":"09:59:59""#, true),
        (">=", r#"Integer":3"#, r#"Integer":3"#, true),
        (">=", r#"Integer":3"#, r#"Integer":2"#, false),
        ("<=", r#"DateTime":"2026-01-01T10:00:00Z""#, r#"DateTime":"2026-01-01T11:00:00+01:00""#, true),
        ("<=", r#"Integer":3"#, r#"Integer":4"#, false),
    ] {
        let kind = match answer.split('"').next() {
            Some("Coding") => "choice".to_owned(),
            Some("DateTime") => "dateTime".to_owned(),
            Some(name) if !name.is_empty() => name.to_lowercase(),
            _ => "string".to_owned(),
        };
        let asked = format!(
            r#"{{"linkId":"a","type":"{kind}"}},{{"linkId":"b","type":"string","enableWhen":[{{"question":"a","operator":"{operator}","answer{wanted}}}]}}"#
        );
        let first = if answer.is_empty() {
            String::new()
        } else {
            format!(r#"{{"linkId":"a","answer":[{{"value{answer}}}]}},"#)
        };
        let given = format!(r#"{first}{{"linkId":"b","answer":[{{"valueString":"x"}}]}}"#);
        assert_eq!(
            places(&asked, &given).is_empty(),
            is_asked,
            "{operator} {wanted} of {answer}: {:?}",
            checked(&asked, &given)
        );
    }
}

/// In a group that repeats what depends on an answer goes by the answer of the same time.
#[test]
fn the_nearest_answer_counts() {
    let when =
        |question: &str| format!(r#""enableWhen":[{{"question":"{question}","operator":"=","answerBoolean":true}}]"#);
    let asked = format!(
        r#"{{"linkId":"any","type":"boolean"}},
        {{"linkId":"g","type":"group","repeats":true,"item":[
            {{"linkId":"q","type":"boolean","item":[{{"linkId":"inside","type":"string",{}}}]}},
            {{"linkId":"why","type":"string","required":true,{}}},
            {{"linkId":"h","type":"group","item":[{{"linkId":"deep","type":"string",{}}}]}},
            {{"linkId":"else","type":"string",{}}}]}}"#,
        when("q"),
        when("q"),
        when("q"),
        when("any")
    );
    let q = |value: &str, inside: &str| format!(r#"{{"linkId":"q","answer":[{{"valueBoolean":{value}{inside}}}]}}"#);
    let text = |link: &str| format!(r#"{{"linkId":"{link}","answer":[{{"valueString":"x"}}]}}"#);
    let group = |items: &[String]| format!(r#"{{"linkId":"g","item":[{}]}}"#, items.join(","));
    let within = format!(r#","item":[{}]"#, text("inside"));
    let deep = format!(r#"{{"linkId":"h","item":[{}]}}"#, text("deep"));
    let both = |one: &[String], other: &[String]| format!("{},{}", group(one), group(other));
    for (given, wanted) in [
        (both(&[q("true", ""), text("why")], &[q("false", "")]), &[][..]),
        (
            both(&[q("true", ""), text("why")], &[q("false", ""), text("why")]),
            &["QuestionnaireResponse.item[1].item[1]"],
        ),
        // Required where it is asked, and there alone.
        (both(&[q("false", "")], &[q("true", "")]), &["QuestionnaireResponse.item[1]"]),
        // Where it is not answered at all, another time's answer is none.
        (both(&[q("true", ""), text("why")], &[text("why")]), &["QuestionnaireResponse.item[1].item[0]"]),
        (
            both(&[q("true", &within), text("why")], &[q("false", &within)]),
            &["QuestionnaireResponse.item[1].item[0].answer[0].item[0]"],
        ),
        (
            both(&[q("true", ""), text("why"), deep.clone()], &[q("false", ""), deep.clone()]),
            &["QuestionnaireResponse.item[1].item[1].item[0]"],
        ),
        // A question outside is the same for all.
        (both(&[q("false", ""), text("else")], &[q("false", "")]), &["QuestionnaireResponse.item[0].item[1]"]),
        (
            format!(
                r#"{{"linkId":"any","answer":[{{"valueBoolean":true}}]}},{}"#,
                both(&[q("false", ""), text("else")], &[text("else")])
            ),
            &[],
        ),
    ] {
        assert_eq!(places(&asked, &given), wanted, "{given}");
    }
}

#[test]
fn answers_are_written_as_the_question_says() {
    let asked = |pattern: &str, kind: &str| {
        format!(
            r#"{{"linkId":"a","type":"{kind}","extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/regex","valueString":"{pattern}"}}]}}"#
        )
    };
    for (pattern, kind, answer, is_right) in [
        ("[A-Z]{2}[0-9]+", "string", r#"String":"AB12""#, true),
        ("[A-Z]{2}[0-9]+", "string", r#"String":"xAB12""#, false),
        ("[0-9]{3}", "integer", r#"Integer":123"#, true),
        ("[0-9]{3}", "integer", r#"Integer":12"#, false),
    ] {
        let given = format!(r#"{{"linkId":"a","answer":[{{"value{answer}}}]}}"#);
        assert_eq!(places(&asked(pattern, kind), &given).is_empty(), is_right, "{pattern} {answer}");
    }
    // One that nobody can read is told, and one that would explode is none.
    for pattern in ["(a", "((a{1,99}){1,99}){1,99}"] {
        let found = checked(&asked(pattern, "string"), r#"{"linkId":"a","answer":[{"valueString":"a"}]}"#);
        assert!(found.len() == 1 && found[0].text.contains("could not be read"), "{found:?}");
    }
}

#[test]
fn bounds_in_any_unit_that_can_be_compared() {
    let bound = |name: &str, value: &str| format!(r#"{{"url":"http://hl7.org/fhir/{name}","value{value}}}"#);
    let kilograms = |value: &str, code: &str| {
        format!(r#"Quantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#)
    };
    let (least, most) = ("StructureDefinition/minValue", "StructureDefinition/maxValue");
    let most_quantity = "uv/sdc/StructureDefinition/sdc-questionnaire-maxQuantity";
    for (kind, bound, answer, errors) in [
        ("integer", bound(least, r#"Integer":3"#), r#"Integer":2"#.to_owned(), 1),
        ("integer", bound(least, r#"Integer":3"#), r#"Integer":3"#.to_owned(), 0),
        ("decimal", bound(most, r#"Decimal":0.1"#), r#"Decimal":0.10000000000000000001"#.to_owned(), 1),
        ("date", bound(most, r#"Date":"2026-01-01""#), r#"Date":"2026-01-02""#.to_owned(), 1),
        (
            "dateTime",
            bound(most, r#"DateTime":"2026-01-01T10:00:00Z""#),
            r#"DateTime":"2026-01-01T10:30:00+01:00""#.to_owned(),
            0,
        ),
        ("time", bound(least, r#"Time":"10:00:00""#), r#"Time":"09:00:00""#.to_owned(), 1),
        ("quantity", bound(most_quantity, &kilograms("70", "kg")), kilograms("70001", "g"), 1),
        ("quantity", bound(most_quantity, &kilograms("70", "kg")), kilograms("70000", "g"), 0),
        ("quantity", bound(most_quantity, &kilograms("70", "kg")), kilograms("1", "m"), 1),
    ] {
        let asked = format!(r#"{{"linkId":"a","type":"{kind}","extension":[{bound}]}}"#);
        let found = places(&asked, &format!(r#"{{"linkId":"a","answer":[{{"value{answer}}}]}}"#));
        assert_eq!(found.len(), errors, "{bound} {answer}: {found:?}");
    }
    let asked = format!(r#"{{"linkId":"a","type":"date","extension":[{}]}}"#, bound(most, r#"Date":"2026-01-05""#));
    let found = checked(&asked, r#"{"linkId":"a","answer":[{"valueDate":"2026-01"}]}"#);
    assert!(found.len() == 1 && found[0].text.contains("cannot be told"), "{found:?}");
}
