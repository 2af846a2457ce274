//! Conversions (FHIRPath "Conversion"): `toX()` gives the value or nothing, `convertsToX()` says whether it would.

use super::super::decimal::Decimal;
use super::super::evaluation::{Answer, Evaluation, maybe, one};
use super::super::fault::Fault;
use super::super::item::{Item, System};
use super::super::moment::{Kind, Moment};
use super::super::quantity::Quantity;
use super::function::{Call, Function};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("toBoolean", |evaluation, input| convert(evaluation, &input, to_boolean)),
    Function::plain("convertsToBoolean", |evaluation, input| converts(evaluation, &input, to_boolean)),
    Function::plain("toInteger", |evaluation, input| convert(evaluation, &input, to_integer)),
    Function::plain("convertsToInteger", |evaluation, input| converts(evaluation, &input, to_integer)),
    Function::plain("toDecimal", |evaluation, input| convert(evaluation, &input, to_decimal)),
    Function::plain("convertsToDecimal", |evaluation, input| converts(evaluation, &input, to_decimal)),
    Function::plain("toString", |evaluation, input| convert(evaluation, &input, to_string)),
    Function::plain("convertsToString", |evaluation, input| converts(evaluation, &input, to_string)),
    Function::plain("toDate", |evaluation, input| convert(evaluation, &input, to_date)),
    Function::plain("convertsToDate", |evaluation, input| converts(evaluation, &input, to_date)),
    Function::plain("toDateTime", |evaluation, input| convert(evaluation, &input, to_date_time)),
    Function::plain("convertsToDateTime", |evaluation, input| converts(evaluation, &input, to_date_time)),
    Function::plain("toTime", |evaluation, input| convert(evaluation, &input, to_time)),
    Function::plain("convertsToTime", |evaluation, input| converts(evaluation, &input, to_time)),
    Function::new("toQuantity", 0, 1, Call::Values(|evaluation, input, _| convert(evaluation, &input, to_quantity))),
    Function::new(
        "convertsToQuantity",
        0,
        1,
        Call::Values(|evaluation, input, _| converts(evaluation, &input, to_quantity)),
    ),
];

type Conversion = for<'a> fn(&System<'a>) -> Option<System<'a>>;

fn converted<'a>(
    evaluation: &mut Evaluation<'a>,
    input: &[Item<'a>],
    conversion: Conversion,
) -> Result<Option<System<'a>>, Fault> {
    evaluation.spend_on_reading(input)?;
    Ok(one(input)?.and_then(Item::system).as_ref().and_then(conversion))
}

fn convert<'a>(evaluation: &mut Evaluation<'a>, input: &[Item<'a>], conversion: Conversion) -> Answer<'a> {
    maybe(converted(evaluation, input, conversion)?.map(Item::System))
}

fn converts<'a>(evaluation: &mut Evaluation<'a>, input: &[Item<'a>], conversion: Conversion) -> Answer<'a> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![converted(evaluation, input, conversion)?.is_some().into()])
}

fn to_boolean<'a>(value: &System<'a>) -> Option<System<'a>> {
    let number = |number: Decimal| match number.to_integer() {
        Some(1) => Some(true),
        Some(0) => Some(false),
        _ => None,
    };
    let value = match value {
        System::Boolean(value) => Some(*value),
        System::Integer(value) => number(Decimal::integer(*value)),
        System::Decimal(value) => number(*value),
        System::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    value.map(System::Boolean)
}

fn to_integer<'a>(value: &System<'a>) -> Option<System<'a>> {
    let number = match value {
        System::Boolean(value) => Some(i64::from(*value)),
        System::Integer(value) => Some(*value),
        System::String(text) => text.parse::<i32>().ok().map(i64::from),
        _ => None,
    };
    number.map(System::Integer)
}

fn to_decimal<'a>(value: &System<'a>) -> Option<System<'a>> {
    let number = match value {
        System::Boolean(value) => Some(Decimal::integer(i64::from(*value))),
        System::Integer(value) => Some(Decimal::integer(*value)),
        System::Decimal(value) => Some(*value),
        // The exponent that FHIR allows is none of FHIRPath's.
        System::String(text) if !text.contains(['e', 'E']) => Decimal::read(text),
        _ => None,
    };
    number.map(System::Decimal)
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of several conversions, which may have no result")]
fn to_string<'a>(value: &System<'a>) -> Option<System<'a>> {
    Some(System::String(value.to_text()))
}

fn to_date<'a>(value: &System<'a>) -> Option<System<'a>> {
    let moment = match value {
        System::Moment(moment) if moment.kind != Kind::Time => Some(moment.date_part()),
        System::String(text) => Moment::date_time(text).map(|moment| moment.date_part()),
        _ => None,
    };
    moment.map(System::Moment)
}

fn to_date_time<'a>(value: &System<'a>) -> Option<System<'a>> {
    let moment = match value {
        System::Moment(moment) if moment.kind != Kind::Time => Some(moment.as_date_time()),
        System::String(text) => Moment::date_time(text),
        _ => None,
    };
    moment.map(System::Moment)
}

fn to_time<'a>(value: &System<'a>) -> Option<System<'a>> {
    let moment = match value {
        System::Moment(moment) if moment.kind == Kind::Time => Some(*moment),
        System::String(text) => Moment::time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    };
    moment.map(System::Moment)
}

fn to_quantity<'a>(value: &System<'a>) -> Option<System<'a>> {
    let quantity = match value {
        System::Quantity(quantity) => Some(quantity.as_ref().clone()),
        System::String(text) => Quantity::read(text),
        System::Boolean(value) => Some(Quantity::plain(Decimal::read(if *value { "1.0" } else { "0.0" })?)),
        System::Integer(value) => Some(Quantity::plain(Decimal::integer(*value))),
        System::Decimal(value) => Some(Quantity::plain(*value)),
        System::Moment(_) => None,
    };
    quantity.map(|quantity| System::Quantity(Box::new(quantity)))
}

impl<'a> From<System<'a>> for Item<'a> {
    fn from(value: System<'a>) -> Self {
        Item::System(value)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn what_cannot_be_converted_is_nothing() {
        let text = |text: &'static str| System::String(Cow::Borrowed(text));
        assert!(to_integer(&text("1.0")).is_none());
        assert!(to_quantity(&text("1 wk")).is_none());
        assert!(to_quantity(&text("1 'wk'")).is_some());
        assert!(to_time(&text("25:00")).is_none());
    }
}
