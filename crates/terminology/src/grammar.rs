//! Code systems whose codes are formed by rules and not listed.

use concord_fhir::value::is_unit;

/// What tells whether a text is formed like a code of that system.
pub(crate) fn of(system: &str) -> Option<fn(&str) -> bool> {
    match system {
        "http://unitsofmeasure.org" => Some(is_unit),
        "urn:ietf:bcp:13" => Some(is_media_type),
        "urn:ietf:bcp:47" => Some(is_language),
        _ => None,
    }
}

/// RFC 6838, section 4.2; parameters may follow.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        name.len() <= 127
            && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let plain = text.split(';').next().unwrap_or_default().trim_end();
    plain.split_once('/').is_some_and(|(kind, rest)| is_name(kind) && is_name(rest))
}

/// RFC 5646, section 2.1, as far as its subtags are formed.
pub(crate) fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let is_alphanumeric = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let begins = match first {
        "x" | "i" => text.len() > 2,
        other => (2..=8).contains(&other.len()) && other.bytes().all(|byte| byte.is_ascii_alphabetic()),
    };
    begins && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && is_alphanumeric(subtag))
}
