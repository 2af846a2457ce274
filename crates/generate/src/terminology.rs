//! The code systems, value sets and concept maps of R4 itself, in a form of our own: codes, their names and how they lie
//! below one another; what value sets are made of; what maps to what.
//!
//! Left out is what is somebody else's: the codes of SNOMED CT, LOINC, DICOM and their like, also where a value set of R4
//! lists them, and code systems that are excerpts of such.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::definitions::{member, read, snapshot, structures, text};

const HEADER: &str = "\
# The code systems (S), value sets (V), concept maps (M) and extensible bindings (B) of FHIR R4 (4.0.1), made by
# concord-generate from the official definitions (CC0); not to be edited by hand. How a line is read is said in crates/terminology/src/tables.rs.
";

/// Files of the definitions with code systems and value sets; of one that several have, the first is taken.
const FILES: &[&str] = &["Bundle-valuesets.json", "Bundle-v3-valuesets.json", "Bundle-v2-valuesets.json"];

/// Code systems whose codes belong to somebody who asks for a licence or a notice, or is a copy of such.
const LICENSED: &[&str] = &[
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://www.ama-assn.org/go/cpt",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://hl7.org/fhir/sid/cvx",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/ex-icd-10-procedures",
    "http://dicom.nema.org/resources/ontology/DCM",
    "http://nucc.org/provider-taxonomy",
    "urn:iso:std:iso:11073:10101",
    "urn:iso-astm:E1762-95:2013",
    "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle",
    "http://terminology.hl7.org/CodeSystem/ex-diagnosis-on-admission",
    "http://terminology.hl7.org/CodeSystem/ex-revenue-center",
    "urn:oid:1.2.36.1.2001.1001.101.104.16592",
    "urn:oid:1.2.36.1.2001.1005.17",
    "urn:oid:2.16.840.1.113883.3.26.1.1",
];

/// What value sets may list besides code systems whose tables are here: facts of public standards.
const PUBLIC: &[&str] = &["http://unitsofmeasure.org", "urn:iso:std:iso:", "urn:ietf:bcp:"];

/// The resources of a kind, by what they are named.
type Resources = BTreeMap<String, Value>;

/// Makes `terminology/src/tables.txt`.
pub(crate) fn generate(definitions: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let (mut systems, mut sets) = (Resources::new(), Resources::new());
    for file in FILES {
        for entry in member(&read(definitions, file)?, "entry") {
            let Some(resource) = entry.get("resource") else { continue };
            let shelf = match text(resource, "resourceType") {
                "CodeSystem" if is_open(resource) => &mut systems,
                "ValueSet" => &mut sets,
                _ => continue,
            };
            shelf.entry(text(resource, "url").to_owned()).or_insert_with(|| resource.clone());
        }
    }
    let whole = expansions(definitions)?;
    let mut table = HEADER.to_owned();
    for system in systems.values() {
        code_system(system, &mut table)?;
    }
    for set in sets.values() {
        value_set(set, &systems, &whole, &mut table)?;
    }
    for map in concept_maps(definitions)?.values() {
        concept_map(map, &mut table)?;
    }
    bindings(definitions, &sets, &mut table)?;
    Ok(vec![(PathBuf::from("crates/terminology/src/tables.txt"), table)])
}

/// The bindings of CodeableConcepts that are `extensible`, to value sets that are here.
fn bindings(definitions: &Path, sets: &Resources, table: &mut String) -> Result<(), String> {
    line(table, &["B", "http://hl7.org/fhir"]);
    for structure in structures(definitions, &[])?.values() {
        for element in snapshot(structure) {
            let is_concept = member(element, "type").iter().any(|one| text(one, "code") == "CodeableConcept");
            let Some(binding) =
                element.get("binding").filter(|one| is_concept && text(one, "strength") == "extensible")
            else {
                continue;
            };
            let set = text(binding, "valueSet").split('|').next().unwrap_or_default();
            if let Some((shape, name)) = text(element, "path").rsplit_once('.').filter(|_| sets.contains_key(set)) {
                line(table, &[shape, name, set]);
            }
        }
    }
    Ok(())
}

