//! The official R4 examples (npm `hl7.fhir.r4.examples` 4.0.1, CC0), which are kept outside the tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use concord_fhir::registry::ResourceType;
use serde_json::{Value, json};

/// How many there are.
pub const COUNT: usize = 5306;

/// The files, sorted by name.
///
/// # Panics
/// When they are not all there.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the folder comes from scripts/test.sh through the environment")]
pub fn files() -> Vec<PathBuf> {
    let named = std::env::var("CONCORD_FHIR_EXAMPLES").ok().map(PathBuf::from);
    let cached = || {
        let home = std::env::var("HOME").unwrap_or_default();
        PathBuf::from(home).join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package")
    };
    let folder = named.unwrap_or_else(cached);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.file_stem().is_some_and(|name| name != "package" && name != ".index"))
        .collect();
    assert!(files.len() == COUNT, "the official examples are not in {}: run `make test`", folder.display());
    files.sort();
    files
}

/// For every resource type a small valid resource, with an id of its own: the smallest official example that is valid, or
/// for the few types without one a resource of our own.
///
/// # Panics
/// When the examples are not there, or a type has none.
#[must_use]
pub fn smallest() -> BTreeMap<&'static str, Value> {
    let mut sized: BTreeMap<&str, Vec<(u64, PathBuf)>> = BTreeMap::new();
    for path in files() {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        // A file is named after its type and id, but for a few that hold an ImplementationGuide.
        if let Some(named) = stem.split('-').next().and_then(ResourceType::parse) {
            let length = path.metadata().expect("an example").len();
            sized.entry(named.name()).or_default().push((length, path));
        }
    }
    let limits = concord_fhir::json::Limits::default();
    let mut chosen = own();
    for (name, mut candidates) in sized {
        candidates.sort();
        if chosen.contains_key(name) {
            continue;
        }
        let valid = candidates.iter().find_map(|(_, path)| {
            let bytes = std::fs::read(path).expect("an example");
            concord_fhir::codec::read(concord_fhir::codec::Format::Json, &bytes, &limits).ok()?;
            serde_json::from_slice(&bytes).ok()
        });
        chosen.insert(name, valid.unwrap_or_else(|| panic!("no valid example of {name}")));
    }
    for listed in ResourceType::all().filter(|listed| listed.name() != "Parameters") {
        assert!(chosen.contains_key(listed.name()), "no resource of type {listed}");
    }
    chosen.remove("Parameters");
    chosen
}

/// Resources of the types that have no official example, or none that keeps to the specification and is taken.
fn own() -> BTreeMap<&'static str, Value> {
    let kept = [
        json!({"resourceType": "DeviceMetric", "id": "example", "category": "setting", "type": {"text": "battery"}}),
        json!({"resourceType": "DeviceUseStatement", "id": "example", "status": "active",
            "subject": {"reference": "Patient/example"}, "device": {"display": "a stick"}}),
        json!({"resourceType": "EventDefinition", "id": "example", "status": "active",
            "trigger": [{"type": "named-event", "name": "fall"}]}),
        json!({"resourceType": "ImplementationGuide", "id": "example", "status": "active", "name": "Example",
            "url": "http://example.org/guide", "packageId": "example.guide", "fhirVersion": ["4.0.1"]}),
        json!({"resourceType": "Subscription", "id": "example", "status": "off", "reason": "x",
            "criteria": "Observation?", "channel": {"type": "rest-hook"}}),
    ];
    let kept = kept.into_iter().filter_map(|resource| {
        let name = ResourceType::parse(resource.get("resourceType")?.as_str()?)?.name();
        Some((name, resource))
    });
    let bare = [
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
    ]
    .into_iter()
    .map(|name| (name, json!({"resourceType": name, "id": "example", "language": "en"})));
    kept.chain(bare).collect()
}
