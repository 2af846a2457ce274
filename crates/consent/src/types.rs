//! Which types who may see and write, before any patient is asked. Each function takes the type that the question is
//! about, where it is about one, and then answers with everything or nothing, so that queries stay small.

use std::sync::{Arc, LazyLock};

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};
use concord_fhir::rules;
use concord_fhir::rules::communication::CORRECTIONS;

use crate::actor::Actor;
use crate::request::Action;

/// Reference data about no patient, which every caller may read.
static SHARED: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    ResourceType::all().filter(|one| patient_compartment(*one) == PatientCompartment::Shared).collect()
});

/// What professionals do not see although it is in a patient's record: who looked at it.
static NOT_FOR_PROFESSIONALS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["AuditEvent"]));

/// What a related person does not see: who looked, who wrote, and with whom else the patient shares.
static NOT_FOR_RELATED_PERSONS: LazyLock<Vec<ResourceType>> =
    LazyLock::new(|| parse(&["AuditEvent", "Consent", "Provenance"]));

/// What professionals do not write: what the system itself writes; and who is in a care team, because that gives access.
static NOT_WRITTEN_BY_PROFESSIONALS: LazyLock<Vec<ResourceType>> =
    LazyLock::new(|| parse(&["AuditEvent", "CareTeam", "Patient", "Provenance"]));

/// What nobody changes once it is there.
static APPEND_ONLY: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["AuditEvent", "Provenance"]));

/// What says what something else says, or that it is there: content, comments and messages, collections, work to be done
/// on something, and who vouches for it.
pub(crate) static SPEAKING: LazyLock<Arc<[ResourceType]>> = LazyLock::new(|| {
    parse(&[
        "Binary",
        "Communication",
        "CommunicationRequest",
        "Composition",
        "DocumentManifest",
        "Linkage",
        "List",
        "Provenance",
        "Task",
        "VerificationResult",
    ])
    .into()
});

/// The log of who looked.
pub(crate) const AUDIT_EVENT: ResourceType = ResourceType::of("AuditEvent");

static COMMUNICATION: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["Communication"]));
static CONSENT: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["Consent"]));
static TASK: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["Task"]));
static DECIDES_ACCESS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["CareTeam", "Consent", "RelatedPerson"]));
/// What says who somebody is, where they work, who did what and who vouches for it, and by what everybody may search: all that a
/// registered system says for others.
static SAID_FOR_OTHERS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    parse(&[
        "AuditEvent",
        "CareTeam",
        "Consent",
        "Group",
        "Organization",
        "OrganizationAffiliation",
        "Patient",
        "Person",
        "Practitioner",
        "PractitionerRole",
        "Provenance",
        "RelatedPerson",
        "SearchParameter",
    ])
});
static RELATED_PERSON: LazyLock<Vec<ResourceType>> = LazyLock::new(|| parse(&["RelatedPerson"]));
static FOR_PATIENTS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| rules::types_for_patients().collect());
static FOR_RELATED_PERSONS: LazyLock<Vec<ResourceType>> =
    LazyLock::new(|| rules::types_for_related_persons().collect());

fn parse(names: &[&str]) -> Vec<ResourceType> {
    names.iter().filter_map(|name| ResourceType::parse(name)).collect()
}

/// Resources of these types.
fn of(types: &[ResourceType], only: Option<ResourceType>) -> Predicate {
    match only {
        Some(only) if types.contains(&only) => Predicate::All,
        Some(_) => Predicate::None,
        None => Predicate::Type(types.to_vec()),
    }
}

/// Shared reference data.
pub(crate) fn shared(only: Option<ResourceType>) -> Predicate {
    of(&SHARED, only)
}

/// Communication.
pub(crate) fn communication(only: Option<ResourceType>) -> Predicate {
    of(&COMMUNICATION, only)
}

/// Consent.
pub(crate) fn consent(only: Option<ResourceType>) -> Predicate {
    of(&CONSENT, only)
}

/// Consents that are proposals.
pub(crate) fn proposal(only: Option<ResourceType>) -> Predicate {
    let status = ["draft", "proposed"].map(|status| Test::Starts(format!("{status}{SEPARATOR}")));
    consent(only).and(Predicate::Entry(ParameterId::of("Consent.status"), Test::Either(status.into())))
}

/// What decides who sees a record.
pub(crate) fn decides_access(only: Option<ResourceType>) -> Predicate {
    of(&DECIDES_ACCESS, only)
}

