//! What the element definitions say about the members of a type: enough to follow a path.

use super::read_all;
use crate::definitions::{member, snapshot, text};
use concord_fhir::registry::compile::{self, Member};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One element of a resource type or data type.
struct Element {
    /// The data types it may have.
    types: Vec<String>,
    /// The path of the element whose children it shares.
    like: Option<String>,
}

/// The elements of all types by their path (`Observation.value[x]`, `Period.start`).
pub(super) struct Elements {
    by_path: BTreeMap<String, Element>,
    resource_types: BTreeSet<String>,
    extensions: BTreeMap<String, Vec<String>>,
}

impl Elements {
    /// Reads every structure definition in the folder.
    pub(super) fn read(folder: &Path) -> Result<Elements, String> {
        let mut elements =
            Elements { by_path: BTreeMap::new(), resource_types: BTreeSet::new(), extensions: BTreeMap::new() };
        for definition in read_all(folder, "StructureDefinition-")? {
            let name = text(&definition, "type");
            if text(&definition, "derivation") == "constraint" {
                if name == "Extension" {
                    let types = value_types(&definition);
                    elements.extensions.insert(text(&definition, "url").to_owned(), types);
                }
                continue;
            }
            if text(&definition, "kind") == "resource" && definition.get("abstract") == Some(&Value::Bool(false)) {
                elements.resource_types.insert(name.to_owned());
            }
            for element in snapshot(&definition) {
                let like = element.get("contentReference").and_then(Value::as_str);
                let like = like.map(|reference| reference.trim_start_matches('#').to_owned());
                elements.by_path.insert(text(element, "path").to_owned(), Element { types: types(element), like });
            }
        }
        Ok(elements)
    }

    /// The names of the concrete resource types.
    pub(super) fn resource_types(&self) -> impl Iterator<Item = &str> {
        self.resource_types.iter().map(String::as_str)
    }

    /// Whether R4 defines the extension.
    pub(super) fn has_extension(&self, url: &str) -> bool {
        self.extensions.contains_key(url)
    }

    /// The one place of an element that is no choice.
    fn places(&self, element: &Element, name: &str, direct: &str) -> Vec<Member> {
        let place = |path: &str, data_type: &str| {
            vec![Member { member: name.to_owned(), path: path.to_owned(), data_type: data_type.to_owned() }]
        };
        if let Some(like) = &element.like {
            return place(like, "BackboneElement");
        }
        match element.types.first().map(String::as_str) {
            Some(inner @ ("BackboneElement" | "Element")) => place(direct, inner),
            Some(data_type) => place(data_type, data_type),
            None => Vec::new(),
        }
    }
}

impl compile::Elements for Elements {
    fn extension(&self, url: &str) -> Vec<Member> {
        self.extensions.get(url).map_or_else(Vec::new, |types| choice("value", types))
    }

    /// As R4 "Search" has it in the table in section "Search Parameter Types", and as its definitions need it.
    fn suits(&self, kind: &str, data_type: &str) -> bool {
        match kind {
            "date" => matches!(data_type, "date" | "dateTime" | "instant" | "Period" | "Timing"),
            "quantity" => data_type != "SampledData",
            "reference" => data_type != "Attachment",
            _ => true,
        }
    }

    fn step(&self, path: &str, name: &str) -> Vec<Member> {
        let direct = format!("{path}.{name}");
        if let Some(element) = self.by_path.get(&direct) {
            return self.places(element, name, &direct);
        }
        let Some(element) = self.by_path.get(&format!("{path}.{name}[x]")) else { return Vec::new() };
        choice(name, &element.types)
    }
}

/// The members of a choice, one for each of its types.
fn choice(name: &str, types: &[String]) -> Vec<Member> {
    let place = |data_type: &String| {
        let mut letters = data_type.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
        let member = name.chars().chain(first).chain(letters).collect();
        Member { member, path: data_type.clone(), data_type: data_type.clone() }
    };
    types.iter().map(place).collect()
}

/// The data types that an element may have; the ones of FHIRPath itself (ids, urls) are strings.
fn types(element: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for name in member(element, "type").iter().map(|entry| text(entry, "code")) {
        let name = if name.starts_with("http://hl7.org/fhirpath/") { "string" } else { name };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The data types of an extension's own value.
fn value_types(definition: &Value) -> Vec<String> {
    let is_value = |element: &&Value| {
        let path = text(element, "path");
        path == "Extension.value[x]" || (path.starts_with("Extension.value") && !path.contains(':'))
    };
    snapshot(definition).iter().find(is_value).map(types).unwrap_or_default()
}
