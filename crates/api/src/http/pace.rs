//! How many requests one app may make for one person (429 with `Retry-After`).
//!
//! The generic cell rate algorithm: of each app and person only the time is kept at which all that they asked for would
//! have been due at an even pace. A minute's requests may come at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use concord_consent::caller::{Actor, Caller};
use quick_cache::sync::Cache;

use crate::error::ApiError;

/// How many apps and persons are kept; who is forgotten begins anew.
const KEPT: usize = 100_000;

/// How many microseconds a minute has.
const MINUTE: i64 = 60_000_000;

/// The bound on requests.
pub struct Pace {
    /// The time between two requests at an even pace, in microseconds; none if there is no bound.
    interval: Option<i64>,
    due: Cache<u64, Arc<AtomicI64>>,
    keys: RandomState,
}

impl Pace {
    /// So many requests a minute; any number with 0.
    #[must_use]
    pub fn per_minute(requests: u32) -> Pace {
        let interval = (requests > 0).then(|| MINUTE / i64::from(requests));
        Pace { interval, due: Cache::new(KEPT), keys: RandomState::new() }
    }

    /// Counts `requests` of a caller's, a Bundle's entries each for one. A system is not bounded.
    ///
    /// # Errors
    /// [`ApiError::Throttled`], with the seconds after which it may be tried again; it has not been counted then.
    pub(super) fn admit(&self, caller: &Caller, requests: usize, now_ms: i64) -> Result<(), ApiError> {
        let Some(interval) = self.interval.filter(|_| caller.actor != Actor::System) else { return Ok(()) };
        let key = self.keys.hash_one((&caller.issuer, &caller.client, &caller.actor));
        let due = match self.due.get(&key) {
            Some(due) => due,
            None => {
                let fresh = Arc::new(AtomicI64::new(0));
                self.due.get_or_insert_with(&key, || Ok::<_, ApiError>(fresh))?
            }
        };
        let now = now_ms.saturating_mul(1000);
        // What takes more than a minute's requests could never be asked for otherwise.
        let cost = interval.saturating_mul(i64::try_from(requests).unwrap_or(i64::MAX)).min(MINUTE);
        let next =
            |due: i64| Some(due.max(now).saturating_add(cost)).filter(|after| *after <= now.saturating_add(MINUTE));
        match due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(due) => {
                let wait = due.saturating_add(cost).saturating_sub(now.saturating_add(MINUTE));
                Err(ApiError::Throttled(
                    u32::try_from(wait.saturating_add(999_999).div_euclid(1_000_000)).unwrap_or(u32::MAX),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_consent::caller::Credentials;
    use concord_consent::scope::Scopes;

    fn caller(client: &str, actor: Actor) -> Caller {
        Caller {
            actor,
            subject: "subject".to_owned(),
            issuer: "issuer".to_owned(),
            client: client.to_owned(),
            scopes: Scopes::parse("patient/*.rs"),
            patient: None,
            credentials: Credentials::default(),
        }
    }

    fn wait(pace: &Pace, caller: &Caller, requests: usize, now_ms: i64) -> Option<u32> {
        match pace.admit(caller, requests, now_ms) {
            Ok(()) => None,
            Err(ApiError::Throttled(seconds)) => Some(seconds),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_minute_holds_so_many_requests() {
        let pace = Pace::per_minute(6);
        let amina = caller("app", Actor::Patient("amina".to_owned()));
        for _ in 0..6 {
            assert_eq!(wait(&pace, &amina, 1, 1_000_000), None);
        }
        assert_eq!(wait(&pace, &amina, 1, 1_000_000), Some(10));
        assert_eq!(wait(&pace, &amina, 1, 1_009_000), Some(1));
        assert_eq!(wait(&pace, &amina, 1, 1_010_000), None, "one every ten seconds");
        assert_eq!(wait(&pace, &amina, 1, 1_010_000), Some(10), "what was refused is not counted");
        // Another person, another app, and a system.
        assert_eq!(wait(&pace, &caller("app", Actor::Patient("ben".to_owned())), 6, 1_010_000), None);
        assert_eq!(wait(&pace, &caller("other", Actor::Patient("amina".to_owned())), 1, 1_010_000), None);
        for _ in 0..20 {
            assert_eq!(wait(&pace, &caller("app", Actor::System), 1, 1_010_000), None);
        }
    }

    #[test]
    fn many_at_once_wait_for_a_whole_minute() {
        let pace = Pace::per_minute(60);
        let amina = caller("app", Actor::Patient("amina".to_owned()));
        assert_eq!(wait(&pace, &amina, 5_000, 1_000_000), None);
        assert_eq!(wait(&pace, &amina, 1, 1_000_000), Some(1));
        assert_eq!(wait(&pace, &amina, 5_000, 1_059_000), Some(1));
        assert_eq!(wait(&pace, &amina, 5_000, 1_060_000), None);
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let pace = Pace::per_minute(0);
        let amina = caller("app", Actor::Patient("amina".to_owned()));
        assert!((0..10_000).all(|_| wait(&pace, &amina, 1, 0).is_none()));
    }
}
