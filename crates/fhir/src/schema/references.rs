//! The elements of type Reference in a resource, told by the element table.

use super::load::r4;
use super::table::{Shape, Special, TypeKind};
use crate::json::{Object, Value};
use crate::registry::ResourceType;

/// Does something with each Reference of a resource and of what it contains, outermost first.
pub fn each_reference(resource: &mut Value<'_>, work: &mut dyn FnMut(&mut Object<'_>)) {
    let shape = resource.text("resourceType").and_then(ResourceType::parse).and_then(|named| r4().resource(named));
    if let (Some(shape), Value::Object(object)) = (shape, resource) {
        inside(shape, object, work);
    }
}

fn inside(shape: &Shape, object: &mut Object<'_>, work: &mut dyn FnMut(&mut Object<'_>)) {
    if shape.special == Special::Reference {
        work(object);
    }
    for (name, value) in &mut object.0 {
        let Some(found) = shape.member(name) else { continue };
        let inner = match found.of_type.kind {
            _ if found.beside => r4().primitive_parts(),
            TypeKind::Shape(id) => r4().shape(id),
            TypeKind::Resource => None,
            TypeKind::Primitive(_) => continue,
        };
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| within(inner, item, work)),
            single => within(inner, single, work),
        }
    }
}

fn within(shape: Option<&Shape>, value: &mut Value<'_>, work: &mut dyn FnMut(&mut Object<'_>)) {
    match (shape, value) {
        (Some(shape), Value::Object(object)) => inside(shape, object, work),
        (None, resource) => each_reference(resource, work),
        _ => {}
    }
}
