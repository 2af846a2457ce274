//! The issuers whose tokens are accepted.

use std::path::PathBuf;

use url::Url;

use super::error::ConfigError;
use super::settings::{ISSUER, issuer_variable};
use super::source::Source;
use super::tables::{self, Table, only};

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The values of which `aud` must hold one.
    pub audience: Vec<String>,
    /// Where its keys are.
    pub jwks: Jwks,
    /// How its claims say who is calling.
    pub kind: IssuerKind,
    /// Where apps get tokens of it, for `.well-known/smart-configuration`.
    pub token_endpoint: Option<String>,
    /// Where apps ask the user, for the same.
    pub authorization_endpoint: Option<String>,
    /// What of SMART it does, for the same.
    pub capabilities: Vec<String>,
    /// The base URL of absolute `fhirUser` references, without a slash at its end; none means this server's own.
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

    fn parse(text: &str) -> Option<IssuerKind> {
        [IssuerKind::Smart, IssuerKind::NhsLogin, IssuerKind::Cis2].into_iter().find(|kind| kind.name() == text)
    }
}

impl Jwks {
    fn parse(text: &str) -> Option<Jwks> {
        if !text.contains("://") {
            return (!text.is_empty()).then(|| Jwks::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).ok()?;
        let safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
        let plain = url.username().is_empty() && url.password().is_none();
        (safe && plain && url.has_host()).then_some(Jwks::Url(url))
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An http or https URL, as it was written.
fn web_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.to_owned())
}

/// An http or https base URL without query and fragment, without the slashes at its end.
pub(super) fn base_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (web && plain).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// Reads the issuers: `CONCORD_ISSUERS`, or `CONCORD_ISSUER` and its companions, or the file's `[[issuers]]`.
pub(super) fn read(source: &Source<'_>) -> Result<Vec<IssuerConfig>, ConfigError> {
    let single = ISSUER.iter().find_map(|setting| {
        let name = issuer_variable(setting.key);
        source.variable(&name).map(|_| name)
    });
    let issuers = match (source.variable("CONCORD_ISSUERS"), single) {
        (Some(_), Some(name)) => {
            return Err(ConfigError::new(format!("setting CONCORD_ISSUERS and setting {name}: only one may be set")));
        }
        (None, Some(_)) => vec![from_variables(source)?],
        _ => tables::read(source, "issuers", ISSUER)?.iter().map(build).collect::<Result<_, _>>()?,
    };
    for (position, issuer) in issuers.iter().enumerate() {
        if issuers.iter().take(position).any(|earlier| earlier.issuer == issuer.issuer) {
            return Err(ConfigError::new(format!("setting issuers: {:?} is there twice", issuer.issuer)));
        }
    }
    Ok(issuers)
}

fn from_variables(source: &Source<'_>) -> Result<IssuerConfig, ConfigError> {
    let mut table = Table::new("CONCORD_ISSUER".to_owned(), ISSUER);
    for setting in ISSUER {
        if let Some(text) = source.variable(&issuer_variable(setting.key)) {
            // Lists are written here as in other variables.
            let texts = match setting.key {
                "audience" | "capabilities" => text.split(',').map(|part| part.trim().to_owned()).collect(),
                _ => vec![text.trim().to_owned()],
            };
            table.set(setting.key, Some(texts), text)?;
        }
    }
    build(&table)
}

fn build(table: &Table) -> Result<IssuerConfig, ConfigError> {
    let jwks = table.required("jwks", |texts| Jwks::parse(only(texts)?))?;
    Ok(IssuerConfig {
        issuer: table.required("issuer", |texts| Some(only(texts)?.to_owned()).filter(|text| !text.is_empty()))?,
        audience: table.required("audience", |texts| {
            let usable = !texts.is_empty() && texts.iter().all(|text| !text.is_empty());
            usable.then(|| texts.to_vec())
        })?,
        jwks,
        kind: table.optional("kind", |texts| IssuerKind::parse(only(texts)?))?.unwrap_or(IssuerKind::Smart),
        token_endpoint: table.optional("token_endpoint", |texts| web_url(only(texts)?))?,
        authorization_endpoint: table.optional("authorization_endpoint", |texts| web_url(only(texts)?))?,
        capabilities: table
            .optional("capabilities", |texts| {
                let plain = |text: &String| {
                    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                };
                texts.iter().all(plain).then(|| texts.to_vec())
            })?
            .unwrap_or_default(),
        fhir_base: table.optional("fhir_base", |texts| base_url(only(texts)?))?,
    })
}
