//! Plain texts are found however they are written, and codes as they are (R4 "Search", token).

use crate::entry::{Entries, Entry};
use crate::index::extract_under;
use crate::json::{Limits, Value, parse as parse_json};
use crate::registry::path::DataType;
use crate::registry::{Kind, Leaf, Parameter, ResourceType, combined, parameters};
use crate::search::{Handling, parse};
use crate::value::read;

const BASE: &str = "https://phr.example/fhir";

/// The rows of a value that a parameter finds.
fn rows(parameter: &Parameter, data_type: DataType, value: &Value<'_>) -> Vec<Entry> {
    let leaf = Leaf {
        parameter: parameter.id,
        identifier: parameter.identifier_id(),
        text: parameter.text_id(),
        of_type: parameter.of_type_id(),
        any_case: parameter.any_case_id(),
        base_unit: parameter.base_unit_id(),
        kind: parameter.kind,
        data_type,
        refers_to: None,
    };
    let mut found = Vec::new();
    match parameter.kind {
        Kind::Reference => read::reference(&leaf, value, BASE, &mut found),
        _ => read::token(&leaf, value, &mut found),
    }
    found
}

/// Whether what has these rows is found.
fn finds(resource_type: ResourceType, rows: &[Entry], name: &str, value: &str) -> bool {
    let pairs = [(name.to_owned(), value.to_owned())];
    let query = parse(Some(resource_type), &pairs, Handling::Strict, 0, BASE).expect("a query");
    let mut entries = Entries::none(resource_type, "x".to_owned(), 0);
    entries.rows = rows.to_vec();
    query.predicate.holds(&entries)
}

#[test]
fn every_plain_text_is_found_in_any_case() {
    let parsed = |text: &'static str| parse_json(text.as_bytes(), &Limits::default()).expect("a value");
    let identifier = parsed(r#"{"system":"urn:S","value":"AbC-É1","type":{"coding":[{"system":"t","code":"MR"}]}}"#);
    let reference = Value::object([("identifier", identifier.clone())]);
    let mut tried = 0;
    for resource_type in ResourceType::all() {
        // What others find together has no rows of its own.
        let own = |one: &&Parameter| one.resource_type.is_some() && combined(one.id).is_none();
        for parameter in parameters(resource_type).filter(own) {
            let name = &parameter.code;
            let found = |rows: &[Entry], modifier: &str, value: &str| {
                finds(resource_type, rows, &format!("{name}{modifier}"), value)
            };
            if parameter.kind == Kind::Reference {
                let rows = rows(parameter, DataType::Reference, &reference);
                for value in ["abc-é1", "urn:S|ABC-É1", "urn:S|AbC-É1"] {
                    assert!(found(&rows, ":identifier", value), "{resource_type}?{name}:identifier={value}");
                }
                assert!(!found(&rows, ":identifier", "urn:s|abc-é1"), "a system is an address, in which case matters");
                tried += 1;
            }
            for path in
                parameter.paths.iter().filter(|path| parameter.is_of_plain_texts() && path.data_type.is_plain_text())
            {
                let rows = match path.data_type {
                    DataType::String => rows(parameter, path.data_type, &Value::string("AbC-É1")),
                    _ => rows(parameter, path.data_type, &identifier),
                };
                for value in ["abc-é1", "ABC-É1", "AbC-É1"] {
                    assert!(found(&rows, "", value), "{resource_type}?{name}={value}");
                    assert!(!found(&rows, ":not", value), "{resource_type}?{name}:not={value}");
                }
                assert!(!found(&rows, "", "abc-é2"), "{resource_type}?{name}");
                if path.data_type == DataType::Identifier {
                    assert!(found(&rows, ":of-type", "t|MR|abc-é1"), "{resource_type}?{name}:of-type");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 600, "{tried}");
}

#[test]
fn a_text_that_was_indexed_before_is_still_found_as_it_is_written() {
    let patient = ResourceType::of("Patient");
    let resource = br#"{"resourceType":"Patient","identifier":[{"system":"s","value":"ABC"}]}"#;
    let value = parse_json(resource, &Limits::default()).expect("a value");
    let mut entries = extract_under(BASE, patient, "p", 0, &value);
    let any_case = crate::registry::parameter(patient, "identifier").expect("a parameter").any_case_id();
    entries.rows.retain(|row| row.parameter != any_case);
    assert!(finds(patient, &entries.rows, "identifier", "s|ABC"));
    assert!(!finds(patient, &entries.rows, "identifier", "s|abc"));
}

#[test]
fn a_code_is_found_as_it_is_written() {
    let observation = ResourceType::of("Observation");
    let resource = br#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"LA1-x"}]}}"#;
    let value = parse_json(resource, &Limits::default()).expect("a value");
    let entries = extract_under(BASE, observation, "o", 0, &value).rows;
    assert!(finds(observation, &entries, "code", "LA1-x") && !finds(observation, &entries, "code", "la1-x"));
    assert!(finds(observation, &entries, "status", "final") && !finds(observation, &entries, "status", "FINAL"));
}

/// Over every token: what has no system is asked for without one, and anything else with one as well.
#[test]
fn what_has_no_system_is_asked_for_without() {
    let (mut without, mut with) = (0, 0);
    for resource_type in ResourceType::all() {
        for parameter in parameters(resource_type).filter(|one| one.kind == Kind::Token && one.resource_type.is_some())
        {
            let taken = |value: &str| {
                let pairs = [(parameter.code.to_string(), value.to_owned())];
                parse(Some(resource_type), &pairs, Handling::Strict, 0, BASE).is_ok()
            };
            let name = format!("{resource_type}?{}", parameter.code);
            assert!(taken("x") && taken("|x"), "{name}");
            assert_eq!(
                (taken("s|x"), taken("s|")),
                (!parameter.has_no_systems(), !parameter.has_no_systems()),
                "{name}"
            );
            *(if parameter.has_no_systems() { &mut without } else { &mut with }) += 1;
        }
    }
    assert!(without > 40 && with > 400, "{without} {with}");
}
