//! What the log is told of calls without a believable token. Anybody can make those, as many as they like, so they must not
//! fill it: the first of a kind, an address and a minute is an entry of its own, and the rest are a number, which is an
//! entry when the minute is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use concord_store::audit::Record;

use super::client_address::counted;
use crate::error::ApiError;
use crate::interact::{Service, audit};
use crate::telemetry::RefusalCounters;

/// How many kinds and addresses are told apart in a minute; all beyond count as one address.
const KEPT: usize = 1_000;

/// How many milliseconds a minute has.
const MINUTE_MS: i64 = 60_000;

/// The calls without a believable token.
pub struct Refusals {
    seen: Mutex<Seen>,
    counters: RefusalCounters,
}

#[derive(Default)]
struct Seen {
    /// Which minute this is, since 1970.
    minute: i64,
    /// How many came after the first.
    more: HashMap<Kind, u64>,
    /// Of minutes that are over, what is yet to be written.
    owed: Vec<Counted>,
}

/// What is told apart: why, and from where.
type Kind = (&'static str, Source);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    Unknown,
    Others,
}

/// How many of a kind came in a minute after the first.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    kind: Kind,
    more: u64,
}

impl Source {
    fn of(address: Option<IpAddr>) -> Source {
        address.map_or(Source::Unknown, |own| Source::Address(counted(own)))
    }

    fn description(self) -> String {
        match self {
            Source::Address(IpAddr::V6(network)) => format!("{network}/64"),
            Source::Address(own) => own.to_string(),
            Source::Unknown => "an unknown address".to_owned(),
            Source::Others => "other addresses".to_owned(),
        }
    }
}

impl Counted {
    fn record(&self) -> Record {
        let (why, source) = self.kind;
        audit::login_refused(&format!("{why}, {} more within a minute from {}", self.more, source.description()), "")
    }
}

impl Refusals {
    /// None yet.
    #[must_use]
    pub fn new(counters: RefusalCounters) -> Refusals {
        Refusals { seen: Mutex::default(), counters }
    }

    /// Notes a call that is refused for a reason, one of few. Its entry, or its number's place, is there when this returns.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(super) async fn note(
        &self,
        service: &Service,
        why: &'static str,
        address: Option<IpAddr>,
        request_id: &str,
    ) -> Result<(), ApiError> {
        let first = self.count(why, Source::of(address), service.store.now_ms());
        self.write(service, false).await?;
        let Some(kind) = first else {
            self.counters.counted.inc();
            return Ok(());
        };
        self.counters.told.inc();
        let told = service.store.append(vec![audit::login_refused(why, request_id)]).await;
        if told.is_err() {
            // The next one is the first then.
            self.seen().more.remove(&kind);
        }
        Ok(told?)
    }

    /// Writes the numbers of the minutes that are over; at the `end` also of the one that is not.
    ///
    /// # Errors
    /// When the log cannot be written; it is tried again with the next.
    pub async fn write(&self, service: &Service, end: bool) -> Result<(), ApiError> {
        let owed = self.owed(service.store.now_ms(), end);
        let written = service.store.append(owed.iter().map(Counted::record).collect()).await;
        if written.is_err() {
            let mut seen = self.seen();
            let room = KEPT.saturating_sub(seen.owed.len());
            seen.owed.extend(owed.into_iter().take(room));
        }
        Ok(written?)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; what it is the first of, if it is.
    fn count(&self, why: &'static str, source: Source, now_ms: i64) -> Option<Kind> {
        let mut seen = self.seen();
        seen.turn(now_ms);
        let own = (why, source);
        let full = seen.more.len() >= KEPT && !seen.more.contains_key(&own);
        let kind = if full { (why, Source::Others) } else { own };
        match seen.more.get_mut(&kind) {
            Some(more) => {
                *more += 1;
                None
            }
            None => {
                seen.more.insert(kind, 0);
                Some(kind)
            }
        }
    }

    fn owed(&self, now_ms: i64, end: bool) -> Vec<Counted> {
        let mut seen = self.seen();
        seen.turn(now_ms);
        if end {
            seen.close();
        }
        std::mem::take(&mut seen.owed)
    }
}

impl Seen {
    /// Closes the minute if it is over.
    fn turn(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.close();
        }
    }

    fn close(&mut self) {
        let counted = self.more.drain().filter(|(_, more)| *more > 0).map(|(kind, more)| Counted { kind, more });
        self.owed.extend(counted);
        self.owed.sort_by_key(|counted| (counted.kind.0, counted.kind.1.description()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn refusals() -> Refusals {
        Refusals::new(Metrics::new().unwrap().refusals())
    }

    fn from(text: &str) -> Source {
        Source::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn the_first_of_a_kind_an_address_and_a_minute_is_told_and_the_rest_are_a_number() {
        let refusals = refusals();
        let (here, there) = (from("192.0.2.1"), from("198.51.100.7"));
        assert!(refusals.count("missing", here, 0).is_some());
        assert!(refusals.count("missing", here, 59_999).is_none());
        assert!(refusals.count("missing", here, 59_999).is_none());
        assert!(refusals.count("expired", here, 59_999).is_some(), "another kind");
        assert!(refusals.count("missing", there, 59_999).is_some(), "another address");
        assert!(refusals.owed(59_999, false).is_empty(), "the minute is not over");
        assert!(refusals.count("missing", here, 60_000).is_some(), "another minute");
        assert_eq!(refusals.owed(60_000, false), [Counted { kind: ("missing", here), more: 2 }]);
        assert!(refusals.owed(120_000, false).is_empty(), "it is written once");
        refusals.count("missing", here, 120_000);
        refusals.count("missing", here, 120_000);
        assert_eq!(refusals.owed(120_000, true).len(), 1, "what is left when the server stops");
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let refusals = refusals();
        let told = (0..50_000_u32).filter(|number| {
            refusals.count("missing", Source::of(Some(IpAddr::from(number.to_be_bytes()))), 0).is_some()
        });
        assert_eq!(told.count(), KEPT + 1);
        assert!(refusals.seen().more.len() <= KEPT + 1);
        let [Counted { kind, more }] = refusals.owed(0, true).try_into().unwrap();
        assert_eq!((kind, more), (("missing", Source::Others), 50_000 - 1_001));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(from("2001:db8::1"), from("2001:db8::ffff:1"));
        assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        assert_eq!(from("2001:db8::1").description(), "2001:db8::/64");
    }
}
