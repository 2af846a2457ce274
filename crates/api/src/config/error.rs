//! What is wrong with a setting, in one line.

/// A bad setting. Its text is one line that names the setting, what was found and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with this text.
    pub(super) fn new(text: impl AsRef<str>) -> ConfigError {
        ConfigError(text.as_ref().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A value that does not fit its setting. `place` is where it was found (`CONCORD_LISTEN`, `listen in concord.toml`).
    pub(super) fn at(place: &str, text: &str) -> ConfigError {
        ConfigError::new(format!("setting {place}: {text}"))
    }
}
