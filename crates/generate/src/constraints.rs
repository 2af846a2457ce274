//! The constraint table: which rules R4 states about its types, each at the place that it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::definitions::{last_part, member, snapshot, structures, text};
use crate::elements::PROFILES;

const HEADER: &str = "\
# The constraints of FHIR R4 (4.0.1), made by concord-generate from the official definitions; not to be edited by hand.
# constraint: PLACE KEY SEVERITY EXPRESSION
# place: a shape of elements.txt, or an element of one; severity: error or warning
# What holds for every element (ele-1) and every extension (ext-1) is not repeated at each place; what a type has from its
# base stands at the base.
";

/// What holds everywhere and stands at its own type alone.
const EVERYWHERE: [(&str, &str); 2] = [("ele-1", "Element"), ("ext-1", "Extension")];

/// Makes `check/constraints.txt`.
pub(crate) fn generate(definitions: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let structures = structures(definitions, PROFILES)?;
    let mut rows: BTreeMap<(String, String), String> = BTreeMap::new();
    for (name, structure) in &structures {
        let inherited: BTreeSet<&str> = structures
            .get(last_part(text(structure, "baseDefinition")))
            .and_then(|base| snapshot(base).first())
            .map(|root| member(root, "constraint").iter().map(|constraint| text(constraint, "key")).collect())
            .unwrap_or_default();
        let elements = snapshot(structure);
        let root = elements.first().map(|element| text(element, "path")).ok_or("a structure has no elements")?;
        for (position, element) in elements.iter().enumerate() {
            let path = text(element, "path");
            // A profile that is used as a type is called by its own name.
            let place = format!("{name}{}", path.strip_prefix(root).unwrap_or_default()).replace("[x]", "");
            for constraint in member(element, "constraint") {
                let key = text(constraint, "key");
                let stands_elsewhere = EVERYWHERE.iter().any(|(other, at)| *other == key && *at != place);
                if stands_elsewhere || (position == 0 && inherited.contains(key)) {
                    continue;
                }
                let row = row(&place, constraint)?;
                rows.insert((place.clone(), key.to_owned()), row);
            }
        }
    }
    let mut table = HEADER.to_owned();
    for row in rows.into_values() {
        table.push_str(&row);
    }
    Ok(vec![(PathBuf::from("crates/fhir/src/check/constraints.txt"), table)])
}

fn row(place: &str, constraint: &Value) -> Result<String, String> {
    let (key, severity, expression) =
        (text(constraint, "key"), text(constraint, "severity"), text(constraint, "expression"));
    if expression.is_empty() || expression.contains('\n') || !matches!(severity, "error" | "warning") {
        return Err(format!("the constraint {key} of {place} is not as the table needs it"));
    }
    Ok(format!("{place} {key} {severity} {expression}\n"))
}