fn is_open(system: &Value) -> bool {
    !LICENSED.contains(&text(system, "url")) && matches!(text(system, "content"), "complete" | "example" | "fragment")
}

/// The expansions that the definitions have in full.
fn expansions(definitions: &Path) -> Result<Resources, String> {
    let mut found = Resources::new();
    for entry in member(&read(definitions, "Bundle-valueset-expansions.json")?, "entry") {
        let Some(expansion) = entry.pointer("/resource/expansion") else { continue };
        let is_cut = member(expansion, "extension").iter().any(|one| text(one, "url").contains("valueset-"));
        let total = expansion.get("total").and_then(Value::as_u64);
        let listed = member(expansion, "contains").len() as u64;
        if !is_cut && total.is_none_or(|total| total == listed) {
            let url = entry.pointer("/resource/url").and_then(Value::as_str).unwrap_or_default();
            found.insert(url.to_owned(), expansion.clone());
        }
    }
    Ok(found)
}

/// A field of a line: it holds no tab and no line's end.
fn field(text: &str) -> Result<String, String> {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().any(char::is_control) { Err(format!("a control character in '{joined}'")) } else { Ok(joined) }
}

/// Appends a line, without the empty fields at its end.
fn line(table: &mut String, fields: &[&str]) {
    let joined = fields.join("\t");
    table.push_str(joined.trim_end_matches('\t'));
    table.push('\n');
}

fn code_system(system: &Value, table: &mut String) -> Result<(), String> {
    let flag =
        |name: &str, letter: &'static str| if system.get(name) == Some(&Value::Bool(true)) { letter } else { "" };
    let content = if text(system, "content") == "complete" { "" } else { "p" };
    let flags = format!("{}{content}", flag("caseSensitive", "c"));
    line(table, &["S", text(system, "url"), text(system, "version"), &field(text(system, "name"))?, &flags]);
    // What is named as a child elsewhere has a parent besides the one that it is written under.
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    each(member(system, "concept"), 0, &mut |concept, _| {
        for child in properties(concept, "child") {
            parents.entry(child.to_owned()).or_default().insert(text(concept, "code").to_owned());
        }
        let own = parents.entry(text(concept, "code").to_owned()).or_default();
        own.extend(properties(concept, "parent").map(str::to_owned));
        Ok(())
    })?;
    each(member(system, "concept"), 0, &mut |concept, depth| {
        let code = text(concept, "code");
        let display = field(text(concept, "display"))?;
        let is = |name: &str| {
            let found = member(concept, "property").iter().find(|one| text(one, "code") == name);
            found.and_then(|one| one.get("valueBoolean")) == Some(&Value::Bool(true))
        };
        let retired = properties(concept, "status").any(|status| ["retired", "inactive"].contains(&status));
        let deprecated = properties(concept, "status").any(|status| status == "deprecated");
        let flags = format!(
            "{}{}{}",
            if is("notSelectable") || is("abstract") { "a" } else { "" },
            if is("inactive") || retired { "i" } else { "" },
            if deprecated { "d" } else { "" }
        );
        let above = parents.get(code).into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        let display = if display == code { "" } else { &display };
        line(table, &[&format!("{}{code}", " ".repeat(depth)), display, &flags, &above]);
        Ok(())
    })
}

/// The codes that a property of a concept has.
fn properties<'v>(concept: &'v Value, name: &'v str) -> impl Iterator<Item = &'v str> {
    member(concept, "property").iter().filter(move |one| text(one, "code") == name).map(|one| text(one, "valueCode"))
}

/// Every concept, with how deep it is written.
fn each(
    concepts: &[Value],
    depth: usize,
    work: &mut impl FnMut(&Value, usize) -> Result<(), String>,
) -> Result<(), String> {
    for concept in concepts {
        work(concept, depth)?;
        each(member(concept, "concept"), depth + 1, work)?;
    }
    Ok(())
}

