//! Believing a token: issuer, key, signature, audience, times, identity; in that order, and each only once.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::assurance::Role;
use super::claims::Claims;
use super::development::DevelopmentIssuer;
use super::error::AuthError;
use super::identity::{self, Identity, Reading, Verified};
use super::key_set::{KeySet, Keys, Refresh};
use super::key_source::{self, KeyError, KeySource};
use super::token::{self, MAX_TOKEN_BYTES, Parts};
use super::{Sha256, cis2, nhs_login, sha256, smart};
use crate::config::{Cis2Config, Clients, Config, DEVELOPMENT_ISSUER, IssuerConfig, IssuerKind, Jwks};
use crate::telemetry::TokenCounters;

/// How long a verified token is remembered at most, in seconds.
const REMEMBERED_S: i64 = 300;
/// How many keys are tried for a token that names none.
const MAX_TRIES: usize = 16;
/// The least time between two fetches of an issuer's keys, in seconds.
const MINIMUM_FETCH_S: i64 = 10;

/// Verifies bearer tokens. One for the whole process; cheap to share.
pub struct Verifier {
    issuers: Vec<Arc<Issuer>>,
    remembered: Cache<Sha256, Arc<CachedToken>>,
    leeway_s: i64,
    check_nhs_numbers: bool,
    clients: Clients,
    cis2: Cis2Config,
    counters: TokenCounters,
}

struct Issuer {
    issuer: String,
    audience: Vec<String>,
    kind: IssuerKind,
    fhir_base: String,
    keys: Arc<KeySet>,
}

/// A token that was verified before.
struct CachedToken {
    verified: Arc<Verified>,
    issuer: Arc<Issuer>,
    generation: u64,
    until_s: i64,
}

