//! Whether somebody has the server to themselves: then they may have all of it, until another comes.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use concord_consent::caller::Caller;
use concord_store::Asker;

/// For how long nobody else has come whoever has the server to themselves.
const ALONE: Duration = Duration::from_millis(250);

/// Who has come last.
#[derive(Debug)]
pub(crate) struct Company {
    /// How callers are told apart.
    pub(crate) keys: RandomState,
    /// The same as in `latest`, for those who come again.
    last: AtomicU64,
    latest: Mutex<Latest>,
}

#[derive(Debug)]
struct Latest {
    asker: Asker,
    since: Instant,
    /// What is raised when another comes.
    wanted_back: Arc<AtomicBool>,
}

impl Company {
    /// Nobody has come yet.
    pub(crate) fn new() -> Company {
        let latest = Latest { asker: Asker::SERVER, since: Instant::now(), wanted_back: Arc::default() };
        Company { keys: RandomState::new(), last: AtomicU64::new(Asker::SERVER.number()), latest: Mutex::new(latest) }
    }

    /// A caller, told apart from others.
    pub(crate) fn asker(&self, caller: &Caller) -> Asker {
        asker(&self.keys, caller)
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that somebody has come. What was lent to another is wanted back.
    pub(crate) fn note(&self, asker: Asker) {
        if self.last.load(Ordering::Relaxed) == asker.number() {
            return;
        }
        let mut latest = self.latest();
        latest.wanted_back.store(true, Ordering::Relaxed);
        *latest = Latest { asker, since: Instant::now(), wanted_back: Arc::default() };
        self.last.store(asker.number(), Ordering::Relaxed);
    }

    /// What is raised when another comes, if nobody else has come for a while.
    pub(crate) fn alone(&self, asker: Asker) -> Option<Arc<AtomicBool>> {
        self.alone_at(asker, Instant::now())
    }

    fn alone_at(&self, asker: Asker, now: Instant) -> Option<Arc<AtomicBool>> {
        let latest = self.latest();
        let is_alone = latest.asker == asker && now.saturating_duration_since(latest.since) >= ALONE;
        is_alone.then(|| Arc::clone(&latest.wanted_back))
    }
}

/// A caller as those who ask for something are told apart.
pub(crate) fn asker(keys: &RandomState, caller: &Caller) -> Asker {
    Asker::of(keys.hash_one((&caller.issuer, &caller.client, &caller.actor)))
}

#[cfg(test)]
impl Company {
    /// As if the time had passed after which whoever has come last is alone.
    pub(crate) fn pass(&self) {
        let mut latest = self.latest();
        latest.since = latest.since.checked_sub(ALONE).unwrap_or(latest.since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_come_last_is_alone_after_a_while_until_another_comes() {
        let (company, one, other) = (Company::new(), Asker::of(1), Asker::of(2));
        company.note(one);
        let since = company.latest().since;
        assert!(company.alone_at(one, since).is_none(), "not at once");
        company.note(one);
        assert_eq!(company.latest().since, since, "who comes again has been there");
        let wanted_back = company.alone_at(one, since + ALONE).unwrap();
        assert!(company.alone_at(other, since + ALONE).is_none(), "who has not come last is not");
        assert!(!wanted_back.load(Ordering::Relaxed));
        company.note(other);
        assert!(wanted_back.load(Ordering::Relaxed));
        assert!(company.alone_at(one, since + ALONE * 9).is_none());
        company.note(one);
        let anew = company.latest().since;
        assert!(company.alone_at(one, anew).is_none(), "it begins anew");
        assert!(!company.alone_at(one, anew + ALONE).unwrap().load(Ordering::Relaxed));
    }
}
