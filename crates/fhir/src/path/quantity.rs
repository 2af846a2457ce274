//! Quantities: a decimal and a unit, of UCUM, of the calendar, or of whatever system a resource names.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::decimal::Decimal;
use super::moment::Calendar;
use crate::json::Value;
use crate::ucum::{UCUM, Unit};

/// A number of a unit.
#[derive(Clone, Debug)]
pub struct Quantity<'v> {
    /// How many.
    pub value: Decimal,
    /// Of what.
    pub unit: Measure<'v>,
}

/// What a quantity is counted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure<'v> {
    /// A code of UCUM; `1` for a plain number.
    Ucum(Cow<'v, str>),
    /// A unit of the calendar: `1 year` is not so many seconds.
    Calendar(Calendar),
    /// A unit of another system, or one that is only written for people: comparable with itself alone.
    Other(Cow<'v, str>, Cow<'v, str>),
}

impl<'v> Quantity<'v> {
    pub(super) fn plain(value: Decimal) -> Quantity<'v> {
        Quantity { value, unit: Measure::Ucum(Cow::Borrowed("1")) }
    }

    /// The quantity that a FHIR Quantity says. One with a comparator (`<`) is none.
    pub(super) fn of_value(object: &'v Value<'v>) -> Option<Quantity<'v>> {
        if object.get("comparator").is_some() {
            return None;
        }
        let value = Decimal::read(object.get("value").and_then(Value::as_number)?)?;
        let text = |name: &str| object.text(name);
        let unit = match (text("system"), text("code"), text("unit")) {
            (Some(UCUM), Some(code), _) => Measure::Ucum(Cow::Borrowed(code)),
            (None, None, None) => Measure::Ucum(Cow::Borrowed("1")),
            (system, Some(code), _) => Measure::Other(Cow::Borrowed(system.unwrap_or_default()), Cow::Borrowed(code)),
            (system, None, unit) => {
                Measure::Other(Cow::Borrowed(system.unwrap_or_default()), Cow::Borrowed(unit.unwrap_or_default()))
            }
        };
        Some(Quantity { value, unit })
    }

    /// A quantity as a literal writes its unit: `4 days`, `10 'mg'`.
    pub(super) fn of_literal(value: Decimal, unit: Cow<'v, str>) -> Quantity<'v> {
        match Calendar::named(&unit) {
            Some(calendar) => Quantity { value, unit: Measure::Calendar(calendar) },
            None => Quantity { value, unit: Measure::Ucum(unit) },
        }
    }

    /// `5`, `5 'mg'` or `5 days`.
    pub(super) fn read(text: &str) -> Option<Quantity<'v>> {
        let text = text.trim();
        let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let value = Decimal::read(number)?;
        let unit = unit.trim_start();
        if unit.is_empty() {
            return Some(Quantity::plain(value));
        }
        match unit.strip_prefix('\'').and_then(|unit| unit.strip_suffix('\'')) {
            Some(code) if !code.is_empty() && !code.contains('\'') => {
                Some(Quantity { value, unit: Measure::Ucum(Cow::Owned(code.to_owned())) })
            }
            Some(_) => None,
            None => Calendar::named(unit).map(|calendar| Quantity { value, unit: Measure::Calendar(calendar) }),
        }
    }

    /// The number in units that both are in, or nothing where there are none.
    fn common(&self, other: &Quantity<'_>) -> Option<Common> {
        match (&self.unit, &other.unit) {
            (one, two) if one == two => Some(Common::Exact(self.value, other.value)),
            (Measure::Calendar(one), Measure::Calendar(two)) if *one <= Calendar::Month || *two <= Calendar::Month => {
                let months = |value: Decimal, unit: Calendar| match unit {
                    Calendar::Year => value.times(Decimal::integer(12)),
                    Calendar::Month => Some(value),
                    _ => None,
                };
                Some(Common::Exact(months(self.value, *one)?, months(other.value, *two)?))
            }
            (one, two) => {
                let (one, two) = (Unit::read(one.code()?)?, Unit::read(two.code()?)?);
                if one.dimension() != two.dimension() {
                    return None;
                }
                Some(Common::Binary(one.in_base(self.value.to_binary()), two.in_base(other.value.to_binary())))
            }
        }
    }

    /// Whether the two can be compared.
    pub(super) fn is_comparable(&self, other: &Quantity<'_>) -> bool {
        self.common(other).is_some()
    }

    pub(super) fn compare(&self, other: &Quantity<'_>) -> Option<Ordering> {
        match self.common(other)? {
            Common::Exact(one, two) => one.compare(two),
            Common::Binary(one, two) => one.partial_cmp(&two),
        }
    }

    /// Whether the two are the same as far as the less precise of them says.
    pub(super) fn is_equivalent(&self, other: &Quantity<'_>) -> bool {
        if let (Measure::Calendar(calendar), Measure::Ucum(code)) | (Measure::Ucum(code), Measure::Calendar(calendar)) =
            (&self.unit, &other.unit)
            && calendar.code() == code
        {
            return is_near(self.value, other.value);
        }
        match self.common(other) {
            Some(Common::Exact(one, two)) => is_near(one, two),
            Some(Common::Binary(..)) => {
                self.in_unit_of(other).is_some_and(|own| is_near(own, other.value))
                    || other.in_unit_of(self).is_some_and(|other| is_near(self.value, other))
            }
            None => false,
        }
    }

    /// Its number in the unit of another one.
    fn in_unit_of(&self, other: &Quantity<'_>) -> Option<Decimal> {
        let (own, wanted) = (Unit::read(self.unit.code()?)?, Unit::read(other.unit.code()?)?);
        let base = own.in_base(self.value.to_binary());
        let (zero, one) = (wanted.in_base(0.0), wanted.in_base(1.0));
        Decimal::from_binary((base - zero) / (one - zero))
    }

    pub(super) fn plus(&self, other: &Quantity<'v>) -> Option<Quantity<'v>> {
        if self.unit == other.unit {
            return Some(Quantity { value: self.value.plus(other.value)?, unit: self.unit.clone() });
        }
        self.common(other)?;
        Some(Quantity { value: self.value.plus(other.in_unit_of(self)?)?, unit: self.unit.clone() })
    }

    pub(super) fn negated(&self) -> Quantity<'v> {
        Quantity { value: self.value.negated(), unit: self.unit.clone() }
    }

    pub(super) fn times(&self, other: &Quantity<'v>) -> Option<Quantity<'v>> {
        let unit = match (self.unit.code()?, other.unit.code()?) {
            (one, "1") => one.to_owned(),
            ("1", two) => two.to_owned(),
            (one, two) => format!("{one}.{two}"),
        };
        Some(Quantity { value: self.value.times(other.value)?, unit: Measure::Ucum(Cow::Owned(unit)) })
    }

    pub(super) fn over(&self, other: &Quantity<'v>) -> Option<Quantity<'v>> {
        let unit = match (self.unit.code()?, other.unit.code()?) {
            (one, "1") => one.to_owned(),
            (one, two) if one == two => "1".to_owned(),
            (one, two) => format!("{one}/{}", upside_down(two)),
        };
        Some(Quantity { value: self.value.over(other.value)?, unit: Measure::Ucum(Cow::Owned(unit)) })
    }
}

/// A unit as it stands behind a stroke: what it divides by multiplies, and the other way round.
fn upside_down(unit: &str) -> String {
    unit.chars()
        .map(|letter| match letter {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}

enum Common {
    Exact(Decimal, Decimal),
    Binary(f64, f64),
}

impl Measure<'_> {
    /// The code in UCUM, with the calendar's units as what they are at least.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Measure::Ucum(code) => Some(code),
            Measure::Calendar(Calendar::Year | Calendar::Month) | Measure::Other(..) => None,
            Measure::Calendar(calendar) => Some(calendar.code()),
        }
    }
}

/// Whether two decimals are the same, rounded to the places of the less precise one.
pub(super) fn is_near(one: Decimal, two: Decimal) -> bool {
    let places = one.places().min(two.places());
    one.rounded(places).compare(two.rounded(places)) == Some(Ordering::Equal)
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Measure::Ucum(code) => write!(f, "{} '{code}'", self.value),
            Measure::Calendar(calendar) => {
                let is_one = self.value.compare(Decimal::integer(1)) == Some(Ordering::Equal);
                write!(f, "{} {}{}", self.value, calendar.word(), if is_one { "" } else { "s" })
            }
            Measure::Other(_, unit) => write!(f, "{} '{unit}'", self.value),
        }
    }
}
