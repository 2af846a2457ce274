//! Where the value of a setting comes from: the environment first, then the file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ConfigError;
use super::settings::{self, Setting};

/// The largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The file and the environment together.
pub(super) struct Source<'a> {
    file: toml::Table,
    file_name: String,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A value as it was written, and where.
pub(super) struct Found {
    pub(super) place: String,
    pub(super) value: Written,
}

/// A value as it was written.
pub(super) enum Written {
    /// In a variable.
    Variable(String),
    /// In the file.
    File(toml::Value),
}

impl Written {
    /// The value as one text; none where the file holds something of several parts.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Written::Variable(text) => Some(text.clone()),
            Written::File(toml::Value::String(text)) => Some(text.clone()),
            Written::File(toml::Value::Integer(number)) => Some(number.to_string()),
            Written::File(toml::Value::Boolean(yes)) => Some(yes.to_string()),
            Written::File(_) => None,
        }
    }

    /// The value as errors show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Written::Variable(text) => text.clone(),
            Written::File(toml::Value::String(text)) => text.clone(),
            Written::File(value) => value.to_string(),
        }
    }
}

impl<'a> Source<'a> {
    /// Reads the file (that of `CONCORD_CONFIG` when `path` does not name one; none is fine) and refuses unknown keys.
    pub(super) fn read(
        path: Option<&Path>,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Source<'a>, ConfigError> {
        let path = path.map(Path::to_path_buf).or_else(|| non_empty(environment("CONCORD_CONFIG")).map(PathBuf::from));
        let Some(path) = path else {
            return Ok(Source { file: toml::Table::new(), file_name: String::new(), environment });
        };
        let file_name = path.display().to_string();
        let file = read_table(&path, &file_name)?;
        for key in file.keys() {
            if !["issuers", "clients"].contains(&key.as_str()) && settings::find(key).is_none() {
                return Err(ConfigError::new(format!("unknown setting {key:?} in {file_name}")));
            }
        }
        Ok(Source { file, file_name, environment })
    }

    /// A non-empty variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        non_empty((self.environment)(name))
    }

    /// A value of the file, taken as it is, and the file's name.
    pub(super) fn in_file(&self, key: &str) -> Option<(&toml::Value, &str)> {
        self.file.get(key).map(|value| (value, self.file_name.as_str()))
    }

    /// The value of a setting and where it was found; none when nobody set it.
    pub(super) fn find(&self, setting: &Setting) -> Option<Found> {
        let variable = setting.variable();
        if let Some(text) = self.variable(&variable) {
            return Some(Found { place: variable, value: Written::Variable(text) });
        }
        let value = self.file.get(setting.key)?.clone();
        Some(Found { place: format!("{} in {}", setting.key, self.file_name), value: Written::File(value) })
    }

    /// The value of a setting, read by `read`; none when nobody set it.
    pub(super) fn get<T>(&self, key: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ConfigError> {
        let setting = settings::find(key).ok_or_else(|| ConfigError::new(format!("no setting is called {key}")))?;
        let Some(found) = self.find(setting) else { return Ok(None) };
        let read = found.value.text().and_then(|text| read(text.trim()));
        match read {
            Some(value) => Ok(Some(value)),
            None if key == "database_url" => Err(ConfigError::secret(&found.place, setting.expected)),
            None => Err(ConfigError::value(&found.place, &found.value.shown(), setting.expected)),
        }
    }

    /// The number of a setting, within its bounds.
    pub(super) fn number<N: FromStr + PartialOrd>(
        &self,
        key: &'static str,
        least: N,
        most: N,
        default: N,
    ) -> Result<N, ConfigError> {
        let read = |text: &str| text.parse::<N>().ok().filter(|number| *number >= least && *number <= most);
        Ok(self.get(key, read)?.unwrap_or(default))
    }

    /// The switch of a setting.
    pub(super) fn switch(&self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.get(key, |text| text.parse().ok())?.unwrap_or(default))
    }

    /// The texts of a setting that takes a list: an array in the file, separated by commas in the variable.
    pub(super) fn list(&self, key: &'static str) -> Result<Vec<String>, ConfigError> {
        let setting = settings::find(key).ok_or_else(|| ConfigError::new(format!("no setting is called {key}")))?;
        let Some(found) = self.find(setting) else { return Ok(Vec::new()) };
        let texts = match &found.value {
            Written::Variable(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
            Written::File(toml::Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            }
            Written::File(toml::Value::String(text)) => Some(vec![text.clone()]),
            Written::File(_) => None,
        };
        texts.ok_or_else(|| ConfigError::value(&found.place, &found.value.shown(), setting.expected))
    }
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn read_table(path: &Path, name: &str) -> Result<toml::Table, ConfigError> {
    let size = std::fs::metadata(path).map_err(|error| ConfigError::new(format!("cannot read {name}: {error}")))?.len();
    if size > MAX_FILE_BYTES {
        return Err(ConfigError::new(format!("cannot read {name}: it is larger than {MAX_FILE_BYTES} bytes")));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::new(format!("cannot read {name}: {error}")))?;
    text.parse::<toml::Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        ConfigError::new(format!("{name} line {line} is not TOML: {}", error.message()))
    })
}
