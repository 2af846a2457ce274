//! Examples that their publishers vouch for have no errors: those of R4, of UK Core and of the International Patient Summary.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where its files are not as they should be, and says what it has counted"
)]

use std::path::{Path, PathBuf};

use concord_fhir::codec::{Format, read};
use concord_fhir::issue::Severity;
use concord_fhir::json::{Limits, Value};
use concord_profile::check::{Asked, Checker};
use concord_profile::library::Library;
use concord_terminology::Tables;

/// Every resource in a folder that is FHIR by the rules of R4, with the name of its file; and the names of the others.
fn resources(folder: &Path) -> (Vec<(String, Value<'static>)>, Vec<String>) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for path in files {
        let format = match path.extension().and_then(|end| end.to_str()) {
            Some("xml") => Format::Xml,
            Some("json") => Format::Json,
            _ => continue,
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        match read(format, &bytes, &Limits::default()) {
            Ok(resource) => found.push((name, resource.value.into_owned())),
            Err(_) if name == "package.json" || name.starts_with('.') => {}
            Err(_) => refused.push(name),
        }
    }
    (found, refused)
}

/// How many resources of a folder are looked at, which are refused by R4 alone, and the errors of the others, a line each.
fn errors(folder: &Path) -> (usize, Vec<String>, Vec<String>) {
    let library = Library::shipped();
    let checker = Checker { library, terminology: &Tables, stored: None, is_whole: true, now: None, together: None };
    let mut lines = Vec::new();
    let (resources, refused) = resources(folder);
    let named = resources.iter().filter(|(name, resource)| meant(library, name, resource).is_some()).count();
    println!("{named} of them name a profile of UK Core");
    for (name, resource) in &resources {
        let named: Vec<String> = meant(library, name, resource).into_iter().collect();
        for issue in checker.check(resource, Asked { profiles: &named, claimed: None }) {
            if issue.severity >= Severity::Error {
                lines.push(format!("{name} {}: {}", issue.expression.unwrap_or_default(), issue.text));
            }
        }
    }
    (resources.len(), refused, lines)
}

/// The profile that the name of an example of UK Core says, which claims none: the longest that it begins with.
fn meant(library: &Library, name: &str, resource: &Value<'_>) -> Option<String> {
    const UK: &str = "https://fhir.hl7.org.uk/StructureDefinition/";
    let own = resource.text("resourceType")?;
    let fits = |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-'));
    library
        .definitions()
        .filter(|definition| definition.type_name == own)
        .filter(|definition| definition.url.strip_prefix(UK).is_some_and(fits))
        .map(|definition| definition.url.clone())
        .max_by_key(String::len)
}

/// A folder by a variable of the environment, or where it is usually found.
fn folder(variable: &str, usual: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| usual.to_owned());
    if folder.is_dir() {
        return Some(folder);
    }
    println!("not compared: {} is not there ({variable} names it)", folder.display());
    None
}

fn beside_the_tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}

#[test]
fn the_examples_of_uk_core_have_no_errors() {
    let Some(folder) = folder("CONCORD_UKCORE", &beside_the_tree().join("ukcore")) else { return };
    let (count, refused, errors) = errors(&folder.join("examples"));
    println!("{count} examples of UK Core, {} refused by R4, {} errors", refused.len(), errors.len());
    // Elements out of order, a choice made twice, and a Bundle with relative addresses of entries.
    let wrong = [
        "Extension-UKCore-CodingSCT-IllicitDrugs-Example.xml",
        "Extension-UKCore-ConditionEpisode-Example.xml",
        "UKCore-Bundle-NEWS2Observations-Example.xml",
        "UKCore-Observation-Lab-Albumin-Example.xml",
        "UKCore-Questionnaire-EOLPlan-Example.xml",
    ];
    assert_eq!(refused, wrong);
    assert_eq!(errors, [""; 0]);
}

#[test]
fn the_examples_of_the_patient_summary_have_no_errors() {
    let Some(folder) = folder("CONCORD_IPS", &beside_the_tree().join("ips")) else { return };
    let (count, refused, errors) = errors(&folder.join("example"));
    assert_eq!(refused, [""; 0]);
    println!("{count} examples of the International Patient Summary, {} errors", errors.len());
    assert_eq!(errors, [""; 0]);
}

/// What is wrong with R4's own examples: identifiers, properties and addresses of entries, a definition that contradicts itself, a part that its definition calls otherwise, and modifier extensions that nobody defines.
const KNOWN: &[&str] = &[
    "'2.16.840.1.113883.19.5' must be a full url, such as urn:oid:1.2.3, for the system is urn:ietf:rfc:3986",
    "'Local eCMS identifier' must be a full url, such as urn:oid:1.2.3, for the system is urn:ietf:rfc:3986",
    "Extension.extension:revision.extension: its slices ask for 3, and at most 0 may be there",
    "an entry says by its fullUrl which resource it is",
    "the extension http://hl7.org/fhir/StructureDefinition/hla-genotyping-results-glstring has no part 'uri'",
    "the modifier extension http://example.org/do-not-use/fhir-extensions/referral#referredForService is not known here, so that what it changes about this cannot be respected",
    "the modifier extension http://example.org/do-not-use/fhir-extensions/referral#status is not known here, so that what it changes about this cannot be respected",
    "the modifier extension http://example.org/do-not-use/fhir-extensions/referral#targetDate is not known here, so that what it changes about this cannot be respected",
    "the property 'Laterality' is defined more",
];

#[test]
fn the_examples_of_r4_have_no_errors() {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let usual = home.join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package");
    let Some(folder) = folder("CONCORD_FHIR_EXAMPLES", &usual) else { return };
    let (count, refused, errors) = errors(&folder);
    // Which of them R4's own rules refuse is told by the tests of those.
    println!("{count} examples of R4, {} refused by R4, {} errors", refused.len(), errors.len());
    let kind = |line: &'_ String| {
        line.split_once(": ").map(|(_, text)| text.split(" than ").next().unwrap_or(text).to_owned())
    };
    let mut kinds: Vec<String> = errors.iter().filter_map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, KNOWN);
}
