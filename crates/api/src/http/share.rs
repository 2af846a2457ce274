//! Memory that all callers share, and of which one has at most a part: what bodies take until they are answered, and what
//! answers take until their clients have them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use concord_consent::caller::Caller;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::interact::slots::Slot;

/// After how many seconds a client may come again for whom there was no room.
const COME_AGAIN: u32 = 1;

/// Bytes that are shared.
pub(super) struct Shares {
    free: Arc<Semaphore>,
    each: usize,
    callers: Mutex<HashMap<u64, Weak<Semaphore>>>,
    keys: RandomState,
}

/// One caller's share.
#[derive(Clone)]
pub(super) struct Share {
    free: Arc<Semaphore>,
    own: Arc<Semaphore>,
    each: usize,
}

/// Bytes that are taken until this is dropped.
pub(super) struct Room {
    all: OwnedSemaphorePermit,
    own: OwnedSemaphorePermit,
}

/// Bytes of a caller's own share, of which it is not yet known whether everybody's has room for them.
pub(super) struct Own(OwnedSemaphorePermit);

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// Everybody's is taken.
    Everybodys,
    /// The caller's own is taken.
    Own,
    /// It is more than one caller may ever have.
    Ever,
}

impl From<Short> for ApiError {
    fn from(short: Short) -> ApiError {
        match short {
            Short::Everybodys => ApiError::Full(COME_AGAIN),
            Short::Own => ApiError::OverShare(COME_AGAIN),
            Short::Ever => ApiError::TooLarge(
                "this takes more memory than one caller may have (max_body_bytes_together, max_answer_bytes_together)"
                    .to_owned(),
            ),
        }
    }
}

impl Shares {
    /// So many bytes, of which one caller has one of so many parts, but `least` at least.
    pub(super) fn new(together: usize, parts: usize, least: usize) -> Shares {
        let all = together.clamp(least, Semaphore::MAX_PERMITS);
        Shares {
            free: Arc::new(Semaphore::new(all)),
            each: (all / parts.max(1)).max(least),
            callers: Mutex::default(),
            keys: RandomState::new(),
        }
    }

    /// A caller's share.
    pub(super) fn of(&self, caller: &Caller) -> Share {
        self.keyed(self.keys.hash_one((&caller.issuer, &caller.client, &caller.actor)))
    }

    /// The share of a caller of whom something is held.
    pub(super) fn held_by(&self, caller: &Caller) -> Option<Share> {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.is_empty() {
            return None;
        }
        let key = self.keys.hash_one((&caller.issuer, &caller.client, &caller.actor));
        let own = callers.get(&key).and_then(Weak::upgrade)?;
        Some(Share { free: Arc::clone(&self.free), own, each: self.each })
    }

    fn keyed(&self, key: u64) -> Share {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = callers.get(&key).and_then(Weak::upgrade);
        let own = known.unwrap_or_else(|| {
            callers.retain(|_, own| own.strong_count() > 0);
            let own = Arc::new(Semaphore::new(self.each));
            callers.insert(key, Arc::downgrade(&own));
            own
        });
        Share { free: Arc::clone(&self.free), own, each: self.each }
    }
}

impl Share {
    /// Takes so many bytes.
    ///
    /// # Errors
    /// When they are not to be had.
    pub(super) fn take(&self, bytes: usize) -> Result<Room, Short> {
        if bytes > self.each {
            return Err(Short::Ever);
        }
        let number = u32::try_from(bytes).map_err(|_| Short::Ever)?;
        let all = Arc::clone(&self.free).try_acquire_many_owned(number).map_err(|_| Short::Everybodys)?;
        let own = Arc::clone(&self.own).try_acquire_many_owned(number).map_err(|_| Short::Own)?;
        Ok(Room { all, own })
    }

    /// Waits for so many bytes, or all that one caller may have, of the caller's own.
    pub(super) async fn wait_for_own(&self, bytes: usize) -> Result<Own, Short> {
        let number = u32::try_from(bytes.min(self.each)).map_err(|_| Short::Ever)?;
        Arc::clone(&self.own).acquire_many_owned(number).await.map(Own).map_err(|_| Short::Own)
    }

    /// Waits for as many of everybody's.
    pub(super) async fn wait_for_all(&self, own: Own) -> Result<Allowance, Short> {
        let number = u32::try_from(own.0.num_permits()).map_err(|_| Short::Ever)?;
        let all = Arc::clone(&self.free).acquire_many_owned(number).await.map_err(|_| Short::Everybodys)?;
        let room = Some(Room { all, own: own.0 });
        Ok(Allowance { room, has_waited: true, ..Allowance::of(self) })
    }

    /// Whether there is room for anything.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn require(&self) -> Result<(), Short> {
        self.take(1).map(drop)
    }

    /// How many bytes one caller may have.
    pub(super) fn each(&self) -> usize {
        self.each
    }

    /// Takes as much of so many bytes as there is.
    pub(super) fn take_what_is_left(&self, bytes: usize) -> Option<Room> {
        self.take(bytes.min(self.own.available_permits()).min(self.free.available_permits())).ok()
    }
}

