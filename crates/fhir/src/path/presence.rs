//! What can be said of an expression by nothing but which elements of its input are there: most rules hold because what
//! they are about is not given.

use super::Expression;
use super::ast::{Ast, NodeId, Operator, Part};
use crate::schema::Shape;

/// What an expression says as a rule, as far as the presence of elements tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    /// It gives nothing.
    Empty,
    /// It has to be evaluated.
    Open,
}

/// A formula over the elements of a shape, by their positions.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// The same whatever is there.
    Fixed(Truth),
    /// Whether an element of that position is there.
    Has(usize),
    /// One way where the first is false, and open where it is not.
    Unless(Box<Presence>, Truth),
    Not(Box<Presence>),
    And(Box<Presence>, Box<Presence>),
    Or(Box<Presence>, Box<Presence>),
    Xor(Box<Presence>, Box<Presence>),
    Implies(Box<Presence>, Box<Presence>),
    /// Whether both say the same, or where the mark is set, whether they do not.
    Same(Box<Presence>, Box<Presence>, bool),
}

/// Functions that give nothing where they are given nothing.
const PASSES_NOTHING: [&str; 22] = [
    "where",
    "select",
    "first",
    "last",
    "tail",
    "skip",
    "take",
    "repeat",
    "descendants",
    "children",
    "resolve",
    "extension",
    "trace",
    "single",
    "distinct",
    "contains",
    "startsWith",
    "matches",
    "toInteger",
    "toString",
    "substring",
    "htmlChecks",
];

impl Presence {
    /// Of a rule that is about an element: it holds where that is not there.
    pub(crate) fn of_element(position: usize) -> Presence {
        Presence::Unless(Box::new(Presence::Has(position)), Truth::True)
    }

    /// What the formula says where those elements are there, a bit for each position.
    pub(crate) fn given(&self, seen: u128) -> Truth {
        match self {
            Presence::Fixed(truth) => *truth,
            Presence::Has(position) => truth(seen & (1 << position) != 0),
            Presence::Unless(condition, otherwise) => match condition.given(seen) {
                Truth::False => *otherwise,
                _ => Truth::Open,
            },
            Presence::Not(inner) => match inner.given(seen) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                other => other,
            },
            Presence::And(left, right) => match (left.given(seen), right.given(seen)) {
                (Truth::False, _) | (_, Truth::False) => Truth::False,
                (Truth::True, Truth::True) => Truth::True,
                (Truth::Open, _) | (_, Truth::Open) => Truth::Open,
                _ => Truth::Empty,
            },
            Presence::Or(left, right) => match (left.given(seen), right.given(seen)) {
                (Truth::True, _) | (_, Truth::True) => Truth::True,
                (Truth::False, Truth::False) => Truth::False,
                (Truth::Open, _) | (_, Truth::Open) => Truth::Open,
                _ => Truth::Empty,
            },
            Presence::Implies(left, right) => match (left.given(seen), right.given(seen)) {
                (Truth::False, _) | (_, Truth::True) => Truth::True,
                (Truth::True, other) => other,
                (Truth::Empty, Truth::False | Truth::Empty) => Truth::Empty,
                _ => Truth::Open,
            },
            Presence::Xor(left, right) => match (left.given(seen), right.given(seen)) {
                (Truth::Empty, _) | (_, Truth::Empty) => Truth::Empty,
                (Truth::Open, _) | (_, Truth::Open) => Truth::Open,
                (left, right) => truth(left != right),
            },
            Presence::Same(left, right, is_unequal) => match (left.given(seen), right.given(seen)) {
                (Truth::Empty, _) | (_, Truth::Empty) => Truth::Empty,
                (Truth::Open, _) | (_, Truth::Open) => Truth::Open,
                (left, right) => truth((left == right) != *is_unequal),
            },
        }
    }
}

fn truth(value: bool) -> Truth {
    if value { Truth::True } else { Truth::False }
}

impl Expression {
    /// What the presence of a shape's elements says of this expression, asked of an element of that shape.
    pub(crate) fn presence(&self, shape: &Shape) -> Presence {
        Reader { ast: &self.ast, shape }.rule(self.whole)
    }
}

struct Reader<'e> {
    ast: &'e Ast,
    shape: &'e Shape,
}

