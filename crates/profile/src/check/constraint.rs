//! The expressions of a profile.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::path::{self, Context, Expression, Fault, Patterns};
use concord_fhir::schema::{TypeKind, r4};

use super::{Scope, Walk, shown};
use crate::item::{Item, Place};
use crate::node::Node;
use crate::surroundings::Surroundings;

/// How many steps one expression may take.
const MOST_STEPS: usize = 200_000;
/// How many it is worth to begin.
const STEPS_OF_A_BEGINNING: usize = 20;

/// An item as expressions see it.
fn node<'v>(item: &Item<'v>) -> Option<path::Node<'v>> {
    match item.of_type.kind {
        TypeKind::Resource => Some(path::Node::resource(item.value?)),
        TypeKind::Shape(id) => Some(path::Node::element(item.value?, r4().shape(id)?)),
        TypeKind::Primitive(primitive) => Some(path::Node::primitive(item.value, item.beside, primitive)),
    }
}

impl Walk<'_> {
    /// Checks the expressions that must hold of an item.
    pub(super) fn constraints(&mut self, node: &Node, item: &Item<'_>, place: &Place<'_>, scope: Scope<'_>) {
        for (constraint, expression) in node.rules.constraints.iter().zip(&node.expressions) {
            let answer = match expression {
                Ok(expression) => self.holds(expression, item, scope).map_err(|fault| match fault {
                    Fault::Unknown(what) => format!("it asks for what is not known here: {what}"),
                    Fault::TooCostly => "it takes too many steps".to_owned(),
                    Fault::Wrong(what) => format!("it cannot be evaluated: {what}"),
                }),
                Err(problem) => Err(format!("it cannot be read: {problem}")),
            };
            match answer {
                Ok(true) => {}
                Ok(false) => {
                    let said = format!("{} ({}; {}#{})", constraint.human, constraint.key, scope.profile.url, node.id);
                    self.add(constraint.severity, IssueCode::Invariant, place, said);
                }
                Err(why) => {
                    let said = format!(
                        "the constraint {} of {} was not evaluated: {}",
                        constraint.key,
                        scope.profile.url,
                        shown(&why)
                    );
                    self.remark(Severity::Information, said, place);
                }
            }
        }
    }

    /// Whether an expression holds; one that gives nothing does not.
    fn holds(&mut self, expression: &Expression, item: &Item<'_>, scope: Scope<'_>) -> Result<bool, Fault> {
        let (Some(resource), Some(focus)) = (scope.around.resource.or(item.value), node(item)) else { return Ok(true) };
        let known = self.known(scope.around);
        let mut context = Context::of(resource)
            .at(path::Item::Node(focus))
            .outside(&known)
            .steps(self.steps_of_an_expression(MOST_STEPS));
        if let Some(bundle) = scope.around.bundle() {
            context = context.in_bundle(bundle);
        }
        if let Some(now) = self.checker.now {
            context = context.now(now);
        }
        let (holds, steps) = expression.holds_within(&context);
        self.take_expression(STEPS_OF_A_BEGINNING + steps);
        Ok(holds?.unwrap_or(false))
    }

    /// Whether an expression selects an element of a resource, by where the element's value or what is beside it stands.
    pub(super) fn selects(&self, expression: &str, resource: &Value<'_>, element: &Value<'_>) -> Option<bool> {
        let expression = Expression::compile_with(expression, &mut Patterns::of_one_definition()).ok()?;
        let known = self.known(Surroundings::of(resource, None, None));
        let mut context = Context::of(resource).outside(&known).steps(self.steps_of_an_expression(MOST_STEPS));
        if let Some(now) = self.checker.now {
            context = context.now(now);
        }
        let (found, steps) = expression.evaluate_within(&context);
        self.take_expression(STEPS_OF_A_BEGINNING + steps);
        let found = found.ok()?;
        let at = std::ptr::from_ref(element).addr();
        let is = |value: Option<&Value<'_>>| value.is_some_and(|value| std::ptr::from_ref(value).addr() == at);
        Some(found.items().iter().any(|item| match item {
            path::Item::Node(node) => is(node.value) || is(node.beside),
            _ => false,
        }))
    }
}
