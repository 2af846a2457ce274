//! Settings that are lists of tables: `[[name]]` in the file, or a variable with a JSON array of objects in place of all of
//! them.

use super::error::ConfigError;
use super::settings::Setting;
use super::source::Source;

/// One table, as it was written.
pub(super) struct Table {
    place: String,
    keys: &'static [Setting],
    fields: Vec<Field>,
}

/// A key, its texts (none when it holds something else) and the value as errors show it.
type Field = (String, Option<Vec<String>>, String);

/// The tables of that name, each with the keys that it may have.
pub(super) fn read(
    source: &Source<'_>,
    name: &'static str,
    keys: &'static [Setting],
) -> Result<Vec<Table>, ConfigError> {
    let variable = format!("CONCORD_{}", name.to_ascii_uppercase());
    match source.variable(&variable) {
        Some(json) => from_json(&variable, &json, keys),
        None => from_file(source, name, keys),
    }
}

fn from_json(variable: &str, json: &str, keys: &'static [Setting]) -> Result<Vec<Table>, ConfigError> {
    let names: Vec<&str> = keys.iter().map(|setting| setting.key).collect();
    let bad = || {
        let expected = format!("a JSON array of objects with keys out of {}", names.join(", "));
        ConfigError::value(variable, json, &expected)
    };
    let parsed: serde_json::Value = serde_json::from_str(json).map_err(|_| bad())?;
    let items = parsed.as_array().ok_or_else(bad)?;
    let mut tables = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let mut table = Table::new(format!("{variable}[{position}]"), keys);
        for (key, value) in item.as_object().ok_or_else(bad)? {
            let texts = match value {
                serde_json::Value::Array(values) => {
                    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
                }
                value => value.as_str().map(|text| vec![text.to_owned()]),
            };
            table.set(key, texts, value.to_string())?;
        }
        tables.push(table);
    }
    Ok(tables)
}

fn from_file(source: &Source<'_>, name: &str, keys: &'static [Setting]) -> Result<Vec<Table>, ConfigError> {
    let Some((value, file)) = source.in_file(name) else { return Ok(Vec::new()) };
    let bad =
        || ConfigError::value(&format!("{name} in {file}"), &value.to_string(), &format!("tables headed [[{name}]]"));
    let items = value.as_array().ok_or_else(bad)?;
    let mut tables = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let mut table = Table::new(format!("{name}[{position}] in {file}"), keys);
        for (key, value) in item.as_table().ok_or_else(bad)? {
            let texts = match value {
                toml::Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
                value => value.as_str().map(|text| vec![text.to_owned()]),
            };
            table.set(key, texts, value.to_string())?;
        }
        tables.push(table);
    }
    Ok(tables)
}

impl Table {
    /// An empty one. `place` is how errors name it.
    pub(super) fn new(place: String, keys: &'static [Setting]) -> Table {
        Table { place, keys, fields: Vec::new() }
    }

    /// Sets a key, which must be one of those that the table may have.
    pub(super) fn set(&mut self, key: &str, texts: Option<Vec<String>>, shown: String) -> Result<(), ConfigError> {
        if !self.keys.iter().any(|setting| setting.key == key) {
            return Err(ConfigError::new(format!("setting {}: unknown key {key:?}", self.place)));
        }
        self.fields.push((key.to_owned(), texts, shown));
        Ok(())
    }

    /// The value of a key; none when it is not set.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        read: impl Fn(&[String]) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((_, texts, shown)) = self.fields.iter().find(|(name, _, _)| name == key) else { return Ok(None) };
        match texts.as_deref().and_then(read) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::value(&format!("{key} of {}", self.place), shown, self.expected(key))),
        }
    }

    /// The value of a key that must be set.
    pub(super) fn required<T>(&self, key: &str, read: impl Fn(&[String]) -> Option<T>) -> Result<T, ConfigError> {
        self.optional(key, read)?.ok_or_else(|| {
            ConfigError::new(format!("setting {}: {key} is missing, expected {}", self.place, self.expected(key)))
        })
    }

    fn expected(&self, key: &str) -> &'static str {
        self.keys.iter().find(|setting| setting.key == key).map_or("", |setting| setting.expected)
    }
}

/// The text of a value that must be one.
pub(super) fn only(texts: &[String]) -> Option<&str> {
    match texts {
        [text] => Some(text.as_str()),
        _ => None,
    }
}
