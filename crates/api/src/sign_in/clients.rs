//! Who may ask: the clients of the settings and those that commands have registered, and whether one is who it says.

use std::collections::HashMap;
use std::net::IpAddr;

use concord_signin::authentication::{Claimed, UNKNOWN};
use concord_signin::client::{Authentication, Client};
use concord_signin::error::OauthError;
use concord_signin::jwk::{self, Key};
use concord_signin::registrar::Registrar;
use concord_signin::secret;
use concord_store::sign_in::{AccessToken, SELF, StoredClient};

use crate::config::Config;
use crate::error::ApiError;
use crate::sign_in::keys_at_urls::{Freshness, KeysAtUrls};
use crate::sign_in::{Fault, SignIn};

/// The clients of the settings, and the keys of clients that are at URLs.
pub(super) struct Registry {
    configured: HashMap<String, Client>,
    pub(super) keys: KeysAtUrls,
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

/// What is stored of a client now, and of who has registered it; nothing where it is not there or revoked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored<'a> {
    body: &'a str,
    registrar: &'a str,
    registrar_body: &'a str,
}

impl<'a> Stored<'a> {
    pub(super) fn of(client: &'a StoredClient) -> Stored<'a> {
        match client.is_revoked() {
            true => Stored::default(),
            false => {
                Stored { body: &client.body, registrar: &client.registrar, registrar_body: &client.registrar_body }
            }
        }
    }

    pub(super) fn of_token(token: &'a AccessToken) -> Stored<'a> {
        Stored { body: &token.registration, registrar: &token.registrar, registrar_body: &token.registrar_body }
    }
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
        Ok(Registry { configured, keys: KeysAtUrls::default() })
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
        self.registered_as(id, stored.as_ref().map_or_else(Stored::default, Stored::of))
    }

    /// The client of that id, of which this is stored now.
    pub(super) fn registered_as(&self, id: &str, stored: Stored<'_>) -> Result<Option<Client>, Fault> {
        if let Some(client) = self.clients.configured.get(id) {
            return Ok(Some(client.clone()));
        }
        let client = self.bounded(stored)?;
        self.origins.set(id, client.as_ref().map_or(&[], |client| client.redirect_uris.as_slice()));
        Ok(client)
    }

    /// A client that is stored, as far as it is no more than who has registered it is now: what a registrar has no longer, or a setting
    /// does not give any more, goes from all that was registered by it, and with the registrar go its clients.
    fn bounded(&self, stored: Stored<'_>) -> Result<Option<Client>, Fault> {
        if stored.body.is_empty() {
            return Ok(None);
        }
        let client = read(stored.body)?;
        let registrar = match stored.registrar {
            "" => return Ok(Some(client)),
            SELF => return Ok(Some(Registrar::Itself(&self.settings.registration_scope).bounded(client))),
            other => self.clients.configured.get(other),
        };
        if let Some(registrar) = registrar {
            return Ok(Some(Registrar::System(registrar).bounded(client)));
        }
        match stored.registrar_body {
            "" => Ok(None),
            body => Ok(Some(Registrar::System(&read(body)?).bounded(client))),
        }
    }

    /// Lets pages of all clients' addresses call, and of no others.
    pub(super) async fn know_origins(&self) -> Result<(), Fault> {
        let changes = self.origins.changes();
        let stored = self.service.store.read(|transaction| (transaction.sign_in_clients(), Vec::new())).await?;
        let others = stored.iter().filter(|one| !self.is_configured(&one.id));
        let stored: Vec<Client> = others.filter_map(|one| self.bounded(Stored::of(one)).ok().flatten()).collect();
        let all = self.clients.configured.values().chain(&stored);
        self.origins.set_all(changes, all.map(|client| (client.id.as_str(), client.redirect_uris.as_slice())));
        Ok(())
    }

    /// The client that a request is from, if it proves who it is. An assertion is remembered, so that it is not believed again.
    /// From an address where it failed often, failures are answered that it has to wait until the minute is over. What is right is
    /// never refused because of a few that were wrong: anybody may claim to be the client, from the address of a proxy as well. But a
    /// signature costs this server more than whoever sends it, so that of very many wrong ones no more are looked at.
    pub(crate) async fn authenticated(&self, claimed: &Claimed, address: Option<IpAddr>) -> Result<Client, Fault> {
        let client = self.client(claimed.client()).await?.ok_or(UNKNOWN)?;
        let (id, now_s) = (client.id.clone(), self.now_s());
        // Who has no secret has none to be found.
        let is_public = client.authentication == Authentication::None;
        let is_signed = matches!(claimed, Claimed::Signed(_));
        if is_signed {
            self.signatures.look_at(&id, address, now_s)?;
        }
        let proven = self.proven(claimed, client).await;
        if is_signed && !matches!(proven, Err(Fault::Refused(_))) {
            self.signatures.was_right(&id, address);
        }
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
                let fetched = self.keys_at(&client, url, Freshness::Usual).await?;
                match check(&fetched, Some(url)) {
                    Ok(believed) => believed,
                    // It may have a new key.
                    Err(_) => check(&self.keys_at(&client, url, Freshness::Newest).await?, Some(url))?,
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
}

fn read(body: &str) -> Result<Client, ApiError> {
    serde_json::from_str(body).map_err(|error| ApiError::Internal(format!("the registration of a client: {error}")))
}
