//! Decimals by their text: the value, and the range that its precision covers (R4 "Search", number: `100` is anything
//! from 99.5 up to 100.5, `100.00` from 99.995 up to 100.005).

/// A decimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal {
    /// The value itself.
    pub(crate) value: f64,
    /// The least value that rounds to it.
    pub(crate) low: f64,
    /// The least value above it that does not.
    pub(crate) high: f64,
}

/// The value of a FHIR decimal or integer, if it is one that a computer can hold.
pub(crate) fn value(text: &str) -> Option<f64> {
    parts(text)?;
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Whether two numbers have the same value, however they are written (`1.10` and `1.1`, `1e2` and `100`): worked out on the
/// digits, of which there may be more than a computer holds.
pub(crate) fn same(one: &str, other: &str) -> bool {
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one.digits() == other.digits(),
        _ => one == other,
    }
}

/// A decimal and the range that its precision covers. Where the precision is finer than a computer holds, the range is
/// the value alone.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let value = value(text)?;
    let (low, high) = half_a_place(&parts(text)?).unwrap_or((value, value));
    Some(Decimal { value, low: low.min(value), high: if high > value { high } else { value.next_up() } })
}

/// Half of the last place below and above. It is worked out on the digits, since 5.4 - 0.05 in binary is not 5.35.
fn half_a_place(parts: &Parts<'_>) -> Option<(f64, f64)> {
    let mut digits: i128 = 0;
    for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit.wrapping_sub(b'0')))?;
    }
    let mut power = parts.exponent.unwrap_or(0).checked_sub(i32::try_from(parts.fraction.len()).ok()?)?;
    // R4 reads 1e2 as 95 up to 105: one digit and an exponent count as two digits.
    if parts.exponent.is_some() && parts.whole.len() == 1 && parts.fraction.is_empty() {
        digits = digits.checked_mul(10)?;
        power = power.checked_sub(1)?;
    }
    let tenths = digits.checked_mul(10)?;
    let signed = if parts.negative { tenths.checked_neg()? } else { tenths };
    let power = power.checked_sub(1)?;
    let at = |units: i128| format!("{units}e{power}").parse::<f64>().ok().filter(|bound| bound.is_finite());
    Some((at(signed.checked_sub(5)?)?, at(signed.checked_add(5)?)?))
}

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: Option<i32>,
}

impl Parts<'_> {
    /// The sign, the digits without zeros at either end, and the power of ten of the last of them; of zero, nothing.
    fn digits(&self) -> (bool, String, i64) {
        let all = format!("{}{}", self.whole, self.fraction);
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - digits.len()).unwrap_or_default();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return (false, String::new(), 0);
        }
        let places = i64::try_from(self.fraction.len()).unwrap_or_default();
        (self.negative, digits.to_owned(), i64::from(self.exponent.unwrap_or_default()) - places + zeros)
    }
}

/// Takes a decimal apart. Leading zeros are let pass: they change nothing.
fn parts(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if !is_digits(digits) || digits.len() > 4 {
                return None;
            }
            (mantissa, Some(exponent.parse::<i32>().ok()?))
        }
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    is_digits(whole).then_some(Parts { negative, whole, fraction, exponent })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_gives_the_range() {
        let range = |text| parse(text).map(|decimal| (decimal.low, decimal.high));
        assert_eq!(range("100"), Some((99.5, 100.5)));
        assert_eq!(range("100.00"), Some((99.995, 100.005)));
        assert_eq!(range("1e2"), Some((95.0, 105.0)));
        assert_eq!(range("1.0e2"), Some((95.0, 105.0)));
        assert_eq!(range("5.4"), Some((5.35, 5.45)));
        assert_eq!(range("-5.4"), Some((-5.45, -5.35)));
        assert_eq!(range("0"), Some((-0.5, 0.5)));
        assert_eq!(parse("5.40").map(|decimal| decimal.value), Some(5.4));
    }

    #[test]
    fn values_are_compared_by_their_digits() {
        let long = format!("1.{}1", "0".repeat(60));
        for (one, other) in [
            ("1.10", "1.1"),
            ("1e2", "100"),
            ("1E+2", "100.0"),
            ("0", "-0.00"),
            ("0.010e1", "1e-1"),
            ("-5", "-5.0"),
            ("12300", "1.23e4"),
            (&long, &format!("{long}0")),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
        for (one, other) in [("1", "-1"), ("1", "10"), ("1.1", "1.11"), (&long, "1"), ("0", "1e-9"), ("1e3", "1e2")] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in
            ["", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "1,5", " 1", "NaN", "inf", "1e99999", "1e999", "--1"]
        {
            assert_eq!(parse(text), None, "{text}");
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn more_digits_than_a_computer_holds_are_a_range_of_one_value() {
        for long in ["1".repeat(60), "66.89999999999999".to_owned(), format!("0.{}1", "0".repeat(50))] {
            let Decimal { value, low, high } = parse(&long).expect("a decimal");
            assert!(low <= value && value < high, "{long}");
        }
    }
}
