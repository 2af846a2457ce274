//! What a resource inherits labels from, which codes and names it has wherever they stand, and what inherits from it as its content: what it names by an element that hands
//! them on, wherever that stands.

use std::borrow::Cow;

use super::codes;
use super::elements::Says;
use super::inherit;
use super::understood::{coding_is_understood, not_understood};
use crate::entry::Source;
use crate::json::{Object, Value};
use crate::literal::{self, Literal};
use crate::registry::ResourceType;
use crate::rules::is_a_partys;
use crate::schema::{ElementType, Primitive, Schema, Shape, TypeKind, r4};
use crate::schema::{links, narrative};
use crate::value::pair;

/// The resources of this server that a resource inherits labels from, each once: named by any element that hands them on,
/// in the resource, in the ones that it contains and in extensions anywhere, by a relative reference or one below
/// `base`, with a version or without. A resource does not inherit from itself.
#[must_use]
pub fn sources(value: &Value<'_>, id: &str, base: &str) -> Vec<Source> {
    links(value, id, base).sources
}

/// What a resource is linked to by elements that hand labels on, each once; never to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// What it inherits from.
    pub sources: Vec<Source>,
    /// What it shows, which inherits from it.
    pub contents: Vec<Source>,
    /// The canonical urls, without a version, of definitions that it inherits from.
    pub canonicals: Vec<String>,
    /// The index keys of labels that it has besides those in its `meta`: those of the resources inside it (contained, entries of a
    /// Bundle, parameters) at any depth as far as they protect, and one that stands for all that are not understood.
    pub labels: Vec<String>,
}

/// The name by which canonicals mean a resource, if it has one.
#[must_use]
pub fn canonical_name(value: &Value<'_>) -> Option<String> {
    let shape = r4().resource(value.text("resourceType").and_then(ResourceType::parse)?)?;
    let is_name = shape.element("url").is_some_and(|element| element.types.iter().any(|one| one.name == "uri"));
    value.text("url").filter(|_| is_name).map(str::to_owned)
}

/// What its first writer says in a resource, in what it contains and in extensions, wherever that stands.
#[derive(Debug, Default)]
pub struct Said<'v> {
    /// The codes, each with its system, of elements in which they count (`codes.txt`).
    pub codes: Vec<(&'v str, &'v str)>,
    /// The resources of this server that it names, in whatever element.
    pub names: Vec<(ResourceType, Cow<'v, str>)>,
}

/// The same as [`sources`], with what the resource shows in attachments.
#[must_use]
pub fn links(value: &Value<'_>, id: &str, base: &str) -> Links {
    linked(value, id, base, false).0
}

/// The same, with what the resource says.
#[must_use]
pub fn links_and_said<'v>(value: &'v Value<'_>, id: &str, base: &str) -> (Links, Said<'v>) {
    linked(value, id, base, false)
}

/// What another party than the first writer refers to in a resource that several write. It hands no label on: nobody hides
/// what another wrote by naming something in it, whenever that is labelled.
#[must_use]
pub fn named_by_parties(value: &Value<'_>, id: &str, base: &str) -> Vec<Source> {
    linked(value, id, base, true).0.sources
}

/// What a resource is linked to by what its first writer says, or by what is for another party to say.
fn linked<'v>(value: &'v Value<'_>, id: &str, base: &str, of_parties: bool) -> (Links, Said<'v>) {
    let (found, said) = (Links::default(), Said::default());
    let mut walk = Walk { schema: r4(), base, found, said, part: Part::FirstWriters, is_inside: false, of_parties };
    if let (Some(object), false) = (value.as_object(), of_parties) {
        walk.labels(object, false);
    }
    walk.root(value);
    let own = value.text("resourceType").and_then(ResourceType::parse);
    for found in [&mut walk.found.sources, &mut walk.found.contents] {
        found.retain(|source| Some(source.resource_type) != own || source.id != id);
        found.sort_unstable();
        found.dedup();
    }
    for found in [&mut walk.found.canonicals, &mut walk.found.labels] {
        found.sort_unstable();
        found.dedup();
    }
    (walk.found, walk.said)
}

