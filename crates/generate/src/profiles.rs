//! The profiles and extensions that ship: a StructureDefinition a line, with what is checked by it and no more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concord_fhir::codec::{Format, parsed};
use concord_fhir::json::{Limits, to_string};
use concord_profile::definition::{Definition, stripped};

/// The profiles and extensions among the official definitions of R4.
pub(crate) fn r4(folder: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let header = "# The profiles and extensions of FHIR R4 (4.0.1)";
    table(folder, "r4.txt", header)
}

/// UK Core, as published by HL7 UK.
pub(crate) fn ukcore(folder: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let header = "# The profiles and extensions of UK Core (Copyright 2021+ HL7 UK, Apache License 2.0; see NOTICE)";
    table(&folder.join("structuredefinitions"), "ukcore.txt", header)
}

/// The International Patient Summary (npm `hl7.fhir.uv.ips` 2.0.0, unpacked).
pub(crate) fn ips(folder: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    table(folder, "ips.txt", "# The profiles of the International Patient Summary 2.0.0 (CC0)")
}

fn table(folder: &Path, file: &str, header: &str) -> Result<Vec<(PathBuf, String)>, String> {
    let mut lines = BTreeMap::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let format = match path.extension().and_then(|end| end.to_str()) {
            Some("xml") => Format::Xml,
            Some("json") if name.starts_with("StructureDefinition-") => Format::Json,
            _ => continue,
        };
        let bytes = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        // Some published definitions break a rule of their own type; what is used of them is looked at by itself.
        let (resource, _) =
            parsed(format, &bytes, &Limits::default()).map_err(|issues| format!("{}: {issues:?}", path.display()))?;
        if resource.text("derivation") != Some("constraint") {
            continue;
        }
        let bare = stripped(&resource);
        Definition::read(&bare).map_err(|issue| format!("{}: {}", path.display(), issue.text))?;
        lines.insert(bare.text("url").unwrap_or_default().to_owned(), to_string(&bare));
    }
    if lines.is_empty() {
        return Err(format!("there are no profiles in {}", folder.display()));
    }
    let mut text = format!(
        "{header}, made by concord-generate: a\n# StructureDefinition a line, with what is checked by it; not to be edited by hand.\n"
    );
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    Ok(vec![(Path::new("crates/profile/src/shipped").join(file), text)])
}
