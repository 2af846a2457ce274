//! The functions of FHIRPath and those that FHIR adds, a table for each family.

mod boundary;
mod convert;
mod exist;
mod fhir;
mod filter;
mod math;
mod strings;
mod subset;

use regex::{Regex, RegexBuilder};

use super::ast::NodeId;
use super::evaluate::{Answer, Evaluation, Frame};
use super::item::Item;

/// The largest compiled pattern in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// A function: its name, how many arguments it takes, and what it does.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) least: usize,
    pub(super) most: usize,
    /// Whether its first argument is a regular expression.
    pub(super) has_pattern: bool,
    pub(super) call: Call,
}

type Input = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>) -> Answer<'a>;
type Values = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>, &[Vec<Item<'a>>]) -> Answer<'a>;
type Parts = for<'a> fn(&mut Evaluation<'a>, Vec<Item<'a>>, &[NodeId], &Frame<'_, 'a>) -> Answer<'a>;

/// What a function wants of its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
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
    const fn new(name: &'static str, least: usize, most: usize, call: Call) -> Function {
        Function { name, least, most, has_pattern: false, call }
    }

    const fn with_pattern(name: &'static str, arguments: usize, call: Parts) -> Function {
        Function { name, least: arguments, most: arguments, has_pattern: true, call: Call::Own(call) }
    }

    const fn plain(name: &'static str, call: Input) -> Function {
        Function::new(name, 0, 0, Call::Input(call))
    }

    const fn of(name: &'static str, arguments: usize, call: Values) -> Function {
        Function::new(name, arguments, arguments, Call::Values(call))
    }

    /// Whether its arguments are evaluated for each item.
    pub(super) fn is_lambda(&self) -> bool {
        matches!(self.call, Call::Lambda(_))
    }
}

static FAMILIES: [&[Function]; 8] = [
    exist::FUNCTIONS,
    filter::FUNCTIONS,
    subset::FUNCTIONS,
    convert::FUNCTIONS,
    strings::FUNCTIONS,
    math::FUNCTIONS,
    boundary::FUNCTIONS,
    fhir::FUNCTIONS,
];

/// The function of that name.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    FAMILIES.iter().flat_map(|family| family.iter()).find(|function| function.name == name)
}

/// A regular expression. A dot means any character, line ends too; it is matched without going back, so no pattern takes
/// longer than its text is long.
pub(super) fn pattern(text: &str, is_whole: bool) -> Option<Regex> {
    let anchored = if is_whole { format!("^(?:{text})$") } else { text.to_owned() };
    RegexBuilder::new(&anchored).dot_matches_new_line(true).size_limit(LARGEST_PATTERN).build().ok()
}