impl Reader<'_> {
    /// What a part says as a rule.
    fn rule(&self, id: NodeId) -> Presence {
        match self.ast.part(id) {
            Part::Call(Some(on), function, arguments) => match (function.name, arguments.is_empty()) {
                ("exists", true) => self.is_there(*on),
                ("empty", _) => Presence::Not(Box::new(self.is_there(*on))),
                ("not", _) => Presence::Not(Box::new(self.rule(*on))),
                ("exists" | "hasValue" | "anyTrue", _) => self.unless(*on, Truth::False),
                ("all" | "allTrue" | "isDistinct", _) => self.unless(*on, Truth::True),
                (name, _) if PASSES_NOTHING.contains(&name) => self.unless(*on, Truth::Empty),
                _ => Presence::Fixed(Truth::Open),
            },
            Part::Binary(operator, left, right) => self.binary(*operator, *left, *right),
            Part::Head(_) | Part::Member(..) => self.unless(id, Truth::Empty),
            Part::OfType(_, Some(on), _) => self.unless(*on, Truth::Empty),
            _ => Presence::Fixed(Truth::Open),
        }
    }

    fn binary(&self, operator: Operator, left: NodeId, right: NodeId) -> Presence {
        let both = |make: fn(Box<Presence>, Box<Presence>) -> Presence| {
            make(Box::new(self.rule(left)), Box::new(self.rule(right)))
        };
        match operator {
            Operator::And => both(Presence::And),
            Operator::Or => both(Presence::Or),
            Operator::Xor => both(Presence::Xor),
            Operator::Implies => both(Presence::Implies),
            Operator::Equal | Operator::NotEqual if self.is_boolean(left) && self.is_boolean(right) => {
                Presence::Same(Box::new(self.rule(left)), Box::new(self.rule(right)), operator == Operator::NotEqual)
            }
            Operator::In => self.unless(left, Truth::Empty),
            Operator::Contains => self.unless(right, Truth::Empty),
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::Greater
            | Operator::AtMost
            | Operator::AtLeast => {
                let there = Presence::And(Box::new(self.is_there(left)), Box::new(self.is_there(right)));
                Presence::Unless(Box::new(there), Truth::Empty)
            }
            _ => Presence::Fixed(Truth::Open),
        }
    }

    /// Whether a part always gives one boolean.
    fn is_boolean(&self, id: NodeId) -> bool {
        matches!(self.ast.part(id), Part::Call(Some(_), function, _) if matches!(function.name, "exists" | "empty"))
    }

    /// One way where a part gives nothing, and open where it gives something.
    fn unless(&self, id: NodeId, otherwise: Truth) -> Presence {
        match self.is_there(id) {
            Presence::Fixed(Truth::Open) => Presence::Fixed(Truth::Open),
            there => Presence::Unless(Box::new(there), otherwise),
        }
    }

    /// Whether a part gives anything.
    fn is_there(&self, id: NodeId) -> Presence {
        let open = || Box::new(Presence::Fixed(Truth::Open));
        match self.ast.part(id) {
            Part::Nothing => Presence::Fixed(Truth::False),
            Part::Literal(_) | Part::This => Presence::Fixed(Truth::True),
            Part::Head(name) => self.element(name),
            Part::Member(on, name) => match self.ast.part(*on) {
                // The shape's own name comes before its elements.
                Part::Head(own) if *own == self.shape.name => self.element(name),
                _ => Presence::And(Box::new(self.is_there(*on)), open()),
            },
            Part::Call(Some(on), function, _) => match function.name {
                "trace" | "first" => self.is_there(*on),
                "count" | "exists" | "empty" | "hasValue" | "isDistinct" => Presence::Fixed(Truth::True),
                name if PASSES_NOTHING.contains(&name) => Presence::And(Box::new(self.is_there(*on)), open()),
                _ => Presence::Fixed(Truth::Open),
            },
            Part::At(on, _) | Part::OfType(_, Some(on), _) => Presence::And(Box::new(self.is_there(*on)), open()),
            Part::Binary(Operator::Union, left, right) => {
                Presence::Or(Box::new(self.is_there(*left)), Box::new(self.is_there(*right)))
            }
            _ => Presence::Fixed(Truth::Open),
        }
    }

    fn element(&self, name: &str) -> Presence {
        match self.shape.elements.iter().position(|element| element.name == name) {
            Some(position) => Presence::Has(position),
            // It may be the name of a type.
            None if name.starts_with(|first: char| first.is_ascii_uppercase()) => Presence::Fixed(Truth::Open),
            None => Presence::Fixed(Truth::False),
        }
    }
}
