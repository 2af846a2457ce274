//! Decimals with the digits that they were written with: 1.10 stays 1.10, and no sum is worked out in binary.

use std::cmp::Ordering;
use std::fmt;

/// How many digits may stand behind the point; what a calculation makes beyond is rounded.
const MOST_PLACES: u32 = 28;
/// How many digits behind the point a division works out.
const PLACES_OF_QUOTIENT: u32 = 18;

/// A decimal, kept by its digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    /// The decimal of that text (`-1.50`, `1e2`), unless it has more digits than are kept.
    #[must_use]
    pub fn read(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, plain) = match mantissa.strip_prefix('-') {
            Some(plain) => (true, plain),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || plain.ends_with('.') {
            return None;
        }
        let mut digits: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            digits = digits.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let digits = if negative { -digits } else { digits };
        let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        match u32::try_from(places) {
            Ok(places) => Some(Decimal { digits, places }.capped()),
            Err(_) => Some(Decimal { digits: digits.checked_mul(power_of_ten(places.unsigned_abs())?)?, places: 0 }),
        }
    }

    /// A whole number.
    #[must_use]
    pub fn integer(number: i64) -> Decimal {
        Decimal { digits: i128::from(number), places: 0 }
    }

    /// The nearest decimal of what a calculation in binary gave, if that is a number.
    pub(super) fn from_binary(number: f64) -> Option<Decimal> {
        if !number.is_finite() {
            return None;
        }
        // Fifteen digits are what a binary number surely has.
        let rounded: f64 = format!("{number:.14e}").parse().ok()?;
        Decimal::read(&format!("{rounded}"))
    }

    /// The nearest binary number.
    pub(super) fn to_binary(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The whole number, if nothing but zeros stands behind the point.
    pub(super) fn to_integer(self) -> Option<i64> {
        let whole = self.truncated();
        (whole.compare(self) == Some(Ordering::Equal)).then(|| i64::try_from(whole.digits).ok()).flatten()
    }

    /// How many digits stand behind the point.
    pub(super) fn places(self) -> u32 {
        self.places
    }

    /// Which of the two is greater.
    pub(super) fn compare(self, other: Decimal) -> Option<Ordering> {
        match self.aligned(other) {
            Some((one, two, _)) => Some(one.cmp(&two)),
            None => self.to_binary().partial_cmp(&other.to_binary()),
        }
    }

    pub(super) fn plus(self, other: Decimal) -> Option<Decimal> {
        let (one, two, places) = self.aligned(other)?;
        Some(Decimal { digits: one.checked_add(two)?, places })
    }

    pub(super) fn minus(self, other: Decimal) -> Option<Decimal> {
        self.plus(other.negated())
    }

    pub(super) fn times(self, other: Decimal) -> Option<Decimal> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Decimal { digits, places: self.places + other.places }.capped())
    }

    /// The quotient; of a division by zero there is none.
    pub(super) fn over(self, other: Decimal) -> Option<Decimal> {
        if other.digits == 0 {
            return None;
        }
        let (one, two) = (self.without_zeros(), other.without_zeros());
        let wanted = PLACES_OF_QUOTIENT + two.places;
        let mut shift = wanted.saturating_sub(one.places);
        while shift > 0 && power_of_ten(shift).and_then(|power| one.digits.checked_mul(power)).is_none() {
            shift -= 1;
        }
        let numerator = one.digits.checked_mul(power_of_ten(shift)?)?;
        let digits = rounded_quotient(numerator, two.digits)?;
        let places = i64::from(one.places + shift) - i64::from(two.places);
        let quotient = match u32::try_from(places) {
            Ok(places) => Decimal { digits, places },
            Err(_) => {
                let power = power_of_ten(u32::try_from(-places).ok()?)?;
                Decimal { digits: digits.checked_mul(power)?, places: 0 }
            }
        };
        Some(quotient.capped().without_zeros())
    }

    /// The quotient without what stands behind its point.
    pub(super) fn whole_quotient(self, other: Decimal) -> Option<Decimal> {
        let (one, two, _) = self.aligned(other)?;
        Some(Decimal { digits: one.checked_div(two)?, places: 0 })
    }

    pub(super) fn remainder(self, other: Decimal) -> Option<Decimal> {
        let (one, two, places) = self.aligned(other)?;
        Some(Decimal { digits: one.checked_rem(two)?, places })
    }

    pub(super) fn negated(self) -> Decimal {
        Decimal { digits: -self.digits, ..self }
    }

    pub(super) fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// Rounded to so many places, half away from zero.
    pub(super) fn rounded(self, places: u32) -> Decimal {
        if places >= self.places {
            return self;
        }
        match power_of_ten(self.places - places) {
            Some(power) => Decimal { digits: rounded_quotient(self.digits, power).unwrap_or_default(), places },
            None => Decimal { digits: 0, places },
        }
    }

    pub(super) fn truncated(self) -> Decimal {
        Decimal { digits: power_of_ten(self.places).map_or(0, |power| self.digits / power), places: 0 }
    }

    /// The greatest number of so many places that is not above.
    pub(super) fn floor(self, places: u32) -> Decimal {
        match self.places.checked_sub(places).and_then(power_of_ten) {
            Some(power) => Decimal { digits: self.digits.div_euclid(power), places },
            None => self.with_places(places),
        }
    }

    /// The least number of so many places that is not below.
    pub(super) fn ceiling(self, places: u32) -> Decimal {
        self.negated().floor(places).negated()
    }

    /// Half of its last place.
    pub(super) fn half_a_place(self) -> Decimal {
        Decimal { digits: 5, places: self.places + 1 }
    }

    fn with_places(self, places: u32) -> Decimal {
        let power = places.checked_sub(self.places).and_then(power_of_ten);
        match power.and_then(|power| self.digits.checked_mul(power)) {
            Some(digits) => Decimal { digits, places },
            None => self,
        }
    }

    /// The same number without zeros at its end.
    fn without_zeros(self) -> Decimal {
        let mut plain = self;
        while plain.places > 0 && plain.digits % 10 == 0 {
            plain = Decimal { digits: plain.digits / 10, places: plain.places - 1 };
        }
        plain
    }

    fn capped(self) -> Decimal {
        if self.places > MOST_PLACES { self.rounded(MOST_PLACES) } else { self }
    }

    fn aligned(self, other: Decimal) -> Option<(i128, i128, u32)> {
        let places = self.places.max(other.places);
        let one = self.digits.checked_mul(power_of_ten(places - self.places)?)?;
        let two = other.digits.checked_mul(power_of_ten(places - other.places)?)?;
        Some((one, two, places))
    }
}

