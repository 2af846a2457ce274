//! The issuers whose tokens are accepted.

use std::path::PathBuf;

use url::Url;

use super::error::ConfigError;
use super::settings::{self, ISSUER, issuer_variable};
use super::source::Source;

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
        (Some(json), None) => from_json(&json)?,
        (None, Some(_)) => vec![from_variables(source)?],
        (None, None) => from_file(source)?,
    };
    for (position, issuer) in issuers.iter().enumerate() {
        if issuers.iter().take(position).any(|earlier| earlier.issuer == issuer.issuer) {
            return Err(ConfigError::new(format!("setting issuers: {:?} is there twice", issuer.issuer)));
        }
    }
    Ok(issuers)
}

fn from_json(json: &str) -> Result<Vec<IssuerConfig>, ConfigError> {
    let expected = "a JSON array of objects with issuer, audience, jwks and kind";
    let bad = || ConfigError::value("CONCORD_ISSUERS", json, expected);
    let parsed: serde_json::Value = serde_json::from_str(json).map_err(|_| bad())?;
    let items = parsed.as_array().ok_or_else(bad)?;
    let mut issuers = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let object = item.as_object().ok_or_else(bad)?;
        let mut fields = Vec::new();
        for (key, value) in object {
            let texts = match value {
                serde_json::Value::Array(values) => {
                    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
                }
                value => value.as_str().map(|text| vec![text.to_owned()]),
            };
            fields.push((key.clone(), texts, value.to_string()));
        }
        issuers.push(build(&format!("CONCORD_ISSUERS[{position}]"), fields)?);
    }
    Ok(issuers)
}

fn from_file(source: &Source<'_>) -> Result<Vec<IssuerConfig>, ConfigError> {
    let Some((value, file)) = source.in_file("issuers") else { return Ok(Vec::new()) };
    let bad = || ConfigError::value(&format!("issuers in {file}"), &value.to_string(), "tables headed [[issuers]]");
    let items = value.as_array().ok_or_else(bad)?;
    let mut issuers = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let table = item.as_table().ok_or_else(bad)?;
        let mut fields = Vec::new();
        for (key, value) in table {
            let texts = match value {
                toml::Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
                value => value.as_str().map(|text| vec![text.to_owned()]),
            };
            fields.push((key.clone(), texts, value.to_string()));
        }
        issuers.push(build(&format!("issuers[{position}] in {file}"), fields)?);
    }
    Ok(issuers)
}

fn from_variables(source: &Source<'_>) -> Result<IssuerConfig, ConfigError> {
    let mut fields = Vec::new();
    for setting in ISSUER {
        if let Some(text) = source.variable(&issuer_variable(setting.key)) {
            // An audience may be a list here too, as other lists in variables are.
            let texts = match setting.key {
                "audience" => text.split(',').map(|part| part.trim().to_owned()).collect(),
                _ => vec![text.trim().to_owned()],
            };
            fields.push((setting.key.to_owned(), Some(texts), text));
        }
    }
    build("CONCORD_ISSUER", fields)
}

/// A key, its texts (none when it holds something else) and the value as errors show it.
type Field = (String, Option<Vec<String>>, String);

fn build(place: &str, fields: Vec<Field>) -> Result<IssuerConfig, ConfigError> {
    if let Some((key, _, _)) = fields.iter().find(|(key, _, _)| !ISSUER.iter().any(|setting| setting.key == key)) {
        return Err(ConfigError::new(format!("setting {place}: unknown key {key:?}")));
    }
    let jwks = required(place, &fields, "jwks", |texts| Jwks::parse(only(texts)?))?;
    Ok(IssuerConfig {
        issuer: required(place, &fields, "issuer", |texts| {
            Some(only(texts)?.to_owned()).filter(|text| !text.is_empty())
        })?,
        audience: required(place, &fields, "audience", |texts| {
            let usable = !texts.is_empty() && texts.iter().all(|text| !text.is_empty());
            usable.then(|| texts.to_vec())
        })?,
        jwks,
        kind: optional(place, &fields, "kind", |texts| IssuerKind::parse(only(texts)?))?.unwrap_or(IssuerKind::Smart),
        fhir_base: optional(place, &fields, "fhir_base", |texts| base_url(only(texts)?))?,
    })
}

fn only(texts: &[String]) -> Option<&str> {
    match texts {
        [text] => Some(text.as_str()),
        _ => None,
    }
}

fn optional<T>(
    place: &str,
    fields: &[Field],
    key: &str,
    read: impl Fn(&[String]) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Some((_, texts, shown)) = fields.iter().find(|(name, _, _)| name == key) else { return Ok(None) };
    match texts.as_deref().and_then(read) {
        Some(value) => Ok(Some(value)),
        None => Err(ConfigError::value(&format!("{key} of {place}"), shown, expected(key))),
    }
}

fn required<T>(
    place: &str,
    fields: &[Field],
    key: &str,
    read: impl Fn(&[String]) -> Option<T>,
) -> Result<T, ConfigError> {
    optional(place, fields, key, read)?
        .ok_or_else(|| ConfigError::new(format!("setting {place}: {key} is missing, expected {}", expected(key))))
}

fn expected(key: &str) -> &'static str {
    settings::ISSUER.iter().find(|setting| setting.key == key).map_or("", |setting| setting.expected)
}
