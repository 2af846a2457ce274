//! Who may ask: the clients of the settings and those that commands have registered, and whether one is who it says.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use concord_signin::authentication::{Claimed, UNKNOWN};
use concord_signin::client::{Authentication, Client};
use concord_signin::error::OauthError;
use concord_signin::jwk::{self, Key};
use concord_signin::secret;
use concord_store::sign_in::StoredClient;
use quick_cache::sync::Cache;

use crate::auth;
use crate::config::Config;
use crate::error::ApiError;
use crate::sign_in::{Fault, SignIn};

/// How long the keys of a client are used that are at a URL, in seconds, where it does not say for less.
const KEYS_LAST_S: i64 = 300;
/// The least time between two fetches of the keys of a client, in seconds: made-up key ids must not be used against it.
const MINIMUM_FETCH_S: i64 = 10;
/// How many clients' keys are remembered.
const REMEMBERED: usize = 1000;

/// The clients of the settings, and the keys of clients that are at URLs.
pub(super) struct Registry {
    configured: HashMap<String, Client>,
    keys: Cache<String, Arc<Fetched>>,
}

/// The example app (`http::example`), which is there where everybody may be anybody: somebody else's, like any app.
fn example(public_url: &str) -> Client {
    Client {
        id: "concord-example".to_owned(),
        name: "Readings, an example app".to_owned(),
        about: Some("It draws your readings as a curve, and keeps nothing.".to_owned()),
        own: false,
        purposes: None,
        redirect_uris: vec![format!("{public_url}/example/")],
        scope: "openid fhirUser launch/patient patient/Patient.r patient/Observation.rs".to_owned(),
        authentication: Authentication::None,
        introspects: false,
        registered_itself: false,
    }
}

/// The keys at a URL as they were at a time.
struct Fetched {
    at_s: i64,
    lasts_s: i64,
    keys: Vec<Key>,
}

impl Registry {
    /// The clients of the settings that sign in here.
    ///
    /// # Errors
    /// One line, when a registration is no good.
    pub(super) fn new(config: &Config) -> Result<Registry, String> {
        let mut configured = HashMap::new();
        for one in config.clients.iter().filter(|one| one.issuer.as_ref().is_none_or(|of| *of == config.public_url)) {
            if let Some(client) = one.of_sign_in()? {
                configured.insert(client.id.clone(), client);
            }
        }
        if config.sign_in.as_ref().is_some_and(|sign_in| sign_in.development_provider) {
            let own = example(&config.public_url);
            configured.entry(own.id.clone()).or_insert(own);
        }
        Ok(Registry { configured, keys: Cache::new(REMEMBERED) })
    }
}

impl SignIn {
    /// Whether a client is one of the settings.
    pub(super) fn is_configured(&self, id: &str) -> bool {
        self.clients.configured.contains_key(id)
    }

    /// The clients of the settings.
    pub(super) fn configured(&self) -> impl Iterator<Item = &Client> {
        self.clients.configured.values()
    }

    /// A client that is registered and not revoked. One of the settings goes before one that a command has registered.
    pub(crate) async fn client(&self, id: &str) -> Result<Option<Client>, Fault> {
        if let Some(client) = self.clients.configured.get(id) {
            return Ok(Some(client.clone()));
        }
        let own = id.to_owned();
        let stored = self.service.store.read(move |transaction| (transaction.sign_in_client(&own), Vec::new())).await?;
        let stored = stored.filter(|client| !client.is_revoked());
        self.registered_as(id, stored.as_ref().map_or("", |stored| stored.body.as_str()))
    }

    /// The client of that id, of which this is stored now, or nothing.
    pub(super) fn registered_as(&self, id: &str, stored: &str) -> Result<Option<Client>, Fault> {
        if let Some(client) = self.clients.configured.get(id) {
            return Ok(Some(client.clone()));
        }
        if stored.is_empty() {
            self.origins.set(id, &[]);
            return Ok(None);
        }
        let client: Client = serde_json::from_str(stored)
            .map_err(|error| ApiError::Internal(format!("the registration of a client: {error}")))?;
        self.origins.set(id, &client.redirect_uris);
        Ok(Some(client))
    }

    /// Lets pages of all clients' addresses call, and of no others.
    pub(super) async fn know_origins(&self) -> Result<(), Fault> {
        let changes = self.origins.changes();
        let stored = self.service.store.read(|transaction| (transaction.sign_in_clients(), Vec::new())).await?;
        let is_there = |one: &&StoredClient| !one.is_revoked() && !self.is_configured(&one.id);
        let stored: Vec<Client> =
            stored.iter().filter(is_there).filter_map(|one| serde_json::from_str(&one.body).ok()).collect();
        let all = self.clients.configured.values().chain(&stored);
        self.origins.set_all(changes, all.map(|client| (client.id.as_str(), client.redirect_uris.as_slice())));
        Ok(())
    }

