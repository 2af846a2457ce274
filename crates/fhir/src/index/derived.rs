//! The rows of parameters whose values follow from several elements together.

use super::{Entry, SEPARATOR};
use crate::json::Value;
use crate::registry::ResourceType;
use crate::rules::DERIVED;

/// Adds the derived rows of the type.
pub(super) fn rows(resource_type: ResourceType, resource: &Value<'_>, base: &str, rows: &mut Vec<Entry>) {
    for derived in DERIVED.iter().filter(|one| one.resource_type == resource_type) {
        let (code, system) = (derived.token)(resource, base);
        let key = format!("{code}{SEPARATOR}{system}");
        rows.push(Entry { parameter: derived.parameter, key, low: None, high: None });
    }
}
