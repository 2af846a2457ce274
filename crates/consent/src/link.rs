//! What refers to what, by the index: through which parameters a resource may refer to one of a type.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Kind, RecordClass, ResourceType, parameters, record_class};

/// For each type that can be referred to, the reference parameters of types with patients' data that may do so.
static LINKS: LazyLock<BTreeMap<ResourceType, Vec<(ResourceType, ParameterId)>>> = LazyLock::new(|| {
    let of = |target: ResourceType| {
        let from = ResourceType::all().filter(|one| matches!(record_class(*one), RecordClass::Record { .. }));
        from.flat_map(move |one| {
            parameters(one)
                .filter(move |parameter| parameter.kind == Kind::Reference && parameter.targets.contains(target))
                .map(move |parameter| (one, parameter.id))
        })
        .collect()
    };
    ResourceType::all().map(|target| (target, of(target))).collect()
});

/// The parameters that tell who wrote a resource.
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

/// What one of these wrote, as far as the index tells: references `Type/id`.
pub(crate) fn written_by<'a>(names: impl Iterator<Item = &'a str>, only: Option<ResourceType>) -> Predicate {
    let names: Arc<[Test]> = names.map(|name| Test::Is(name.to_owned())).collect();
    if names.is_empty() {
        return Predicate::None;
    }
    let about = |name: &&&str| only.is_none_or(|only| type_of(name) == only.name());
    AUTHORS
        .iter()
        .filter(about)
        .fold(Predicate::None, |all, name| all.or(Predicate::Entry(ParameterId::of(name), Test::Either(names.clone()))))
}

/// The types of which the index tells the author.
pub(crate) fn types_with_authors() -> impl Iterator<Item = &'static str> {
    AUTHORS.iter().map(|name| type_of(name))
}

/// What refers to one of these resources of one type in any element that the index knows.
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
        assert_eq!(written_by(std::iter::empty(), None), Predicate::None);
    }
}
