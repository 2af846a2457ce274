//! The evaluation of a shape's rules on the way of a check.

use super::constraints::Rule;
use crate::json::Value;
use crate::path::{self, Context, Fault, Item, Node, Truth};
use crate::schema::Shape;
use crate::schema::element_path::ElementPath;

/// How many steps all rules of one check may take together. The largest Bundle among the official examples needs a
/// hundredth.
pub(crate) const MOST_STEPS: usize = 20 * path::MOST_STEPS;

/// What a rule is evaluated in, and what it may cost.
pub(super) struct Bounds<'v> {
    pub(super) resource: &'v Value<'v>,
    pub(super) root: &'v Value<'v>,
    /// How many steps are left.
    pub(super) left: usize,
}

impl<'v> Bounds<'v> {
    /// The bounds of a check that begins at a resource.
    pub(super) fn of(resource: &'v Value<'v>) -> Bounds<'v> {
        Bounds { resource, root: resource, left: MOST_STEPS }
    }
}

/// Where a rule is broken.
///
/// # Errors
/// Why it cannot be evaluated.
pub(super) fn broken(
    rule: &Rule,
    shape: &'static Shape,
    value: &Value<'_>,
    seen: u128,
    bounds: &mut Bounds<'_>,
    place: &ElementPath<'_>,
) -> Result<Vec<String>, Fault> {
    match rule.presence.given(seen) {
        Truth::True | Truth::Empty => return Ok(Vec::new()),
        Truth::False => return Ok(vec![place.to_string()]),
        Truth::Open => {}
    }
    let (resource, root) = (bounds.resource, bounds.root);
    let focus = Item::Node(Node::element(value, shape));
    let context = Context::of(resource).contained_in(root).at(focus).steps(bounds.left.min(path::MOST_STEPS));
    let Some(way) = &rule.about else {
        let holds = spend(bounds, rule.expression.holds_within(&context))?;
        return Ok(if holds == Some(false) { vec![place.to_string()] } else { Vec::new() });
    };
    let mut places = Vec::new();
    let found = way.evaluate(&context)?;
    for (position, item) in found.items().iter().enumerate() {
        let context = context.clone().at(item.clone()).steps(bounds.left.min(path::MOST_STEPS));
        if spend(bounds, rule.expression.holds_within(&context))? == Some(false) {
            let steps = found.place(position).map(|place| place.to_string()).unwrap_or_default();
            places.push(format!("{place}.{steps}"));
        }
    }
    Ok(places)
}

/// Takes what an evaluation has cost from what is left.
fn spend<T>(bounds: &mut Bounds<'_>, (result, steps): (Result<T, Fault>, usize)) -> Result<T, Fault> {
    bounds.left = bounds.left.saturating_sub(steps);
    result
}
