//! What a resource can be found by: its index entries. The same entries are tested in memory and stored as rows, so
//! that both readings of a [`crate::predicate::Predicate`] see the same facts.

mod composite;
mod deciding;
mod derived;
mod extract;
mod filing;
mod leaf;
mod names;
mod patients;
mod references;

pub use crate::entry::{Entries, Entry, OTHER_CODE, OTHER_NAME, ParameterId, SEPARATOR};
pub use extract::{extract, extract_added, extract_under};
pub use filing::{DoublyNamed, NumberedPatient, doubly_named_patients, filed, means_somebody, numbered_patients};
pub use names::{Names, element};
pub use references::{every_reference, references};

/// For tests: a value from one made with the `json!` macro.
#[cfg(test)]
pub(crate) fn from_json(value: &serde_json::Value) -> crate::json::Value<'static> {
    use crate::json::Value;
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Number(number.to_string().into()),
        serde_json::Value::String(text) => Value::string(text.as_str()),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        serde_json::Value::Object(members) => Value::Object(crate::json::Object(
            members.iter().map(|(name, value)| (name.clone().into(), from_json(value))).collect(),
        )),
    }
}
