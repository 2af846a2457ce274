//! What a resource names by the elements that hand labels on, and the resource without some of it: what may not be told of
//! is named nowhere, with whatever stands beside its name. The same table decides both (`references.txt`): whom something is
//! about, who did it and who gets it stays, and so does what hands nothing on, for the reason that is there.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::elements::Says;
use super::sources::links;
use crate::entry::ParameterId;
use crate::json::{Object, Value};
use crate::literal::{self, Literal};
use crate::registry::path::{Path, Step};
use crate::registry::{Kind, Parameter, ResourceType, is_taken, parameters};
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

/// Takes the names of these out of a resource and of what it contains, each with all of the Reference, attachment or
/// extension that it stands in; what cannot be without it goes with it, and so does the narrative, which may repeat it.
/// Whether there was any.
pub fn leave_out(value: &mut Value<'_>, base: &str, gone: &dyn Fn(ResourceType, &str) -> bool) -> bool {
    let mut walk = Walk { schema: r4(), base, gone, count: 0 };
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
                    Primitive::Canonical => Says::of(&shape.name, name),
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
                let says = [Says::of(&shape.name, &found.element.name), Says::of(&shape.name, name)];
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
                self.resource(object);
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
mod tests {
    use super::*;
    use crate::json::{self, Limits, parse};

    const BASE: &str = "https://phr.example/fhir";

    fn without(text: &str, gone: &str) -> String {
        let mut value = parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
        let is_gone = |of: ResourceType, id: &str| format!("{of}/{id}") == gone;
        let was_there = named(&value, BASE).iter().any(|(of, id)| is_gone(*of, id));
        assert_eq!(leave_out(&mut value, BASE, &is_gone), was_there, "{text}");
        assert!(!named(&value, BASE).iter().any(|(of, id)| is_gone(*of, id)), "{}", json::to_string(&value));
        json::to_string(&value)
    }

    #[test]
    fn a_name_goes_with_what_cannot_be_without_it() {
        let div = r#""text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>asthma</div>"}"#;
        for (before, after) in [
            (
                r#""reasonReference":[{"reference":"Condition/it","display":"asthma"},{"reference":"Condition/other"}]"#,
                r#","reasonReference":[{"reference":"Condition/other"}]"#,
            ),
            (r#""reasonReference":[{"reference":"https://phr.example/fhir/Condition/it/_history/2"}]"#, ""),
            (
                r#""diagnosis":[{"condition":{"reference":"Condition/it"},"rank":1}],"length":{"value":1}"#,
                r#","length":{"value":1}"#,
            ),
            (
                r#""diagnosis":[{"condition":{"reference":"Condition/it"}},{"condition":{"reference":"Condition/b"}}]"#,
                r#","diagnosis":[{"condition":{"reference":"Condition/b"}}]"#,
            ),
            (r#""extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]"#, ""),
            (
                r#""extension":[{"url":"x","extension":[{"url":"y","valueReference":{"reference":"Condition/it"}},{"url":"z","valueCode":"c"}]}]"#,
                r#","extension":[{"url":"x","extension":[{"url":"z","valueCode":"c"}]}]"#,
            ),
            (r#""extension":[{"url":"x","valueAttachment":{"url":"Condition/it#p","title":"asthma"}}]"#, ""),
            (r#""extension":[{"url":"x","valueUri":"Condition/it"}]"#, ""),
            (r#""_status":{"extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}"#, ""),
            // What has something else to say stays.
            (
                r#""extension":[{"url":"x","valueCode":"c","_valueCode":{"extension":[{"url":"y","valueReference":{"reference":"Condition/it"}}]}}]"#,
                r#","extension":[{"url":"x","valueCode":"c"}]"#,
            ),
            (r#""extension":[{"id":"i","url":"x","valueReference":{"reference":"Condition/it"}}]"#, ""),
            (
                r#""extension":[{"id":"i","url":"x","extension":[{"url":"y","valueReference":{"reference":"Condition/it"}}]}]"#,
                "",
            ),
            (
                r#""serviceProvider":{"id":"i","extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}"#,
                r#","serviceProvider":{"id":"i"}"#,
            ),
            (
                r#""statusHistory":[{"status":"planned","_status":{"extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}}]"#,
                r#","statusHistory":[{"status":"planned"}]"#,
            ),
            (
                r#""subject":{"reference":"Condition/it"},"serviceProvider":{"reference":"Organization/o"}"#,
                r#","serviceProvider":{"reference":"Organization/o"}"#,
            ),
        ] {
            let text = format!(r#"{{"resourceType":"Encounter",{div},{before}}}"#);
            assert_eq!(without(&text, "Condition/it"), format!(r#"{{"resourceType":"Encounter"{after}}}"#), "{before}");
            assert_eq!(without(&text, "Condition/none"), text);
        }
        let linked = format!(
            r#"{{"resourceType":"Encounter","text":{{"status":"generated","div":"{}"}},"status":"finished"}}"#,
            r#"<div xmlns='http://www.w3.org/1999/xhtml'><a href='Condition/it'>it</a></div>"#
        );
        assert_eq!(without(&linked, "Condition/it"), r#"{"resourceType":"Encounter","status":"finished"}"#);
        let inner = r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Procedure","id":"p","reasonReference":[{"reference":"Condition/it"}]}]}"#;
        assert_eq!(
            without(inner, "Condition/it"),
            r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Procedure","id":"p"}]}"#
        );
    }

    /// An address that is taken out of a list takes what stands beside all of them with it, which would stand beside others.
    #[test]
    fn nothing_stands_beside_another_value_than_before() {
        let text = r#"{"resourceType":"CarePlan","instantiatesUri":["Condition/it","http://x.example/a"],"_instantiatesUri":[{"id":"a"},{"id":"b"}]}"#;
        assert_eq!(
            without(text, "Condition/it"),
            r#"{"resourceType":"CarePlan","instantiatesUri":["http://x.example/a"]}"#
        );
        assert_eq!(without(text, "Condition/other"), text);
    }

    #[test]
    fn what_is_found_in_a_part_that_goes_with_a_name_is_of_names() {
        for name in [
            "DocumentReference.relation",
            "DocumentReference.relationship",
            "DocumentReference.contenttype",
            "Encounter.diagnosis",
            "Encounter.diagnosis:identifier",
            "Encounter.reason-reference",
            "Encounter.location-period",
        ] {
            assert_eq!(is_of_names(ParameterId::of(name)), Some(true), "{name}");
        }
        for name in
            ["Encounter.date", "Encounter.class", "Observation.code", "Observation.combo-code", "_tag", "_security"]
        {
            assert_eq!(is_of_names(ParameterId::of(name)), Some(false), "{name}");
        }
        assert_eq!(is_of_names(ParameterId::of("Encounter.mine")), None);
        let goes = |of: &str, path: &str| {
            let path = Path::parse(path).unwrap();
            ends_in_a_name(ResourceType::of(of), &mut path.steps.iter())
        };
        for (of, path) in [
            ("MedicationRequest", "reasonReference.display:string"),
            ("MedicationRequest", "reasonReference.identifier:Identifier"),
            ("Encounter", "diagnosis.use:CodeableConcept"),
            ("Encounter", "diagnosis.rank:integer"),
            ("Encounter", "extension.valueString:string"),
            ("Observation", "contained:Resource"),
            ("CarePlan", "instantiatesUri:uri"),
            // A part of it cannot be without a name.
            ("ImplementationGuide", "definition.parameter.code:code"),
        ] {
            assert!(goes(of, path), "{path}");
        }
        for (of, path) in [
            ("Encounter", "length:Duration"),
            ("Encounter", "statusHistory.status:code"),
            ("Observation", "component.code:CodeableConcept"),
        ] {
            assert!(!goes(of, path), "{path}");
        }
    }

    #[test]
    fn whom_it_is_about_stays() {
        let text = r#"{"resourceType":"Observation","subject":{"reference":"Patient/it"},"performer":[{"reference":"RelatedPerson/it"}]}"#;
        for gone in ["Patient/it", "RelatedPerson/it"] {
            assert_eq!(without(text, gone), text);
        }
    }

    /// Every element of type Reference, Attachment or canonical in R4 names what it hands labels on from to nobody who may not
    /// know of it, and every other name stays.
    #[test]
    fn every_element_that_may_name_a_resource_is_decided() {
        let (mut left_out, mut kept) = (0, 0);
        let elements = |shape: &'static Shape| shape.elements.iter().map(move |element: &Element| (shape, element));
        for (shape, element) in r4().shapes.iter().flat_map(elements) {
            for of_type in &element.types {
                let name = match element.is_choice {
                    true => choice(&element.name, &of_type.name),
                    false => element.name.to_string(),
                };
                if matches!(of_type.name.as_ref(), "Attachment" | "canonical") {
                    let may_be = Says::of(&shape.name, &name) != Says::Nothing;
                    assert_eq!(names(shape, element, of_type), may_be, "{}.{name}", shape.name);
                }
                for target in ["Condition", "Encounter", "Binary", "Media", "Patient", "Device"] {
                    let address = Value::string(format!("{target}/it"));
                    let (value, says) = match of_type.name.as_ref() {
                        "Reference" => (Value::object([("reference", address)]), Says::of(&shape.name, &element.name)),
                        "Attachment" => (Value::object([("url", address)]), Says::of(&shape.name, &name)),
                        "canonical" => (address, Says::of(&shape.name, &name)),
                        _ => continue,
                    };
                    let resource_type = ResourceType::of(target);
                    let is_named = says.hands_on(resource_type) || says.hands_back_to(resource_type);
                    for value in [value.clone(), Value::Array(vec![value])] {
                        let mut object = Object::default();
                        object.set(name.clone(), value);
                        let gone = |of: ResourceType, id: &str| of == resource_type && id == "it";
                        let mut walk = Walk { schema: r4(), base: BASE, gone: &gone, count: 0 };
                        walk.object(shape, &mut object);
                        assert_eq!(walk.count == 1, is_named, "{}.{name} -> {target}", shape.name);
                        assert_eq!(object.get(&name).is_none(), is_named, "{}.{name} -> {target}", shape.name);
                    }
                    *(if is_named { &mut left_out } else { &mut kept }) += 1;
                }
            }
        }
        assert!(left_out > 2_000 && kept > 500, "{left_out} {kept}");
    }
}
