//! How two values stand to one another as they lie in resources and definitions, with no expression between them: bounds of
//! profiles and forms.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::moment::{Calendar, Kind, Moment, Precision};
use super::quantity::Quantity;
use crate::json::Value;

/// How one value stands to another: numbers by their digits, dates and times as far as both tell, quantities in units that can
/// be converted. Nothing where that does not say, or they are of different kinds.
#[must_use]
pub fn order_of_values(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Decimal::read(one)?.compare(Decimal::read(other)?),
        (Value::String(one), Value::String(other)) => {
            let (one, other) = (moment(one)?, moment(other)?);
            if (one.kind == Kind::Time) == (other.kind == Kind::Time) { one.compare(&other) } else { None }
        }
        (Value::Object(_), Value::Object(_)) => Quantity::of_value(one)?.compare(&Quantity::of_value(other)?),
        _ => None,
    }
}

/// How a date or time stands to one so long before `now`, or after it (R4 `ElementDefinition.minValue[x]`, of a Duration).
#[must_use]
pub fn order_by_now(value: &Value<'_>, length: &Value<'_>, is_before: bool, now: &str) -> Option<Ordering> {
    let value = moment(value.as_str()?).filter(|value| value.kind != Kind::Time)?;
    let amount = Decimal::read(length.get("value")?.as_number()?)?.to_integer()?;
    let unit = Calendar::coded(length.text("code")?)?;
    let bound = Moment::date_time(now)?.plus(if is_before { amount.checked_neg()? } else { amount }, unit)?;
    // What tells a day alone is held against the day.
    value.compare(&if value.precision > Precision::Day { bound } else { bound.date_part() })
}

fn moment(text: &str) -> Option<Moment> {
    if text.as_bytes().get(2) == Some(&b':') { Moment::time(text) } else { Moment::date_time(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn order(one: &str, other: &str) -> Option<Ordering> {
        let [one, other] = [one, other].map(|text| parse(text.as_bytes(), &Limits::default()).unwrap().into_owned());
        order_of_values(&one, &other)
    }

    #[test]
    fn values_of_every_kind_that_may_be_a_bound() {
        let quantity = |value: &str, code: &str| {
            format!(r#"{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#)
        };
        for (less, more) in [
            ("1", "2"),
            ("-1.2", "-1.10"),
            ("0.1", "0.10000000000000000001"),
            (r#""2026-01-01""#, r#""2026-01-02""#),
            (r#""2025""#, r#""2026-01""#),
            (r#""2026-01-01T10:00:00Z""#, r#""2026-01-01T10:00:00.5Z""#),
            (r#""2026-01-01T10:00:00+02:00""#, r#""2026-01-01T09:00:00Z""#),
            (r#""09:30:00""#, r#""10:00:00""#),
            (&quantity("5.4", "mmol/L"), &quantity("5500", "umol/L")),
            (&quantity("179", "cm"), &quantity("1.8", "m")),
            (r#"{"value":1,"unit":"drops"}"#, r#"{"value":2,"unit":"drops"}"#),
        ] {
            assert_eq!(order(less, more), Some(Ordering::Less), "{less} {more}");
            assert_eq!(order(more, less), Some(Ordering::Greater), "{more} {less}");
            assert_eq!(order(less, less), Some(Ordering::Equal), "{less}");
        }
        assert_eq!(order("1.10", "1.1"), Some(Ordering::Equal));
        assert_eq!(order(&quantity("1.80", "m"), &quantity("180", "cm")), Some(Ordering::Equal));
        for (one, other) in [
            (&*quantity("1", "mmol/L"), &*quantity("1", "mg/dL")),
            (&quantity("1", "kg"), r#"{"value":1,"unit":"kg"}"#),
            (r#"{"value":1,"comparator":"<","unit":"kg"}"#, r#"{"value":1,"unit":"kg"}"#),
            (r#""2026""#, r#""2026-01""#),
            (r#""10:00:00""#, r#""2026-01-01""#),
            (r#""a""#, r#""b""#),
            ("1", r#""1""#),
        ] {
            assert_eq!(order(one, other), None, "{one} {other}");
        }
    }

    #[test]
    fn bounds_go_by_the_time() {
        let now = "2026-11-29T12:00:00.000Z";
        for (value, amount, code, is_before, wanted) in [
            ("2026-11-28", 1, "d", true, Some(Ordering::Equal)),
            ("2026-11-27", 1, "d", true, Some(Ordering::Less)),
            ("2027-11-29", 1, "a", false, Some(Ordering::Equal)),
            ("2026-11-29T11:00:01Z", 1, "h", true, Some(Ordering::Greater)),
            ("2026", 1, "d", true, None),
            ("2026-11-28", 1, "kg", true, None),
            ("12:00:00", 1, "h", true, None),
        ] {
            let length = format!(r#"{{"value":{amount},"system":"http://unitsofmeasure.org","code":"{code}"}}"#);
            let length = parse(length.as_bytes(), &Limits::default()).unwrap().into_owned();
            let value = Value::string(value);
            assert_eq!(order_by_now(&value, &length, is_before, now), wanted, "{value:?} {amount} {code}");
        }
    }
}
