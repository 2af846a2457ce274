//! When two items are equal, equivalent, or one is less (FHIRPath "Equality", "Comparison").

use std::cmp::Ordering;
use std::collections::HashSet;

use super::decimal::Decimal;
use super::evaluation::{Evaluation, length};
use super::fault::Fault;
use super::item::{Item, System};
use super::moment::Kind;
use super::quantity::{Quantity, is_near};
use crate::json::Value;

impl<'a> Evaluation<'a> {
    /// Whether two items are equal; nothing where what is told of them does not say.
    pub(super) fn equal(&mut self, one: &Item<'a>, two: &Item<'a>) -> Result<Option<bool>, Fault> {
        self.spend(1)?;
        self.spend_on_text(length(one).min(length(two)))?;
        if let (Some(one), Some(two)) = (one.as_text(), two.as_text())
            && is_plain(&one, &two)
        {
            return Ok(Some(one == two));
        }
        match (one.system(), two.system()) {
            (Some(one), Some(two)) => Ok(equal_values(&one, &two)),
            (None, None) => match (one, two) {
                (Item::Node(one), Item::Node(two)) if one.identity() == two.identity() => Ok(Some(true)),
                (Item::Node(one), Item::Node(two)) => {
                    let is_same = self.same(one.value, two.value)? && self.same(one.beside, two.beside)?;
                    Ok(Some(is_same))
                }
                (Item::Type(one, name), Item::Type(two, other)) => Ok(Some(one == two && name == other)),
                _ => Ok(Some(false)),
            },
            _ => {
                // A primitive that has no value is equal to no value, nor surely unequal.
                let has_none =
                    |item: &Item<'_>| matches!(item, Item::Node(node) if node.is_primitive() && node.value.is_none());
                Ok(if has_none(one) || has_none(two) { None } else { Some(false) })
            }
        }
    }

