//! What a verified token says: who is calling, or by which identifier they can be found.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials, PrivilegedRole, Proofing};
use concord_consent::scope::{Context, Scopes};

use super::assurance::{ProofingLevel, Role};
use super::claims::Claims;
use super::error::AuthError;
use crate::caller::KnownCaller;
use crate::config::{Cis2Config, Clients, IssuerKind};

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who is calling.
    pub identity: Identity,
    /// The token's `exp`, in seconds since 1970.
    pub expires_s: i64,
    /// How sure the issuer is of who a patient is.
    pub identity_proofing_level: Option<ProofingLevel>,
    /// How strongly a professional signed in: 1 to 3.
    pub authentication_assurance_level: Option<u8>,
    /// For what the data is wanted (codes of v3-PurposeOfUse), as far as the token says.
    pub purpose_of_use: Vec<String>,
    /// The roles in which a professional acts now.
    pub roles: Vec<Role>,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Somebody known by the logical id of their resource, or a system.
    Known(Arc<KnownCaller>),
    /// A person known by an identifier. There is no caller before the store has found their resource.
    Identifier(Box<PersonIdentifier>),
}

/// A person known by an identifier, which the store resolves to exactly one resource or the call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonIdentifier {
    /// Which resource type stands for them.
    pub person: Person,
    /// `Identifier.system`.
    pub system: &'static str,
    /// `Identifier.value`.
    pub value: String,
    /// The ODS code of the organisation for which they act, which has to be one that is on record here.
    pub(crate) organisation_on_record: Option<String>,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) client: String,
    pub(super) scopes: Scopes,
    pub(super) credentials: Credentials,
}

/// The resource type that stands for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// A patient.
    Patient,
    /// A professional.
    Practitioner,
}

impl Person {
    /// The resource type's name.
    #[must_use]
    pub fn resource_type(self) -> &'static str {
        match self {
            Person::Patient => "Patient",
            Person::Practitioner => "Practitioner",
        }
    }
}

impl PersonIdentifier {
    /// How well their identity is proven.
    #[must_use]
    pub fn proofing(&self) -> Proofing {
        self.credentials.proofing
    }

    /// What marks the entries of this sign-in.
    pub(crate) fn login(&self) -> Option<String> {
        self.credentials.login.clone()
    }

    /// The caller, once the store has found the one active resource of type [`Person::resource_type`] with this
    /// identifier. `id` is its logical id.
    #[must_use]
    pub fn resolve(&self, id: String) -> KnownCaller {
        let (actor, patient) = match self.person {
            Person::Patient => (Actor::Patient(id.clone()), Some(id)),
            Person::Practitioner => (Actor::Practitioner(id), None),
        };
        KnownCaller::from(Caller {
            actor,
            subject: self.subject.clone(),
            issuer: self.issuer.clone(),
            client: self.client.clone(),
            scopes: self.scopes.clone(),
            patient,
            credentials: self.credentials.clone(),
        })
    }
}

/// What the claims of a token are read with.
pub(super) struct Reading<'a> {
    pub(super) kind: IssuerKind,
    /// The base URL of absolute `fhirUser` references, without a slash at its end.
    pub(super) fhir_base: &'a str,
    /// The audience that the token was accepted for.
    pub(super) audience: &'a str,
    /// Whether NHS numbers must have a right check digit.
    pub(super) check_nhs_numbers: bool,
    /// What is known of the apps and systems that call.
    pub(super) clients: &'a Clients,
    /// What is asked of professionals of CIS2.
    pub(super) cis2: &'a Cis2Config,
}

/// How strongly a professional signed in, as far as the token says: a digit, written in no other way.
pub(super) fn authentication(claims: &Claims) -> Option<u8> {
    match claims.authentication_assurance_level.as_ref()?.0.as_str() {
        "1" => Some(1),
        "2" => Some(2),
        "3" => Some(3),
        _ => None,
    }
}

