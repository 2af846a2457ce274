//! Quantities (R4 "Search", quantity): `[prefix][number]|[system]|[code]`, `[number]||[code]`, `[number]`.

use super::decimal::{self, Decimal};
use super::prefix::Prefix;
use super::{key, number};
use crate::entry::{Entry, ParameterId, SEPARATOR};
use crate::json::Value;
use crate::predicate::Test;
use crate::registry::Leaf;
use crate::registry::path::DataType;
use crate::ucum::{UCUM, Unit};

/// The code system of currencies.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// The rows of a Quantity, a Range of quantities or an amount of money.
pub(crate) fn rows(leaf: &Leaf, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let from = rows.len();
    plain_rows(leaf.parameter, leaf.data_type, value, rows);
    let quantity = match leaf.data_type {
        DataType::Money => return,
        DataType::Range => value.get("low").or_else(|| value.get("high")).unwrap_or(&Value::Null),
        _ => value,
    };
    let unit = quantity.text("code").filter(|_| quantity.text("system") == Some(UCUM)).and_then(Unit::read);
    let ends = rows.get(from).and_then(|row| Some((row.low?, row.high?)));
    if let (Some(unit), Some((low, high))) = (unit, ends) {
        let base_low = unit.in_base(low);
        // Most have one value, and to settle its digits is most of what this takes.
        let base_high = if high.total_cmp(&low).is_eq() { base_low } else { unit.in_base(high) };
        let key = key::single(&unit.dimension());
        rows.push(Entry { parameter: leaf.base_unit, key, low: Some(base_low), high: Some(base_high) });
    }
}

fn plain_rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    match data_type {
        DataType::Range => {
            if let Some(range) = number::bounds(value) {
                let unit_of = value.get("low").or_else(|| value.get("high"));
                push(parameter, unit_of.unwrap_or(&Value::Null), range, rows);
            }
        }
        DataType::Money => {
            if let Some(amount) = value.get("value").and_then(Value::as_number).and_then(decimal::value) {
                let key = key::pair(value.text("currency").unwrap_or_default(), CURRENCIES);
                rows.push(Entry { parameter, key, low: Some(amount), high: Some(amount) });
            }
        }
        _ => {
            if let Some(range) = covered(value) {
                push(parameter, value, range, rows);
            }
        }
    }
}

/// The range that a Quantity covers: its value, or with a comparator (`<`) all on that side of it.
fn covered(quantity: &Value<'_>) -> Option<(f64, f64)> {
    let value = quantity.get("value")?.as_number().and_then(decimal::value)?;
    Some(match quantity.text("comparator") {
        Some("<" | "<=") => (f64::NEG_INFINITY, value),
        Some(">" | ">=") => (value, f64::INFINITY),
        _ => (value, value),
    })
}

/// One row by code and system, and one by the unit as it is written for people, where that is another text.
fn push(parameter: ParameterId, quantity: &Value<'_>, (low, high): (f64, f64), rows: &mut Vec<Entry>) {
    let code = quantity.text("code").unwrap_or_default();
    let system = quantity.text("system").unwrap_or_default();
    let unit = quantity.text("unit").unwrap_or_default();
    let mut row = |key| rows.push(Entry { parameter, key, low: Some(low), high: Some(high) });
    if !code.is_empty() || !system.is_empty() || unit.is_empty() {
        row(key::pair(code, system));
    }
    if !unit.is_empty() && unit != code {
        row(key::pair(unit, ""));
    }
}

/// What a quantity in a query means. `parts` are the texts between `|`, without escapes.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn test(parts: &[String]) -> Result<Test, &'static str> {
    let (prefix, wanted, system, code) = parsed(parts)?;
    let value = number::test(prefix, &wanted);
    Ok(match (system.is_empty(), code.is_empty()) {
        (true, true) => value,
        (true, false) => Test::Every(vec![Test::Starts(half(code)), value]),
        (false, true) => {
            Test::Every(vec![Test::Ends(format!("{SEPARATOR}{}", key::marked(system, key::LONGEST_HALF))), value])
        }
        (false, false) => Test::Every(vec![Test::Is(key::pair(code, system)), value]),
    })
}

