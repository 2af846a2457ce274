//! The login services that people sign in with at this server.

use std::path::PathBuf;

use concord_consent::caller::Proofing;
use concord_fhir::nhs_number;
use serde::de::{Deserializer, Error as _};

use super::values::path;
use super::{ConfigError, IssuerConfig, IssuerKind, Jwks, field, group, issuer};

/// A login service.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct ProviderConfig {
    /// Its short name, of small letters, digits and dashes.
    #[config(deserialize_with = name)]
    pub name: String,
    /// What the button says that leads to it, such as "Continue to NHS login".
    #[config(deserialize_with = title)]
    pub title: String,
    /// What it is: `nhs-login` for patients by NHS number, `cis2` for professionals by `nhsid_useruid`, `oidc` any other of OpenID
    /// Connect.
    #[config(deserialize_with = kind)]
    pub kind: ProviderKind,
    /// Its name: the `iss` of its id tokens, compared character by character.
    #[config(deserialize_with = issuer::name)]
    pub issuer: String,
    /// Where its public keys are (a JWK Set).
    ///
    /// Default: where `/.well-known/openid-configuration` below `issuer` says
    #[config(deserialize_with = issuer::jwks)]
    pub jwks: Option<Jwks>,
    /// Where people are sent to sign in.
    ///
    /// Default: where `/.well-known/openid-configuration` below `issuer` says
    #[config(deserialize_with = endpoint)]
    pub authorization_endpoint: Option<String>,
    /// Where the code that they come back with is changed for an id token.
    ///
    /// Default: where `/.well-known/openid-configuration` below `issuer` says
    #[config(deserialize_with = endpoint)]
    pub token_endpoint: Option<String>,
    /// This server's `client_id` there. Its redirect URI is `public_url` and `/sign-in/return`, its back-channel logout URI
    /// `public_url` and `/sign-in/logout`.
    #[config(deserialize_with = title)]
    pub client_id: String,
    /// The file with the RSA key (PKCS#8, PEM) by which this server proves there who it is (`private_key_jwt`, RS512).
    ///
    /// Default: it proves it by `secret_file`
    #[config(deserialize_with = path)]
    pub key_file: Option<PathBuf>,
    /// The `kid` of that key.
    ///
    /// Default: none is sent
    #[config(deserialize_with = title)]
    pub key_id: Option<String>,
    /// The file with the secret by which this server proves there who it is (`client_secret_basic`), for `oidc` only.
    ///
    /// Default: it proves it by `key_file`
    #[config(deserialize_with = path)]
    pub secret_file: Option<PathBuf>,
    /// The scopes that are asked for.
    ///
    /// Default: `openid profile` of NHS login; `openid profile nationalrbacaccess selectedrole` of CIS2; `openid` of others
    #[config(deserialize_with = title)]
    pub scope: Option<String>,
    /// How surely NHS login has to know somebody at least: `P9`; `P5`, who may add to the record and read what they entered with
    /// the same account, by apps of those who keep it only; or `P0`, who may sign in and see what to do, and nothing else.
    #[config(default = "P9", deserialize_with = proofing)]
    pub lowest_proofing: Proofing,
    /// Who signs in with a service that is `oidc`: `patient`, or whom a RelatedPerson names who is no patient here; `related-person`,
    /// for relatives and carers only; or `practitioner`.
    #[config(default = "patient", deserialize_with = person)]
    pub person: SignsIn,
    /// The claim of an `oidc` service with a reference to who signs in as they are on record here, such as `fhirUser` with
    /// `Patient/amina`, or that below `public_url` and `/fhir`. Of those whom `person` names it is believed whoever it says they are.
    ///
    /// Default: none is believed
    #[config(deserialize_with = title)]
    pub fhir_user_claim: Option<String>,
    /// The claim of an `oidc` service by which somebody is known here. Where it is not said, and for relatives and carers beside it,
    /// the service's own name for them counts: `sub`, on record under the system that is called as its `issuer`.
    ///
    /// Default: `nhs_number` of patients; `sub` of others
    #[config(deserialize_with = title)]
    pub identifier_claim: Option<String>,
    /// The `Identifier.system` under which that is on record.
    ///
    /// Default: `https://fhir.nhs.uk/Id/nhs-number` of `nhs_number`; `issuer` of `sub`; any other claim needs one
    #[config(deserialize_with = title)]
    pub identifier_system: Option<String>,
    /// The claim of an `oidc` service with a patient's date of birth, which has to be the one on record.
    #[config(default = "birthdate", deserialize_with = title)]
    pub birth_date_claim: String,
    /// The values of `acr` of an `oidc` service of which one is needed.
    ///
    /// Default: any, also none
    #[config(default = [], deserialize_with = values_of_acr)]
    pub acr: Vec<String>,
}

/// Who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignsIn {
    /// Patients.
    Patient,
    /// Relatives and carers.
    RelatedPerson,
    /// Professionals.
    Practitioner,
}

impl SignsIn {
    /// Whether others may name whoever signs in as their relative or carer.
    #[must_use]
    pub fn has_relatives(self) -> bool {
        matches!(self, SignsIn::Patient | SignsIn::RelatedPerson)
    }

