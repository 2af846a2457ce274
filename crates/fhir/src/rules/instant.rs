//! FHIR times as milliseconds (R4 "Data Types": date, dateTime, instant), read as a search reads them.

use crate::value::ask;

/// The first and the last millisecond since 1970 UTC that a date, dateTime or instant covers: `2024-06` is the whole of
/// June, `2024-06-01T10:00:00Z` is one second. None when the text is no such time.
#[must_use]
pub fn range(text: &str) -> Option<(i64, i64)> {
    ask::interval(text).map(|interval| (interval.first, interval.last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn each_precision_covers_its_range() {
        let cases = [
            ("1970", 0, 365 * DAY - 1),
            ("2024-02", 1_706_745_600_000, 1_706_745_600_000 + 29 * DAY - 1),
            ("2000-02-29", 951_782_400_000, 951_868_799_999),
            ("2024-06-01T10:00:00Z", 1_717_236_000_000, 1_717_236_000_999),
            ("2024-06-01T10:00:00-05:30", 1_717_255_800_000, 1_717_255_800_999),
            ("1969-12-31", -DAY, -1),
        ];
        for (text, first, last) in cases {
            assert_eq!(range(text), Some((first, last)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "24", "2024-13", "2023-02-29", "2024-06-01T", "2024-06-01T25:00:00Z", "0000", "2024-6-1", "é024"]
        {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
