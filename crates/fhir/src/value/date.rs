//! Dates and times as the milliseconds they cover (R4 "Search", date): `2020` is a year long, `2020-03-01T10:00:00Z` a
//! second.

use super::prefix::Prefix;
use crate::calendar::{day_number, days_in, digits};
use crate::entry::{Entry, ParameterId};
use crate::json::Value;
use crate::predicate::{Comparison, Test};
use crate::registry::path::DataType;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What a date or time covers: the first and the last of its milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// The offset from UTC, in milliseconds, of a date or time that names none. FHIR leaves it to the server (R4 "Search",
/// date); this is the one place where it is decided.
fn offset_of_unzoned() -> i64 {
    0
}

/// Reads a FHIR date, dateTime or instant, or in a query a time without seconds or time zone.
pub(crate) fn interval(text: &str) -> Option<Interval> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |month| month.map(Some))?;
    let day = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |day| day.map(Some))?;
    if parts.next().is_some() || year == 0 {
        return None;
    }
    let valid_month = month.is_none_or(|month| (1..=12).contains(&month));
    let valid_day = day.is_none_or(|day| (1..=days_in(year, month.unwrap_or(1))).contains(&day));
    if !valid_month || !valid_day {
        return None;
    }
    let start = day_number(year, month.unwrap_or(1), day.unwrap_or(1)) * DAY;
    if let Some(time) = time {
        day?;
        return clock(start, time);
    }
    let end = match (month, day) {
        (_, Some(_)) => start + DAY,
        (Some(12) | None, None) => day_number(year + 1, 1, 1) * DAY,
        (Some(month), None) => day_number(year, month + 1, 1) * DAY,
    };
    let offset = offset_of_unzoned();
    Some(Interval { first: start - offset, last: end - offset - 1 })
}

/// The time of a day that begins at `start`, with its zone.
fn clock(start: i64, time: &str) -> Option<Interval> {
    let (time, offset) = if let Some(time) = time.strip_suffix('Z') {
        (time, 0)
    } else if let Some(at) = time.find(['+', '-']) {
        let (time, zone) = time.split_at_checked(at)?;
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = zone.get(1..)?.split_once(':')?;
        let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
        if hours > 14 || minutes > 59 {
            return None;
        }
        (time, sign * (hours * HOUR + minutes * MINUTE))
    } else {
        (time, offset_of_unzoned())
    };
    let mut parts = time.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next();
    if hour > 23 || minute > 59 || parts.next().is_some() {
        return None;
    }
    let (within, length) = match second {
        None => (0, MINUTE),
        Some(second) => seconds(second)?,
    };
    let first = start + hour * HOUR + minute * MINUTE + within - offset;
    Some(Interval { first, last: first + length - 1 })
}

/// Seconds with or without a fraction: where they begin and how long they last. What is finer than a millisecond is
/// cut off. FHIR allows a leap second, which is the last moment of its own minute: with the next one it would be on another
/// day.
fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let whole = digits(whole, 2).filter(|second| *second <= 60)? * SECOND;
    if fraction.is_some_and(|digits| digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    if whole == MINUTE {
        return Some((MINUTE - 1, 1));
    }
    let Some(fraction) = fraction else { return Some((whole, SECOND)) };
    let (mut part, mut length) = (0, SECOND);
    for digit in fraction.bytes().take(3) {
        length /= 10;
        part += i64::from(digit.wrapping_sub(b'0')) * length;
    }
    Some((whole + part, length))
}

/// The row of a date, a time, a Period or a Timing.
pub(crate) fn rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let ends = match data_type {
        DataType::Period => period(value),
        DataType::Timing => timing(value),
        _ => value.as_str().and_then(interval).map(|covered| (stored(covered.first), stored(covered.last))),
    };
    if let Some((low, high)) = ends {
        rows.push(Entry { parameter, key: String::new(), low: Some(low), high: Some(high) });
    }
}

