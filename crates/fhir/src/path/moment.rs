//! Dates, times and both together, as precise as they were written, and what is before what (FHIRPath "Date/time
//! arithmetic", "Equals", "Comparison").

use std::cmp::Ordering;
use std::fmt;

use crate::calendar::{civil, day_number, days_in, digits};

const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// What a moment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    DateTime,
    Time,
}

/// How far a moment is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    /// With a fraction of any length: a second and its fraction are one precision.
    Second,
}

/// A date, a date with a time, or a time of day.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub(super) kind: Kind,
    pub(super) precision: Precision,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: i64,
    /// How many digits of the fraction are written.
    pub(super) places: usize,
    /// The offset from UTC in minutes.
    pub(super) zone: Option<i64>,
    /// Whether the offset is written as `Z`.
    is_utc: bool,
}

const BARE: Moment = Moment {
    kind: Kind::Date,
    precision: Precision::Year,
    year: 1,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    nanoseconds: 0,
    places: 0,
    zone: None,
    is_utc: false,
};

impl Moment {
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub(super) fn date(text: &str) -> Option<Moment> {
        let mut parts = text.split('-');
        let mut moment = Moment { year: digits(parts.next()?, 4)?, ..BARE };
        if let Some(month) = parts.next() {
            moment.month = digits(month, 2).filter(|month| (1..=12).contains(month))?;
            moment.precision = Precision::Month;
        }
        if let Some(day) = parts.next() {
            moment.day = digits(day, 2).filter(|day| (1..=days_in(moment.year, moment.month)).contains(day))?;
            moment.precision = Precision::Day;
        }
        parts.next().is_none().then_some(moment)
    }

