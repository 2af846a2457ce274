//! Parts of a resource, as clients ask for with `_summary` and `_elements` (R4 "Search", "Summary" and "Elements").

use std::borrow::Cow;

use super::load::r4;
use super::table::{Element, Found, Schema, Shape, TypeKind};
use crate::json::{Object, Value};
use crate::registry::ResourceType;

/// The code system of the tag that says that a resource is not whole.
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
/// The code of that tag.
const SUBSETTED: &str = "SUBSETTED";

/// Which part of a resource is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary<'s> {
    /// `_summary=true`: the elements that the definitions mark, at every depth.
    True,
    /// `_summary=text`: narrative, id, meta and what must be there.
    Text,
    /// `_summary=data`: all but the narrative.
    Data,
    /// `_elements`: these elements of the resource, named as in the definitions without a choice's type (`value`) or with it
    /// (`valueQuantity`), with or without the type's name and a dot before.
    Elements(&'s [String]),
}

/// A part of a resource, tagged SUBSETTED. Whatever is asked for, elements that must be there and those that change the
/// meaning of the rest stay, so that the part is a resource still and misleads nobody. A value that is no resource comes back
/// as it is.
#[must_use]
pub fn summarize<'a>(value: &Value<'a>, summary: Summary<'_>) -> Value<'a> {
    let schema = r4();
    let name = value.text("resourceType").unwrap_or_default();
    let shape = ResourceType::parse(name).and_then(|known| schema.resource(known));
    let (Some(shape), Some(object)) = (shape, value.as_object()) else { return value.clone() };
    let members = object.0.iter().filter_map(|(member, value)| {
        let Some(found) = shape.member(member) else { return Some((member.clone(), value.clone())) };
        let keep = always(found.element)
            || match summary {
                Summary::True => found.element.in_summary,
                Summary::Text => found.element.name == "text",
                Summary::Data => found.element.name != "text",
                Summary::Elements(names) => names.iter().any(|wanted| is_wanted(wanted, name, &found, member)),
            };
        if !keep {
            return None;
        }
        let value = if summary == Summary::True { marked(schema, &found, value) } else { value.clone() };
        Some((member.clone(), value))
    });
    let mut part = Object(members.collect());
    tag(&mut part);
    Value::Object(part)
}

/// Elements that are in every part.
fn always(element: &Element) -> bool {
    element.min > 0 || element.is_modifier || matches!(element.name.as_ref(), "id" | "meta")
}

fn is_wanted(wanted: &str, resource_type: &str, found: &Found<'_>, member: &str) -> bool {
    let path = wanted.strip_prefix(resource_type).and_then(|rest| rest.strip_prefix('.')).unwrap_or(wanted);
    // A path into an element brings all of it: more than was asked for is allowed.
    let first = path.split('.').next().unwrap_or(path);
    first == found.element.name || first == member.trim_start_matches('_')
}

/// The marked elements of a value, at every depth.
fn marked<'a>(schema: &Schema, found: &Found<'_>, value: &Value<'a>) -> Value<'a> {
    let TypeKind::Shape(id) = found.of_type.kind else { return value.clone() };
    // A modifier extension is never cut: half of it would mean something else.
    let shape = schema.shape(id).filter(|shape| shape.name != "Extension");
    match (shape, value) {
        (Some(shape), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| marked_object(schema, shape, item)).collect())
        }
        (Some(shape), single) => marked_object(schema, shape, single),
        (None, value) => value.clone(),
    }
}

fn marked_object<'a>(schema: &Schema, shape: &Shape, value: &Value<'a>) -> Value<'a> {
    let Value::Object(object) = value else { return value.clone() };
    let members: Vec<_> = object
        .0
        .iter()
        .filter_map(|(name, value)| {
            let found = shape.member(name)?;
            let keep = found.element.in_summary || found.element.is_modifier || found.element.min > 0;
            keep.then(|| (name.clone(), marked(schema, &found, value)))
        })
        .collect();
    // An object must not become empty.
    if members.is_empty() { value.clone() } else { Value::Object(Object(members)) }
}

/// Adds the tag, and what it stands in where that is missing.
fn tag(resource: &mut Object<'_>) {
    let is_tagged = resource.get("meta").is_some_and(|meta| {
        meta.list("tag").iter().any(|tag| tag.text("system") == Some(SYSTEM) && tag.text("code") == Some(SUBSETTED))
    });
    if is_tagged {
        return;
    }
    let tag = Value::object([("system", Value::string(SYSTEM)), ("code", Value::string(SUBSETTED))]);
    if resource.get("meta").is_none() {
        let first = |name: &Cow<'_, str>| matches!(name.as_ref(), "resourceType" | "id");
        let position = resource.0.iter().take_while(|(name, _)| first(name)).count();
        resource.set_at(position, "meta", Value::Object(Object::default()));
    }
    let Some(Value::Object(meta)) = resource.get_mut("meta") else { return };
    match meta.get_mut("tag") {
        Some(Value::Array(tags)) => tags.push(tag),
        _ => meta.set("tag", Value::Array(vec![tag])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::json::{Limits, parse, to_string};

    const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","meta":{"versionId":"1","tag":[{"code":"x"}]},
        "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
        "extension":[{"url":"http://x","valueString":"e"}],
        "modifierExtension":[{"url":"http://x","valueString":"m"}],
        "status":"final","category":[{"text":"vital-signs"}],"code":{"id":"c","text":"x"},
        "valueQuantity":{"value":1.10,"extension":[{"url":"http://x","valueString":"q"}]},
        "note":[{"text":"n"}],
        "component":[{"code":{"text":"y"},"valueInteger":1,"interpretation":[{"text":"i"}]}]}"#;

    fn part(text: &str, summary: Summary<'_>) -> String {
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let part = summarize(&value, summary);
        assert!(check(&part, &Limits::default()).is_ok(), "{}", to_string(&part));
        to_string(&part)
    }

    const TAGGED: &str = r#""meta":{"versionId":"1","tag":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;

    #[test]
    fn a_summary_has_the_marked_elements_at_every_depth() {
        let wanted = format!(
            r#"{{"resourceType":"Observation","id":"o",{TAGGED},"modifierExtension":[{{"url":"http://x","valueString":"m"}}],"status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":1.10}},"component":[{{"code":{{"text":"y"}},"valueInteger":1}}]}}"#
        );
        assert_eq!(part(OBSERVATION, Summary::True), wanted);
    }

    #[test]
    fn text_data_and_elements() {
        let text = part(OBSERVATION, Summary::Text);
        assert!(text.contains("div") && text.contains("\"code\":{\"id\"") && !text.contains("category"), "{text}");
        let data = part(OBSERVATION, Summary::Data);
        assert!(!data.contains("div") && data.contains("category") && data.contains("SUBSETTED"), "{data}");
        for name in ["value", "valueQuantity", "Observation.value", "Observation.valueQuantity.value"] {
            let names = [name.to_owned()];
            let some = part(OBSERVATION, Summary::Elements(&names));
            assert!(
                some.contains("valueQuantity") && some.contains("status") && !some.contains("note"),
                "{name} {some}"
            );
        }
    }

    #[test]
    fn the_tag_is_added_once_and_where_it_belongs() {
        let bare = r#"{"resourceType":"Patient","id":"p","active":true}"#;
        let once = part(bare, Summary::Data);
        assert!(once.starts_with(r#"{"resourceType":"Patient","id":"p","meta":{"tag":[{"#), "{once}");
        assert_eq!(part(&once, Summary::Data), once);
        assert_eq!(summarize(&Value::Null, Summary::True), Value::Null);
    }
}