/// What a quantity in a query means for rows in base units, if its unit is one that others can be compared with.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn in_base_units(parts: &[String]) -> Result<Option<Test>, &'static str> {
    let (prefix, wanted, system, code) = parsed(parts)?;
    let unit = Some(code).filter(|_| system.is_empty() || system == UCUM).and_then(Unit::read);
    Ok(unit.filter(|_| !code.is_empty()).map(|unit| {
        let wanted = Decimal {
            value: unit.in_base(wanted.value),
            low: unit.in_base(wanted.low),
            high: unit.in_base(wanted.high),
        };
        Test::Every(vec![Test::Is(key::single(&unit.dimension())), number::test(prefix, &wanted)])
    }))
}

/// The prefix, the number, the system and the code.
fn parsed(parts: &[String]) -> Result<(Prefix, Decimal, &str, &str), &'static str> {
    let (number, system, code) = match parts {
        [number] => (number, "", ""),
        [number, system, code] => (number, system.as_str(), code.as_str()),
        _ => return Err("a quantity is a number, or a number, a system and a code with `|` between them"),
    };
    let (prefix, number) = Prefix::split(number)?;
    let wanted = decimal::parse(number).ok_or("the number of a quantity is not a decimal")?;
    Ok((prefix, wanted, system, code))
}

/// A first half and the separator.
fn half(text: &str) -> String {
    key::pair(text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &'static str) -> Vec<Entry> {
        let mut found = Vec::new();
        let value = Value::object([
            ("value", Value::Number(text.into())),
            ("unit", Value::string("millimoles per litre")),
            ("system", Value::string("http://unitsofmeasure.org")),
            ("code", Value::string("mmol/L")),
        ]);
        plain_rows(ParameterId(1), DataType::Quantity, &value, &mut found);
        found
    }

    fn matches(query: &str, stored: &'static str) -> bool {
        let parts: Vec<String> = query.split('|').map(str::to_owned).collect();
        let test = test(&parts).expect("a quantity");
        quantity(stored).iter().any(|row| test.holds(row))
    }

    #[test]
    fn a_quantity_is_found_by_value_code_and_unit() {
        assert!(matches("5.4", "5.4"));
        assert!(matches("5.4|http://unitsofmeasure.org|mmol/L", "5.40"));
        assert!(matches("5.4||mmol/L", "5.4"));
        assert!(matches("5.4||millimoles per litre", "5.4"));
        assert!(matches("gt5|http://unitsofmeasure.org|", "5.4"));
        assert!(!matches("5.4||mg", "5.4"));
        assert!(!matches("5.4|http://other.example|mmol/L", "5.4"));
        assert!(!matches("5.40", "5.41"));
    }

    #[test]
    fn a_comparator_leaves_one_side_open() {
        let mut found = Vec::new();
        let below = Value::object([("value", Value::Number("3".into())), ("comparator", Value::string("<"))]);
        plain_rows(ParameterId(1), DataType::Quantity, &below, &mut found);
        assert_eq!((found[0].low, found[0].high), (Some(f64::NEG_INFINITY), Some(3.0)));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for query in [vec!["x"], vec!["5", "a"], vec!["1", "a", "b", "c"], vec!["zz5", "a", "b"], vec![""]] {
            let parts: Vec<String> = query.into_iter().map(str::to_owned).collect();
            assert!(test(&parts).is_err(), "{parts:?}");
        }
    }

    #[test]
    fn money_is_found_by_its_currency() {
        let mut found = Vec::new();
        let pounds = Value::object([("value", Value::Number("12.50".into())), ("currency", Value::string("GBP"))]);
        plain_rows(ParameterId(1), DataType::Money, &pounds, &mut found);
        assert_eq!(found[0].key, "GBP\u{1f}urn:iso:std:iso:4217");
    }
}
