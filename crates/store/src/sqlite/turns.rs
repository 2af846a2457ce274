//! Whose turn it is on the embedded database's only writer. Reads come before writes, for whoever reads waits for the commit of
//! its audit record. Both come in turn by who asks for them: however many one has waiting, another's comes after one of
//! theirs. Whoever had a write that took long while others waited leaves the writer to others for as long as it took.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::fair_queue::{Asker, FairQueue};

/// A write that takes so long has taken long.
const LONG: Duration = Duration::from_millis(50);

/// A write that takes so long is worth not to be waited for by whoever reads.
const NOTICED: Duration = Duration::from_millis(2);

/// For how long the next of whoever had such a write is taken to be another.
const REMEMBERED: Duration = Duration::from_secs(10);

/// How long at most nothing further of theirs is begun.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What waits for the writer.
pub(crate) struct Turns<T> {
    /// What is no write, each with when it came.
    others: FairQueue<(Instant, T)>,
    writes: FairQueue<T>,
    /// Until when no write of theirs is begun.
    resting: HashMap<Asker, Instant>,
    /// Whose last write took so long that it is noticed, and until when that counts.
    slow: HashMap<Asker, Instant>,
}

impl<T> Turns<T> {
    /// Nothing waits.
    pub(crate) fn new() -> Turns<T> {
        Turns { others: FairQueue::new(), writes: FairQueue::new(), resting: HashMap::new(), slow: HashMap::new() }
    }

    /// Adds what is no write.
    pub(crate) fn add(&mut self, asker: Asker, now: Instant, job: T) {
        self.others.add(asker, (now, job));
    }

    /// Adds a write.
    pub(crate) fn add_write(&mut self, asker: Asker, job: T) {
        self.writes.add(asker, job);
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.others.len() + self.writes.len()
    }

