//! Comments follow what they are about: whoever may read that may read them.

use concord_fhir::index::{Entries, extract};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;

use super::cases::{NOW, caller, facts};
use crate::decide;
use crate::decision::Decision;
use crate::facts::Facts;
use crate::request::{Action, Request};

fn value(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
}

fn entries(text: &str) -> Entries {
    let value = value(text);
    let resource_type = ResourceType::parse(value.text("resourceType").unwrap()).unwrap();
    let mut entries = extract(resource_type, value.text("id").unwrap(), NOW, &value);
    entries.patients = vec!["p1".to_owned()];
    entries
}

/// The carer c1, who may see p1's Observations but for what another Consent denies.
fn shared_but_for(denied: &str) -> Facts {
    sharing(&["Observation"], denied)
}

/// The same of these types.
fn sharing(types: &[&str], denied: &str) -> Facts {
    let consent = |id: &str, kind: &str, what: &str| {
        value(&format!(
            r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
            "patient":{{"reference":"Patient/p1"}},"provision":{{"type":"{kind}",
            "actor":[{{"reference":{{"reference":"RelatedPerson/c1"}}}}],{what}}}}}"#
        ))
    };
    let related = value(r#"{"resourceType":"RelatedPerson","id":"c1","patient":{"reference":"Patient/p1"}}"#);
    let mut resources = vec![related];
    resources.extend(types.iter().map(|one| consent(one, "permit", &class(one))));
    resources.extend(Some(denied).filter(|denied| !denied.is_empty()).map(|denied| consent("d", "deny", denied)));
    facts(&resources)
}

fn class(name: &str) -> String {
    format!(r#""class":[{{"system":"http://hl7.org/fhir/resource-types","code":"{name}"}}]"#)
}

fn decision(who: &str, scopes: &str, action: Action, resource_type: &str) -> Decision {
    decided(&shared_but_for(""), who, scopes, action, ResourceType::parse(resource_type))
}

fn decided(facts: &Facts, who: &str, scopes: &str, action: Action, resource_type: Option<ResourceType>) -> Decision {
    let caller = caller(who, scopes, None);
    decide(&Request { caller: &caller, action, resource_type, purpose: None, reason: None }, facts, NOW)
}

fn comment(id: &str, about: &str, category: &str, meta: &str) -> Entries {
    entries(&format!(
        r#"{{"resourceType":"Communication","id":"{id}","status":"completed"{meta},
        "category":[{{"coding":[{{"system":"urn:concord:communication-category","code":"{category}"}}]}}],
        "subject":{{"reference":"Patient/p1"}},"about":[{{"reference":"{about}"}}]}}"#
    ))
}

#[test]
fn a_carer_reads_comments_on_what_they_may_read() {
    let all = [
        entries(
            r#"{"resourceType":"Observation","id":"bp","status":"final","code":{"text":"bp"},
            "subject":{"reference":"Patient/p1"}}"#,
        ),
        entries(
            r#"{"resourceType":"Condition","id":"asthma","code":{"text":"asthma"},
            "subject":{"reference":"Patient/p1"}}"#,
        ),
    ];
    let label = r#","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"MH"}]}"#;
    let on_reading = comment("a", "Observation/bp", "comment", "");
    let on_condition = comment("b", "Condition/asthma", "comment", "");
    let labelled = comment("c", "Observation/bp", "comment", label);
    let no_comment = comment("d", "Observation/bp", "letter", "");
    let carer = "RelatedPerson/c1";
    let both = "user/Communication.crus user/Observation.rs";
    for action in [Action::Read, Action::Search] {
        let permit = decision(carer, both, action, "Communication").permit;
        assert!(permit.holds_among(&on_reading, &all));
        for hidden in [&on_condition, &labelled, &no_comment] {
            assert!(!permit.holds_among(hidden, &all), "{hidden:?}");
        }
        let reasons = decision(carer, both, action, "Communication").reasons;
        assert!(reasons.iter().any(|reason| reason.rule == "comment.on-readable"));
    }
    // What it is about is evaluated like a read of it, by the scopes too.
    let permit = decision(carer, "user/Communication.rs", Action::Read, "Communication").permit;
    assert!(!permit.holds_among(&on_reading, &all));
    // Nobody writes by it, it is about no other type, and a stranger has nothing by it.
    assert!(!decision(carer, both, Action::Update, "Communication").permit.has_chains());
    assert!(!decision(carer, both, Action::Read, "Observation").permit.has_chains());
    let stranger = decision("RelatedPerson/c2", both, Action::Read, "Communication");
    assert!(!stranger.permit.has_chains());
    let other = decision("RelatedPerson/c2", both, Action::Read, "Observation");
    assert!(other.is_denial() && !decision(carer, both, Action::Read, "Observation").is_denial());
    assert!(!stranger.reasons.iter().any(|reason| reason.rule == "comment.on-readable"));
    assert!(!decision("Practitioner/gp", both, Action::Read, "Communication").permit.has_chains());
}

