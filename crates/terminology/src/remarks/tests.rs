//! Each kind of slip, and what is none.

use serde_json::{Value as Json, json};

use super::*;
use crate::tests::from_json;

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const UCUM: &str = "http://unitsofmeasure.org";

fn told(resource: &Json) -> Vec<(String, String)> {
    let issues = on_codes(&from_json(resource));
    assert!(issues.iter().all(|issue| issue.severity == Severity::Warning));
    issues.into_iter().map(|issue| (issue.expression.unwrap_or_default(), issue.text)).collect()
}

fn coded(coding: Json) -> Json {
    json!({ "resourceType": "Observation", "status": "final", "code": { "coding": [coding] } })
}

/// The member of the coding that is odd, and the text.
fn of_coding(system: &str, code: &str) -> Option<(String, String)> {
    let (place, text) = told(&coded(json!({ "system": system, "code": code }))).into_iter().next()?;
    Some((place.strip_prefix("Observation.code.coding[0].").expect("its place").to_owned(), text))
}

fn member(system: &str, code: &str) -> Option<String> {
    of_coding(system, code).map(|(member, _)| member)
}

#[test]
fn check_digits() {
    for code in ["8480-6", "8462-4", "85354-9", "29463-7", "15074-8", "2708-6", "60591-5", "42348-3"] {
        assert_eq!(member(LOINC, code), None, "{code}");
    }
    for code in ["8480-7", "8408-6", "15074-9"] {
        assert_eq!(member(LOINC, code).as_deref(), Some("code"), "{code}");
    }
    for other in ["8480", "x-y", "MTHU-1x", "LA6576-8", "-6"] {
        assert_eq!(member(LOINC, other), None, "{other}");
    }
    assert_eq!(member("urn:own", "8480-7"), None);
    // Concepts of the international edition and of the United Kingdom's.
    for code in ["73211009", "22298006", "46635009", "75367002", "198081000000101", "24700007"] {
        assert_eq!(member(SNOMED, code), None, "{code}");
    }
    for (code, words) in [
        ("73211008", "check digit"),
        ("73212009", "check digit"),
        ("12", "check digit"),
        ("C10E.", "numbers of 6 to 18 digits"),
        // Type 2 diabetes mellitus, by one of its descriptions.
        ("197761014", "a description"),
    ] {
        let (place, text) = of_coding(SNOMED, code).unwrap_or_default();
        assert!(place == "code" && text.contains(words), "{code}: {text}");
    }
    assert_eq!(member(SNOMED, "73211009:246090004=1"), None, "an expression");
}

#[test]
fn systems_that_are_nearly_right() {
    for (system, meant) in [
        ("loinc.org", LOINC),
        ("https://loinc.org", LOINC),
        ("http://loinc.org/", LOINC),
        ("http://www.loinc.org", LOINC),
        ("http://LOINC.org", LOINC),
        ("LOINC", LOINC),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("http://snomed.info", SNOMED),
        ("http://snomed.info/sct/", SNOMED),
        ("https://snomed.info/sct", SNOMED),
        ("snomed.info/sct", SNOMED),
        ("SNOMED CT", SNOMED),
        ("http://snomed.info/sct|20240101", SNOMED),
        ("http://hl7.org/fhir/v3/ActCode", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
        // Where it was before R4.
        ("http://hl7.org/fhir/observation-category", "http://terminology.hl7.org/CodeSystem/observation-category"),
        ("https://terminology.hl7.org/CodeSystem/consentscope", "http://terminology.hl7.org/CodeSystem/consentscope"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActReasons", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
        ("http://hl7.org/fhir/resource-type", "http://hl7.org/fhir/resource-types"),
        ("http://dmd.nhs.uk", "https://dmd.nhs.uk"),
        ("my codes", "absolute address"),
    ] {
        let (place, text) = of_coding(system, "22298006").unwrap_or_default();
        assert!(place == "system" && text.contains(meant), "{system}: {text}");
    }
    for system in [
        "http://snomed.info/sct/83821000000107",
        "http://loinc.org/property/PARENT",
        "http://example.org/loinc.org",
        "http://example.org/fhir/resource-type",
        "https://fhir.hl7.org.uk/CodeSystem/UKCore-Something",
        "http://terminology.hl7.org/CodeSystem/quite-another-thing",
        "urn:uuid:7d3d8d9a-2f0b-4a3e-8f5e-2b0c1d9e8f7a",
        "http://unitsofmeasure.org",
    ] {
        assert_eq!(of_coding(system, "1"), None, "{system}");
    }
}

#[test]
fn codes_without_a_system_and_codes_that_there_are_not() {
    let bare = |code: &str| told(&coded(json!({ "code": code }))).pop().unwrap_or_default().1;
    assert!(bare("8480-6").contains(LOINC) && bare("22298006").contains(SNOMED) && bare("x").contains("no system"));
    assert!(told(&coded(json!({ "display": "A reading" }))).is_empty());
    let tagged = json!({ "resourceType": "Basic", "meta": { "tag": [{ "code": "own" }] }, "code": { "text": "x" } });
    assert!(told(&tagged).is_empty());
    assert_eq!(member("http://hl7.org/fhir/administrative-gender", "female"), None);
    assert_eq!(member("http://hl7.org/fhir/administrative-gender", "woman").as_deref(), Some("code"));
    // Of a code system that is kept elsewhere there may be a newer version.
    assert_eq!(member("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NEW"), None);
}

/// In a Consent's provision a system that is mistyped shares nothing, or hides nothing.
#[test]
fn provisions_of_a_consent() {
    let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
    let consent = json!({ "resourceType": "Consent", "provision": {
        "class": [{ "code": "Goal" }],
        "purpose": [coding("http://terminology.hl7.org/CodeSystem/v3-ActReasn", "TREAT")],
        "securityLabel": [coding("http://hl7.org/fhir/v3/Confidentiality", "R")],
        "provision": [{ "action": [{ "coding": [
            coding("https://terminology.hl7.org/CodeSystem/consentaction", "access")] }] }] } });
    let mut places: Vec<String> = told(&consent).into_iter().map(|(place, _)| place).collect();
    places.sort();
    assert_eq!(
        places,
        [
            "Consent.provision.provision[0].action[0].coding[0].system",
            "Consent.provision.purpose[0].system",
            "Consent.provision.securityLabel[0].system",
        ]
    );
}

#[test]
fn units() {
    let of = |quantity: Json| {
        let reading = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "valueQuantity": quantity, "referenceRange": [{ "low": { "value": 1 } }] });
        told(&reading).pop()
    };
    assert_eq!(of(json!({ "value": 1, "system": UCUM, "code": "mmol/L" })), None);
    assert_eq!(of(json!({ "value": 1, "unit": "tablets" })), None);
    assert_eq!(of(json!({ "value": 1, "system": "urn:own", "code": "mmHg" })), None);
    for (code, meant) in
        [("mmHg", "`mm[Hg]`"), ("bpm", "`/min`"), ("°C", "`Cel`"), ("lbs", "`[lb_av]`"), ("gibberish", "no unit")]
    {
        let (place, text) = of(json!({ "value": 1, "system": UCUM, "code": code })).unwrap_or_default();
        assert!(place == "Observation.valueQuantity.code" && text.contains(meant), "{code}: {text}");
    }
    let (place, text) = of(json!({ "value": 1, "code": "mmol/L" })).unwrap_or_default();
    assert!(place == "Observation.valueQuantity.code" && text.contains(UCUM), "{text}");
    let (place, text) = of(json!({ "value": 1, "system": "UCUM", "code": "mmol/L" })).unwrap_or_default();
    assert!(place == "Observation.valueQuantity.system" && text.contains(UCUM), "{text}");
}

