//! Comments: whoever can read all that a comment speaks about can read the comment, unless it has a label of its own that
//! needs naming. Each record speaks for itself: what one patient shares opens no comment in the record of another.

use std::sync::{Arc, LazyLock};

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

/// What stands between an answer and what its thread is about.
static THREAD: LazyLock<Arc<[ResourceType]>> = LazyLock::new(|| [COMMUNICATION].into());

/// Comments in a record that are about something of it, and that speak about nothing but what meets `readable` and about
/// comments of which the same is true: by any element that hands labels on. Nothing if no type that is commented on is
/// readable.
pub(crate) fn in_record(patient: &str, readable: &Predicate) -> Predicate {
    let types: Vec<ResourceType> = types().filter(|one| readable.clone().of_type(*one) != Predicate::None).collect();
    if types.is_empty() {
        return Predicate::None;
    }
    let record = Predicate::PatientCompartment(patient.to_owned());
    let about =
        Predicate::Chain { parameter: ParameterId::of("Communication.about"), types, then: Box::new(record.clone()) };
    let comment = record.and(plain()).and(about);
    // What the answered comment speaks about is looked at as well.
    let answered = Predicate::Type(THREAD.to_vec()).and(comment.clone());
    let then = Box::new(readable.clone().or(answered).negate());
    comment.and(Predicate::DependsOn { through: THREAD.clone(), then }.negate())
}

/// Comments, as far as no label keeps them back.
fn plain() -> Predicate {
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
