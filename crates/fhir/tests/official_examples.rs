//! All 5,306 official examples of R4 are accepted, and come back equal from JSON and from XML.
//!
//! They are not part of this repository: `make test` fetches them (npm `hl7.fhir.r4.examples` 4.0.1), and
//! `CONCORD_FHIR_EXAMPLES` may name another folder that has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use concord_fhir::codec::{Format, read, write_xml};
use concord_fhir::issue::Issue;
use concord_fhir::json::{Limits, parse, to_string};
use concord_fhir::schema::remarks;

/// The examples that break the specification that they illustrate: file, place, and what is wrong with it.
const WRONG: &[(&str, &str, &str)] = &[
    // The full URLs of some of their entries end with another id than the resource has.
    ("Bundle-10bb101f-a121-4264-a920-67be9cb82c74", "Bundle.entry[2]", "(Bundle.entry.fullUrl)"),
    ("Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe", "Bundle.entry[3]", "(Bundle.entry.fullUrl)"),
    ("Bundle-lri-example", "Bundle.entry[1]", "(Bundle.entry.fullUrl)"),
    // Their narratives are empty.
    ("ActivityDefinition-blood-tubes-supply", "ActivityDefinition.text.div", "(txt-2)"),
    ("ActivityDefinition-heart-valve-replacement", "ActivityDefinition.text.div", "(txt-2)"),
    ("EventDefinition-example", "EventDefinition.text.div", "(txt-2)"),
    ("Questionnaire-zika-virus-exposure-assessment", "Questionnaire.text.div", "(txt-2)"),
    // Two of its entries have the same full URL.
    ("Bundle-dataelements", "Bundle", "(bdl-7)"),
    ("ImplementationGuide-fhir", "ImplementationGuide.name", "'name' is required"),
    ("Questionnaire-qs1", "Questionnaire.item[0].item[0].linkId", "'linkId' is required"),
    ("SearchParameter-codesystem-extensions-CodeSystem-author", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-codesystem-extensions-CodeSystem-effective", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-codesystem-extensions-CodeSystem-end", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-codesystem-extensions-CodeSystem-keyword", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-codesystem-extensions-CodeSystem-workflow", "SearchParameter.base", "'base' is required"),
    // Logical models that are derived from nothing, and are not abstract.
    ("StructureDefinition-Definition", "StructureDefinition", "(sdf-4)"),
    ("StructureDefinition-Event", "StructureDefinition", "(sdf-4)"),
    ("StructureDefinition-FiveWs", "StructureDefinition", "(sdf-4)"),
    ("StructureDefinition-Request", "StructureDefinition", "(sdf-4)"),
    // Its id has 68 characters; 64 are allowed.
    (
        "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject",
        "SearchParameter.id",
        "is not a valid id",
    ),
    ("SearchParameter-valueset-extensions-ValueSet-author", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-valueset-extensions-ValueSet-effective", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-valueset-extensions-ValueSet-end", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-valueset-extensions-ValueSet-keyword", "SearchParameter.base", "'base' is required"),
    ("SearchParameter-valueset-extensions-ValueSet-workflow", "SearchParameter.base", "'base' is required"),
    ("ig-r4", "ImplementationGuide.name", "'name' is required"),
];

/// The examples with a reference to a type that its element does not name, and the place.
const MISDIRECTED: &[(&str, &str)] = &[
    ("DeviceMetric-example", "DeviceMetric.parent.reference"),
    ("DeviceUseStatement-example", "DeviceUseStatement.reasonReference[0].reference"),
    ("MedicationRequest-medrx0301", "MedicationRequest.dispenseRequest.performer.reference"),
    ("Observation-clinical-gender", "Observation.performer[0].reference"),
];

/// How many examples the package has.
const COUNT: usize = 5306;

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to take a folder from")]
fn folder() -> PathBuf {
    std::env::var("CONCORD_FHIR_EXAMPLES").map_or_else(
        |_| {
            let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
            home.join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package")
        },
        PathBuf::from,
    )
}

fn examples(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let missing = format!(
        "the official R4 examples are not in {}: run `scripts/official-examples.sh`, or name their folder in CONCORD_FHIR_EXAMPLES",
        folder.display()
    );
    let Ok(entries) = std::fs::read_dir(folder) else { return Err(missing) };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.file_stem().is_some_and(|name| name != "package" && name != ".index"))
        .collect();
    if files.len() != COUNT {
        return Err(missing);
    }
    // The largest first, so that no thread is left alone with one at the end.
    files.sort_by_key(|file| std::cmp::Reverse(std::fs::metadata(file).map_or(0, |metadata| metadata.len())));
    Ok(files)
}

/// What went wrong with one file: nothing, the issues of the check, or a difference after a round trip.
enum Outcome {
    Same,
    Refused(Vec<Issue>),
    Differs(String),
}

fn try_one(name: &str, text: &[u8]) -> Outcome {
    let limits = Limits::default();
    let resource = match read(Format::Json, text, &limits) {
        Ok(resource) => resource,
        Err(issues) => return Outcome::Refused(issues),
    };
    let told: Vec<Issue> = remarks(&resource.value);
    let places: Vec<&str> = told.iter().filter_map(|issue| issue.expression.as_deref()).collect();
    let expected: Vec<&str> =
        MISDIRECTED.iter().filter(|(listed, _)| *listed == name).map(|(_, place)| *place).collect();
    if places != expected {
        return Outcome::Differs(format!("as listed: {told:?}"));
    }
    let written = to_string(&resource.value);
    if parse(written.as_bytes(), &limits).as_ref() != Ok(&resource.value) {
        return Outcome::Differs("from JSON to JSON".to_owned());
    }
    let xml = match write_xml(&resource.value) {
        Ok(xml) => xml,
        Err(issue) => return Outcome::Differs(format!("on the way to XML: {}", issue.text)),
    };
    match read(Format::Xml, xml.as_bytes(), &limits) {
        Ok(back) if back.resource_type == resource.resource_type && back.value.same(&resource.value) => Outcome::Same,
        Ok(_) => Outcome::Differs("from JSON to XML to JSON".to_owned()),
        Err(issues) => Outcome::Differs(format!("on the way from XML: {issues:?}")),
    }
}

#[test]
fn all_are_accepted_and_come_back_equal() {
    let files = examples(&folder()).unwrap();
    let wrong: BTreeMap<&str, (&str, &str)> =
        WRONG.iter().map(|(name, place, text)| (*name, (*place, *text))).collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = file.file_stem().unwrap().to_str().unwrap();
                    let text = std::fs::read(file).unwrap();
                    let failure = match (try_one(name, &text), wrong.get(name)) {
                        (Outcome::Same, None) => continue,
                        (Outcome::Same, Some(_)) => "is listed as wrong, but accepted".to_owned(),
                        (Outcome::Differs(how), _) => format!("is not the same {how}"),
                        (Outcome::Refused(issues), None) => format!("is refused: {issues:?}"),
                        (Outcome::Refused(issues), Some((place, text))) => {
                            let first = &issues[0];
                            if first.expression.as_deref() == Some(place) && first.text.contains(text) {
                                continue;
                            }
                            format!("is refused for another reason than listed: {first:?}")
                        }
                    };
                    failures.lock().unwrap().push(format!("{name} {failure}"));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {COUNT}:\n{}", failures.len(), failures.join("\n"));
}
