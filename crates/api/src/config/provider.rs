//! The login services that people sign in with at this server.

use std::path::PathBuf;

use serde::de::{Deserializer, Error as _};

use super::values::path;
use super::{IssuerConfig, IssuerKind, Jwks, field, group, issuer};

/// A login service.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct ProviderConfig {
    /// Its short name, of small letters, digits and dashes.
    #[config(deserialize_with = name)]
    pub name: String,
    /// What the button says that leads to it, such as "Continue to NHS login".
    #[config(deserialize_with = title)]
    pub title: String,
    /// What it is: `nhs-login` for patients by NHS number, `cis2` for professionals by `nhsid_useruid`.
    #[config(deserialize_with = kind)]
    pub kind: IssuerKind,
    /// Its name: the `iss` of its id tokens, compared character by character.
    #[config(deserialize_with = issuer::name)]
    pub issuer: String,
    /// Where its public keys are (a JWK Set).
    #[config(deserialize_with = issuer::jwks)]
    pub jwks: Jwks,
    /// Where people are sent to sign in.
    #[config(deserialize_with = endpoint)]
    pub authorization_endpoint: String,
    /// Where the code that they come back with is changed for an id token.
    #[config(deserialize_with = endpoint)]
    pub token_endpoint: String,
    /// This server's `client_id` there. Its redirect URI is `public_url` and `/sign-in/return`.
    #[config(deserialize_with = title)]
    pub client_id: String,
    /// The file with the RSA key (PKCS#8, PEM) by which this server proves there who it is (`private_key_jwt`, RS512).
    #[config(deserialize_with = path)]
    pub key_file: PathBuf,
    /// The `kid` of that key.
    ///
    /// Default: none is sent
    #[config(deserialize_with = title)]
    pub key_id: Option<String>,
    /// The scopes that are asked for.
    ///
    /// Default: `openid profile` of NHS login; `openid profile nationalrbacaccess selectedrole` of CIS2
    #[config(deserialize_with = title)]
    pub scope: Option<String>,
}

impl ProviderConfig {
    /// The scopes that are asked for.
    #[must_use]
    pub fn scopes(&self) -> &str {
        self.scope.as_deref().unwrap_or(match self.kind {
            IssuerKind::Cis2 => "openid profile nationalrbacaccess selectedrole",
            IssuerKind::NhsLogin | IssuerKind::Smart => "openid profile",
        })
    }

    /// It as an issuer of tokens for this server and nobody else.
    pub(crate) fn as_issuer(&self) -> IssuerConfig {
        IssuerConfig {
            issuer: self.issuer.clone(),
            audience: vec![self.client_id.clone()],
            jwks: self.jwks.clone(),
            kind: self.kind,
            token_endpoint: None,
            authorization_endpoint: None,
            capabilities: Vec::new(),
            fhir_base: None,
        }
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

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IssuerKind, D::Error> {
    field::choice(deserializer, &[IssuerKind::NhsLogin, IssuerKind::Cis2].map(|kind| (kind.name(), kind)))
}

/// An address that nobody reads along at.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an https URL (http only on this machine)", |text| {
        matches!(Jwks::parse(text), Some(Jwks::Url(_))).then(|| text.to_owned())
    })
}
