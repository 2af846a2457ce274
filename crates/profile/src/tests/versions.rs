//! Codes that say of which version of their code system they are.

use concord_fhir::terminology::{CodingRef, Membership, Terminology};

use super::*;
use crate::questionnaire;

/// Two versions of a code system, of which the second is meant where none is said.
struct Two;

impl Terminology for Two {
    fn member_of(&self, coding: CodingRef<'_>, _value_set: &str) -> Membership {
        match coding.version {
            Some("1") => Membership::of(["old", "dog"].contains(&coding.code)),
            None | Some("2") => Membership::of(["new", "dog"].contains(&coding.code)),
            Some(_) => Membership::Unknown,
        }
    }
}

/// What each version and code is told: whether it is wrong, and whether it is said that the version is not known.
const CASES: [(&str, &str, bool, bool); 7] = [
    ("1", "old", false, false),
    ("1", "new", true, false),
    ("2", "new", false, false),
    ("", "old", true, false),
    ("", "new", false, false),
    ("9", "new", false, true),
    ("9", "old", true, true),
];

fn coding(version: &str, code: &str) -> String {
    let version = if version.is_empty() { String::new() } else { format!(r#""version":"{version}","#) };
    format!(r#"{{"system":"urn:a",{version}"code":"{code}"}}"#)
}

fn judged(found: &[Issue]) -> (bool, bool) {
    let is_wrong = found.iter().any(|issue| issue.severity >= Severity::Error);
    (is_wrong, found.iter().any(|issue| issue.text.contains("urn:a in version 9 is not known here")))
}

#[test]
fn a_binding_asks_for_the_version_that_a_code_says() {
    let binding =
        r#"{"id":"Observation.code","path":"Observation.code","binding":{"strength":"required","valueSet":"urn:vs"}}"#;
    let library = library(vec![profile("urn:bound", "Observation", binding)]);
    for (version, code, is_wrong, is_told) in CASES {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{}]}}}}"#,
            coding(version, code)
        );
        let checker =
            Checker { library: &library, terminology: &Two, stored: None, is_whole: false, now: None, together: None };
        let found = checker.check(&value(&text), Asked { profiles: &["urn:bound".to_owned()], claimed: Some(&[]) });
        assert_eq!(judged(&found), (is_wrong, is_told), "{version} {code}: {found:?}");
    }
}

#[test]
fn a_question_asks_for_the_version_that_an_answer_says() {
    let form = |more: &str, set: &str| {
        value(&format!(
            r##"{{"resourceType":"Questionnaire","status":"active",{more}"item":[{{"linkId":"q","type":"choice","answerValueSet":"{set}"}}]}}"##
        ))
    };
    let answers = |version: &str, code: &str| {
        value(&format!(
            r#"{{"resourceType":"QuestionnaireResponse","status":"completed","item":[{{"linkId":"q","answer":[{{"valueCoding":{}}}]}}]}}"#,
            coding(version, code)
        ))
    };
    for (version, code, is_wrong, is_told) in CASES {
        let found = questionnaire::check(&answers(version, code), &form("", "urn:vs"), &Two, None);
        assert_eq!(judged(&found), (is_wrong, is_told), "{version} {code}: {found:?}");
    }
    // One that the Questionnaire contains, of a version that it names.
    let contained = r#""contained":[{"resourceType":"ValueSet","id":"v","status":"active","compose":{"include":[
        {"system":"urn:a","version":"1","concept":[{"code":"old"}]}]}}],"#;
    for (version, is_wrong) in [("1", false), ("", false), ("2", true)] {
        let found = questionnaire::check(&answers(version, "old"), &form(contained, "#v"), &Two, None);
        assert_eq!(judged(&found), (is_wrong, false), "{version}: {found:?}");
    }
}