/// Whose the part of a resource is that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The first writer's.
    FirstWriters,
    /// Another party's, but for the extensions in it, which are the first writer's.
    Partys,
    /// Another party's word, which is an extension itself.
    PartysWord,
}

struct Walk<'a, 'v> {
    schema: &'static Schema,
    base: &'a str,
    found: Links,
    said: Said<'v>,
    part: Part,
    /// Whether a resource is looked at that is contained in the one.
    is_inside: bool,
    /// Whether what is wanted is what parties refer to, and not what the first writer does.
    of_parties: bool,
}

impl<'v> Walk<'_, 'v> {
    /// Takes the labels that a resource gives to the one that is looked at: itself, or the one that it is inside of.
    fn labels(&mut self, resource: &Object<'_>, is_inside: bool) {
        let labels = resource.get("meta").map_or(&[][..], |meta| meta.list("security"));
        if labels.iter().any(|label| !coding_is_understood(label)) {
            self.found.labels.push(not_understood());
        }
        if is_inside {
            let keys = labels
                .iter()
                .map(|one| pair(one.text("code").unwrap_or_default(), one.text("system").unwrap_or_default()));
            self.found.labels.extend(keys.filter(|key| inherit::hands_on(key)));
        }
    }

    /// Goes through a resource, each item of each element as whose it is.
    fn root(&mut self, value: &'v Value<'_>) {
        let named = value.text("resourceType").and_then(ResourceType::parse);
        let shape = named.and_then(|named| self.schema.resource(named));
        let (Some(object), Some(shape)) = (value.as_object(), shape) else { return };
        for (name, member) in &object.0 {
            for item in member.items() {
                self.part = match (is_a_partys(value, name, item), name.as_ref()) {
                    (true, "extension") => Part::PartysWord,
                    (true, _) => Part::Partys,
                    (false, _) => Part::FirstWriters,
                };
                self.member(shape, name, item);
            }
        }
    }

    /// Whether what is looked at is wanted.
    fn is_wanted(&self) -> bool {
        (self.part != Part::FirstWriters) == self.of_parties
    }

    fn resource(&mut self, object: &'v Object<'_>) {
        let named = object.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
        if let Some(shape) = named.and_then(|named| self.schema.resource(named)) {
            self.object(shape, object);
        }
    }

    fn object(&mut self, shape: &Shape, object: &'v Object<'_>) {
        let part = self.part;
        for (name, value) in &object.0 {
            let is_mark = name.starts_with('_') || ["extension", "modifierExtension"].contains(&name.as_ref());
            if part == Part::Partys && is_mark {
                self.part = Part::FirstWriters;
            }
            self.member(shape, name, value);
            self.part = part;
        }
    }

    fn member(&mut self, shape: &Shape, name: &str, value: &'v Value<'_>) {
        let Some(found) = shape.member(name) else { return };
        if found.beside {
            // What a primitive carries besides its value has extensions too.
            if let Some(parts) = self.schema.primitive_parts() {
                value.items().iter().filter_map(Value::as_object).for_each(|object| self.object(parts, object));
            }
            return;
        }
        if let TypeKind::Primitive(primitive) = found.of_type.kind {
            let texts = value.items().iter().filter_map(Value::as_str);
            match primitive {
                Primitive::Canonical => {
                    let says = Says::of(&shape.name, name).inside(self.is_inside);
                    texts.for_each(|text| self.canonical(text, says));
                }
                // What a text links to, or shows as a picture.
                Primitive::Xhtml => texts.flat_map(narrative::links).for_each(|one| {
                    if let Some((named, id)) = self.whole(&one, Says::Who) {
                        self.said.names.push((named, Cow::Owned(id.to_owned())));
                    }
                }),
                // That of an attachment is taken with it.
                _ if shape.name != "Attachment" && links::is_address(shape, found.element, found.of_type) => {
                    texts.for_each(|text| self.said_whole(text, Says::Who));
                }
                _ => {}
            }
            return;
        }
        // The name of a choice does not say the type, which an attachment is told apart by.
        let is_inside = self.is_inside;
        let says = |is_reference| match is_reference {
            true => Says::of(&shape.name, &found.element.name).inside(is_inside),
            false => Says::of(&shape.name, name).inside(is_inside),
        };
        for one in value.items() {
            self.single(found.of_type, one, &says);
        }
        if matches!(found.of_type.name.as_ref(), "CodeableConcept" | "Coding") && codes::count(shape, found.position) {
            value.items().iter().for_each(|one| self.codes(one));
        }
    }

    /// The codes of a concept, or a code by itself.
    fn codes(&mut self, value: &'v Value<'_>) {
        if !self.is_wanted() {
            return;
        }
        for coding in value.get("coding").map_or(std::slice::from_ref(value), Value::items) {
            if let Some(code) = coding.text("code") {
                self.said.codes.push((code, coding.text("system").unwrap_or_default()));
            }
        }
    }

    fn single(&mut self, of_type: &ElementType, value: &'v Value<'_>, says: &dyn Fn(bool) -> Says) {
        let Some(object) = value.as_object() else { return };
        match of_type.kind {
            TypeKind::Primitive(_) => {}
            TypeKind::Resource => {
                self.labels(object, true);
                let before = std::mem::replace(&mut self.is_inside, true);
                self.resource(object);
                self.is_inside = before;
            }
            TypeKind::Shape(id) => {
                let Some(shape) = self.schema.shape(id) else { return };
                let text = |name| object.get(name).and_then(Value::as_str);
                match shape.name.as_ref() {
                    "Reference" => text("reference").into_iter().for_each(|text| self.said_address(text, says(true))),
                    "Attachment" => text("url").into_iter().for_each(|text| self.said_whole(text, says(false))),
                    _ => {}
                }
                self.object(shape, object);
            }
        }
    }

    /// A definition by its canonical url, or as some write it by its address here.
    fn canonical(&mut self, text: &'v str, says: Says) {
        let bare = literal::whole(text).split('|').next().unwrap_or_default();
        let hands_on = |bare| matches!(Literal::read(bare, self.base), Literal::Local(of, _) if says.hands_on(of));
        if bare.is_empty() || (says.spares() && !hands_on(bare)) {
            return;
        }
        self.said_address(bare, says);
        // Of what is spared there is no definition to be followed.
        if says.spares() {
            return;
        }
        if !self.is_wanted() {
            return;
        }
        self.found.canonicals.push(bare.to_owned());
    }

    /// What stands in no Reference may be the address of a part: a page of a letter is protected as the letter is.
    fn whole<'t>(&mut self, address: &'t str, says: Says) -> Option<(ResourceType, &'t str)> {
        self.address(literal::whole(address), says)
    }

    fn said_whole(&mut self, address: &'v str, says: Says) {
        self.said_address(literal::whole(address), says);
    }

    /// What stands in the resource as it is.
    fn said_address(&mut self, address: &'v str, says: Says) {
        let named = self.address(address, says);
        if self.is_wanted() {
            self.said.names.extend(named.map(|(named, id)| (named, Cow::Borrowed(id))));
        }
    }

    /// What an address names here.
    fn address<'t>(&mut self, address: &'t str, says: Says) -> Option<(ResourceType, &'t str)> {
        let Literal::Local(resource_type, id) = Literal::read(address, self.base) else { return None };
        let named = |version| Source { resource_type, id: id.to_owned(), version };
        if says.hands_on(resource_type) && self.is_wanted() {
            self.found.sources.push(named(if says.means_a_version() {
                literal::version(address).unwrap_or_default()
            } else {
                0
            }));
        }
        if says.hands_back_to(resource_type) {
            self.found.contents.push(named(0));
        }
        Some((resource_type, id))
    }
}

#[cfg(test)]
mod every_address;

#[cfg(test)]
mod tests;