/// What the carer is shown of these, asked about Communications and about everything.
fn shown(facts: &Facts, all: &[Entries]) -> Vec<String> {
    let scopes = "user/*.rs";
    let by = |action, resource_type| {
        let permit = decided(facts, "RelatedPerson/c1", scopes, action, resource_type).permit;
        let comments = all.iter().filter(|one| one.resource_type.name() == "Communication");
        comments.filter(|one| permit.holds_among(one, all)).map(|one| one.id.clone()).collect::<Vec<_>>()
    };
    let found = by(Action::Read, ResourceType::parse("Communication"));
    for action in [Action::Read, Action::Search, Action::History, Action::TypeHistory] {
        for resource_type in [None, ResourceType::parse("Communication")] {
            assert_eq!(by(action, resource_type), found, "{action:?} {resource_type:?}");
        }
    }
    found
}

fn observation_and_condition() -> Vec<Entries> {
    vec![
        entries(r#"{"resourceType":"Observation","id":"bp","subject":{"reference":"Patient/p1"}}"#),
        entries(r#"{"resourceType":"Condition","id":"asthma","subject":{"reference":"Patient/p1"}}"#),
    ]
}

fn naming(id: &str, elements: &str) -> Entries {
    entries(&format!(
        r#"{{"resourceType":"Communication","id":"{id}","subject":{{"reference":"Patient/p1"}},
        "category":[{{"coding":[{{"code":"comment"}}]}}],{elements}}}"#
    ))
}

