//! The element table: what elements each type has, from the snapshots of the StructureDefinitions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bindings;
use crate::definitions::{last_part, list, member, snapshot, structures, text};

/// The profiles that R4 uses as if they were types.
pub(crate) const PROFILES: &[&str] = &["SimpleQuantity"];

const HEADER: &str = "\
# The elements of FHIR R4 (4.0.1), made by concord-generate from the official definitions; not to be edited by hand.
# shape:    NAME KIND BASE         a resource type, data type or the inside of an element; it starts with its base's elements
# element:   NAME MIN MAX TYPES FLAGS
# types:    A|B; Reference(Targets) and canonical(Targets); type!binding; '.' = the shape of the element's own path;
#           @PATH = the shape of that path
# flags:    s = in the summary, m = modifies the meaning, a = an attribute in XML, - = none
";

/// A type or the inside of an element, on its way to the table.
struct Shape {
    name: String,
    kind: &'static str,
    base: String,
    elements: Vec<String>,
}

/// Makes `schema/elements.txt`.
pub(crate) fn generate(definitions: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let structures = structures(definitions, PROFILES)?;
    let finite: BTreeSet<String> = bindings::finite(definitions, &structures)?.into_keys().collect();
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for (name, structure) in &structures {
        for shape in shapes_of(name, structure, &finite)? {
            shapes.insert(shape.name.clone(), shape);
        }
    }
    let mut table = HEADER.to_owned();
    for shape in shapes.values() {
        let inherited = shapes.get(&shape.base).map_or(&[][..], |base| &base.elements);
        let own = without_inherited(shape, inherited)?;
        table.push_str(&format!("{} {} {}\n", shape.name, shape.kind, shape.base));
        for element in own {
            table.push_str(&format!(" {element}\n"));
        }
    }
    Ok(vec![(PathBuf::from("crates/fhir/src/schema/elements.txt"), table)])
}

/// The elements that a shape does not have from its base, or has otherwise than its base.
fn without_inherited<'s>(shape: &'s Shape, inherited: &[String]) -> Result<Vec<&'s String>, String> {
    let name_of = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    for (position, line) in inherited.iter().enumerate() {
        if shape.elements.get(position).map(|own| name_of(own)) != Some(name_of(line)) {
            return Err(format!("{} does not start with the elements of its base {}", shape.name, shape.base));
        }
    }
    Ok(shape
        .elements
        .iter()
        .enumerate()
        .filter(|(position, line)| inherited.get(*position) != Some(*line))
        .map(|(_, line)| line)
        .collect())
}

/// The shape of the type itself and one for each element that has elements of its own.
fn shapes_of(name: &str, structure: &Value, finite: &BTreeSet<String>) -> Result<Vec<Shape>, String> {
    let elements = snapshot(structure);
    let root = elements.first().map(|element| text(element, "path")).ok_or("a structure has no elements")?;
    let kind = match (text(structure, "kind"), structure.get("abstract") == Some(&Value::Bool(true))) {
        ("resource", false) => "resource",
        ("resource", true) => "abstract",
        _ => "type",
    };
    let base = last_part(text(structure, "baseDefinition"));
    // A profile's elements replace its base's, so that it stands for itself.
    let base = match base {
        "" => "-",
        _ if text(structure, "derivation") == "constraint" => "Element",
        base => base,
    };
    let mut shapes = vec![Shape { name: name.to_owned(), kind, base: base.to_owned(), elements: Vec::new() }];
    for element in elements.iter().skip(1) {
        let path = text(element, "path");
        let (parent, own) = path.rsplit_once('.').ok_or_else(|| format!("{path} has no parent"))?;
        let parent = if parent == root { name } else { parent };
        if element.get("max").and_then(Value::as_str) == Some("0") {
            continue;
        }
        let line = element_line(parent, own, element, finite)?;
        if line.split(' ').nth(3) == Some(".") {
            let base = member(element, "type").first().map(|kind| text(kind, "code")).unwrap_or_default();
            shapes.push(Shape { name: path.to_owned(), kind: "part", base: base.to_owned(), elements: Vec::new() });
        }
        let shape = shapes.iter_mut().find(|shape| shape.name == parent);
        shape.ok_or_else(|| format!("{path} stands before its parent"))?.elements.push(line);
    }
    Ok(shapes)
}

fn element_line(parent: &str, name: &str, element: &Value, finite: &BTreeSet<String>) -> Result<String, String> {
    let min = element.get("min").and_then(Value::as_u64).ok_or_else(|| format!("{parent}.{name} has no min"))?;
    let max = text(element, "max");
    let attribute = member(element, "representation").iter().any(|way| way == "xmlAttr");
    let types = match element.get("contentReference").and_then(Value::as_str) {
        Some(reference) => format!("@{}", reference.trim_start_matches('#')),
        None => {
            let types: Vec<String> =
                member(element, "type").iter().map(|kind| type_of(name, attribute, kind)).collect();
            types.join("|")
        }
    };
    if types.is_empty() {
        return Err(format!("{parent}.{name} has no type"));
    }
    let binding = element
        .get("binding")
        .filter(|binding| text(binding, "strength") == "required")
        .map(|binding| last_part(text(binding, "valueSet")))
        .filter(|binding| finite.contains(*binding))
        .map(|binding| format!("!{binding}"))
        .unwrap_or_default();
    let mut flags = String::new();
    if element.get("isSummary") == Some(&Value::Bool(true)) {
        flags.push('s');
    }
    if element.get("isModifier") == Some(&Value::Bool(true)) {
        flags.push('m');
    }
    if attribute {
        flags.push('a');
    }
    if flags.is_empty() {
        flags.push('-');
    }
    Ok(format!("{name} {min} {max} {types}{binding} {flags}"))
}

fn type_of(name: &str, attribute: bool, kind: &Value) -> String {
    let code = text(kind, "code");
    if code.starts_with("http://hl7.org/fhirpath/") {
        // The definitions say "string" for the ids; the specification's text says more (R4 "Resource", "Element").
        return match (name, attribute) {
            ("url", _) => "uri".to_owned(),
            (_, true) => "elementId".to_owned(),
            (_, false) => "id".to_owned(),
        };
    }
    if matches!(code, "BackboneElement" | "Element") {
        return ".".to_owned();
    }
    if let Some(profile) = member(kind, "profile").first().and_then(Value::as_str) {
        return last_part(profile).to_owned();
    }
    let targets = kind.get("targetProfile").map(list).unwrap_or_default();
    let targets: Vec<&str> = targets.iter().filter_map(Value::as_str).map(last_part).collect();
    if targets.is_empty() || targets.contains(&"Resource") {
        code.to_owned()
    } else {
        format!("{code}({})", targets.join(","))
    }
}
