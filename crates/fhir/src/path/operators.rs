//! The operators between two parts, and signs before one.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{NodeId, Operator};
use super::compare::{number, order};
use super::decimal::Decimal;
use super::evaluation::{Answer, Evaluation, Frame, boolean, maybe, one};
use super::fault::Fault;
use super::item::{Item, System};
use super::moment::{Calendar, Kind, Moment};
use super::quantity::{Measure, Quantity};

/// What a sign before a part gives.
pub(super) fn negative(items: Vec<Item<'_>>) -> Answer<'_> {
    let Some(item) = one(&items)? else { return Ok(Vec::new()) };
    match item.system() {
        Some(System::Integer(number)) => maybe(number.checked_neg()),
        Some(System::Decimal(number)) => Ok(vec![number.negated().into()]),
        Some(System::Quantity(quantity)) => Ok(vec![quantity.negated().into()]),
        _ => Err(Fault::wrong(format!("a {} has no sign", item.type_name().1))),
    }
}

/// What a plus before a part gives: the part, if it is a number.
pub(super) fn positive(items: Vec<Item<'_>>) -> Answer<'_> {
    match one(&items)?.map(Item::system) {
        None | Some(Some(System::Integer(_) | System::Decimal(_) | System::Quantity(_))) => Ok(items),
        _ => Err(Fault::wrong("only a number has a sign")),
    }
}

/// What an operator makes of its two sides.
pub(super) fn binary<'a>(
    evaluation: &mut Evaluation<'a>,
    operator: Operator,
    left: NodeId,
    right: NodeId,
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    if matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies) {
        return logic(evaluation, operator, left, right, frame);
    }
    let left = evaluation.part(left, frame)?;
    let right = evaluation.part(right, frame)?;
    match operator {
        Operator::Union => {
            let mut all = left;
            all.extend(right);
            evaluation.distinct(all)
        }
        Operator::Equal | Operator::NotEqual => {
            let equal = equal(evaluation, &left, &right)?;
            maybe(equal.map(|equal| equal == (operator == Operator::Equal)))
        }
        Operator::Equivalent | Operator::NotEquivalent => {
            let equivalent = equivalent(evaluation, &left, &right)?;
            Ok(vec![(equivalent == (operator == Operator::Equivalent)).into()])
        }
        Operator::In => is_in(evaluation, &left, &right),
        Operator::Contains => is_in(evaluation, &right, &left),
        Operator::Less | Operator::Greater | Operator::AtMost | Operator::AtLeast => {
            let (Some(left), Some(right)) = (one(&left)?, one(&right)?) else { return Ok(Vec::new()) };
            evaluation.spend_on_reading(std::slice::from_ref(left))?;
            evaluation.spend_on_reading(std::slice::from_ref(right))?;
            let order = order(left, right)?;
            maybe(order.map(|order| match operator {
                Operator::Less => order == Ordering::Less,
                Operator::Greater => order == Ordering::Greater,
                Operator::AtMost => order != Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        Operator::Concatenate => {
            let (left, right) =
                (evaluation.text(&left)?.unwrap_or_default(), evaluation.text(&right)?.unwrap_or_default());
            Ok(vec![Cow::<str>::Owned(format!("{left}{right}")).into()])
        }
        _ => {
            let (Some(left), Some(right)) = (one(&left)?, one(&right)?) else { return Ok(Vec::new()) };
            sum(evaluation, operator, left, right)
        }
    }
}

/// `and`, `or`, `xor` and `implies`: of three values. The right side is looked at only where it can say something, and
/// what one side does not know is no matter where the other decides.
fn logic<'a>(
    evaluation: &mut Evaluation<'a>,
    operator: Operator,
    left: NodeId,
    right: NodeId,
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    let (first, unknown) = match evaluation.part(left, frame).and_then(|items| boolean(&items)) {
        Ok(first) => (first, None),
        Err(fault @ Fault::Unknown(_)) => (None, Some(fault)),
        Err(fault) => return Err(fault),
    };
    match (operator, first) {
        (Operator::And, Some(false)) => return Ok(vec![false.into()]),
        (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => return Ok(vec![true.into()]),
        _ => {}
    }
    let second = evaluation.part(right, frame).and_then(|items| boolean(&items))?;
    let result = match operator {
        Operator::And => match (first, second) {
            (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Operator::Or => match (first, second) {
            (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Operator::Xor => first.zip(second).map(|(first, second)| first != second),
        _ => match (first, second) {
            (_, Some(true)) => Some(true),
            (Some(true), second) => second,
            _ => None,
        },
    };
    match (result, unknown) {
        (None, Some(fault)) => Err(fault),
        (result, _) => maybe(result),
    }
}

fn equal<'a>(evaluation: &mut Evaluation<'a>, left: &[Item<'a>], right: &[Item<'a>]) -> Result<Option<bool>, Fault> {
    if left.is_empty() || right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    let mut all = Some(true);
    for (one, two) in left.iter().zip(right) {
        match evaluation.equal(one, two)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => all = None,
        }
    }
    Ok(all)
}

fn equivalent<'a>(evaluation: &mut Evaluation<'a>, left: &[Item<'a>], right: &[Item<'a>]) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut rest: Vec<&Item<'a>> = right.iter().collect();
    for item in left {
        let mut found = None;
        for (position, other) in rest.iter().enumerate() {
            if evaluation.equivalent(item, other)? {
                found = Some(position);
                break;
            }
        }
        match found {
            Some(position) => rest.swap_remove(position),
            None => return Ok(false),
        };
    }
    Ok(true)
}

fn is_in<'a>(evaluation: &mut Evaluation<'a>, item: &[Item<'a>], items: &[Item<'a>]) -> Answer<'a> {
    let Some(item) = one(item)? else { return Ok(Vec::new()) };
    Ok(vec![evaluation.has(items, item)?.into()])
}

/// Sums, products and the rest of arithmetic.
fn sum<'a>(evaluation: &mut Evaluation<'a>, operator: Operator, left: &Item<'a>, right: &Item<'a>) -> Answer<'a> {
    let wrong = || {
        let (one, two) = (left.type_name().1, right.type_name().1);
        Fault::wrong(format!("'{}' has no meaning between a {one} and a {two}", operator.text()))
    };
    evaluation.spend_on_reading(std::slice::from_ref(left))?;
    evaluation.spend_on_reading(std::slice::from_ref(right))?;
    let (Some(first), Some(second)) = (left.system(), right.system()) else {
        let has_none =
            |item: &Item<'_>| matches!(item, Item::Node(node) if node.is_primitive() && node.value.is_none());
        return if has_none(left) || has_none(right) { Ok(Vec::new()) } else { Err(wrong()) };
    };
    match (&first, &second) {
        (System::Integer(one), System::Integer(two)) if operator != Operator::Over => {
            maybe(whole(operator, *one, *two))
        }
        (System::String(one), System::String(two)) if operator == Operator::Plus => {
            Ok(vec![Cow::<str>::Owned(format!("{one}{two}")).into()])
        }
        (System::Moment(moment), System::Quantity(quantity))
            if matches!(operator, Operator::Plus | Operator::Minus) =>
        {
            later(moment, quantity, operator == Operator::Minus)
        }
        (one, two) => {
            if let (Some(one), Some(two)) = (number(one), number(two)) {
                return decimal(operator, one, two);
            }
            match (as_quantity(one), as_quantity(two)) {
                (Some(one), Some(two)) => maybe(match operator {
                    Operator::Times => one.times(&two),
                    Operator::Over => one.over(&two),
                    Operator::Plus => one.plus(&two),
                    Operator::Minus => one.plus(&two.negated()),
                    _ => return Err(wrong()),
                }),
                _ => Err(wrong()),
            }
        }
    }
}

