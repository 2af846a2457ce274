//! What a resource names, and in which element: by it, what a change names anew is told from what has been named all along.

use std::collections::HashSet;

use super::references::every_reference;
use crate::json::Value;
use crate::literal::{self, Literal};
use crate::schema;

/// All that a resource names by an address: in References, attachments, canonicals, uris and narratives.
#[derive(Debug, Default)]
pub struct Names(HashSet<(String, String)>);

impl Names {
    /// Those of a resource; `base` is the address of this server, below which a reference is as a relative one.
    #[must_use]
    pub fn of(resource: &Value<'_>, base: &str) -> Names {
        let all = every_reference(resource).into_iter().chain(schema::addresses(resource));
        Names(all.map(|(place, address)| (element_in(resource, &place), target(&address, base))).collect())
    }

    /// Whether the same is named in the same element, at whatever position: `resource` is the one in which `address` stands at
    /// `place`. What is named in another element is named anew, and so is another version of it, or it without one.
    #[must_use]
    pub fn has(&self, resource: &Value<'_>, place: &str, address: &str, base: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&(element_in(resource, place), target(address, base)))
    }
}

/// What an address leads to, however it is written.
fn target(address: &str, base: &str) -> String {
    match (Literal::read(address, base), literal::version(address)) {
        (Literal::Local(resource_type, id), Some(version)) => format!("{resource_type}/{id}/_history/{version}"),
        (Literal::Local(resource_type, id), None) => format!("{resource_type}/{id}"),
        _ => address.to_owned(),
    }
}

/// The element at a place, without the positions in lists: `Consent.provision.data.reference`.
#[must_use]
pub fn element(place: &str) -> String {
    let mut found = String::with_capacity(place.len());
    let mut is_inside = false;
    for one in place.chars() {
        is_inside = (is_inside || one == '[') && one != ']';
        if !is_inside && one != ']' {
            found.push(one);
        }
    }
    found
}

