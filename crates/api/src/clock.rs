//! What time it is. Everything that needs the time gets it from here, so that tests can say what time it is.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

/// A source of the time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved, in milliseconds since 1970-01-01T00:00:00Z.
    Fixed(Arc<AtomicI64>),
    /// The clock of a machine that is that many milliseconds ahead of such a one, which is the database's.
    Off(Arc<AtomicI64>, i64),
}

/// The moment from which the machine counts.
static COUNTED_FROM: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The times that a clock can be put to, in milliseconds since 1970-01-01T00:00:00Z: until the end of 4999, so that whatever
/// ends later has a year of four digits, as FHIR writes them, and a time that tokens may say.
const SETTABLE: RangeInclusive<i64> = 0..=95_617_583_999_999;

/// What is said of a time that a clock cannot be put to.
pub const NOT_SETTABLE: &str = "a time from 1970 to 4999, such as 2026-03-01T09:30:00Z";

/// A time that a clock can be put to, in milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn settable(ms: i64) -> Option<i64> {
    SETTABLE.contains(&ms).then_some(ms)
}

/// The same of a text.
#[must_use]
pub fn settable_text(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().and_then(|at| settable(at.timestamp_millis()))
}

/// A time in UTC as an R4 instant with so many digits of a second, at most six.
pub(crate) fn written(time: DateTime<Utc>, digits: usize) -> String {
    let Some(year) = u32::try_from(time.year()).ok().filter(|year| *year <= 9_999) else {
        return time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    };
    let mut text = String::with_capacity(27);
    for (before, number, length) in [
        ("", year, 4),
        ("-", time.month(), 2),
        ("-", time.day(), 2),
        ("T", time.hour(), 2),
        (":", time.minute(), 2),
        (":", time.second(), 2),
    ] {
        text.push_str(before);
        push_digits(&mut text, number, length);
    }
    text.push('.');
    push_digits(&mut text, time.timestamp_subsec_micros(), 6);
    text.truncate(20 + digits);
    text.push('Z');
    text
}

/// The last digits of a number.
fn push_digits(text: &mut String, number: u32, length: u32) {
    for place in (0..length).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or_default());
    }
}

impl Clock {
    /// A clock that stands at that many milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn fixed(now_ms: i64) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Now, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => system_ms(),
            Clock::Fixed(at) => at.load(Ordering::SeqCst),
            Clock::Off(at, by_ms) => at.load(Ordering::SeqCst) + by_ms,
        }
    }

    /// The clock of another machine over the same database, so many milliseconds ahead. Only of a fixed one.
    #[must_use]
    pub fn off_by_ms(&self, by_ms: i64) -> Clock {
        match self {
            Clock::System => Clock::System,
            Clock::Fixed(at) | Clock::Off(at, _) => Clock::Off(Arc::clone(at), by_ms),
        }
    }

    /// Now, in whole seconds since 1970-01-01T00:00:00Z (the unit of the times in a token).
    #[must_use]
    pub fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Puts a fixed clock to that many milliseconds since 1970-01-01T00:00:00Z; the machine's clock is left alone.
    pub fn set_ms(&self, now_ms: i64) {
        if let Clock::Fixed(at) | Clock::Off(at, _) = self {
            at.store(now_ms, Ordering::SeqCst);
        }
    }

    /// Moves a fixed clock on (or back) by that many milliseconds; the machine's clock is left alone.
    pub fn advance_ms(&self, by_ms: i64) {
        if let Clock::Fixed(at) | Clock::Off(at, _) = self {
            at.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

impl concord_store::Clock for Clock {
    fn now_ms(&self) -> i64 {
        Clock::now_ms(self)
    }

    fn steady_ms(&self) -> i64 {
        match self {
            Clock::System => i64::try_from(COUNTED_FROM.elapsed().as_millis()).unwrap_or(i64::MAX),
            Clock::Fixed(_) | Clock::Off(..) => Clock::now_ms(self),
        }
    }

    fn instead_of_the_databases_ms(&self) -> Option<i64> {
        match self {
            Clock::System => None,
            Clock::Fixed(at) | Clock::Off(at, _) => Some(at.load(Ordering::SeqCst)),
        }
    }
}

/// The time of the machine, for the lines of its log, whatever the time is in a test.
pub(crate) fn of_the_machine() -> DateTime<Utc> {
    system().into()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine for the time")]
fn system() -> SystemTime {
    SystemTime::now()
}

fn system_ms() -> i64 {
    match system().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        // A machine whose clock stands before 1970 refuses every token as not yet valid, which is the safe way to be wrong.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_as_many_digits() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        for (text, three) in [
            ("2026-11-29T14:27:01.123456Z", "2026-11-29T14:27:01.123Z"),
            ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000Z"),
            ("0001-02-03T23:59:59.999999Z", "0001-02-03T23:59:59.999Z"),
            ("9999-12-31T23:59:59.000001Z", "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!((written(at(text), 6).as_str(), written(at(text), 3).as_str()), (text, three));
        }
    }

    #[test]
    fn a_fixed_clock_stands_still_until_it_is_moved() {
        let clock = Clock::fixed(1_700_000_000_999);
        let copy = clock.clone();
        assert_eq!(clock.now_ms(), 1_700_000_000_999);
        assert_eq!(clock.now_s(), 1_700_000_000);
        copy.advance_ms(1);
        assert_eq!(clock.now_s(), 1_700_000_001);
    }

    #[test]
    fn a_clock_is_put_to_times_that_can_be_written() {
        assert_eq!(settable_text("1970-01-01T00:00:00Z"), Some(0));
        let last = settable_text("4999-12-31T23:59:59.999Z").expect("the last");
        assert_eq!((settable(last), settable(last + 1), settable(-1)), (Some(last), None, None));
        for text in [
            "5000-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "+12026-03-01T09:30:00Z",
            "2026-03-01",
            "soon",
            "",
        ] {
            assert_eq!(settable_text(text), None, "{text}");
        }
    }

    #[test]
    fn the_system_clock_is_past_2024_and_does_not_move_for_us() {
        let before = Clock::System.now_ms();
        Clock::System.advance_ms(-1_000_000_000);
        assert!(before > 1_704_000_000_000);
        assert!(Clock::System.now_ms() >= before);
    }

    #[test]
    fn seconds_before_1970_round_down() {
        assert_eq!(Clock::fixed(-1).now_s(), -1);
    }
}
