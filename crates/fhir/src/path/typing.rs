//! Which type an item is of, and which types are known.

use super::ast::{Test, TypeName};
use super::item::{Item, Node, NodeType};
use crate::schema::{Primitive, Shape, r4};

/// FHIRPath's own types.
const SYSTEM: [&str; 9] = ["Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity"];
/// Types that no element table has, because nothing is of them alone.
const ABSTRACT: [&str; 5] = ["Resource", "DomainResource", "Element", "BackboneElement", "Any"];

/// Whether there is a type of that name.
pub(super) fn is_known(name: &TypeName) -> bool {
    // The suite asks whether a Patient is a System.Patient: no such type is an answer, not an error.
    match name.namespace.as_deref() {
        Some("System") => true,
        Some(_) => is_fhir(&name.name),
        None => is_fhir(&name.name) || SYSTEM.contains(&name.name.as_str()),
    }
}

fn is_fhir(name: &str) -> bool {
    ABSTRACT.contains(&name) || Primitive::parse(name).is_some() || r4().named(name).is_some()
}

/// Whether an item passes a test of its type.
pub(super) fn passes(item: &Item<'_>, test: Test, wanted: &TypeName) -> bool {
    let (namespace, _) = item.type_name();
    if wanted.namespace.as_deref().is_some_and(|other| other != namespace) {
        return false;
    }
    match item {
        Item::System(value) => value.type_name() == wanted.name,
        Item::Type(..) => false,
        Item::Node(node) => match (test, node.of_type) {
            // `is` asks what a thing is, at any height; the others pick what is of just this primitive type, which the
            // published constraints count on: a `code` is not picked as a `string`.
            (Test::Is, _) | (_, NodeType::Shape(_) | NodeType::Unknown) => is_a(node, &wanted.name),
            (_, NodeType::Primitive(_)) => node.type_name() == wanted.name,
        },
    }
}

/// Whether an element is of a type or of one that is derived from it.
pub(super) fn is_a(node: &Node<'_>, wanted: &str) -> bool {
    match node.of_type {
        NodeType::Primitive(primitive) => {
            let name = node.type_name();
            name == wanted || wanted == "Element" || base_of(primitive) == Some(wanted)
        }
        NodeType::Shape(shape) => node.type_name() == wanted || is_derived(shape, wanted),
        NodeType::Unknown => wanted == "Resource",
    }
}

fn is_derived(shape: &Shape, wanted: &str) -> bool {
    let mut shape = shape;
    // Bases are few; a table whose bases went in a circle would end here.
    for _ in 0..8 {
        if shape.base == wanted || (shape.name == "SimpleQuantity" && wanted == "Quantity") {
            return true;
        }
        match r4().named(&shape.base) {
            Some(base) => shape = base,
            None => return false,
        }
    }
    false
}

fn base_of(primitive: Primitive) -> Option<&'static str> {
    match primitive {
        Primitive::Code | Primitive::Id | Primitive::Markdown => Some("string"),
        Primitive::Canonical | Primitive::Url | Primitive::Uuid | Primitive::Oid => Some("uri"),
        Primitive::PositiveInt | Primitive::UnsignedInt => Some("integer"),
        _ => None,
    }
}
