//! Decisions as data and as properties.

pub(crate) mod cases;
mod comments;
mod ended;
mod many;
mod properties;
mod reference;
mod rules;
mod who;

mod on_its_way {
    //! Labels that are being handed on.

    use crate::decide;
    use crate::decision::{ItemEffect, Verdict};
    use crate::facts::Facts;
    use crate::request::{Action, Request};
    use crate::tests::cases::{NOW, caller, facts};
    use concord_fhir::index::{Entries, SEPARATOR};
    use concord_fhir::json::{self, Limits};
    use concord_fhir::label::Source;
    use concord_fhir::registry::ResourceType;

    #[test]
    fn a_decision_counts_them_as_borne_but_for_what_is_new() {
        let caller = caller("Patient/p1", "patient/*.cruds", Some("p1"));
        let facts = Facts {
            labels_on_their_way: vec![format!("NOPAT{SEPARATOR}http://terminology.hl7.org/CodeSystem/v3-ActCode")],
            ..Facts::default()
        };
        for (action, narrows) in [(Action::Read, true), (Action::Search, true), (Action::Create, false)] {
            let resource_type = ResourceType::parse("Observation");
            let request = Request { caller: &caller, action, resource_type, purpose: None, reason: None };
            let (with, without) = (decide(&request, &facts, 0), decide(&request, &Facts::default(), 0));
            assert_eq!(with.permit != without.permit, narrows, "{action:?}");
            let told = with.reasons.iter().any(|one| one.rule == "label.on-its-way" && one.verdict == Verdict::Denies);
            assert_eq!(told, narrows, "{action:?}");
        }
    }

    #[test]
    fn elements_that_a_label_on_its_way_is_about_are_left_out_of_what_may_come_to_bear_it() {
        let team = r#"{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/p1"},
            "participant":[{"member":{"reference":"Practitioner/gp"}}]}"#;
        let team = json::parse(team.as_bytes(), &Limits::default()).unwrap().into_owned();
        let restricted = format!("R{SEPARATOR}http://terminology.hl7.org/CodeSystem/v3-Confidentiality");
        let facts = Facts { labels_on_their_way: vec![restricted], ..facts(&[team]) };
        let caller = caller("Practitioner/gp", "user/*.rs", None);
        let patient = ResourceType::of("Patient");
        let resource_type = Some(patient);
        let request = Request { caller: &caller, action: Action::Read, resource_type, purpose: None, reason: None };
        let decision = decide(&request, &facts, NOW);
        let unrelated = Entries { patients: vec!["p1".to_owned()], ..Entries::none(patient, "p1".to_owned(), 0) };
        let source = Source { resource_type: ResourceType::of("Encounter"), id: "e".to_owned(), version: 0 };
        let inherits = Entries { sources: vec![source], ..unrelated.clone() };
        assert_eq!(decision.on(&unrelated).effect, ItemEffect::Permit);
        let found = decision.on(&inherits);
        assert_eq!(found.effect, ItemEffect::Redact);
        assert!(found.elements.contains(&"address"), "{:?}", found.elements);
    }
}
