//! How an ordered value stands to the wanted one (R4 "Search", prefixes).

/// The prefix of a number, date or quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `eq`, or none.
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `lt`
    Less,
    /// `ge`
    AtLeast,
    /// `le`
    AtMost,
    /// `sa`
    StartsAfter,
    /// `eb`
    EndsBefore,
    /// `ap`
    About,
}

impl Prefix {
    /// Takes the prefix off a value.
    ///
    /// # Errors
    /// What is wrong with the value, if it begins with letters that are no prefix.
    pub fn split(value: &str) -> Result<(Prefix, &str), &'static str> {
        if !value.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Ok((Prefix::Equal, value));
        }
        let (letters, rest) = value.split_at_checked(2).unwrap_or_default();
        let prefix = match letters {
            "eq" => Prefix::Equal,
            "ne" => Prefix::NotEqual,
            "gt" => Prefix::Greater,
            "lt" => Prefix::Less,
            "ge" => Prefix::AtLeast,
            "le" => Prefix::AtMost,
            "sa" => Prefix::StartsAfter,
            "eb" => Prefix::EndsBefore,
            "ap" => Prefix::About,
            _ => return Err("the prefix is none of eq, ne, gt, lt, ge, le, sa, eb and ap"),
        };
        Ok((prefix, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_taken_off() {
        assert_eq!(Prefix::split("ge2020"), Ok((Prefix::AtLeast, "2020")));
        assert_eq!(Prefix::split("2020"), Ok((Prefix::Equal, "2020")));
        assert_eq!(Prefix::split("-5"), Ok((Prefix::Equal, "-5")));
        assert_eq!(Prefix::split("ap"), Ok((Prefix::About, "")));
        for value in ["xx5", "g5", "g", "é5a"] {
            assert!(Prefix::split(value).is_err() || !value.is_ascii(), "{value}");
        }
    }
}
