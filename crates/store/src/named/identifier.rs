//! Identifiers by which something stored may name somebody.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;

use super::KnownKey;

/// An identifier that something stored says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentifier {
    system: String,
    value: String,
}

impl KnownIdentifier {
    /// Its system and value.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        (&self.system, &self.value)
    }

    /// The key for a parameter of whoever bears it.
    #[must_use]
    pub fn key(&self, parameter: ParameterId) -> KnownKey {
        KnownKey { parameter, key: format!("{}{SEPARATOR}{}", self.value, self.system) }
    }
}

/// Adds those that stand anywhere in a value.
pub(super) fn add_all(value: &Value<'_>, found: &mut Vec<KnownIdentifier>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| add_all(item, found)),
        Value::Object(object) => {
            if let Some(own) = value.text("value") {
                let system = value.text("system").unwrap_or_default().to_owned();
                found.push(KnownIdentifier { system, value: own.to_owned() });
            }
            object.0.iter().for_each(|(_, inner)| add_all(inner, found));
        }
        _ => {}
    }
}
