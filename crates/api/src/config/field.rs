//! How the value of a setting is read, from the file, from a variable or from the default in its definition.
//!
//! Each function here is a `deserialize_with` of a setting. All of them fail with the same words: what is expected and
//! what was found. The documentation asks them for the first half ([`super::group::expected`]).

use concord_consent::caller::App;
use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde::forward_to_deserialize_any;
use toml::Value;

/// The longest piece of a bad value that an error repeats, in characters.
const SHOWN: usize = 60;

/// A value that does not fit.
pub(super) fn misfit(expected: &str, value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        shown.push_str("...");
    }
    format!("expected {expected}, found {shown:?}")
}

/// A value that does not fit and that must not be repeated, since it may hold a password.
fn secret_misfit(expected: &str) -> String {
    format!("expected {expected}, found another (it is not shown, it may hold a password)")
}

/// One text. A number or a truth value may be written as one.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// A text that is not empty.
pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A text that `read` makes something of.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    as_text(&value).and_then(|text| read(&text)).ok_or_else(|| D::Error::custom(misfit(expected, &value)))
}

/// The same, where the value must not be repeated.
pub(super) fn secret<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    as_text(&value).and_then(|text| read(&text)).ok_or_else(|| D::Error::custom(secret_misfit(expected)))
}

/// One or several texts that `read` makes something of: an array or one text in the file, separated by commas in a
/// variable.
pub(super) fn texts<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    read: impl FnOnce(Vec<String>) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(List(deserializer))?;
    let texts = match &value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    };
    texts.and_then(read).ok_or_else(|| D::Error::custom(misfit(expected, &value)))
}

/// A whole number within bounds.
pub(super) fn number<'de, const LEAST: u64, const MOST: u64, D: Deserializer<'de>, N: TryFrom<u64>>(
    deserializer: D,
) -> Result<N, D::Error> {
    text(deserializer, &format!("a whole number from {LEAST} to {MOST}"), |text| {
        let number: u64 = text.parse().ok()?;
        N::try_from(number).ok().filter(|_| (LEAST..=MOST).contains(&number))
    })
}

/// A switch.
pub(super) fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    text(deserializer, "true or false", |text| text.parse().ok())
}

/// One of several names.
pub(super) fn choice<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    choices: &[(&str, T)],
) -> Result<T, D::Error> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let expected = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    };
    text(deserializer, &expected, |text| choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value))
}

/// What kind of app one is.
pub(super) fn app<'de, D: Deserializer<'de>>(deserializer: D) -> Result<App, D::Error> {
    choice(deserializer, &[("own", App::Own), ("third-party", App::ThirdParty)])
}

/// The text of a variable. It is one text, or texts separated by commas where a list is asked for.
pub(super) struct Variable<'a>(pub(super) &'a str);

impl<'de> Deserializer<'de> for Variable<'_> {
    type Error = toml::de::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_seq<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_seq(serde::de::value::SeqDeserializer::new(self.0.split(',').map(str::trim)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> serde::de::IntoDeserializer<'de, toml::de::Error> for Variable<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Asks for a list where any value would be asked for.
struct List<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for List<D> {
    type Error = D::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_seq(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
