//! Who is calling: what a verified token says, and nothing that the caller merely claims.

pub use crate::actor::Actor;
use crate::purpose::Purpose;
use crate::scope::Scopes;

/// A verified caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

impl Caller {
    /// Whether nothing that is stored is kept from the caller: a system that is registered for no purposes in particular
    /// and whose scopes have no query. Anybody else may not know of what they do not see.
    #[must_use]
    pub fn knows_everything(&self) -> bool {
        self.actor == Actor::System && self.credentials.purposes.is_none() && !self.scopes.are_granular()
    }
}

/// How sure it is who calls, in what privileged role, and by what kind of app. [`Credentials::default()`] is what a token that
/// says nothing of this counts as.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// How well the identity of a patient or related person is proven.
    pub proofing: Proofing,
    /// How strongly a professional signed in, 1 to 3 (authenticator assurance level); none when nothing is said.
    pub authentication: Option<u8>,
    /// What marks the entries of this sign-in: a patient whose identity is not proven reads back those only. The code of
    /// a tag (`meta.tag`) of [`LOGIN_SYSTEM`].
    pub login: Option<String>,
    /// The privileged roles that the token says a professional holds.
    pub privileged_roles: Vec<PrivilegedRole>,
    /// What kind of app calls.
    pub app: App,
    /// Whether another issuer that is believed here may give out the same `client_id`, so that it does not say by itself which app
    /// calls.
    pub client_is_ambiguous: bool,
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

/// A privileged role that lets a professional see, with a reason, what others may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrivilegedRole {
    /// Looks after people at risk of harm.
    SafeguardingLead,
    /// Watches over who sees what: the privacy officer or Caldicott Guardian.
    PrivacyOfficer,
}

impl PrivilegedRole {
    /// The privileged role of that code in a token's `roles`.
    #[must_use]
    pub fn parse(code: &str) -> Option<PrivilegedRole> {
        match code {
            "safeguarding-lead" => Some(PrivilegedRole::SafeguardingLead),
            "privacy-officer" => Some(PrivilegedRole::PrivacyOfficer),
            _ => None,
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            PrivilegedRole::SafeguardingLead => "safeguarding-lead",
            PrivilegedRole::PrivacyOfficer => "privacy-officer",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privileged_role_is_known_by_its_code() {
        for role in [PrivilegedRole::SafeguardingLead, PrivilegedRole::PrivacyOfficer] {
            assert_eq!(PrivilegedRole::parse(role.code()), Some(role));
        }
        assert_eq!(PrivilegedRole::parse("doctor"), None);
    }
}
