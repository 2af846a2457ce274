//! What a resource names by the elements that hand labels on, and the resource without some of it: what may not be told of
//! is named nowhere, with whatever stands beside its name. The same table decides both (`references.txt`): whom something is
//! about, who did it and who gets it stays, and so does what hands nothing on, for the reason that is there.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::elements::Says;
use super::sources::links;
use crate::entry::ParameterId;
use crate::json::{Object, Value};
use crate::literal::{self, Literal};
use crate::registry::path::{Path, Step};
use crate::registry::{Kind, Parameter, ResourceType, combined, is_taken, parameters};
use crate::schema::{Element, ElementType, Primitive, Schema, Shape, TypeKind, choice, r4};
use crate::schema::{links as addresses, narrative};

/// The resources of this server that a resource names so, or shows, each once; with those that it holds.
#[must_use]
pub fn named(value: &Value<'_>, base: &str) -> Vec<(ResourceType, String)> {
    let links = links(value, "", base);
    let all = links.sources.into_iter().chain(links.contents);
    let mut names: Vec<_> = all.map(|source| (source.resource_type, source.id)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether [`named`] may find a resource of these types, by the text of a body as it is stored: where it says no there is none, and
/// the body need not be read. A name is spelt there letter by letter, but for what JSON and markup escape.
#[must_use]
pub fn may_name(body: &str, of: &dyn Fn(ResourceType) -> bool) -> bool {
    let escapes_letters =
        |(place, _): (usize, &str)| !matches!(body.as_bytes().get(place + 1), Some(b'"' | b'n' | b'r' | b't'));
    let type_before = |(place, _): (usize, &str)| {
        let letters = body.as_bytes().get(..place)?.iter().rev().take_while(|one| one.is_ascii_alphabetic()).count();
        body.get(place - letters..place).and_then(ResourceType::parse)
    };
    body.contains('&')
        || body.match_indices('\\').any(escapes_letters)
        || body.match_indices('/').filter_map(type_before).any(of)
}

/// Takes the names of these out of a resource and of what it contains, each with all of the Reference, attachment or
/// extension that it stands in; what cannot be without it goes with it, and so does the narrative, which may repeat it.
/// Whether there was any.
pub fn leave_out(value: &mut Value<'_>, base: &str, gone: &dyn Fn(ResourceType, &str) -> bool) -> bool {
    let mut walk = Walk { schema: r4(), base, gone, is_inside: false, count: 0 };
    if let Value::Object(object) = value {
        walk.resource(object);
    }
    walk.count > 0
}

/// Whether what a search parameter of R4 finds may be left out with a name: then a resource that names what is not told of is found by
/// none of its rows. Nothing of another parameter.
#[must_use]
pub fn is_of_names(id: ParameterId) -> Option<bool> {
    static ALL: LazyLock<HashSet<ParameterId>> = LazyLock::new(|| {
        let all = ResourceType::all().flat_map(|one| parameters(one).map(move |parameter| (one, parameter)));
        all.filter(|(one, parameter)| may_go_with_a_name(*one, parameter))
            .flat_map(|(_, parameter)| parameter.row_ids())
            .collect()
    });
    let is_of_names = ALL.contains(&id);
    (is_of_names || is_taken(id)).then_some(is_of_names)
}

/// The same of a parameter that somebody has added.
#[must_use]
pub fn may_go_with_a_name(resource_type: ResourceType, parameter: &Parameter) -> bool {
    let goes = |steps: &mut dyn Iterator<Item = &Step>| ends_in_a_name(resource_type, steps);
    let of_path = |path: &Path| goes(&mut path.steps.iter());
    if parameter.kind == Kind::Reference || parameter.paths.iter().any(of_path) {
        return true;
    }
    parameter.components.iter().any(|component| match component.from_resource {
        true => of_path(&component.path),
        false => parameter.elements.iter().any(|element| goes(&mut element.iter().chain(&component.path.steps))),
    })
}

/// The elements of type Reference at which the paths of a search parameter end, each in its shape; nothing where one does not.
type Ends = Vec<(&'static str, &'static Element)>;

/// Whether a name of a resource of that type may be left out where a search parameter of references finds it. Not whom something is
/// about, who did it and who gets it: that stays, and is found by. Any may that is not R4's.
#[must_use]
pub fn may_be_left_out(id: ParameterId, target: ResourceType) -> bool {
    static WHO: LazyLock<HashMap<ParameterId, Vec<Ends>>> = LazyLock::new(|| {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for resource_type in ResourceType::all() {
            for parameter in parameters(resource_type).filter(|parameter| parameter.kind == Kind::Reference) {
                let ends: Option<Ends> =
                    parameter.paths.iter().map(|path| reference_at(resource_type, &path.steps)).collect();
                for id in parameter.row_ids() {
                    all.entry(id).or_default().push(ends.clone().unwrap_or_default());
                }
            }
        }
        all
    });
    let stays = |(shape, element): &(&str, &Element)| {
        let says = Says::of(shape, &element.name);
        !says.hands_on(target) && !says.hands_back_to(target)
    };
    let stay = |ends: &Ends| !ends.is_empty() && ends.iter().all(stays);
    let stays_in_all = |id: &ParameterId| WHO.get(id).is_some_and(|each| each.iter().all(stay));
    // One of several types is that of each.
    !match combined(id) {
        Some(each) => each.iter().all(stays_in_all),
        None => stays_in_all(&id),
    }
}

/// The element of type Reference to which these members lead, in its shape; none where they lead to anything else.
fn reference_at(resource_type: ResourceType, steps: &[Step]) -> Option<(&'static str, &'static Element)> {
    let mut shape = r4().resource(resource_type)?;
    for (place, step) in steps.iter().enumerate() {
        let found = shape.member(&step.member).filter(|found| !found.beside)?;
        let TypeKind::Shape(id) = found.of_type.kind else { return None };
        let next = r4().shape(id)?;
        match next.name.as_ref() {
            "Reference" => return (place + 1 == steps.len()).then_some((shape.name.as_ref(), found.element)),
            "Extension" => return None,
            _ => shape = next,
        }
    }
    None
}

/// Whether these members lead into something that may be left out: a Reference, an attachment or an address, what cannot be without
/// one, an extension, or another resource.
fn ends_in_a_name(resource_type: ResourceType, steps: &mut dyn Iterator<Item = &Step>) -> bool {
    let Some(mut shape) = r4().resource(resource_type) else { return true };
    for step in steps {
        let Some(found) = shape.member(&step.member) else { return true };
        if found.beside || names(shape, found.element, found.of_type) {
            return true;
        }
        match found.of_type.kind {
            TypeKind::Primitive(_) => return false,
            TypeKind::Resource => return true,
            TypeKind::Shape(id) => match r4().shape(id) {
                Some(next) if next.name != "Extension" && !cannot_be_without(next, &mut Vec::new()) => shape = next,
                _ => return true,
            },
        }
    }
    false
}

/// Whether an element of that type may be a name that is left out.
fn names(shape: &Shape, element: &Element, of_type: &ElementType) -> bool {
    let says = match of_type.name.as_ref() {
        "Reference" => Says::of(&shape.name, &element.name),
        "Attachment" | "canonical" if element.is_choice => Says::of(&shape.name, &choice(&element.name, &of_type.name)),
        "Attachment" | "canonical" => Says::of(&shape.name, &element.name),
        _ if addresses::is_address(shape, element, of_type) => Says::Who,
        _ => return false,
    };
    let may_be = |target: ResourceType| says.hands_on(target) || says.hands_back_to(target);
    match of_type.targets.as_slice() {
        // Not every writer keeps to what R4 has there.
        _ if says.spares() => says != Says::Nothing,
        [] => ResourceType::all().any(may_be),
        targets => targets.iter().any(|target| may_be(*target)),
    }
}

/// Whether what is of that shape goes with a name in it.
fn cannot_be_without(shape: &'static Shape, seen: &mut Vec<&'static str>) -> bool {
    if seen.contains(&shape.name.as_ref()) {
        return false;
    }
    seen.push(&shape.name);
    shape.elements.iter().filter(|element| element.min > 0).any(|element| {
        element.types.iter().any(|of_type| {
            let inside = match of_type.kind {
                TypeKind::Shape(id) => r4().shape(id).is_some_and(|inside| cannot_be_without(inside, seen)),
                _ => false,
            };
            inside || names(shape, element, of_type)
        })
    })
}

struct Walk<'a> {
    schema: &'static Schema,
    base: &'a str,
    gone: &'a dyn Fn(ResourceType, &str) -> bool,
    /// Whether a resource is looked at that is contained in the one.
    is_inside: bool,
    /// How many names have been taken out.
    count: usize,
}

impl Walk<'_> {
    fn resource(&mut self, object: &mut Object<'_>) {
        let named = object.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
        let Some(shape) = named.and_then(|named| self.schema.resource(named)) else { return };
        let before = self.count;
        self.object(shape, object);
        if self.count > before {
            object.remove("text");
        }
    }

    /// Whether the object still stands for something.
    fn object(&mut self, shape: &Shape, object: &mut Object<'_>) -> bool {
        let mut lost: Vec<String> = Vec::new();
        let mut stands = true;
        for (name, value) in &mut object.0 {
            let Some(found) = shape.member(name) else { continue };
            let length = value.items().len();
            if found.beside {
                self.beside(value);
            } else if let TypeKind::Primitive(primitive) = found.of_type.kind {
                let says = match primitive {
                    Primitive::Canonical => Says::of(&shape.name, name).inside(self.is_inside),
                    _ => Says::Who,
                };
                let is_address =
                    shape.name != "Attachment" && addresses::is_address(shape, found.element, found.of_type);
                each(value, &mut |item| self.primitive(primitive, is_address, item, says));
                if value.items().len() < length {
                    // What stands beside the values stands beside others now.
                    lost.push(format!("_{name}"));
                }
            } else {
                // The name of a choice does not say the type, which an attachment is told apart by.
                let says = [&found.element.name, name].map(|name| Says::of(&shape.name, name).inside(self.is_inside));
                each(value, &mut |item| self.single(found.of_type, item, says));
            }
            if is_empty(value) {
                lost.push(name.to_string());
                stands &= found.beside || found.element.min == 0;
            }
        }
        object.0.retain(|(name, _)| !lost.iter().any(|one| *name == *one));
        let is_bare = shape.name == "Extension" && object.0.iter().all(|(name, _)| name == "url" || name == "id");
        stands && (lost.is_empty() || !(is_bare || object.0.is_empty()))
    }

    /// What primitives carry besides their values, each in its place.
    fn beside(&mut self, value: &mut Value<'_>) {
        let Some(parts) = self.schema.primitive_parts() else { return };
        let mut each = |item: &mut Value<'_>| {
            if item.as_object_mut().is_some_and(|object| !self.object(parts, object)) {
                *item = Value::Null;
            }
        };
        match &mut *value {
            Value::Array(items) => items.iter_mut().for_each(each),
            single => each(single),
        }
        if value.items().iter().all(|item| matches!(item, Value::Null)) {
            *value = Value::Array(Vec::new());
        }
    }

    /// Whether a value stays.
    fn primitive(&mut self, primitive: Primitive, is_address: bool, value: &Value<'_>, says: Says) -> bool {
        let Some(text) = value.as_str() else { return true };
        match primitive {
            Primitive::Canonical => self.stays(literal::whole(text).split('|').next().unwrap_or_default(), says),
            Primitive::Xhtml => narrative::links(text).iter().all(|address| self.stays(literal::whole(address), says)),
            _ if is_address => self.stays(literal::whole(text), says),
            _ => true,
        }
    }

    /// Whether an item stays.
    fn single(
        &mut self,
        of_type: &ElementType,
        value: &mut Value<'_>,
        [of_reference, of_attachment]: [Says; 2],
    ) -> bool {
        let Some(object) = value.as_object_mut() else { return true };
        match of_type.kind {
            TypeKind::Primitive(_) => true,
            TypeKind::Resource => {
                let before = std::mem::replace(&mut self.is_inside, true);
                self.resource(object);
                self.is_inside = before;
                true
            }
            TypeKind::Shape(id) => {
                let Some(shape) = self.schema.shape(id) else { return true };
                let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
                let stays = match shape.name.as_ref() {
                    "Reference" => self.stays(text("reference"), of_reference),
                    "Attachment" => self.stays(literal::whole(text("url")), of_attachment),
                    _ => true,
                };
                stays && self.object(shape, object)
            }
        }
    }

    /// Whether an address stays; counted if it does not.
    fn stays(&mut self, address: &str, says: Says) -> bool {
        let Literal::Local(resource_type, id) = Literal::read(address, self.base) else { return true };
        let is_named = says.hands_on(resource_type) || says.hands_back_to(resource_type);
        let stays = !is_named || !(self.gone)(resource_type, id);
        self.count += usize::from(!stays);
        stays
    }
}

/// Keeps the items of a list, or the single value, of which that is so.
fn each<'v>(value: &mut Value<'v>, stays: &mut dyn FnMut(&mut Value<'v>) -> bool) {
    match value {
        Value::Array(items) => items.retain_mut(|item| stays(item)),
        single => {
            if !stays(single) {
                *single = Value::Array(Vec::new());
            }
        }
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    matches!(value, Value::Array(items) if items.is_empty())
}

#[cfg(test)]
mod tests;
