//! What each kind of part gives.

use std::borrow::Cow;

use super::ast::{Ast, NodeId, Part, Test, TypeName, Variable};
use super::context::Context;
use super::evaluation::{Answer, Evaluation, Frame, integer, one};
use super::fault::Fault;
use super::functions::{self, Call};
use super::item::{Item, System};
use super::operators;
use super::typing;

/// An evaluation of an expression's parts.
pub(super) fn begin<'a>(ast: &'a Ast, context: &Context<'a>) -> Evaluation<'a> {
    Evaluation::new(ast, |evaluation, part, frame| evaluation.by_kind(part, frame), context)
}

impl<'a> Evaluation<'a> {
    fn by_kind(&mut self, part: &'a Part, frame: &Frame<'_, 'a>) -> Answer<'a> {
        match part {
            Part::Nothing => Ok(Vec::new()),
            Part::Literal(value) => Ok(vec![Item::System(literal(value))]),
            Part::This => Ok(frame.this.to_vec()),
            Part::Index => match frame.index {
                Some(index) => Ok(vec![i64::try_from(index).unwrap_or(i64::MAX).into()]),
                None => Err(Fault::wrong("$index has no meaning here")),
            },
            Part::Total => Ok(frame.total.to_vec()),
            Part::Variable(variable) => self.variable(variable),
            Part::Head(name) => self.head(name, frame),
            Part::Member(on, name) => {
                let input = self.part(*on, frame)?;
                self.members(&input, name)
            }
            Part::Call(on, function, arguments) => {
                let input = self.input(*on, frame)?;
                let Some(function) = functions::at(function.position) else {
                    return Err(Fault::wrong(format!("there is no function '{}'", function.name)));
                };
                match function.call {
                    Call::Input(call) => call(self, input),
                    Call::Values(call) => {
                        let mut values = Vec::with_capacity(arguments.len());
                        for argument in arguments {
                            values.push(self.part(*argument, frame)?);
                        }
                        call(self, input, &values)
                    }
                    Call::Own(call) | Call::Lambda(call) => call(self, input, arguments, frame),
                }
            }
            Part::At(on, index) => {
                let input = self.part(*on, frame)?;
                let index = self.part(*index, frame)?;
                let position = integer(&index)?.and_then(|index| usize::try_from(index).ok());
                Ok(position.and_then(|position| input.into_iter().nth(position)).into_iter().collect())
            }
            Part::Negative(on) => operators::negative(self.part(*on, frame)?),
            Part::Positive(on) => operators::positive(self.part(*on, frame)?),
            Part::Binary(operator, left, right) => operators::binary(self, *operator, *left, *right, frame),
            Part::OfType(test, on, name) => {
                let input = self.input(*on, frame)?;
                of_type(*test, input, name)
            }
        }
    }

    /// What stands before the dot of a function, or what the expression is asked of.
    fn input(&mut self, on: Option<NodeId>, frame: &Frame<'_, 'a>) -> Answer<'a> {
        match on {
            Some(on) => self.part(on, frame),
            None => Ok(frame.this.to_vec()),
        }
    }

    fn members(&mut self, input: &[Item<'a>], name: &str) -> Answer<'a> {
        let mut found = Vec::new();
        for item in input {
            self.member(item, name, &mut found)?;
        }
        Ok(found)
    }

    /// The first name of a path: the type of what it is asked of, or an element of that.
    fn head(&mut self, name: &str, frame: &Frame<'_, 'a>) -> Answer<'a> {
        if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            let is_of = |item: &&Item<'a>| matches!(item, Item::Node(node) if typing::is_a(node, name));
            let named: Vec<Item<'a>> = frame.this.iter().filter(is_of).cloned().collect();
            if !named.is_empty() {
                return Ok(named);
            }
        }
        self.members(frame.this, name)
    }

    fn variable(&mut self, variable: &'a Variable) -> Answer<'a> {
        match variable {
            Variable::Context => Ok(vec![self.context.focus.clone()]),
            Variable::Resource => Ok(vec![Item::Node(self.context.resource)]),
            Variable::RootResource => Ok(vec![Item::Node(self.context.root)]),
            Variable::Text(text) => Ok(vec![Cow::Borrowed(text.as_str()).into()]),
            Variable::Named(name) => {
                let defined = self.context.variables.iter().find(|(other, _)| other == name);
                match defined {
                    Some((_, items)) => Ok(items.clone()),
                    None => Err(Fault::wrong(format!("there is no variable %{name}"))),
                }
            }
        }
    }
}

fn of_type<'a>(test: Test, input: Vec<Item<'a>>, name: &TypeName) -> Answer<'a> {
    match test {
        Test::OfType => Ok(input.into_iter().filter(|item| typing::passes(item, test, name)).collect()),
        Test::Is => Ok(one(&input)?.map(|item| typing::passes(item, test, name).into()).into_iter().collect()),
        Test::As => {
            one(&input)?;
            Ok(input.into_iter().filter(|item| typing::passes(item, test, name)).collect())
        }
    }
}

/// A literal for as long as the expression lives.
fn literal<'a>(value: &'a System<'static>) -> System<'a> {
    match value {
        System::String(text) => System::String(Cow::Borrowed(text)),
        other => other.clone(),
    }
}
