//! Comments: whoever can read what a comment is about can read the comment, unless it has a label of its own that needs
//! naming. The other direction, that nobody reads a comment on what is hidden from them, is held by the labels: a
//! comment has those of what it is about.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::communication::COMMENT;

use crate::label::{self, Named};

/// The type of comments.
pub(crate) const COMMUNICATION: ResourceType = ResourceType::of("Communication");

/// The types that are commented on. Each is a look at another resource, so only those that people talk about are here.
const TYPES: [&str; 16] = [
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "Condition",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Goal",
    "Immunization",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "ServiceRequest",
    "Task",
];

/// The types that are commented on.
pub(crate) fn types() -> impl Iterator<Item = ResourceType> {
    TYPES.iter().filter_map(|name| ResourceType::parse(name))
}

/// Comments about resources of the type that meet `readable`.
pub(crate) fn about(resource_type: ResourceType, readable: Predicate) -> Predicate {
    if readable == Predicate::None {
        return Predicate::None;
    }
    Predicate::Chain {
        parameter: ParameterId::of("Communication.about"),
        types: vec![resource_type],
        then: Box::new(readable),
    }
}

/// Comments, as far as no label keeps them back.
pub(crate) fn plain() -> Predicate {
    let category =
        Predicate::Entry(ParameterId::of("Communication.category"), Test::Starts(format!("{COMMENT}{SEPARATOR}")));
    category.and(Named::default().covers()).and(label::hidden_from_patients().negate())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_type() {
        assert_eq!(types().count(), TYPES.len());
        assert!(TYPES.is_sorted());
    }
}