/// How sure it is who calls, and in which role. A token of NHS login has to say how well an identity is proven; one of
/// another issuer that does not counts as proven. What kind of app calls, and what for, its registration says.
pub(super) fn credentials(claims: &Claims, client: &str, reading: &Reading<'_>) -> Result<Credentials, AuthError> {
    let kind = reading.kind;
    let proofing = match (proofing_level(claims), kind) {
        (Some(ProofingLevel::P9), _) => Proofing::P9,
        (Some(ProofingLevel::P5), _) => Proofing::P5,
        (Some(ProofingLevel::P0), _) => Proofing::P0,
        (None, IssuerKind::NhsLogin) => {
            return Err(AuthError::Claim("the token has neither identity_proofing_level nor vot"));
        }
        (None, IssuerKind::Smart | IssuerKind::Cis2) => Proofing::P9,
    };
    let (app, purposes) = reading.clients.of(&claims.iss, client);
    let who = [claims.iss.as_str(), claims.sub.as_deref().unwrap_or_default()].join("\n");
    Ok(Credentials {
        proofing,
        authentication: authentication(claims),
        login: Some(login(&who)),
        privileged_roles: match kind {
            IssuerKind::Smart => claims.roles.0.iter().filter_map(|role| PrivilegedRole::parse(role)).collect(),
            IssuerKind::NhsLogin | IssuerKind::Cis2 => Vec::new(),
        },
        app,
        client_is_ambiguous: reading.clients.is_ambiguous(&claims.iss, client),
        purposes,
    })
}

/// What stands for a sign-in in a tag, where it tells nothing of who it is.
pub(crate) fn login(who: &str) -> String {
    let digest = super::sha256(who.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The lower of the two claims that say it, so that a contradiction gains nothing.
pub(super) fn proofing_level(claims: &Claims) -> Option<ProofingLevel> {
    let said = [&claims.identity_proofing_level, &claims.vot];
    let levels: Vec<_> =
        said.into_iter().flatten().map(|text| ProofingLevel::parse(text).unwrap_or(ProofingLevel::P0)).collect();
    levels.into_iter().min()
}

/// The `sub` that every token must have.
pub(super) fn subject(claims: &Claims) -> Result<String, AuthError> {
    claims.sub.clone().filter(|sub| !sub.is_empty()).ok_or(AuthError::Claim("the token has no sub"))
}

/// The scopes that are about one of those contexts. What a scope of another context would allow is not the caller's.
pub(super) fn only(scopes: Scopes, contexts: &[Context]) -> Scopes {
    Scopes(scopes.0.into_iter().filter(|scope| contexts.contains(&scope.context)).collect())
}

/// The scopes of a login service, which knows nothing of SMART: `default` where the token has no SMART scope at all. One
/// that it has and that we cannot read is not taken for "none".
pub(super) fn scopes_or(claims: &Claims, default: &str, context: Context) -> Scopes {
    let text = claims.scopes();
    let smart = |word: &str| ["patient/", "user/", "system/"].iter().any(|prefix| word.starts_with(prefix));
    let said = text.split_whitespace().any(smart);
    only(Scopes::parse(if said { &text } else { default }), &[context])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_two_proofing_levels_counts() {
        let level = |json: &str| proofing_level(&Claims::parse(json.as_bytes()).unwrap());
        assert_eq!(level(r#"{"iss":"i"}"#), None);
        assert_eq!(level(r#"{"iss":"i","vot":"P9.Cp.Cd"}"#), Some(ProofingLevel::P9));
        assert_eq!(level(r#"{"iss":"i","vot":"P9.Cp.Cd","identity_proofing_level":"P5"}"#), Some(ProofingLevel::P5));
        assert_eq!(level(r#"{"iss":"i","vot":"?","identity_proofing_level":"P9"}"#), Some(ProofingLevel::P0));
    }

    #[test]
    fn login_services_get_their_default_only_without_smart_scopes() {
        let count = |json: &str| {
            let claims = Claims::parse(json.as_bytes()).unwrap();
            scopes_or(&claims, "patient/*.cruds", Context::Patient).0.len()
        };
        assert_eq!(count(r#"{"iss":"i"}"#), 1);
        assert_eq!(count(r#"{"iss":"i","scope":"openid profile"}"#), 1);
        assert_eq!(count(r#"{"iss":"i","scope":"patient/Goal.r patient/Goal.s"}"#), 2);
        assert_eq!(count(r#"{"iss":"i","scope":"patient/NoSuchType.q"}"#), 0);
        assert_eq!(count(r#"{"iss":"i","scope":"system/*.cruds user/*.cruds"}"#), 0);
    }
}
