//! The code lists: which codes the required bindings of R4 allow, from the expansions of the value sets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::definitions::{last_part, member, read, snapshot, structures, text};

/// Value sets that the definitions expand only in part, because they are open or too large.
const OPEN: &[&str] = &["ucum-units"];

const HEADER: &str = "\
# The codes that the required bindings of FHIR R4 (4.0.1) allow, made by concord-generate from the official definitions;
# not to be edited by hand. A line holds, parted by tabs: the value set, the code system, its codes.
";

/// The codes of a value set, by code system.
type Codes = BTreeMap<String, BTreeSet<String>>;

/// Makes `schema/bindings.txt`.
pub(crate) fn generate(definitions: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let mut table = HEADER.to_owned();
    for (name, systems) in finite(definitions, &structures(definitions, &[])?)? {
        for (system, codes) in systems {
            let codes: Vec<String> = codes.into_iter().collect();
            table.push_str(&format!("{name}\t{system}\t{}\n", codes.join("\t")));
        }
    }
    Ok(vec![(PathBuf::from("crates/fhir/src/schema/bindings.txt"), table)])
}

/// The value sets that are bound with strength "required" somewhere and that the definitions list in full.
pub(crate) fn finite(
    definitions: &Path,
    structures: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Codes>, String> {
    let bound: BTreeSet<&str> = structures
        .values()
        .flat_map(snapshot)
        .filter_map(|element| element.get("binding"))
        .filter(|binding| text(binding, "strength") == "required")
        .filter_map(|binding| text(binding, "valueSet").split('|').next())
        .collect();
    let mut finite = BTreeMap::new();
    for entry in member(&read(definitions, "Bundle-valueset-expansions.json")?, "entry") {
        let Some(value_set) = entry.get("resource") else { continue };
        let url = text(value_set, "url");
        if !bound.contains(url) || OPEN.contains(&last_part(url)) {
            continue;
        }
        let mut codes = Codes::new();
        if let Some(expansion) = value_set.get("expansion") {
            gather(expansion, &mut codes);
        }
        if !codes.is_empty() && finite.insert(last_part(url).to_owned(), codes).is_some() {
            return Err(format!("two bound value sets are called '{}'", last_part(url)));
        }
    }
    Ok(finite)
}

fn gather(node: &Value, codes: &mut Codes) {
    for concept in member(node, "contains") {
        let code = text(concept, "code");
        if !code.is_empty() && concept.get("abstract") != Some(&Value::Bool(true)) {
            codes.entry(text(concept, "system").to_owned()).or_default().insert(code.to_owned());
        }
        gather(concept, codes);
    }
}