    /// Since when what is no write has waited.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.others.oldest().map(|(since, _)| *since)
    }

    /// Takes all that is no write.
    pub(crate) fn take_others(&mut self) -> Vec<T> {
        self.others.take_all().map(|(_, (_, job))| job).collect()
    }

    /// When something may be done; none while nothing waits.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        if !self.others.is_empty() {
            return Some(now);
        }
        self.writes.askers().map(|asker| self.resting.get(&asker).map_or(now, |until| (*until).max(now))).min()
    }

    /// Lets everybody's writes be begun again.
    pub(crate) fn end_rests(&mut self) {
        self.resting.clear();
    }

    /// What may share the next commit, of so many at most: what is no write, and writes. Nothing when nothing is due.
    pub(crate) fn next(&mut self, now: Instant, most: usize) -> (Vec<T>, Vec<(Asker, T)>) {
        self.resting.retain(|_, until| *until > now);
        self.slow.retain(|_, until| *until > now);
        let others: Vec<T> = self.others.next(most).into_iter().map(|(_, job)| job).collect();
        let writes = self.writes.take(most - others.len(), |asker| !self.resting.contains_key(&asker));
        (others, writes)
    }

    /// Leaves writes for the next commit that were not begun in this one.
    pub(crate) fn put_back(&mut self, jobs: Vec<(Asker, T)>) {
        self.writes.put_back(jobs);
    }

    /// Whether somebody's next write may be expected to take so long that whoever reads need not wait for it.
    pub(crate) fn is_slow(&self, asker: Asker) -> bool {
        self.slow.contains_key(&asker)
    }

    /// Says that somebody had a turn, and how long it took.
    pub(crate) fn took(&mut self, asker: Asker, time: Duration, now: Instant) {
        self.writes.had_turn(asker);
        if time >= NOTICED {
            self.slow.insert(asker, now.checked_add(REMEMBERED).unwrap_or(now));
        } else if !self.slow.is_empty() {
            self.slow.remove(&asker);
        }
        // Where nobody else waits, as in a load, nobody is kept waiting.
        let others_wait = !self.others.is_empty() || self.writes.askers().any(|other| other != asker);
        if time >= LONG && others_wait {
            let until = now.checked_add(time.min(LONGEST_REST)).unwrap_or(now);
            self.resting.insert(asker, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Asker = Asker::of(1);
    const TWO: Asker = Asker::of(2);
    const THREE: Asker = Asker::of(3);

    /// What comes next: what is no write, and writes.
    fn next(turns: &mut Turns<u32>, now: Instant, most: usize) -> (Vec<u32>, Vec<u32>) {
        let (others, writes) = turns.next(now, most);
        (others, writes.into_iter().map(|(_, job)| job).collect())
    }

    #[test]
    fn reads_come_first_and_what_was_left_before_what_came_later() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        for (job, is_write) in [(1, true), (2, true), (3, false), (4, true), (5, false)] {
            if is_write { turns.add_write(ONE, job) } else { turns.add(ONE, now, job) }
        }
        assert_eq!((turns.len(), turns.waits_since()), (5, Some(now)));
        assert_eq!(next(&mut turns, now, 4), (vec![3, 5], vec![1, 2]));
        turns.put_back(vec![(ONE, 1), (ONE, 2)]);
        turns.add_write(ONE, 6);
        assert_eq!(next(&mut turns, now, 9), (vec![], vec![1, 2, 4, 6]));
        assert_eq!((turns.len(), turns.due(now)), (0, None));
    }

    #[test]
    fn however_many_writes_one_has_waiting_anothers_comes_after_one_of_theirs() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        (0..100).for_each(|job| turns.add_write(ONE, job));
        turns.add_write(TWO, 200);
        turns.add_write(THREE, 300);
        turns.add_write(TWO, 201);
        assert_eq!(next(&mut turns, now, 6).1, [0, 200, 300, 1, 201, 2]);
        // What was not begun comes in turn again: the one who has had a turn is behind the others.
        turns.put_back(vec![(TWO, 200), (THREE, 300), (ONE, 1), (TWO, 201), (ONE, 2)]);
        turns.took(ONE, Duration::from_millis(6), now);
        assert_eq!(next(&mut turns, now, 4).1, [200, 300, 1, 201]);
        turns.took(TWO, Duration::ZERO, now);
        turns.took(THREE, Duration::ZERO, now);
        turns.add_write(TWO, 202);
        assert_eq!(next(&mut turns, now, 2).1, [2, 202], "it has waited longest since its last turn");
        assert_eq!(turns.len(), 97);
        assert_eq!(next(&mut turns, now, 200).1.len(), 97, "none is lost");
    }

    #[test]
    fn who_took_long_leaves_the_writer_to_others_for_as_long() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        turns.add_write(ONE, 1);
        turns.add_write(TWO, 2);
        turns.took(ONE, Duration::MAX, now);
        assert_eq!(next(&mut turns, now, 9).1, [2], "others' writes are begun");
        assert_eq!(turns.due(now), Some(now + LONGEST_REST));
        assert_eq!(next(&mut turns, now, 9), (vec![], vec![]));
        turns.add(ONE, now, 3);
        turns.add_write(TWO, 4);
        assert_eq!(turns.due(now), Some(now));
        assert_eq!(next(&mut turns, now, 9), (vec![3], vec![4]));
        assert_eq!(next(&mut turns, now + LONGEST_REST, 9).1, [1], "and it is no longer than that");
    }

    #[test]
    fn whose_last_write_took_long_is_expected_to_take_long_again() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        turns.took(ONE, NOTICED, now);
        turns.took(TWO, NOTICED - Duration::from_nanos(1), now);
        assert_eq!((turns.is_slow(ONE), turns.is_slow(TWO), turns.is_slow(THREE)), (true, false, false));
        turns.add_write(TWO, 1);
        assert_eq!(next(&mut turns, now, 9).1, [1]);
        assert!(turns.is_slow(ONE));
        assert_eq!(next(&mut turns, now + REMEMBERED, 9), (vec![], vec![]));
        assert!(!turns.is_slow(ONE), "not for ever");
        turns.took(TWO, NOTICED, now);
        turns.took(TWO, Duration::ZERO, now);
        assert!(!turns.is_slow(TWO), "nor after a short one");
    }

    #[test]
    fn where_nobody_else_waits_nobody_is_kept_waiting() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        turns.add_write(ONE, 1);
        turns.took(ONE, Duration::MAX, now);
        assert_eq!(next(&mut turns, now, 9).1, [1]);
        turns.add_write(ONE, 2);
        turns.add(ONE, now, 3);
        turns.took(ONE, LONG - Duration::from_nanos(1), now);
        assert_eq!(next(&mut turns, now, 9), (vec![3], vec![2]), "nor after a short one");
        turns.add_write(ONE, 4);
        turns.add(ONE, now, 5);
        turns.took(ONE, LONG, now);
        turns.end_rests();
        assert_eq!(next(&mut turns, now, 9), (vec![5], vec![4]), "nor when the end has come");
    }

    #[test]
    fn reads_come_in_turn_by_who_asks_when_more_wait_than_share_a_commit() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        (0..50).for_each(|job| turns.add(ONE, now, job));
        turns.add(TWO, now, 200);
        assert_eq!(next(&mut turns, now, 3).0, [0, 200, 1]);
        assert_eq!(turns.len(), 48);
    }

    #[test]
    fn what_is_no_write_can_be_taken_away() {
        let (now, mut turns) = (Instant::now(), Turns::new());
        turns.add(ONE, now, 1);
        turns.add_write(ONE, 2);
        turns.add(ONE, now, 3);
        assert_eq!(turns.take_others(), [1, 3]);
        assert_eq!((turns.len(), turns.waits_since()), (1, None));
    }
}