    /// A date, and after a `T` what is told of the time; with a zone where there is a time.
    pub(super) fn date_time(text: &str) -> Option<Moment> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time),
            None => (text, ""),
        };
        let mut moment = Moment { kind: Kind::DateTime, ..Moment::date(date)? };
        if time.is_empty() {
            return Some(moment);
        }
        if moment.precision != Precision::Day {
            return None;
        }
        let clock = match time.strip_suffix('Z') {
            Some(clock) => {
                moment.zone = Some(0);
                moment.is_utc = true;
                clock
            }
            None => match time.find(['+', '-']).and_then(|at| time.split_at_checked(at)) {
                Some((clock, zone)) => {
                    moment.zone = Some(zone_of(zone)?);
                    clock
                }
                None => time,
            },
        };
        moment.clock(clock)?;
        Some(moment)
    }

    /// `hh`, `hh:mm` or `hh:mm:ss`, the last with or without a fraction.
    pub(super) fn time(text: &str) -> Option<Moment> {
        let mut moment = Moment { kind: Kind::Time, ..BARE };
        moment.clock(text)?;
        Some(moment)
    }

    fn clock(&mut self, text: &str) -> Option<()> {
        let mut parts = text.split(':');
        self.hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
        self.precision = Precision::Hour;
        if let Some(minute) = parts.next() {
            self.minute = digits(minute, 2).filter(|minute| *minute < 60)?;
            self.precision = Precision::Minute;
        }
        if let Some(seconds) = parts.next() {
            let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            // A leap second is let pass, as FHIR does.
            self.second = digits(second, 2).filter(|second| *second <= 60)?;
            self.precision = Precision::Second;
            if seconds.ends_with('.') || fraction.len() > 32 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            self.places = fraction.len().min(9);
            let nine: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
            self.nanoseconds = nine.parse().ok()?;
        }
        parts.next().is_none().then_some(())
    }

    /// The first and the last nanosecond that it may mean, of those since 1970 in its own zone taken as UTC.
    fn span(&self) -> (i128, i128) {
        let (start, length) = match self.kind {
            Kind::Time => (0, DAY),
            _ => (i128::from(day_number(self.year, self.month, self.day)) * DAY, DAY),
        };
        let clock = i128::from(self.hour) * HOUR
            + i128::from(self.minute) * MINUTE
            + i128::from(self.second) * SECOND
            + i128::from(self.nanoseconds);
        let length = match self.precision {
            Precision::Year => i128::from(day_number(self.year + 1, 1, 1)) * DAY - start,
            Precision::Month => i128::from(days_in(self.year, self.month)) * DAY,
            Precision::Day => length,
            Precision::Hour => HOUR,
            Precision::Minute => MINUTE,
            Precision::Second => 1,
        };
        let first = start + clock - i128::from(self.zone.unwrap_or_default()) * MINUTE;
        (first, first + length - 1)
    }

    /// Which of two dates, or of two times, is later; nothing where what is told of them does not say.
    pub(super) fn compare(&self, other: &Moment) -> Option<Ordering> {
        let (mut one, mut two) = (self.span(), other.span());
        // What names no zone may be in any: the first begins fourteen hours before UTC, the last twelve hours after.
        let widen = |span: (i128, i128)| (span.0 - 14 * HOUR, span.1 + 12 * HOUR);
        match (self.zone, other.zone) {
            (Some(_), None) => two = widen(two),
            (None, Some(_)) => one = widen(one),
            _ => {}
        }
        if one.1 < two.0 {
            Some(Ordering::Less)
        } else if one.0 > two.1 {
            Some(Ordering::Greater)
        } else if one == two && self.precision == other.precision && self.zone.is_some() == other.zone.is_some() {
            Some(Ordering::Equal)
        } else {
            None
        }
    }

    /// The moment so many of the unit later, told as precisely as this one.
    pub(super) fn plus(&self, amount: i64, unit: Calendar) -> Option<Moment> {
        let (amount, unit) = self.in_own_precision(amount, unit)?;
        let mut moment = *self;
        match unit {
            Calendar::Year | Calendar::Month => {
                let months = if unit == Calendar::Year { amount.checked_mul(12)? } else { amount };
                if self.kind == Kind::Time {
                    return None;
                }
                let total = self.year.checked_mul(12)?.checked_add(self.month - 1)?.checked_add(months)?;
                moment.year = total.div_euclid(12);
                moment.month = total.rem_euclid(12) + 1;
                moment.day = self.day.min(days_in(moment.year, moment.month));
            }
            _ => {
                let nanoseconds = i128::from(amount).checked_mul(unit.nanoseconds())?;
                let clock = i128::from(self.hour) * HOUR
                    + i128::from(self.minute) * MINUTE
                    + i128::from(self.second) * SECOND
                    + i128::from(self.nanoseconds);
                let total = clock.checked_add(nanoseconds)?;
                let days = i64::try_from(total.div_euclid(DAY)).ok()?;
                moment.set_clock(i64::try_from(total.rem_euclid(DAY)).ok()?);
                if unit == Calendar::Millisecond {
                    moment.places = moment.places.max(3);
                }
                if self.kind != Kind::Time {
                    moment.set_day(day_number(self.year, self.month, self.day).checked_add(days)?);
                }
            }
        }
        (1..=9999).contains(&moment.year).then_some(moment)
    }

    /// An amount of a unit that is finer than what this one tells, in the finest unit that it does.
    fn in_own_precision(&self, amount: i64, unit: Calendar) -> Option<(i64, Calendar)> {
        let told = match self.precision {
            Precision::Year => Calendar::Year,
            Precision::Month => Calendar::Month,
            Precision::Day => Calendar::Day,
            Precision::Hour => Calendar::Hour,
            Precision::Minute => Calendar::Minute,
            Precision::Second => Calendar::Millisecond,
        };
        if unit <= told {
            return Some((amount, unit));
        }
        // A week is as coarse as a day here: both are counted in days.
        let nanoseconds = match unit {
            Calendar::Month => return Some((amount / 12, Calendar::Year)),
            _ => i128::from(amount).checked_mul(unit.nanoseconds())?,
        };
        let days = nanoseconds / DAY;
        let amount = match told {
            Calendar::Year => days / 365,
            Calendar::Month => days / 30,
            Calendar::Day | Calendar::Week => days,
            Calendar::Hour => nanoseconds / HOUR,
            Calendar::Minute => nanoseconds / MINUTE,
            _ => nanoseconds / SECOND,
        };
        Some((i64::try_from(amount).ok()?, told))
    }

    fn set_clock(&mut self, nanoseconds: i64) {
        let seconds = nanoseconds.div_euclid(1_000_000_000);
        self.nanoseconds = nanoseconds.rem_euclid(1_000_000_000);
        (self.hour, self.minute, self.second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }

    fn set_day(&mut self, number: i64) {
        (self.year, self.month, self.day) = civil(number);
    }

    /// The first or the last moment that it may mean, told as precisely as a number of digits says (4, 6, 8, 10, 12, 14 or
    /// 17 for a date; 2, 4, 6 or 9 for a time).
    pub(super) fn boundary(&self, digits: u32, is_high: bool) -> Option<Moment> {
        let told = digits + if self.kind == Kind::Time { 8 } else { 0 };
        let wanted = match told {
            4 => Precision::Year,
            6 => Precision::Month,
            8 => Precision::Day,
            10 => Precision::Hour,
            12 => Precision::Minute,
            14 | 17 => Precision::Second,
            _ => return None,
        };
        let mut moment = *self;
        // FHIR has no hours without minutes.
        if moment.precision == Precision::Hour {
            moment.precision = Precision::Minute;
        }
        let has = moment.precision;
        if is_high {
            if has < Precision::Month {
                moment.month = 12;
            }
            if has < Precision::Day {
                moment.day = days_in(moment.year, moment.month);
            }
            if has < Precision::Hour {
                moment.hour = 23;
            }
            if has < Precision::Minute {
                moment.minute = 59;
            }
            if has < Precision::Second {
                moment.second = 59;
            }
            if self.places < 3 && (has < Precision::Second || self.places == 0) {
                moment.nanoseconds = 999_000_000;
            }
        }
        moment.precision = wanted;
        moment.places = if told == 17 { 3 } else { 0 };
        let has_clock = wanted > Precision::Day;
        if self.kind == Kind::Date && has_clock {
            moment.kind = Kind::DateTime;
        }
        if moment.kind == Kind::DateTime && has_clock && moment.zone.is_none() {
            moment.zone = Some(if is_high { -12 * 60 } else { 14 * 60 });
        }
        if !has_clock {
            moment.zone = None;
        }
        Some(moment)
    }

    /// How many digits are told.
    pub(super) fn count_of_digits(&self) -> usize {
        let all = match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => 10,
            Precision::Minute => 12,
            Precision::Second => 14 + self.places,
        };
        if self.kind == Kind::Time { all - 8 } else { all }
    }

    /// The date alone.
    pub(super) fn date_part(&self) -> Moment {
        let precision = self.precision.min(Precision::Day);
        Moment { precision, year: self.year, month: self.month, day: self.day, ..BARE }
    }

    /// The same, as a date that may have a time.
    pub(super) fn as_date_time(&self) -> Moment {
        Moment { kind: Kind::DateTime, ..*self }
    }

    /// The time of day alone.
    pub(super) fn time_part(&self) -> Moment {
        Moment { kind: Kind::Time, zone: None, ..*self }
    }
}

