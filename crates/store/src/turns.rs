//! Whose turn it is on the embedded database's only writer. Reads come before writes, for whoever reads waits for the commit of
//! its audit record; and a write that has taken long while others waited is followed by as long a time for them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::gathered;

/// A write that takes so long has taken long.
const LONG: Duration = Duration::from_millis(50);

/// How long at most no further write is begun after one.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What waits for the writer.
pub(crate) struct Turns<T> {
    left: VecDeque<T>,
    is_write: fn(&T) -> bool,
    /// Until when no write is begun.
    rest: Option<Instant>,
}

impl<T> Turns<T> {
    /// Nothing waits.
    pub(crate) fn new(is_write: fn(&T) -> bool) -> Turns<T> {
        Turns { left: VecDeque::new(), is_write, rest: None }
    }

    /// What may share the next commit, reads first; none when there will be nothing more.
    pub(crate) fn next(&mut self, jobs: &Receiver<T>, most: usize) -> Option<Vec<T>> {
        let first = match self.other_than_a_write(jobs) {
            Some(job) => job,
            None => self.left.pop_front().or_else(|| jobs.recv().ok())?,
        };
        let mut batch = gathered(first, jobs, most);
        // What was left comes before what came after it.
        batch.splice(1..1, self.left.drain(..));
        batch.sort_by_key(self.is_write);
        if self.rest.is_some() {
            let reads = batch.partition_point(|job| !(self.is_write)(job));
            self.left.extend(batch.split_off(reads));
        }
        Some(batch)
    }

    /// What comes while no write is begun.
    fn other_than_a_write(&mut self, jobs: &Receiver<T>) -> Option<T> {
        let until = self.rest?;
        if let Some(place) = self.left.iter().position(|job| !(self.is_write)(job)) {
            return self.left.remove(place);
        }
        loop {
            // Reads that never cease do not make it longer.
            let left = until.saturating_duration_since(Instant::now());
            let next = if left.is_zero() { Err(RecvTimeoutError::Timeout) } else { jobs.recv_timeout(left) };
            match next {
                Ok(job) if (self.is_write)(&job) => self.left.push_back(job),
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.rest = None;
                    return None;
                }
            }
        }
    }

    /// What has come that is no write. The writes among it stay.
    pub(crate) fn others_than_writes(&mut self, jobs: &Receiver<T>) -> Vec<T> {
        let (writes, others) = jobs.try_iter().partition(|job| (self.is_write)(job));
        let writes: Vec<T> = writes;
        self.left.extend(writes);
        others
    }

    /// Leaves jobs for the next commit, before all others that are left.
    pub(crate) fn put_back(&mut self, jobs: Vec<T>) {
        jobs.into_iter().rev().for_each(|job| self.left.push_front(job));
    }

    /// Leaves a job for the next commit.
    pub(crate) fn leave(&mut self, job: T) {
        self.left.push_back(job);
    }

    /// Says how long the longest write of a commit took.
    pub(crate) fn took(&mut self, longest: Duration, jobs: &Receiver<T>) {
        if longest < LONG || self.rest.is_some() {
            return;
        }
        self.left.extend(jobs.try_iter());
        // Where nobody waits, as in a load, nobody is kept waiting.
        if self.left.iter().any(|job| !(self.is_write)(job)) {
            self.rest = Instant::now().checked_add(longest.min(LONGEST_REST));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Writes are even.
    fn turns() -> Turns<u32> {
        Turns::new(|job| job % 2 == 0)
    }

    #[test]
    fn reads_come_first_and_what_was_left_before_what_came_later() {
        let (send, jobs) = channel();
        let mut turns = turns();
        for job in [2, 4, 1, 6, 3] {
            send.send(job).unwrap();
        }
        assert_eq!(turns.next(&jobs, 9).unwrap(), [1, 3, 2, 4, 6]);
        turns.leave(4);
        turns.leave(6);
        send.send(8).unwrap();
        send.send(5).unwrap();
        assert_eq!(turns.next(&jobs, 9).unwrap(), [5, 4, 6, 8]);
        drop(send);
        assert_eq!(turns.next(&jobs, 9), None);
    }

    #[test]
    fn after_a_long_write_no_other_is_begun_while_reads_come() {
        let (send, jobs) = channel();
        let mut turns = turns();
        for job in [2, 1, 4] {
            send.send(job).unwrap();
        }
        turns.took(Duration::MAX, &jobs);
        assert!(turns.rest.unwrap() <= Instant::now() + LONGEST_REST);
        turns.rest = Instant::now().checked_add(Duration::from_secs(3600));
        assert_eq!(turns.next(&jobs, 9).unwrap(), [1]);
        send.send(6).unwrap();
        send.send(3).unwrap();
        assert_eq!(turns.next(&jobs, 9).unwrap(), [3]);
        drop(send);
        assert_eq!(turns.next(&jobs, 9).unwrap(), [2, 4, 6], "none is lost");
    }

    #[test]
    fn reads_that_never_cease_do_not_keep_writes_waiting() {
        let (send, jobs) = channel();
        let mut turns = turns();
        turns.leave(2);
        turns.rest = Some(Instant::now());
        send.send(1).unwrap();
        assert_eq!(turns.next(&jobs, 9).unwrap(), [1, 2]);
        assert_eq!(turns.rest, None);
    }

    #[test]
    fn what_was_put_back_comes_before_what_came_meanwhile() {
        let (send, jobs) = channel();
        let mut turns = turns();
        for job in [2, 4, 6] {
            send.send(job).unwrap();
        }
        assert_eq!(turns.next(&jobs, 9).unwrap(), [2, 4, 6]);
        for job in [8, 1, 10] {
            send.send(job).unwrap();
        }
        assert_eq!(turns.others_than_writes(&jobs), [1]);
        turns.put_back(vec![4, 6]);
        send.send(12).unwrap();
        // The first of those that wait is followed by the others in their order.
        assert_eq!(turns.next(&jobs, 9).unwrap(), [4, 6, 8, 10, 12]);
    }

    #[test]
    fn where_nobody_else_waits_there_is_no_rest() {
        let (send, jobs) = channel();
        let mut turns = turns();
        send.send(2).unwrap();
        turns.took(Duration::MAX, &jobs);
        assert_eq!(turns.rest, None);
        turns.took(LONG - Duration::from_nanos(1), &jobs);
        send.send(1).unwrap();
        turns.took(LONG - Duration::from_nanos(1), &jobs);
        assert_eq!(turns.rest, None, "nor after a short one");
        assert_eq!(turns.next(&jobs, 9).unwrap(), [1, 2]);
    }
}