/// The element at a place, without the positions in lists, and with what tells elements of one name apart: the type of a resource
/// that is inside of another, and the url of an extension.
fn element_in(resource: &Value<'_>, place: &str) -> String {
    let mut found = String::with_capacity(place.len());
    let mut steps = place.split('.');
    found.push_str(steps.next().unwrap_or_default());
    let mut here = Some(resource);
    for step in steps {
        let (name, position) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        found.push('.');
        found.push_str(name);
        here = here.and_then(|value| value.get(name)).and_then(|value| match (value, position) {
            (Value::Array(items), Some(position)) => items.get(position),
            (single, None) => Some(single),
            (_, Some(_)) => None,
        });
        let is_extension = name == "extension" || name == "modifierExtension";
        let tells = here.and_then(|value| value.text(if is_extension { "url" } else { "resourceType" }));
        if let Some(tells) = tells {
            found.push('(');
            found.push_str(tells);
            found.push(')');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::from_json;
    use crate::registry::ResourceType;
    use crate::schema::{Shape, TypeKind, choice, r4};
    use serde_json::json;

    const BASE: &str = "https://phr.example/fhir";

    /// The places in `new` at which something is named that `old` does not name there.
    fn news(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
        let (old, new) = (from_json(old), from_json(new));
        let known = Names::of(&old, BASE);
        let all = every_reference(&new).into_iter().chain(schema::addresses(&new));
        all.filter(|(place, address)| !known.has(&new, place, address, BASE)).map(|(place, _)| place).collect()
    }

    #[test]
    fn what_moves_within_its_element_is_not_named_anew() {
        let of = |focus: &[&str]| {
            let focus: Vec<_> = focus.iter().map(|one| json!({ "reference": one })).collect();
            json!({ "resourceType": "Observation", "focus": focus, "derivedFrom": [{ "reference": "Media/m" }] })
        };
        let old = of(&["Condition/a", "Condition/b/_history/2"]);
        let none: [&str; 0] = [];
        for same in [
            of(&["Condition/a", "Condition/b/_history/2"]),
            of(&["Condition/b/_history/2"]),
            of(&["https://phr.example/fhir/Condition/b/_history/2", "Condition/a"]),
            json!({ "resourceType": "Observation", "status": "entered-in-error" }),
        ] {
            assert_eq!(news(&old, &same), none, "{same}");
        }
        let is_new = ["Observation.focus[0]"];
        for other in ["Condition/b", "Condition/b/_history/1", "Condition/c", "Media/m"] {
            assert_eq!(news(&old, &of(&[other])), is_new, "{other}");
        }
        assert_eq!(news(&json!({ "resourceType": "Observation" }), &of(&["Condition/a"])).len(), 2);
    }

    #[test]
    fn an_element_has_no_positions() {
        assert_eq!(element("Consent.provision.data[12].reference"), "Consent.provision.data.reference");
        assert_eq!(element("Observation.focus[0]"), "Observation.focus");
        assert_eq!(element("Observation.subject"), "Observation.subject");
    }

    #[test]
    fn elements_of_one_name_are_told_apart_by_what_holds_them() {
        let inside = |name: &str, element: &str| {
            json!({ "resourceType": "Observation",
                "contained": [{ "resourceType": name, "id": "c", element: { "reference": "Group/g" } }] })
        };
        let none: [&str; 0] = [];
        assert_eq!(news(&inside("Flag", "subject"), &inside("Flag", "subject")), none);
        assert_eq!(news(&inside("Observation", "subject"), &inside("Flag", "subject")).len(), 1);
        let said = |url: &str, after: bool| {
            let said = json!({ "url": url, "valueReference": { "reference": "Media/m" } });
            let before = json!({ "url": "urn:before", "valueString": "x" });
            let all = if after { json!([before, said]) } else { json!([said]) };
            json!({ "resourceType": "Basic", "extension": all })
        };
        assert_eq!(news(&said("urn:a", false), &said("urn:a", true)), none);
        assert_eq!(news(&said("urn:a", false), &said("urn:b", false)).len(), 1);
    }

    /// Is shown where a name was put, and that name.
    type See<'s> = dyn FnMut(&[(String, bool)], &serde_json::Value) + 's;

    /// Puts a name at an element of a shape and, as far as they go, of the shapes inside of it.
    fn named_in(shape: &Shape, path: &mut Vec<(String, bool)>, depth: usize, see: &mut See<'_>) {
        for element in &shape.elements {
            for of_type in &element.types {
                let TypeKind::Shape(id) = of_type.kind else { continue };
                let Some(inner) = r4().shape(id) else { continue };
                let name = match element.is_choice {
                    true => choice(&element.name, &of_type.name),
                    false => element.name.to_string(),
                };
                path.push((name, element.is_list));
                match inner.name.as_ref() {
                    "Reference" => see(path, &json!({ "reference": "Media/m" })),
                    "Attachment" => see(path, &json!({ "url": "Binary/m" })),
                    "Extension" => {}
                    _ if depth > 0 => named_in(inner, path, depth - 1, see),
                    _ => {}
                }
                path.pop();
            }
        }
    }

    /// At every element of R4 that may name a resource the name is found again, and in no other of the same type.
    #[test]
    fn every_element_that_names_something_is_known_again() {
        let mut seen = 0;
        for resource_type in ResourceType::all() {
            let Some(shape) = r4().resource(resource_type) else { continue };
            let mut all = Vec::new();
            named_in(shape, &mut Vec::new(), 3, &mut |path, name| {
                let mut value = name.clone();
                for (member, repeats) in path.iter().rev() {
                    let item = if *repeats { json!([value]) } else { value };
                    value = json!({ member.as_str(): item });
                }
                value["resourceType"] = json!(resource_type.name());
                all.push(value);
            });
            for (position, value) in all.iter().enumerate() {
                let none: [&str; 0] = [];
                assert_eq!(news(value, value), none, "{value}");
                assert_eq!(news(&json!({ "resourceType": resource_type.name() }), value).len(), 1, "{value}");
                let other = all.get(position + 1).or_else(|| all.first()).unwrap();
                assert!(other == value || news(value, other).len() == 1, "{value} {other}");
                seen += 1;
            }
        }
        assert!(seen > 1_000, "{seen}");
    }
}
