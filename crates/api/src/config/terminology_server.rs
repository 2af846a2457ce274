//! The terminology server elsewhere that is asked about what is not here.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Deserializer;

use super::values::path;
use super::{Config, ConfigError, field, group, issuer};
use crate::terminology_server::TerminologyServerSettings;

/// How a terminology server is asked about codes that are not here. Urls and codes leave this server, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct TerminologyServerConfig {
    /// The base of its FHIR R4 API, such as `https://ontology.nhs.uk/production1/fhir`.
    #[config(deserialize_with = address)]
    pub base_url: String,
    /// Where it gives out tokens for client credentials.
    ///
    /// Default: no token is sent
    #[config(deserialize_with = address)]
    pub token_endpoint: Option<String>,
    /// This server's `client_id` there.
    ///
    /// Default: none
    #[config(deserialize_with = text)]
    pub client_id: Option<String>,
    /// The file with the secret of that client. It is read whenever a token is asked for, so that it can be changed while the
    /// server runs.
    ///
    /// Default: none
    #[config(deserialize_with = path)]
    pub client_secret_file: Option<PathBuf>,
    /// What the urls of code systems and value sets begin with that may be asked about there.
    ///
    /// Default: the urls of SNOMED CT, LOINC, dm+d and ICD-10, and those of UK Core, of NHS England and of R4's value sets
    #[config(default = [], deserialize_with = stems)]
    pub asks: Vec<String>,
    /// How long one question may take, in milliseconds. After a failure nobody asks for 30 seconds.
    #[config(default = 3_000, deserialize_with = field::number::<100, 10_000, _, _>)]
    pub timeout_ms: u64,
    /// How long an answer is used without asking again, in hours; longer while the server cannot be reached.
    #[config(default = 24, deserialize_with = field::number::<1, 720, _, _>)]
    pub remember_hours: u64,
}

/// What may be asked about where no setting says otherwise.
const USUAL: [&str; 7] = [
    "http://snomed.info/sct",
    "http://loinc.org",
    "https://dmd.nhs.uk",
    "http://hl7.org/fhir/sid/icd-10",
    "https://fhir.hl7.org.uk/",
    "https://fhir.nhs.uk/",
    "http://hl7.org/fhir/ValueSet/",
];

impl TerminologyServerConfig {
    /// What the server goes by.
    #[must_use]
    pub fn settings(&self) -> TerminologyServerSettings {
        let credentials = match (&self.token_endpoint, &self.client_id, &self.client_secret_file) {
            (Some(endpoint), Some(id), Some(file)) => Some((endpoint.clone(), id.clone(), file.clone())),
            _ => None,
        };
        let usual = || USUAL.map(str::to_owned).to_vec();
        TerminologyServerSettings {
            base_url: self.base_url.trim_end_matches('/').to_owned(),
            credentials,
            asks: if self.asks.is_empty() { usual() } else { self.asks.clone() },
            timeout: Duration::from_millis(self.timeout_ms),
            remember: Duration::from_secs(self.remember_hours.saturating_mul(3600)),
        }
    }
}

impl Config {
    /// Credentials are there as a whole or not at all.
    pub(super) fn check_terminology_server(&self) -> Result<(), ConfigError> {
        let Some(server) = &self.terminology_server else { return Ok(()) };
        let there = [server.token_endpoint.is_some(), server.client_id.is_some(), server.client_secret_file.is_some()];
        if there.iter().any(|one| *one) && !there.iter().all(|one| *one) {
            return Err(ConfigError::new(
                "setting terminology_server: token_endpoint, client_id and client_secret_file belong together: set all or none",
            ));
        }
        Ok(())
    }
}

/// The group, if it is there.
pub(super) fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TerminologyServerConfig, D::Error> {
    group::one_table(deserializer, "terminology_server")
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "a text", field::non_empty)
}

/// An address that nobody reads along at.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "an https URL (http only on this machine)", |text| {
        let url = url::Url::parse(text).ok()?;
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && issuer::is_this_machine(&url));
        (is_safe && url.query().is_none() && url.fragment().is_none()).then(|| text.to_owned())
    })
}

fn stems<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "what urls begin with, such as http://snomed.info/sct", |stems| {
        let is_one = |stem: &String| stem.len() > 8 && (stem.contains("://") || stem.starts_with("urn:"));
        stems.iter().all(is_one).then_some(stems)
    })
}
