//! What a person who is no professional, or an app, may see of data that nobody has classified.
//!
//! Data without a label may be without one because nobody looked. To a carer or an app it is shown only where the
//! Consent names its kind, or where it is of a plain kind.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::label;
use crate::link;

/// Types whose data is of a plain kind.
const TYPES: [&str; 6] = ["Appointment", "AppointmentResponse", "CareTeam", "Goal", "Patient", "RelatedPerson"];

/// Data of the patient that is classified, of a plain kind, or that the patient wrote.
pub(crate) fn classified_or_plain(patient: &str, only: Option<ResourceType>) -> Predicate {
    let types = match only {
        Some(only) if TYPES.contains(&only.name()) => Predicate::All,
        Some(_) => Predicate::None,
        None => Predicate::Type(TYPES.iter().filter_map(|name| ResourceType::parse(name)).collect()),
    };
    let vital_signs = match only {
        Some(only) if only.name() != "Observation" => Predicate::None,
        _ => Predicate::Entry(
            ParameterId::of("Observation.category"),
            Test::Is(format!("vital-signs{SEPARATOR}http://terminology.hl7.org/CodeSystem/observation-category")),
        ),
    };
    let patient = format!("Patient/{patient}");
    let own = link::written_by(std::iter::once(patient.as_str()));
    types.or(vital_signs).or(own).or(label::classified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_type() {
        assert!(TYPES.iter().all(|name| ResourceType::parse(name).is_some()));
    }

    #[test]
    fn a_plain_type_is_wholly_plain() {
        assert_eq!(classified_or_plain("p", ResourceType::parse("Goal")), Predicate::All);
        let condition = ResourceType::parse("Condition");
        let own = link::written_by(std::iter::once("Patient/p"));
        assert_eq!(classified_or_plain("p", condition), own.or(label::classified()));
    }
}
