//! The forms of date, dateTime, instant and time (R4 "Data Types"), with the days that each month really has.

type Form = Result<(), &'static str>;

const DATE: &str = "it is not YYYY, YYYY-MM or YYYY-MM-DD";
const NO_DAY: &str = "there is no such day";
const TIME: &str = "it is not a time of day hh:mm:ss";
const ZONE: &str = "a time of day must be followed by its time zone, Z or a difference such as +01:00";

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`
pub(super) fn date(text: &str) -> Form {
    date_part(text.as_bytes())
}

/// A date, or a full date with time and time zone.
pub(super) fn date_time(text: &str) -> Form {
    match text.split_once('T') {
        None => date_part(text.as_bytes()),
        Some((date, time)) => date_with_time(date, time),
    }
}

/// A full date with time and time zone.
pub(super) fn instant(text: &str) -> Form {
    let (date, time) = text.split_once('T').ok_or("it is not YYYY-MM-DDThh:mm:ss with a time zone")?;
    date_with_time(date, time)
}

/// `hh:mm:ss` with or without a fraction of the second, without a time zone.
pub(super) fn time(text: &str) -> Form {
    match clock(text.as_bytes())? {
        [] => Ok(()),
        _ => Err(TIME),
    }
}

fn date_with_time(date: &str, time: &str) -> Form {
    if date.len() != 10 {
        return Err("a time of day needs a full date before it");
    }
    date_part(date.as_bytes())?;
    zone(clock(time.as_bytes())?)
}

fn date_part(text: &[u8]) -> Form {
    let (year, rest) = number::<4>(text).ok_or(DATE)?;
    if year == 0 {
        return Err(NO_DAY);
    }
    let Some(rest) = after(rest, b'-', DATE)? else { return Ok(()) };
    let (month, rest) = number::<2>(rest).ok_or(DATE)?;
    if !(1..=12).contains(&month) {
        return Err("there is no such month");
    }
    let Some(rest) = after(rest, b'-', DATE)? else { return Ok(()) };
    let (day, rest) = number::<2>(rest).ok_or(DATE)?;
    if !rest.is_empty() {
        return Err(DATE);
    }
    if (1..=days(year, month)).contains(&day) { Ok(()) } else { Err(NO_DAY) }
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// What follows the separator; nothing if the text ends here.
fn after<'t>(text: &'t [u8], separator: u8, otherwise: &'static str) -> Result<Option<&'t [u8]>, &'static str> {
    match text.split_first() {
        None => Ok(None),
        Some((first, rest)) if *first == separator => Ok(Some(rest)),
        Some(_) => Err(otherwise),
    }
}

/// So many digits as a number, and what follows them.
fn number<const DIGITS: usize>(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<DIGITS>()?;
    let mut number = 0;
    for digit in digits {
        number = number * 10 + char::from(*digit).to_digit(10)?;
    }
    Some((number, rest))
}

/// Reads `hh:mm:ss` and a fraction and returns what follows. A minute may have 60 seconds, as R4 allows leap seconds.
fn clock(text: &[u8]) -> Result<&[u8], &'static str> {
    let (hour, rest) = number::<2>(text).ok_or(TIME)?;
    let rest = after(rest, b':', TIME)?.ok_or(TIME)?;
    let (minute, rest) = number::<2>(rest).ok_or(TIME)?;
    let rest = after(rest, b':', "the seconds are missing")?.ok_or("the seconds are missing")?;
    let (second, rest) = number::<2>(rest).ok_or(TIME)?;
    if hour > 23 || minute > 59 || second > 60 {
        return Err("there is no such time of day");
    }
    match rest.strip_prefix(b".") {
        None => Ok(rest),
        Some(fraction) => {
            let end = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
            if end == 0 { Err(TIME) } else { Ok(fraction.get(end..).unwrap_or_default()) }
        }
    }
}

fn zone(text: &[u8]) -> Form {
    let difference = match text {
        b"Z" => return Ok(()),
        [b'+' | b'-', difference @ ..] => difference,
        _ => return Err(ZONE),
    };
    let (hours, rest) = number::<2>(difference).ok_or(ZONE)?;
    let rest = after(rest, b':', ZONE)?.ok_or(ZONE)?;
    let (minutes, rest) = number::<2>(rest).ok_or(ZONE)?;
    let within = (hours <= 13 && minutes <= 59) || (hours == 14 && minutes == 0);
    if within && rest.is_empty() { Ok(()) } else { Err(ZONE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_real_days() {
        for good in ["1905", "2024-02", "2024-02-29", "2000-02-29", "9999-12-31", "0001-01-01"] {
            assert_eq!(date(good), Ok(()), "{good}");
            assert_eq!(date_time(good), Ok(()), "{good}");
        }
        for bad in [
            "0000",
            "24",
            "2024-2",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-01-00",
            "2024-01-01Z",
            "2024/01/01",
            "20240101",
            "2024-",
            "2024-01-",
            "2024-01-1",
            "+2024",
            "２０２４",
            "2024-01-01T00:00:00Z",
        ] {
            assert!(date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_of_day_have_seconds_and_a_zone() {
        for good in [
            "2024-02-29T00:00:00Z",
            "2015-02-07T13:28:17.239+02:00",
            "2016-12-31T23:59:60Z",
            "2024-01-01T10:00:00-14:00",
            "2024-01-01T10:00:00.123456789012+00:00",
        ] {
            assert_eq!(instant(good), Ok(()), "{good}");
            assert_eq!(date_time(good), Ok(()), "{good}");
        }
        for bad in [
            "2024-01-01T",
            "2024-01-01T10",
            "2024-01-01T10:00Z",
            "2024-01-01T10:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10:60:00Z",
            "2024-01-01T10:00:61Z",
            "2024-01-01T10:00:00.Z",
            "2024-01-01T10:00:00+14:01",
            "2024-01-01T10:00:00+1:00",
            "2024-01-01T10:00:00ZZ",
            "2024-01T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "2024-01-01 10:00:00Z",
            "2024-01-01T10:00:00z",
            "2024-01-01T10:00:00+01:00 ",
        ] {
            assert!(instant(bad).is_err(), "{bad}");
            assert!(date_time(bad).is_err(), "{bad}");
        }
        assert!(instant("2024-01-01").is_err());
        for good in ["00:00:00", "23:59:59.5"] {
            assert_eq!(time(good), Ok(()), "{good}");
        }
        for bad in ["24:00:00", "10:00", "10:00:00Z", "1:00:00", "10:00:00.", "10-00-00"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
