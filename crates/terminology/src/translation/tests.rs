//! Translations forwards and backwards, and how codes lie to one another.

use crate::tests::from_json;
use serde_json::json;

use concord_fhir::issue::IssueCode;
use concord_fhir::terminology::{Code, Terminology};

use super::*;
use crate::item::Dependency;
use crate::library::{Library, Nothing};

fn asked(system: &str, code: &str, reverse: bool) -> Translation {
    let code = Code { system: system.to_owned(), code: code.to_owned() };
    Translation {
        code,
        version: None,
        dependencies: Vec::new(),
        target_system: None,
        source: None,
        target: None,
        reverse,
    }
}

fn codes(found: &[Match]) -> Vec<(&str, &str)> {
    let code = |one: &'_ Match| one.code.as_ref().map_or("-", |code| &code.code).len();
    assert!(found.iter().all(|one| code(one) > 0));
    found
        .iter()
        .map(|one| (one.equivalence.as_str(), one.code.as_ref().map_or("-", |code| code.code.as_str())))
        .collect()
}

#[test]
fn maps_of_r4() {
    let map = "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v2";
    let gender = "http://hl7.org/fhir/administrative-gender";
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let found = library.translate_named(Some(map), &asked(gender, "female", false)).unwrap();
    assert_eq!(codes(&found), [("equal", "F")]);
    let found =
        library.translate_named(Some(map), &asked("http://terminology.hl7.org/CodeSystem/v2-0001", "F", true)).unwrap();
    assert_eq!(codes(&found), [("equal", "female")]);
    assert!(library.translate_named(Some(map), &asked(gender, "no", false)).unwrap_or_default().is_empty());
    // Without a map, all that fit.
    let mut any = asked(gender, "female", false);
    assert!(library.translate_named(None, &any).unwrap().len() >= 2);
    any.target_system = Some("http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender".to_owned());
    assert_eq!(codes(&library.translate_named(None, &any).unwrap()), [("equal", "F")]);
    assert!(library.translate_named(Some("urn:no-map"), &any).is_err());
}

#[test]
fn codes_that_are_mapped_to_nothing() {
    let map = |unmapped: serde_json::Value| {
        ConceptMap::read(&from_json(&json!({ "resourceType": "ConceptMap", "url": "urn:m", "group": [
            { "source": "a", "target": "b", "unmapped": unmapped, "element": [
                { "code": "1", "target": [{ "code": "x", "equivalence": "wider" }] },
                { "code": "2", "target": [{ "equivalence": "unmatched" }] } ] }] })))
    };
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let fixed = map(json!({ "mode": "fixed", "code": "z" }));
    let mut told = |map: &ConceptMap, code: &str, reverse: bool| {
        let found = library.translate(map, &asked("", code, reverse)).unwrap();
        codes(&found).into_iter().map(|(one, two)| format!("{one} {two}")).collect::<Vec<_>>()
    };
    assert_eq!(told(&fixed, "1", false), ["wider x"]);
    assert_eq!(told(&fixed, "2", false), ["unmatched -"]);
    assert_eq!(told(&fixed, "3", false), ["inexact z"]);
    assert_eq!(told(&fixed, "x", true), ["narrower 1"]);
    assert_eq!(told(&map(json!({ "mode": "provided" })), "3", false), ["equal 3"]);
    assert!(told(&map(json!({ "mode": "other-map", "url": "urn:none" })), "3", false).is_empty());
}

/// A mapping that depends on something else holds where that is said, and tells what is so besides.
#[test]
fn what_depends_on_something_else_is_told_only_with_it() {
    let target = |code: &str, value: &str| {
        json!({ "code": code, "equivalence": "equivalent",
            "dependsOn": [{ "property": "urn:side", "system": "urn:sides", "value": value }],
            "product": [{ "property": "urn:depth", "value": "deep" }] })
    };
    let map = ConceptMap::read(&from_json(&json!({ "resourceType": "ConceptMap", "url": "urn:m", "group": [
        { "source": "a", "sourceVersion": "2", "target": "b", "element": [
            { "code": "1", "target": [target("l", "left"), target("r", "right")] }] }] })));
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let said = |property: &str, system: Option<&str>, value: &str| Dependency {
        property: property.to_owned(),
        system: system.map(str::to_owned),
        value: value.to_owned(),
    };
    let mut found = |version: Option<&str>, dependencies: Vec<Dependency>| {
        let asked = Translation { version: version.map(str::to_owned), dependencies, ..asked("a", "1", false) };
        library.translate(&map, &asked).unwrap()
    };
    assert!(found(None, Vec::new()).is_empty());
    let left = found(None, vec![said("urn:side", Some("urn:sides"), "left")]);
    assert_eq!(codes(&left), [("equivalent", "l")]);
    assert_eq!(left[0].product, [said("urn:depth", None, "deep")]);
    for wrong in [
        said("urn:other", Some("urn:sides"), "left"),
        said("urn:side", None, "left"),
        said("urn:side", Some("urn:sides"), "up"),
    ] {
        assert!(found(None, vec![wrong.clone()]).is_empty(), "{wrong:?}");
    }
    assert_eq!(found(Some("2"), vec![said("urn:side", Some("urn:sides"), "right")]).len(), 1);
    assert!(found(Some("3"), vec![said("urn:side", Some("urn:sides"), "right")]).is_empty());
}

#[test]
fn subsumption() {
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let mut lies = |one: &str, other: &str| {
        library.subsumes("http://terminology.hl7.org/CodeSystem/v3-ActReason", one, other).ok()
    };
    assert_eq!(lies("TREAT", "TREAT").as_deref(), Some("equivalent"));
    assert_eq!(lies("TREAT", "BTG").as_deref(), Some("subsumes"));
    assert_eq!(lies("BTG", "TREAT").as_deref(), Some("subsumed-by"));
    assert_eq!(lies("BTG", "HPAYMT").as_deref(), Some("not-subsumed"));
    assert_eq!(lies("BTG", "NO-SUCH"), None);
}

/// However many codes are asked about, and however large the map is: one number of steps for all.
#[test]
fn a_translation_has_an_end() {
    let elements: Vec<_> = (0..60_000)
        .map(|number| json!({ "code": number.to_string(), "target": [{ "code": "x", "equivalence": "equal" }] }))
        .collect();
    let group = json!({ "source": "a", "target": "b", "element": elements });
    let map = ConceptMap::read(&from_json(&json!({ "resourceType": "ConceptMap", "group": [group] })));
    let mut source = Nothing;
    let mut library = Library::new(&mut source);
    let refused = (0..50).find_map(|number| library.translate(&map, &asked("a", &number.to_string(), false)).err());
    let Some(LookUpError::Said(code, text)) = refused else { panic!("it goes on") };
    assert!(code == IssueCode::TooCostly && text.contains("ask about less"), "{text}");
}

#[test]
fn what_is_above_what() {
    let tables = crate::Tables;
    let reasons = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    for (above, below, expected) in [
        ("TREAT", "BTG", Membership::Yes),
        ("TREAT", "TREAT", Membership::Yes),
        ("BTG", "TREAT", Membership::No),
        ("BTG", "NO-SUCH", Membership::Unknown),
    ] {
        assert_eq!(tables.subsumes(reasons, above, below), expected, "{above} {below}");
    }
    assert_eq!(tables.subsumes("http://snomed.info/sct", "1", "2"), Membership::Unknown);
}