fn as_quantity<'a>(value: &System<'a>) -> Option<Quantity<'a>> {
    match value {
        System::Quantity(quantity) => Some(quantity.as_ref().clone()),
        other => number(other).map(Quantity::plain),
    }
}

/// A sum of whole numbers; nothing where it is beyond what an Integer holds.
fn whole(operator: Operator, one: i64, two: i64) -> Option<i64> {
    let result = match operator {
        Operator::Times => one.checked_mul(two),
        Operator::Div => one.checked_div(two),
        Operator::Mod => one.checked_rem(two),
        Operator::Plus => one.checked_add(two),
        _ => one.checked_sub(two),
    };
    result.filter(|result| i32::try_from(*result).is_ok())
}

fn decimal<'a>(operator: Operator, one: Decimal, two: Decimal) -> Answer<'a> {
    if operator == Operator::Div {
        return maybe(one.whole_quotient(two).and_then(Decimal::to_integer));
    }
    maybe(match operator {
        Operator::Times => one.times(two),
        Operator::Over => one.over(two),
        Operator::Mod => one.remainder(two),
        Operator::Plus => one.plus(two),
        _ => one.minus(two),
    })
}

/// A date or time so much later. What is finer than a second counts; of the coarser units only whole ones do.
fn later<'a>(moment: &Moment, quantity: &Quantity<'a>, is_earlier: bool) -> Answer<'a> {
    let unit = match &quantity.unit {
        Measure::Calendar(calendar) => Some(*calendar),
        // A month and a year of UCUM are so many seconds, which no calendar knows.
        Measure::Ucum(code) => Calendar::coded(code).filter(|calendar| *calendar > Calendar::Month),
        Measure::Other(..) => None,
    };
    let Some(unit) = unit else {
        return Err(Fault::wrong(format!("{quantity} cannot be added to a date or time")));
    };
    if moment.kind == Kind::Time && unit <= Calendar::Day {
        return Err(Fault::wrong(format!("{quantity} cannot be added to a time of day")));
    }
    let mut amount = quantity.value;
    let mut unit = unit;
    if unit == Calendar::Second && amount.to_integer().is_none() {
        amount = amount.times(Decimal::integer(1_000)).unwrap_or(amount);
        unit = Calendar::Millisecond;
    }
    let amount = if is_earlier { amount.negated() } else { amount };
    maybe(amount.truncated().to_integer().and_then(|amount| moment.plus(amount, unit)))
}
