//! Codes whose check digit does not fit: a digit is wrong or two have changed places.

use concord_fhir::json::Object;
use concord_fhir::schema::Met;

use super::{Oddity, text};

/// A LOINC code with another check digit (LOINC Users' Guide: modulo 10, every other digit doubled). What has another form,
/// answers (LA) and parts (LP) among it, is judged by nobody here.
pub(super) fn loinc(coding: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let code = text(coding, "code").filter(|_| text(coding, "system") == Some("http://loinc.org"))?;
    (!is_loinc(code)).then(|| ("code", "is no LOINC code: its check digit does not fit".to_owned()))
}

fn is_loinc(code: &str) -> bool {
    let Some((body, check)) = code.rsplit_once('-') else { return true };
    let (Ok(check), true) = (check.parse::<u32>(), check.len() == 1 && !body.is_empty()) else { return true };
    let Some(digits) = body.chars().map(|digit| digit.to_digit(10)).collect::<Option<Vec<u32>>>() else { return true };
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 0 { doubled(*digit) } else { *digit }).sum();
    (10 - sum % 10) % 10 == check
}

/// The product of the dihedral group of order 10, by which Verhoeff's check digit is worked out (SNOMED CT Technical
/// Implementation Guide, SCTID).
fn product(one: u8, other: u8) -> u8 {
    match (one < 5, other < 5) {
        (true, true) => (one + other) % 5,
        (true, false) => (one + other) % 5 + 5,
        (false, true) => (one + 5 - other) % 5 + 5,
        (false, false) => (one + 5 - other) % 5,
    }
}

/// What becomes of a digit in each place; the same again after eight.
const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

fn permuted(digit: u8, times: usize) -> u8 {
    (0..times % 8).fold(digit, |digit, _| PERMUTATION.get(usize::from(digit)).copied().unwrap_or(digit))
}

/// A SNOMED CT id with another check digit, and one of a description or relationship, which stands for no concept. An
/// expression is judged by nobody here.
pub(super) fn snomed(coding: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let system = text(coding, "system")?;
    if system != "http://snomed.info/sct" {
        return None;
    }
    let code = text(coding, "code")?;
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_expression = code.contains([':', '+', '|', '=']);
        let said = "is no SNOMED CT code: those are numbers of 6 to 18 digits".to_owned();
        return (!is_expression).then_some(("code", said));
    }
    let digits: Vec<u8> = code.bytes().rev().map(|byte| byte - b'0').collect();
    let sum = digits.iter().enumerate().fold(0, |sum, (place, digit)| product(sum, permuted(*digit, place)));
    if !(6..=18).contains(&digits.len()) || sum != 0 {
        return Some(("code", "is no SNOMED CT code: its check digit does not fit".to_owned()));
    }
    match digits.get(1) {
        Some(0) => None,
        Some(1) => Some(("code", "is the id of a description in SNOMED CT and not of a concept".to_owned())),
        Some(2) => Some(("code", "is the id of a relationship in SNOMED CT and not of a concept".to_owned())),
        _ => None,
    }
}