fn power_of_ten(power: u32) -> Option<i128> {
    10_i128.checked_pow(power)
}

/// A quotient rounded half away from zero.
fn rounded_quotient(numerator: i128, denominator: i128) -> Option<i128> {
    let (quotient, rest) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
    let twice = rest.unsigned_abs().checked_mul(2)?;
    if twice < denominator.unsigned_abs() {
        return Some(quotient);
    }
    let away = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    quotient.checked_add(away)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits < 0 {
            f.write_str("-")?;
        }
        let width = usize::try_from(self.places).unwrap_or_default();
        let digits = format!("{:0>1$}", self.digits.unsigned_abs(), width + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - width).unwrap_or((&digits, ""));
        f.write_str(whole)?;
        if width > 0 {
            write!(f, ".{fraction}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    #[test]
    fn digits_are_kept() {
        for text in ["1.10", "0.0", "-0.5", "120", "0.00000001", "1234567890987654321.0"] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("1e2").to_string(), "100");
        assert_eq!(read("1.5e-3").to_string(), "0.0015");
        for wrong in ["", ".5", "1.", "a", "1e", "--1", "1.2.3"] {
            assert!(Decimal::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(read("0.1").plus(read("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(read("1.2").over(read("1.8")).unwrap().rounded(2).to_string(), "0.67");
        assert_eq!(read("4").over(read("2")).unwrap().to_string(), "2");
        assert_eq!(read("100").over(read("0.1")).unwrap().to_string(), "1000");
        assert_eq!(read("2.2").remainder(read("1.8")).unwrap().to_string(), "0.4");
        assert!(read("1").over(read("0")).is_none());
        assert_eq!(read("-2.1").floor(0).to_string(), "-3");
        assert_eq!(read("-1.1").ceiling(0).to_string(), "-1");
        assert_eq!(read("1.5865").floor(2).to_string(), "1.58");
    }
}
