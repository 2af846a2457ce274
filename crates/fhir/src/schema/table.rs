//! The compiled element table: which elements each shape has, found by the name that stands in a resource.

use std::borrow::Cow;

use super::primitive::Primitive;
use crate::registry::ResourceType;

/// A set of shapes that refer to each other. The base is R4; a profile is a copy with narrower elements.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(crate) shapes: Vec<Shape>,
    /// The shape of each resource type, by its number.
    pub(super) resources: Vec<ShapeId>,
    pub(super) bindings: Vec<Binding>,
    /// What a primitive may carry besides its value: `id` and `extension`.
    pub(super) primitive_parts: ShapeId,
}

/// The position of a shape in its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeId(pub(crate) u16);

/// The position of a code list in its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindingId(pub(super) u16);

impl Schema {
    /// The shape of a resource type.
    #[must_use]
    pub fn resource(&self, resource_type: ResourceType) -> Option<&Shape> {
        let number = usize::try_from(resource_type.number()).ok()?;
        self.shape(*self.resources.get(number)?)
    }

    /// The shape at that position.
    #[must_use]
    pub fn shape(&self, id: ShapeId) -> Option<&Shape> {
        self.shapes.get(usize::from(id.0))
    }

    /// The shape of that name: a resource type, a complex data type, or the path of an element with elements of its own
    /// (`Observation.component`).
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Shape> {
        let position = self.shapes.binary_search_by(|shape| shape.name.as_ref().cmp(name)).ok()?;
        self.shapes.get(position)
    }

    /// The code list at that position.
    #[must_use]
    pub fn binding(&self, id: BindingId) -> Option<&Binding> {
        self.bindings.get(usize::from(id.0))
    }

    /// Every code list.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What a primitive may carry besides its value: `id` and `extension`.
    #[must_use]
    pub fn primitive_parts(&self) -> Option<&Shape> {
        self.shape(self.primitive_parts)
    }
}

/// Shapes that have rules of their own in the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    None,
    Reference,
    Extension,
    CodeableConcept,
    Attachment,
    CodeSystem,
}

/// A resource type, a complex data type, or the inside of an element: a list of elements.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The type's name, or the path of the element (`Observation.component`).
    pub name: Cow<'static, str>,
    /// The type that it is derived from (`DomainResource`, `BackboneElement`); `-` of one that is derived from none.
    pub base: Cow<'static, str>,
    /// Whether this is a resource type.
    pub is_resource: bool,
    /// The elements in the order of the definitions, which is their order in XML.
    pub elements: Vec<Element>,
    pub(crate) special: Special,
    /// Its position in the schema of R4, by which its rules are known; a profile's shape has the rules of its base.
    pub(crate) id: ShapeId,
    /// A bit for each element that must be there.
    pub(crate) required: u128,
    pub(super) members: Vec<Member>,
    /// A hash table of positions in `members`; its length is a power of two.
    pub(super) slots: Vec<u16>,
}

/// An element of a shape.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its name; of a choice `value[x]`, it is `value`.
    pub name: Cow<'static, str>,
    /// How many there must be at least.
    pub min: u32,
    /// How many there may be at most; nothing for any number.
    pub max: Option<u32>,
    /// Whether it is written as a list.
    pub is_list: bool,
    /// Whether it is a choice, so that its name is followed by the type's.
    pub is_choice: bool,
    /// Whether it belongs to the summary (R4 "Summary").
    pub in_summary: bool,
    /// Whether it changes the meaning of what it stands in (R4 "Conformance Rules", isModifier).
    pub is_modifier: bool,
    /// Whether XML writes it as an attribute.
    pub is_attribute: bool,
    /// The types that it may have; one unless it is a choice.
    pub types: Vec<ElementType>,
}

/// A type that an element may have.
#[derive(Clone, Debug)]
pub struct ElementType {
    /// The type's name (`Quantity`); of an element with elements of its own, the path of its shape.
    pub name: Cow<'static, str>,
    /// What it is.
    pub kind: TypeKind,
    /// For a Reference or a canonical, the resource types that it may point to; empty for any.
    pub targets: Vec<ResourceType>,
    /// The codes that it may have, if they are required and can be listed.
    pub binding: Option<BindingId>,
}

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A primitive data type.
    Primitive(Primitive),
    /// A shape of the schema.
    Shape(ShapeId),
    /// Any resource.
    Resource,
}