/// A unit that calendars count in, the coarsest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calendar {
    /// `year`
    Year,
    /// `month`
    Month,
    /// `week`
    Week,
    /// `day`
    Day,
    /// `hour`
    Hour,
    /// `minute`
    Minute,
    /// `second`
    Second,
    /// `millisecond`
    Millisecond,
}

/// The units with their words, singular and plural, and their codes in UCUM.
const CALENDARS: [(Calendar, &str, &str, &str); 8] = [
    (Calendar::Year, "year", "years", "a"),
    (Calendar::Month, "month", "months", "mo"),
    (Calendar::Week, "week", "weeks", "wk"),
    (Calendar::Day, "day", "days", "d"),
    (Calendar::Hour, "hour", "hours", "h"),
    (Calendar::Minute, "minute", "minutes", "min"),
    (Calendar::Second, "second", "seconds", "s"),
    (Calendar::Millisecond, "millisecond", "milliseconds", "ms"),
];

impl Calendar {
    /// The unit of that word, `day` or `days`.
    pub(super) fn named(word: &str) -> Option<Calendar> {
        CALENDARS.iter().find(|row| row.1 == word || row.2 == word).map(|row| row.0)
    }

    /// The unit of that code of UCUM.
    pub(super) fn coded(code: &str) -> Option<Calendar> {
        CALENDARS.iter().find(|row| row.3 == code).map(|row| row.0)
    }

    pub(super) fn word(self) -> &'static str {
        CALENDARS.iter().find(|row| row.0 == self).map(|row| row.1).unwrap_or_default()
    }

    pub(super) fn code(self) -> &'static str {
        CALENDARS.iter().find(|row| row.0 == self).map(|row| row.3).unwrap_or_default()
    }

    fn nanoseconds(self) -> i128 {
        match self {
            Calendar::Year => 365 * DAY,
            Calendar::Month => 30 * DAY,
            Calendar::Week => 7 * DAY,
            Calendar::Day => DAY,
            Calendar::Hour => HOUR,
            Calendar::Minute => MINUTE,
            Calendar::Second => SECOND,
            Calendar::Millisecond => SECOND / 1_000,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != Kind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision < Precision::Hour {
                return Ok(());
            }
            f.write_str("T")?;
        }
        write!(f, "{:02}", self.hour)?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
            if self.places > 0 {
                let nine = format!("{:09}", self.nanoseconds);
                write!(f, ".{}", nine.get(..self.places).unwrap_or_default())?;
            }
        }
        match self.zone {
            Some(_) if self.is_utc => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

fn zone_of(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}