    /// Whether two values of a resource say the same, numbers by their value.
    fn same(&mut self, one: Option<&Value<'_>>, two: Option<&Value<'_>>) -> Result<bool, Fault> {
        self.spend(1)?;
        self.spend_on_text(width(one).min(width(two)))?;
        match (one, two) {
            (None, None) => Ok(true),
            (Some(Value::Number(one)), Some(Value::Number(two))) => {
                Ok(match (Decimal::read(one), Decimal::read(two)) {
                    (Some(one), Some(two)) => one.compare(two) == Some(Ordering::Equal),
                    _ => one == two,
                })
            }
            (Some(Value::Array(one)), Some(Value::Array(two))) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for (one, two) in one.iter().zip(two) {
                    if !self.same(Some(one), Some(two))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Some(Value::Object(one)), Some(Value::Object(two))) => {
                if one.0.len() != two.0.len() {
                    return Ok(false);
                }
                let two = two.names();
                for (name, value) in &one.0 {
                    let Some(other) = two.get(name) else { return Ok(false) };
                    if !self.same(Some(value), Some(other))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Some(one), Some(two)) => Ok(one.same(two)),
            _ => Ok(false),
        }
    }

    /// Whether two items are equivalent: equal without regard to case, spaces, order and needless precision.
    pub(super) fn equivalent(&mut self, one: &Item<'a>, two: &Item<'a>) -> Result<bool, Fault> {
        self.spend(1)?;
        self.spend_on_text(length(one) + length(two))?;
        match (one.system(), two.system()) {
            (Some(one), Some(two)) => Ok(match (&one, &two) {
                (System::String(one), System::String(two)) => plain(one) == plain(two),
                (System::Quantity(one), System::Quantity(two)) => one.is_equivalent(two),
                (one, two) => match (number(one), number(two)) {
                    (Some(one), Some(two)) => is_near(one, two),
                    _ => equal_values(one, two).unwrap_or(false),
                },
            }),
            (None, None) => match (one, two) {
                (Item::Node(one), Item::Node(two)) => match (one.value, two.value) {
                    (Some(one), Some(two)) => self.alike(one, two),
                    (one, two) => Ok(one.is_none() && two.is_none()),
                },
                _ => Ok(self.equal(one, two)?.unwrap_or(false)),
            },
            _ => Ok(false),
        }
    }

    /// Whether two values of a resource are equivalent.
    fn alike(&mut self, one: &Value<'_>, two: &Value<'_>) -> Result<bool, Fault> {
        self.spend(1)?;
        self.spend_on_text(width(Some(one)) + width(Some(two)))?;
        match (one, two) {
            (Value::String(one), Value::String(two)) => Ok(plain(one) == plain(two)),
            (Value::Number(one), Value::Number(two)) => Ok(match (Decimal::read(one), Decimal::read(two)) {
                (Some(one), Some(two)) => is_near(one, two),
                _ => one == two,
            }),
            (Value::Array(one), Value::Array(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                let mut left: Vec<&Value<'_>> = two.iter().collect();
                for value in one {
                    let mut found = None;
                    for (position, other) in left.iter().enumerate() {
                        if self.alike(value, other)? {
                            found = Some(position);
                            break;
                        }
                    }
                    match found {
                        Some(position) => left.swap_remove(position),
                        None => return Ok(false),
                    };
                }
                Ok(true)
            }
            (Value::Object(one), Value::Object(two)) => {
                if one.0.len() != two.0.len() {
                    return Ok(false);
                }
                let two = two.names();
                for (name, value) in &one.0 {
                    let Some(other) = two.get(name) else { return Ok(false) };
                    if !self.alike(value, other)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (one, two) => Ok(one == two),
        }
    }

    /// Whether an item is in a collection.
    pub(super) fn has(&mut self, items: &[Item<'a>], item: &Item<'a>) -> Result<bool, Fault> {
        for other in items {
            if self.equal(other, item)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The items without those that equal an earlier one.
    pub(super) fn distinct(&mut self, items: Vec<Item<'a>>) -> Result<Vec<Item<'a>>, Fault> {
        let mut texts = HashSet::new();
        let mut kept: Vec<Item<'a>> = Vec::with_capacity(items.len());
        // Where the others than plain texts stand among those that are kept.
        let mut others: Vec<usize> = Vec::new();
        for item in items {
            self.spend(1)?;
            self.spend_on_text(length(&item))?;
            if let Some(System::String(text)) = item.system() {
                if texts.insert(text) {
                    kept.push(item);
                }
                continue;
            }
            let mut is_there = false;
            for position in &others {
                let Some(other) = kept.get(*position) else { continue };
                let other = other.clone();
                if self.equal(&other, &item)? == Some(true) {
                    is_there = true;
                    break;
                }
            }
            if !is_there {
                others.push(kept.len());
                kept.push(item);
            }
        }
        Ok(kept)
    }
}

/// How many bytes of a value are looked at before what is in it is.
fn width(value: Option<&Value<'_>>) -> usize {
    match value {
        Some(Value::String(text) | Value::Number(text)) => text.len(),
        _ => 0,
    }
}

/// Whether two texts are equal if and only if they are the same: neither is a date, a time or a number.
fn is_plain(one: &str, two: &str) -> bool {
    !one.starts_with(|first: char| first.is_ascii_digit()) && !two.starts_with(|first: char| first.is_ascii_digit())
}

/// A text in lower case, with one space for all that stand together.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The number of a value, if it is one.
pub(super) fn number(value: &System<'_>) -> Option<Decimal> {
    match value {
        System::Integer(number) => Some(Decimal::integer(*number)),
        System::Decimal(number) => Some(*number),
        _ => None,
    }
}

/// A quantity, or a number as one.
fn quantity<'a>(value: &System<'a>) -> Option<Quantity<'a>> {
    match value {
        System::Quantity(quantity) => Some(quantity.as_ref().clone()),
        other => number(other).map(Quantity::plain),
    }
}

fn equal_values(one: &System<'_>, two: &System<'_>) -> Option<bool> {
    match (one, two) {
        (System::Boolean(one), System::Boolean(two)) => Some(one == two),
        (System::String(one), System::String(two)) => Some(one == two),
        (System::Moment(one), System::Moment(two)) if (one.kind == Kind::Time) == (two.kind == Kind::Time) => {
            one.compare(two).map(Ordering::is_eq)
        }
        (one, two) => match (number(one), number(two)) {
            (Some(one), Some(two)) => one.compare(two).map(Ordering::is_eq),
            _ => match (quantity(one), quantity(two)) {
                (Some(one), Some(two)) => one.compare(&two).map(Ordering::is_eq),
                _ => Some(false),
            },
        },
    }
}

/// Which of two items is less; nothing where what is told of them does not say.
pub(super) fn order(one: &Item<'_>, two: &Item<'_>) -> Result<Option<Ordering>, Fault> {
    let wrong = || {
        let text = format!("a {} is not compared with a {}", one.type_name().1, two.type_name().1);
        Err(Fault::wrong(text))
    };
    let (first, second) = match (one.system(), two.system()) {
        (Some(first), Some(second)) => (first, second),
        _ => {
            // A primitive or a quantity without a value says nothing; of anything else there is no order.
            let may_be_empty = |item: &Item<'_>| {
                item.system().is_some() || matches!(item, Item::Node(node) if node.is_primitive() || node.is_quantity())
            };
            return if may_be_empty(one) && may_be_empty(two) { Ok(None) } else { wrong() };
        }
    };
    match (&first, &second) {
        (System::String(first), System::String(second)) => Ok(Some(first.cmp(second))),
        (System::Moment(first), System::Moment(second))
            if (first.kind == Kind::Time) == (second.kind == Kind::Time) =>
        {
            Ok(first.compare(second))
        }
        (first, second) => match (number(first), number(second)) {
            (Some(first), Some(second)) => Ok(first.compare(second)),
            _ => match (quantity(first), quantity(second)) {
                (Some(first), Some(second)) => Ok(first.compare(&second)),
                _ => wrong(),
            },
        },
    }
}
