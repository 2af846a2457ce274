//! Strings (R4 "Search", string): compared without regard to case, accents, punctuation or repeated spaces.

use super::key;
use crate::entry::{Entry, ParameterId, SEPARATOR};
use crate::json::Value;
use crate::predicate::Test;
use crate::registry::path::DataType;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The parts of a HumanName that it is found by.
const NAME_PARTS: [&str; 5] = ["family", "given", "prefix", "suffix", "text"];

/// The parts of an Address that it is found by.
const ADDRESS_PARTS: [&str; 7] = ["line", "city", "district", "state", "postalCode", "country", "text"];

/// A text as it is compared: no accents, no capitals, no punctuation, one space between words. Apostrophes and full
/// stops go without a trace (`O'Neill`, `St.`), other punctuation counts as a space (`Smith-Jones`).
pub(crate) fn fold(text: &str) -> String {
    match text.is_ascii() {
        true => fold_ascii(text),
        false => fold_letters(text.len(), text.nfkd().filter(|letter| !is_combining_mark(*letter))),
    }
}

/// The same of what has no accents: most texts, of which every letter is looked at for several rows.
fn fold_ascii(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for byte in text.bytes() {
        match byte {
            b'\'' | b'`' | b'.' => {}
            byte if byte.is_ascii_alphanumeric() => {
                if gap && !folded.is_empty() {
                    folded.push(' ');
                }
                gap = false;
                folded.push(char::from(byte.to_ascii_lowercase()));
            }
            // White space, punctuation and control characters.
            _ => gap = true,
        }
    }
    folded
}

fn fold_letters(length: usize, letters: impl Iterator<Item = char>) -> String {
    let mut folded = String::with_capacity(length);
    let mut gap = false;
    for letter in letters {
        match letter {
            '\'' | '\u{2019}' | '\u{2018}' | '\u{02bc}' | '`' | '.' => {}
            letter if letter.is_whitespace() || is_punctuation(letter) => gap = true,
            letter => {
                if gap && !folded.is_empty() {
                    folded.push(' ');
                }
                gap = false;
                folded.extend(letter.to_lowercase());
            }
        }
    }
    folded
}

/// Punctuation and control characters; symbols of other scripts are kept as letters.
fn is_punctuation(letter: char) -> bool {
    letter.is_ascii_punctuation() || letter.is_control() || matches!(letter, '\u{2010}'..='\u{2027}')
}

/// The rows of a text, or of each part of a name or an address.
pub(crate) fn rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let mut push = |text: &Value<'_>| {
        if let Some(text) = text.as_str() {
            rows.push(Entry { parameter, key: key::beginning_pair(&fold(text), text), low: None, high: None });
        }
    };
    let parts: &[&str] = match data_type {
        DataType::HumanName => &NAME_PARTS,
        DataType::Address => &ADDRESS_PARTS,
        _ => return push(value),
    };
    for part in parts {
        value.list(part).iter().for_each(&mut push);
    }
}

/// The row's text begins so.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn begins(wanted: &str) -> Result<Test, &'static str> {
    folded(wanted).map(Test::Starts)
}

/// The row's text has this in it.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn contains(wanted: &str) -> Result<Test, &'static str> {
    folded(wanted).map(Test::Contains)
}

/// The row's text ends so. Of a very long text the end is not kept.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn ends(wanted: &str) -> Result<Test, &'static str> {
    folded(wanted).map(Test::FirstEnds)
}

/// The row's text is this, without regard to case and accents.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn is(wanted: &str) -> Result<Test, &'static str> {
    folded(wanted).map(|folded| Test::Starts(format!("{folded}{SEPARATOR}")))
}

/// The row's text is exactly this.
pub(crate) fn exact(wanted: &str) -> Test {
    Test::Is(key::beginning_pair(&fold(wanted), wanted))
}

fn folded(wanted: &str) -> Result<String, &'static str> {
    let folded = fold(wanted);
    if folded.is_empty() {
        return Err("there is no letter or digit to search for");
    }
    Ok(key::beginning(&folded).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_accents_is_folded_like_all_else() {
        for letter in (0..128_u8).map(char::from) {
            for text in [format!("{letter}"), format!("aB{letter}Cd"), format!("{letter} x"), format!("x {letter}")] {
                assert_eq!(fold_ascii(&text), fold_letters(0, text.nfkd()), "{text:?}");
            }
        }
    }

    #[test]
    fn texts_are_folded() {
        for (text, wanted) in [
            ("Siân  O’Neill", "sian oneill"),
            ("SMITH-JONES", "smith jones"),
            ("St. Mary's\tHospital", "st marys hospital"),
            (" 12, High Street ", "12 high street"),
            ("Łukasz", "łukasz"),
            ("ﬁne", "fine"),
            ("İ", "i"),
            ("李", "李"),
            ("--", ""),
        ] {
            assert_eq!(fold(text), wanted, "{text}");
        }
    }

    #[test]
    fn every_part_of_a_name_is_found() {
        let given = Value::Array(vec![Value::string("Amy"), Value::Null, Value::string("Siân")]);
        let name = Value::object([("family", Value::string("Shaw")), ("given", given)]);
        let mut found = Vec::new();
        rows(ParameterId(1), DataType::HumanName, &name, &mut found);
        let keys: Vec<_> = found.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["shaw\u{1f}Shaw", "amy\u{1f}Amy", "sian\u{1f}Siân"]);
        let holds = |test: Test| found.iter().any(|row| test.holds(row));
        assert!(holds(begins("SIA").expect("a text")));
        assert!(!holds(begins("ian").expect("a text")));
        assert!(holds(contains("ian").expect("a text")));
        assert!(holds(exact("Siân")) && !holds(exact("Sian")));
    }

    #[test]
    fn nothing_but_punctuation_is_refused() {
        assert!(begins("--").is_err());
        assert!(contains("").is_err());
    }

    #[test]
    fn a_long_text_is_found_by_its_beginning() {
        let long = "abc ".repeat(500);
        let mut found = Vec::new();
        rows(ParameterId(1), DataType::String, &Value::string(long.as_str()), &mut found);
        assert!(begins(&long).expect("a text").holds(&found[0]));
        assert!(exact(&long).holds(&found[0]));
        assert!(!exact(&format!("{long}d")).holds(&found[0]));
    }
}
