//! A StructureDefinition with what is checked by it, and no more: the form in which definitions are kept.

use concord_fhir::json::{Object, Value};

use super::{ADDITIONAL, Constraint, is_kept};

/// The members of a StructureDefinition that are kept.
const KEPT: &[&str] =
    &["resourceType", "url", "version", "type", "baseDefinition", "derivation", "context", "differential", "snapshot"];
/// The members of an element that are kept, besides those that are called after a type.
const KEPT_OF_ELEMENT: &[&str] = &[
    "id",
    "path",
    "sliceName",
    "slicing",
    "min",
    "max",
    "contentReference",
    "type",
    "maxLength",
    "constraint",
    "isModifier",
    "binding",
];
/// The members of what is inside an element that are not kept: words for people.
const WORDS: &[&str] = &["description", "extension", "source", "xpath", "versioning", "requirements"];

/// The same StructureDefinition with what is checked by it, and no more: no narrative, no descriptions, no mappings, and no
/// snapshot where there is a differential. [`super::Definition::read`] makes the same of both.
#[must_use]
pub fn stripped(resource: &Value<'_>) -> Value<'static> {
    let own = resource.get("differential").is_some_and(|part| !part.list("element").is_empty());
    let mut kept = Object::default();
    for (name, value) in members(resource) {
        if !KEPT.contains(&name) || (name == "snapshot" && own) || (name == "differential" && !own) {
            continue;
        }
        let value = match name {
            "differential" | "snapshot" => {
                let elements = value.list("element").iter().map(|element| bare_element(element, !own)).collect();
                Value::Object(Object(vec![("element".into(), Value::Array(elements))]))
            }
            "context" => without_words(value),
            _ => value.clone().into_owned(),
        };
        // What is left of a snapshot is what its own definition says, and is read as that from now on.
        kept.set(if name == "snapshot" { "differential" } else { name }.to_owned(), value);
    }
    Value::Object(kept)
}

fn members<'v>(value: &'v Value<'_>) -> impl Iterator<Item = (&'v str, &'v Value<'v>)> {
    value.as_object().map_or(&[][..], |object| &object.0).iter().map(|(name, value)| (name.as_ref(), value))
}

fn bare_element(element: &Value<'_>, is_snapshot: bool) -> Value<'static> {
    let mut kept = Object::default();
    for (name, value) in members(element) {
        let stems = ["fixed", "pattern", "minValue", "maxValue"];
        let of_type = stems
            .iter()
            .any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())));
        if of_type {
            kept.set(name.to_owned(), value.clone().into_owned());
        } else if name == "constraint" {
            let own: Vec<_> = value.items().iter().filter(|one| Constraint::read(one, is_snapshot).is_some()).collect();
            if !own.is_empty() {
                kept.set(name.to_owned(), Value::Array(own.into_iter().map(without_words).collect()));
            }
        } else if name == "extension" {
            let own: Vec<_> = value.items().iter().filter(|one| is_kept(one)).collect();
            if !own.is_empty() {
                let own = own.into_iter().map(|one| one.clone().into_owned()).collect();
                kept.set("extension", Value::Array(own));
            }
        } else if name == "binding" {
            if let Some(binding) = bare_binding(value) {
                kept.set("binding", binding);
            }
        } else if KEPT_OF_ELEMENT.contains(&name) {
            kept.set(name.to_owned(), without_words(value));
        }
    }
    Value::Object(kept)
}

/// A binding without its words; nothing if it is nothing else.
fn bare_binding(value: &Value<'_>) -> Option<Value<'static>> {
    value.text("valueSet")?;
    let mut bare = without_words(value);
    let additional = |one: &&Value<'_>| one.text("url").is_some_and(|url| ADDITIONAL.contains(&url));
    let kept: Vec<_> = value.list("extension").iter().filter(additional).map(|one| one.clone().into_owned()).collect();
    if let Some(object) = bare.as_object_mut()
        && !kept.is_empty()
    {
        object.set("extension", Value::Array(kept));
    }
    Some(bare)
}

fn without_words(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Object(object) => Value::Object(Object(
            object
                .0
                .iter()
                .filter(|(name, _)| !WORDS.contains(&name.as_ref()) && !name.starts_with('_'))
                .map(|(name, value)| (name.to_string().into(), without_words(value)))
                .collect(),
        )),
        Value::Array(items) => Value::Array(items.iter().map(without_words).collect()),
        other => other.clone().into_owned(),
    }
}
