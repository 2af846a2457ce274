//! What a function is: its name, how many arguments it takes, and what it does.

use super::super::ast::NodeId;
use super::super::evaluation::{Answer, Evaluation, Frame};
use super::super::item::Item;

/// A function: its name, how many arguments it takes, and what it does.
#[derive(Debug)]
pub(in crate::path) struct Function {
    pub(in crate::path) name: &'static str,
    pub(in crate::path) least: usize,
    pub(in crate::path) most: usize,
    /// Whether its first argument is a regular expression.
    pub(in crate::path) has_pattern: bool,
    pub(in crate::path) call: Call,
}

type Input = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>) -> Answer<'a>;
type Values = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>, &[Vec<Item<'a>>]) -> Answer<'a>;
type Parts = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>, &[NodeId], &Frame<'_, 'a>) -> Answer<'a>;

/// What a function wants of its arguments.
#[derive(Clone, Copy, Debug)]
pub(in crate::path) enum Call {
    /// It has none.
    Input(Input),
    /// Their values.
    Values(Values),
    /// The parts themselves, to be evaluated where the function stands.
    Own(Parts),
    /// The parts themselves, to be evaluated for each item.
    Lambda(Parts),
}

impl Function {
    pub(super) const fn new(name: &'static str, least: usize, most: usize, call: Call) -> Function {
        Function { name, least, most, has_pattern: false, call }
    }

    pub(super) const fn with_pattern(name: &'static str, arguments: usize, call: Parts) -> Function {
        Function { name, least: arguments, most: arguments, has_pattern: true, call: Call::Own(call) }
    }

    pub(super) const fn plain(name: &'static str, call: Input) -> Function {
        Function::new(name, 0, 0, Call::Input(call))
    }

    pub(super) const fn of(name: &'static str, arguments: usize, call: Values) -> Function {
        Function::new(name, arguments, arguments, Call::Values(call))
    }

    /// Whether its arguments are evaluated for each item.
    pub(in crate::path) fn is_lambda(&self) -> bool {
        matches!(self.call, Call::Lambda(_))
    }
}

/// The first argument.
pub(super) fn argument<'v, 'a>(values: &'v [Vec<Item<'a>>]) -> &'v [Item<'a>] {
    values.first().map_or(&[], Vec::as_slice)
}