impl Verifier {
    /// A verifier for the configured issuers and, when it is there, the development issuer. Fetches nothing yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        config: &Config,
        development: Option<&DevelopmentIssuer>,
        counters: TokenCounters,
    ) -> Result<Verifier, KeyError> {
        let refresh = Refresh {
            minimum_s: MINIMUM_FETCH_S,
            due_s: config.jwks_refresh_seconds,
            max_age_s: config.jwks_max_age_seconds,
        };
        let own_base = config.fhir_base();
        let configured = config.issuers.iter().map(|issuer| Issuer::configured(issuer, &own_base, refresh));
        let mut issuers = configured.collect::<Result<Vec<_>, _>>()?;
        issuers.extend(development.map(|development| Issuer::development(development, &own_base)));
        Ok(Verifier {
            issuers: issuers.into_iter().map(Arc::new).collect(),
            remembered: Cache::new(config.token_cache_size),
            leeway_s: config.clock_leeway_seconds,
            check_nhs_numbers: config.check_nhs_numbers,
            clients: config.registered_clients(),
            cis2: config.cis2.clone().unwrap_or_default(),
            counters,
        })
    }

    /// Reads the keys of every issuer, so that the first callers need not wait and a wrong setting shows at the start.
    /// Returns the issuers whose keys could not be had, with the cause; they are tried again when a token comes.
    pub async fn warm(&self, now_s: i64) -> Vec<(String, KeyError)> {
        let mut failed = Vec::new();
        for issuer in &self.issuers {
            match issuer.keys.refresh(now_s).await {
                Err(error) => failed.push((issuer.issuer.clone(), error)),
                Ok(()) if issuer.keys.current().keys.is_empty() => {
                    failed.push((issuer.issuer.clone(), KeyError::none()));
                }
                Ok(()) => {}
            }
        }
        failed
    }

    /// How often the keys of an issuer could not be read since the start.
    #[must_use]
    pub fn key_failures(&self) -> u64 {
        self.issuers.iter().map(|issuer| issuer.keys.failures()).sum()
    }

    /// Whether the tokens of any issuer can be checked now; of none there are none.
    #[must_use]
    pub fn has_keys(&self, now_s: i64) -> bool {
        // Each is asked, so that the old keys of each are looked for again.
        let there: Vec<bool> = self.issuers.iter().map(|issuer| issuer.keys.are_there(now_s)).collect();
        there.is_empty() || there.contains(&true)
    }

    /// Verifies a token as it came after `Bearer`. `now_s` is in seconds since 1970.
    ///
    /// # Errors
    /// Why the token is not believed; see [`AuthError`].
    pub async fn verify(&self, token: &str, now_s: i64) -> Result<Arc<Verified>, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            self.counters.refused.inc();
            return Err(AuthError::TooLong);
        }
        let digest = sha256(token.as_bytes());
        let outcome = match self.recall(&digest, now_s).await {
            Ok(Some(verified)) => {
                self.counters.remembered.inc();
                return Ok(verified);
            }
            Ok(None) => Box::pin(self.verify_anew(token, digest, now_s)).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(_) => self.counters.verified.inc(),
            Err(AuthError::KeysUnavailable) => self.counters.without_keys.inc(),
            Err(_) => self.counters.refused.inc(),
        }
        outcome
    }

    /// A remembered token, unless it has to be looked at again: its time is over, or its issuer's keys have changed.
    async fn recall(&self, digest: &Sha256, now_s: i64) -> Result<Option<Arc<Verified>>, AuthError> {
        let Some(hit) = self.remembered.get(digest) else { return Ok(None) };
        hit.issuer.keys.freshen(now_s).await?;
        if now_s < hit.until_s && hit.generation == hit.issuer.keys.generation() {
            return Ok(Some(Arc::clone(&hit.verified)));
        }
        self.remembered.remove(digest);
        Ok(None)
    }

    /// Whether a token is one that this issuer has signed for this audience and that has not expired, whoever it is about. It is
    /// not remembered.
    ///
    /// # Errors
    /// As [`Verifier::verify`], but for who calls.
    pub(crate) async fn signed(&self, token: &str, now_s: i64) -> Result<(), AuthError> {
        self.believed(&token::split(token)?, now_s).await.map(|_| ())
    }

    /// The same of a token by which a login service says that somebody has signed out.
    ///
    /// # Errors
    /// As [`Verifier::signed`].
    pub(crate) async fn signed_logout(&self, token: &str, now_s: i64) -> Result<(), AuthError> {
        self.believed(&token::split_of_type(token, token::is_logout_token)?, now_s).await.map(|_| ())
    }

    /// What a token says that is signed, and by whom; the generation of their keys, and when it expires.
    async fn believed(
        &self,
        parts: &Parts<'_>,
        now_s: i64,
    ) -> Result<(Claims, &Arc<Issuer>, &str, u64, i64), AuthError> {
        let claims = Claims::parse(&parts.payload)?;
        // Until the signature is checked, `iss` only chooses whose keys to check it with.
        let issuer = self.issuers.iter().find(|issuer| issuer.issuer == claims.iss).ok_or(AuthError::Issuer)?;
        let generation = issuer.check_signature(parts, now_s).await?;
        let audience = claims.check_audience(&issuer.audience)?;
        let expires_s = claims.check_times(now_s, self.leeway_s)?;
        Ok((claims, issuer, audience, generation, expires_s))
    }

    async fn verify_anew(&self, token: &str, digest: Sha256, now_s: i64) -> Result<Arc<Verified>, AuthError> {
        let parts = token::split(token)?;
        let (claims, issuer, audience, generation, expires_s) = self.believed(&parts, now_s).await?;
        let reading = Reading {
            kind: issuer.kind,
            fhir_base: &issuer.fhir_base,
            audience,
            check_nhs_numbers: self.check_nhs_numbers,
            clients: &self.clients,
            cis2: &self.cis2,
        };
        let verified = Arc::new(read(claims, expires_s, &reading)?);
        let remembered = CachedToken {
            verified: Arc::clone(&verified),
            issuer: Arc::clone(issuer),
            generation,
            until_s: (expires_s + self.leeway_s).min(now_s + REMEMBERED_S),
        };
        self.remembered.insert(digest, Arc::new(remembered));
        Ok(verified)
    }
}

