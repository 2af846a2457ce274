//! The links of a resource, told by the type of the element that each stands in, to be put in place of one another (R4
//! "RESTful API", transaction: "Servers SHALL replace all matching links").
//!
//! What a text looks like says nothing here: an identifier, a name or an answer may have the form of a link and is none.

use std::borrow::Cow;

use super::load::r4;
use super::narrative;
use super::primitive::Primitive;
use super::table::{Element, ElementType, Schema, Shape, Special, TypeKind};
use crate::json::{Object, Value};
use crate::registry::ResourceType;

/// What a link stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `Reference.reference`.
    Reference,
    /// An element of the type uri, url, oid or uuid, or a link or image of the narrative.
    Address,
}

/// Elements of the type uri that hold no link but a name: of a namespace, of a definition (a canonical url in all but its
/// type), or a value that a definition prescribes. Each is the name of its shape (of any resource, or any at all, where that
/// is left out) and of the element.
const NAMES: &[(Within, &str)] = &[
    // Namespaces: they say what a code, an identifier or a unit means.
    (Within::Any, "system"),
    (Within::Shape("CodeSystem.property"), "uri"),
    (Within::Shape("ConceptMap.group"), "source"),
    (Within::Shape("ConceptMap.group"), "target"),
    (Within::Shape("ConceptMap.group.element.target.dependsOn"), "property"),
    (Within::Shape("Device.udiCarrier"), "issuer"),
    (Within::Shape("Device.udiCarrier"), "jurisdiction"),
    (Within::Shape("DeviceDefinition.udiDeviceIdentifier"), "issuer"),
    (Within::Shape("DeviceDefinition.udiDeviceIdentifier"), "jurisdiction"),
    (Within::Shape("StructureDefinition.mapping"), "uri"),
    // Definitions: what a resource is defined by, and what it is called as one.
    (Within::Shape("Extension"), "url"),
    (Within::Shape("Reference"), "type"),
    (Within::Resource, "implicitRules"),
    (Within::Resource, "url"),
    (Within::Shape("ConceptMap"), "source"),
    (Within::Shape("ConceptMap"), "target"),
    (Within::Shape("ElementDefinition"), "contentReference"),
    (Within::Shape("ElementDefinition.type"), "code"),
    (Within::Shape("StructureDefinition"), "type"),
    (Within::Shape("ValueSet.expansion"), "identifier"),
    // Values that a definition prescribes.
    (Within::Shape("ElementDefinition"), "defaultValue"),
    (Within::Shape("ElementDefinition"), "fixed"),
    (Within::Shape("ElementDefinition"), "pattern"),
    (Within::Shape("ElementDefinition.example"), "value"),
];

/// Elements of the type uri that name a source, a definition or a value, and may do so by the address where it is to be found: a
/// transaction leaves them as they are sent, and who follows what a resource speaks about follows them.
const MENTIONS: &[(Within, &str)] = &[
    // Sources: the system that something is from (with what it calls the request after `#`).
    (Within::Shape("Meta"), "source"),
    (Within::Shape("DocumentManifest"), "source"),
    // Definitions.
    (Within::Shape("Questionnaire.item"), "definition"),
    (Within::Shape("QuestionnaireResponse.item"), "definition"),
    (Within::Shape("PlanDefinition.action"), "definition"),
    (Within::Shape("MessageDefinition"), "event"),
    (Within::Shape("MessageHeader"), "event"),
    // Values.
    (Within::Shape("ValueSet.expansion.parameter"), "value"),
];

/// Resources whose `url` is where they are to be reached, and not what they are called.
const REACHED: [&str; 2] = ["Device", "DeviceDefinition"];

/// The type whose entries are resources of their own, with links among themselves.
const BUNDLE: ResourceType = ResourceType::of("Bundle");

