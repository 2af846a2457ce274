//! What the clock says, and how precisely a value is told (FHIRPath "Current date and time functions"; "Precision" of its
//! next release, which R4's own suite asks for).

use super::super::decimal::Decimal;
use super::super::evaluation::{Answer, Evaluation, integer, maybe, one};
use super::super::fault::Fault;
use super::super::item::{Item, System};
use super::super::moment::{Kind, Moment};
use super::super::quantity::Quantity;
use super::function::{Call, Function, argument};

/// To how many places the boundary of a decimal is told unless more is asked for.
const PLACES: i64 = 8;
/// To how many places it is told at most.
const MOST_PLACES: i64 = 28;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("now", |evaluation, _| Ok(vec![now(evaluation)?.into()])),
    Function::plain("today", |evaluation, _| Ok(vec![now(evaluation)?.date_part().into()])),
    Function::plain("timeOfDay", |evaluation, _| Ok(vec![now(evaluation)?.time_part().into()])),
    Function::new("lowBoundary", 0, 1, Call::Values(|_, input, values| boundary(&input, argument(values), false))),
    Function::new("highBoundary", 0, 1, Call::Values(|_, input, values| boundary(&input, argument(values), true))),
    Function::plain("precision", |_, input| {
        let count = match one(&input)?.and_then(Item::system) {
            Some(System::Decimal(number)) => usize::try_from(number.places()).ok(),
            Some(System::Integer(_)) => Some(0),
            Some(System::Moment(moment)) => Some(moment.count_of_digits()),
            _ => None,
        };
        maybe(count.and_then(|count| i64::try_from(count).ok()))
    }),
    Function::of("comparable", 1, |_, input, values| {
        let quantity = |items: &[Item<'_>]| -> Result<Option<bool>, Fault> {
            Ok(one(items)?.map(|item| matches!(item.system(), Some(System::Quantity(_)))))
        };
        if quantity(&input)? != Some(true) || quantity(argument(values))? != Some(true) {
            return Ok(Vec::new());
        }
        let pair = (input.first().and_then(Item::system), argument(values).first().and_then(Item::system));
        let (Some(System::Quantity(one)), Some(System::Quantity(two))) = pair else { return Ok(Vec::new()) };
        Ok(vec![one.is_comparable(&two).into()])
    }),
];

/// What time it is, as the context says: this crate has no clock.
fn now(evaluation: &Evaluation<'_>) -> Result<Moment, Fault> {
    let told = evaluation.context.now.and_then(Moment::date_time);
    told.ok_or_else(|| Fault::unknown("what time it is was not told"))
}

fn boundary<'a>(input: &[Item<'a>], places: &[Item<'a>], is_high: bool) -> Answer<'a> {
    let places = integer(places)?;
    match one(input)?.map(|item| (item.system(), item)) {
        None => Ok(Vec::new()),
        Some((Some(System::Moment(moment)), _)) => {
            let default = match moment.kind {
                Kind::Date => 8,
                Kind::DateTime => 17,
                Kind::Time => 9,
            };
            let digits = u32::try_from(places.unwrap_or(default)).ok();
            maybe(digits.and_then(|digits| moment.boundary(digits, is_high)))
        }
        Some((Some(System::Integer(number)), _)) => maybe(limit(Decimal::integer(number), places, is_high)),
        Some((Some(System::Decimal(number)), _)) => maybe(limit(number, places, is_high)),
        Some((Some(System::Quantity(quantity)), _)) => {
            let Quantity { value, unit } = *quantity;
            maybe(limit(value, places, is_high).map(|value| Quantity { value, unit }))
        }
        Some((_, item)) => Err(Fault::wrong(format!("a {} has no boundary", item.type_name().1))),
    }
}

/// The least or greatest number that is rounded to this one, as far as so many places tell it.
fn limit(number: Decimal, places: Option<i64>, is_high: bool) -> Option<Decimal> {
    let places = places.unwrap_or(PLACES);
    let places = u32::try_from(places).ok().filter(|_| places <= MOST_PLACES)?;
    let half = number.half_a_place();
    if is_high { Some(number.plus(half)?.ceiling(places)) } else { Some(number.minus(half)?.floor(places)) }
}