impl Issuer {
    fn configured(config: &IssuerConfig, own_base: &str, refresh: Refresh) -> Result<Issuer, KeyError> {
        let (source, refresh) = match &config.jwks {
            Jwks::Url(url) => (KeySource::Url(url.clone(), key_source::client()?), refresh),
            // Reading a small file is cheap, so it is read every second rather than trusted by its time.
            Jwks::File(path) => (KeySource::File(path.clone()), Refresh { minimum_s: 1, due_s: 1, ..refresh }),
        };
        Ok(Issuer {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            kind: config.kind,
            fhir_base: config.fhir_base.clone().unwrap_or_else(|| own_base.to_owned()),
            keys: Arc::new(KeySet::new(config.issuer.clone(), source, refresh)),
        })
    }

    fn development(development: &DevelopmentIssuer, own_base: &str) -> Issuer {
        // Its one key never changes while the process runs, so it is never looked for again.
        let refresh = Refresh { minimum_s: 0, due_s: i64::MAX / 4, max_age_s: i64::MAX / 4 };
        let source = KeySource::Fixed(development.jwks());
        Issuer {
            issuer: DEVELOPMENT_ISSUER.to_owned(),
            audience: vec![development.audience().to_owned()],
            kind: IssuerKind::Smart,
            fhir_base: own_base.to_owned(),
            keys: Arc::new(KeySet::new(DEVELOPMENT_ISSUER.to_owned(), source, refresh)),
        }
    }

    /// Checks the signature, and returns the generation of the keys that it was checked with.
    async fn check_signature(&self, parts: &Parts<'_>, now_s: i64) -> Result<u64, AuthError> {
        self.keys.freshen(now_s).await?;
        let keys = self.keys.current();
        let error = match check_with(&keys, parts) {
            Ok(()) => return Ok(keys.generation),
            Err(error) => error,
        };
        // The issuer may have a new key, under a new id or under an old one. The cause of a failure has been logged.
        let _ = self.keys.refresh(now_s).await;
        let newer = self.keys.current();
        if newer.generation == keys.generation {
            return Err(error);
        }
        check_with(&newer, parts).map(|()| newer.generation)
    }
}

/// Reads who is calling from claims whose signature, issuer, audience and times have been checked.
fn read(claims: Claims, expires_s: i64, reading: &Reading<'_>) -> Result<Verified, AuthError> {
    let (identity, roles) = match reading.kind {
        IssuerKind::Smart => {
            let roles =
                claims.roles.0.iter().map(|code| Role { code: Some(code.clone()), ..Role::default() }).collect();
            (Identity::Known(Arc::new(smart::caller(&claims, reading)?.into())), roles)
        }
        IssuerKind::NhsLogin => (Identity::Identifier(Box::new(nhs_login::person(&claims, reading)?)), Vec::new()),
        IssuerKind::Cis2 => {
            let role = cis2::selected_role(&claims)?;
            let person = cis2::person(&claims, role.as_ref(), reading)?;
            (Identity::Identifier(Box::new(person)), role.into_iter().collect())
        }
    };
    Ok(Verified {
        identity,
        expires_s,
        identity_proofing_level: identity::proofing_level(&claims),
        authentication_assurance_level: identity::authentication(&claims),
        purpose_of_use: claims.purpose_of_use.0,
        roles,
    })
}

fn check_with(keys: &Keys, parts: &Parts<'_>) -> Result<(), AuthError> {
    let mut tried = false;
    let named = |id: Option<&String>| parts.key_id.is_none() || parts.key_id.as_ref() == id;
    let fitting = keys.keys.iter().filter(|key| named(key.id.as_ref()) && key.fits(parts.algorithm));
    for key in fitting.take(MAX_TRIES) {
        tried = true;
        if key.verifies(parts.algorithm, parts.message, parts.signature) {
            return Ok(());
        }
    }
    Err(if tried { AuthError::Signature } else { AuthError::Key })
}
