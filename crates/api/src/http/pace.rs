//! How many requests one app may make for one person, or one system at all (429 with `Retry-After`).
//!
//! The generic cell rate algorithm: of each app and person only the time is kept at which all that they asked for would
//! have been due at an even pace. The requests of a minute, or of whatever time is counted, may come at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use concord_consent::caller::{Actor, Caller};
use quick_cache::sync::Cache;

use crate::error::ApiError;

/// How many apps and persons are kept; who is forgotten begins anew.
const KEPT: usize = 100_000;

/// A minute.
const MINUTE: Duration = Duration::from_secs(60);

/// The bound on requests.
pub struct Pace {
    /// The time between two requests at an even pace, in microseconds; none if there is no bound.
    interval: Option<i64>,
    /// The time whose requests may come at once, in microseconds.
    window: i64,
    /// Whether systems are bounded, or everybody else.
    of_systems: bool,
    due: Cache<u64, Arc<AtomicI64>>,
    keys: RandomState,
}

impl Pace {
    /// So many requests a minute; any number with 0.
    #[must_use]
    pub fn per_minute(requests: u32) -> Pace {
        Pace::new(requests, MINUTE, false)
    }

    /// So many requests of a system in that time.
    #[must_use]
    pub fn of_systems(requests: u32, window: Duration) -> Pace {
        Pace::new(requests, window, true)
    }

    fn new(requests: u32, window: Duration, of_systems: bool) -> Pace {
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let interval = (requests > 0).then(|| window / i64::from(requests));
        Pace { interval, window, of_systems, due: Cache::new(KEPT), keys: RandomState::new() }
    }

    /// Counts `requests` of a caller's, a Bundle's entries each for one, if it bounds such callers.
    ///
    /// # Errors
    /// [`ApiError::Throttled`], with the seconds after which it may be tried again; it has not been counted then.
    pub(super) fn admit(&self, caller: &Caller, requests: usize, now_ms: i64) -> Result<(), ApiError> {
        let Some(interval) = self.interval.filter(|_| (caller.actor == Actor::System) == self.of_systems) else {
            return Ok(());
        };
        let key = self.keys.hash_one((&caller.issuer, &caller.client, &caller.actor));
        let due = match self.due.get(&key) {
            Some(due) => due,
            None => {
                let fresh = Arc::new(AtomicI64::new(0));
                self.due.get_or_insert_with(&key, || Ok::<_, ApiError>(fresh))?
            }
        };
        let now = now_ms.saturating_mul(1000);
        // What takes more than all the requests of that time could never be asked for otherwise.
        let cost = interval.saturating_mul(i64::try_from(requests).unwrap_or(i64::MAX)).min(self.window);
        let next = |due: i64| {
            Some(due.max(now).saturating_add(cost)).filter(|after| *after <= now.saturating_add(self.window))
        };
        match due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(due) => {
                let wait = due.saturating_add(cost).saturating_sub(now.saturating_add(self.window));
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
    fn a_system_is_bounded_by_the_second() {
        let pace = Pace::of_systems(60, Duration::from_secs(1));
        let system = caller("aggregator", Actor::System);
        assert!((0..60).all(|_| wait(&pace, &system, 1, 1_000_000).is_none()));
        assert_eq!(wait(&pace, &system, 1, 1_000_000), Some(1));
        assert_eq!(wait(&pace, &system, 1, 1_000_017), None, "one every sixtieth of a second");
        assert!((0..60).all(|_| wait(&pace, &system, 1, 1_002_000).is_none()));
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let pace = Pace::per_minute(0);
        let amina = caller("app", Actor::Patient("amina".to_owned()));
        assert!((0..10_000).all(|_| wait(&pace, &amina, 1, 0).is_none()));
    }
}
