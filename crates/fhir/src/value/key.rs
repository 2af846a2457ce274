//! Keys of bounded length. A database limits how long an indexed text may be, so a key is cut, and it is cut in the same
//! way when a resource is indexed and when a query is read.

use crate::entry::SEPARATOR;

/// The longest key in bytes.
pub const LONGEST_KEY: usize = 2 * LONGEST_HALF + 1;

/// The longest half of a key that has two, in bytes.
pub const LONGEST_HALF: usize = 255;

/// How many bytes the mark of a cut takes: `~` and 16 hexadecimal digits.
const MARK: usize = 17;

/// A key of one part.
pub(crate) fn single(text: &str) -> String {
    marked(text, LONGEST_KEY)
}

/// A key of two parts, each kept distinct from any other text however long.
pub(crate) fn pair(first: &str, second: &str) -> String {
    let mut key = String::with_capacity((first.len() + second.len() + 1).min(LONGEST_KEY));
    push_marked(&mut key, first, LONGEST_HALF);
    key.push(SEPARATOR);
    push_marked(&mut key, second, LONGEST_HALF);
    key
}

/// The first half of a key that is compared by how it begins: it is cut without a mark.
pub(crate) fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_HALF)).unwrap_or_default()
}

/// A key of two parts, the first of which is compared by how it begins.
pub(crate) fn beginning_pair(first: &str, second: &str) -> String {
    let mut key = String::with_capacity(first.len() + second.len() + 1);
    push_clean(&mut key, beginning(first));
    key.push(SEPARATOR);
    push_marked(&mut key, second, LONGEST_HALF);
    key
}

/// The text, or if it is too long its beginning and a fingerprint of the whole, so that two long texts that begin alike
/// stay two.
pub(crate) fn marked(text: &str, limit: usize) -> String {
    let mut key = String::with_capacity(text.len().min(limit) + 1);
    push_marked(&mut key, text, limit);
    key
}

fn push_marked(key: &mut String, text: &str, limit: usize) {
    if text.len() <= limit {
        push_clean(key, text);
        return;
    }
    let end = text.floor_char_boundary(limit.saturating_sub(MARK));
    push_clean(key, text.get(..end).unwrap_or_default());
    key.push('~');
    key.push_str(&format!("{:016x}", fingerprint(text)));
}

/// The text without the separator, which no FHIR string may contain: a half must not be able to pass for two.
fn push_clean(key: &mut String, text: &str) {
    if text.contains(SEPARATOR) {
        key.extend(text.chars().map(|letter| if letter == SEPARATOR { char::REPLACEMENT_CHARACTER } else { letter }));
    } else {
        key.push_str(text);
    }
}

/// FNV-1a, 64 bits.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_kept_as_it_is() {
        assert_eq!(pair("8480-6", "http://loinc.org"), "8480-6\u{1f}http://loinc.org");
        assert_eq!(single("Patient/1"), "Patient/1");
    }

    #[test]
    fn long_texts_that_begin_alike_stay_two() {
        let (left, right) = (format!("{}a", "x".repeat(600)), format!("{}b", "x".repeat(600)));
        assert_ne!(single(&left), single(&right));
        assert_ne!(pair(&left, ""), pair(&right, ""));
        assert_eq!(beginning(&left), beginning(&right));
    }

    #[test]
    fn no_key_is_too_long_and_none_is_cut_within_a_letter() {
        for text in ["é".repeat(600), "漢".repeat(600), "x".repeat(600), "😀".repeat(600)] {
            assert!(single(&text).len() <= LONGEST_KEY);
            assert!(pair(&text, &text).len() <= LONGEST_KEY);
            assert!(beginning_pair(&text, &text).len() <= LONGEST_KEY);
        }
    }

    #[test]
    fn a_separator_in_a_text_does_not_make_two_halves() {
        assert_eq!(pair("a\u{1f}b", "").split(SEPARATOR).count(), 2);
    }
}
