//! R4's constraints (R4 "Constraints"), each at the shape or element that it is about, as FHIRPath.
//!
//! Which elements are there decides most of them ([`Presence`]); only what that leaves open is evaluated. What every element
//! and every contained resource has to be the check sees on its way, without an expression ([`SEEN`]).
//!
//! A rule is broken where its expression says false. Where it says nothing it holds: two dates of which one is told less
//! precisely, quantities of different units. A few published expressions say nothing where they mean false, or are wrong
//! otherwise; what is evaluated in their place stands in [`corrected`].

mod corrected;
mod practices;
mod texts;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::load::r4;
use super::table::Shape;
use crate::path::{Expression, Presence};

pub use practices::practices;

const TABLE: &str = include_str!("../constraints.txt");

/// The constraints that the check sees on its way.
pub(super) const SEEN: [&str; 8] = ["dom-2", "dom-4", "dom-5", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"];

/// A rule of a shape.
#[derive(Debug)]
pub(super) struct Rule {
    /// The key that R4 gives it, such as `obs-6`.
    pub(super) key: &'static str,
    /// What the client should know, without the key.
    pub(super) text: Cow<'static, str>,
    pub(super) expression: Arc<Expression>,
    /// What the elements that are there say of it.
    pub(super) presence: Presence,
    /// The way to the element of the shape that it is about, if it is not about the whole.
    pub(super) about: Option<Expression>,
}

/// The rules of a shape.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// What may not be broken.
    pub(super) errors: Vec<Rule>,
    /// What is told.
    pub(super) warnings: Vec<Rule>,
}

/// The rules of all shapes, by their positions. Compiled once, on first use.
static RULES: LazyLock<Vec<Rules>> = LazyLock::new(compile);

/// The rules of a shape.
pub(super) fn of(shape: &Shape) -> Option<&'static Rules> {
    RULES.get(usize::from(shape.id.0))
}

/// A row of the table.
struct Row {
    place: &'static str,
    key: &'static str,
    is_error: bool,
    expression: Arc<Expression>,
    text: Cow<'static, str>,
}

fn compile() -> Vec<Rules> {
    let mut at: HashMap<&str, Vec<Row>> = HashMap::new();
    for row in TABLE.lines().filter_map(row) {
        at.entry(row.place).or_default().push(row);
    }
    r4().shapes.iter().map(|shape| rules(shape, &at)).collect()
}

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.splitn(4, ' ');
    let (place, key) = (cells.next().filter(|place| *place != "#")?, cells.next()?);
    let (severity, published) = (cells.next()?, cells.next()?);
    if SEEN.contains(&key) {
        return None;
    }
    let expression = corrected::instead(key).unwrap_or(published);
    // An expression that could not be compiled would be an error of the build, which the tests find; it would be a rule
    // that nothing keeps.
    let compiled = Expression::compile(expression).or_else(|_| Expression::compile("false")).ok()?;
    let text = match texts::of(place, key) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("this has to be true: {expression}")),
    };
    Some(Row { place, key, is_error: severity == "error", expression: Arc::new(compiled), text })
}

/// The rules of a shape, with those of what it is derived from.
fn rules(shape: &Shape, at: &HashMap<&str, Vec<Row>>) -> Rules {
    let mut rules = Rules::default();
    let mut add = |row: &Row, about: Option<Expression>, presence: Presence| {
        let rule = Rule { key: row.key, text: row.text.clone(), expression: row.expression.clone(), presence, about };
        if row.is_error { rules.errors.push(rule) } else { rules.warnings.push(rule) }
    };
    for name in line_of(shape) {
        for row in at.get(name).into_iter().flatten() {
            add(row, None, row.expression.presence(shape));
        }
    }
    for (position, element) in shape.elements.iter().enumerate() {
        let place = format!("{}.{}", shape.name, element.name);
        // What is about an element with elements of its own stands at its shape.
        if r4().named(&place).is_some() {
            continue;
        }
        for row in at.get(place.as_str()).into_iter().flatten() {
            let Ok(way) = Expression::compile(&format!("`{}`", element.name)) else { continue };
            add(row, Some(way), Presence::of_element(position));
        }
    }
    rules
}

/// A shape's name and those of what it is derived from.
fn line_of(shape: &Shape) -> Vec<&str> {
    let mut names = vec![shape.name.as_ref()];
    let mut base = if shape.name == "SimpleQuantity" { "Quantity" } else { shape.base.as_ref() };
    while let Some(next) = r4().named(base).filter(|_| names.len() < 8) {
        names.push(next.name.as_ref());
        base = next.base.as_ref();
    }
    names
}

#[cfg(test)]
mod tests;
