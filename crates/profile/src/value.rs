//! Values against values: what is fixed, what a pattern asks, and what lies between bounds.

use std::cmp::Ordering;

use concord_fhir::json::{Value, to_string};

/// Whether a value is the fixed one. Numbers are compared by what they say.
pub(crate) fn is_fixed(value: &Value<'_>, fixed: &Value<'_>) -> bool {
    match (value, fixed) {
        (Value::Object(own), Value::Object(wanted)) => {
            own.0.len() == wanted.0.len()
                && wanted.0.iter().all(|(name, wanted)| own.get(name).is_some_and(|own| is_fixed(own, wanted)))
        }
        (Value::Array(own), Value::Array(wanted)) => {
            own.len() == wanted.len() && own.iter().zip(wanted).all(|(own, wanted)| is_fixed(own, wanted))
        }
        _ => is_same(value, fixed),
    }
}

/// Whether a value holds all that a pattern asks: members by name, and for each item of a list one that holds it.
pub(crate) fn holds(value: &Value<'_>, pattern: &Value<'_>) -> bool {
    match (value, pattern) {
        (Value::Object(own), Value::Object(wanted)) => {
            wanted.0.iter().all(|(name, wanted)| own.get(name).is_some_and(|own| holds(own, wanted)))
        }
        (own, Value::Array(wanted)) => wanted.iter().all(|wanted| own.items().iter().any(|own| holds(own, wanted))),
        _ => is_same(value, pattern),
    }
}

fn is_same(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || number(one) == number(other),
        _ => one.same(other),
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// How much work a value is to compare, in steps: by its texts, and by its members, each of which is looked for among those
/// of the other.
pub(crate) fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Object(object) => {
            let members = object.0.len();
            members.saturating_mul(members) / 8 + object.0.iter().map(|(_, one)| weight(one)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|one| 1 + weight(one)).sum(),
        Value::String(text) | Value::Number(text) => text.len() / 64,
        Value::Null | Value::Bool(_) => 0,
    }
}

/// How a value stands to a bound; nothing if that cannot be said.
pub(crate) fn compare(value: &Value<'_>, bound: &Value<'_>) -> Option<Ordering> {
    match (value, bound) {
        (Value::Number(one), Value::Number(other)) => number(one)?.partial_cmp(&number(other)?),
        (Value::String(one), Value::String(other)) => in_time(one, other),
        // Quantities of the same unit.
        (Value::Object(one), Value::Object(other)) => {
            let unit = |object: &concord_fhir::json::Object<'_>| {
                let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
                (text("system"), text("code").or_else(|| text("unit")))
            };
            let (own, asked) = (unit(one), unit(other));
            if asked.1.is_some() && own != asked {
                return None;
            }
            compare(one.get("value")?, other.get("value")?)
        }
        _ => None,
    }
}

/// Dates and times as far as both say them: of different precision they cannot always be told apart. Offsets are taken
/// into account where both have one.
fn in_time(one: &str, other: &str) -> Option<Ordering> {
    let shorter = one.len().min(other.len());
    if one.contains('T') && other.contains('T') {
        let (one, other) = (moment(one)?, moment(other)?);
        return one.partial_cmp(&other);
    }
    let order = one.get(..shorter)?.cmp(other.get(..shorter)?);
    if order == Ordering::Equal && one.len() != other.len() { None } else { Some(order) }
}

/// The minutes since the year 0, roughly, and the seconds: enough to compare.
fn moment(text: &str) -> Option<(i64, f64)> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day, hour, minute) = (part(0, 4)?, part(5, 7)?, part(8, 10)?, part(11, 13)?, part(14, 16)?);
    let rest = text.get(16..)?;
    let zone = rest.find(['Z', '+', '-'])?;
    let seconds: f64 = rest.get(1..zone).unwrap_or("0").parse().unwrap_or(0.0);
    let offset = match rest.get(zone..)? {
        "Z" => 0,
        signed => {
            let minutes = signed.get(1..3)?.parse::<i64>().ok()? * 60 + signed.get(4..6)?.parse::<i64>().ok()?;
            if signed.starts_with('-') { -minutes } else { minutes }
        }
    };
    // Days from the civil date (proleptic Gregorian calendar).
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day;
    Some((days * 1_440 + hour * 60 + minute - offset, seconds))
}

/// How much of a text is shown.
const SHOWN: usize = 80;

/// A text as it may be repeated in a message.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A value as it may be repeated in a message.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => format!("'{}'", short(text)),
        other => short(&to_string(other)),
    }
}
