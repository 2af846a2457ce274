//! Subsets and their combinations (FHIRPath "Subsetting", "Combining").

use super::super::evaluation::{Answer, Evaluation, integer, one};
use super::super::fault::Fault;
use super::super::item::Item;
use super::function::{Function, argument};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("single", |_, input| one(&input).map(|_| ()).map(|()| input)),
    Function::plain("first", |_, input| Ok(input.into_iter().take(1).collect())),
    Function::plain("last", |_, mut input| Ok(input.pop().into_iter().collect())),
    Function::plain("tail", |_, input| Ok(input.into_iter().skip(1).collect())),
    Function::of("skip", 1, |_, input, values| {
        let count = count(values)?;
        Ok(input.into_iter().skip(count).collect())
    }),
    Function::of("take", 1, |_, input, values| {
        let count = count(values)?;
        Ok(input.into_iter().take(count).collect())
    }),
    Function::of("intersect", 1, |evaluation, input, values| {
        let kept = picked(evaluation, input, argument(values), true)?;
        evaluation.distinct(kept)
    }),
    Function::of("exclude", 1, |evaluation, input, values| picked(evaluation, input, argument(values), false)),
    Function::of("union", 1, |evaluation, mut input, values| {
        input.extend(argument(values).iter().cloned());
        evaluation.distinct(input)
    }),
    Function::of("combine", 1, |evaluation, mut input, values| {
        evaluation.spend(argument(values).len())?;
        input.extend(argument(values).iter().cloned());
        Ok(input)
    }),
];

/// How many: nothing below none.
fn count(values: &[Vec<Item<'_>>]) -> Result<usize, Fault> {
    let number = integer(argument(values))?.ok_or_else(|| Fault::wrong("a number is expected"))?;
    Ok(usize::try_from(number.max(0)).unwrap_or(usize::MAX))
}

/// The items that are among others, or those that are not.
fn picked<'a>(evaluation: &mut Evaluation<'a>, input: Vec<Item<'a>>, others: &[Item<'a>], wanted: bool) -> Answer<'a> {
    let mut kept = Vec::new();
    for item in input {
        if evaluation.has(others, &item)? == wanted {
            kept.push(item);
        }
    }
    Ok(kept)
}
