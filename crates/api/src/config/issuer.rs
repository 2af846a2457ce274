//! The issuers whose tokens are accepted.

use std::path::PathBuf;

use serde::de::{Deserializer, Error as _};
use url::Url;

use super::{field, group};

/// The app of `concord token` where no other is named.
pub(crate) const OWN_CLIENT: &str = "concord-cli";

/// The `iss` of the development issuer, which no other issuer may have.
pub const DEVELOPMENT_ISSUER: &str = "urn:concord:development";

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct IssuerConfig {
    /// Who signs: the `iss` claim, compared character by character.
    #[config(deserialize_with = name)]
    pub issuer: String,
    /// For whom the tokens must be: the `aud` claim must hold this value, or one of this list.
    #[config(deserialize_with = audience)]
    pub audience: Vec<String>,
    /// Where the issuer's public keys are (a JWK Set, RFC 7517).
    #[config(deserialize_with = jwks)]
    pub jwks: Jwks,
    /// How its claims say who is calling: `smart` by `patient` and `fhirUser`, `nhs-login` by `nhs_number`, `cis2` by
    /// `nhsid_useruid`.
    #[config(default = "smart", deserialize_with = kind)]
    pub kind: IssuerKind,
    /// Where apps get tokens. With it, `/fhir/.well-known/smart-configuration` tells apps of the first `smart` issuer
    /// that has one.
    ///
    /// Default: not told
    #[config(deserialize_with = web_url)]
    pub token_endpoint: Option<String>,
    /// Where apps send their user to sign in; told in the same place.
    ///
    /// Default: not told
    #[config(deserialize_with = web_url)]
    pub authorization_endpoint: Option<String>,
    /// What else of SMART the issuer does; told in the same place, beside what this server does itself.
    #[config(default = [], deserialize_with = capabilities)]
    pub capabilities: Vec<String>,
    /// The base URL that the issuer writes before absolute `fhirUser` references to people of this server. References to
    /// any other server are refused.
    ///
    /// Default: `public_url` and `/fhir`
    #[config(deserialize_with = fhir_base)]
    pub fhir_base: Option<String>,
}

/// Where an issuer's keys (a JWK Set, RFC 7517) are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// At a URL: https, or http to this machine.
    Url(Url),
    /// In a file.
    File(PathBuf),
}

/// How an issuer's claims say who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// SMART App Launch: `patient` and `fhirUser`.
    Smart,
    /// NHS login: `nhs_number`.
    NhsLogin,
    /// NHS Care Identity Service 2: `nhsid_useruid`.
    Cis2,
}

impl IssuerKind {
    /// As the setting is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IssuerKind::Smart => "smart",
            IssuerKind::NhsLogin => "nhs-login",
            IssuerKind::Cis2 => "cis2",
        }
    }
}

impl IssuerConfig {
    /// A login service as the issuer of tokens for these and nobody else.
    pub(super) fn of_login_service(
        issuer: String,
        audience: Vec<String>,
        jwks: Jwks,
        kind: IssuerKind,
    ) -> IssuerConfig {
        IssuerConfig {
            issuer,
            audience,
            jwks,
            kind,
            token_endpoint: None,
            authorization_endpoint: None,
            capabilities: Vec::new(),
            fhir_base: None,
        }
    }
}

impl Jwks {
    pub(super) fn parse(text: &str) -> Option<Jwks> {
        if !text.contains("://") {
            return (!text.is_empty()).then(|| Jwks::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).ok()?;
        let safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
        let plain = url.username().is_empty() && url.password().is_none();
        (safe && plain && url.has_host()).then_some(Jwks::Url(url))
    }
}

pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An http or https base URL without query and fragment, without the slashes at its end.
pub(super) fn base_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (web && plain).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// The issuers, each only once.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IssuerConfig>, D::Error> {
    let issuers: Vec<IssuerConfig> = group::tables(deserializer, "issuers")?;
    for (position, issuer) in issuers.iter().enumerate() {
        if issuers.iter().take(position).any(|earlier| earlier.issuer == issuer.issuer) {
            return Err(D::Error::custom(format!("{:?} is there twice", issuer.issuer)));
        }
    }
    Ok(issuers)
}

/// The name of an issuer.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "the exact `iss` of its tokens", field::non_empty)
}

pub(super) fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "one or more values of `aud`", |texts| {
        (!texts.is_empty() && texts.iter().all(|text| !text.is_empty())).then_some(texts)
    })
}

pub(super) fn jwks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Jwks, D::Error> {
    field::text(deserializer, "an https URL (http only on this machine) or a file path", Jwks::parse)
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IssuerKind, D::Error> {
    field::choice(
        deserializer,
        &[IssuerKind::Smart, IssuerKind::NhsLogin, IssuerKind::Cis2].map(|kind| (kind.name(), kind)),
    )
}

/// An http or https URL, as it was written.
fn web_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an http or https URL", |text| {
        let url = Url::parse(text).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.to_owned())
    })
}

fn capabilities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "capabilities of SMART App Launch, such as launch-standalone", |texts| {
        let plain =
            |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        texts.iter().all(plain).then_some(texts)
    })
}

fn fhir_base<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an http or https URL", base_url)
}
