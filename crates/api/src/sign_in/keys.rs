//! The keys that id tokens are signed with: made when it is time, sealed in the database, published as long as a token may be
//! checked.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use concord_signin::id_token::SigningKey;
use concord_signin::seal::{SealError, SealingKey};
use concord_store::sign_in::StoredKey;
use serde_json::{Value, json};

use crate::auth::development::create_private;
use crate::error::ApiError;
use crate::sign_in::{Fault, SignIn};

const DAY_S: i64 = 86_400;

/// The keys as this process has opened them.
pub(super) struct SigningKeys {
    sealing: SealingKey,
    opened: RwLock<Vec<Arc<SigningKey>>>,
}

/// The key of the operator's file, which is made where there has been none yet.
///
/// # Errors
/// One line, when it is missing although something is sealed under it, or cannot be read.
pub(super) fn key_file(path: &Path, is_first: bool) -> Result<SealingKey, String> {
    let failed = |error: std::io::Error| format!("sign_in: key_file {}: {error}", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_first => {
            let key = SealingKey::generate().map_err(|_| "sign_in: the machine gives no random bytes".to_owned())?;
            create_private(path, &format!("{key}\n")).map_err(failed)?;
            std::fs::read_to_string(path).map_err(failed)?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!(
                "sign_in: key_file {} is missing, and the signing keys in the database are sealed under it: put it back, or \
                 forget them with `concord client forget-keys`",
                path.display()
            ));
        }
        Err(error) => return Err(failed(error)),
    };
    SealingKey::parse(&text)
        .ok_or_else(|| format!("sign_in: key_file {} does not hold 32 bytes in base64url", path.display()))
}

impl SigningKeys {
    pub(super) fn new(sealing: SealingKey) -> SigningKeys {
        SigningKeys { sealing, opened: RwLock::default() }
    }

    /// Whether all can be opened.
    ///
    /// # Errors
    /// When one was sealed under another key.
    pub(super) fn check(&self, stored: &[StoredKey]) -> Result<(), SealError> {
        self.open(stored).map(|_| ())
    }

    /// The keys that are stored, opened; those that have been opened before as they are.
    fn open(&self, stored: &[StoredKey]) -> Result<Vec<Arc<SigningKey>>, SealError> {
        let known = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        let opened: Vec<Arc<SigningKey>> = stored
            .iter()
            .map(|one| match known.iter().find(|key| key.id() == one.id) {
                Some(key) => Ok(Arc::clone(key)),
                None => SigningKey::open(&one.sealed, &self.sealing).map(Arc::new),
            })
            .collect::<Result<_, _>>()?;
        if opened.len() != known.len() || opened.iter().zip(&known).any(|(one, other)| one.id() != other.id()) {
            *self.opened.write().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        }
        Ok(opened)
    }
}

impl SignIn {
    /// All keys that are published, the newest first, as there are on whichever node they were made.
    async fn published(&self) -> Result<Vec<Arc<SigningKey>>, Fault> {
        let stored = self.service.store.read(|transaction| (transaction.signing_keys(), Vec::new())).await?;
        Ok(self.keys.open(&stored)?)
    }

    /// The key that signs now.
    pub(super) async fn signing_key(&self) -> Result<Arc<SigningKey>, Fault> {
        let keys = self.published().await?;
        keys.into_iter().next().ok_or_else(|| Fault::Failed(ApiError::Internal("no signing key".to_owned())))
    }

    /// The public keys, as a JWK Set.
    pub(crate) async fn jwks(&self) -> Result<String, Fault> {
        let keys: Vec<Value> = self.published().await?.iter().map(|key| key.jwk().clone()).collect();
        Ok(json!({ "keys": keys }).to_string())
    }

    /// Makes a new key when the newest is old enough, and forgets those that nothing is checked with any more.
    pub(super) async fn rotate_keys(&self) -> Result<(), Fault> {
        let (now_s, lifetime_s) = (self.now_s(), self.settings.signing_key_days * DAY_S);
        let is_due = move |keys: &[StoredKey]| keys.first().is_none_or(|newest| newest.made_s + lifetime_s <= now_s);
        let stored = self.service.store.read(|transaction| (transaction.signing_keys(), Vec::new())).await?;
        if !is_due(&stored) {
            return Ok(());
        }
        let key = SigningKey::generate()?;
        let new = StoredKey { id: key.id().to_owned(), sealed: key.seal(&self.keys.sealing)?, made_s: now_s };
        let rotate = move |transaction: &mut concord_store::transaction::Transaction<'_>| {
            let rotated = transaction.lock_signing_keys().and_then(|known| {
                // Another node may have been first.
                if is_due(&known) {
                    transaction.add_signing_key(&new)?;
                    transaction.forget_signing_keys(now_s - lifetime_s - DAY_S)?;
                }
                Ok(())
            });
            (rotated, Vec::new())
        };
        self.service.store.change(rotate).await?;
        Ok(())
    }
}
