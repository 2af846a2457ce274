//! Rules between elements (R4 "Constraints"): those that are certain, cheap and matter to the types that people write.

mod rules;

use std::cmp::Ordering;

use super::element_path::ElementPath;
use super::problems::Problems;
use super::rule::{Holds, Rule};
use super::table::Shape;
use super::temporal;
use crate::issue::IssueCode;
use crate::json::{Object, Value};

/// The rules of the shape of that name.
pub(super) fn of(shape: &str) -> &'static [Rule] {
    rules::ALL.iter().find(|(name, _)| *name == shape).map_or(&[], |(_, rules)| rules)
}

/// Checks an object against the rules of its shape.
pub(super) fn check(shape: &Shape, object: &Object<'_>, place: &ElementPath<'_>, problems: &mut Problems) {
    for rule in shape.rules {
        let holds = match rule.holds {
            Holds::AtMostOne(names) => names.iter().filter(|name| has(object, name)).count() <= 1,
            Holds::AtLeastOne(names) => names.iter().any(|name| has(object, name)),
            Holds::Needs(name, other) => !has(object, name) || has(object, other),
            Holds::When(holds) => holds(object),
        };
        if !holds {
            problems.add(IssueCode::Invariant, place, format!("{} ({})", rule.text, rule.key));
        }
    }
}

/// Whether the element is there, with a value or only with extensions.
fn has(object: &Object<'_>, name: &str) -> bool {
    let choice = name.strip_suffix("[x]");
    object.0.iter().any(|(member, _)| {
        let member = member.strip_prefix('_').unwrap_or(member);
        match choice {
            Some(stem) => {
                member.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            }
            None => member == name,
        }
    })
}

/// The text of an element.
fn text<'o>(object: &'o Object<'_>, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of an element.
fn list<'o, 'v>(object: &'o Object<'v>, name: &str) -> &'o [Value<'v>] {
    object.get(name).map_or(&[], Value::items)
}

/// Whether a CodeableConcept has a coding of that system with one of those codes.
fn is_coded(object: &Object<'_>, name: &str, system: &str, codes: &[&str]) -> bool {
    object.get(name).is_some_and(|concept| {
        concept.list("coding").iter().any(|coding| {
            coding.text("system") == Some(system) && coding.text("code").is_some_and(|code| codes.contains(&code))
        })
    })
}

/// Whether a date or time is surely after another one.
fn is_after(object: &Object<'_>, first: &str, second: &str) -> bool {
    temporal::compare(text(object, first), text(object, second)) == Some(Ordering::Greater)
}

/// Whether no two of the texts are equal.
fn are_distinct(mut texts: Vec<String>) -> bool {
    texts.sort_unstable();
    texts.windows(2).all(|pair| matches!(pair, [first, second] if first != second))
}