#[test]
fn systems_of_identifiers() {
    let nhs = "https://fhir.nhs.uk/Id/nhs-number";
    let of = |system: &str| {
        told(&json!({ "resourceType": "Patient", "identifier": [{ "system": system, "value": "9000000009" }] })).pop()
    };
    assert_eq!(of(nhs), None);
    assert_eq!(of("https://surgery.example/ids"), None);
    for system in [
        "http://fhir.nhs.uk/Id/nhs-number",
        "https://fhir.nhs.uk/id/nhs-number",
        "https://fhir.nhs.uk/Id/nhs-number/",
        "https://fhir.nhs.net/Id/nhs-number",
        "urn:oid:2.16.840.1.113883.2.1.4.1",
        "NHS number",
    ] {
        let (place, text) = of(system).unwrap_or_default();
        assert!(place == "Patient.identifier[0].system" && text.contains(nhs), "{system}: {text}");
    }
}

#[test]
fn bindings_that_may_be_extended() {
    let of = |coding: Json| {
        let person = json!({ "resourceType": "Patient", "maritalStatus": { "coding": [coding] } });
        on_bindings(&from_json(&person)).into_iter().filter_map(|issue| issue.expression).collect::<Vec<_>>()
    };
    let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
    assert!(of(json!({ "system": system, "code": "M" })).is_empty());
    assert_eq!(of(json!({ "system": "urn:own", "code": "M" })), ["Patient.maritalStatus"]);
    assert!(of(json!({ "display": "Married" })).is_empty(), "text alone is no other code");
}

/// A resource of nothing but slips does not make an answer many times its size.
#[test]
fn there_is_an_end() {
    let codings: Vec<Json> = (0..1_000).map(|_| json!({ "system": "loinc.org", "code": "1-8" })).collect();
    let resource = json!({ "resourceType": "Basic", "code": { "coding": codings } });
    assert_eq!(told(&resource).len(), MOST);
}

/// The examples of the specification have few slips: what is told of them is one.
#[test]
fn examples_of_the_specification() {
    let Some(folder) = crate::tests::official_definitions() else { return };
    let (mut files, mut bare, mut other) = (0, 0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let is_definition = ["StructureDefinition", "ValueSet", "CodeSystem"].iter().any(|kind| name.starts_with(kind));
        let Some(resource) =
            serde_json::from_slice::<Json>(&bytes).ok().filter(|_| !is_definition && bytes.len() < 200_000)
        else {
            continue;
        };
        files += 1;
        for (place, text) in told(&resource) {
            if text.contains("no system") { bare += 1 } else { other.push(format!("{name} {place}: {text}")) }
        }
    }
    assert!(files > 1_000 && bare < 450 && other.len() <= 28, "{other:#?}");
}
