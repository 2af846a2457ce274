//! FHIR times as milliseconds (R4 "Data Types": date, dateTime, instant).

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// The first and the last millisecond since 1970 UTC that a date, dateTime or instant covers: `2024-06` is the whole of
/// June, `2024-06-01T10:00:00Z` is one second. A time without a zone is read as UTC. None when the text is no such time.
#[must_use]
pub fn range(text: &str) -> Option<(i64, i64)> {
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
    match (month, day, time) {
        (None, None, None) => Some((midnight(year, 1, 1)?, midnight(year + 1, 1, 1)? - 1)),
        (Some(month), None, None) => {
            let next = if month == 12 { midnight(year + 1, 1, 1) } else { midnight(year, month + 1, 1) };
            Some((midnight(year, month, 1)?, next? - 1))
        }
        (Some(month), Some(day), None) => {
            let start = midnight(year, month, day)?;
            Some((start, start + DAY - 1))
        }
        (Some(month), Some(day), Some(time)) => {
            let (offset, width) = within_day(time)?;
            let start = midnight(year, month, day)? + offset;
            Some((start, start + width - 1))
        }
        _ => None,
    }
}

/// The milliseconds from midnight UTC to the start of a time of day, and how many milliseconds it covers.
fn within_day(text: &str) -> Option<(i64, i64)> {
    let (clock, zone) = match text.find(['Z', '+', '-']) {
        Some(position) => text.split_at_checked(position)?,
        None => (text, "Z"),
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = digits(parts.next()?, 2).filter(|second| *second <= 60)?;
    if parts.next().is_some() {
        return None;
    }
    let (millisecond, width) = fraction.map_or(Some((0, 1000)), milliseconds)?;
    let local = (hour * 60 + minute) * MINUTE + second * 1000 + millisecond;
    Some((local - offset(zone)?, width))
}

/// The milliseconds that a fraction of a second stands for, and how many it covers.
fn milliseconds(fraction: &str) -> Option<(i64, i64)> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let width = match fraction.len() {
        1 => 100,
        2 => 10,
        _ => 1,
    };
    Some((value, width))
}

/// How far the zone is ahead of UTC, in milliseconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours <= 14)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 60 + minutes) * MINUTE)
}

/// The number that exactly so many digits spell.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The first millisecond of a day of the Gregorian calendar; none when there is no such day.
fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Counted from the first of March, so that the leap day comes last in its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_precision_covers_its_range() {
        let cases = [
            ("1970", 0, 365 * DAY - 1),
            ("2024-02", 1_706_745_600_000, 1_706_745_600_000 + 29 * DAY - 1),
            ("1970-12", 334 * DAY, 365 * DAY - 1),
            ("2000-02-29", 951_782_400_000, 951_868_799_999),
            ("2024-06-01T10:00:00Z", 1_717_236_000_000, 1_717_236_000_999),
            ("2024-06-01T10:00:00.5Z", 1_717_236_000_500, 1_717_236_000_599),
            ("2024-06-01T10:00:00.123456+01:00", 1_717_232_400_123, 1_717_232_400_123),
            ("2024-06-01T10:00:00-05:30", 1_717_255_800_000, 1_717_255_800_999),
            ("1969-12-31", -DAY, -1),
        ];
        for (text, first, last) in cases {
            assert_eq!(range(text), Some((first, last)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "24",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "2024-06-31",
            "2024-06-01T",
            "2024-06-01T10:00Z",
            "2024-06T10:00:00Z",
            "2024-06-01T24:00:00Z",
            "2024-06-01T10:60:00Z",
            "2024-06-01T10:00:61Z",
            "2024-06-01T10:00:00.Z",
            "2024-06-01T10:00:00+15:00",
            "2024-06-01T10:00:00+1:00",
            "2024-06-01T10:00:00ZZ",
            "0000",
            "2024-6-1",
            "+024",
            "é024",
            "2024-06-01T10:00:00é",
            "2024-06-01-02",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
