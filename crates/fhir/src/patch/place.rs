//! Places in a resource, and the FHIRPath expressions of a patch that lead to them.

use std::borrow::Cow;

use super::budget::Budget;
use super::{TOO_COSTLY, elements};
use crate::json::Value;
use crate::path::{Context, Expression, Fault, Patterns};
use crate::schema::{Shape, TypeKind, r4};

/// The most places that a path may lead to.
const MOST: usize = 10_000;

/// What it costs to write down a place, in steps.
const STEPS_PER_PLACE: usize = 10;

/// A step from a value to one inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of an object, which may be the one beside a primitive (`_birthDate`).
    Member(String),
    /// The item of a list.
    Item(usize),
}

/// A place in a resource.
pub(super) type Place = Vec<Step>;

/// A path, read.
#[derive(Clone, Debug)]
pub(super) struct Path {
    text: String,
    expression: Expression,
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.text == other.text
    }
}

impl Path {
    /// Reads a path.
    pub(super) fn read(text: &str, patterns: &mut Patterns) -> Result<Path, String> {
        let expression = Expression::compile_with(text, patterns);
        let expression = expression.map_err(|problem| format!("the path is no FHIRPath: {problem}"))?;
        Ok(Path { text: text.to_owned(), expression })
    }

    /// The path without its last name, and that name; none if it ends otherwise.
    pub(super) fn parent(&self, patterns: &mut Patterns) -> Option<(Path, String)> {
        let (before, name) = self.text.trim().rsplit_once('.')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let parent = if is_name { Path::read(before, patterns).ok()? } else { return None };
        Some((parent, name.to_owned()))
    }

    /// Every place that it leads to. The steps that it takes to find them are counted.
    pub(super) fn select(&self, resource: &Value<'_>, budget: &mut Budget) -> Result<Vec<Place>, String> {
        let (found, spent) = self.expression.evaluate_within(&Context::of(resource).steps(budget.left()));
        let found = found.map_err(|fault| {
            // What ends for want of steps has had all of them.
            let had = if fault == Fault::TooCostly { usize::MAX } else { spent };
            let _ended = budget.take(had);
            fault.to_string()
        })?;
        let count = found.items().len();
        // To write a place takes some steps for each that leads to it.
        budget.take(spent + count * STEPS_PER_PLACE).ok_or(TOO_COSTLY)?;
        if count > MOST {
            return Err("the path leads to too many places".to_owned());
        }
        let place = |number| {
            let place = found.place(number).ok_or("the path leads to something that is no element of the resource")?;
            Ok(written(resource, place.0.iter().map(|step| (step.name, step.position))))
        };
        (0..count).map(place).collect()
    }
}

/// A place as it is written in JSON: what is in a primitive stands beside it.
fn written<'s>(resource: &Value<'_>, steps: impl Iterator<Item = (&'s str, Option<usize>)>) -> Place {
    let (mut place, mut shape) = (Place::new(), elements::of_resource(resource));
    for (name, position) in steps {
        if shape.is_none() && is_primitive(resource, &place) {
            place = beside(&place);
            shape = r4().primitive_parts();
        }
        place.push(Step::Member(name.to_owned()));
        place.extend(position.map(Step::Item));
        let found = shape.and_then(|shape| shape.member(name));
        shape = found.and_then(|found| elements::inside(&found, at(resource, &place)));
    }
    place
}

/// The place of what is beside a primitive's value.
pub(super) fn beside(place: &[Step]) -> Place {
    let mut beside = place.to_vec();
    let member = beside.iter_mut().rev().find_map(|step| match step {
        Step::Member(name) => Some(name),
        Step::Item(_) => None,
    });
    if let Some(name) = member {
        name.insert(0, '_');
    }
    beside
}

/// What stands at a place.
pub(super) fn at<'o, 'v>(value: &'o Value<'v>, place: &[Step]) -> Option<&'o Value<'v>> {
    place.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Item(number) => match value {
            Value::Array(items) => items.get(*number),
            _ => None,
        },
    })
}

/// The same for change.
pub(super) fn at_mut<'o, 'v>(value: &'o mut Value<'v>, place: &[Step]) -> Option<&'o mut Value<'v>> {
    place.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Member(name), Value::Object(object)) => object.get_mut(name),
        (Step::Item(number), Value::Array(items)) => items.get_mut(*number),
        _ => None,
    })
}

/// The shape of the object at a place; none for a primitive.
pub(super) fn shape_at(resource: &Value<'_>, place: &[Step]) -> Option<&'static Shape> {
    let parts: Vec<Cow<'_, str>> = place
        .iter()
        .map(|step| match step {
            Step::Member(name) => Cow::Borrowed(name.as_str()),
            Step::Item(number) => Cow::Owned(number.to_string()),
        })
        .collect();
    elements::shape_at(resource, parts.iter().map(AsRef::as_ref))
}

/// Whether what a place leads to is a primitive.
pub(super) fn is_primitive(resource: &Value<'_>, place: &[Step]) -> bool {
    let end = place.iter().rposition(|step| matches!(step, Step::Member(_)));
    let Some((end, Some(Step::Member(name)))) = end.map(|end| (end, place.get(end))) else { return false };
    let shape = place.get(..end).and_then(|above| shape_at(resource, above));
    let found = shape.and_then(|shape| shape.member(name));
    found.is_some_and(|found| !found.beside && matches!(found.of_type.kind, TypeKind::Primitive(_)))
}
