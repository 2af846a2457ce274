//! Numbers (R4 "Search", number).

use super::decimal::{self, Decimal};
use super::prefix::Prefix;
use crate::entry::{Entry, ParameterId};
use crate::json::Value;
use crate::predicate::{Comparison, Test};
use crate::registry::path::DataType;

/// The rows of a number, or of a Range whose unit is left aside.
pub(crate) fn rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let bounds = match data_type {
        DataType::Range => bounds(value),
        _ => value.as_number().and_then(decimal::value).map(|number| (number, number)),
    };
    if let Some((low, high)) = bounds {
        rows.push(Entry { parameter, key: String::new(), low: Some(low), high: Some(high) });
    }
}

/// The ends of a Range; an end that is left open is infinite.
pub(super) fn bounds(range: &Value<'_>) -> Option<(f64, f64)> {
    let end = |name: &str| range.get(name)?.get("value")?.as_number().and_then(decimal::value);
    match (end("low"), end("high")) {
        (None, None) => None,
        (low, high) => Some((low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))),
    }
}

/// What a number in a query means, with its prefix.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn read(text: &str) -> Result<Test, &'static str> {
    let (prefix, number) = Prefix::split(text)?;
    decimal::parse(number).map(|wanted| test(prefix, &wanted)).ok_or("this is not a decimal")
}

/// What a number in a query means. Equality takes its precision as meant; a comparison takes it as exact (R4 "Search",
/// number: `lt100` is less than exactly 100).
pub(super) fn test(prefix: Prefix, wanted: &Decimal) -> Test {
    let Decimal { value, low, high } = *wanted;
    let within = || Test::Every(vec![Test::Low(Comparison::AtLeast, low), Test::High(Comparison::Less, high)]);
    match prefix {
        Prefix::Equal => within(),
        Prefix::NotEqual => {
            Test::Either([Test::Low(Comparison::Less, low), Test::High(Comparison::AtLeast, high)].into())
        }
        Prefix::Greater => Test::High(Comparison::Greater, value),
        Prefix::AtLeast => Test::High(Comparison::AtLeast, value),
        Prefix::Less => Test::Low(Comparison::Less, value),
        Prefix::AtMost => Test::Low(Comparison::AtMost, value),
        Prefix::StartsAfter => Test::Low(Comparison::Greater, value),
        Prefix::EndsBefore => Test::High(Comparison::Less, value),
        // R4 recommends 10% of the stated value; the precision is never narrower than that of equality.
        Prefix::About => {
            let tolerance = value.abs() / 10.0;
            Test::Every(vec![
                Test::High(Comparison::AtLeast, low.min(value - tolerance)),
                Test::Low(Comparison::AtMost, high.max(value + tolerance)),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(prefix: Prefix, wanted: &str, stored: f64) -> bool {
        let entry = Entry { parameter: ParameterId(1), key: String::new(), low: Some(stored), high: Some(stored) };
        test(prefix, &decimal::parse(wanted).expect("a decimal")).holds(&entry)
    }

    #[test]
    fn equality_honours_the_precision_of_the_query() {
        assert!(holds(Prefix::Equal, "100", 99.5));
        assert!(!holds(Prefix::Equal, "100", 100.5));
        assert!(!holds(Prefix::Equal, "100.00", 100.01));
        assert!(holds(Prefix::NotEqual, "100", 100.5));
        assert!(!holds(Prefix::NotEqual, "100", 100.0));
        assert!(holds(Prefix::Equal, "5.4", 5.4));
    }

    #[test]
    fn comparisons_are_exact() {
        assert!(!holds(Prefix::Greater, "140", 140.0));
        assert!(holds(Prefix::Greater, "140", 140.1));
        assert!(holds(Prefix::AtLeast, "140", 140.0));
        assert!(!holds(Prefix::AtLeast, "140", 139.9));
        assert!(!holds(Prefix::Less, "100", 100.0));
        assert!(holds(Prefix::AtMost, "100", 100.0));
        assert!(holds(Prefix::StartsAfter, "100", 100.1));
        assert!(holds(Prefix::EndsBefore, "100", 99.9));
        assert!(holds(Prefix::About, "100", 109.0) && !holds(Prefix::About, "100", 111.0));
    }

    #[test]
    fn a_range_gives_its_ends() {
        let number = |text: &'static str| Value::object([("value", Value::Number(text.into()))]);
        assert_eq!(bounds(&Value::object([("low", number("1")), ("high", number("2.5"))])), Some((1.0, 2.5)));
        assert_eq!(bounds(&Value::object([("low", number("1"))])), Some((1.0, f64::INFINITY)));
        assert_eq!(bounds(&Value::object([])), None);
    }
}
