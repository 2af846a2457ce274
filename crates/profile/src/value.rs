//! Values against values: what is fixed, what a pattern asks, and what lies between bounds.

use std::cmp::Ordering;

use concord_fhir::json::{Value, to_string};
use concord_fhir::path::order_of_values;

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
        (Value::Number(text), Value::Number(wanted)) => {
            text == wanted || order_of_values(one, other) == Some(Ordering::Equal)
        }
        _ => one.same(other),
    }
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

/// How a value stands to a bound; nothing if that cannot be said. A bound without a unit is about the number alone.
pub(crate) fn compare(value: &Value<'_>, bound: &Value<'_>) -> Option<Ordering> {
    let is_bare =
        bound.as_object().is_some() && ["system", "code", "unit"].iter().all(|name| bound.get(name).is_none());
    if is_bare && value.get("comparator").is_none() {
        return order_of_values(value.get("value")?, bound.get("value")?);
    }
    order_of_values(value, bound)
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
