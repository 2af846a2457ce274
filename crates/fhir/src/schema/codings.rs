//! What is odd about a Coding: a code system that is nearly one that everybody knows, and a LOINC code whose check digit does not
//! fit. A slip like that is stored as it is, and found by nobody who asks for the right one.

use crate::json::{Object, Value};

const LOINC: &str = "http://loinc.org";

/// The code systems that are mistyped, by the host that tells which one is meant.
const KNOWN: [(&str, &str); 3] = [
    ("loinc.org", LOINC),
    ("snomed.info", "http://snomed.info/sct"),
    ("unitsofmeasure.org", "http://unitsofmeasure.org"),
];

/// The member that is odd, and what is to be said of it.
pub(super) fn oddity(coding: &Object<'_>) -> Option<(&'static str, String)> {
    let text = |name: &str| coding.get(name).and_then(Value::as_str);
    let system = text("system")?;
    if let Some(meant) = mistyped(system) {
        return Some(("system", format!("is not the address of a code system that is known; {meant} is")));
    }
    let code = text("code").filter(|_| system == LOINC)?;
    (!fits(code)).then(|| ("code", "is no LOINC code: its check digit does not fit".to_owned()))
}

/// The code system that is meant by one that is nearly it.
fn mistyped(system: &str) -> Option<&'static str> {
    let (_, meant) = KNOWN.iter().find(|(host, _)| {
        let rest = system.strip_prefix("http://").or_else(|| system.strip_prefix("https://")).unwrap_or(system);
        let rest = rest.strip_prefix("www.").unwrap_or(rest);
        let found = rest.split(['/', '|', '#']).next().unwrap_or_default();
        found.eq_ignore_ascii_case(host)
    })?;
    // Editions and versions, implicit value sets and the parts of LOINC have addresses below these.
    let is_below = |rest: &str| rest.len() > 1 && rest.starts_with('/');
    let is_own = system.strip_prefix(meant).is_some_and(|rest| rest.is_empty() || is_below(rest));
    (!is_own).then_some(*meant)
}

/// Whether the digit behind the dash is the check digit of those before it (LOINC Users' Guide: modulo 10, every other digit
/// doubled). What has another form is judged by nobody here.
fn fits(code: &str) -> bool {
    let Some((body, check)) = code.rsplit_once('-') else { return true };
    // Answers and parts (LA, LP) have a form of their own.
    let (Ok(check), true) = (check.parse::<u32>(), check.len() == 1 && !body.is_empty()) else { return true };
    let Some(digits) = body.chars().map(|digit| digit.to_digit(10)).collect::<Option<Vec<u32>>>() else { return true };
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(at, digit)| if at % 2 == 0 { doubled(*digit) } else { *digit }).sum();
    (10 - sum % 10) % 10 == check
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(system: &str, code: &str) -> Option<&'static str> {
        let value = crate::index::from_json(&json!({ "system": system, "code": code }));
        oddity(value.as_object().unwrap()).map(|(member, _)| member)
    }

    #[test]
    fn check_digits_of_loinc() {
        for code in ["8480-6", "8462-4", "85354-9", "29463-7", "15074-8", "2708-6", "60591-5", "42348-3"] {
            assert_eq!(found(LOINC, code), None, "{code}");
        }
        for code in ["8480-7", "8408-6", "15074-9"] {
            assert_eq!(found(LOINC, code), Some("code"), "{code}");
        }
        for other in ["8480", "x-y", "MTHU-1x", "LA6576-8", "-6"] {
            assert_eq!(found(LOINC, other), None, "{other}");
        }
        assert_eq!(found("urn:own", "8480-7"), None);
    }

    #[test]
    fn systems_that_are_nearly_right() {
        for system in
            ["loinc.org", "https://loinc.org", "http://loinc.org/", "http://www.loinc.org", "http://LOINC.org"]
        {
            assert_eq!(found(system, "8480-6"), Some("system"), "{system}");
        }
        for system in ["http://snomed.info", "http://snomed.info/sct/", "https://snomed.info/sct", "snomed.info/sct"] {
            assert_eq!(found(system, "1"), Some("system"), "{system}");
        }
        for system in [
            "http://snomed.info/sct",
            "http://snomed.info/sct/83821000000107",
            "http://unitsofmeasure.org",
            "http://loinc.org/property/PARENT",
            "urn:oid:2.16.840.1.113883.6.1",
            "http://example.org/loinc.org",
        ] {
            assert_eq!(found(system, "1"), None, "{system}");
        }
    }
}