fn value_set(set: &Value, systems: &Resources, whole: &Resources, table: &mut String) -> Result<(), String> {
    let url = text(set, "url");
    line(table, &["V", url, text(set, "version"), &field(text(set, "name"))?]);
    let compose = set.get("compose").unwrap_or(&Value::Null);
    let is_known = |part: &Value| {
        let system = text(part, "system");
        system.is_empty() || systems.contains_key(system) || !member(part, "concept").is_empty()
    };
    let is_licensed = |part: &Value| LICENSED.contains(&text(part, "system"));
    let parts = member(compose, "include").iter().chain(member(compose, "exclude"));
    // What its code systems do not tell, the list of its codes does, where it may be written down.
    if parts.clone().any(|part| !is_known(part))
        && !parts.clone().any(is_licensed)
        && let Some(expansion) = whole.get(url)
    {
        return listed(expansion, table);
    }
    for (kind, letter) in [("include", "+"), ("exclude", "-")] {
        for part in member(compose, kind) {
            line(table, &[&format!("{letter}{}", part_fields(part, systems)?)]);
        }
    }
    Ok(())
}

/// The fields of an `include` or `exclude`.
fn part_fields(part: &Value, systems: &Resources) -> Result<String, String> {
    let system = text(part, "system");
    let mut fields = vec![system.to_owned()];
    for filter in member(part, "filter") {
        let (property, op, value) = (text(filter, "property"), text(filter, "op"), text(filter, "value"));
        fields.push(format!("?{property} {op} {}", field(value)?));
    }
    for imported in member(part, "valueSet").iter().filter_map(Value::as_str) {
        fields.push(format!("^{imported}"));
    }
    let concepts = member(part, "concept");
    let is_ours = systems.contains_key(system);
    if LICENSED.contains(&system) || !(is_ours || concepts.is_empty() || is_public(system)) {
        if !concepts.is_empty() {
            fields.push("!".to_owned());
        }
        return Ok(fields.join("\t"));
    }
    for concept in concepts {
        fields.push(format!("={}", field(text(concept, "code"))?));
        // Where the system is here its name is there.
        if !is_ours && !text(concept, "display").is_empty() {
            fields.push(format!("\"{}", field(text(concept, "display"))?));
        }
    }
    Ok(fields.join("\t"))
}

fn is_public(system: &str) -> bool {
    PUBLIC.iter().any(|stem| system.starts_with(stem))
}

/// The codes of an expansion, by their systems.
fn listed(expansion: &Value, table: &mut String) -> Result<(), String> {
    let mut by_system: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in member(expansion, "contains") {
        let fields = by_system.entry(text(one, "system")).or_default();
        fields.push(format!("={}", field(text(one, "code"))?));
        if !text(one, "display").is_empty() {
            fields.push(format!("\"{}", field(text(one, "display"))?));
        }
    }
    for (system, fields) in by_system {
        line(table, &[&format!("+{system}"), &fields.join("\t")]);
    }
    Ok(())
}

/// The maps that R4 is made with; those that only show how one looks are left out.
fn concept_maps(definitions: &Path) -> Result<Resources, String> {
    let folder = std::fs::read_dir(definitions).map_err(|error| error.to_string())?;
    let mut found = Resources::new();
    for file in folder {
        let name = file.map_err(|error| error.to_string())?.file_name().to_string_lossy().into_owned();
        if name.starts_with("ConceptMap-cm-") || name.starts_with("ConceptMap-sc-") {
            let map = read(definitions, &name)?;
            found.insert(text(&map, "url").to_owned(), map);
        }
    }
    Ok(found)
}

fn concept_map(map: &Value, table: &mut String) -> Result<(), String> {
    let end = |kind: &str| {
        let named = [format!("{kind}Uri"), format!("{kind}Canonical")];
        named.iter().map(|name| text(map, name)).find(|url| !url.is_empty()).unwrap_or_default().to_owned()
    };
    let (source, target) = (end("source"), end("target"));
    line(table, &["M", text(map, "url"), text(map, "version"), &field(text(map, "name"))?, &source, &target]);
    for group in member(map, "group") {
        line(table, &[&format!(">{}", text(group, "source")), text(group, "target")]);
        for element in member(group, "element") {
            for one in member(element, "target") {
                line(table, &[text(element, "code"), text(one, "code"), text(one, "equivalence")]);
            }
        }
    }
    Ok(())
}
