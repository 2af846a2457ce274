//! When what a resource tells of happened, and the codes by which the latest of them are asked for.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{ResourceType, parameter};
use crate::entry::ParameterId;

/// The search parameter of a type that says when it happened; of several, the one that is always there (a Condition's
/// onset is often unknown).
const DATES: [(&str, &str); 42] = [
    ("AdverseEvent", "date"),
    ("AllergyIntolerance", "date"),
    ("Appointment", "date"),
    ("CarePlan", "date"),
    ("CareTeam", "date"),
    ("ChargeItem", "entered-date"),
    ("Claim", "created"),
    ("ClinicalImpression", "date"),
    ("Communication", "sent"),
    ("CommunicationRequest", "authored"),
    ("Composition", "date"),
    ("Condition", "recorded-date"),
    ("Consent", "date"),
    ("DetectedIssue", "identified"),
    ("DeviceRequest", "authored-on"),
    ("DiagnosticReport", "date"),
    ("DocumentManifest", "created"),
    ("DocumentReference", "date"),
    ("Encounter", "date"),
    ("EpisodeOfCare", "date"),
    ("ExplanationOfBenefit", "created"),
    ("FamilyMemberHistory", "date"),
    ("Flag", "date"),
    ("Goal", "start-date"),
    ("ImagingStudy", "started"),
    ("Immunization", "date"),
    ("List", "date"),
    ("Media", "created"),
    ("MedicationAdministration", "effective-time"),
    ("MedicationDispense", "whenhandedover"),
    ("MedicationRequest", "authoredon"),
    ("MedicationStatement", "effective"),
    ("NutritionOrder", "datetime"),
    ("Observation", "date"),
    ("Procedure", "date"),
    ("Provenance", "recorded"),
    ("QuestionnaireResponse", "authored"),
    ("RequestGroup", "authored"),
    ("RiskAssessment", "date"),
    ("ServiceRequest", "authored"),
    ("Specimen", "collected"),
    ("Task", "authored-on"),
];

/// The codes of parameters by which people ask for the latest of something. Not those of which each value is as good as
/// one resource's own (identifiers), for these few are sorted soon enough.
const CODES: [&str; 9] =
    ["category", "class", "clinical-status", "code", "intent", "lifecycle-status", "status", "type", "vaccine-code"];

struct Known {
    dates: Vec<(ResourceType, ParameterId)>,
    codes: HashSet<ParameterId>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known { dates: Vec::new(), codes: HashSet::new() };
    for (name, date) in DATES {
        let resource_type = ResourceType::of(name);
        let Some(date) = parameter(resource_type, date) else { continue };
        known.dates.push((resource_type, date.id));
        known.codes.extend(CODES.iter().filter_map(|code| parameter(resource_type, code)).map(|one| one.id));
    }
    known
});

/// The parameter of the date at which what a resource of the type tells of happened; none for a type without.
#[must_use]
pub fn clinical_date(resource_type: ResourceType) -> Option<ParameterId> {
    KNOWN.dates.iter().find(|(one, _)| *one == resource_type).map(|(_, date)| *date)
}

/// Whether resources are asked for by it in the order of their clinical dates.
#[must_use]
pub fn is_asked_by_date(parameter: ParameterId) -> bool {
    KNOWN.codes.contains(&parameter)
}

/// All types with a clinical date, with it.
pub fn clinical_dates() -> impl Iterator<Item = (ResourceType, ParameterId)> {
    KNOWN.dates.iter().copied()
}

/// All parameters for which [`is_asked_by_date`] holds, in the order of their numbers.
#[must_use]
pub fn asked_by_date() -> Vec<ParameterId> {
    let mut all: Vec<ParameterId> = KNOWN.codes.iter().copied().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Kind, combined};

    #[test]
    fn every_row_names_a_date_with_rows_of_its_own() {
        assert_eq!(KNOWN.dates.len(), DATES.len());
        assert!(DATES.is_sorted());
        for (name, date) in DATES {
            let one = parameter(ResourceType::of(name), date).unwrap_or_else(|| panic!("{name}.{date}"));
            assert_eq!(one.kind, Kind::Date, "{name}.{date}");
            assert_eq!(combined(one.id), None, "{name}.{date}");
        }
    }

    #[test]
    fn every_code_is_one_of_tokens() {
        for (name, _) in DATES {
            for code in CODES {
                let Some(one) = parameter(ResourceType::of(name), code) else { continue };
                assert_eq!(one.kind, Kind::Token, "{name}.{code}");
            }
        }
        assert!(is_asked_by_date(ParameterId::of("Observation.code")));
        assert!(!is_asked_by_date(ParameterId::of("Observation.identifier")));
    }
}
