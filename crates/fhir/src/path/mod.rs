//! FHIRPath (normative release, <http://hl7.org/fhirpath/N1/>) over resources as [`json`](crate::json) reads them, with
//! what R4 adds to it (R4 "FHIRPath").
//!
//! An expression is compiled once and evaluated as often as one likes:
//!
//! ```
//! use concord_fhir::json::{Limits, parse};
//! use concord_fhir::path::{Context, Expression};
//!
//! let text = br#"{"resourceType":"Patient","name":[{"family":"Khan","given":["Amina"]}]}"#;
//! let patient = parse(text, &Limits::default()).unwrap();
//! let given = Expression::compile("Patient.name.where(family = 'Khan').given").unwrap();
//! let found = given.evaluate(&Context::of(&patient)).unwrap();
//! assert_eq!(found.items()[0].as_text().as_deref(), Some("Amina"));
//! assert_eq!(found.place(0).unwrap().to_string(), "name[0].given[0]");
//! ```
//!
//! - [`Context::of`] begins at a resource; [`Context::at`] at an element of it ([`Node::element`], [`Node::primitive`]).
//!   `contained_in`, `in_bundle` and `outside` say what is around it, `now` what time it is, `with` defines variables.
//! - [`Expression::evaluate`] gives a [`Collection`]: the items, and of each element of the resource its [`Place`], the
//!   names of members and positions in lists that lead to it from where the evaluation began. What an expression made
//!   (a sum, a text) and what was looked up elsewhere has no place.
//! - [`Expression::holds`] gives what the expression says as a rule: true, false, or nothing where it cannot say.
//! - A [`Fault`] says why there is no result. `Unknown` is neither true nor false: the expression asks for a terminology,
//!   a profile or a resource that nobody here knows. `TooCostly` ends what loops or explodes; how deep an expression is nested
//!   is bounded when it is compiled, and the evaluation goes no deeper.
//! - Elements are those of the element table: `value`, not `valueQuantity`. A primitive is itself (`Patient.birthDate`), has
//!   its extensions below it, and becomes one of FHIRPath's own types where it is compared or worked with. Decimals keep their
//!   digits.

pub(crate) mod ast;
mod compare;
mod context;
mod decimal;
mod evaluate;
mod evaluation;
mod fault;
mod functions;
mod item;
mod lexer;
mod moment;
mod operators;
mod parser;
mod place;
mod presence;
mod quantity;
mod tree;
mod typing;
mod values;

pub use context::{Context, MOST_STEPS, Outside};
pub use decimal::Decimal;
pub use fault::{Fault, Problem};
pub use functions::{Pattern, Patterns};
pub use item::{Item, Node, System};
pub use moment::{Calendar, Moment};
pub use place::{Collection, Place, Step};
pub(crate) use presence::{Presence, Truth};
pub use quantity::{Measure, Quantity};
pub use values::{order_by_now, order_of_values};

use ast::{Ast, NodeId};
use evaluate::begin;
use evaluation::{Frame, boolean};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    ast: Ast,
    whole: NodeId,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, and at which byte: it cannot be parsed, names a function or a type that there is not, or is too
    /// long or too deeply nested.
    pub fn compile(text: &str) -> Result<Expression, Problem> {
        Expression::compile_with(text, &mut Patterns::trusted())
    }

    /// Compiles an expression that somebody has sent, which may bring so many patterns as are left.
    ///
    /// # Errors
    /// As [`Expression::compile`], and a pattern too many or too large.
    pub fn compile_with(text: &str, patterns: &mut Patterns) -> Result<Expression, Problem> {
        let (ast, whole) = parser::parse(text, patterns)?;
        Ok(Expression { ast, whole })
    }

    /// The parts of the expression, and which of them is the whole.
    pub(crate) fn parts(&self) -> (&Ast, NodeId) {
        (&self.ast, self.whole)
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// Why there is no result.
    pub fn evaluate<'v>(&'v self, context: &Context<'v>) -> Result<Collection<'v>, Fault> {
        self.evaluate_within(context).0
    }

    /// Evaluates the expression, and says how many steps that took.
    pub fn evaluate_within<'v>(&'v self, context: &Context<'v>) -> (Result<Collection<'v>, Fault>, usize) {
        let mut evaluation = begin(&self.ast, context);
        let frame = Frame { this: std::slice::from_ref(&context.focus), index: None, total: &[] };
        let items = evaluation.part(self.whole, &frame);
        let spent = evaluation.spent();
        (items.map(|items| Collection { items, trail: evaluation.trail }), spent)
    }

    /// Whether the expression holds as a rule, and how many steps that took.
    pub fn holds_within<'v>(&'v self, context: &Context<'v>) -> (Result<Option<bool>, Fault>, usize) {
        let mut evaluation = begin(&self.ast, context);
        let frame = Frame { this: std::slice::from_ref(&context.focus), index: None, total: &[] };
        let result = evaluation.part(self.whole, &frame).and_then(|items| boolean(&items));
        (result, evaluation.spent())
    }

    /// Whether the expression holds as a rule; nothing where it gives nothing.
    ///
    /// # Errors
    /// Why there is no result.
    pub fn holds<'v>(&'v self, context: &Context<'v>) -> Result<Option<bool>, Fault> {
        boolean(self.evaluate(context)?.items())
    }
}

#[cfg(test)]
mod tests;
