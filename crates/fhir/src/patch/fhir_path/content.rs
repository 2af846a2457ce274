//! What an operation puts into a resource: a value of a data type, or, where the type of an element has no name, its parts.

use super::member_for;
use crate::json::{Object, Value};
use crate::schema::{Shape, TypeKind, r4};

/// What is put into a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Of the type that its member names, with what stands beside a primitive.
    Typed {
        type_name: String,
        value: Option<Value<'static>>,
        beside: Option<Value<'static>>,
    },
    /// The elements of what has no type of its own, by their names.
    Parts(Vec<(String, Content)>),
    Resource(Value<'static>),
}

pub(super) const TOO_DEEP: &str = "the value would be nested too deeply there";

/// The value of a part, whatever its type.
pub(super) fn value<'o, 'v>(part: &'o Value<'v>) -> Option<&'o Value<'v>> {
    let object = part.as_object()?;
    object.0.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

impl Content {
    /// Reads what a part is.
    pub(super) fn read(part: &Value<'_>) -> Result<Content, String> {
        let name = part.text("name").unwrap_or_default();
        let members = part.as_object().map(|object| object.0.as_slice()).unwrap_or_default();
        let typed = members.iter().find_map(|(name, _)| name.trim_start_matches('_').strip_prefix("value"));
        let owned = |name: &str| part.get(name).map(|value| value.clone().into_owned());
        if let Some(type_name) = typed {
            let value = owned(&format!("value{type_name}"));
            let beside = owned(&format!("_value{type_name}"));
            return Ok(Content::Typed { type_name: type_name.to_owned(), value, beside });
        }
        if let Some(resource) = owned("resource") {
            return Ok(Content::Resource(resource));
        }
        let parts = part.list("part");
        if parts.is_empty() {
            return Err(format!("the part {} has no value", name.chars().take(64).collect::<String>()));
        }
        let read = |part: &Value<'_>| Ok((part.text("name").unwrap_or_default().to_owned(), Content::read(part)?));
        parts.iter().map(read).collect::<Result<Vec<_>, String>>().map(Content::Parts)
    }

    /// Adds this to an object as the element of that name: as the last item of a list, or as what was not there. So many
    /// levels may be in the object.
    pub(super) fn add_to(
        &self,
        object: &mut Object<'static>,
        shape: &'static Shape,
        name: &str,
        levels: usize,
    ) -> Result<(), String> {
        let type_name = match self {
            Content::Typed { type_name, .. } => Some(type_name.as_str()),
            _ => None,
        };
        let (member, is_list) = member_for(shape, name, type_name)?;
        let found = shape.member(&member).ok_or("this is no element")?;
        let levels = levels.checked_sub(usize::from(is_list)).ok_or(TOO_DEEP)?;
        let (value, beside) = match self {
            Content::Typed { value, beside, .. } => (value.clone(), beside.clone()),
            Content::Resource(resource) => (Some(resource.clone()), None),
            Content::Parts(parts) => {
                let inside = match found.of_type.kind {
                    TypeKind::Shape(id) => r4().shape(id),
                    _ => None,
                };
                let inside = inside.ok_or_else(|| format!("'{name}' has no elements of its own"))?;
                let mut made = Object::default();
                for (name, content) in parts {
                    content.add_to(&mut made, inside, name, levels.checked_sub(1).ok_or(TOO_DEEP)?)?;
                }
                (Some(Value::Object(made)), None)
            }
        };
        if [&value, &beside].into_iter().flatten().any(|value| value.depth() > levels) {
            return Err(TOO_DEEP.to_owned());
        }
        let other = format!("_{member}");
        if !is_list {
            let is_there = object
                .0
                .iter()
                .any(|(own, _)| shape.member(own).is_some_and(|other| other.element.name == found.element.name));
            if is_there {
                return Err(format!("there is a '{name}' already, and there can be one only: replace it"));
            }
            set(object, member, value);
            set(object, other, beside);
            return Ok(());
        }
        let count = [&member, &other].iter().map(|name| list_length(object, name)).max().unwrap_or_default();
        push(object, member, count, value);
        push(object, other, count, beside);
        Ok(())
    }
}

fn list_length(object: &Object<'_>, name: &str) -> usize {
    match object.get(name) {
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    }
}

fn set(object: &mut Object<'static>, name: String, value: Option<Value<'static>>) {
    if let Some(value) = value {
        object.set(name, value);
    }
}

/// Adds an item at a position behind all others: what there is none of is null where others have something.
fn push(object: &mut Object<'static>, name: String, count: usize, value: Option<Value<'static>>) {
    if value.is_none() && object.get(&name).is_none() {
        return;
    }
    if object.get(&name).is_none() {
        object.set(name.clone(), Value::Array(Vec::new()));
    }
    if let Some(Value::Array(items)) = object.get_mut(&name) {
        items.resize(count, Value::Null);
        items.push(value.unwrap_or(Value::Null));
    }
}
