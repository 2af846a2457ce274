//! A walk over everything in a resource that has elements of its own, for those who look at one kind of it wherever it is.

use super::element_path::ElementPath;
use super::load::r4;
use super::table::{ElementType, Schema, Shape, TypeKind};
use crate::json::{Object, Value};
use crate::registry::ResourceType;

/// Something with elements of its own, where it is met.
pub struct Met<'w> {
    /// The shape in which it stands: `Observation`, `Observation.component`.
    pub within: &'w str,
    /// The element that it is, by its name without type: `interpretation`, `value`.
    pub element: &'w str,
    /// Its type: `Coding`, `Quantity`.
    pub type_name: &'w str,
    /// It.
    pub object: &'w Object<'w>,
    /// What its element says of its type.
    pub(super) of_type: &'w ElementType,
    pub(super) place: &'w ElementPath<'w>,
}

impl Met<'_> {
    /// Its place in the resource.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }
}

/// Walks a resource that the check takes, and what it contains.
pub fn walk(resource: &Value<'_>, see: &mut dyn FnMut(&Met<'_>)) {
    let mut walk = Walk { schema: r4(), see };
    if let Some(object) = resource.as_object() {
        walk.resource(object, &ElementPath::root(resource.text("resourceType").unwrap_or("Resource")));
    }
}

struct Walk<'f> {
    schema: &'static Schema,
    see: &'f mut dyn FnMut(&Met<'_>),
}

impl Walk<'_> {
    fn resource(&mut self, object: &Object<'_>, place: &ElementPath<'_>) {
        let named = object.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
        if let Some(shape) = named.and_then(|named| self.schema.resource(named)) {
            self.object(shape, object, place);
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object<'_>, place: &ElementPath<'_>) {
        for (name, value) in &object.0 {
            let Some(found) = shape.member(name).filter(|found| !found.beside) else { continue };
            if matches!(found.of_type.kind, TypeKind::Primitive(_)) {
                continue;
            }
            let (here, element) = (place.element(name), found.element.name.as_ref());
            match value {
                Value::Array(items) => {
                    for (position, item) in items.iter().enumerate() {
                        self.single(shape, element, found.of_type, item, &here.item(position));
                    }
                }
                single => self.single(shape, element, found.of_type, single, &here),
            }
        }
    }

    fn single(
        &mut self,
        within: &Shape,
        element: &str,
        of_type: &ElementType,
        value: &Value<'_>,
        place: &ElementPath<'_>,
    ) {
        let Some(object) = value.as_object() else { return };
        match of_type.kind {
            TypeKind::Primitive(_) => {}
            TypeKind::Resource => self.resource(object, place),
            TypeKind::Shape(id) => {
                let Some(shape) = self.schema.shape(id) else { return };
                (self.see)(&Met { within: &within.name, element, type_name: &shape.name, object, of_type, place });
                self.object(shape, object, place);
            }
        }
    }
}
