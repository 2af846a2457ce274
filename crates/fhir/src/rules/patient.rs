//! Patient: an NHS number passes its check digit (NHS Data Dictionary, "NHS NUMBER", modulus 11).

use crate::issue::{Issue, IssueCode};
use crate::json::Value;

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

pub(super) fn check(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    for (position, identifier) in resource.list("identifier").iter().enumerate() {
        if identifier.text("system") != Some(NHS_NUMBER) {
            continue;
        }
        if !identifier.text("value").is_some_and(nhs_number_is_valid) {
            let place = format!("Patient.identifier[{position}].value");
            let text = "is no NHS number: ten digits without spaces, the last of them the check digit";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
}

/// Whether the text is ten digits whose last is the check digit of the others: weights 10 to 2, the sum modulo 11 taken
/// from 11, where 11 counts as 0 and 10 never occurs.
#[must_use]
pub fn nhs_number_is_valid(text: &str) -> bool {
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
    use super::super::prepare::tests::{NOW, SETTINGS, json, places, system};
    use super::super::{Settings, prepare};
    use super::*;
    use crate::registry::ResourceType;

    #[test]
    fn the_check_digit_tells() {
        for good in ["9912003888", "9000000009", "9876543210", "9434765919", "9449305552", "9990548609"] {
            assert!(nhs_number_is_valid(good), "{good}");
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
            assert!(!nhs_number_is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_wrong_number_is_refused_unless_the_check_is_off() {
        let text = r#"{"resourceType":"Patient","identifier":[{"system":"urn:other","value":"1"},
            {"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000012"}]}"#;
        assert_eq!(places(text, &system()), Err(vec!["Patient.identifier[1].value".to_owned()]));
        let off = Settings { check_nhs_number: false, ..SETTINGS };
        let resource_type = ResourceType::parse("Patient").unwrap();
        assert_eq!(prepare(resource_type, &mut json(text), &system(), NOW, &off), Ok(vec![]));
    }
}
