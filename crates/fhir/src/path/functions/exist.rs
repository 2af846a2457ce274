//! Existence (FHIRPath "Existence"): whether there are items, and whether they are all or in part of a kind.

use super::super::ast::NodeId;
use super::super::evaluation::{Answer, Evaluation, Frame, boolean, maybe};
use super::super::fault::Fault;
use super::super::item::Item;
use super::function::{Call, Function, argument};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("empty", |_, input| Ok(vec![input.is_empty().into()])),
    Function::new("exists", 0, 1, Call::Lambda(exists)),
    Function::new("all", 1, 1, Call::Lambda(all)),
    Function::plain("allTrue", |_, input| every(&input, true)),
    Function::plain("anyTrue", |_, input| any(&input, true)),
    Function::plain("allFalse", |_, input| every(&input, false)),
    Function::plain("anyFalse", |_, input| any(&input, false)),
    Function::of("subsetOf", 1, |evaluation, input, values| within(evaluation, &input, argument(values))),
    Function::of("supersetOf", 1, |evaluation, input, values| within(evaluation, argument(values), &input)),
    Function::plain("count", |_, input| maybe(i64::try_from(input.len()).ok())),
    Function::plain("distinct", |evaluation, input| evaluation.distinct(input)),
    Function::plain("isDistinct", |evaluation, input| {
        let count = input.len();
        Ok(vec![(evaluation.distinct(input)?.len() == count).into()])
    }),
    Function::plain("not", |_, input| maybe(boolean(&input)?.map(|value| !value))),
];

fn exists<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    let Some(criterion) = arguments.first() else { return Ok(vec![(!input.is_empty()).into()]) };
    for (index, item) in input.iter().enumerate() {
        let value = evaluation.each(*criterion, item, index, &[])?;
        if boolean(&value)? == Some(true) {
            return Ok(vec![true.into()]);
        }
    }
    Ok(vec![false.into()])
}

fn all<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    _: &Frame<'_, 'a>,
) -> Answer<'a> {
    for (index, item) in input.iter().enumerate() {
        for criterion in arguments {
            let value = evaluation.each(*criterion, item, index, &[])?;
            if boolean(&value)? != Some(true) {
                return Ok(vec![false.into()]);
            }
        }
    }
    Ok(vec![true.into()])
}

fn said(item: &Item<'_>) -> Result<bool, Fault> {
    item.as_bool().ok_or_else(|| Fault::wrong(format!("a boolean is expected, not a {}", item.type_name().1)))
}

fn every<'a>(input: &[Item<'a>], wanted: bool) -> Answer<'a> {
    let mut result = true;
    for item in input {
        result &= said(item)? == wanted;
    }
    Ok(vec![result.into()])
}

fn any<'a>(input: &[Item<'a>], wanted: bool) -> Answer<'a> {
    let mut result = false;
    for item in input {
        result |= said(item)? == wanted;
    }
    Ok(vec![result.into()])
}

fn within<'a>(evaluation: &mut Evaluation<'a>, part: &[Item<'a>], whole: &[Item<'a>]) -> Answer<'a> {
    for item in part {
        if !evaluation.has(whole, item)? {
            return Ok(vec![false.into()]);
        }
    }
    Ok(vec![true.into()])
}
