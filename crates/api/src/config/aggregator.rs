//! The aggregator that asks as a system for what people see elsewhere, such as that of the NHS App, one person at a time.

use std::time::Duration;

use concord_fhir::registry::ResourceType;
use serde::de::Deserializer;

use super::{Config, ConfigError, IssuerConfig, IssuerKind, Jwks, field, group, issuer};

/// An aggregator, which brings along with each request a token by which NHS login says for whom it asks.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct AggregatorConfig {
    /// The system whose tokens the aggregator calls with: the `client_id` claim. From then on that system may search for one person
    /// at a time, who is signed in there, and nothing else.
    #[config(deserialize_with = client)]
    pub client: String,
    /// Whose tokens are meant, where two issuers give out the same `client_id`.
    ///
    /// Default: any issuer
    #[config(deserialize_with = issuer::name)]
    pub client_issuer: Option<String>,
    /// NHS login, as it names itself: the `iss` of the id tokens in `NHSD-ID-Token`, compared character by character.
    #[config(deserialize_with = issuer::name)]
    pub issuer: String,
    /// For whom these id tokens are: the `client_id` of the app at NHS login, or several.
    #[config(deserialize_with = issuer::audience)]
    pub audience: Vec<String>,
    /// Where the keys of NHS login are (a JWK Set).
    #[config(deserialize_with = issuer::jwks)]
    pub jwks: Jwks,
    /// What may be searched, each type by itself.
    ///
    /// Default: Appointment, DocumentReference and Task
    #[config(default = ["Appointment", "DocumentReference", "Task"], deserialize_with = types)]
    pub types: Vec<ResourceType>,
    /// How old somebody has to be, in years. For whoever is younger it is 403.
    #[config(default = 16, deserialize_with = field::number::<0, 120, _, _>)]
    pub lowest_age: u32,
    /// How many requests a second it may make; beyond that they are answered with 429 and `Retry-After`. Each process counts for
    /// itself.
    #[config(default = 60, deserialize_with = field::number::<1, 10_000, _, _>)]
    pub requests_per_second: u32,
    /// How long a request of it may take, in milliseconds. One that takes longer is answered with 504.
    #[config(default = 9_000, deserialize_with = field::number::<1, 60_000, _, _>)]
    pub timeout_ms: u64,
}

impl AggregatorConfig {
    /// NHS login as the issuer of tokens for the app and nobody else.
    pub(crate) fn as_issuer(&self) -> IssuerConfig {
        IssuerConfig::of_login_service(
            self.issuer.clone(),
            self.audience.clone(),
            self.jwks.clone(),
            IssuerKind::NhsLogin,
        )
    }

    /// How long one request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl Config {
    /// The tokens by which an aggregator says for whom it asks are no tokens to call with.
    pub(super) fn check_aggregator(&self) -> Result<(), ConfigError> {
        let Some(aggregator) = &self.aggregator else { return Ok(()) };
        let lets_call = |one: &IssuerConfig| {
            one.issuer == aggregator.issuer && one.audience.iter().any(|named| aggregator.audience.contains(named))
        };
        match self.issuers.iter().any(lets_call) {
            false => Ok(()),
            true => Err(ConfigError::new(
                "setting aggregator: issuers names its issuer with the same audience, so that people's id tokens would let \
                 whoever holds them call: name the app's client_id as audience here only",
            )),
        }
    }
}

/// The group, if it is there.
pub(super) fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AggregatorConfig, D::Error> {
    group::one_table(deserializer, "aggregator")
}

fn client<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "the exact `client_id` of its tokens", field::non_empty)
}

fn types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ResourceType>, D::Error> {
    field::texts(deserializer, "types of resources, such as Appointment", |names| {
        let types: Option<Vec<ResourceType>> = names.iter().map(|name| ResourceType::parse(name)).collect();
        types.filter(|types| !types.is_empty())
    })
}
