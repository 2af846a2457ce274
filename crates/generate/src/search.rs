//! Makes the search tables of concord-fhir: what each search parameter of R4 reads, and which parameters link a type to
//! the patient compartment.
//!
//! The specification writes a parameter as a FHIRPath expression over abstract elements (`Observation.value as
//! Quantity`). The element definitions say which JSON members and data types that means, so the expression is resolved
//! once, by `concord_fhir::registry::compile`, to what an indexer can walk without a schema: `valueQuantity:Quantity`.

mod elements;

use crate::definitions::{member, read, text};
use concord_fhir::registry::compile;
use elements::Elements;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the table of search parameters lies in the workspace.
const PARAMETERS: &str = "crates/fhir/src/registry/parameters.txt";

/// Where the table of patient-compartment links lies in the workspace.
const COMPARTMENT: &str = "crates/fhir/src/registry/compartment.txt";

/// One definition per line; the reader's side is `registry::parameter`.
const HEADER: &str = "\
# The search parameters of FHIR R4 (4.0.1), made from the official definitions by concord-generate. Do not edit.
#
# An unindented line names a resource type; the indented lines below it are its parameters:
#   code kind targets path...
# targets: the types a reference may point at, `*` for any, `-` where there are none.
# path: JSON members from the resource down, then `:` and the data type found there.
#   member[other=text]      only items whose member `other` is `text`
#   member[extension=url]   only items that carry that extension
#   member[0]               only the first item
#   :Reference(Type)        only references to that type; :Resource(Type) only resources of it
#   .                       the resource itself
# A composite parameter lists the elements that its components are read from, then `@component=path...`, where a
# path is read from that element, or with `%` from the resource.
#
# Left out:
";

/// Reads the official definitions and returns the tables: the path of each in the workspace, and its text.
///
/// # Errors
/// One line that says which definition could not be read or understood.
pub(crate) fn generate(definitions: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let elements = Elements::read(definitions)?;
    let parameters = parameters(&read_all(definitions, "SearchParameter-")?, &elements)?;
    let compartment = compartment(&read(definitions, "CompartmentDefinition-patient.json")?)?;
    Ok(vec![(PathBuf::from(PARAMETERS), parameters), (PathBuf::from(COMPARTMENT), compartment)])
}

/// Every JSON file of the folder whose name starts so, in the order of their names.
fn read_all(folder: &Path, prefix: &str) -> Result<Vec<Value>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".json") {
            names.push(name);
        }
    }
    names.sort();
    names.iter().map(|name| read(folder, name)).collect()
}

/// The strings in the array member of that name.
fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    member(value, name).iter().filter_map(Value::as_str).collect()
}

/// Why a definition gets no row, if it gets none.
fn left_out(definition: &Value, elements: &Elements) -> Option<String> {
    let id = text(definition, "id");
    let expression = text(definition, "expression");
    if id.starts_with("example") {
        return Some("an example of a definition".to_owned());
    }
    if texts(definition, "base").is_empty() {
        return Some("the definition names no resource type".to_owned());
    }
    if expression.is_empty() {
        return Some("the definition has no expression".to_owned());
    }
    match text(definition, "xpathUsage") {
        "phonetic" => return Some("the specification names no phonetic algorithm".to_owned()),
        "nearby" => return Some("needs a distance, which is not an index entry".to_owned()),
        _ => {}
    }
    let url = compile::extension_url(expression)?;
    (!elements.has_extension(url)).then(|| format!("R4 defines no extension {url}"))
}

/// The table of search parameters.
fn parameters(definitions: &[Value], elements: &Elements) -> Result<String, String> {
    let mut by_type: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let mut out = HEADER.to_owned();
    for definition in definitions {
        let (id, code) = (text(definition, "id"), text(definition, "code"));
        if let Some(reason) = left_out(definition, elements) {
            let _ = writeln!(out, "#   {id}: {reason}");
            continue;
        }
        for base in texts(definition, "base") {
            if base == "Resource" || base == "DomainResource" {
                continue;
            }
            let (kind, expression) = (text(definition, "type"), text(definition, "expression"));
            let columns = if kind == "composite" {
                let components: Vec<(&str, &str)> = member(definition, "component")
                    .iter()
                    .map(|component| (text(component, "definition"), text(component, "expression")))
                    .collect();
                compile::composite(expression, &components, base, elements).map_err(|(_, error)| error)
            } else {
                compile::simple(kind, expression, &texts(definition, "target"), base, elements)
            };
            let columns = columns.map_err(|error| format!("search parameter {id}: {error}"))?;
            let row = format!("{code} {kind} {} {}", targets(definition, elements), columns.join(" "));
            if by_type.entry(base).or_default().insert(code, row).is_some() {
                return Err(format!("search parameter {id}: {base} has two parameters `{code}`"));
            }
        }
    }
    out.push_str("#   Resource-*: not left out; the parameters of every resource are written in registry::parameter\n");
    for (base, rows) in by_type {
        let _ = writeln!(out, "{base}");
        for row in rows.values() {
            let _ = writeln!(out, " {row}");
        }
    }
    Ok(out)
}

/// The targets column: `-` for none, `*` for every type. Parameters resources are never stored, so R4 lists some
/// targets without them; that counts as every type too.
fn targets(definition: &Value, elements: &Elements) -> String {
    let named: BTreeSet<&str> = texts(definition, "target").into_iter().collect();
    if named.is_empty() {
        return "-".to_owned();
    }
    if elements.resource_types().all(|name| name == "Parameters" || named.contains(name)) {
        return "*".to_owned();
    }
    named.into_iter().collect::<Vec<_>>().join(",")
}

/// The table of patient-compartment links: type, then the codes of the parameters that link it to a patient.
fn compartment(definition: &Value) -> Result<String, String> {
    let mut out = "\
# The patient compartment of FHIR R4 (4.0.1), made from the official definition by concord-generate. Do not edit.
# A resource type, then the search parameters that link a resource of it to a patient.
"
    .to_owned();
    let resources = definition.get("resource").and_then(Value::as_array);
    for resource in resources.ok_or_else(|| "the patient compartment lists no resources".to_owned())? {
        let codes = texts(resource, "param");
        if !codes.is_empty() {
            let _ = writeln!(out, "{} {}", text(resource, "code"), codes.join(" "));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_named() {
        let error = generate(Path::new("no/such/folder")).expect_err("there is none");
        assert!(error.starts_with("no/such/folder"), "{error}");
    }
}
