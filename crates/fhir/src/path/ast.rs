//! An expression as it is kept once it is parsed: nodes that name each other by their number.

use std::collections::HashMap;

use super::functions::Pattern;
use super::item::System;

/// The number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// A compiled expression's parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ast {
    pub(crate) nodes: Vec<Part>,
    /// Whether a node is the same wherever it is evaluated: it depends on nothing but variables.
    pub(crate) fixed: Vec<bool>,
    /// How deep a node's parts are nested.
    pub(crate) depths: Vec<usize>,
    /// Patterns that are literals, by the node of the literal.
    pub(crate) patterns: HashMap<NodeId, Pattern>,
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// `{}`
    Nothing,
    Literal(System<'static>),
    This,
    Index,
    Total,
    Variable(Variable),
    /// A name at the beginning of a path: an element of the input, or the input's own type.
    Head(String),
    /// A name after a dot.
    Member(NodeId, String),
    /// A function, of what stands before its dot or of the input.
    Call(Option<NodeId>, Called, Vec<NodeId>),
    At(NodeId, NodeId),
    Negative(NodeId),
    Positive(NodeId),
    Binary(Operator, NodeId, NodeId),
    /// `is`, `as` and `ofType`, as operators and as functions.
    OfType(Test, Option<NodeId>, TypeName),
}

/// Which function is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called {
    pub(crate) name: &'static str,
    /// Its position in the table of functions.
    pub(crate) position: (usize, usize),
}

/// What is asked of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Is,
    As,
    OfType,
}

/// A variable from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Context,
    Resource,
    RootResource,
    /// A text that the name itself says: `%ucum`, `%vs-name`.
    Text(String),
    /// One that the caller may define.
    Named(String),
}

/// The name of a type, with its namespace where that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Times,
    Over,
    Div,
    Mod,
    Plus,
    Minus,
    Concatenate,
    Union,
    Less,
    Greater,
    AtMost,
    AtLeast,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Xor,
    Or,
    Implies,
}

/// The operators with how they are written and how strongly they bind; what binds more strongly has the greater number.
pub(crate) const OPERATORS: [(&str, Operator, u8); 22] = [
    ("*", Operator::Times, 11),
    ("/", Operator::Over, 11),
    ("div", Operator::Div, 11),
    ("mod", Operator::Mod, 11),
    ("+", Operator::Plus, 10),
    ("-", Operator::Minus, 10),
    ("&", Operator::Concatenate, 10),
    ("|", Operator::Union, 8),
    ("<", Operator::Less, 7),
    (">", Operator::Greater, 7),
    ("<=", Operator::AtMost, 7),
    (">=", Operator::AtLeast, 7),
    ("=", Operator::Equal, 6),
    ("~", Operator::Equivalent, 6),
    ("!=", Operator::NotEqual, 6),
    ("!~", Operator::NotEquivalent, 6),
    ("in", Operator::In, 5),
    ("contains", Operator::Contains, 5),
    ("and", Operator::And, 4),
    ("xor", Operator::Xor, 3),
    ("or", Operator::Or, 3),
    ("implies", Operator::Implies, 2),
];

/// How strongly `is` and `as` bind.
pub(crate) const TYPE_BINDS: u8 = 9;
/// How strongly a sign before a number binds.
pub(crate) const SIGN_BINDS: u8 = 12;

impl Operator {
    /// How it is written.
    pub(crate) fn text(self) -> &'static str {
        OPERATORS.iter().find(|row| row.1 == self).map(|row| row.0).unwrap_or_default()
    }
}

impl Ast {
    pub(crate) fn part(&self, id: NodeId) -> &Part {
        static NOTHING: Part = Part::Nothing;
        usize::try_from(id.0).ok().and_then(|position| self.nodes.get(position)).unwrap_or(&NOTHING)
    }

    pub(crate) fn is_fixed(&self, id: NodeId) -> bool {
        usize::try_from(id.0).ok().and_then(|position| self.fixed.get(position)).copied().unwrap_or_default()
    }

    pub(crate) fn depth(&self, id: NodeId) -> usize {
        usize::try_from(id.0).ok().and_then(|position| self.depths.get(position)).copied().unwrap_or_default()
    }

    /// The parts that a part is made of.
    pub(crate) fn inside(part: &Part) -> Vec<NodeId> {
        match part {
            Part::Nothing
            | Part::Literal(_)
            | Part::This
            | Part::Index
            | Part::Total
            | Part::Variable(_)
            | Part::Head(_) => Vec::new(),
            Part::Member(on, _) | Part::Negative(on) | Part::Positive(on) => vec![*on],
            Part::Call(on, _, arguments) => on.iter().chain(arguments).copied().collect(),
            Part::At(on, index) => vec![*on, *index],
            Part::Binary(_, left, right) => vec![*left, *right],
            Part::OfType(_, on, _) => on.iter().copied().collect(),
        }
    }
}
