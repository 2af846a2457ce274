//! Sign-in: whether this server gives out tokens itself, and how.

use std::path::PathBuf;

use concord_consent::scope::Context;
use concord_signin::scope::{CLIENTS, Granted};
use serde::de::Deserializer;

use super::values::path;
use super::{Config, ConfigError, Jwks, ProviderConfig, field, group, issuer};

/// The name of the key file where no setting says otherwise.
const KEY_FILE: &str = "concord-sign-in.key";

/// How this server gives out tokens itself.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct SignInConfig {
    /// The file with the key that signing keys are sealed under in the database: 32 bytes in base64url. It is made at the first
    /// start; after that a server without it does not start. Nodes share one file.
    ///
    /// Default: concord-sign-in.key beside the SQLite file, or in the working folder
    #[config(deserialize_with = path)]
    pub key_file: Option<PathBuf>,
    /// Whether people sign in by picking themselves from a list, without any proof: for development and tests. Without it
    /// nobody signs in, and only systems get tokens.
    #[config(default = false, deserialize_with = field::switch)]
    pub development_provider: bool,
    /// Whether that list is served although `listen` or `public_url` is not this machine's loopback. Whoever can reach the
    /// server can then be anybody.
    #[config(default = false, deserialize_with = field::switch)]
    pub development_provider_anywhere: bool,
    /// How long an access token works, in seconds.
    #[config(default = 300, deserialize_with = field::number::<30, 3600, _, _>)]
    pub access_token_seconds: i64,
    /// How long a refresh token works that nobody uses, in days.
    #[config(default = 90, deserialize_with = field::number::<1, 366, _, _>)]
    pub refresh_token_days: i64,
    /// How long a person stays signed in without asking for a page, in minutes.
    #[config(default = 10, deserialize_with = field::number::<1, 240, _, _>)]
    pub session_idle_minutes: i64,
    /// How long a person stays signed in at most, in hours. What an app was let do "until I close it" ends then too.
    #[config(default = 8, deserialize_with = field::number::<1, 24, _, _>)]
    pub session_hours: i64,
    /// How often a new key signs id tokens, in days. Old ones are still published for a day.
    #[config(default = 90, deserialize_with = field::number::<1, 366, _, _>)]
    pub signing_key_days: i64,
    /// The file with the logo that stands above the pages of sign-in, for those who are licensed to show it: a PNG of at most 64 KiB, which
    /// is read at the start.
    ///
    /// Default: none
    #[config(deserialize_with = path)]
    pub logo_file: Option<PathBuf>,
    /// What that logo says, for who does not see it.
    ///
    /// Default: nothing
    #[config(deserialize_with = words)]
    pub logo_text: Option<String>,
    /// Which apps may register themselves (RFC 7591): `off` none; `invitation` those that bring a token of `concord client
    /// invite`; `statement` those that bring a software statement of `statement_issuer`; `open` all. They are somebody else's,
    /// and the page on which people let them in says that nobody has checked who they are.
    #[config(default = "off", deserialize_with = registration)]
    pub registration: Registering,
    /// The scopes that an app that registers itself may ask for at most. There can be no `system/` scope among them.
    #[config(
        default = "openid fhirUser launch launch/patient launch/encounter offline_access online_access patient/*.rs",
        deserialize_with = registration_scope
    )]
    pub registration_scope: String,
    /// Whether an app that registers itself may say at which https URL its keys are (`jwks_uri`). They are fetched from this server,
    /// from machines of the public internet only, without a proxy. Without it keys are registered by value, or their URL stands
    /// in a software statement.
    #[config(default = false, deserialize_with = field::switch)]
    pub registration_keys_url: bool,
    /// How many apps that have registered themselves there may be. One that nobody lets in is forgotten after 30 days.
    #[config(default = 1000, deserialize_with = field::number::<1, 100_000, _, _>)]
    pub registration_limit: i64,
    /// Who signs software statements: their `iss`, compared character by character.
    ///
    /// Default: nobody
    #[config(deserialize_with = issuer::name)]
    pub statement_issuer: Option<String>,
    /// Where the keys of software statements are (a JWK Set with RS384 or ES384 keys).
    ///
    /// Default: nowhere
    #[config(deserialize_with = issuer::jwks)]
    pub statement_keys: Option<Jwks>,
}

/// Which apps may register themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registering {
    /// None.
    Off,
    /// Those that the operator has invited, each once.
    Invitation,
    /// Those that bring a statement of somebody whom the operator trusts.
    Statement,
    /// All.
    Open,
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "a few words", field::non_empty)
}

fn registration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Registering, D::Error> {
    field::choice(
        deserializer,
        &[
            ("off", Registering::Off),
            ("invitation", Registering::Invitation),
            ("statement", Registering::Statement),
            ("open", Registering::Open),
        ],
    )
}

fn registration_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "known scopes of SMART separated by spaces, without system/ ones", |text| {
        let scope = Granted::parse(text);
        let is_alone = scope.has(CLIENTS) || scope.resources().any(|one| one.context == Context::System);
        (!text.is_empty() && scope.unknown().is_empty() && !is_alone).then(|| text.to_owned())
    })
}

impl Config {
    /// What sign-in needs of the other settings.
    pub(super) fn check_sign_in(&self) -> Result<(), ConfigError> {
        let refused = |text: &str| Err(ConfigError::new(format!("setting sign_in: {text}")));
        let Some(sign_in) = &self.sign_in else {
            return match self.providers.is_empty() {
                true => Ok(()),
                false => refused("it has to be set where people sign in with providers"),
            };
        };
        self.providers.iter().try_for_each(ProviderConfig::check)?;
        let local = url::Url::parse(&self.public_url).is_ok_and(|url| issuer::is_this_machine(&url));
        if !self.public_url.starts_with("https://") && !local {
            return refused(
                "public_url has to be https where it is not this machine's: tokens would be read on the way",
            );
        }
        if url::Url::parse(&self.public_url).is_ok_and(|url| url.path() != "/") {
            return refused("public_url may have no path: the pages and their cookies are at the root of a host");
        }
        if self.issuers.iter().any(|issuer| issuer.issuer == self.public_url) {
            return refused("public_url is this server's own name as an issuer, and may not be one of issuers");
        }
        let reachable = !local || !self.listen.ip().is_loopback();
        if sign_in.development_provider && reachable && !sign_in.development_provider_anywhere {
            return refused(
                "development_provider lets whoever reaches the server be anybody, and listen or public_url is not this \
                 machine's loopback: set development_provider_anywhere too if that is meant",
            );
        }
        let trusts = sign_in.statement_issuer.is_some() && sign_in.statement_keys.is_some();
        if sign_in.registration == Registering::Statement && !trusts {
            return refused("registration by statement needs statement_issuer and statement_keys");
        }
        for client in
            self.clients.iter().filter(|client| client.issuer.as_ref().is_none_or(|of| *of == self.public_url))
        {
            client.of_sign_in().map_err(ConfigError::new)?;
        }
        Ok(())
    }

    /// The file with the key that signing keys are sealed under.
    #[must_use]
    pub fn sign_in_key_file(&self) -> PathBuf {
        let named = self.sign_in.as_ref().and_then(|sign_in| sign_in.key_file.clone());
        named.unwrap_or_else(|| self.database_url.folder().join(KEY_FILE))
    }
}

/// The group, if it is there.
pub(super) fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignInConfig, D::Error> {
    group::one_table(deserializer, "sign_in")
}
