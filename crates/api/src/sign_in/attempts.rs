//! Attempts that are counted: to prove who a client is, where they failed; by a signature, while it is looked at too; and to register
//! a client. After so many in a minute from one address more have to wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::error::ApiError;

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

/// How many signatures of one client from one address may be looked at in a minute that turn out to be wrong.
const SIGNATURES: u32 = 300;

/// How many of all clients from one address: some seconds of a processor.
const SIGNATURES_OF_AN_ADDRESS: u32 = 3_000;

/// What signatures of all clients together count as.
const ALL: &str = "";

/// Signatures that are looked at: each costs this server more than whoever sends it.
#[derive(Debug)]
pub(super) struct Signatures {
    of_each: Attempts,
    of_all: Attempts,
}

impl Signatures {
    /// None have been looked at.
    pub(super) fn new() -> Signatures {
        Signatures { of_each: Attempts::new(SIGNATURES), of_all: Attempts::new(SIGNATURES_OF_AN_ADDRESS) }
    }

    /// Counts one that is about to be looked at.
    ///
    /// # Errors
    /// [`ApiError::Throttled`] where very many were wrong, of that client or of all, from that address.
    pub(super) fn look_at(&self, client: &str, address: Option<IpAddr>, now_s: i64) -> Result<(), ApiError> {
        if let Some(seconds) = self.of_each.attempt(client, address, now_s) {
            return Err(ApiError::Throttled(seconds));
        }
        match self.of_all.attempt(ALL, address, now_s) {
            Some(seconds) => {
                // It is not looked at.
                self.of_each.succeeded(client, address);
                Err(ApiError::Throttled(seconds))
            }
            None => Ok(()),
        }
    }

    /// Takes back what was counted.
    pub(super) fn was_right(&self, client: &str, address: Option<IpAddr>) {
        self.of_each.succeeded(client, address);
        self.of_all.succeeded(ALL, address);
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
    fn signatures_of_all_clients_from_one_address_are_bounded_together() {
        let signatures = Signatures::new();
        let (here, there) = (Some(IpAddr::from([127, 0, 0, 1])), Some(IpAddr::from([127, 0, 0, 2])));
        let looked_at = |of: &str, from| signatures.look_at(of, from, 0).is_ok();
        for number in 0..SIGNATURES_OF_AN_ADDRESS {
            assert!(looked_at(&format!("{}", number % 20), here), "{number}");
        }
        assert!(!looked_at("new", here) && looked_at("new", there));
        signatures.was_right("0", here);
        assert!(looked_at("new", here) && !looked_at("new", here), "what was right counts for nothing");
        for _ in 0..SIGNATURES {
            assert!(looked_at("one", there));
        }
        assert!(!looked_at("one", there) && looked_at("another", there));
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
