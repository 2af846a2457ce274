//! What the element definitions say about the members of a type: enough to follow a path.

use super::read_all;
use crate::definitions::{member, snapshot, text};
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

/// What one step down a path leads to: a JSON member and one data type that it may hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// The name of the JSON member.
    pub(super) member: String,
    /// The path under which its own members are defined.
    pub(super) path: String,
    /// Its data type.
    pub(super) data_type: String,
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

    /// The data types of the value of the extension with that url, if it is defined.
    pub(super) fn extension(&self, url: &str) -> Option<&[String]> {
        self.extensions.get(url).map(Vec::as_slice)
    }

    /// The members that `name` stands for under `path`: one, or one for each type of a choice.
    pub(super) fn step(&self, path: &str, name: &str) -> Vec<Place> {
        let direct = format!("{path}.{name}");
        if let Some(element) = self.by_path.get(&direct) {
            return self.places(element, name, &direct);
        }
        let Some(choice) = self.by_path.get(&format!("{path}.{name}[x]")) else { return Vec::new() };
        let suffixed = |data_type: &String| {
            let mut letters = data_type.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
            let member = name.chars().chain(first).chain(letters).collect();
            Place { member, path: data_type.clone(), data_type: data_type.clone() }
        };
        choice.types.iter().map(suffixed).collect()
    }

    /// The one place of an element that is no choice.
    fn places(&self, element: &Element, name: &str, direct: &str) -> Vec<Place> {
        let place = |path: &str, data_type: &str| {
            vec![Place { member: name.to_owned(), path: path.to_owned(), data_type: data_type.to_owned() }]
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
