use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// One file of the definitions.
pub(crate) fn read(definitions: &Path, file: &str) -> Result<Value, String> {
    let path = definitions.join(file);
    let text = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()))
}

/// The StructureDefinitions of the resource types and complex data types (no primitive types, no logical models, no
/// profiles but the named ones), by their name.
pub(crate) fn structures(definitions: &Path, profiles: &[&str]) -> Result<BTreeMap<String, Value>, String> {
    let folder = std::fs::read_dir(definitions)
        .map_err(|error| format!("cannot read the folder {}: {error}", definitions.display()))?;
    let mut found = BTreeMap::new();
    for file in folder {
        let file = file.map_err(|error| error.to_string())?.file_name().to_string_lossy().into_owned();
        if !file.starts_with("StructureDefinition-") {
            continue;
        }
        let structure = read(definitions, &file)?;
        let kind = text(&structure, "kind");
        let name = text(&structure, "name").to_owned();
        let wanted = text(&structure, "derivation") != "constraint" || profiles.contains(&name.as_str());
        if wanted && (kind == "resource" || kind == "complex-type") {
            found.insert(name, structure);
        }
    }
    if found.is_empty() {
        return Err(format!("there are no StructureDefinitions in {}", definitions.display()));
    }
    Ok(found)
}

/// The elements of a structure's snapshot.
pub(crate) fn snapshot(structure: &Value) -> &[Value] {
    structure.pointer("/snapshot/element").map(list).unwrap_or_default()
}

/// A string member, or nothing.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of an array, or none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The items of an array member, or none.
pub(crate) fn member<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).map(list).unwrap_or_default()
}

/// What follows the last slash of a canonical url, without its version.
pub(crate) fn last_part(url: &str) -> &str {
    let url = url.split('|').next().unwrap_or(url);
    url.rsplit('/').next().unwrap_or(url)
}
