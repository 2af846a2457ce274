//! What is wrong with a setting, in one line.

use std::fmt;

/// A bad setting. Its text is one line that names the setting, what was found and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

/// The longest piece of a bad value that an error repeats, in characters.
const SHOWN: usize = 60;

impl ConfigError {
    /// An error of the configuration as a whole.
    pub(super) fn new(text: impl Into<String>) -> ConfigError {
        ConfigError(one_line(&text.into()))
    }

    /// A value that does not fit its setting. `place` is where it was found (`CONCORD_LISTEN`, `listen in concord.toml`).
    pub(super) fn value(place: &str, found: &str, expected: &str) -> ConfigError {
        let mut shown: String = found.chars().take(SHOWN).collect();
        if found.chars().count() > SHOWN {
            shown.push_str("...");
        }
        ConfigError::new(format!("setting {place}: expected {expected}, found {shown:?}"))
    }

    /// A value that does not fit and that must not be repeated, since it may hold a password.
    pub(super) fn secret(place: &str, expected: &str) -> ConfigError {
        ConfigError::new(format!(
            "setting {place}: expected {expected} (the value is not shown, it may hold a password)"
        ))
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_one_line_and_bounded() {
        let error = ConfigError::value("listen", &format!("a\nb{}", "x".repeat(500)), "an address");
        assert!(!error.to_string().contains('\n'));
        assert!(error.to_string().len() < 150, "{error}");
        assert!(ConfigError::new("a\n  b").to_string() == "a b");
    }
}
