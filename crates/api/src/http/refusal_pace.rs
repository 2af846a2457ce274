//! How fast one caller is refused. Whoever asks again and again without heed is told of each refusal a little later, for up to a
//! second: a flood of requests that are only refused costs next to nothing then, and others' requests come between.
//!
//! The first of some time are told at once, and who comes again when `Retry-After` says notices nothing. Those that are kept back
//! longest are not told all at the same moment: else a flood on many connections would come again all at once.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::error::ApiError;

/// How many callers and addresses are kept; who is forgotten begins anew.
const KEPT: usize = 100_000;

/// How many milliseconds lie between two refusals of one caller at an even pace.
const INTERVAL: i64 = 20;

/// For how many milliseconds' worth refusals are told at once.
const AT_ONCE: i64 = 50 * INTERVAL;

/// How many milliseconds a refusal is kept back at most.
const LONGEST: i64 = 1_000;

/// Over how many milliseconds those are spread that would be kept back for longer.
const SPREAD: u64 = 500;

/// Its multiples lie evenly over [`SPREAD`], however many there are: about its golden ratio.
const STRIDE: u64 = 309;

/// When the refusals of each caller would all have been due at an even pace.
pub struct RefusalPace {
    due: Cache<u64, Arc<AtomicI64>>,
    keys: RandomState,
    /// How many have been kept back longest.
    spread: AtomicU64,
}

impl Default for RefusalPace {
    fn default() -> RefusalPace {
        RefusalPace { due: Cache::new(KEPT), keys: RandomState::new(), spread: AtomicU64::new(0) }
    }
}

impl RefusalPace {
    /// Keeps a refusal back until it is due, if it is one that whoever asks too much is told; others at once.
    pub(super) async fn keep_back(&self, error: &ApiError, of: impl Hash, now_ms: i64) {
        let is_for_asking =
            matches!(error, ApiError::Throttled(_) | ApiError::OverShare(_) | ApiError::Unauthenticated { .. });
        if let Some(wait) = is_for_asking.then(|| self.wait(of, now_ms)).flatten() {
            actix_web::rt::time::sleep(wait).await;
        }
    }

    /// Counts a refusal; how long it is kept back, if at all.
    fn wait(&self, of: impl Hash, now_ms: i64) -> Option<Duration> {
        let key = self.keys.hash_one(of);
        let due = match self.due.get(&key) {
            Some(due) => due,
            None => {
                let fresh = Arc::new(AtomicI64::new(0));
                self.due.get_or_insert_with(&key, || Ok::<_, ApiError>(Arc::clone(&fresh))).unwrap_or(fresh)
            }
        };
        let next = |due: i64| {
            let after = due.max(now_ms).saturating_add(INTERVAL);
            Some(after.min(now_ms.saturating_add(AT_ONCE + LONGEST)))
        };
        let before = due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|due| due);
        let late = before.max(now_ms).saturating_add(INTERVAL).saturating_sub(now_ms.saturating_add(AT_ONCE));
        let mut wait = u64::try_from(late.min(LONGEST)).ok().filter(|wait| *wait > 0)?;
        if late >= LONGEST {
            wait -= self.spread.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE) % SPREAD;
        }
        Some(Duration::from_millis(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_refusals_the_later_each_is_told_up_to_a_second() {
        let pace = RefusalPace::default();
        let told = |of: &str, now: i64| pace.wait(of, now).map_or(0, |wait| wait.as_millis());
        assert!((0..50).all(|_| told("one", 1_000) == 0), "some at once");
        assert_eq!([told("one", 1_000), told("one", 1_000), told("one", 1_010)], [20, 40, 50]);
        assert_eq!(told("another", 1_010), 0);
        let mut longest: Vec<u128> = (0..1_000).map(|_| told("one", 1_020)).filter(|wait| *wait > 500).collect();
        assert_eq!(longest.iter().max(), Some(&1_000), "never longer");
        longest.sort_unstable();
        assert!(longest.windows(2).all(|pair| pair[1] - pair[0] <= 10), "all over half a second: {longest:?}");
        assert!((500..=1_000).contains(&told("one", 1_020)));
        assert_eq!(told("one", 2_020), 20, "after a second it is not kept back for what was long ago");
        assert_eq!(told("one", 60_000), 0, "and after some time not at all");
    }

    #[tokio::test]
    async fn only_who_asks_too_much_waits() {
        let pace = RefusalPace::default();
        for error in [ApiError::NotFound, ApiError::Busy(1), ApiError::TooLarge(String::new())] {
            for _ in 0..10_000 {
                pace.keep_back(&error, "one", 1_000).await;
            }
        }
        assert_eq!(pace.wait("one", 1_000), None);
    }
}