/// What one thing takes as it grows. It is free again when this is dropped.
pub(super) struct Allowance {
    share: Share,
    /// What it has been given.
    room: Option<Room>,
    /// What of it is in use.
    used: usize,
    /// Whether it was waited for.
    has_waited: bool,
    /// The place of the one that needs more than it was given.
    beyond: Option<Slot>,
}

impl Allowance {
    /// Nothing yet, of that share.
    pub(super) fn of(share: &Share) -> Allowance {
        Allowance { share: share.clone(), room: None, used: 0, has_waited: false, beyond: None }
    }

    /// How many bytes it was given.
    pub(super) fn given(&self) -> usize {
        self.room.as_ref().map_or(0, Room::bytes)
    }

    /// Uses so many bytes more.
    ///
    /// # Errors
    /// When they are not to be had.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Short> {
        let used = self.used.saturating_add(bytes);
        if used > self.given() {
            let room = self.share.take(used - self.given())?;
            match &mut self.room {
                Some(own) => own.merge(room),
                None => self.room = Some(room),
            }
        }
        self.used = used;
        Ok(())
    }

    /// Uses so many bytes more; all together count for no more than a share, so that whoever holds nothing else always has
    /// room for them.
    ///
    /// # Errors
    /// When they are not to be had, or are more than a share by themselves.
    pub(super) fn take_beside(&mut self, bytes: usize) -> Result<(), Short> {
        self.take(self.beside(bytes)?)
    }

    /// What so many bytes more count for beside those that are used.
    fn beside(&self, bytes: usize) -> Result<usize, Short> {
        if bytes > self.share.each {
            return Err(Short::Ever);
        }
        Ok(bytes.min(self.share.each.saturating_sub(self.used)))
    }

    /// Whether others may wait for what it was given.
    pub(super) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// What there is of it, which is this one's no more.
    pub(super) fn handed_on(&mut self) -> Allowance {
        let none = Allowance::of(&self.share);
        std::mem::replace(self, none)
    }

    /// Goes beyond what it was given, for as long as it has that place.
    pub(super) fn go_beyond(&mut self, place: Slot) {
        self.used = self.given();
        self.beyond = Some(place);
    }

    /// Is kept in another from now on.
    ///
    /// # Errors
    /// When that has no room for what is in use.
    pub(super) fn move_to(&mut self, mut other: Allowance) -> Result<(), Short> {
        other.take(self.used)?;
        *self = other;
        Ok(())
    }

    /// Uses so many bytes less.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Keeps what is in use, and no more.
    pub(super) fn settle(&mut self) {
        let spare = self.given().saturating_sub(self.used);
        if let Some(room) = &mut self.room {
            room.give_back(spare);
        }
    }
}

impl Room {
    /// Adds another.
    pub(super) fn merge(&mut self, other: Room) {
        self.all.merge(other.all);
        self.own.merge(other.own);
    }

    /// How many bytes they are.
    pub(super) fn bytes(&self) -> usize {
        self.own.num_permits()
    }

    /// Gives back so many bytes.
    pub(super) fn give_back(&mut self, bytes: usize) {
        drop(self.all.split(bytes));
        drop(self.own.split(bytes));
    }
}

#[cfg(test)]
impl Shares {
    /// The share of the caller with that number.
    pub(super) fn of_number(&self, key: u64) -> Share {
        self.keyed(key)
    }

    /// How many bytes nobody has.
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_at_most_half() {
        let shares = Shares::new(1000, 2, 100);
        let hostile = shares.of_number(1);
        let mut first = hostile.take(300).unwrap();
        let second = hostile.take(200).unwrap();
        assert_eq!(shares.of_number(1).take(1).err(), Some(Short::Own), "the same caller on another connection");
        assert_eq!(hostile.take(501).err(), Some(Short::Ever));
        let other = shares.of_number(2).take(500).unwrap();
        assert_eq!(shares.of_number(3).take(1).err(), Some(Short::Everybodys));
        first.merge(second);
        first.give_back(400);
        assert_eq!(shares.free(), 400);
        assert!(hostile.take(400).is_ok());
        drop((first, other));
        assert_eq!(shares.free(), 1000);
        drop(hostile.take_what_is_left(2_000).unwrap());
        let mut held = Allowance::of(&hostile);
        held.take(200).unwrap();
        held.take_beside(450).unwrap();
        assert_eq!(shares.free(), 500, "no more than a share");
        assert_eq!(held.take_beside(501).err(), Some(Short::Ever));
        held.give_back(400);
        held.settle();
        assert_eq!(shares.free(), 900);
    }

    #[test]
    fn callers_of_whom_nothing_is_held_are_forgotten() {
        let shares = Shares::new(1000, 2, 100);
        for key in 0..100 {
            drop(shares.of_number(key).take(10));
        }
        let held = shares.of_number(1).take(10);
        drop(shares.of_number(2));
        assert_eq!(shares.callers.lock().unwrap().len(), 2);
        drop(held);
    }
}
