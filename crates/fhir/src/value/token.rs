//! Tokens (R4 "Search", token): `[code]`, `[system]|[code]`, `|[code]`, `[system]|`. Codes are compared as written; identifiers,
//! e-mail addresses and other texts of no code system in any case.

use super::{key, string};
use crate::entry::{Entry, ParameterId, SEPARATOR};
use crate::json::Value;
use crate::predicate::Test;
use crate::registry::Leaf;
use crate::registry::path::DataType;
use crate::terminology::Code;

/// The rows of a value that is searched as a token, those of its texts and of its type.
pub(crate) fn rows(leaf: &Leaf, value: &Value<'_>, rows: &mut Vec<Entry>) {
    plain_rows(leaf.parameter, leaf.data_type, value, rows);
    rows.extend(
        plain_text(leaf.data_type, value).and_then(|(text, system)| in_lower_case(leaf.any_case, text, system)),
    );
    match leaf.data_type {
        DataType::CodeableConcept => {
            text_rows(leaf, value.text("text"), rows);
            value.list("coding").iter().for_each(|coding| text_rows(leaf, coding.text("display"), rows));
        }
        DataType::Coding => text_rows(leaf, value.text("display"), rows),
        DataType::Identifier => {
            let Some(kind) = value.get("type") else { return };
            text_rows(leaf, kind.text("text"), rows);
            let number = value.text("value").unwrap_or_default();
            for coding in kind.list("coding") {
                let (system, code) =
                    (coding.text("system").unwrap_or_default(), coding.text("code").unwrap_or_default());
                if !code.is_empty() && !number.is_empty() {
                    rows.push(Entry {
                        parameter: leaf.of_type,
                        key: typed(system, code, number),
                        low: None,
                        high: None,
                    });
                    let lower = number.to_lowercase();
                    if lower != number {
                        let key = typed(system, code, &lower);
                        rows.push(Entry { parameter: leaf.any_case, key, low: None, high: None });
                    }
                }
            }
        }
        _ => {}
    }
}

/// The plain text that a value is searched by, and its system.
fn plain_text<'v>(data_type: DataType, value: &'v Value<'_>) -> Option<(&'v str, &'v str)> {
    match data_type {
        DataType::Identifier => Some((value.text("value")?, value.text("system").unwrap_or_default())),
        DataType::ContactPoint => Some((value.text("value")?, "")),
        DataType::String => Some((value.as_str()?, "")),
        _ => None,
    }
}

/// The row by which a plain text is found in any case, if it is not in lower case: then its own row does.
pub(crate) fn in_lower_case(parameter: ParameterId, text: &str, system: &str) -> Option<Entry> {
    let lower = text.to_lowercase();
    (lower != text).then(|| Entry { parameter, key: key::pair(&lower, system), low: None, high: None })
}

/// What finds a plain text however it is written, by the `test` that finds it as it is written: in both rows that it may have,
/// as it is asked for and in lower case. None where it has no case.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn in_any_case(
    parts: &[String],
    test: fn(&[String]) -> Result<Test, &'static str>,
) -> Result<Option<[Test; 2]>, &'static str> {
    let Some((last, before)) = parts.split_last() else { return Ok(None) };
    let lower = last.to_lowercase();
    if lower == last.to_uppercase() {
        return Ok(None);
    }
    let folded: Vec<String> = before.iter().cloned().chain([lower]).collect();
    Ok(Some([test(parts)?, test(&folded)?]))
}

/// The row of a text that goes with a token.
fn text_rows(leaf: &Leaf, text: Option<&str>, rows: &mut Vec<Entry>) {
    let folded = text.map(string::fold).filter(|folded| !folded.is_empty());
    rows.extend(folded.map(|folded| Entry {
        parameter: leaf.text,
        key: key::beginning_pair(&folded, ""),
        low: None,
        high: None,
    }));
}

/// The key of an identifier with its type.
fn typed(system: &str, code: &str, number: &str) -> String {
    key::pair(number, &format!("{system}|{code}"))
}

/// What `:of-type` asks for. `parts` are the texts between `|`, without escapes.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn of_type(parts: &[String]) -> Result<Test, &'static str> {
    match parts {
        [system, code, number] if !system.is_empty() && !code.is_empty() && !number.is_empty() => {
            Ok(Test::Is(typed(system, code, number)))
        }
        _ => Err("`:of-type` takes the system and code of the type and the value, with `|` between them"),
    }
}

fn plain_rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let mut push = |code: &str, system: &str| {
        if !code.is_empty() || !system.is_empty() {
            rows.push(Entry { parameter, key: key::pair(code, system), low: None, high: None });
        }
    };
    match data_type {
        DataType::CodeableConcept => {
            for coding in value.list("coding") {
                push(coding.text("code").unwrap_or_default(), coding.text("system").unwrap_or_default());
            }
        }
        DataType::Coding => push(value.text("code").unwrap_or_default(), value.text("system").unwrap_or_default()),
        DataType::Identifier => {
            push(value.text("value").unwrap_or_default(), value.text("system").unwrap_or_default());
        }
        DataType::ContactPoint => push(value.text("value").unwrap_or_default(), ""),
        DataType::Deceased => push(if deceased(value) { "true" } else { "false" }, ""),
        _ => match value {
            Value::Bool(true) => push("true", ""),
            Value::Bool(false) => push("false", ""),
            Value::String(text) => push(text, ""),
            _ => {}
        },
    }
}

