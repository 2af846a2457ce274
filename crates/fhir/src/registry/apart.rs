//! The types that stand apart from all others, and why.

use super::ResourceType;

const EVENT: ResourceType = ResourceType::of("AuditEvent");
const INPUT: ResourceType = ResourceType::of("Parameters");
const IN_WHOSE_RECORD: &str = "Patient/";

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
    }
}
