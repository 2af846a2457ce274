//! Where work waits whose cost the caller decides. It runs in a bounded number of places, of which one caller has at most
//! half, and the rest only while nobody else comes; who waits comes in turn. What costs little never waits here, so it always
//! finds room.

use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use concord_consent::caller::Caller;
use concord_store::{Asker, Place};
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::interact::company::{Company, asker};

/// How much of one caller's may wait.
pub(crate) const WAITING_EACH: usize = 256;

/// How much of everybody's may wait.
const WAITING: usize = 4_096;

/// What takes a processor so long has taken long: about as much as may be done where others are answered.
const LONG: Duration = Duration::from_millis(1);

/// After how many seconds whoever found no room may come again.
const COME_AGAIN: u32 = 1;

/// The places, and who waits for one.
pub(crate) struct Slots {
    lines: Arc<Mutex<Lines>>,
    keys: RandomState,
}

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    lines: Option<Arc<Mutex<Lines>>>,
    caller: u64,
    is_long: bool,
    /// How long what was done in it took.
    took: Option<Duration>,
    /// What is raised when it is wanted back: it is lent.
    wanted_back: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
struct Lines {
    free: usize,
    each: usize,
    /// Who asks for anything, where somebody alone may have more than that.
    company: Option<Arc<Company>>,
    waiting: usize,
    callers: HashMap<u64, Line>,
    /// Whose turn it is: callers of whom something waits.
    turns: VecDeque<u64>,
}

/// One caller's work.
#[derive(Debug, Default)]
struct Line {
    /// How many places it has of its own, and how many that are lent.
    busy: usize,
    lent: usize,
    /// How much of what is in a place or waits for one is known to take long.
    long: usize,
    /// Whether what ended last took long.
    was_long: bool,
    waiting: VecDeque<Waiting>,
}

/// What waits for a place.
#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<Slot>,
    is_long: bool,
}

impl Line {
    /// How many places it has of one kind.
    fn has(&mut self, is_lent: bool) -> &mut usize {
        if is_lent { &mut self.lent } else { &mut self.busy }
    }
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

    /// The same, of which whoever is alone may have twice as many, the more of them lent.
    pub(crate) fn lending(self, company: &Arc<Company>) -> Slots {
        lock(&self.lines).company = Some(Arc::clone(company));
        Slots { keys: company.keys.clone(), ..self }
    }

    fn of_each(most: usize, each: usize) -> Slots {
        let (callers, turns) = (HashMap::new(), VecDeque::new());
        let lines = Lines { free: most, each, company: None, waiting: 0, callers, turns };
        Slots { lines: Arc::new(Mutex::new(lines)), keys: RandomState::new() }
    }

    /// Waits for a place, for something that takes long.
    ///
    /// # Errors
    /// [`ApiError::Throttled`] when too much of this caller's waits already, [`ApiError::Busy`] when too much of
    /// everybody's does.
    pub(crate) async fn enter(&self, caller: &Caller) -> Result<Slot, ApiError> {
        self.enter_for(caller, true).await
    }

    /// The same for something of which it may not be known whether it does.
    ///
    /// # Errors
    /// As [`Slots::enter`].
    pub(crate) async fn enter_for(&self, caller: &Caller, is_long: bool) -> Result<Slot, ApiError> {
        match self.queue(self.key(caller), is_long)? {
            Ok(slot) => Ok(slot),
            Err(turn) => turn.await.map_err(|_| ApiError::Busy(COME_AGAIN)),
        }
    }

    /// Whether something of a caller's is in a place, or waits for one, that takes long: or it may, for the last did.
    pub(crate) fn is_at_work(&self, caller: &Caller) -> bool {
        lock(&self.lines).callers.get(&self.key(caller)).is_some_and(|line| line.was_long || line.long > 0)
    }

    /// How many places are taken, and how much waits for one.
    pub(crate) fn busy_and_waiting(&self) -> (usize, usize) {
        let lines = lock(&self.lines);
        (lines.callers.values().map(|line| line.busy + line.lent).sum(), lines.waiting)
    }

    fn key(&self, caller: &Caller) -> u64 {
        asker(&self.keys, caller).number()
    }

    /// A place, or when it is one's turn.
    fn queue(&self, key: u64, is_long: bool) -> Result<Result<Slot, oneshot::Receiver<Slot>>, ApiError> {
        let mut lines = lock(&self.lines);
        // Who waited while there was company may have had a place since there is none.
        if lines.waiting > 0 {
            lines.hand_on(&self.lines);
        }
        if let Some(lent) = lines.may_have(key) {
            lines.callers.entry(key).or_default().long += usize::from(is_long);
            return Ok(Ok(lines.taken(&self.lines, key, is_long, lent)));
        }
        let waiting = lines.waiting;
        let line = lines.callers.entry(key).or_default();
        if line.waiting.len() >= WAITING_EACH {
            return Err(ApiError::Throttled(COME_AGAIN));
        }
        if waiting >= WAITING {
            lines.forget(key);
            return Err(ApiError::Busy(COME_AGAIN));
        }
        let (turn, wait) = oneshot::channel();
        let first = line.waiting.is_empty();
        line.waiting.push_back(Waiting { turn, is_long });
        line.long += usize::from(is_long);
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
        if self.callers.get(&key).is_some_and(|line| line.busy + line.lent == 0 && line.waiting.is_empty()) {
            self.callers.remove(&key);
        }
    }

    /// Whether a caller may have a place, and what is raised when it is wanted back, if it is.
    fn may_have(&self, key: u64) -> Option<Option<Arc<AtomicBool>>> {
        let (busy, lent) = self.callers.get(&key).map_or((0, 0), |line| (line.busy, line.lent));
        match self.free {
            0 => None,
            _ if busy < self.each => Some(None),
            _ if lent < self.each => self.company.as_ref()?.alone(Asker::of(key)).map(Some),
            _ => None,
        }
    }

