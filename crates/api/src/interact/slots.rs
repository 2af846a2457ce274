//! Where work waits whose cost the caller decides. It runs in a bounded number of places, of which one caller has at most
//! half; who waits comes in turn. What costs little never waits here, so it always finds room.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concord_consent::caller::Caller;
use concord_store::Asker;
use tokio::sync::oneshot;

use crate::error::ApiError;

/// How much of one caller's may wait.
pub(crate) const WAITING_EACH: usize = 256;

/// How much of everybody's may wait.
const WAITING: usize = 4_096;

/// After how many seconds whoever found no room may come again.
const COME_AGAIN: u32 = 1;

/// The places, and who waits for one.
pub(crate) struct Slots {
    each: usize,
    lines: Arc<Mutex<Lines>>,
    keys: RandomState,
}

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    lines: Option<Arc<Mutex<Lines>>>,
    caller: u64,
}

#[derive(Debug)]
struct Lines {
    free: usize,
    each: usize,
    waiting: usize,
    callers: HashMap<u64, Line>,
    /// Whose turn it is: callers of whom something waits.
    turns: VecDeque<u64>,
}

/// One caller's work.
#[derive(Debug, Default)]
struct Line {
    busy: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

impl Slots {
    /// So many places, half of them for one caller.
    pub(crate) fn new(most: usize) -> Slots {
        Slots::of_each(most.max(1), most.max(1).div_ceil(2))
    }

    /// Places for everybody, of which one caller has so many.
    pub(crate) fn for_each(each: usize) -> Slots {
        Slots::of_each(usize::MAX, each.max(1))
    }

    fn of_each(most: usize, each: usize) -> Slots {
        let (callers, turns) = (HashMap::new(), VecDeque::new());
        let lines = Lines { free: most, each, waiting: 0, callers, turns };
        Slots { each, lines: Arc::new(Mutex::new(lines)), keys: RandomState::new() }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`ApiError::Throttled`] when too much of this caller's waits already, [`ApiError::Busy`] when too much of
    /// everybody's does.
    pub(crate) async fn enter(&self, caller: &Caller) -> Result<Slot, ApiError> {
        match self.queue(self.key(caller))? {
            Ok(slot) => Ok(slot),
            Err(turn) => turn.await.map_err(|_| ApiError::Busy(COME_AGAIN)),
        }
    }

    /// Whether something of a caller's is in a place, or waits for one.
    pub(crate) fn is_at_work(&self, caller: &Caller) -> bool {
        lock(&self.lines).callers.contains_key(&self.key(caller))
    }

    /// How many places are taken, and how much waits for one.
    pub(crate) fn busy_and_waiting(&self) -> (usize, usize) {
        let lines = lock(&self.lines);
        (lines.callers.values().map(|line| line.busy).sum(), lines.waiting)
    }

    /// The caller as those who ask for writes are told apart.
    pub(crate) fn asker(&self, caller: &Caller) -> Asker {
        Asker::of(self.key(caller))
    }

    fn key(&self, caller: &Caller) -> u64 {
        self.keys.hash_one((&caller.issuer, &caller.client, &caller.actor))
    }

