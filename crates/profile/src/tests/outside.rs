//! What expressions and references ask beside the resource: whoever knows is asked, within the steps of the check, and what
//! nobody knows is told.

use std::cell::Cell;
use std::collections::BTreeMap;

use concord_fhir::issue::IssueCode;
use concord_fhir::terminology::{CodingRef, Membership, Terminology};

use super::*;
use crate::surroundings::Stored;

/// Patients by their addresses.
struct Shelf(BTreeMap<&'static str, Value<'static>>);

impl Stored for Shelf {
    fn resource<'s>(&'s self, reference: &str) -> Option<&'s Value<'s>> {
        self.0.get(reference.split("/_history/").next().unwrap_or(reference))
    }
}

/// Counts what it is asked, and knows nothing.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Terminology for Counting {
    fn member_of(&self, _coding: CodingRef<'_>, _value_set: &str) -> Membership {
        self.0.set(self.0.get() + 1);
        Membership::Unknown
    }
}

fn constraint(expression: &str) -> String {
    format!(
        r#"{{"id":"Observation","path":"Observation","constraint":[{{"key":"k-1","severity":"error","human":"h","expression":"{expression}"}}]}}"#
    )
}

fn observation(subject: &str, more: &str) -> Value<'static> {
    value(&format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"BTG"}}]}},"subject":{{"reference":"{subject}"}}{more}}}"#
    ))
}

/// Whether it is said to be wrong; nothing where it is said that it was not evaluated or not checked.
fn verdict(library: &Library, url: &str, resource: &Value<'_>, stored: Option<&dyn Stored>) -> Option<bool> {
    let checker = Checker { stored, ..whole(library) };
    let issues = checker.check(resource, Asked { profiles: &[url.to_owned()], claimed: Some(&[]) });
    if issues.iter().any(|issue| issue.severity >= Severity::Error) {
        return Some(false);
    }
    let is_open = |issue: &Issue| issue.text.contains("not evaluated") || issue.text.contains("was not checked");
    (!issues.iter().any(is_open)).then_some(true)
}

#[test]
fn what_a_reference_leads_to_is_asked_of_whoever_may_look() {
    let named = profile("urn:named", "Patient", r#"{"path":"Patient.name","min":1}"#);
    let target = r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["urn:named"]}]}"#;
    let library = library(vec![
        named,
        profile("urn:target", "Observation", target),
        profile("urn:resolve", "Observation", &constraint("subject.resolve().ofType(Patient).name.exists()")),
        profile("urn:conforms", "Observation", &constraint("subject.resolve().conformsTo('urn:named')")),
    ]);
    let patient = |more: &str| value(&format!(r#"{{"resourceType":"Patient","meta":{{"versionId":"2"}}{more}}}"#));
    let shelf =
        Shelf(BTreeMap::from([("Patient/good", patient(r#","name":[{"text":"A"}]"#)), ("Patient/odd", patient(""))]));
    for url in ["urn:target", "urn:resolve", "urn:conforms"] {
        let ask = |subject: &str| verdict(&library, url, &observation(subject, ""), Some(&shelf));
        assert_eq!(ask("Patient/good"), Some(true), "{url}");
        assert_eq!(ask("Patient/odd"), Some(false), "{url}");
        assert_eq!(ask("Patient/odd/_history/2"), Some(false), "{url}");
        // Another version than the one that is there is not known, and neither is what is not there.
        assert_eq!(ask("Patient/odd/_history/1"), None, "{url}");
        assert_eq!(ask("Patient/nobody"), None, "{url}");
    }
    // Whoever may not look says of a target what it always did: nothing.
    assert_eq!(verdict(&library, "urn:target", &observation("Patient/odd", ""), None), Some(true));
    assert_eq!(verdict(&library, "urn:conforms", &observation("Patient/odd", ""), None), None);
    // In a Bundle a relative reference is to the server that its entry is of.
    let bundle = |base: &str| {
        value(&format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"{base}/Observation/o","resource":{{
            "resourceType":"Observation","id":"o","meta":{{"profile":["urn:target"]}},"status":"final","code":{{"text":"c"}},
            "subject":{{"reference":"Patient/odd"}}}}}}]}}"#
        ))
    };
    let elsewhere = Shelf(BTreeMap::from([("http://a.example/Patient/odd", patient(""))]));
    let checker = Checker { stored: Some(&elsewhere), ..whole(&library) };
    let errors = |base: &str| {
        let issues = checker.check(&bundle(base), Asked { profiles: &[], claimed: None });
        issues.iter().filter(|issue| issue.severity >= Severity::Error).count()
    };
    assert_eq!((errors("http://a.example"), errors("http://b.example")), (1, 0));
}

