//! Sign-in: this server as an authorization server (OAuth 2.0, OpenID Connect, SMART App Launch 2.2).
//!
//! What a request says and how a refusal is called is `concord_signin`; how it is said over HTTP is `http::sign_in`; what is
//! kept is `concord_store::sign_in`. Here stands what happens in which order, each in one transaction.

mod apps;
mod attempts;
mod browser_secret;
mod choice;
mod clients;
#[cfg(test)]
mod cost_tests;
mod current_scope;
mod exchange;
mod fault;
mod federation;
mod grant;
mod inspect;
mod keys;
mod keys_at_urls;
mod launch;
mod logos;
mod logout;
mod origins;
mod people;
mod picking;
mod provider;
mod register;
mod relatives;
mod sessions;
mod standing;
mod tokens;
#[cfg(test)]
mod tokens_tests;
mod whose;

use std::sync::Arc;

use concord_signin::seal::SealingKey;
use quick_cache::sync::Cache;

pub(crate) use apps::ConnectedApp;
pub(crate) use browser_secret::BrowserSecret;
pub(crate) use choice::{Choice, LASTS, kinds_asked};
pub(crate) use exchange::Issued;
pub(crate) use fault::Fault;
pub(crate) use federation::Signing;
pub(crate) use grant::{Asked, Granting, UNPROVEN_NAME};
pub(crate) use inspect::Inspected;
pub(crate) use launch::{LASTS_S as LAUNCH_LASTS_S, Starting};
pub(crate) use people::{Somebody, actor};
pub(crate) use picking::{Picking, Record, ToPick, Visit, Whose};
pub(crate) use register::Registered;
pub(crate) use sessions::SignedIn;
pub(crate) use standing::Standing;

use crate::config::{Clients, Config, SignInConfig};
use crate::interact::Service;
use crate::telemetry::TokenCounters;

/// How many tokens are remembered.
const REMEMBERED: usize = 10_000;

/// How many browsers from one address may be sent to a login service in a minute.
const SENDINGS: u32 = 300;

/// The name of the authorization server as an app: what a person chooses on its pages is written by it.
pub(crate) const OWN_CLIENT: &str = "concord-sign-in";

/// This server as an authorization server.
pub struct SignIn {
    service: Arc<Service>,
    settings: SignInConfig,
    /// Its own name: the issuer of its tokens, and the base of all its addresses.
    pub(crate) issuer: String,
    leeway_s: i64,
    clients: clients::Registry,
    known: Clients,
    keys: keys::SigningKeys,
    providers: Vec<provider::Provider>,
    attempts: attempts::Attempts,
    signatures: attempts::Signatures,
    registrations: attempts::Attempts,
    sendings: attempts::Attempts,
    statement_keys: Option<register::StatementKeys>,
    remembered: Cache<String, tokens::Remembered>,
    origins: origins::Origins,
    logos: logos::Logos,
    counters: TokenCounters,
}

impl SignIn {
    /// Opens it, if the settings have it: the key file is read, or made at the first start, and there is a key to sign with.
    ///
    /// # Errors
    /// One line, when the key file is missing or wrong, or a client's registration is no good.
    pub async fn open(
        config: &Config,
        service: &Arc<Service>,
        counters: TokenCounters,
    ) -> Result<Option<Arc<SignIn>>, String> {
        let Some(settings) = config.sign_in.clone() else { return Ok(None) };
        let known = service.store.read(|transaction| (transaction.signing_keys(), Vec::new())).await;
        let known = known.map_err(|error| format!("database_url: the database cannot be used: {error:?}"))?;
        let sealing: SealingKey = keys::key_file(&config.sign_in_key_file(), known.is_empty())?;
        let sign_in = SignIn {
            service: Arc::clone(service),
            issuer: config.public_url.clone(),
            leeway_s: config.clock_leeway_seconds,
            clients: clients::Registry::new(config)?,
            known: config.registered_clients(),
            keys: keys::SigningKeys::new(sealing),
            providers: provider::providers(config, &counters)?,
            attempts: attempts::Attempts::new(30),
            signatures: attempts::Signatures::new(),
            registrations: attempts::Attempts::new(10),
            sendings: attempts::Attempts::new(SENDINGS),
            statement_keys: register::StatementKeys::of(&settings)?,
            remembered: Cache::new(REMEMBERED),
            origins: origins::Origins::default(),
            logos: logos::Logos::read(config)?,
            settings,
            counters,
        };
        sign_in.keys.check(&known).map_err(|error| format!("{}: {error}", config.sign_in_key_file().display()))?;
        sign_in.rotate_keys().await.map_err(|fault| format!("sign_in: no key to sign with: {fault}"))?;
        sign_in.know_origins().await.map_err(|fault| format!("sign_in: the clients cannot be read: {fault}"))?;
        Ok(Some(Arc::new(sign_in)))
    }

    /// Whether people can sign in.
    #[must_use]
    pub fn has_provider(&self) -> bool {
        self.settings.development_provider || !self.providers.is_empty()
    }

    /// Whether everybody may be anybody.
    pub(crate) fn is_for_development(&self) -> bool {
        self.settings.development_provider
    }

    /// Whether its pages are reached by https.
    pub(crate) fn is_https(&self) -> bool {
        self.issuer.starts_with("https://")
    }

    /// The base URL of the FHIR server.
    pub(crate) fn audience(&self) -> &str {
        &self.service.base
    }

    /// The URL of the token endpoint.
    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/oauth/token", self.issuer)
    }

    /// Now, in seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        self.service.store.now_ms().div_euclid(1000)
    }

    /// Whether pages of this web origin may call: one that a client has registered an address of.
    #[must_use]
    pub fn knows_origin(&self, origin: &str) -> bool {
        self.origins.has(origin)
    }

    /// Does what has to be done now and then: forgets what has expired, the origins of clients among it, and makes a new key when it
    /// is time.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn tidy(&self) -> Result<(), Fault> {
        let (now_s, hours) = (self.now_s(), self.settings.session_hours);
        let forget = move |transaction: &mut concord_store::transaction::Transaction<'_>| {
            (transaction.forget_expired_sign_in(now_s, now_s - hours * 3600), Vec::new())
        };
        self.service.store.change(forget).await.map_err(Fault::from)?;
        self.know_origins().await?;
        self.rotate_keys().await
    }
}
