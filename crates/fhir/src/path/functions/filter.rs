//! Filtering and projection, and what else evaluates a part for each item (FHIRPath "Filtering and projection",
//! "Aggregates", "Utility functions").

use std::cmp::Ordering;
use std::collections::HashSet;

use super::super::ast::{NodeId, Part};
use super::super::compare::order;
use super::super::evaluation::{Answer, Evaluation, Frame, boolean, length, one};
use super::super::fault::Fault;
use super::super::item::Item;
use super::function::{Call, Function};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("where", 1, 1, Call::Lambda(filter)),
    Function::new("select", 1, 1, Call::Lambda(select)),
    Function::new("repeat", 1, 1, Call::Lambda(repeat)),
    Function::new("aggregate", 1, 2, Call::Lambda(aggregate)),
    Function::new("iif", 2, 3, Call::Lambda(iif)),
    Function::new("trace", 1, 2, Call::Lambda(|_, input, _, _| Ok(input))),
    Function::new("sort", 0, 8, Call::Lambda(sort)),
    Function::plain("children", |evaluation, input| {
        let mut found = Vec::new();
        for item in &input {
            evaluation.children(item, &mut found)?;
        }
        Ok(found)
    }),
    Function::plain("descendants", |evaluation, input| evaluation.descendants(input)),
];

fn filter<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    let mut kept = Vec::new();
    let Some(criterion) = arguments.first() else { return Ok(input) };
    for (index, item) in input.into_iter().enumerate() {
        let value = evaluation.each(*criterion, &item, index, &[])?;
        if boolean(&value)? == Some(true) {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn select<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    let mut found = Vec::new();
    for (index, item) in input.iter().enumerate() {
        for projection in arguments {
            found.append(&mut evaluation.each(*projection, item, index, &[])?);
        }
    }
    Ok(found)
}

/// What the projection gives, and what it gives of that, until nothing is new.
fn repeat<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    let Some(projection) = arguments.first() else { return Ok(Vec::new()) };
    let mut found: Vec<Item<'a>> = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = input;
    while !waiting.is_empty() {
        let mut new = Vec::new();
        for (index, item) in waiting.iter().enumerate() {
            for item in evaluation.each(*projection, item, index, &[])? {
                // An element is known by itself, for two that say the same are two; a value by what it says.
                let is_new = match &item {
                    Item::Node(node) => seen.insert(node.identity()),
                    value => !evaluation.has(&found, value)?,
                };
                if is_new {
                    found.push(item.clone());
                    new.push(item);
                }
            }
        }
        waiting = new;
    }
    Ok(found)
}

fn aggregate<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    let Some(step) = arguments.first() else { return Ok(Vec::new()) };
    let mut total = match arguments.get(1) {
        Some(start) => evaluation.part(*start, frame)?,
        None => Vec::new(),
    };
    for (index, item) in input.iter().enumerate() {
        total = evaluation.each(*step, item, index, &total)?;
        evaluation.spend(total.len())?;
    }
    Ok(total)
}

/// One of two parts, by a criterion; the other is not looked at.
fn iif<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    one(&input)?;
    let frame = Frame { this: &input, index: frame.index, total: frame.total };
    let [criterion, rest @ ..] = arguments else { return Ok(Vec::new()) };
    let value = evaluation.part(*criterion, &frame)?;
    let holds = match one(&value)? {
        None => false,
        Some(item) => item.as_bool().ok_or_else(|| Fault::wrong("the criterion of iif() is a boolean"))?,
    };
    match rest.get(usize::from(!holds)) {
        Some(part) => evaluation.part(*part, &frame),
        None => Ok(Vec::new()),
    }
}

/// Sorts by keys; a sign before a key turns its order round.
fn sort<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    let mut keyed = Vec::with_capacity(input.len());
    let keys: Vec<(NodeId, bool)> = arguments
        .iter()
        .map(|id| match evaluation.ast.part(*id) {
            Part::Negative(inner) => (*inner, true),
            _ => (*id, false),
        })
        .collect();
    for (index, item) in input.into_iter().enumerate() {
        let mut values = Vec::new();
        for (key, is_down) in &keys {
            let value = evaluation.each(*key, &item, index, &[])?;
            values.push((one(&value)?.cloned(), *is_down));
        }
        if keys.is_empty() {
            values.push((Some(item.clone()), false));
        }
        keyed.push((values, item));
    }
    // Each is compared with as many others as its number has binary digits.
    let compared = usize::try_from(keyed.len().checked_ilog2().unwrap_or_default() + 1).unwrap_or(usize::MAX);
    evaluation.spend(keyed.len() * compared.max(8))?;
    let lengths = keyed.iter().flat_map(|(values, _)| values).filter_map(|(value, _)| value.as_ref()).map(length);
    evaluation.spend_on_text(lengths.sum::<usize>().saturating_mul(compared))?;
    let mut fault = None;
    keyed.sort_by(|(one, _), (two, _)| {
        for ((first, is_down), (second, _)) in one.iter().zip(two) {
            let by_key = match (first, second) {
                (Some(first), Some(second)) => order(first, second).unwrap_or_else(|found| {
                    fault = Some(found);
                    None
                }),
                // What has no key comes first, whichever way the others are sorted.
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (None, None) => None,
            };
            match by_key {
                Some(Ordering::Equal) | None => {}
                Some(order) => return if *is_down { order.reverse() } else { order },
            }
        }
        Ordering::Equal
    });
    match fault {
        Some(fault) => Err(fault),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}