    /// The client that a request is from, if it proves who it is. An assertion is remembered, so that it is not believed again.
    /// From an address where it failed often, failures are answered that it has to wait until the minute is over. What is right is
    /// never refused because of what was wrong: anybody may claim to be the client, from the address of a proxy as well.
    pub(crate) async fn authenticated(&self, claimed: &Claimed, address: Option<IpAddr>) -> Result<Client, Fault> {
        let client = self.client(claimed.client()).await?.ok_or(UNKNOWN)?;
        let (id, now_s) = (client.id.clone(), self.now_s());
        // Who has no secret has none to be found.
        let is_public = client.authentication == Authentication::None;
        let proven = self.proven(claimed, client).await;
        if is_public || !matches!(proven, Err(Fault::Refused(_))) {
            return proven;
        }
        match self.attempts.attempt(&id, address, now_s) {
            Some(seconds) => Err(ApiError::Throttled(seconds).into()),
            None => proven,
        }
    }

    async fn proven(&self, claimed: &Claimed, client: Client) -> Result<Client, Fault> {
        claimed.fits(&client)?;
        let Claimed::Signed(assertion) = claimed else { return Ok(client) };
        let (audience, now_s) = (self.token_endpoint(), self.now_s());
        let check = |keys: &[Key], url| assertion.check(keys, url, &audience, now_s, self.leeway_s);
        let believed = match &client.authentication {
            Authentication::Keys(set) => {
                let keys = jwk::parse_set(set.as_bytes()).map_err(|text| ApiError::Internal(text.to_owned()))?;
                check(&keys, None)?
            }
            Authentication::KeysAt(url) => {
                let fetched = self.keys_at(url, KEYS_LAST_S).await?;
                match check(&fetched.keys, Some(url)) {
                    Ok(believed) => believed,
                    // It may have a new key.
                    Err(_) => check(&self.keys_at(url, MINIMUM_FETCH_S).await?.keys, Some(url))?,
                }
            }
            Authentication::None | Authentication::Secret(_) => return Err(UNKNOWN.into()),
        };
        let (id, hash) = (client.id.clone(), secret::hash(&believed.id));
        let is_new = self
            .service
            .store
            .change(move |transaction| (transaction.remember_assertion(&id, &hash, believed.until_s), Vec::new()))
            .await?;
        match is_new {
            true => Ok(client),
            false => Err(OauthError::client("an assertion with this jti has been sent before").into()),
        }
    }

    /// The keys at a URL that are not older than usual.
    pub(super) async fn keys_of(&self, url: &str) -> Result<Vec<Key>, Fault> {
        // They are read anew each time they are used, which is seldom.
        let (bytes, _) = auth::fetch_keys(url).await.map_err(|error| {
            tracing::warn!(cause = %error, "keys could not be read");
            ApiError::Busy(10)
        })?;
        Ok(jwk::parse_set(&bytes)
            .map_err(|text| ApiError::Internal(format!("the keys of software statements: {text}")))?)
    }

    /// The keys at a URL, no older than that many seconds where they can be had.
    async fn keys_at(&self, url: &str, at_most_s: i64) -> Result<Arc<Fetched>, Fault> {
        let now_s = self.now_s();
        let known = self.clients.keys.get(url);
        if let Some(known) = known.as_ref().filter(|known| now_s < known.at_s + at_most_s.min(known.lasts_s)) {
            return Ok(Arc::clone(known));
        }
        const UNREACHABLE: OauthError =
            OauthError::client("the keys of the client cannot be fetched from where it registered them");
        let (bytes, kept_s) = auth::fetch_keys(url).await.map_err(|error| {
            tracing::warn!(cause = %error, "the keys of a client could not be read");
            UNREACHABLE
        })?;
        let keys = jwk::parse_set(&bytes).map_err(|text| {
            tracing::warn!(url, text, "the keys of a client could not be read");
            UNREACHABLE
        })?;
        let fetched = Arc::new(Fetched { at_s: now_s, lasts_s: kept_s.unwrap_or(KEYS_LAST_S), keys });
        self.clients.keys.insert(url.to_owned(), Arc::clone(&fetched));
        Ok(fetched)
    }
}