/// How an element's name stands in a resource: `valueQuantity`, or `_birthDate` for what a primitive carries besides its
/// value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: Cow<'static, str>,
    pub(super) element: u16,
    pub(super) of_type: u16,
    /// Whether this is the member with the underscore.
    pub(super) beside: bool,
}

/// What a member's name stands for.
#[derive(Clone, Copy, Debug)]
pub struct Found<'s> {
    /// The element.
    pub element: &'s Element,
    /// Its position in [`Shape::elements`].
    pub position: usize,
    /// The type, which for a choice is told by the name.
    pub of_type: &'s ElementType,
    /// The position of the type in [`Element::types`].
    pub type_position: usize,
    /// Whether the name starts with an underscore: what a primitive carries besides its value.
    pub beside: bool,
}

/// No member is here.
const FREE: u16 = u16::MAX;

impl Shape {
    /// The element that a member of that name stands for.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Found<'_>> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(name.as_bytes()) & mask;
        loop {
            let member = self.members.get(usize::from(*self.slots.get(slot)?))?;
            if member.name == name {
                let (position, type_position) = (usize::from(member.element), usize::from(member.of_type));
                let element = self.elements.get(position)?;
                let of_type = element.types.get(type_position)?;
                return Some(Found { element, position, of_type, type_position, beside: member.beside });
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The element of that name, without the type for a choice.
    #[must_use]
    pub fn element(&self, name: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// Works out what is looked up later from the elements.
    ///
    /// # Errors
    /// When there are more elements than the check can keep count of.
    pub(super) fn compile(&mut self) -> Result<(), String> {
        if self.elements.len() > 128 {
            return Err(format!("{} has more than 128 elements", self.name));
        }
        self.members.clear();
        self.required = 0;
        for (position, element) in self.elements.iter().enumerate() {
            if element.min > 0 {
                self.required |= 1 << position;
            }
            for (type_position, of_type) in element.types.iter().enumerate() {
                let name =
                    if element.is_choice { choice(&element.name, &of_type.name).into() } else { element.name.clone() };
                let member = Member {
                    name,
                    element: u16::try_from(position).unwrap_or(FREE),
                    of_type: u16::try_from(type_position).unwrap_or(FREE),
                    beside: false,
                };
                let can_carry =
                    matches!(of_type.kind, TypeKind::Primitive(kind) if kind.can_carry()) && !element.is_attribute;
                if can_carry {
                    self.members.push(Member {
                        name: format!("_{}", member.name).into(),
                        beside: true,
                        ..member.clone()
                    });
                }
                self.members.push(member);
            }
        }
        let length = (self.members.len() * 2).next_power_of_two();
        self.slots = vec![FREE; length];
        for (position, member) in self.members.iter().enumerate() {
            let mut slot = hash(member.name.as_bytes()) & (length - 1);
            while self.slots.get(slot).is_some_and(|taken| *taken != FREE) {
                slot = (slot + 1) & (length - 1);
            }
            if let (Some(free), Ok(position)) = (self.slots.get_mut(slot), u16::try_from(position)) {
                *free = position;
            }
        }
        Ok(())
    }
}

impl Element {
    /// The name as the definitions write it, `value[x]` for a choice.
    #[must_use]
    pub fn defined_name(&self) -> Cow<'_, str> {
        if self.is_choice { Cow::Owned(format!("{}[x]", self.name)) } else { Cow::Borrowed(&self.name) }
    }
}

/// The name of a choice with a type: `value` and `dateTime` make `valueDateTime`.
pub(crate) fn choice(element: &str, type_name: &str) -> String {
    // The one profile that R4 uses as a type is written as the type that it is of.
    let type_name = if type_name == "SimpleQuantity" { "Quantity" } else { type_name };
    let mut name = element.to_owned();
    let mut characters = type_name.chars();
    name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
    name.push_str(characters.as_str());
    name
}

/// A hash of the length and of the first and last eight bytes, which between them are all of nearly every name.
fn hash(name: &[u8]) -> usize {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (first, last) = if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
    } else {
        name.iter().fold((0, 0), |(first, last), byte| ((first << 8) | u64::from(*byte), last ^ u64::from(*byte)))
    };
    let length = name.len() as u64;
    let mixed = (first ^ last.rotate_left(29) ^ length).wrapping_mul(SPREAD);
    usize::try_from(mixed >> 40).unwrap_or_default()
}

/// The codes that a required binding allows.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The last part of the value set's url.
    pub name: Cow<'static, str>,
    /// Each code system with its codes, sorted.
    pub systems: Vec<(Cow<'static, str>, Vec<Cow<'static, str>>)>,
}

