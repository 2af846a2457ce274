//! What the element table says of a place in a resource that is being patched.

use crate::json::Value;
use crate::registry::ResourceType;
use crate::schema::{Found, Shape, TypeKind, r4};

/// The shape of a resource, by the type that it says it has.
pub(super) fn of_resource(value: &Value<'_>) -> Option<&'static Shape> {
    value.text("resourceType").and_then(ResourceType::parse).and_then(|named| r4().resource(named))
}

/// The shape of what stands under a member: of a primitive, of what it carries beside its value. Of a resource it is only
/// known from the value.
pub(super) fn inside(found: &Found<'_>, value: Option<&Value<'_>>) -> Option<&'static Shape> {
    match found.of_type.kind {
        _ if found.beside => r4().primitive_parts(),
        TypeKind::Shape(id) => r4().shape(id),
        TypeKind::Resource => value.and_then(of_resource),
        TypeKind::Primitive(_) => None,
    }
}

/// The shape of the object that names of members and positions in lists lead to.
pub(super) fn shape_at<'p>(resource: &Value<'_>, parts: impl IntoIterator<Item = &'p str>) -> Option<&'static Shape> {
    let (mut value, mut shape) = (Some(resource), of_resource(resource));
    let mut in_list = None;
    for part in parts {
        if let Some(Value::Array(items)) = value {
            value = part.parse::<usize>().ok().and_then(|at| items.get(at));
            shape = inside(&in_list?, value);
            continue;
        }
        let found = shape?.member(part)?;
        value = value.and_then(|value| value.get(part));
        shape = inside(&found, value);
        in_list = Some(found);
    }
    shape
}

/// Whether a member of the object that the parts lead to is a list.
pub(super) fn is_list<'p>(resource: &Value<'_>, parts: impl IntoIterator<Item = &'p str>, member: &str) -> bool {
    let shape = shape_at(resource, parts);
    shape.and_then(|shape| shape.member(member)).is_some_and(|found| found.element.is_list)
}
