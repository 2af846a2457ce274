//! The evaluation of a compiled expression: each part by its kind, every step counted.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ast::{Ast, NodeId, Part, Test, TypeName, Variable};
use super::context::Context;
use super::fault::Fault;
use super::functions::Call;
use super::item::{Item, PlaceId, System};
use super::operators;
use super::typing;

/// What a part of an expression gives.
pub(super) type Answer<'a> = Result<Vec<Item<'a>>, Fault>;

/// How many bytes of text count as one step.
const BYTES_PER_STEP: usize = 16;

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f, 'a> {
    pub(super) this: &'f [Item<'a>],
    pub(super) index: Option<usize>,
    pub(super) total: &'f [Item<'a>],
}

/// A step from an element into it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail<'a> {
    pub(super) parent: PlaceId,
    pub(super) name: &'a str,
    pub(super) position: Option<usize>,
}

/// One evaluation.
pub(super) struct Evaluation<'a> {
    pub(super) ast: &'a Ast,
    pub(super) context: Context<'a>,
    pub(super) trail: Vec<Trail<'a>>,
    /// How many steps are left.
    left: usize,
    /// How many functions we are inside of that evaluate a part for each item.
    pub(super) inside: usize,
    /// What parts gave that are the same for each item.
    fixed: HashMap<NodeId, Vec<Item<'a>>>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(ast: &'a Ast, context: &Context<'a>) -> Evaluation<'a> {
        let left = context.steps;
        Evaluation { ast, context: context.clone(), trail: Vec::new(), left, inside: 0, fixed: HashMap::new() }
    }

    /// Counts steps.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(steps).ok_or(Fault::TooCostly)?;
        Ok(())
    }

    /// How many steps have been taken.
    pub(super) fn spent(&self) -> usize {
        self.context.steps - self.left
    }

    /// Counts the steps that a text of such a length is worth.
    pub(super) fn spend_on_text(&mut self, length: usize) -> Result<(), Fault> {
        self.spend(length / BYTES_PER_STEP)
    }

    /// The place of an element inside another one.
    pub(super) fn step(&mut self, parent: PlaceId, name: &'a str, position: Option<usize>) -> PlaceId {
        let place = u32::try_from(self.trail.len()).unwrap_or(PlaceId::ELSEWHERE.0).min(PlaceId::ELSEWHERE.0);
        self.trail.push(Trail { parent, name, position });
        PlaceId(place)
    }

    /// Evaluates a part. It goes no deeper than the parser has let the expression be.
    pub(super) fn part(&mut self, id: NodeId, frame: &Frame<'_, 'a>) -> Answer<'a> {
        self.spend(1)?;
        let ast: &'a Ast = self.ast;
        // Two steps or fewer are not worth to be remembered.
        if self.inside == 0 || !ast.is_fixed(id) || ast.depth(id) < 3 {
            return self.fresh(ast.part(id), frame);
        }
        if let Some(known) = self.fixed.get(&id) {
            let known = known.clone();
            self.spend(known.len())?;
            return Ok(known);
        }
        let items = self.fresh(ast.part(id), frame)?;
        self.fixed.insert(id, items.clone());
        Ok(items)
    }

    fn fresh(&mut self, part: &'a Part, frame: &Frame<'_, 'a>) -> Answer<'a> {
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

    /// Evaluates a part for one item, which is `$this`.
    pub(super) fn each(&mut self, part: NodeId, item: &Item<'a>, index: usize, total: &[Item<'a>]) -> Answer<'a> {
        self.inside += 1;
        let answer = self.part(part, &Frame { this: std::slice::from_ref(item), index: Some(index), total });
        self.inside -= 1;
        answer
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

/// The one item that there is, or none; of several it is not said which is meant (FHIRPath "Singleton Evaluation").
pub(super) fn one<'i, 'a>(items: &'i [Item<'a>]) -> Result<Option<&'i Item<'a>>, Fault> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        several => Err(Fault::wrong(format!("one item is expected, and there are {}", several.len()))),
    }
}

/// The boolean that a collection says: of one item that is no boolean, that it is there.
pub(super) fn boolean(items: &[Item<'_>]) -> Result<Option<bool>, Fault> {
    Ok(one(items)?.map(|item| match item {
        Item::Node(node) if node.is_primitive() => item.as_bool().unwrap_or(true),
        item => item.as_bool().unwrap_or(true),
    }))
}

/// The whole number that a collection says.
pub(super) fn integer(items: &[Item<'_>]) -> Result<Option<i64>, Fault> {
    match one(items)?.map(|item| (item.system(), item)) {
        None => Ok(None),
        Some((Some(System::Integer(number)), _)) => Ok(Some(number)),
        Some((_, item)) => Err(Fault::wrong(format!("an integer is expected, not a {}", item.type_name().1))),
    }
}

/// The text that a collection says.
pub(super) fn text<'a>(items: &[Item<'a>]) -> Result<Option<Cow<'a, str>>, Fault> {
    let Some(item) = one(items)? else { return Ok(None) };
    match item.as_text() {
        Some(text) => Ok(Some(text)),
        // A primitive that has only extensions says nothing.
        None if matches!(item, Item::Node(node) if node.is_primitive() && node.value.is_none()) => Ok(None),
        None => Err(Fault::wrong(format!("a string is expected, not a {}", item.type_name().1))),
    }
}

/// One value, or none.
pub(super) fn maybe<'a>(value: Option<impl Into<Item<'a>>>) -> Answer<'a> {
    Ok(value.map(Into::into).into_iter().collect())
}
