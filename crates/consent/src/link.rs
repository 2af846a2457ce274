//! What refers to what, by the index: through which parameters a resource may refer to one of a type.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use concord_fhir::index::{OTHER_NAME, ParameterId};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Kind, PatientCompartment, ResourceType, parameters, patient_compartment};

/// For each type that can be referred to, the reference parameters of types with patients' data that may do so.
static LINKS: LazyLock<BTreeMap<ResourceType, Vec<(ResourceType, ParameterId)>>> = LazyLock::new(|| {
    let of = |target: ResourceType| {
        let from =
            ResourceType::all().filter(|one| matches!(patient_compartment(*one), PatientCompartment::Record { .. }));
        from.flat_map(move |one| {
            parameters(one)
                .filter(move |parameter| parameter.kind == Kind::Reference && parameter.targets.contains(target))
                .map(move |parameter| (one, parameter.id))
        })
        .collect()
    };
    ResourceType::all().map(|target| (target, of(target))).collect()
});

/// The parameters by which a resource says itself who wrote it. What it says lets nobody in: only a denial goes by it, see [`may_be_written_by`].
const AUTHORS: [&str; 28] = [
    "AdverseEvent.recorder",
    "AllergyIntolerance.recorder",
    "ClinicalImpression.assessor",
    "Communication.sender",
    "CommunicationRequest.requester",
    "Composition.author",
    "Condition.asserter",
    "DetectedIssue.author",
    "DeviceRequest.requester",
    "DiagnosticReport.performer",
    "DocumentManifest.author",
    "DocumentReference.author",
    "Flag.author",
    "Immunization.performer",
    "List.source",
    "Media.operator",
    "MedicationAdministration.performer",
    "MedicationDispense.performer",
    "MedicationRequest.requester",
    "MedicationStatement.source",
    "Observation.performer",
    "Procedure.performer",
    "QuestionnaireResponse.author",
    "RequestGroup.author",
    "RiskAssessment.performer",
    "ServiceRequest.requester",
    "Task.requester",
    "VisionPrescription.prescriber",
];

fn type_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// What one of these wrote, references `Type/id`: who was signed in when it was written, or whom a registered system
/// named, as the store keeps it. What a resource says itself of its author gives nobody anything.
pub(crate) fn written_by<'a>(names: impl Iterator<Item = &'a str>) -> Predicate {
    let names: Arc<[String]> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() { Predicate::None } else { Predicate::Author(names) }
}

/// What this one may have written, for a denial: what they wrote, what says so itself, and, of the types that do not say
/// it, what nobody is known to have written.
pub(crate) fn may_be_written_by(name: &str, only: Option<ResourceType>) -> Predicate {
    let about = |code: &&&str| only.is_none_or(|only| type_of(code) == only.name());
    let says_so = AUTHORS
        .iter()
        .filter(about)
        .fold(Predicate::None, |all, code| all.or(Predicate::Entry(ParameterId::of(code), Test::Is(name.to_owned()))));
    let types = AUTHORS.iter().filter_map(|code| ResourceType::parse(type_of(code))).collect();
    let unknown = Predicate::Type(types).negate().and(Predicate::Author([String::new()].into()));
    written_by(std::iter::once(name)).or(says_so).or(unknown)
}

/// What refers to one of these resources where no search parameter looks: in an extension, in what it contains, or in an
/// element that has none.
pub(crate) fn names_otherwise(references: &[&str]) -> Predicate {
    let tests: Arc<[Test]> = references.iter().map(|reference| Test::Is((*reference).to_owned())).collect();
    Predicate::Entry(OTHER_NAME, Test::Either(tests))
}

/// What refers to one of these resources of one type in any element that has a search parameter.
pub(crate) fn refers_to(target: ResourceType, references: &[&str], only: Option<ResourceType>) -> Predicate {
    let tests: Arc<[Test]> = references.iter().map(|reference| Test::Is((*reference).to_owned())).collect();
    let links = LINKS.get(&target).map_or(&[][..], Vec::as_slice);
    let mut any = Predicate::None;
    for (_, parameter) in links.iter().filter(|(from, _)| only.is_none_or(|only| only == *from)) {
        any = any.or(Predicate::Entry(*parameter, Test::Either(tests.clone())));
    }
    any
}

/// The resource that a reference `Type/id` names.
pub(crate) fn itself(reference: &str) -> Option<Predicate> {
    let (name, id) = reference.split_once('/')?;
    Some(Predicate::Type(vec![ResourceType::parse(name)?]).and(Predicate::Id(vec![id.to_owned()])))
}

/// The type of the resource that a reference `Type/id` names.
pub(crate) fn target_type(reference: &str) -> Option<ResourceType> {
    ResourceType::parse(reference.split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::registry::parameter;

    #[test]
    fn the_parameters_that_name_an_author_are_reference_parameters() {
        for name in AUTHORS {
            let (resource_type, code) = name.split_once('.').unwrap();
            let found = parameter(ResourceType::parse(resource_type).unwrap(), code);
            assert_eq!(found.map(|found| found.kind), Some(Kind::Reference), "{name}");
        }
        assert!(AUTHORS.is_sorted());
    }

    #[test]
    fn a_type_is_referred_to_by_the_parameters_that_may() {
        let encounter = ResourceType::of("Encounter");
        let observation = Some(ResourceType::of("Observation"));
        let named = refers_to(encounter, &["Encounter/e"], observation);
        let test = Test::Either([Test::Is("Encounter/e".into())].into());
        let through = |code: &str| Predicate::Entry(ParameterId::of(code), test.clone());
        let Predicate::Or(parts) = named else { panic!("more than one") };
        assert!(parts.contains(&through("Observation.encounter")));
        assert!(!parts.contains(&through("Observation.subject")));
        assert_eq!(refers_to(encounter, &["Encounter/e"], Some(ResourceType::of("Organization"))), Predicate::None);
    }

    #[test]
    fn a_reference_names_one_resource() {
        assert_eq!(itself("Nonsense/1"), None);
        assert_eq!(itself("Goal"), None);
        let goal = ResourceType::of("Goal");
        assert_eq!(itself("Goal/1"), Some(Predicate::Type(vec![goal]).and(Predicate::Id(vec!["1".into()]))));
        assert_eq!(target_type("Goal/1"), Some(goal));
        assert_eq!(written_by(std::iter::empty()), Predicate::None);
    }
}
