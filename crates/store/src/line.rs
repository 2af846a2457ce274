//! How much may wait for a database: beyond that it is better to come again. Of what waits only a part may be one caller's, so
//! that who asks for too much is the one who has to come again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::fair_queue::Asker;

/// How much may wait that takes a connection, or the only writer, for itself.
const MOST_WAITING: usize = 2_000;

/// How many point reads may wait, or audit records of what was done elsewhere: of both many are done at once.
const MOST_READS: usize = 10_000;

/// One caller's may be one of so many parts of it.
const PARTS: usize = 4;

/// What waits.
#[derive(Debug)]
pub(crate) struct Line {
    waiting: Arc<AtomicUsize>,
    /// How much of each waits, of whom anything does.
    each: Arc<Mutex<HashMap<Asker, usize>>>,
    most: usize,
}

/// That something waits. It no longer does when this is dropped.
#[derive(Debug)]
pub(crate) struct Waits {
    waiting: Arc<AtomicUsize>,
    since: Instant,
    _share: Option<Share>,
}

/// That what waits is somebody's.
#[derive(Debug)]
struct Share {
    each: Arc<Mutex<HashMap<Asker, usize>>>,
    asker: Asker,
}

impl Default for Line {
    fn default() -> Line {
        Line { waiting: Arc::default(), each: Arc::default(), most: MOST_WAITING }
    }
}

impl Line {
    /// A line of what is done many at once.
    pub(crate) fn of_reads() -> Line {
        Line { most: MOST_READS, ..Line::default() }
    }

    /// Lets one more of somebody's wait.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there are too many, or too many of theirs. The server has no share: whoever it asks for has
    /// been counted, and it has to go on whatever they do.
    pub(crate) fn enter_of(&self, asker: Asker) -> Result<Waits, StoreError> {
        let share = if asker == Asker::SERVER { None } else { Some(self.share(asker)?) };
        let waits = Waits { waiting: Arc::clone(&self.waiting), since: Instant::now(), _share: share };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most { Err(StoreError::Busy(1)) } else { Ok(waits) }
    }

    fn share(&self, asker: Asker) -> Result<Share, StoreError> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let own = each.entry(asker).or_default();
        if *own >= self.most / PARTS {
            return Err(StoreError::Busy(1));
        }
        *own += 1;
        Ok(Share { each: Arc::clone(&self.each), asker })
    }

    /// How many wait.
    pub(crate) fn length(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Waits {
    /// For how long it has waited.
    pub(crate) fn so_far(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = each.get_mut(&self.asker) {
            *own -= 1;
            if *own == 0 {
                each.remove(&self.asker);
            }
        }
    }
}

/// How many connections there are, and how many of them are at work.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    open: AtomicUsize,
    busy: AtomicUsize,
}

impl Pool {
    /// Notes that so many more are open, or fewer.
    pub(crate) fn is_open(&self, before: bool, now: bool) {
        match (before, now) {
            (false, true) => self.open.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.open.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// One is at work, as long as the work takes.
    pub(crate) fn at<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Ends it, whether the work ends or panics.
        struct Busy<'p>(&'p AtomicUsize);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.busy.fetch_add(1, Ordering::Relaxed);
        let _until_then = Busy(&self.busy);
        work()
    }

    /// How many there are, and how many of them are at work.
    pub(crate) fn open_and_busy(&self) -> (usize, usize) {
        (self.open.load(Ordering::Relaxed), self.busy.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_when_there_are_too_many_is_told_to_come_again() {
        for line in [Line::default(), Line::of_reads()] {
            let mut all: Vec<Waits> = (0..line.most).map(|_| line.enter_of(Asker::SERVER).unwrap()).collect();
            assert!(matches!(line.enter_of(Asker::SERVER), Err(StoreError::Busy(_))));
            assert_eq!(line.length(), line.most, "whoever was refused does not wait");
            all.pop();
            drop(line.enter_of(Asker::SERVER).unwrap());
            drop(all);
            assert_eq!(line.length(), 0);
        }
    }

    #[test]
    fn who_asks_for_more_than_a_share_is_told_to_come_again_and_nobody_else_is() {
        let (one, two) = (Asker::of(1), Asker::of(2));
        for line in [Line::default(), Line::of_reads()] {
            let mut all = Vec::new();
            while let Ok(waits) = line.enter_of(one) {
                all.push(waits);
            }
            assert_eq!((all.len(), line.length()), (line.most / PARTS, line.most / PARTS));
            drop((line.enter_of(two).unwrap(), line.enter_of(Asker::SERVER).unwrap()));
            all.pop();
            all.push(line.enter_of(one).unwrap());
            assert!(matches!(line.enter_of(one), Err(StoreError::Busy(_))));
            // The server may fill what is left, and then nobody may wait.
            all.extend((all.len()..line.most).map(|_| line.enter_of(Asker::SERVER).unwrap()));
            assert!(matches!(line.enter_of(two), Err(StoreError::Busy(_))));
            drop(all);
            assert_eq!(line.length(), 0);
            assert!(line.each.lock().unwrap().is_empty(), "nobody is remembered of whom nothing waits");
        }
    }

    #[test]
    fn what_is_at_work_is_counted_until_it_ends_or_panics() {
        let pool = Pool::default();
        pool.is_open(false, true);
        assert_eq!(pool.at(|| pool.open_and_busy()), (1, 1));
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.at(|| panic!("in the middle of it"))));
        assert!(panicked.is_err());
        pool.is_open(true, false);
        assert_eq!(pool.open_and_busy(), (0, 0));
    }
}