/// A Period's first and last millisecond; an end that is left out is open, and so is one that lies before the start: R4 lets a period have
/// it where precisions differ (per-1), by the time zone of one of the two. When such a period ends, nobody can tell.
fn period(value: &Value<'_>) -> Option<(f64, f64)> {
    let end = |name: &str| value.text(name).and_then(interval);
    let (start, end) = (end("start"), end("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    let low = start.map_or(f64::NEG_INFINITY, |start| stored(start.first));
    let high = end.map_or(f64::INFINITY, |end| stored(end.last));
    Some((low, if low <= high { high } else { f64::INFINITY }))
}

/// The outer limits of a Timing: of its events and of the period that bounds it. One that only says how often has none.
fn timing(value: &Value<'_>) -> Option<(f64, f64)> {
    let events = value.list("event").iter().filter_map(Value::as_str).filter_map(interval);
    let events = events.map(|event| (stored(event.first), stored(event.last)));
    let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
    events.chain(bounds).reduce(|(low, high), (first, last)| (low.min(first), high.max(last)))
}

/// Milliseconds as the index keeps them. Up to the year 9999 they are exact.
#[expect(clippy::cast_precision_loss, reason = "dates of FHIR stay below 2^53 milliseconds")]
pub(crate) fn stored(milliseconds: i64) -> f64 {
    milliseconds as f64
}

/// How far `ap` reaches beyond a date: a tenth of its distance from now (R4 "Search", prefixes).
pub(crate) fn tolerance(wanted: Interval, now_ms: i64) -> i64 {
    (now_ms - wanted.first).abs() / 10
}

/// What a date in a query means for a row, whose two ends are the first and last millisecond that its value covers.
pub(crate) fn test(prefix: Prefix, wanted: Interval, now_ms: i64) -> Test {
    let (first, last) = (stored(wanted.first), stored(wanted.last));
    let within = || Test::Every(vec![Test::Low(Comparison::AtLeast, first), Test::High(Comparison::AtMost, last)]);
    match prefix {
        Prefix::Equal => within(),
        Prefix::NotEqual => {
            Test::Either([Test::Low(Comparison::Less, first), Test::High(Comparison::Greater, last)].into())
        }
        Prefix::Greater => Test::High(Comparison::Greater, last),
        Prefix::Less => Test::Low(Comparison::Less, first),
        Prefix::AtLeast => Test::Either([Test::High(Comparison::Greater, last), within()].into()),
        Prefix::AtMost => Test::Either([Test::Low(Comparison::Less, first), within()].into()),
        Prefix::StartsAfter => Test::Low(Comparison::Greater, last),
        Prefix::EndsBefore => Test::High(Comparison::Less, first),
        Prefix::About => {
            let reach = stored(tolerance(wanted, now_ms));
            Test::Every(vec![
                Test::High(Comparison::AtLeast, first - reach),
                Test::Low(Comparison::AtMost, last + reach),
            ])
        }
    }
}

/// The row covers a moment that the date covers too.
pub(crate) fn overlaps(wanted: Interval) -> Test {
    Test::Every(vec![
        Test::Low(Comparison::AtMost, stored(wanted.last)),
        Test::High(Comparison::AtLeast, stored(wanted.first)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Interval {
        interval(text).unwrap_or_else(|| panic!("{text} is a date"))
    }

    #[test]
    fn a_date_covers_what_its_precision_says() {
        assert_eq!(at("1970-01-01"), Interval { first: 0, last: DAY - 1 });
        assert_eq!(at("1970"), Interval { first: 0, last: 365 * DAY - 1 });
        assert_eq!(at("2020-02"), Interval { first: 1_580_515_200_000, last: 1_580_515_200_000 + 29 * DAY - 1 });
        assert_eq!(at("1970-01-01T00:00:01Z"), Interval { first: 1_000, last: 1_999 });
        assert_eq!(at("1970-01-01T00:01"), Interval { first: 60_000, last: 119_999 });
        assert_eq!(at("1970-01-01T00:00:00.5Z"), Interval { first: 500, last: 599 });
        assert_eq!(at("1970-01-01T00:00:00.123456Z"), Interval { first: 123, last: 123 });
        assert_eq!(at("1970-01-01T01:00:00+01:00").first, 0);
        assert_eq!(at("1969-12-31T23:59:59-00:00").last, -1);
        for leap in ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:59:60+01:00"] {
            assert_eq!(
                at(leap),
                Interval { first: at("2017-01-01T00:00:00Z").first - 1, ..at("2016-12-31T23:59:59.999Z") }
            );
        }
        assert_eq!(at("0001-01-01").first, -62_135_596_800_000);
        assert_eq!(at("2100-02-28").last + 1, at("2100-03-01").first);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "20",
            "2020-13",
            "2020-00",
            "2020-02-30",
            "2019-02-29",
            "2020-1-1",
            "2020-01-01T",
            "2020-01T10:00",
            "2020-01-01T24:00",
            "2020-01-01T10:60Z",
            "2020-01-01T10",
            "2020-01-01T10:00:61Z",
            "2020-01-01T10:00:00.Z",
            "2020-01-01T10:00:00+15:00",
            "2020-01-01T10:00:00+1:00",
            "0000",
            "2020-01-01-01",
            "+2020",
            "2020-01-01 10:00",
            "２０２０",
            "2020-01-01T10:00:00é",
        ] {
            assert_eq!(interval(text), None, "{text}");
        }
    }

    #[test]
    fn prefixes_compare_what_is_covered() {
        let row = |text: &str| {
            let covered = at(text);
            Entry {
                parameter: ParameterId(1),
                key: String::new(),
                low: Some(stored(covered.first)),
                high: Some(stored(covered.last)),
            }
        };
        let now = at("2020-06-01").first;
        let holds = |prefix, wanted: &str, stored: &str| test(prefix, at(wanted), now).holds(&row(stored));
        assert!(holds(Prefix::Equal, "2020-03", "2020-03-15T10:00:00Z"));
        assert!(!holds(Prefix::Equal, "2020-03-15", "2020-03"));
        assert!(holds(Prefix::NotEqual, "2020-03-15", "2020-03"));
        assert!(holds(Prefix::Greater, "2020-03-15", "2020-03-16"));
        assert!(!holds(Prefix::Greater, "2020-03-15", "2020-03-15T23:59:59Z"));
        assert!(holds(Prefix::AtLeast, "2020-03-15", "2020-03-15T00:00:00Z"));
        assert!(holds(Prefix::Less, "2020-03-15", "2020-03"));
        assert!(holds(Prefix::AtMost, "2020-03-15", "2020-03-15"));
        assert!(!holds(Prefix::AtMost, "2020-03-15", "2020-03-16"));
        assert!(holds(Prefix::StartsAfter, "2020-03-15", "2020-03-16"));
        assert!(!holds(Prefix::StartsAfter, "2020-03-15", "2020-03"));
        assert!(holds(Prefix::EndsBefore, "2020-03-15", "2020-03-14"));
        assert!(holds(Prefix::About, "2020-05-01", "2020-05-03"));
        assert!(!holds(Prefix::About, "2020-05-01", "2020-05-30"));
    }

    #[test]
    fn a_period_may_be_open_and_a_timing_has_outer_limits() {
        let open = Value::object([("start", Value::string("1970-01-01"))]);
        assert_eq!(period(&open), Some((0.0, f64::INFINITY)));
        assert_eq!(period(&Value::object([])), None);
        let reversed = [("start", "2024-06-01T23:00:00-05:00"), ("end", "2024-06-01")];
        let reversed = Value::object(reversed.map(|(name, text)| (name, Value::string(text))));
        assert_eq!(period(&reversed), Some((stored(at("2024-06-02T04:00:00Z").first), f64::INFINITY)));
        let events = Value::Array(vec![Value::string("1970-01-03"), Value::string("1970-01-01")]);
        let ends = timing(&Value::object([("event", events)]));
        assert_eq!(ends, Some((0.0, stored(3 * DAY - 1))));
        assert_eq!(timing(&Value::object([("repeat", Value::object([]))])), None);
    }
}
