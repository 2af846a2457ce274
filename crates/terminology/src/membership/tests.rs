//! Whether a code is in a set, or nobody can tell.

use crate::tests::from_json;
use concord_fhir::terminology::Code;
use serde_json::json;

use super::*;
use crate::library::{Library, Nothing};

fn of(set: &str, system: &str, code: &str) -> Membership {
    member_of(set, CodingRef::of(Some(system).filter(|system| !system.is_empty()), code))
}

#[test]
fn bindings_of_r4() {
    let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let system = "http://hl7.org/fhir/administrative-gender";
    for (set, system, code, expected) in [
        (gender, system, "female", Membership::Yes),
        (gender, "", "female", Membership::Yes),
        (gender, system, "FEMALE", Membership::No),
        (gender, "urn:own", "female", Membership::No),
        ("http://hl7.org/fhir/ValueSet/no-such", system, "female", Membership::Unknown),
        // By a filter over a hierarchy.
        (
            "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse",
            "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "BTG",
            Membership::Yes,
        ),
        (
            "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse",
            "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "PATCAR",
            Membership::No,
        ),
        // By other value sets.
        ("http://hl7.org/fhir/ValueSet/units-of-time", "http://unitsofmeasure.org", "min", Membership::Yes),
        // By a grammar.
        ("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mmol/L", Membership::Yes),
        ("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "beats", Membership::No),
        ("http://hl7.org/fhir/ValueSet/mimetypes", "urn:ietf:bcp:13", "text/plain; charset=utf-8", Membership::Yes),
        ("http://hl7.org/fhir/ValueSet/mimetypes", "urn:ietf:bcp:13", "plain", Membership::No),
        // What is not here is nobody's to tell, and a code of another system is not in it.
        ("http://hl7.org/fhir/ValueSet/body-site", "http://snomed.info/sct", "1", Membership::Unknown),
        ("http://hl7.org/fhir/ValueSet/body-site", "urn:own", "1", Membership::No),
        ("http://hl7.org/fhir/ValueSet/ldlcholesterol-codes", "http://loinc.org", "18262-6", Membership::Unknown),
    ] {
        assert_eq!(of(set, system, code), expected, "{set} {system} {code}");
        assert_eq!(of(set, system, code), expected, "asked again: {set} {system} {code}");
    }
}

/// What is in a part that can be told is in the set, whatever else is in it.
#[test]
fn half_of_a_set_tells_half() {
    let set = ValueSet::read(&from_json(&json!({ "resourceType": "ValueSet", "compose": {
        "include": [
            { "system": "http://snomed.info/sct", "filter": [{ "property": "concept", "op": "is-a", "value": "1" }] },
            { "system": "http://hl7.org/fhir/administrative-gender" } ],
        "exclude": [{ "system": "http://hl7.org/fhir/administrative-gender", "concept": [{ "code": "other" }] }] } })));
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let mut is_in = |system: &str, code: &str| {
        library.is_in(&set, &Code { system: system.to_owned(), code: code.to_owned() }).unwrap()
    };
    assert_eq!(is_in("http://hl7.org/fhir/administrative-gender", "male"), Membership::Yes);
    assert_eq!(is_in("http://hl7.org/fhir/administrative-gender", "other"), Membership::No);
    assert_eq!(is_in("http://hl7.org/fhir/administrative-gender", "no"), Membership::No);
    assert_eq!(is_in("http://snomed.info/sct", "22298006"), Membership::Unknown);
    assert_eq!(is_in("urn:own", "22298006"), Membership::No);
    assert_eq!(library.doubts(), ["http://snomed.info/sct is not here"]);
}

/// Units are formed alike in every version; of what is here in another version it is said in which.
#[test]
fn versions_that_are_not_here() {
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    for (system, code, expected) in [
        ("http://unitsofmeasure.org|2.1", "mm[Hg]", Membership::Yes),
        ("http://unitsofmeasure.org|2.1", "mmHg", Membership::No),
        ("urn:ietf:bcp:47|x", "en-GB", Membership::Yes),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode|4.0.0", "AMB", Membership::Unknown),
    ] {
        assert_eq!(library.is_code(system, code).unwrap().0, expected, "{system} {code}");
    }
    let here = library.code_system("http://terminology.hl7.org/CodeSystem/v3-ActCode").unwrap().unwrap();
    let version = here.version.as_deref().unwrap();
    let said = format!("http://terminology.hl7.org/CodeSystem/v3-ActCode|4.0.0 is not here, but in version {version}");
    assert_eq!(library.doubts(), [said]);
}

/// R4's check has the codes of required bindings in lists of its own, which are made of the published expansions. Both say the
/// same of every code that either knows.
#[test]
fn the_lists_of_the_check_say_the_same() {
    let mut compared = 0;
    for binding in concord_fhir::schema::r4().bindings() {
        let url = format!("http://hl7.org/fhir/ValueSet/{}", binding.name);
        let mut source = Nothing;
        let mut library = Library::within(&mut source, usize::MAX);
        let Ok(items) = library.expand_named(&url) else { continue };
        let mut differ: Vec<String> = items
            .iter()
            .filter(|item| !item.is_abstract && !binding.has_coding(&item.system, &item.code))
            .map(|item| format!("+{}", item.code))
            .collect();
        for (system, codes) in &binding.systems {
            let missing = codes.iter().filter(|code| of(&url, system, code) != Membership::Yes);
            differ.extend(missing.map(|code| format!("-{code}")));
        }
        compared += 1;
        assert_eq!(differ, [""; 0], "{url}");
    }
    assert!(compared > 200, "{compared}");
}
