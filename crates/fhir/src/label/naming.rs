//! What a resource names by the elements that hand labels on, and the resource without some of it: what may not be told of
//! is named nowhere, with whatever stands beside its name. The same table decides both (`references.txt`): whom something is
//! about, who did it and who gets it stays, and so does what hands nothing on, for the reason that is there.

use super::elements::Says;
use super::sources::links;
use crate::json::{Object, Value};
use crate::literal::{self, Literal};
use crate::registry::ResourceType;
use crate::schema::{ElementType, Primitive, Schema, Shape, TypeKind, r4};
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
    use crate::schema::{Element, choice};

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
