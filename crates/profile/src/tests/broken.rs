//! Definitions that cannot be used: each is refused with the place, and none takes long.

use super::{library, profile, profile_text, value};
use crate::definition::{Definition, MOST_ELEMENTS};

fn refusal(elements: &str) -> (String, String) {
    let library = library(Vec::new());
    let issue = library.check(&profile("urn:p", "Observation", elements)).unwrap_err();
    (issue.expression.unwrap_or_default(), issue.text)
}

#[test]
fn what_contradicts_itself_is_refused_at_its_place() {
    for (elements, place, words) in [
        (r#"{"path":"Observation.note","min":3,"max":"2"}"#, "differential.element[0]", "contradict"),
        (
            r#"{"path":"Observation.note"},{"path":"Observation.nothing","min":1}"#,
            "differential.element[1]",
            "no element",
        ),
        (
            r#"{"path":"Observation.status","fixedCode":"a"},{"path":"Observation.status","fixedCode":"b"}"#,
            "differential.element[1]",
            "fixed to another",
        ),
        (
            r#"{"path":"Observation.status","type":[{"code":"HumanName"}]}"#,
            "differential.element[0]",
            "never of type HumanName",
        ),
        (
            r#"{"path":"Observation.value[x]","type":[{"code":"Quantity"}]},{"path":"Observation.value[x]","type":[{"code":"string"}]}"#,
            "differential.element[1]",
            "not of type string in what",
        ),
        (
            r#"{"path":"Observation.note","max":"1","slicing":{"discriminator":[{"type":"value","path":"text"}]}},
               {"path":"Observation.note","sliceName":"a","min":1},{"path":"Observation.note","sliceName":"b","min":1}"#,
            "differential",
            "its slices ask for 2",
        ),
        (
            r#"{"path":"Observation.note","slicing":{"discriminator":[{"type":"value","path":"nothing"}]}}"#,
            "differential.element[0]",
            "no element",
        ),
        (
            r#"{"path":"Observation.note","slicing":{"discriminator":[{"type":"value","path":"text.where(true)"}]}}"#,
            "differential.element[0]",
            "cannot be told apart",
        ),
        (
            r#"{"path":"Observation.note","sliceName":"a"},{"path":"Observation.note","sliceName":"b"}"#,
            "differential",
            "nothing says how",
        ),
    ] {
        let (at, said) = refusal(elements);
        assert_eq!(at, format!("StructureDefinition.{place}"), "{elements}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn what_starts_from_itself_or_from_nothing_is_refused() {
    let of = |url: &str, base: &str| Definition::read(&value(&profile_text(url, "Observation", base, ""))).unwrap();
    let circle = library(vec![of("urn:a", "urn:b"), of("urn:b", "urn:a"), of("urn:c", "urn:missing")]);
    let said = |url: &str| circle.profile(url).unwrap().unwrap_err().text.clone();
    assert!(said("urn:a").contains("starts from itself"));
    let unused = library(Vec::new()).check(&of("urn:own", "urn:own")).unwrap_err();
    assert!(unused.text.contains("starts from itself"), "{}", unused.text);
    assert!(said("urn:c").contains("urn:missing is not known here"));
    let long = library((0..30).map(|n| of(&format!("urn:{n}"), &format!("urn:{}", n + 1))).collect());
    assert!(long.profile("urn:0").unwrap().unwrap_err().text.contains("more than 20 definitions"));
    let type_of_another = library(vec![profile("urn:patient", "Patient", ""), of("urn:x", "urn:patient")]);
    assert!(type_of_another.profile("urn:x").unwrap().unwrap_err().text.contains("constrains Patient"));
}

#[test]
fn profiles_that_ask_for_each_other_end() {
    let of = |url: &str, other: &str| {
        let elements =
            format!(r#"{{"path":"Patient.link.other","type":[{{"code":"Reference","targetProfile":["{other}"]}}]}}"#);
        profile(url, "Patient", &elements)
    };
    let library = library(vec![of("urn:a", "urn:b"), of("urn:b", "urn:a")]);
    let patient = r##"{"resourceType":"Patient","link":[{"type":"seealso","other":{"reference":"#"}}]}"##;
    assert_eq!(super::places(&library, "urn:a", patient), [""; 0]);
}

#[test]
fn what_has_too_many_elements_is_refused() {
    let many = vec![r#"{"path":"Observation.note"}"#; MOST_ELEMENTS + 1].join(",");
    let text = profile_text("urn:p", "Observation", "http://hl7.org/fhir/StructureDefinition/Observation", &many);
    let issue = Definition::read(&value(&text)).unwrap_err();
    assert_eq!(issue.expression.as_deref(), Some("StructureDefinition.differential.element"));
    for wrong in ["url", "type", "baseDefinition"] {
        let mut bare = value(&profile_text("urn:p", "Observation", "urn:b", ""));
        bare.as_object_mut().unwrap().remove(wrong);
        assert!(Definition::read(&bare).is_err(), "{wrong}");
    }
}

/// An expression that is too long, too deep, asks for a pattern that explodes or for what there is not is told where it stands.
#[test]
fn expressions_that_cannot_be_used_are_told_where_they_are() {
    let nested = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    let told = |expression: &str| {
        let text = profile_text(
            "urn:p",
            "Observation",
            "http://hl7.org/fhir/StructureDefinition/Observation",
            &format!(
                r#"{{"path":"Observation.note"}},{{"path":"Observation","constraint":[{{"key":"k-1","severity":"error","human":"h","expression":"{expression}"}}]}}"#
            ),
        );
        crate::definition::unreadable(&value(&text))
    };
    for expression in [
        "a".repeat(100_000),
        nested,
        "'a'.matches('((((a{1,99}){1,99}){1,99}){1,99})')".to_owned(),
        "'a'.replaceMatches('(((a{99}){99}){99})', 'b')".to_owned(),
        "%factory.Coding('a')".to_owned(),
    ] {
        let found = told(&expression);
        let places: Vec<&str> = found.iter().filter_map(|issue| issue.expression.as_deref()).collect();
        assert_eq!(places, ["StructureDefinition.differential.element[1].constraint[0].expression"]);
        assert!(found[0].text.len() < 500, "{}", found[0].text);
    }
    assert_eq!(told("note.exists()"), []);
}
