//! A group of settings: a struct that derives [`confique::Config`]. Its definition says of every setting the type, the
//! default, how it is read and, as documentation, what it means.

use std::iter;

use confique::meta::{Expr, Field, FieldKind, LeafKind};
use confique::{Config, Layer};
use serde::de::value::MapDeserializer;
use serde::de::{Deserialize as _, Deserializer, Error as _, IntoDeserializer};
use toml::Value;

use super::field::misfit;

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "CONCORD_";

/// The keys of a group.
pub(super) fn keys<C: Config>() -> impl Iterator<Item = &'static str> {
    C::META.fields.iter().map(|field| field.name)
}

/// The key of a group that is written so.
pub(super) fn find<C: Config>(key: &str) -> Option<&'static str> {
    keys::<C>().find(|known| *known == key)
}

/// The question that leads to the key or variable that is most like an unknown one; empty when nothing is like it.
pub(super) fn did_you_mean<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    // What all variables begin with makes none of them more like another.
    let bare = |name: &'_ str| name.trim_start_matches(PREFIX).to_owned();
    let likeness = |name: &str| strsim::jaro_winkler(&bare(unknown), &bare(name));
    let closest = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    closest.filter(|name| likeness(name) > 0.8).map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

/// The group with this one setting. The error says what is expected and what was found.
pub(super) fn one<'de, C: Config>(
    key: &'static str,
    value: impl IntoDeserializer<'de, toml::de::Error>,
) -> Result<C::Layer, String> {
    let only = MapDeserializer::new(iter::once((key, value)));
    C::Layer::deserialize(only).map_err(|error| error.message().to_owned())
}

/// What is expected of a setting: what it says to a value that none takes.
pub(super) fn expected<C: Config>(key: &'static str) -> String {
    let text = one::<C>(key, Value::Array(vec![Value::Array(Vec::new())])).err().unwrap_or_default();
    let text = text.strip_prefix("expected ").unwrap_or(&text);
    text.split(", found ").next().unwrap_or(text).to_owned()
}

/// The whole group: what is set, and the defaults. The error names the first setting that is missing.
pub(super) fn complete<C: Config>(layer: C::Layer, set: &[&str]) -> Result<C, String> {
    let missing = C::META.fields.iter().find(|field| is_required(field) && !set.contains(&field.name));
    if let Some(field) = missing {
        return Err(format!("{} is missing, expected {}", field.name, expected::<C>(field.name)));
    }
    C::from_layer(layer.with_fallback(C::Layer::default_values())).map_err(|error| error.to_string())
}

/// Whether a setting has no default and cannot be left out.
pub(super) fn is_required(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Leaf { kind: LeafKind::Required { default: None }, .. })
}

/// The default as a setting writes it; none when its definition has none, or an empty list.
pub(super) fn default(field: &Field) -> Option<String> {
    let FieldKind::Leaf { kind: LeafKind::Required { default: Some(default) }, .. } = field.kind else { return None };
    match default {
        Expr::Str(text) => Some(text.to_owned()),
        Expr::Integer(number) => Some(number.to_string()),
        Expr::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// One table of the file.
fn table<C: Config>(values: &toml::Table) -> Result<C, String> {
    let mut layer = C::Layer::empty();
    let mut set = Vec::with_capacity(values.len());
    for (key, value) in values {
        let key = find::<C>(key).ok_or_else(|| format!("unknown key {key:?}{}", did_you_mean(key, keys::<C>())))?;
        layer = layer.with_fallback(one::<C>(key, value.clone()).map_err(|text| format!("{key}: {text}"))?);
        set.push(key);
    }
    complete(layer, &set)
}

/// A setting that is a list of tables: `[[name]]` in the file, a JSON array of objects in a variable.
pub(super) fn tables<'de, C: Config, D: Deserializer<'de>>(deserializer: D, name: &str) -> Result<Vec<C>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let bad = || {
        let keys: Vec<&str> = keys::<C>().collect();
        let expected = format!(
            "tables headed [[{name}]], or in the variable a JSON array of objects, with keys out of {}",
            keys.join(", ")
        );
        D::Error::custom(misfit(&expected, &value))
    };
    let items = match &value {
        Value::String(text) => serde_json::from_str(text).ok().and_then(from_json),
        value => Some(value.clone()),
    };
    let Some(Value::Array(items)) = items else { return Err(bad()) };
    let mut groups = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let values = item.as_table().ok_or_else(bad)?;
        groups.push(table(values).map_err(|text| D::Error::custom(format!("[{position}]: {text}")))?);
    }
    Ok(groups)
}

/// A setting that is one table: `[name]` in the file, a JSON object in a variable.
pub(super) fn one_table<'de, C: Config, D: Deserializer<'de>>(deserializer: D, name: &str) -> Result<C, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let item = match &value {
        Value::String(text) => serde_json::from_str(text).ok().and_then(from_json),
        value => Some(value.clone()),
    };
    match item {
        Some(Value::Table(values)) => table(&values).map_err(D::Error::custom),
        _ => {
            let keys: Vec<&str> = keys::<C>().collect();
            let expected = format!(
                "a table headed [{name}], or in the variable a JSON object, with keys out of {}",
                keys.join(", ")
            );
            Err(D::Error::custom(misfit(&expected, &value)))
        }
    }
}

/// JSON as the file would have it; none where the file cannot.
fn from_json(value: serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(yes) => Value::Boolean(yes),
        serde_json::Value::Number(number) => {
            number.as_i64().map(Value::Integer).or(number.as_f64().map(Value::Float))?
        }
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => Value::Array(items.into_iter().map(from_json).collect::<Option<_>>()?),
        serde_json::Value::Object(members) => {
            Value::Table(members.into_iter().map(|(key, value)| Some((key, from_json(value)?))).collect::<Option<_>>()?)
        }
    })
}