    /// A place, or when it is one's turn.
    fn queue(&self, key: u64) -> Result<Result<Slot, oneshot::Receiver<Slot>>, ApiError> {
        let mut lines = lock(&self.lines);
        let (free, waiting) = (lines.free, lines.waiting);
        let line = lines.callers.entry(key).or_default();
        if free > 0 && line.busy < self.each {
            line.busy += 1;
            lines.free -= 1;
            return Ok(Ok(Slot { lines: Some(Arc::clone(&self.lines)), caller: key }));
        }
        if line.waiting.len() >= WAITING_EACH {
            return Err(ApiError::Throttled(COME_AGAIN));
        }
        if waiting >= WAITING {
            lines.forget(key);
            return Err(ApiError::Busy(COME_AGAIN));
        }
        let (turn, wait) = oneshot::channel();
        let first = line.waiting.is_empty();
        line.waiting.push_back(turn);
        lines.waiting += 1;
        if first {
            lines.turns.push_back(key);
        }
        Ok(Err(wait))
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    /// Forgets a caller of whom there is nothing.
    fn forget(&mut self, key: u64) {
        if self.callers.get(&key).is_some_and(|line| line.busy == 0 && line.waiting.is_empty()) {
            self.callers.remove(&key);
        }
    }

    /// Whose turn it is, and who of theirs waits longest.
    fn next(&mut self) -> Option<(u64, oneshot::Sender<Slot>)> {
        let each = self.each;
        let place = self.turns.iter().position(|key| self.callers.get(key).is_some_and(|line| line.busy < each))?;
        let key = self.turns.remove(place)?;
        let line = self.callers.get_mut(&key)?;
        let turn = line.waiting.pop_front()?;
        if !line.waiting.is_empty() {
            self.turns.push_back(key);
        }
        self.waiting -= 1;
        Some((key, turn))
    }

    /// Gives free places to those who wait.
    fn hand_on(&mut self, own: &Arc<Mutex<Lines>>) {
        while self.free > 0 {
            let Some((key, turn)) = self.next() else { return };
            let slot = Slot { lines: Some(Arc::clone(own)), caller: key };
            match turn.send(slot) {
                Ok(()) => {
                    self.free -= 1;
                    if let Some(line) = self.callers.get_mut(&key) {
                        line.busy += 1;
                    }
                }
                // Whoever waited has gone away. The place has not been taken, so it must not be given back.
                Err(mut unwanted) => {
                    unwanted.lines = None;
                    self.forget(key);
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(own) = self.lines.take() else { return };
        let mut lines = lock(&own);
        lines.free += 1;
        if let Some(line) = lines.callers.get_mut(&self.caller) {
            line.busy -= 1;
        }
        lines.forget(self.caller);
        lines.hand_on(&own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(slots: &Slots, key: u64) -> Slot {
        match slots.queue(key) {
            Ok(Ok(slot)) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn waiting(slots: &Slots, key: u64) -> oneshot::Receiver<Slot> {
        match slots.queue(key) {
            Ok(Err(turn)) => turn,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_caller_has_at_most_half_of_the_places() {
        let slots = Slots::new(4);
        let hostile = [taken(&slots, 1), taken(&slots, 1)];
        let mut more = waiting(&slots, 1);
        let others = [taken(&slots, 2), taken(&slots, 3)];
        drop(others);
        assert!(more.try_recv().is_err(), "free places are for others");
        drop(hostile);
        assert!(more.try_recv().is_ok());
    }

    #[tokio::test]
    async fn who_is_at_something_long_is_told_apart() {
        let (slots, caller) = (Slots::new(1), crate::interact::tests::search::patient("amina").caller);
        assert!(!slots.is_at_work(&caller));
        let place = slots.enter(&caller).await.unwrap();
        assert!(slots.is_at_work(&caller));
        assert!(!slots.is_at_work(&crate::interact::tests::search::patient("ben").caller));
        drop(place);
        assert!(!slots.is_at_work(&caller));
    }

    #[test]
    fn who_waits_comes_in_turn() {
        let slots = Slots::new(1);
        let first = taken(&slots, 1);
        let mut many: Vec<_> = (0..3).map(|_| waiting(&slots, 1)).collect();
        let mut other = waiting(&slots, 2);
        drop(first);
        let own = many[0].try_recv().unwrap();
        drop(own);
        let its = other.try_recv().expect("the other's turn, before the rest of the first's");
        // Who goes away while waiting leaves nothing behind.
        drop(many.remove(1));
        drop(its);
        assert!(many[1].try_recv().is_ok());
        let lines = lock(&slots.lines);
        assert!(lines.callers.is_empty());
        assert_eq!((lines.free, lines.waiting), (1, 0));
    }

    #[test]
    fn a_place_that_nobody_took_is_free_again() {
        let slots = Slots::new(1);
        let first = taken(&slots, 1);
        let turn = waiting(&slots, 2);
        drop(first);
        drop(turn);
        drop(taken(&slots, 3));
    }

    #[test]
    fn only_so_much_waits() {
        let slots = Slots::new(1);
        let _first = taken(&slots, 1);
        let _own: Vec<_> = (0..WAITING_EACH).map(|_| waiting(&slots, 1)).collect();
        assert!(matches!(slots.queue(1), Err(ApiError::Throttled(_))));
        let others = u64::try_from(WAITING - WAITING_EACH).unwrap();
        let _others: Vec<_> = (2..2 + others).map(|key| waiting(&slots, key)).collect();
        assert!(matches!(slots.queue(u64::MAX), Err(ApiError::Busy(_))));
        assert!(!lock(&slots.lines).callers.contains_key(&u64::MAX));
    }
}