/// Whether the patient has died: a date says so, or `true` does (R4 search parameter `Patient-deceased`).
fn deceased(patient: &Value<'_>) -> bool {
    patient.get("deceasedDateTime").is_some() || patient.get("deceasedBoolean") == Some(&Value::Bool(true))
}

/// What a token in a query means. `parts` are the texts between `|`, without escapes.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn test(parts: &[String]) -> Result<Test, &'static str> {
    match parts {
        [code] if !code.is_empty() => Ok(Test::Starts(key::pair(code, ""))),
        [system, code] if !system.is_empty() && code.is_empty() => {
            Ok(Test::Ends(format!("{SEPARATOR}{}", key::marked(system, key::LONGEST_HALF))))
        }
        [system, code] if !code.is_empty() => Ok(Test::Is(key::pair(code, system))),
        _ => Err("a token is `code`, `system|code`, `|code` or `system|`"),
    }
}

/// The test that a token is one of these codes. Of a parameter whose values say no system (`bare`), the code alone is
/// compared.
#[must_use]
pub fn of_codes<'c>(bare: bool, codes: impl Iterator<Item = &'c Code>) -> Test {
    let mut keys: Vec<String> = codes.map(|code| key::pair(&code.code, if bare { "" } else { &code.system })).collect();
    keys.dedup();
    Test::OneOf(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data_type: DataType, value: &Value<'_>) -> Vec<String> {
        let mut entries = Vec::new();
        plain_rows(ParameterId(1), data_type, value, &mut entries);
        entries.into_iter().map(|entry| entry.key).collect()
    }

    fn coding(system: &'static str, code: &'static str) -> Value<'static> {
        Value::object([("system", Value::string(system)), ("code", Value::string(code))])
    }

    fn matches(query: &str, key: &str) -> bool {
        let parts: Vec<String> = query.split('|').map(str::to_owned).collect();
        let entry = Entry { parameter: ParameterId(1), key: key.to_owned(), low: None, high: None };
        test(&parts).expect("a token").holds(&entry)
    }

    #[test]
    fn every_data_type_gives_code_and_system() {
        let concept = Value::object([("coding", Value::Array(vec![coding("http://loinc.org", "1"), coding("", "2")]))]);
        assert_eq!(found(DataType::CodeableConcept, &concept), ["1\u{1f}http://loinc.org", "2\u{1f}"]);
        assert!(found(DataType::CodeableConcept, &Value::object([("text", Value::string("x"))])).is_empty());
        assert_eq!(found(DataType::Coding, &Value::object([("system", Value::string("s"))])), ["\u{1f}s"]);
        let identifier = Value::object([("system", Value::string("s")), ("value", Value::string("v"))]);
        assert_eq!(found(DataType::Identifier, &identifier), ["v\u{1f}s"]);
        assert_eq!(found(DataType::Boolean, &Value::Bool(false)), ["false\u{1f}"]);
        assert_eq!(found(DataType::Code, &Value::string("final")), ["final\u{1f}"]);
        let phone = Value::object([("system", Value::string("phone")), ("value", Value::string("07700"))]);
        assert_eq!(found(DataType::ContactPoint, &phone), ["07700\u{1f}"]);
        assert!(found(DataType::Coding, &Value::string("not an object")).is_empty());
    }

    #[test]
    fn a_patient_is_dead_or_not() {
        let patient = |name: &'static str, value| Value::object([(name, value)]);
        assert_eq!(found(DataType::Deceased, &patient("active", Value::Bool(true))), ["false\u{1f}"]);
        assert_eq!(found(DataType::Deceased, &patient("deceasedBoolean", Value::Bool(false))), ["false\u{1f}"]);
        assert_eq!(found(DataType::Deceased, &patient("deceasedBoolean", Value::Bool(true))), ["true\u{1f}"]);
        assert_eq!(found(DataType::Deceased, &patient("deceasedDateTime", Value::string("2020"))), ["true\u{1f}"]);
    }

    #[test]
    fn the_four_forms_match_as_they_say() {
        let (with, without) = ("1\u{1f}http://loinc.org", "1\u{1f}");
        assert!(matches("1", with) && matches("1", without) && !matches("1", "12\u{1f}"));
        assert!(matches("http://loinc.org|1", with) && !matches("http://loinc.org|1", without));
        assert!(!matches("|1", with) && matches("|1", without));
        assert!(matches("http://loinc.org|", with) && !matches("http://loinc.org|", without));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for query in ["", "|", "a|b|c"] {
            let parts: Vec<String> = query.split('|').map(str::to_owned).collect();
            assert!(test(&parts).is_err(), "{query}");
        }
    }
}
