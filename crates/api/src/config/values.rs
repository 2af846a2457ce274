//! What the values of the settings have to be, each read as [`super::field`] says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use concord_fhir::registry::ResourceType;
use concord_store::{DatabaseUrl, Durability};
use serde::de::Deserializer;

use super::{LogFormat, LogLevel, field, issuer};
use crate::interact::{OnWrite, Unfiled};

pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    field::text(deserializer, "an IP address and a port, such as 127.0.0.1:8080", |text| text.parse().ok())
}

pub(super) fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an http or https URL without query and fragment", issuer::base_url)
}

pub(super) fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DatabaseUrl, D::Error> {
    field::secret(deserializer, "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE", DatabaseUrl::parse)
}

pub(super) fn durability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Durability, D::Error> {
    field::choice(deserializer, &[("full", Durability::Full), ("process", Durability::Process)])
}

pub(super) fn unfiled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Unfiled, D::Error> {
    field::choice(deserializer, &[("refuse", Unfiled::Refuse), ("keep", Unfiled::Keep)])
}

/// What may be done on a write, by name.
const ON_WRITE: [(&str, OnWrite); 3] = [("off", OnWrite::Off), ("warn", OnWrite::Warn), ("refuse", OnWrite::Refuse)];

pub(super) fn on_write<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnWrite, D::Error> {
    field::choice(deserializer, &ON_WRITE)
}

pub(super) fn profiles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, OnWrite>, D::Error> {
    field::texts(deserializer, "profiles as URL=off, URL=warn or URL=refuse", |texts| {
        let read = |text: &String| {
            let (url, wanted) = text.rsplit_once('=')?;
            let (_, wanted) = ON_WRITE.iter().find(|(name, _)| *name == wanted.trim())?;
            (!url.trim().is_empty()).then(|| (url.trim().to_owned(), *wanted))
        };
        texts.iter().map(read).collect()
    })
}

pub(super) fn required_profiles<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    field::texts(deserializer, "profiles as TYPE=URL, of a resource type of R4", |texts| {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in &texts {
            let (name, url) = text.split_once('=')?;
            let named = ResourceType::parse(name.trim()).filter(|_| url.contains(':'))?;
            found.entry(named.name().to_owned()).or_default().push(url.trim().to_owned());
        }
        Some(found)
    })
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    field::text(deserializer, "a path", |text| Some(PathBuf::from(text)))
}

pub(super) fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    field::choice(deserializer, &[("json", LogFormat::Json), ("pretty", LogFormat::Pretty)])
}

pub(super) fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogLevel, D::Error> {
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    field::choice(deserializer, &levels.map(|level| (level.name(), level)))
}

pub(super) fn cors_origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "origins such as https://app.example.org, or * alone", |origins| {
        let exact = |origin: &String| {
            let url = url::Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            // An origin is compared as browsers send it, so it must be written exactly so (RFC 6454 section 6.1).
            url.is_some_and(|url| url.origin().ascii_serialization() == *origin)
        };
        let any = origins.len() == 1 && origins.iter().all(|origin| origin == "*");
        (any || origins.iter().all(exact)).then_some(origins)
    })
}
