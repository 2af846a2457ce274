//! Mathematics (FHIRPath "Math").

use super::super::compare::number;
use super::super::decimal::Decimal;
use super::super::evaluation::{Answer, integer, maybe, one};
use super::super::fault::Fault;
use super::super::item::{Item, System};
use super::super::quantity::Quantity;
use super::function::{Call, Function, argument};

/// The most digits that a power of whole numbers is worked out to by multiplying.
const MOST_FACTORS: i64 = 128;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("abs", |_, input| abs(&input)),
    Function::plain("ceiling", |_, input| whole(&input, |number| number.ceiling(0))),
    Function::plain("floor", |_, input| whole(&input, |number| number.floor(0))),
    Function::plain("truncate", |_, input| whole(&input, Decimal::truncated)),
    Function::new("round", 0, 1, Call::Values(|_, input, values| round(&input, argument(values)))),
    Function::plain("exp", |_, input| binary(&input, f64::exp)),
    Function::plain("ln", |_, input| binary(&input, f64::ln)),
    Function::plain("sqrt", |_, input| binary(&input, f64::sqrt)),
    Function::of("log", 1, |_, input, values| {
        let (Some(one), Some(base)) = (decimal(&input)?, decimal(argument(values))?) else { return Ok(Vec::new()) };
        let (number, base) = (one.to_binary(), base.to_binary());
        let result = if base == 10.0 {
            number.log10()
        } else if base == 2.0 {
            number.log2()
        } else {
            number.log(base)
        };
        maybe(Decimal::from_binary(result))
    }),
    Function::of("power", 1, |_, input, values| power(&input, argument(values))),
];

/// The number that a collection says.
fn decimal(items: &[Item<'_>]) -> Result<Option<Decimal>, Fault> {
    let Some(item) = one(items)? else { return Ok(None) };
    match item.system().as_ref().and_then(number) {
        Some(number) => Ok(Some(number)),
        None => Err(Fault::wrong(format!("a number is expected, not a {}", item.type_name().1))),
    }
}

fn abs<'a>(input: &[Item<'a>]) -> Answer<'a> {
    let positive = |number: Decimal| if number.is_negative() { number.negated() } else { number };
    match one(input)?.map(Item::system) {
        Some(Some(System::Integer(number))) => maybe(number.checked_abs()),
        Some(Some(System::Quantity(quantity))) => {
            let Quantity { value, unit } = *quantity;
            Ok(vec![Quantity { value: positive(value), unit }.into()])
        }
        _ => maybe(decimal(input)?.map(positive)),
    }
}

fn whole<'a>(input: &[Item<'a>], round: fn(Decimal) -> Decimal) -> Answer<'a> {
    maybe(decimal(input)?.and_then(|number| round(number).to_integer()))
}

fn round<'a>(input: &[Item<'a>], places: &[Item<'a>]) -> Answer<'a> {
    let places = integer(places)?.unwrap_or_default();
    let places = u32::try_from(places).map_err(|_| Fault::wrong("a number is rounded to 0 or more places"))?;
    maybe(decimal(input)?.map(|number| number.rounded(places)))
}

fn binary<'a>(input: &[Item<'a>], function: fn(f64) -> f64) -> Answer<'a> {
    maybe(decimal(input)?.and_then(|number| Decimal::from_binary(function(number.to_binary()))))
}

fn power<'a>(input: &[Item<'a>], exponent: &[Item<'a>]) -> Answer<'a> {
    let (Some(base), Some(exponent)) = (decimal(input)?, decimal(exponent)?) else { return Ok(Vec::new()) };
    if let Some(count) = exponent.to_integer().filter(|count| (0..=MOST_FACTORS).contains(count)) {
        let product = (0..count).try_fold(Decimal::integer(1), |product, _| product.times(base));
        let is_whole = matches!(input.first().and_then(Item::system), Some(System::Integer(_)));
        return match product {
            Some(product) if is_whole => maybe(product.to_integer()),
            product => maybe(product),
        };
    }
    maybe(Decimal::from_binary(base.to_binary().powf(exponent.to_binary())))
}
