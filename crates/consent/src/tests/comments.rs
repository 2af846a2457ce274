//! Comments follow what they are about: whoever may read that may read them.

use std::sync::Arc;

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

/// The carer c1, who may see p1's Observations.
fn shared() -> Facts {
    let resources = [
        value(r#"{"resourceType":"RelatedPerson","id":"c1","patient":{"reference":"Patient/p1"}}"#),
        value(
            r#"{"resourceType":"Consent","id":"c","status":"active","scope":{"coding":[{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
            "patient":{"reference":"Patient/p1"},"provision":{"type":"permit",
            "actor":[{"reference":{"reference":"RelatedPerson/c1"}}],
            "class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]}}"#,
        ),
    ];
    facts(&resources)
}

fn decision(who: &str, scopes: &str, action: Action, resource_type: &str) -> Decision {
    let caller = caller(who, scopes, None);
    let resource_type = ResourceType::parse(resource_type);
    decide(&Request { caller: &caller, action, resource_type, purpose: None, reason: None }, &shared(), NOW)
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

#[test]
fn of_a_comment_about_several_things_each_counts_that_is_denied() {
    let denial = value(
        r#"{"resourceType":"Consent","id":"d","status":"active","scope":{"coding":[{
        "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
        "patient":{"reference":"Patient/p1"},"provision":{"type":"deny",
        "actor":[{"reference":{"reference":"RelatedPerson/c1"}}],
        "class":[{"system":"http://hl7.org/fhir/resource-types","code":"Condition"}]}}"#,
    );
    let mut facts = shared();
    let denials = super::cases::facts(&[denial]);
    Arc::make_mut(&mut facts.patients[0]).consents.extend(denials.patients[0].consents.clone());
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
    let of_both = entries(
        r#"{"resourceType":"Communication","id":"e","status":"completed",
        "category":[{"coding":[{"system":"urn:concord:communication-category","code":"comment"}]}],
        "subject":{"reference":"Patient/p1"},
        "about":[{"reference":"Observation/bp"},{"reference":"Condition/asthma"}]}"#,
    );
    let caller = caller("RelatedPerson/c1", "user/*.rs", None);
    let resource_type = ResourceType::parse("Communication");
    let request = Request { caller: &caller, action: Action::Read, resource_type, purpose: None, reason: None };
    let permit = decide(&request, &facts, NOW).permit;
    assert!(permit.holds_among(&comment("a", "Observation/bp", "comment", ""), &all));
    assert!(!permit.holds_among(&of_both, &all));
    assert!(decide(&request, &shared(), NOW).permit.holds_among(&of_both, &all), "nothing is denied");
}