    /// Gives a place to a caller.
    fn taken(
        &mut self,
        own: &Arc<Mutex<Lines>>,
        key: u64,
        is_long: bool,
        wanted_back: Option<Arc<AtomicBool>>,
    ) -> Slot {
        self.free -= 1;
        *self.callers.entry(key).or_default().has(wanted_back.is_some()) += 1;
        Slot { lines: Some(Arc::clone(own)), caller: key, is_long, took: None, wanted_back }
    }

    /// Takes a place back.
    fn given_back(&mut self, slot: &Slot) {
        self.free += 1;
        if let Some(line) = self.callers.get_mut(&slot.caller) {
            *line.has(slot.wanted_back.is_some()) -= 1;
            line.long -= usize::from(slot.is_long);
            line.was_long = slot.took.map_or(line.was_long, |took| took >= LONG);
        }
        self.forget(slot.caller);
    }

    /// Whose turn it is, who of theirs waits longest, and what is raised when the place is wanted back.
    fn next(&mut self) -> Option<(u64, Waiting, Option<Arc<AtomicBool>>)> {
        let mut turns = self.turns.iter().enumerate();
        let (place, lent) = turns.find_map(|(place, key)| Some((place, self.may_have(*key)?)))?;
        let key = self.turns.remove(place)?;
        let line = self.callers.get_mut(&key)?;
        let first = line.waiting.pop_front()?;
        if !line.waiting.is_empty() {
            self.turns.push_back(key);
        }
        self.waiting -= 1;
        Some((key, first, lent))
    }

    /// Gives free places to those who wait.
    fn hand_on(&mut self, own: &Arc<Mutex<Lines>>) {
        while let Some((key, Waiting { turn, is_long }, lent)) = self.next() {
            let slot = self.taken(own, key, is_long, lent);
            // Whoever waited may have gone away. What drops the place then must not wait for what is locked here.
            if let Err(mut unwanted) = turn.send(slot) {
                unwanted.lines = None;
                self.given_back(&unwanted);
            }
        }
    }
}

impl Place for Slot {
    fn wanted_back(&self) -> Option<Arc<AtomicBool>> {
        self.wanted_back.clone()
    }

    fn took(&mut self, time: Duration) {
        self.took = Some(time);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(own) = self.lines.take() else { return };
        let mut lines = lock(&own);
        lines.given_back(self);
        lines.hand_on(&own);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use futures_util::FutureExt as _;

    use super::*;

    fn taken(slots: &Slots, key: u64) -> Slot {
        match slots.queue(key, true) {
            Ok(Ok(slot)) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn waiting(slots: &Slots, key: u64) -> oneshot::Receiver<Slot> {
        match slots.queue(key, true) {
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

    #[test]
    fn who_is_alone_has_the_rest_as_well_until_another_comes() {
        let company = Arc::new(Company::new());
        let slots = Slots::new(4).lending(&company);
        let own = [taken(&slots, 1), taken(&slots, 1)];
        let mut turn = waiting(&slots, 1);
        company.note(Asker::of(1));
        company.pass();
        let last = taken(&slots, 1);
        let more = [turn.try_recv().expect("who has waited comes before"), last];
        assert!(own.iter().all(|slot| slot.wanted_back().is_none()), "its own it keeps");
        let is_wanted = || more.iter().all(|slot| slot.wanted_back().unwrap().load(Ordering::Relaxed));
        assert!(!is_wanted());
        company.note(Asker::of(2));
        assert!(is_wanted());
        let mut other = waiting(&slots, 2);
        drop(more);
        assert!(other.try_recv().unwrap().wanted_back().is_none());
        drop(own);
        drop(other);
        assert_eq!(lock(&slots.lines).free, 4);
        assert!(lock(&slots.lines).callers.is_empty());
    }

    #[tokio::test]
    async fn who_is_at_something_long_is_told_apart() {
        let (slots, caller) = (Slots::new(1), crate::interact::tests::search::patient("amina").caller);
        assert!(!slots.is_at_work(&caller));
        let place = slots.enter(&caller).await.unwrap();
        assert!(slots.is_at_work(&caller));
        assert!(!slots.is_at_work(&crate::interact::tests::search::patient("ben").caller));
        let mut waits = Box::pin(slots.enter_for(&caller, false));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(place);
        let mut place = waits.await.unwrap();
        assert!(!slots.is_at_work(&caller), "of what is there it is not known");
        let mut waits = Box::pin(slots.enter_for(&caller, false));
        assert!(waits.as_mut().now_or_never().is_none());
        place.took(LONG);
        drop(place);
        assert!(slots.is_at_work(&caller), "the last took long, so the next may");
        let mut place = waits.await.unwrap();
        let mut waits = Box::pin(slots.enter_for(&caller, false));
        assert!(waits.as_mut().now_or_never().is_none());
        place.took(LONG / 2);
        drop(place);
        assert!(!slots.is_at_work(&caller));
        drop(waits.await.unwrap());
        assert!(!slots.is_at_work(&caller));
        assert!(lock(&slots.lines).callers.is_empty());
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
        assert!(matches!(slots.queue(1, true), Err(ApiError::Throttled(_))));
        let others = u64::try_from(WAITING - WAITING_EACH).unwrap();
        let _others: Vec<_> = (2..2 + others).map(|key| waiting(&slots, key)).collect();
        assert!(matches!(slots.queue(u64::MAX, true), Err(ApiError::Busy(_))));
        assert!(!lock(&slots.lines).callers.contains_key(&u64::MAX));
    }
}
