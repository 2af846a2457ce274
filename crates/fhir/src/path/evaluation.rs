//! One evaluation: what it may still cost, the way it has gone, what it remembers.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ast::{Ast, NodeId, Part};
use super::context::Context;
use super::fault::Fault;
use super::functions::{COMPILATION, Pattern, unusable};
use super::item::{Item, PlaceId, System};
use crate::json::Value;
use crate::pieces;

/// What a part of an expression gives.
pub(super) type Answer<'a> = Result<Vec<Item<'a>>, Fault>;

/// The evaluation of a part by its kind, which comes back here for the parts inside.
pub(super) type ByKind = for<'a> fn(&mut Evaluation<'a>, &'a Part, &Frame<'_, 'a>) -> Answer<'a>;

/// How many bytes of text count as one step.
const BYTES_PER_STEP: usize = 16;

/// The longest text in bytes that an expression may make.
const LONGEST_MADE: usize = 1 << 20;

/// How many items of a list count as one step.
const ITEMS_PER_STEP: usize = 8;

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
    /// What a part gives, by its kind.
    by_kind: ByKind,
    pub(super) context: Context<'a>,
    pub(super) trail: Vec<Trail<'a>>,
    /// How many steps are left.
    left: usize,
    /// How many functions we are inside of that evaluate a part for each item.
    pub(super) inside: usize,
    /// What parts gave that are the same for each item.
    fixed: HashMap<NodeId, Vec<Item<'a>>>,
    /// Patterns that were no literals. Each costs so many steps that there are few.
    patterns: HashMap<(String, bool), Pattern>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(ast: &'a Ast, by_kind: ByKind, context: &Context<'a>) -> Evaluation<'a> {
        let left = context.steps;
        Evaluation {
            ast,
            by_kind,
            context: context.clone(),
            trail: Vec::new(),
            left,
            inside: 0,
            fixed: HashMap::new(),
            patterns: HashMap::new(),
        }
    }

    /// Counts steps.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        pieces::did(steps);
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or_default();
        left.map(|_| ()).ok_or(Fault::TooCostly)
    }

    /// How many steps have been taken.
    pub(super) fn spent(&self) -> usize {
        self.context.steps - self.left
    }

    /// Counts the steps that a text of such a length is worth.
    pub(super) fn spend_on_text(&mut self, length: usize) -> Result<(), Fault> {
        self.spend(length / BYTES_PER_STEP)
    }

    /// The text that a collection says. Who reads it takes the steps that it is worth.
    pub(super) fn text(&mut self, items: &[Item<'a>]) -> Result<Option<Cow<'a, str>>, Fault> {
        self.spend_on_reading(items)?;
        text(items)
    }

    /// Counts the steps that it takes to read the texts among items.
    pub(super) fn spend_on_reading(&mut self, items: &[Item<'a>]) -> Result<(), Fault> {
        self.spend_on_text(items.iter().map(length).sum())
    }

    /// Counts the steps that it takes to hand on what a part gave: the items, and the texts that were made. Every part comes
    /// through here, so that no function need think of it.
    fn spend_on_result(&mut self, items: &[Item<'a>]) -> Result<(), Fault> {
        self.spend(items.len() / ITEMS_PER_STEP)?;
        for item in items {
            if let Item::System(System::String(Cow::Owned(text))) = item {
                if text.len() > LONGEST_MADE {
                    return Err(Fault::TooCostly);
                }
                self.spend_on_text(text.len())?;
            }
        }
        Ok(())
    }

    /// A pattern that is no literal, compiled once.
    pub(super) fn pattern(&mut self, text: &str, is_whole: bool) -> Result<Pattern, Fault> {
        let key = (text.to_owned(), is_whole);
        if let Some(known) = self.patterns.get(&key) {
            return Ok(known.clone());
        }
        self.spend(COMPILATION)?;
        self.spend(text.len())?;
        let pattern = Pattern::read(text, is_whole).ok_or_else(unusable)?;
        self.patterns.insert(key, pattern.clone());
        Ok(pattern)
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
            let items = (self.by_kind)(self, ast.part(id), frame)?;
            self.spend_on_result(&items)?;
            return Ok(items);
        }
        if let Some(known) = self.fixed.get(&id) {
            let known = known.clone();
            self.spend(known.len())?;
            self.spend_on_result(&known)?;
            return Ok(known);
        }
        let items = (self.by_kind)(self, ast.part(id), frame)?;
        self.spend_on_result(&items)?;
        self.fixed.insert(id, items.clone());
        Ok(items)
    }

    /// Evaluates a part for one item, which is `$this`.
    pub(super) fn each(&mut self, part: NodeId, item: &Item<'a>, index: usize, total: &[Item<'a>]) -> Answer<'a> {
        self.inside += 1;
        let answer = self.part(part, &Frame { this: std::slice::from_ref(item), index: Some(index), total });
        self.inside -= 1;
        answer
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

/// How long the text of an item is; of what has none, 0.
pub(super) fn length(item: &Item<'_>) -> usize {
    match item {
        Item::System(System::String(text)) => text.len(),
        Item::Node(node) => match node.value {
            Some(Value::String(text) | Value::Number(text)) => text.len(),
            _ => 0,
        },
        _ => 0,
    }
}

/// The text that a collection says.
fn text<'a>(items: &[Item<'a>]) -> Result<Option<Cow<'a, str>>, Fault> {
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
