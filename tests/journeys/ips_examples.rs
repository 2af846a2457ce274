//! The examples of the International Patient Summary as records: what a summary of each is. They are read where they are there
//! (`CONCORD_IPS` names the folder of the package hl7.fhir.uv.ips).

#![expect(clippy::print_stdout, reason = "whoever runs the tests is told what was not tested, and how much was")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concord_fhir::document::unresolved;
use concord_fhir::json::{self, Limits};
use concord_tests::client::text;
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { a_summary_of_every_example_keeps_to_the_guide }

const PROFILE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";

/// What the guide shows beside records: definitions of its own.
const DEFINITIONS: [&str; 2] = ["Composition", "ImplementationGuide"];

fn folder() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ips");
    let folder = std::env::var_os("CONCORD_IPS").map_or(usual, PathBuf::from).join("example");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("not tested: {} is not there (CONCORD_IPS names the package)", folder.display());
    None
}

fn examples(folder: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut paths: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let all = paths.iter().map(read);
    all.filter(|one: &Value| one["resourceType"].is_string()).collect()
}

/// The records that the examples make: what a document holds is one, and what stands by itself makes another.
fn records(all: Vec<Value>) -> Vec<Vec<(String, Value)>> {
    let mut single: BTreeMap<String, Value> = BTreeMap::new();
    let mut records = Vec::new();
    for example in all {
        if example["resourceType"] == "Bundle" {
            let entries = example["entry"].as_array().cloned().unwrap_or_default();
            let named = |entry: Value| (text(&entry, "/fullUrl").to_owned(), entry["resource"].clone());
            records.push(entries.into_iter().map(named).collect());
        } else {
            let place = format!("{}/{}", text(&example, "/resourceType"), text(&example, "/id"));
            single.insert(format!("https://example.org/fhir/{place}"), example);
        }
    }
    records.push(single.into_iter().collect());
    records
}

/// A record as a transaction that stores it: each resource under an id of the server's, referred to as it was.
fn transaction(record: &[(String, Value)]) -> Value {
    let kept = record.iter().filter(|(_, resource)| !DEFINITIONS.contains(&text(resource, "/resourceType")));
    let entries: Vec<Value> = kept
        .map(|(url, resource)| {
            let kind = text(resource, "/resourceType");
            json!({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind}})
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

async fn a_summary_of_every_example_keeps_to_the_guide(concord: &Concord) {
    let Some(folder) = folder() else { return };
    let system = concord.system();
    let all = examples(&folder);
    let (mut summaries, mut resources) = (0, 0);
    for record in records(all) {
        let sent = transaction(&record);
        let stored = system.post("/fhir", &sent).await.expect(200).json();
        let answered = stored["entry"].as_array().expect("entries");
        resources += answered.len();
        let places = answered.iter().map(|entry| text(entry, "/response/location").to_owned());
        let patients = places.filter_map(|place| place.split("Patient/").nth(1)?.split('/').next().map(str::to_owned));
        for patient in patients {
            let answer = system.get(&format!("Patient/{patient}/$summary")).await.expect(200);
            let summary = answer.json();
            let read = json::parse(answer.text().as_bytes(), &Limits::default()).expect("FHIR").into_owned();
            let nowhere: Vec<String> = unresolved(&read).into_iter().map(|issue| issue.text).collect();
            assert_eq!(nowhere, Vec::<String>::new(), "{patient}");
            let issues = system.post(&format!("Bundle/$validate?profile={PROFILE}"), &summary).await.expect(200).json();
            let all = issues["issue"].as_array().expect("issues");
            let errors: Vec<&Value> = all.iter().filter(|issue| issue["severity"] == "error").collect();
            assert!(errors.is_empty(), "{patient}: {errors:?}");
            for section in summary["entry"][0]["resource"]["section"].as_array().expect("sections") {
                let entries = section["entry"].as_array().map_or(0, Vec::len);
                let narrative = text(section, "/text/div");
                assert!(entries == 0 || narrative.contains("<table"), "{patient}: {section}");
                assert!(entries > 0 || section["emptyReason"].is_object(), "{patient}: {section}");
            }
            summaries += 1;
        }
    }
    println!("{summaries} summaries of {resources} resources of the examples");
    assert!(summaries >= 5, "{summaries}");
}
