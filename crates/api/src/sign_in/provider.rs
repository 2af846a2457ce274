//! A login service: how it is reached, and with what this server proves there who it is.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::relying::{Asking, ClientKey, Discovered, Proof};

use crate::auth::{self, Verifier};
use crate::config::{Config, Jwks, ProviderConfig, ProviderKind, is_safe};
use crate::sign_in::Fault;
use crate::telemetry::TokenCounters;

/// How long nobody looks again for a login service that could not be found, in seconds.
const LOOK_AGAIN_S: i64 = 10;

/// A login service.
pub(super) struct Provider {
    pub(super) config: ProviderConfig,
    pub(super) proof: Proof,
    settings: Config,
    counters: TokenCounters,
    found: Mutex<Found>,
}

/// Where it is, once that is known; and when it was looked for last.
#[derive(Default)]
struct Found {
    reached: Option<Arc<Reached>>,
    looked_s: Option<i64>,
}

/// Where a login service is, and who believes its tokens.
pub(super) struct Reached {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) verifier: Verifier,
}

/// The login services of the settings.
///
/// # Errors
/// One line, when a key or secret cannot be read.
pub(super) fn providers(config: &Config, counters: &TokenCounters) -> Result<Vec<Provider>, String> {
    config.providers.iter().map(|one| Provider::new(one, config, counters)).collect()
}

impl Provider {
    fn new(one: &ProviderConfig, config: &Config, counters: &TokenCounters) -> Result<Provider, String> {
        let failed = |path: &Path, text: &str| format!("setting providers: {:?}: {}: {text}", one.name, path.display());
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| failed(path, &error.to_string()));
        let proof = match (&one.key_file, &one.secret_file) {
            (Some(path), _) => {
                let key = ClientKey::from_pem(&read(path)?, one.key_id.clone());
                Proof::Key(key.ok_or_else(|| failed(path, "it is no RSA key in PKCS#8"))?)
            }
            (None, Some(path)) => Proof::Secret(read(path)?.trim().to_owned()),
            (None, None) => return Err(format!("setting providers: {:?}: it has no key_file", one.name)),
        };
        // Its id tokens are for signing in here, and no tokens for the API.
        let settings = Config { issuers: Vec::new(), development_issuer: false, ..config.clone() };
        let provider =
            Provider { config: one.clone(), proof, settings, counters: counters.clone(), found: Mutex::default() };
        if let (Some(jwks), Some(authorization), Some(token)) =
            (&one.jwks, &one.authorization_endpoint, &one.token_endpoint)
        {
            let reached = provider.reached_at(jwks.clone(), authorization.clone(), token.clone())?;
            provider.lock().reached = Some(Arc::new(reached));
        }
        Ok(provider)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reached_at(
        &self,
        jwks: Jwks,
        authorization_endpoint: String,
        token_endpoint: String,
    ) -> Result<Reached, String> {
        let only = Config { issuers: vec![self.config.as_issuer(jwks)], ..self.settings.clone() };
        let verifier = Verifier::new(&only, None, self.counters.clone()).map_err(|error| error.to_string())?;
        Ok(Reached { authorization_endpoint, token_endpoint, verifier })
    }

    /// Where it is: what the settings say, and for what they do not say its discovery document, which is read once.
    pub(super) async fn reached(&self, now_s: i64) -> Result<Arc<Reached>, Fault> {
        const UNREACHABLE: OauthError =
            OauthError::new(ErrorCode::TemporarilyUnavailable, "the login service does not answer as it should");
        {
            let mut found = self.lock();
            if let Some(reached) = &found.reached {
                return Ok(Arc::clone(reached));
            }
            if found.looked_s.is_some_and(|looked_s| now_s < looked_s + LOOK_AGAIN_S) {
                return Err(UNREACHABLE.into());
            }
            found.looked_s = Some(now_s);
        }
        let discovered = self.discovered().await.map_err(|cause| {
            tracing::warn!(provider = self.config.name, cause, "a login service cannot be found");
            UNREACHABLE
        })?;
        let reached = Arc::new(discovered);
        self.lock().reached = Some(Arc::clone(&reached));
        Ok(reached)
    }

    async fn discovered(&self) -> Result<Reached, String> {
        let document = auth::fetch_json(&Discovered::address(&self.config.issuer)).await;
        let document = document.map_err(|error| error.to_string())?;
        let found = Discovered::of(&document, &self.config.issuer)
            .ok_or_else(|| "its discovery document is none, or that of another issuer".to_owned())?;
        let authorization = self.config.authorization_endpoint.clone().unwrap_or(found.authorization_endpoint);
        let token = self.config.token_endpoint.clone().unwrap_or(found.token_endpoint);
        if ![&authorization, &token, &found.jwks_uri].into_iter().all(|address| is_safe(address)) {
            return Err("its discovery document names an address that is not https".to_owned());
        }
        let at_url = || url::Url::parse(&found.jwks_uri).map(Jwks::Url).map_err(|error| error.to_string());
        let jwks = self.config.jwks.clone().map_or_else(at_url, Ok)?;
        self.reached_at(jwks, authorization, token)
    }

    /// How it is asked.
    pub(super) fn asking<'a>(&'a self, redirect_uri: &'a str, trust: &'a str, asserted: Option<&'a str>) -> Asking<'a> {
        Asking {
            client: &self.config.client_id,
            redirect_uri,
            scope: self.config.scopes(),
            trust: (self.config.kind == ProviderKind::NhsLogin).then_some(trust),
            asserted,
        }
    }
}
