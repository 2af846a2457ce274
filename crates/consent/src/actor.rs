//! In what role somebody acts.

use concord_fhir::registry::ResourceType;

/// In what role a caller acts. Each but [`Actor::System`] names a resource by its logical id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A registered system with `system/` scopes and no user.
    System,
    /// A patient.
    Patient(String),
    /// A carer or proxy: a RelatedPerson.
    RelatedPerson(String),
    /// A professional.
    Practitioner(String),
    /// A professional in one role.
    PractitionerRole(String),
}

impl Actor {
    /// The reference that names the actor in resources, `Type/id`; none for a system.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        self.resource().map(|(resource_type, id)| format!("{resource_type}/{id}"))
    }

    /// Whom a reference names, `Type/id`; none for what does not call.
    #[must_use]
    pub fn of_reference(reference: &str) -> Option<Actor> {
        let (name, id) = reference.split_once('/')?;
        let id = id.to_owned();
        Some(match name {
            "Patient" => Actor::Patient(id),
            "RelatedPerson" => Actor::RelatedPerson(id),
            "Practitioner" => Actor::Practitioner(id),
            "PractitionerRole" => Actor::PractitionerRole(id),
            _ => return None,
        })
    }

    /// The resource that the actor is, by its type and logical id; none for a system.
    #[must_use]
    pub fn resource(&self) -> Option<(ResourceType, &str)> {
        const PATIENT: ResourceType = ResourceType::of("Patient");
        const RELATED_PERSON: ResourceType = ResourceType::of("RelatedPerson");
        const PRACTITIONER: ResourceType = ResourceType::of("Practitioner");
        const PRACTITIONER_ROLE: ResourceType = ResourceType::of("PractitionerRole");
        match self {
            Actor::System => None,
            Actor::Patient(id) => Some((PATIENT, id)),
            Actor::RelatedPerson(id) => Some((RELATED_PERSON, id)),
            Actor::Practitioner(id) => Some((PRACTITIONER, id)),
            Actor::PractitionerRole(id) => Some((PRACTITIONER_ROLE, id)),
        }
    }

    /// Whether the actor is a patient or a relation, whom what is hidden from patients is hidden from.
    #[must_use]
    pub fn is_patient_side(&self) -> bool {
        matches!(self, Actor::Patient(_) | Actor::RelatedPerson(_))
    }

    /// Whether the actor is a professional.
    #[must_use]
    pub fn is_professional(&self) -> bool {
        matches!(self, Actor::Practitioner(_) | Actor::PractitionerRole(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_patient_side_or_a_professional_or_a_system() {
        for (actor, patient_side, professional) in [
            (Actor::Patient("a".into()), true, false),
            (Actor::RelatedPerson("a".into()), true, false),
            (Actor::Practitioner("a".into()), false, true),
            (Actor::PractitionerRole("a".into()), false, true),
            (Actor::System, false, false),
        ] {
            assert_eq!((actor.is_patient_side(), actor.is_professional()), (patient_side, professional), "{actor:?}");
            assert_eq!(actor.reference().is_some(), patient_side || professional);
        }
    }
}
