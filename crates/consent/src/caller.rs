//! Who is calling: what a verified token says, and nothing that the caller merely claims.

use crate::scope::Scopes;

/// A verified caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// In what role they act.
    pub actor: Actor,
    /// The token's `sub`.
    pub subject: String,
    /// The token's `iss`.
    pub issuer: String,
    /// The app that calls: the token's `client_id` (or `azp`).
    pub client: String,
    /// What the user or the registration let the app do.
    pub scopes: Scopes,
    /// The logical id of the patient in context (the token's `patient`), which bounds `patient/` scopes.
    pub patient: Option<String>,
}

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
        match self {
            Actor::System => None,
            Actor::Patient(id) => Some(format!("Patient/{id}")),
            Actor::RelatedPerson(id) => Some(format!("RelatedPerson/{id}")),
            Actor::Practitioner(id) => Some(format!("Practitioner/{id}")),
            Actor::PractitionerRole(id) => Some(format!("PractitionerRole/{id}")),
        }
    }

    /// Whether the actor is a professional.
    #[must_use]
    pub fn is_professional(&self) -> bool {
        matches!(self, Actor::Practitioner(_) | Actor::PractitionerRole(_))
    }
}
