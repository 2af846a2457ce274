//! The NHS number (NHS Data Dictionary, "NHS NUMBER"): by which NHS systems name a patient.

use crate::entry::SEPARATOR;
use crate::json::Value;

/// `Identifier.system` of an NHS number.
pub const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// The number that an Identifier is, if it is an NHS number.
#[must_use]
pub fn of_identifier<'v>(identifier: &'v Value<'_>) -> Option<&'v str> {
    identifier.text("value").filter(|value| !value.is_empty() && identifier.text("system") == Some(SYSTEM))
}

/// The key by which the index has what bears a number.
#[must_use]
pub fn key(number: &str) -> String {
    format!("{number}{SEPARATOR}{SYSTEM}")
}

/// The number that such a key is of.
#[must_use]
pub fn of_key(key: &str) -> Option<&str> {
    key.strip_suffix(SYSTEM)?.strip_suffix(SEPARATOR).filter(|number| !number.is_empty())
}

/// The NHS numbers that a resource bears itself, sorted, each once.
#[must_use]
pub fn borne(resource: &Value<'_>) -> Vec<String> {
    let mut numbers: Vec<String> =
        resource.list("identifier").iter().filter_map(of_identifier).map(str::to_owned).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Whether the text is ten digits whose last is the check digit of the others: weights 10 to 2, the sum modulo 11 taken
/// from 11, where 11 counts as 0 and 10 never occurs.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().map_while(|digit| digit.to_digit(10)).collect();
    let [body @ .., last] = digits.as_slice() else { return false };
    if body.len() != 9 || text.len() != 10 {
        return false;
    }
    let sum: u32 = body.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    (11 - sum % 11) % 11 == *last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_tells() {
        for good in ["9912003888", "9000000009", "9876543210", "9434765919", "9449305552", "9990548609"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "9000000012",
            "9000000111",
            "9000000119",
            "991200388",
            "99120038888",
            "991 200 3888",
            "99120038é",
            "",
            "991200388X",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_is_of_its_number() {
        assert_eq!(of_key(&key("9434765919")), Some("9434765919"));
        for other in ["9434765919", "9434765919\u{1f}", "9434765919\u{1f}urn:x", ""] {
            assert_eq!(of_key(other), None, "{other}");
        }
    }

    #[test]
    fn a_resource_bears_each_number_once() {
        let number = |value: &str| serde_json::json!({ "system": SYSTEM, "value": value });
        let patient = serde_json::json!({ "identifier": [
            number("2"), number("1"), number("2"), number(""), { "system": "urn:x", "value": "3" }, { "value": "4" },
        ] });
        assert_eq!(borne(&crate::index::from_json(&patient)), ["1", "2"]);
    }
}
