//! The table of constraints, compiled: the rules of each shape.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{corrected, own, texts};
use crate::path::{Expression, Presence};
use crate::schema::{Shape, r4};

pub(super) const TABLE: &str = include_str!("../constraints.txt");

/// The constraints that the check sees on its way.
pub(super) const SEEN: [&str; 8] = ["dom-2", "dom-4", "dom-5", "ele-1", "ext-1", "ref-1", "txt-1", "txt-2"];

/// A rule of a shape.
#[derive(Debug)]
pub(in crate::check) struct Rule {
    /// The key that R4 gives it, such as `obs-6`.
    pub(in crate::check) key: &'static str,
    /// What the client should know, without the key.
    pub(in crate::check) text: Cow<'static, str>,
    pub(in crate::check) expression: Arc<Expression>,
    /// What the elements that are there say of it.
    pub(in crate::check) presence: Presence,
    /// The way to the element of the shape that it is about, if it is not about the whole.
    pub(in crate::check) about: Option<Expression>,
}

/// The rules of a shape.
#[derive(Debug, Default)]
pub(in crate::check) struct Rules {
    /// What may not be broken.
    pub(in crate::check) errors: Vec<Rule>,
    /// What is told.
    pub(in crate::check) warnings: Vec<Rule>,
}

/// The rules of all shapes, by their positions. Compiled once, on first use.
pub(super) static RULES: LazyLock<Vec<Rules>> = LazyLock::new(compile);

/// The rules of a shape.
pub(in crate::check) fn of(shape: &Shape) -> Option<&'static Rules> {
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
    for row in TABLE.lines().filter_map(row).chain(own::ALL.iter().filter_map(own_row)) {
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

/// The row of a rule that R4 states in words only.
fn own_row(own: &own::Own) -> Option<Row> {
    let compiled = Expression::compile(own.expression).or_else(|_| Expression::compile("false")).ok()?;
    let (place, key, text) = (own.place, own.key, Cow::Borrowed(own.text));
    Some(Row { place, key, is_error: true, expression: Arc::new(compiled), text })
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
