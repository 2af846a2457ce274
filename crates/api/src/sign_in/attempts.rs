//! Attempts that are counted: to prove who a client is, where they failed; by a signature, while it is looked at too; and to register
//! a client. After so many in a minute from one address more have to wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many clients and addresses are counted in a minute; beyond that nobody new is looked at until it is over.
const COUNTED: usize = 10_000;
const MINUTE_S: i64 = 60;

/// What was attempted in this minute.
#[derive(Debug)]
pub(super) struct Attempts {
    /// How many there may be in a minute, of one client from one address.
    most: u32,
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    counts: HashMap<(String, Option<IpAddr>), u32>,
}

impl Attempts {
    /// So many in a minute.
    pub(super) fn new(most: u32) -> Attempts {
        Attempts { most, minute: Mutex::default() }
    }

    /// Counts an attempt. How many seconds it has to wait, if there were too many; those that wait are not counted.
    pub(super) fn attempt(&self, client: &str, address: Option<IpAddr>, now_s: i64) -> Option<u32> {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        minute.begin(now_s);
        let over = match minute.counts.get(&(client.to_owned(), address)) {
            Some(count) => *count >= self.most,
            None => minute.counts.len() >= COUNTED,
        };
        if over {
            return Some(u32::try_from(MINUTE_S - now_s.rem_euclid(MINUTE_S)).unwrap_or(1));
        }
        let count = minute.counts.entry((client.to_owned(), address)).or_default();
        *count = count.saturating_add(1);
        None
    }
}

impl Attempts {
    /// Takes back what was counted: it was right.
    pub(super) fn succeeded(&self, client: &str, address: Option<IpAddr>) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = minute.counts.entry((client.to_owned(), address)) {
            match count.get_mut() {
                0 | 1 => drop(count.remove()),
                more => *more -= 1,
            }
        }
    }
}

impl Minute {
    fn begin(&mut self, now_s: i64) {
        let number = now_s.div_euclid(MINUTE_S);
        if number != self.number {
            self.number = number;
            self.counts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_right_counts_for_nothing() {
        let attempts = Attempts::new(2);
        for _ in 0..5 {
            assert_eq!(attempts.attempt("a", None, 0), None);
            attempts.succeeded("a", None);
        }
        assert_eq!((attempts.attempt("a", None, 0), attempts.attempt("a", None, 0)), (None, None));
        assert_eq!(attempts.attempt("a", None, 0), Some(60), "two are looked at");
        attempts.succeeded("a", None);
        assert_eq!(attempts.attempt("a", None, 0), None);
        // What was begun in a minute that is over counts for nothing either.
        attempts.attempt("a", None, 60);
        attempts.succeeded("a", None);
        attempts.succeeded("a", None);
        assert_eq!((attempts.attempt("a", None, 60), attempts.attempt("a", None, 60)), (None, None));
    }

    #[test]
    fn a_client_waits_for_the_next_minute_at_the_address_from_which_it_failed() {
        let attempts = Attempts::new(30);
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        for _ in 0..30 {
            assert_eq!(attempts.attempt("a", here, 125), None);
        }
        assert_eq!(attempts.attempt("a", here, 125), Some(55));
        assert_eq!((attempts.attempt("b", here, 125), attempts.attempt("a", None, 125)), (None, None));
        assert_eq!(attempts.attempt("a", here, 180), None);
        for number in 1..COUNTED {
            attempts.attempt(&number.to_string(), here, 180);
        }
        assert_eq!((attempts.attempt("new", here, 180), attempts.attempt("1", here, 180)), (Some(60), None));
    }
}
