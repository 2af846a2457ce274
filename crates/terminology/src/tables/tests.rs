//! The tables are whole, and agree with what the specification itself expands.

use std::collections::BTreeSet;

use concord_fhir::value::is_unit;

use super::*;
use crate::library::{Library, LookUpError, Nothing};

fn expanded(url: &str) -> Result<Vec<crate::item::Item>, String> {
    match Library::new(&mut Nothing).expand_named(url) {
        Ok(items) => Ok(items),
        Err(LookUpError::Said(_, text)) => Err(text),
        Err(LookUpError::Source(never)) => match never {},
    }
}

#[test]
fn every_section_is_read() {
    let systems = code_systems();
    assert!(systems.len() > 1_000, "{}", systems.len());
    let mut concepts = 0;
    for (url, _) in &systems {
        let system = code_system(url).unwrap();
        assert_eq!(system.url, *url);
        concepts += system.concepts().len();
    }
    assert!(concepts > 15_000, "{concepts}");
    let sets = value_sets();
    assert!(sets.len() > 1_200, "{}", sets.len());
    let told = sets.iter().filter(|(url, _)| expanded(url).is_ok()).count();
    assert!(told > 1_150, "{told} of {}", sets.len());
    assert!(concept_maps().count() > 60);
    assert!(concept_maps().all(|map| map.groups.iter().any(|group| !group.elements.is_empty())));
}

/// What is somebody else's is not copied.
#[test]
fn no_licensed_code_is_here() {
    for (url, _) in code_systems() {
        assert!(!["snomed.info", "loinc.org", "dicom", "/sid/"].iter().any(|part| url.contains(part)), "{url}");
    }
    for (url, _) in value_sets() {
        let set = value_set(url).unwrap();
        for part in set.include.iter().chain(&set.exclude).filter(|part| !part.listed.is_empty()) {
            let system = part.system.as_deref().unwrap_or_default();
            assert!(!["snomed.info", "loinc.org", "dicom", "/sid/"].iter().any(|of| system.contains(of)), "{url}");
        }
    }
}

#[test]
fn names_with_and_without_versions() {
    let name = "http://hl7.org/fhir/ValueSet/administrative-gender";
    assert!(value_set(name).is_some() && value_set(&format!("{name}|4.0.1")).is_some());
    assert!(value_set(&format!("{name}|5.0.0")).is_none() && value_set("http://hl7.org/fhir/ValueSet/no").is_none());
    let purpose = code_system("http://terminology.hl7.org/CodeSystem/v3-ActReason").unwrap();
    let broken = purpose.concept("BTG").unwrap();
    assert_eq!(broken.display.as_deref(), Some("break the glass"));
    assert_eq!(purpose.parents(broken).map(|one| one.code.as_str()).collect::<Vec<_>>(), ["ETREAT"]);
}

/// UCUM has a grammar, and R4 lists a thousand units by which to try ours.
#[test]
fn the_common_units_are_units() {
    let set = value_set("http://hl7.org/fhir/ValueSet/ucum-common").unwrap();
    let listed: Vec<&str> = set.include.iter().flat_map(|part| &part.listed).map(|one| one.code.as_str()).collect();
    assert!(listed.len() > 1_000, "{}", listed.len());
    // A remark with a blank in it is none in UCUM, though the list has some.
    let odd: Vec<_> = listed.iter().filter(|code| !is_unit(code) && !code.contains(' ')).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

/// What we expand is what the specification's own expansions hold, wherever they are whole.
#[test]
fn expansions_are_those_of_the_specification() {
    let Some(folder) = crate::tests::official_definitions() else { return };
    let text = std::fs::read(std::path::Path::new(&folder).join("Bundle-valueset-expansions.json")).unwrap();
    let bundle: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let (mut same, mut untold, mut other) = (0, 0, Vec::new());
    for entry in bundle["entry"].as_array().unwrap() {
        let set = &entry["resource"];
        let url = set["url"].as_str().unwrap();
        let resource = crate::tests::from_json(set);
        let Some(theirs) = crate::value_set::whole_expansion(&resource) else { continue };
        let theirs: BTreeSet<_> = theirs.into_iter().map(|item| (item.system, item.code)).collect();
        match expanded(url) {
            Err(_) => untold += 1,
            Ok(ours) => {
                let ours = ours.into_iter().filter(|item| !item.is_abstract);
                let ours: BTreeSet<_> = ours.map(|item| (item.system, item.code)).collect();
                if ours == theirs {
                    same += 1;
                } else {
                    let more: Vec<_> = ours.difference(&theirs).map(|one| one.1.clone()).take(5).collect();
                    let less: Vec<_> = theirs.difference(&ours).map(|one| one.1.clone()).take(5).collect();
                    other.push(format!("{url}: more {more:?}, less {less:?}"));
                }
            }
        }
    }
    // Those that differ are older there than the code systems that the same definitions hold, or list what only groups.
    assert!(same > 440 && other.len() <= 11, "{same} {untold} {other:#?}");
}