/// What is said for others: who they are, what they did, whom they let in, and by what they may search.
pub(crate) fn said_for_others(only: Option<ResourceType>) -> Predicate {
    of(&SAID_FOR_OTHERS, only)
}

/// Task.
pub(crate) fn task(only: Option<ResourceType>) -> Predicate {
    of(&TASK, only)
}

/// What a patient may enter whose identity is not proven: what patients write, but nothing that decides who sees the
/// record.
pub(crate) fn entered_without_proof(only: Option<ResourceType>) -> Predicate {
    of(&FOR_PATIENTS, only).and(of(&DECIDES_ACCESS, only).negate())
}

/// What says what something else says, or that it is there.
pub(crate) fn speaking(only: Option<ResourceType>) -> Predicate {
    of(&SPEAKING, only)
}

/// RelatedPerson.
pub(crate) fn related_person(only: Option<ResourceType>) -> Predicate {
    of(&RELATED_PERSON, only)
}

/// What a professional may see in a record.
pub(crate) fn seen_by_professionals(only: Option<ResourceType>) -> Predicate {
    of(&NOT_FOR_PROFESSIONALS, only).negate()
}

/// What a related person may see in a record.
pub(crate) fn seen_by_related_persons(only: Option<ResourceType>) -> Predicate {
    of(&NOT_FOR_RELATED_PERSONS, only).negate()
}

/// What somebody of that kind may write, in the records in which they may write anything.
pub(crate) fn written_by(actor: &Actor, action: Action, only: Option<ResourceType>) -> Predicate {
    match actor {
        Actor::Patient(_) => written_by_patients(action, only),
        Actor::RelatedPerson(_) => written_by_related_persons(action, only),
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => written_by_professionals(only),
        Actor::System => Predicate::All,
    }
}

/// What a patient may write.
pub(crate) fn written_by_patients(action: Action, only: Option<ResourceType>) -> Predicate {
    of(&FOR_PATIENTS, only).or(taken_back(action, only))
}

/// What a related person may write.
pub(crate) fn written_by_related_persons(action: Action, only: Option<ResourceType>) -> Predicate {
    of(&FOR_RELATED_PERSONS, only).or(taken_back(action, only))
}

/// The Tasks of requests for correction, which who asked may take back: the rules of the type see to it that nothing else
/// is changed.
fn taken_back(action: Action, only: Option<ResourceType>) -> Predicate {
    let tasks = of(&TASK, only);
    if action != Action::Update || tasks == Predicate::None {
        return Predicate::None;
    }
    let codes = CORRECTIONS.map(|code| Test::Starts(format!("{code}{SEPARATOR}")));
    tasks.and(Predicate::Entry(ParameterId::of("Task.code"), Test::Either(codes.into())))
}

/// What a professional may write in a record; see [`crate::proposal`] for Consents.
pub(crate) fn written_by_professionals(only: Option<ResourceType>) -> Predicate {
    of(&NOT_WRITTEN_BY_PROFESSIONALS, only).negate()
}

/// What a system may change.
pub(crate) fn changed_by_systems(only: Option<ResourceType>) -> Predicate {
    of(&APPEND_ONLY, only).negate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_type() {
        assert!(SHARED.contains(&ResourceType::parse("Questionnaire").unwrap()));
        assert!(!SHARED.contains(&ResourceType::parse("Device").unwrap()));
        assert_eq!(NOT_WRITTEN_BY_PROFESSIONALS.len(), 4);
        assert_eq!(NOT_FOR_RELATED_PERSONS.len(), 3);
        assert_eq!(CONSENT.len() + RELATED_PERSON.len() + NOT_FOR_PROFESSIONALS.len() + APPEND_ONLY.len(), 5);
    }

    #[test]
    fn a_question_about_one_type_is_answered_with_all_or_nothing() {
        let organization = ResourceType::parse("Organization");
        let goal = ResourceType::parse("Goal");
        assert_eq!(shared(organization), Predicate::All);
        assert_eq!(shared(goal), Predicate::None);
        assert_eq!(written_by_professionals(goal), Predicate::All);
        assert_eq!(written_by_professionals(ResourceType::parse("CareTeam")), Predicate::None);
        assert!(matches!(proposal(ResourceType::parse("Consent")), Predicate::Entry(..)));
        assert_eq!(proposal(goal), Predicate::None);
        assert!(matches!(shared(None), Predicate::Type(_)));
    }
}