impl Binding {
    /// Whether the code is in the list, whatever its system.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.systems.iter().any(|(_, codes)| codes.binary_search_by(|other| other.as_ref().cmp(code)).is_ok())
    }

    /// Whether the code of that system is in the list.
    #[must_use]
    pub fn has_coding(&self, system: &str, code: &str) -> bool {
        self.systems
            .iter()
            .any(|(known, codes)| known == system && codes.binary_search_by(|other| other.as_ref().cmp(code)).is_ok())
    }

    /// The codes, as far as they fit into a message.
    #[must_use]
    pub fn examples(&self) -> String {
        const MOST: usize = 20;
        let all: Vec<&str> =
            self.systems.iter().flat_map(|(_, codes)| codes).map(AsRef::as_ref).take(MOST + 1).collect();
        match all.get(..MOST) {
            Some(some) if all.len() > MOST => format!("{}, ...", some.join(", ")),
            _ => all.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::r4;
    use super::*;

    #[test]
    fn every_resource_type_has_a_shape_and_every_member_is_found() {
        let schema = r4();
        for resource_type in ResourceType::all() {
            assert_eq!(schema.resource(resource_type).unwrap().name, resource_type.name());
        }
        for shape in &schema.shapes {
            for member in &shape.members {
                let found = shape.member(&member.name).unwrap();
                assert_eq!((found.position, found.beside), (usize::from(member.element), member.beside));
            }
            for unknown in ["", "x", "valueQuantit", "extensions", "_"] {
                assert!(shape.member(unknown).is_none(), "{} {unknown}", shape.name);
            }
        }
    }

    #[test]
    fn an_observation_is_as_the_specification_says() {
        let schema = r4();
        let observation = schema.named("Observation").unwrap();
        assert!(observation.is_resource);
        let names: Vec<_> = observation.elements.iter().take(9).map(|element| element.name.as_ref()).collect();
        assert_eq!(
            names,
            [
                "id",
                "meta",
                "implicitRules",
                "language",
                "text",
                "contained",
                "extension",
                "modifierExtension",
                "identifier"
            ]
        );
        let status = observation.member("status").unwrap();
        assert_eq!((status.element.min, status.element.max, status.element.is_modifier), (1, Some(1), true));
        assert!(schema.binding(status.of_type.binding.unwrap()).unwrap().has_code("final"));
        let value = observation.member("valueQuantity").unwrap();
        assert_eq!((value.element.name.as_ref(), value.of_type.name.as_ref()), ("value", "Quantity"));
        assert!(observation.member("_valueQuantity").is_none());
        assert!(observation.member("_valueDateTime").unwrap().beside);
        assert!(observation.member("valueAddress").is_none());
        let based_on = &observation.member("basedOn").unwrap().of_type.targets;
        assert!(based_on.contains(&ResourceType::parse("CarePlan").unwrap()));
        let component = schema.named("Observation.component").unwrap();
        let range = component.member("referenceRange").unwrap();
        assert_eq!(range.of_type.name, "Observation.referenceRange");
        assert!(schema.named("Extension").unwrap().member("url").unwrap().element.is_attribute);
        assert!(schema.named("SimpleQuantity").unwrap().member("comparator").is_none());
        assert!(schema.named("Dosage.doseAndRate").unwrap().member("doseQuantity").is_some());
    }

    #[test]
    fn it_is_compiled_within_milliseconds() {
        let start = std::time::Instant::now();
        let schema = super::super::load::compile();
        let taken = start.elapsed();
        assert!(schema.shapes.len() > 600, "{}", schema.shapes.len());
        // A build without optimisation on a busy machine is some ten times slower than what is shipped.
        assert!(taken.as_millis() < 500, "{taken:?}");
    }
}
