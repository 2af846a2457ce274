//! The types that stand apart from all others, and why.

use super::ResourceType;
use crate::entry::ParameterId;

const EVENT: ResourceType = ResourceType::of("AuditEvent");
const INPUT: ResourceType = ResourceType::of("Parameters");
const IN_WHOSE_RECORD: &str = "Patient/";

/// By whom an event is, what it is about and when it happened: the parameters of the log that say what of it is to be looked at.
pub const EVENT_AGENT: ParameterId = ParameterId::of("AuditEvent.agent");
/// See [`EVENT_AGENT`].
pub const EVENT_PATIENT: ParameterId = ParameterId::of("AuditEvent.patient");
/// See [`EVENT_AGENT`].
pub const EVENT_DATE: ParameterId = ParameterId::of("AuditEvent.date");

/// The search parameter of that code of the events of the log.
#[must_use]
pub fn event_parameter(code: &str) -> ParameterId {
    ParameterId::of(&format!("{EVENT}.{code}"))
}

/// Whether the resources of a type are the events of a log, which come about by what happens.
#[must_use]
pub fn is_event(resource_type: ResourceType) -> bool {
    resource_type == EVENT
}

/// Whether resources of a type have an address: what goes into an operation and comes out of it has none (R4 "Parameters").
#[must_use]
pub fn is_addressed(resource_type: ResourceType) -> bool {
    resource_type != INPUT
}

/// The logical id of the patient whom a relative reference names, if it names one.
#[must_use]
pub fn patient_named(reference: &str) -> Option<&str> {
    reference.strip_prefix(IN_WHOSE_RECORD)
}

/// The relative reference that names a patient.
#[must_use]
pub fn naming_patient(id: &str) -> String {
    format!("{IN_WHOSE_RECORD}{id}")
}

/// Whether a reference of whatever form may name a patient.
pub(crate) fn may_name_patient(reference: &str) -> bool {
    reference.contains(IN_WHOSE_RECORD)
}

/// Whether what is called `reference` at a place refers to nothing here: the address of what somebody has been given to read.
pub(crate) fn is_no_reference(place: &str) -> bool {
    place.starts_with("Immunization.education")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_each_stands_apart() {
        let names = |which: fn(ResourceType) -> bool| -> Vec<&str> {
            ResourceType::all().filter(|one| which(*one)).map(ResourceType::name).collect()
        };
        assert_eq!(names(is_event), ["AuditEvent"]);
        assert_eq!(names(|one| !is_addressed(one)), ["Parameters"]);
        assert_eq!((patient_named("Patient/amina"), patient_named("Practitioner/amina")), (Some("amina"), None));
        assert_eq!(naming_patient("amina"), "Patient/amina");
        assert_eq!(event_parameter("agent"), EVENT_AGENT);
    }
}
