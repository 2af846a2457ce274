//! Places in a resource, and the paths of a FHIRPath Patch that lead to them.
//!
//! R4 asks for the simple part of FHIRPath there ("FHIRPath Patch": "a simple subset"): names, positions, `first()`,
//! `last()`, `extension('url')`, `ofType(type)` and `where(path = 'value')`.

use std::borrow::Cow;

use super::elements;
use crate::json::Value;
use crate::schema::{Shape, TypeKind, choice, r4};

/// The longest path.
const LONGEST: usize = 2_000;

/// The most places that a path may lead to on its way.
const MOST: usize = 10_000;

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
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// The type that it begins with.
    root: Option<String>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Name(String),
    Index(usize),
    First,
    Last,
    OfType(String),
    /// The names into an item, and the text of what is to be there.
    Where(Vec<String>, String),
}

const FORM: &str = "a path is a simple FHIRPath: names, [0], first(), last(), ofType(Quantity), extension('url') and \
                    where(system = 'value')";

impl Path {
    /// Reads a path.
    pub(super) fn read(text: &str) -> Result<Path, &'static str> {
        if text.len() > LONGEST {
            return Err("a path has at most 2000 characters");
        }
        let mut rest = text.trim();
        let mut path = Path { root: None, parts: Vec::new() };
        let mut is_start = true;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (number, after) = inside.split_once(']').ok_or(FORM)?;
                let number = number.trim().parse().map_err(|_| "a position is a number from 0")?;
                path.parts.push(Part::Index(number));
                rest = after;
                continue;
            }
            let from = if is_start { rest } else { rest.strip_prefix('.').ok_or(FORM)? };
            let end = from.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let (name, after) = from.split_at_checked(end.unwrap_or(from.len())).ok_or(FORM)?;
            if name.is_empty() {
                return Err(FORM);
            }
            rest = after;
            if let Some(inside) = after.strip_prefix('(') {
                let (argument, after) = argument(inside)?;
                path.function(name, argument.trim())?;
                rest = after;
            } else if is_start && name.starts_with(|first: char| first.is_ascii_uppercase()) {
                path.root = Some(name.to_owned());
            } else {
                path.parts.push(Part::Name(name.to_owned()));
            }
            is_start = false;
        }
        if is_start { Err(FORM) } else { Ok(path) }
    }

    fn function(&mut self, name: &str, argument: &str) -> Result<(), &'static str> {
        let part = match (name, argument) {
            ("first", "") => Part::First,
            ("last", "") => Part::Last,
            ("ofType", named) if !named.is_empty() => Part::OfType(named.to_owned()),
            ("extension", url) => {
                self.parts.push(Part::Name("extension".to_owned()));
                Part::Where(vec!["url".to_owned()], literal(url).ok_or(FORM)?)
            }
            ("where", condition) => {
                let (names, value) = condition.split_once('=').ok_or(FORM)?;
                let names: Vec<String> = names.trim().split('.').map(str::to_owned).collect();
                let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !names.iter().all(is_name) {
                    return Err(FORM);
                }
                Part::Where(names, literal(value.trim()).ok_or(FORM)?)
            }
            _ => return Err(FORM),
        };
        self.parts.push(part);
        Ok(())
    }

    /// The path without its last name, and that name; none if it ends otherwise.
    pub(super) fn parent(&self) -> Option<(Path, &str)> {
        let (Part::Name(name), before) = self.parts.split_last()? else { return None };
        Some((Path { root: self.root.clone(), parts: before.to_vec() }, name))
    }

    /// Every place that it leads to.
    pub(super) fn select(&self, resource: &Value<'_>) -> Result<Vec<Place>, &'static str> {
        let Some(shape) = elements::of_resource(resource) else { return Ok(Vec::new()) };
        if self.root.as_ref().is_some_and(|root| *root != shape.name) {
            return Ok(Vec::new());
        }
        let mut found = vec![Found { place: Vec::new(), shape: Some(shape), member: None }];
        for part in &self.parts {
            found = match part {
                Part::Name(name) => {
                    let mut next = Vec::new();
                    for one in &found {
                        one.children(resource, name, &mut next);
                    }
                    next
                }
                Part::Index(number) => found.into_iter().skip(*number).take(1).collect(),
                Part::First => found.into_iter().take(1).collect(),
                Part::Last => found.pop().into_iter().collect(),
                Part::OfType(named) => found.into_iter().filter(|one| one.is_of(named)).collect(),
                Part::Where(names, value) => found.into_iter().filter(|one| one.has(resource, names, value)).collect(),
            };
            if found.len() > MOST {
                return Err("the path leads to too many places");
            }
        }
        Ok(found.into_iter().map(|one| one.place).collect())
    }
}

