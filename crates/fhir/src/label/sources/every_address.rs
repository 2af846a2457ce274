//! Every element of R4 that may hold an address, besides References: of the types uri, url, oid, uuid, canonical and Attachment,
//! and narratives. Each hands on what is decided of it, by itself and in a list, in every spelling of an address.

use super::*;
use crate::schema::{Element, choice};

const BASE: &str = "https://phr.example/fhir";

/// Every element of these types in every shape, with its name in JSON.
fn elements(
    is_wanted: impl Fn(&ElementType) -> bool + Copy,
) -> impl Iterator<Item = (&'static Shape, &'static Element, &'static ElementType, String)> {
    r4().shapes.iter().flat_map(move |shape| {
        shape.elements.iter().flat_map(move |element| {
            let wanted = element.types.iter().filter(move |of_type| is_wanted(of_type));
            wanted.map(move |of_type| {
                let name = match element.is_choice {
                    true => choice(&element.name, &of_type.name),
                    false => element.name.to_string(),
                };
                (shape, element, of_type, name)
            })
        })
    })
}

/// What is found in an object of that shape that has nothing but this.
fn found(shape: &Shape, name: &str, value: &Value<'static>) -> Links {
    let mut all = [value.clone(), Value::Array(vec![Value::Null, value.clone()])].map(|value| {
        let mut object = Object::default();
        object.set(name.to_owned(), value);
        let mut walk = Walk {
            schema: r4(),
            base: BASE,
            found: Links::default(),
            said: Said::default(),
            part: Part::FirstWriters,
            is_inside: false,
            of_parties: false,
        };
        walk.object(shape, &object);
        walk.found
    });
    assert_eq!(all[0], all[1], "{}.{name} in a list", shape.name);
    std::mem::take(&mut all[0])
}

/// The spellings of an address of something of that type, each with the version that it names.
fn spellings(type_name: &str) -> Vec<(String, i64)> {
    let part = ["", "#page=2"];
    let version = [("", 0), ("/_history/3", 3)];
    let root = [String::new(), format!("{BASE}/")];
    let mut all = Vec::new();
    for root in root {
        for (version, number) in version {
            all.extend(part.map(|part| (format!("{root}{type_name}/it{version}{part}"), number)));
        }
    }
    all
}

/// What an element that says this hands on of an address, and hands on to it.
fn expected(says: Says, type_name: &str, version: i64) -> Links {
    let resource_type = ResourceType::of(type_name);
    let named = |version| vec![Source { resource_type, id: "it".to_owned(), version }];
    Links {
        sources: if says.hands_on(resource_type) { named(version) } else { Vec::new() },
        contents: if says.hands_back_to(resource_type) { named(0) } else { Vec::new() },
        ..Links::default()
    }
}

/// A type of which labels are handed on, one of people, one that is content and one that may be.
const TYPES: [&str; 4] = ["Encounter", "Patient", "Binary", "Media"];

#[test]
fn every_uri_that_may_be_an_address_hands_on_what_it_leads_to() {
    let is_uri = |of_type: &ElementType| {
        matches!(of_type.kind, TypeKind::Primitive(Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid))
    };
    let (mut follows, mut names) = (0, 0);
    // That of an attachment goes by what the attachment stands in.
    for (shape, element, of_type, name) in elements(is_uri).filter(|(shape, ..)| shape.name != "Attachment") {
        let says = match links::is_address(shape, element, of_type) {
            true => Says::Who,
            false => Says::Nothing,
        };
        for type_name in TYPES {
            for (address, version) in spellings(type_name) {
                let wanted = expected(says, type_name, version);
                assert_eq!(
                    found(shape, &name, &Value::string(address.clone())),
                    wanted,
                    "{}.{name}: {address}",
                    shape.name
                );
            }
        }
        follows += usize::from(says == Says::Who);
        names += usize::from(says == Says::Nothing);
    }
    assert!(follows > 60 && names > 50, "{follows} {names}");
}

#[test]
fn every_attachment_hands_on_what_its_row_says() {
    let mut tried = 0;
    for (shape, _, _, name) in elements(|of_type| of_type.name == "Attachment") {
        let says = Says::of(&shape.name, &name);
        for type_name in TYPES {
            for (address, version) in spellings(type_name) {
                let mut attachment = Object::default();
                attachment.set("url", Value::string(address.clone()));
                let wanted = expected(says, type_name, version);
                assert_eq!(found(shape, &name, &Value::Object(attachment)), wanted, "{}.{name}: {address}", shape.name);
            }
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn every_canonical_hands_on_what_its_row_says() {
    let (mut follows, mut none) = (0, 0);
    let is_canonical = |of_type: &ElementType| of_type.kind == TypeKind::Primitive(Primitive::Canonical);
    for (shape, _, _, name) in elements(is_canonical) {
        let says = Says::of(&shape.name, &name);
        for bare in ["http://x.example/q", "Questionnaire/it", "https://phr.example/fhir/Questionnaire/it"] {
            let mut wanted = match bare.ends_with("/it") {
                true => expected(says, "Questionnaire", 0),
                false => Links::default(),
            };
            wanted.canonicals.extend((!says.spares()).then(|| bare.to_owned()));
            for rest in ["", "|2", "#part", "|2#part"] {
                let canonical = Value::string(format!("{bare}{rest}"));
                assert_eq!(found(shape, &name, &canonical), wanted, "{}.{name}: {bare}{rest}", shape.name);
            }
        }
        follows += usize::from(!says.spares());
        none += usize::from(says.spares());
    }
    assert!(follows > 30 && none > 50, "{follows} {none}");
}

#[test]
fn every_narrative_hands_on_what_it_links_to_and_shows() {
    let mut tried = 0;
    let is_narrative = |of_type: &ElementType| of_type.kind == TypeKind::Primitive(Primitive::Xhtml);
    for (shape, _, _, name) in elements(is_narrative) {
        for type_name in TYPES {
            for (address, version) in spellings(type_name) {
                for inner in [
                    format!("<a href='{address}'>x</a>"),
                    format!("<p><img alt='' src=\"{address}\"/></p>"),
                    format!("<img alt='' src='#x' longdesc='{address}'/>"),
                    format!("<q cite='{address}'>x</q>"),
                    format!("<blockquote cite='{address}'>x</blockquote>"),
                    format!("<map name='x'><area alt='' href='{address}'/></map>"),
                    format!("<p style='background: url({address})'>x</p>"),
                    format!("<td style=\"background-image: URL( '{address}' ), url(other.png)\">x</td>"),
                ] {
                    let div = Value::string(format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>"));
                    assert_eq!(
                        found(shape, &name, &div),
                        expected(Says::Who, type_name, version),
                        "{}.{name}: {inner}",
                        shape.name
                    );
                }
            }
        }
        tried += 1;
    }
    assert!(tried > 0);
}