#[test]
fn codes_are_asked_of_whoever_knows_them() {
    let below = constraint("code.coding.first().subsumedBy(%resource.value.ofType(CodeableConcept).coding.first())");
    let library = library(vec![
        profile(
            "urn:in",
            "Observation",
            &constraint("code.memberOf('http://terminology.hl7.org/ValueSet/v3-PurposeOfUse')"),
        ),
        profile("urn:unknown", "Observation", &constraint("code.memberOf('urn:nothing')")),
        profile("urn:below", "Observation", &below),
    ]);
    assert_eq!(verdict(&library, "urn:in", &observation("Patient/a", ""), None), Some(true));
    assert_eq!(verdict(&library, "urn:unknown", &observation("Patient/a", ""), None), None);
    for (system, code, expected) in [
        ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT", Some(true)),
        ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HPAYMT", Some(false)),
        ("urn:other", "TREAT", Some(false)),
    ] {
        let above = format!(r#","valueCodeableConcept":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#);
        assert_eq!(verdict(&library, "urn:below", &observation("Patient/a", &above), None), expected, "{code}");
    }
}

/// However often an expression asks, and of however many codes: the steps of the check are all that there are.
#[test]
fn expressions_do_not_ask_without_end() {
    let asks = r#"{"id":"Goal.note","path":"Goal.note","constraint":[{"key":"k-1","severity":"error","human":"h","expression":"%resource.description.memberOf('urn:a') or %resource.description.memberOf('urn:b')"}]}"#;
    let library = library(vec![profile("urn:p", "Goal", asks)]);
    let codings: Vec<String> = (0..500).map(|at| format!(r#"{{"system":"urn:s","code":"c{at}"}}"#)).collect();
    let notes = vec![r#"{"text":"a"}"#; 3_000].join(",");
    let goal = value(&format!(
        r#"{{"resourceType":"Goal","lifecycleStatus":"active","description":{{"coding":[{}]}},"subject":{{"reference":"Patient/a"}},"note":[{notes}]}}"#,
        codings.join(",")
    ));
    let counting = Counting::default();
    let checker =
        Checker { library: &library, terminology: &counting, stored: None, is_whole: false, now: None, together: None };
    let issues = checker.check(&goal, Asked { profiles: &["urn:p".to_owned()], claimed: Some(&[]) });
    assert!(issues.iter().any(|issue| issue.code == IssueCode::TooCostly), "{issues:?}");
    assert!(counting.0.get() < 50_000, "{}", counting.0.get());
}

/// A profile whose expressions ask for profiles whose expressions ask for profiles is not known from some depth on.
#[test]
fn profiles_in_expressions_come_to_an_end() {
    let of = |at: usize| {
        let ask = format!("contained.all(conformsTo('urn:{}'))", at + 1);
        profile(
            &format!("urn:{at}"),
            "Observation",
            &constraint(&format!("%resource.conformsTo('urn:{}') and {ask}", at + 1)),
        )
    };
    let library = library((0..12).map(of).chain([profile("urn:12", "Observation", "")]).collect());
    assert_eq!(verdict(&library, "urn:0", &observation("Patient/a", ""), None), None);
    assert_eq!(verdict(&library, "urn:11", &observation("Patient/a", ""), None), Some(true));
}

/// What could not be checked is said also of what was looked at before, to tell of which kind it is or what leads to it.
#[test]
fn what_was_looked_at_before_is_told_all_the_same() {
    let bound =
        r#"{"path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://example.org/unknown"}}"#;
    let sliced = r#"{"path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"}],"rules":"open"}},
        {"path":"Bundle.entry","sliceName":"bound"},
        {"path":"Bundle.entry.resource","type":[{"code":"Patient","profile":["urn:bound"]}]}"#;
    let leads = r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["urn:bound"]}]}"#;
    let library = library(vec![
        profile("urn:bound", "Patient", bound),
        profile("urn:sliced", "Bundle", sliced),
        profile("urn:leads", "Observation", leads),
    ]);
    let patient = |claims: &str| {
        format!(
            r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{{"resourceType":"Patient"{claims},
            "maritalStatus":{{"coding":[{{"system":"urn:s","code":"c"}}]}}}}}}"#
        )
    };
    let observed = r#"{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Observation",
        "meta":{"profile":["urn:leads"]},"status":"final","code":{"text":"c"},
        "subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}}"#;
    let claims = r#","meta":{"profile":["urn:bound"]}"#;
    for entries in [patient(""), format!("{observed},{}", patient(claims))] {
        let bundle = value(&format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#));
        let asked = ["urn:sliced".to_owned()];
        let issues = whole(&library).check(&bundle, Asked { profiles: &asked, claimed: None });
        let told: Vec<_> = issues.iter().filter(|issue| issue.text.contains("could not be checked")).collect();
        assert_eq!(told.len(), 1, "{issues:?}");
    }
}