/// The argument of a function, up to its closing bracket, and what follows.
fn argument(text: &str) -> Result<(&str, &str), &'static str> {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ')' if !is_quoted => {
                let (argument, rest) = text.split_at_checked(at).ok_or(FORM)?;
                return Ok((argument, rest.strip_prefix(')').ok_or(FORM)?));
            }
            _ => {}
        }
    }
    Err(FORM)
}

/// What a literal says: a text in quotes, a number, `true` or `false`.
fn literal(text: &str) -> Option<String> {
    if let Some(inside) = text.strip_prefix('\'') {
        return inside.strip_suffix('\'').filter(|text| !text.contains(['\'', '\\'])).map(str::to_owned);
    }
    let is_plain = matches!(text, "true" | "false")
        || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    is_plain.then(|| text.to_owned())
}

/// A place on the way.
#[derive(Clone)]
struct Found {
    place: Place,
    /// The shape of the object there; none for a primitive.
    shape: Option<&'static Shape>,
    /// The name of the member that it is or is an item of, and the name of its type.
    member: Option<(String, String)>,
}

impl Found {
    /// Adds what stands under an element's name, in the order of the resource.
    fn children(&self, resource: &Value<'_>, name: &str, next: &mut Vec<Found>) {
        let Some(shape) = self.shape else {
            return self.beside(resource, name, next);
        };
        let Some(object) = at(resource, &self.place).and_then(Value::as_object) else { return };
        let Some(element) = shape.element(name) else { return };
        let is_meant = |member: &str| match element.is_choice {
            false => member == name,
            true => element.types.iter().any(|of_type| choice(name, &of_type.name) == member),
        };
        let mut members: Vec<&str> = Vec::new();
        for (member, _) in &object.0 {
            let plain = member.strip_prefix('_').unwrap_or(member);
            if is_meant(plain) && !members.contains(&plain) {
                members.push(plain);
            }
        }
        for member in members {
            let Some(found) = shape.member(member) else { continue };
            let count = [Some(member), Some(format!("_{member}").as_str())]
                .into_iter()
                .flatten()
                .filter_map(|name| object.get(name))
                .map(|value| if let Value::Array(items) = value { items.len() } else { 1 })
                .max()
                .unwrap_or_default();
            for number in 0..count {
                let mut place = self.place.clone();
                place.push(Step::Member(member.to_owned()));
                if element.is_list {
                    place.push(Step::Item(number));
                }
                let shape = elements::inside(&found, at(resource, &place));
                let named = Some((member.to_owned(), found.of_type.name.clone().into_owned()));
                next.push(Found { place, shape, member: named });
            }
        }
    }

    /// Adds what a primitive carries beside its value.
    fn beside(&self, resource: &Value<'_>, name: &str, next: &mut Vec<Found>) {
        if !["id", "extension"].contains(&name) {
            return;
        }
        let beside = Found { place: beside(&self.place), shape: r4().primitive_parts(), member: None };
        beside.children(resource, name, next);
    }

    fn is_of(&self, named: &str) -> bool {
        let named = named.strip_prefix("FHIR.").unwrap_or(named).trim_matches('`');
        self.member.as_ref().is_some_and(|(_, of)| of == named)
            || self.shape.is_some_and(|shape| shape.is_resource && shape.name == named)
    }

    fn has(&self, resource: &Value<'_>, names: &[String], wanted: &str) -> bool {
        let mut found = vec![self.clone()];
        for name in names {
            let mut next = Vec::new();
            for one in &found {
                one.children(resource, name, &mut next);
            }
            found = next;
        }
        found.iter().filter_map(|one| at(resource, &one.place)).any(|value| match value {
            Value::String(text) | Value::Number(text) => *text == wanted,
            Value::Bool(flag) => flag.to_string() == wanted,
            _ => false,
        })
    }
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
