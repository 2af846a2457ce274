//! The keys of one issuer as they are known now, and when to look again.
//!
//! Keys rotate without a restart: they are fetched again when they are old, and when a token names a key that is not
//! there. One fetch runs at a time, and no more often than `minimum_s`, so that made-up key ids cannot be used against the
//! issuer. When an issuer cannot be reached its keys are used on until they are `max_age_s` old.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::error::AuthError;
use super::key::{self, Key};
use super::key_source::{KeyError, KeySource};
use super::{Sha256, sha256};

/// When to look again, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refresh {
    /// The least time between two looks.
    pub(super) minimum_s: i64,
    /// The age at which keys are looked for again.
    pub(super) due_s: i64,
    /// The age past which keys are no longer used.
    pub(super) max_age_s: i64,
}

/// The time of a look that never was: long ago, and safe to subtract from.
const NEVER: i64 = i64::MIN / 2;

/// The keys of one issuer.
pub(super) struct KeySet {
    issuer: String,
    source: KeySource,
    refresh: Refresh,
    keys: RwLock<Arc<Keys>>,
    generation: AtomicU64,
    loaded_s: AtomicI64,
    attempted_s: AtomicI64,
    attempts: AtomicU64,
    failures: AtomicU64,
    in_background: AtomicBool,
    flight: tokio::sync::Mutex<()>,
}

/// The keys as they were at one time.
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
    /// Counts the changes of the set: what was verified under another generation must be verified again.
    pub(super) generation: u64,
    digest: Sha256,
}

impl KeySet {
    pub(super) fn new(issuer: String, source: KeySource, refresh: Refresh) -> KeySet {
        KeySet {
            issuer,
            source,
            refresh,
            keys: RwLock::new(Arc::new(Keys { keys: Vec::new(), generation: 0, digest: [0; 32] })),
            generation: AtomicU64::new(0),
            loaded_s: AtomicI64::new(NEVER),
            attempted_s: AtomicI64::new(NEVER),
            attempts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            in_background: AtomicBool::new(false),
            flight: tokio::sync::Mutex::new(()),
        }
    }

    /// The keys as they are known now.
    pub(super) fn current(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often they could not be read.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The number of the present set; see [`Keys::generation`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Sees to it that the keys are young enough to be used. Costs two loads when they are.
    pub(super) async fn freshen(self: &Arc<Self>, now_s: i64) -> Result<(), AuthError> {
        let age = self.age(now_s);
        if age < self.refresh.due_s {
            return Ok(());
        }
        match self.source {
            KeySource::Url(..) if age < self.refresh.max_age_s && !self.was_idle(now_s) => {
                self.refresh_in_background(now_s);
            }
            _ => {
                // The outcome is in the age; the cause has been logged.
                let _ = Box::pin(self.refresh(now_s)).await;
            }
        }
        if self.age(now_s) < self.refresh.max_age_s { Ok(()) } else { Err(AuthError::KeysUnavailable) }
    }

    /// Whether tokens can be checked with them now. Keys that are old are looked for again meanwhile, so that asking brings
    /// them even where nobody calls.
    pub(super) fn are_there(self: &Arc<Self>, now_s: i64) -> bool {
        let age = self.age(now_s);
        if age >= self.refresh.due_s {
            self.refresh_in_background(now_s);
        }
        age < self.refresh.max_age_s && !self.current().keys.is_empty()
    }

    /// Looks for the keys again, unless that has just been done: waits for a look that is under way instead of starting
    /// another.
    pub(super) async fn refresh(&self, now_s: i64) -> Result<(), KeyError> {
        let seen = self.attempts.load(Ordering::Acquire);
        let _flight = self.flight.lock().await;
        let just_tried = self.attempts.load(Ordering::Acquire) != seen;
        if just_tried || now_s.saturating_sub(self.attempted_s.load(Ordering::Acquire)) < self.refresh.minimum_s {
            return Ok(());
        }
        self.attempted_s.store(now_s, Ordering::Release);
        let outcome = self.look(now_s).await;
        // Counted once it is over: whoever began to wait before now has its answer.
        self.attempts.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = &outcome {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(issuer = %self.issuer, cause = %error, "the issuer's keys could not be read");
        }
        outcome
    }

    async fn look(&self, now_s: i64) -> Result<(), KeyError> {
        let json = self.source.load().await?;
        let digest = sha256(&json);
        let current = self.current();
        // The first set is a new one even when it is empty.
        if current.generation == 0 || current.digest != digest {
            let set = key::parse_set(&json).map_err(|text| KeyError(format!("the issuer's keys: {text}")))?;
            let generation = current.generation + 1;
            tracing::info!(
                issuer = %self.issuer, keys = set.keys.len(), unusable = set.unusable, "the issuer's keys were read"
            );
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(Keys { keys: set.keys, generation, digest });
            self.generation.store(generation, Ordering::Release);
        }
        self.loaded_s.store(now_s, Ordering::Release);
        Ok(())
    }

    fn refresh_in_background(self: &Arc<Self>, now_s: i64) {
        let too_soon = now_s.saturating_sub(self.attempted_s.load(Ordering::Acquire)) < self.refresh.minimum_s;
        if too_soon || self.in_background.swap(true, Ordering::AcqRel) {
            return;
        }
        let set = Arc::clone(self);
        tokio::spawn(async move {
            let _ = set.refresh(now_s).await;
            set.in_background.store(false, Ordering::Release);
        });
    }

    /// Whether nobody has looked for long, for want of callers: then the first one waits, or else a key that was withdrawn
    /// meanwhile would work once more. While an issuer cannot be reached somebody looks often, and nobody waits.
    fn was_idle(&self, now_s: i64) -> bool {
        now_s.saturating_sub(self.attempted_s.load(Ordering::Acquire)) >= self.refresh.due_s.saturating_mul(2)
    }

    fn age(&self, now_s: i64) -> i64 {
        now_s.saturating_sub(self.loaded_s.load(Ordering::Acquire))
    }
}
