//! The table of the elements that hold codes, of the types CodeableConcept and Coding: does a code there say what the data is about, so
//! that who denies the code denies the data?

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::schema::{Element, Shape, r4};

/// A row for every element of type CodeableConcept and Coding in R4.
const TABLE: &str = include_str!("codes.txt");

/// The types of which it can be told which codes they say, and the search parameters that hold their main ones. Whom the data is
/// about is among them: a code that is denied does not take the person away.
pub const CODED: [(&str, &[&str]); 21] = [
    ("AllergyIntolerance", &["code"]),
    ("Basic", &["code"]),
    ("ChargeItem", &["code"]),
    ("Composition", &["type", "category"]),
    ("Condition", &["code"]),
    ("DetectedIssue", &["code"]),
    ("DeviceRequest", &["code"]),
    ("DiagnosticReport", &["code", "category", "conclusion"]),
    ("DocumentReference", &["type", "category"]),
    ("Encounter", &["type", "reason-code"]),
    ("FamilyMemberHistory", &["code"]),
    ("Immunization", &["vaccine-code", "target-disease"]),
    ("List", &["code"]),
    ("MedicationAdministration", &["code"]),
    ("MedicationDispense", &["code"]),
    ("MedicationRequest", &["code"]),
    ("MedicationStatement", &["code"]),
    ("Observation", &["code", "value-concept", "component-code", "component-value-concept", "category"]),
    ("Patient", &[]),
    ("Procedure", &["code", "category", "reason-code"]),
    ("ServiceRequest", &["code", "category"]),
];

/// For each shape of R4, a bit for each of its elements whose codes count.
static COUNTING: LazyLock<Vec<u128>> = LazyLock::new(|| {
    let harmless: HashSet<&str> = rows().filter(|(_, counts)| !counts).map(|(name, _)| name).collect();
    let bits = |shape: &Shape| {
        let counts = |element: &Element| !harmless.contains(format!("{}.{}", shape.name, element.name).as_str());
        let counting = shape.elements.iter().enumerate().filter(|(_, element)| counts(element));
        counting.map(|(position, _)| 1 << position).sum()
    };
    r4().shapes.iter().map(bits).collect()
});

/// The rows of the table that can be read, each with whether it counts.
fn rows() -> impl Iterator<Item = (&'static str, bool)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let name = words.next()?;
        match (words.next()?, words.next()) {
            ("counts", None) => Some((name, true)),
            ("none", Some(_)) => Some((name, false)),
            _ => None,
        }
    })
}

/// Whether codes in the element at that position of a shape of R4 count. One that the table does not have does: what is not known
/// to be harmless protects.
pub(super) fn count(shape: &Shape, position: usize) -> bool {
    COUNTING.get(usize::from(shape.id.0)).is_none_or(|bits| bits >> position & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_element_that_may_hold_a_code_is_decided() {
        let elements = |shape: &'static Shape| {
            let of_codes = shape.elements.iter().filter(|element| {
                element.types.iter().any(|one| ["CodeableConcept", "Coding"].contains(&one.name.as_ref()))
            });
            of_codes.map(move |element| format!("{}.{}", shape.name, element.name))
        };
        // What is inherited stands in each shape, and in the table where it is defined.
        let found: BTreeSet<String> = r4().shapes.iter().flat_map(elements).collect();
        let decided: BTreeSet<String> = rows().map(|(name, _)| name.to_owned()).collect();
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(lines, decided.len(), "a line that cannot be read, or one that is there twice");
        let undecided: Vec<&String> = found.difference(&decided).collect();
        let unknown: Vec<&String> = decided.difference(&found).collect();
        assert_eq!((undecided, unknown), (Vec::new(), Vec::new()));
        assert!(found.len() > 900);
    }

    #[test]
    fn what_the_data_is_about_counts_and_how_it_is_kept_does_not() {
        let counts = |name: &str| {
            let (shape, element) = name.rsplit_once('.').unwrap();
            let shape = r4().named(shape).unwrap();
            count(shape, shape.elements.iter().position(|one| one.name == element).unwrap())
        };
        for name in [
            "Medication.code",
            "MedicationRequest.medication",
            "MedicationRequest.reasonCode",
            "ServiceRequest.reasonCode",
            "DocumentReference.context.event",
            "Encounter.reasonCode",
            "Procedure.bodySite",
            "Observation.value",
            "Dosage.asNeeded",
            "Extension.value",
        ] {
            assert!(counts(name), "{name}");
        }
        for name in ["Meta.security", "Identifier.type", "Condition.clinicalStatus", "Consent.provision.code"] {
            assert!(!counts(name), "{name}");
        }
    }
}
