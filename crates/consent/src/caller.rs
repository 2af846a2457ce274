//! Who is calling: what a verified token says, and nothing that the caller merely claims.

use crate::purpose::Purpose;
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
    /// What else the token and the app's registration say.
    pub credentials: Credentials,
}

/// How sure it is who calls, in what office, and by what kind of app. [`Credentials::default()`] is what a token that
/// says nothing of this counts as.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Credentials {
    /// How well the identity of a patient or related person is proven.
    pub proofing: Proofing,
    /// How strongly a professional signed in, 1 to 3 (authenticator assurance level); none when nothing is said.
    pub authentication: Option<u8>,
    /// What marks the entries of this sign-in: a patient whose identity is not proven reads back those only. The code of
    /// a tag (`meta.tag`) of [`LOGIN_SYSTEM`].
    pub login: Option<String>,
    /// The offices that the token says a professional holds.
    pub offices: Vec<Office>,
    /// What kind of app calls.
    pub app: App,
    /// The purposes that a system is registered for; none when its registration does not bound it.
    pub purposes: Option<Vec<Purpose>>,
}

/// The system of the tags that say by which sign-in something was entered while the identity was not proven.
pub const LOGIN_SYSTEM: &str = "urn:concord:login";

/// How well an identity is proven (NHS login, "identity proofing levels"). Higher is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Proofing {
    /// Nothing is proven.
    P0,
    /// Some details are checked; who they are is claimed, not proven.
    P5,
    /// Proven against identity documents.
    #[default]
    P9,
}

/// An office that lets a professional see, with a reason, what others may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Office {
    /// Looks after people at risk of harm.
    SafeguardingLead,
    /// Watches over who sees what: the privacy officer or Caldicott Guardian.
    PrivacyOfficer,
}

impl Office {
    /// The office of that code in a token's `roles`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Office> {
        match code {
            "safeguarding-lead" => Some(Office::SafeguardingLead),
            "privacy-officer" => Some(Office::PrivacyOfficer),
            _ => None,
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Office::SafeguardingLead => "safeguarding-lead",
            Office::PrivacyOfficer => "privacy-officer",
        }
    }
}

/// What kind of app calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum App {
    /// One of those who keep the record: it may do what its user may.
    #[default]
    Own,
    /// Somebody else's: it may do what its user may and the patient permits this app.
    ThirdParty,
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

    /// Whether the actor is a patient or a relation, whom what is hidden from patients is hidden from.
    #[must_use]
    pub fn is_citizen(&self) -> bool {
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
    fn an_office_is_known_by_its_code() {
        for office in [Office::SafeguardingLead, Office::PrivacyOfficer] {
            assert_eq!(Office::parse(office.code()), Some(office));
        }
        assert_eq!(Office::parse("doctor"), None);
    }

    #[test]
    fn an_actor_is_a_citizen_or_a_professional_or_a_system() {
        for (actor, citizen, professional) in [
            (Actor::Patient("a".into()), true, false),
            (Actor::RelatedPerson("a".into()), true, false),
            (Actor::Practitioner("a".into()), false, true),
            (Actor::PractitionerRole("a".into()), false, true),
            (Actor::System, false, false),
        ] {
            assert_eq!((actor.is_citizen(), actor.is_professional()), (citizen, professional), "{actor:?}");
            assert_eq!(actor.reference().is_some(), citizen || professional);
        }
    }
}
