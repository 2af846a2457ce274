//! The rows, a type each.

use crate::interact::hooks::{
    Hooks, audit_event, binary, bundle, code_system, communication, communication_request, consent, deciding,
    definitions, goal, patient, provenance, questionnaire_response, search_parameter, structure_definition,
    subscription, task, value_set,
};

/// What single types do besides what every type does.
pub(crate) const HOOKS: Hooks = Hooks(&[
    audit_event::HOOKS,
    binary::HOOKS,
    bundle::HOOKS,
    deciding::CARE_TEAM,
    code_system::HOOKS,
    communication::HOOKS,
    communication_request::HOOKS,
    definitions::CONCEPT_MAP,
    consent::HOOKS,
    deciding::DEVICE,
    goal::HOOKS,
    deciding::ORGANIZATION,
    patient::HOOKS,
    deciding::PRACTITIONER,
    deciding::PRACTITIONER_ROLE,
    provenance::HOOKS,
    definitions::QUESTIONNAIRE,
    questionnaire_response::HOOKS,
    deciding::RELATED_PERSON,
    search_parameter::HOOKS,
    structure_definition::HOOKS,
    subscription::HOOKS,
    task::HOOKS,
    value_set::HOOKS,
]);

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::registry::ResourceType;

    #[test]
    fn a_type_has_one_row_in_the_order_of_names() {
        let names: Vec<&str> = HOOKS.0.iter().map(|row| row.resource_type.name()).collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
        let basic = HOOKS.of(ResourceType::of("Basic"));
        assert!(basic.complete.is_none() && basic.create.is_none());
    }
}