#[test]
fn all_that_a_comment_speaks_about_has_to_be_readable() {
    let about_bp = r#""about":[{"reference":"Observation/bp"}]"#;
    let condition = r#"{"reference":"Condition/asthma"}"#;
    let mut all = observation_and_condition();
    all.extend([
        naming("bp", about_bp),
        naming("both", &format!(r#""about":[{condition},{{"reference":"Observation/bp"}}]"#)),
        naming("reason", &format!(r#"{about_bp},"reasonReference":[{condition}]"#)),
        naming("content", &format!(r#"{about_bp},"payload":[{{"contentReference":{condition}}}]"#)),
        naming("extension", &format!(r#"{about_bp},"extension":[{{"url":"x","valueReference":{condition}}}]"#)),
        naming("answer", &format!(r#"{about_bp},"inResponseTo":[{{"reference":"Communication/bp"}}]"#)),
        naming("answer-to-both", &format!(r#"{about_bp},"inResponseTo":[{{"reference":"Communication/both"}}]"#)),
        naming("second-answer", &format!(r#"{about_bp},"inResponseTo":[{{"reference":"Communication/answer"}}]"#)),
        naming("answer-to-a-letter", &format!(r#"{about_bp},"inResponseTo":[{{"reference":"Communication/letter"}}]"#)),
        comment("letter", "Observation/bp", "letter", ""),
        naming("nothing", r#""about":[{"reference":"Observation/never"}]"#),
    ]);
    assert_eq!(shown(&shared_but_for(""), &all), ["bp", "answer", "second-answer"]);
}

#[test]
fn what_one_patient_shares_opens_no_comment_in_the_record_of_another() {
    let mut all = observation_and_condition();
    let elsewhere =
        Entries { patients: vec!["p2".to_owned()], ..naming("p2", r#""about":[{"reference":"Observation/bp"}]"#) };
    let theirs =
        Entries { patients: vec!["p2".to_owned()], ..entries(r#"{"resourceType":"Observation","id":"theirs"}"#) };
    // Nor one about what is in both records.
    let both = vec!["p1".to_owned(), "p2".to_owned()];
    let of_both = Entries { patients: both, ..entries(r#"{"resourceType":"Observation","id":"of-both"}"#) };
    let about_both = naming("about-both", r#""about":[{"reference":"Observation/of-both"}]"#);
    let about_both = Entries { patients: vec!["p2".to_owned()], ..about_both };
    all.extend([elsewhere, theirs, of_both, about_both]);
    all.push(naming("theirs", r#""about":[{"reference":"Observation/theirs"}]"#));
    assert!(shown(&shared_but_for(""), &all).is_empty());
}

#[test]
fn a_comment_that_is_denied_is_not_shown_for_what_it_is_about() {
    let mut all = observation_and_condition();
    all.extend(["one", "other"].map(|id| comment(id, "Observation/bp", "comment", "")));
    let by_class = &class("Communication");
    let by_name = r#""data":[{"meaning":"instance","reference":{"reference":"Communication/one"}}]"#;
    assert_eq!(shown(&shared_but_for(""), &all), ["one", "other"]);
    assert_eq!(shown(&shared_but_for(by_name), &all), ["other"]);
    assert!(shown(&shared_but_for(by_class), &all).is_empty());
}

#[test]
fn of_a_comment_about_several_things_each_counts_that_is_denied() {
    let about = r#""about":[{"reference":"Observation/bp"},{"reference":"Condition/asthma"}]"#;
    let mut all = observation_and_condition();
    all.extend([comment("one", "Observation/bp", "comment", ""), naming("both", about)]);
    let shared = |denied: &str| sharing(&["Observation", "Condition"], denied);
    assert_eq!(shown(&shared(""), &all), ["one", "both"]);
    assert_eq!(shown(&shared(&class("Condition")), &all), ["one"]);
}

/// Consents of p1, each by its id, with these provisions.
fn saying(consents: &[(&str, String)]) -> Facts {
    let consent = |(id, provision): &(&str, String)| {
        value(&format!(
            r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
            "patient":{{"reference":"Patient/p1"}},"provision":{{{provision}}}}}"#
        ))
    };
    let related = value(r#"{"resourceType":"RelatedPerson","id":"c1","patient":{"reference":"Patient/p1"}}"#);
    let resources: Vec<Value<'_>> = [related].into_iter().chain(consents.iter().map(consent)).collect();
    facts(&resources)
}

/// What permits a type to the carer, with a denial inside.
fn except(of_type: &str, excepted: &str) -> String {
    format!(r#"{CARER},{}"#, to_all_except(of_type, excepted))
}

fn to_all_except(of_type: &str, excepted: &str) -> String {
    format!(r#""type":"permit",{},"provision":[{{"type":"deny",{}}}]"#, class(of_type), class(excepted))
}

const CARER: &str = r#""actor":[{"reference":{"reference":"RelatedPerson/c1"}}]"#;

/// What speaks about a Condition and about a Procedure: by its id, a message and a list about each.
fn that_speak() -> Vec<Entries> {
    let mut all = vec![
        entries(r#"{"resourceType":"Condition","id":"asthma","subject":{"reference":"Patient/p1"}}"#),
        entries(r#"{"resourceType":"Procedure","id":"scan","subject":{"reference":"Patient/p1"}}"#),
    ];
    for of_type in ["Communication", "List"] {
        for about in ["Condition/asthma", "Procedure/scan"] {
            let id = format!("{of_type}-{}", about.split('/').next().unwrap());
            all.push(entries(&format!(
                r#"{{"resourceType":"{of_type}","id":"{id}","subject":{{"reference":"Patient/p1"}},
                "extension":[{{"url":"x","valueReference":{{"reference":"{about}"}}}}]}}"#
            )));
        }
    }
    all
}

/// What of these the carer reads.
fn read(facts: &Facts, all: &[Entries]) -> Vec<String> {
    let is_read = |one: &&Entries| {
        let decision = decided(facts, "RelatedPerson/c1", "user/*.rs", Action::Read, Some(one.resource_type));
        decision.permit.holds_among(one, all)
    };
    all.iter().filter(is_read).map(|one| one.id.clone()).collect()
}

/// What one provision excepts is excepted from what that permits, and from nothing that another permits.
#[test]
fn an_exception_is_one_from_what_it_stands_in() {
    let consents = [("a", except("Communication", "Condition")), ("b", except("List", "Procedure"))];
    assert_eq!(read(&saying(&consents), &that_speak()), ["Communication-Procedure", "List-Condition"]);
}

/// Of the same data, each exception stands for those whom its provision names: what is permitted to the carer in person undoes one
/// for everybody, and none for the carer.
#[test]
fn an_exception_is_undone_by_what_names_the_caller_more_closely_alone() {
    let (everybodys, carers) = (to_all_except("Communication", "Condition"), except("Communication", "Procedure"));
    let permit = |of_type: &str| format!(r#"{CARER},"type":"permit",{}"#, class(of_type));
    for (first, second) in [(&everybodys, &carers), (&carers, &everybodys)] {
        let mut consents = vec![("a", first.clone()), ("b", second.clone())];
        consents.extend([("c", permit("Condition")), ("d", permit("Procedure"))]);
        assert_eq!(read(&saying(&consents), &that_speak()), ["asthma", "scan", "Communication-Condition"]);
    }
}

/// The reason names every Consent that denies what is spoken about, and no other.
#[test]
fn what_speaks_about_denied_data_is_denied_by_the_consents_that_deny_that() {
    let label = r#""securityLabel":[{"system":"urn:x","code":"MH"}]"#;
    let facts = saying(&[
        ("a", except("Communication", "Condition")),
        ("b", format!(r#"{CARER},"type":"deny",{}"#, class("Procedure"))),
        ("c", format!(r#"{CARER},"type":"permit",{}"#, class("List"))),
        ("d", format!(r#""type":"deny",{label}"#)),
    ]);
    let decision = decided(&facts, "RelatedPerson/c1", "user/*.rs", Action::Read, ResourceType::parse("Communication"));
    let reason = decision.reasons.iter().find(|reason| reason.rule == "consent.deny-of-other").unwrap();
    assert_eq!(reason.rests_on, ["Consent/a", "Consent/b"]);
}