/// Where a name stands.
#[derive(Clone, Copy, Debug)]
enum Within {
    /// In this shape.
    Shape(&'static str),
    /// In any resource, directly.
    Resource,
    /// Anywhere.
    Any,
}

/// What comes in the place of a link; none if it stays.
pub type NewLink<'w, E> = dyn FnMut(LinkKind, &str) -> Result<Option<String>, E> + 'w;

/// Puts what `with` answers in the place of each link of a resource, of those that it contains and of its narrative. A
/// canonical is no link, and what a Bundle holds is stored as it is. Where the type of the element has no room for what is
/// answered (a uuid cannot be the address of a resource), the element stays as it was.
///
/// # Errors
/// Those of `with`.
pub fn relink<E>(resource: &mut Value<'_>, with: &mut NewLink<'_, E>) -> Result<(), E> {
    Walk { schema: r4(), with }.resource(resource)
}

struct Walk<'w, 'n, E> {
    schema: &'static Schema,
    with: &'w mut NewLink<'n, E>,
}

impl<E> Walk<'_, '_, E> {
    fn resource(&mut self, value: &mut Value<'_>) -> Result<(), E> {
        let named = value.text("resourceType").and_then(ResourceType::parse).filter(|named| *named != BUNDLE);
        match (named.and_then(|named| self.schema.resource(named)), value) {
            (Some(shape), Value::Object(object)) => self.object(shape, object),
            _ => Ok(()),
        }
    }

    fn object(&mut self, shape: &Shape, object: &mut Object<'_>) -> Result<(), E> {
        for (name, value) in &mut object.0 {
            let Some(found) = shape.member(name) else { continue };
            if found.beside {
                if let Some(parts) = self.schema.primitive_parts() {
                    self.each(value, &mut |walk, item| match item {
                        Value::Object(carried) => walk.object(parts, carried),
                        _ => Ok(()),
                    })?;
                }
            } else if let Some(kind) = kind(shape, found.element, found.of_type) {
                self.each(value, &mut |walk, item| walk.link(kind, found.of_type, item))?;
            } else {
                self.each(value, &mut |walk, item| walk.inside(found.of_type, item))?;
            }
        }
        Ok(())
    }

    /// Does something with each item of a list, or with a single value.
    fn each<'v>(
        &mut self,
        value: &mut Value<'v>,
        work: &mut dyn FnMut(&mut Self, &mut Value<'v>) -> Result<(), E>,
    ) -> Result<(), E> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| work(self, item)),
            single => work(self, single),
        }
    }

    fn link(&mut self, kind: LinkKind, of_type: &ElementType, value: &mut Value<'_>) -> Result<(), E> {
        let Value::String(text) = &*value else { return Ok(()) };
        let Some(other) = (self.with)(kind, text)? else { return Ok(()) };
        let fits = matches!(of_type.kind, TypeKind::Primitive(primitive) if primitive.check(&other).is_ok());
        if fits {
            *value = Value::string(other);
        }
        Ok(())
    }

    /// What is inside of a value that is no link itself.
    fn inside(&mut self, of_type: &ElementType, value: &mut Value<'_>) -> Result<(), E> {
        match (of_type.kind, value) {
            (TypeKind::Primitive(Primitive::Xhtml), Value::String(div)) => {
                let relinked = narrative::relink(div, &mut |text| (self.with)(LinkKind::Address, text))?;
                if let Some(relinked) = relinked {
                    *div = Cow::Owned(relinked);
                }
                Ok(())
            }
            (TypeKind::Shape(id), Value::Object(object)) => match self.schema.shape(id) {
                Some(shape) => self.object(shape, object),
                None => Ok(()),
            },
            (TypeKind::Resource, resource) => self.resource(resource),
            _ => Ok(()),
        }
    }
}

/// Whether an element of this type may say where something is to be reached: it is of the type uri, url, oid or uuid and holds
/// no name that leads nowhere.
pub(crate) fn is_address(shape: &Shape, element: &Element, of_type: &ElementType) -> bool {
    let is_of_addresses =
        matches!(of_type.kind, TypeKind::Primitive(Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid));
    is_of_addresses && !is_among(NAMES, shape, element)
}

/// What kind of link an element of this type is, if it is one.
fn kind(shape: &Shape, element: &Element, of_type: &ElementType) -> Option<LinkKind> {
    let TypeKind::Primitive(primitive) = of_type.kind else { return None };
    match primitive {
        Primitive::String if shape.special == Special::Reference && element.name == "reference" => {
            Some(LinkKind::Reference)
        }
        _ if is_address(shape, element, of_type) && !is_among(MENTIONS, shape, element) => Some(LinkKind::Address),
        _ => None,
    }
}

fn is_among(listed: &[(Within, &str)], shape: &Shape, element: &Element) -> bool {
    let stands = |within: Within| match within {
        Within::Shape(named) => shape.name == named,
        Within::Resource => shape.is_resource && !(element.name == "url" && REACHED.contains(&shape.name.as_ref())),
        Within::Any => true,
    };
    listed.iter().any(|(within, name)| element.name == *name && stands(*within))
}

#[cfg(test)]
mod tests;
