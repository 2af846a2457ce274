//! Decisions as data and as properties.

pub(crate) mod cases;
mod comments;
mod many;
mod properties;
mod reference;
mod rules;
mod who;

mod on_its_way {
    //! Labels that are being handed on.

    use crate::decide;
    use crate::decision::Verdict;
    use crate::facts::Facts;
    use crate::request::{Action, Request};
    use crate::tests::cases::caller;
    use concord_fhir::index::SEPARATOR;
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
}