    /// Whether somebody of that kind is among those who sign in.
    #[must_use]
    pub fn includes(self, named: SignsIn) -> bool {
        self == named || (self == SignsIn::Patient && named.has_relatives())
    }

    /// Whom a resource type stands for.
    #[must_use]
    pub fn of_type(name: &str) -> Option<SignsIn> {
        [SignsIn::Patient, SignsIn::RelatedPerson, SignsIn::Practitioner]
            .into_iter()
            .find(|one| one.resource_type() == name)
    }

    /// The resource type that stands for them.
    #[must_use]
    pub fn resource_type(self) -> &'static str {
        match self {
            SignsIn::Patient => "Patient",
            SignsIn::RelatedPerson => "RelatedPerson",
            SignsIn::Practitioner => "Practitioner",
        }
    }
}

/// What kind of login service one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// NHS login: patients by `nhs_number`.
    NhsLogin,
    /// NHS Care Identity Service 2: professionals by `nhsid_useruid`.
    Cis2,
    /// Any other of OpenID Connect.
    Oidc,
}

impl ProviderConfig {
    /// The scopes that are asked for.
    #[must_use]
    pub fn scopes(&self) -> &str {
        self.scope.as_deref().unwrap_or(match self.kind {
            ProviderKind::Cis2 => "openid profile nationalrbacaccess selectedrole",
            ProviderKind::NhsLogin => "openid profile",
            ProviderKind::Oidc => "openid",
        })
    }

    /// The claim by which somebody is known here, and the system under which it is on record; none where it is not said.
    #[must_use]
    pub fn identifier(&self) -> Option<(&str, &str)> {
        let usual = if self.person == SignsIn::Patient { "nhs_number" } else { "sub" };
        let claim = self.identifier_claim.as_deref().unwrap_or(usual);
        let system = match claim {
            "nhs_number" => Some(nhs_number::SYSTEM),
            "sub" => Some(self.issuer.as_str()),
            _ => None,
        };
        Some((claim, self.identifier_system.as_deref().or(system)?))
    }

    /// It as an issuer of tokens for this server and nobody else, with its keys there.
    pub(crate) fn as_issuer(&self, jwks: Jwks) -> IssuerConfig {
        let kind = match self.kind {
            ProviderKind::NhsLogin => IssuerKind::NhsLogin,
            ProviderKind::Cis2 => IssuerKind::Cis2,
            ProviderKind::Oidc => IssuerKind::Smart,
        };
        IssuerConfig::of_login_service(self.issuer.clone(), vec![self.client_id.clone()], jwks, kind)
    }

    /// What it needs of its other settings.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refused = |text: &str| Err(ConfigError::new(format!("setting providers: {:?}: {text}", self.name)));
        match (&self.key_file, &self.secret_file, self.kind) {
            (None, None, _) => return refused("it has neither key_file nor secret_file, and needs one"),
            (Some(_), Some(_), _) => return refused("it has key_file and secret_file, and may have only one"),
            (_, Some(_), ProviderKind::NhsLogin | ProviderKind::Cis2) => {
                return refused("secret_file is for oidc only");
            }
            _ => {}
        }
        if self.kind == ProviderKind::Oidc && self.identifier().is_none() {
            return refused("identifier_claim needs identifier_system, unless it is nhs_number or sub");
        }
        let discovers = self.jwks.is_none() || self.authorization_endpoint.is_none() || self.token_endpoint.is_none();
        if discovers && !is_safe(&self.issuer) {
            return refused(
                "jwks, authorization_endpoint and token_endpoint are needed, for issuer is not an https URL",
            );
        }
        Ok(())
    }
}

/// The login services, each only once.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ProviderConfig>, D::Error> {
    let providers: Vec<ProviderConfig> = group::tables(deserializer, "providers")?;
    for (position, one) in providers.iter().enumerate() {
        if providers.iter().take(position).any(|earlier| earlier.name == one.name) {
            return Err(D::Error::custom(format!("{:?} is there twice", one.name)));
        }
    }
    Ok(providers)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "small letters, digits and dashes", |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (plain && (1..=32).contains(&text.len())).then(|| text.to_owned())
    })
}

fn title<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "a text", field::non_empty)
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProviderKind, D::Error> {
    field::choice(
        deserializer,
        &[("nhs-login", ProviderKind::NhsLogin), ("cis2", ProviderKind::Cis2), ("oidc", ProviderKind::Oidc)],
    )
}

fn proofing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Proofing, D::Error> {
    field::choice(deserializer, &[("P9", Proofing::P9), ("P5", Proofing::P5), ("P0", Proofing::P0)])
}

fn person<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignsIn, D::Error> {
    field::choice(
        deserializer,
        &[
            ("patient", SignsIn::Patient),
            ("related-person", SignsIn::RelatedPerson),
            ("practitioner", SignsIn::Practitioner),
        ],
    )
}

fn values_of_acr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "values of `acr`", |texts| texts.iter().all(|text| !text.is_empty()).then_some(texts))
}

/// An address that nobody reads along at.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an https URL (http only on this machine)", |text| is_safe(text).then(|| text.to_owned()))
}

/// Whether nobody reads along at an address: it is https, or http on this machine.
pub(crate) fn is_safe(text: &str) -> bool {
    matches!(Jwks::parse(text), Some(Jwks::Url(_)))
}
