//! The rows of parameters whose values follow from several elements together.

use super::{Entry, ParameterId, SEPARATOR};
use crate::json::Value;
use crate::registry::ResourceType;
use crate::rules::goal;

/// Adds the derived rows of the type.
pub(super) fn rows(resource_type: ResourceType, resource: &Value<'_>, base: &str, rows: &mut Vec<Entry>) {
    if resource_type.name() == "Goal" {
        let code = goal::agreement(resource, base).code();
        rows.push(Entry {
            parameter: ParameterId::of("Goal.agreement"),
            key: format!("{code}{SEPARATOR}{}", goal::AGREEMENT_SYSTEM),
            low: None,
            high: None,
        });
    }
}
