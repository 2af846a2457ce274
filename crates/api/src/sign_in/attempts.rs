//! Attempts to prove who a client is that failed: after so many in a minute nobody looks at more of them, so that a weak secret
//! is not found by trying.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many may fail in a minute, of one client from one address.
const MOST: u32 = 30;
/// How many clients and addresses are counted in a minute; beyond that nobody new is looked at until it is over.
const COUNTED: usize = 10_000;
const MINUTE_S: i64 = 60;

/// What has failed in this minute.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    failed: HashMap<(String, Option<IpAddr>), u32>,
}

impl Attempts {
    /// How many seconds an attempt has to wait; none if it may be looked at now.
    pub(super) fn wait_s(&self, client: &str, address: Option<IpAddr>, now_s: i64) -> Option<u32> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minute.begin(now_s);
        let over = match minute.failed.get(&(client.to_owned(), address)) {
            Some(count) => *count >= MOST,
            None => minute.failed.len() >= COUNTED,
        };
        over.then(|| u32::try_from(MINUTE_S - now_s.rem_euclid(MINUTE_S)).unwrap_or(1))
    }

    /// One has failed.
    pub(super) fn failed(&self, client: &str, address: Option<IpAddr>, now_s: i64) {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minute.begin(now_s);
        let count = minute.failed.entry((client.to_owned(), address)).or_default();
        *count = count.saturating_add(1);
    }
}

impl Minute {
    fn begin(&mut self, now_s: i64) {
        let number = now_s.div_euclid(MINUTE_S);
        if number != self.number {
            self.number = number;
            self.failed.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_waits_for_the_next_minute_at_the_address_from_which_it_failed() {
        let attempts = Attempts::default();
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        for _ in 0..MOST {
            assert_eq!(attempts.wait_s("a", here, 125), None);
            attempts.failed("a", here, 125);
        }
        assert_eq!(attempts.wait_s("a", here, 125), Some(55));
        assert_eq!((attempts.wait_s("b", here, 125), attempts.wait_s("a", None, 125)), (None, None));
        assert_eq!(attempts.wait_s("a", here, 180), None);
        for number in 0..COUNTED {
            attempts.failed(&number.to_string(), here, 180);
        }
        assert_eq!((attempts.wait_s("new", here, 180), attempts.wait_s("1", here, 180)), (Some(60), None));
    }
}
