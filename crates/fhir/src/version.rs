//! Which of two versions of a definition comes after the other (R4 leaves it to publishers: "Canonical URLs", versions).
//!
//! Versions in numbers are compared as semantic versions are, dates by the calendar. HL7 has given code systems numbers that had
//! dates before, so numbers come after dates; a text that is neither comes before both. Where this tells nothing, whoever
//! asks takes what was stored last.

/// A version, by which others are before or after it: equal ones cannot be told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionOrder {
    /// It says nothing of when it came.
    Unknown,
    /// A day, a month or a year; or what begins with a year (`2024.1`).
    Dated(Vec<u64>),
    /// Numbers (`1.10.2`), without zeros at the end, and whether these were released.
    Numbered(Vec<u64>, Release),
}

/// Whether a version in numbers is that version, or one before it (Semantic Versioning 2.0.0, section 11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// One before it (`1.0.0-beta.2`).
    Before(Vec<Identifier>),
    /// That version.
    Whole,
}

/// A part of what comes after the numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identifier {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// What a version is ordered by.
#[must_use]
pub fn version_order(version: &str) -> VersionOrder {
    let version = version.trim();
    // SNOMED CT: the edition, and the day on which this one was made.
    let version = version.rsplit_once("/version/").map_or(version, |(_, day)| day);
    let (version, _build) = version.split_once('+').unwrap_or((version, ""));
    if let Some(date) = date(version) {
        return VersionOrder::Dated(date);
    }
    let bare = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let (numbers, before) = match bare.split_once('-') {
        Some((numbers, before)) => (numbers, Some(before)),
        None => (bare, None),
    };
    let Some(mut numbers) = numbers.split('.').map(number).collect::<Option<Vec<u64>>>() else {
        return VersionOrder::Unknown;
    };
    if before.is_none() && numbers.first().is_some_and(|first| is_year(*first)) {
        return VersionOrder::Dated(numbers);
    }
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    let identifier = |part: &str| number(part).map_or_else(|| Identifier::Text(part.to_owned()), Identifier::Number);
    let release = before.map_or(Release::Whole, |before| Release::Before(before.split('.').map(identifier).collect()));
    VersionOrder::Numbered(numbers, release)
}

/// A number of digits alone.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn is_year(number: u64) -> bool {
    (1900..3000).contains(&number)
}

/// `2024-03-31`, `2024-03`, also with a time behind it; `20240331`.
fn date(text: &str) -> Option<Vec<u64>> {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    let parts: Vec<&str> = match (day.len(), day.split_at_checked(4), day.get(4..6), day.get(6..8)) {
        (8, Some((year, _)), Some(month), Some(day_of)) if !day.contains('-') => vec![year, month, day_of],
        _ => day.split('-').collect(),
    };
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let found: Vec<u64> = parts.iter().map(|part| number(part)).collect::<Option<_>>()?;
    let is_date = matches!(lengths.as_slice(), [4, 2] | [4, 2, 2])
        && found.first().is_some_and(|year| is_year(*year))
        && found.get(1).is_some_and(|month| (1..=12).contains(month))
        && found.get(2).is_none_or(|day| (1..=31).contains(day));
    is_date.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_in_their_order() {
        let rising = [
            &["", "draft", "R4", "1.x", "-", "1..2", "2a"][..],
            &["2018", "2018-08", "2018-08-12", "20180813", "2018-08-14T10:00:00Z", "2024.1", "2024-02"],
            &["0.0.1", "0.9", "1.0.0-2", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0"],
            &["1.0.1", "1.2", "1.10", "v2", "2.74", "4.0.1", "99999999999"],
        ];
        let [unknown, rest @ ..] = rising;
        assert!(unknown.iter().all(|version| version_order(version) == VersionOrder::Unknown));
        let rest: Vec<&str> = unknown.iter().take(1).chain(rest.into_iter().flatten()).copied().collect();
        for pair in rest.windows(2) {
            assert!(version_order(pair[0]) < version_order(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_says_the_same_is_equal() {
        for (one, other) in [
            ("1", "1.0.0"),
            ("1.2", "v1.2.0"),
            ("1.0.0+a", "1.0.0+b"),
            ("2018-08-12", "20180812"),
            ("http://snomed.info/sct/83821000000107/version/20230412", "2023-04-12"),
        ] {
            assert_eq!(version_order(one), version_order(other), "{one} {other}");
        }
        for odd in ["20241301", "123456789012345678901234567890", "2024-13", "9999-01-01"] {
            assert!(!matches!(version_order(odd), VersionOrder::Dated(_)), "{odd}");
        }
    }
}
