//! Code systems in several versions, in part, or not at all, and what value sets take from them.

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use concord_fhir::terminology::{Code, CodingRef, Membership};
use serde_json::json;

use super::from_json;
use crate::concept_map::Translation;
use crate::elsewhere::{Question, Reply};
use crate::library::{Kind, Library, LookUpError, Source};
use crate::name::split;

/// What is stored; of several versions the last is meant where none is named.
struct Stored(Vec<serde_json::Value>);

impl Source for Stored {
    type Error = ();

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ()> {
        let (url, version) = split(name);
        let is_it = |one: &&serde_json::Value| {
            one["resourceType"] == kind.resource_type()
                && one["url"] == url
                && version.is_none_or(|version| one["version"] == version)
        };
        Ok(self.0.iter().rev().find(is_it).map(from_json))
    }

    fn ask(&mut self, _question: &Question) -> Result<Reply, ()> {
        Ok(Reply::NotAsked)
    }

    fn spend(&mut self, _steps: usize) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn system(url: &str, version: &str, content: &str, codes: &[&str]) -> serde_json::Value {
    let concepts: Vec<_> = codes
        .iter()
        .map(|code| json!({ "code": code, "property": [{ "code": "inactive", "valueBoolean": code.starts_with("in") }] }))
        .collect();
    json!({ "resourceType": "CodeSystem", "url": url, "version": version, "content": content, "concept": concepts })
}

fn set(url: &str, compose: serde_json::Value) -> serde_json::Value {
    json!({ "resourceType": "ValueSet", "url": url, "compose": compose })
}

fn listed(codes: &[&str]) -> serde_json::Value {
    json!(codes.iter().map(|code| json!({ "code": code })).collect::<Vec<_>>())
}

/// The codes with their versions, or why they are not told.
fn expanded(stored: &mut Stored, name: &str) -> Result<Vec<(String, String)>, String> {
    match Library::new(stored).expand_named(name) {
        Ok(items) => Ok(items
            .into_iter()
            .map(|item| (item.code, item.version.map(|version| version.to_string()).unwrap_or_default()))
            .collect()),
        Err(LookUpError::Said(_, text)) => Err(text),
        Err(LookUpError::Source(())) => panic!("it does not fail"),
    }
}

fn of(code: &str, version: &str) -> (String, String) {
    (code.to_owned(), version.to_owned())
}

/// Whether the code is in, and what is said of that.
fn is_in(stored: &mut Stored, name: &str, coding: CodingRef<'_>) -> (Membership, String) {
    let mut library = Library::new(stored);
    let found = library.is_coding_in(name, coding).unwrap_or_else(|error| panic!("{error:?}"));
    let why = library.take_reason().unwrap_or_default();
    (found, why + &library.doubts().join("; "))
}

fn coding<'c>(version: &'c str, code: &'c str) -> CodingRef<'c> {
    CodingRef { version: Some(version).filter(|version| !version.is_empty()), ..CodingRef::of(Some("a"), code) }
}

#[test]
fn what_is_listed_and_is_no_code_is_not_in_it() {
    let lists = json!({ "include": [{ "system": "a", "concept": listed(&["dog", "cat"]) }] });
    for (content, codes, cat) in [
        ("complete", &["dog"][..], Membership::No),
        ("fragment", &["dog"], Membership::Yes),
        ("example", &["dog"], Membership::Yes),
        ("not-present", &[], Membership::Yes),
    ] {
        let mut stored = Stored(vec![system("a", "1", content, codes), set("lists", lists.clone())]);
        let (found, said) = is_in(&mut stored, "lists", coding("", "cat"));
        assert_eq!(found, cat, "{content}");
        assert_eq!(said.contains("the code system a has no such code"), cat == Membership::No, "{said}");
        assert_eq!(is_in(&mut stored, "lists", coding("", "dog")).0, Membership::Yes, "{content}");
        let found: Vec<String> = expanded(&mut stored, "lists").unwrap().into_iter().map(|(code, _)| code).collect();
        assert_eq!(found.contains(&"cat".to_owned()), cat == Membership::Yes, "{content}: {found:?}");
    }
    // Without its code system it holds as well.
    assert_eq!(is_in(&mut Stored(vec![set("lists", lists)]), "lists", coding("", "cat")).0, Membership::Yes);
}

#[test]
fn versions_stand_side_by_side() {
    let mut stored = Stored(vec![
        system("a", "1", "complete", &["old", "dog"]),
        system("a", "2", "complete", &["new", "dog"]),
        set("any", json!({ "include": [{ "system": "a" }] })),
        set("first", json!({ "include": [{ "system": "a", "version": "1" }] })),
        set("lists", json!({ "include": [{ "system": "a", "concept": listed(&["old", "new"]) }] })),
    ]);
    use Membership::{No, Unknown, Yes};
    for (name, version, code, found) in [
        ("any", "", "old", No),
        ("any", "", "new", Yes),
        ("any", "1", "old", Yes),
        ("any", "1", "new", No),
        ("any", "2", "new", Yes),
        ("any", "9", "new", Unknown),
        ("first", "", "old", Yes),
        ("first", "2", "dog", No),
        ("lists", "1", "old", Yes),
        ("lists", "1", "new", No),
        ("lists", "", "old", No),
        ("lists", "9", "old", Yes),
    ] {
        let (is, said) = is_in(&mut stored, name, coding(version, code));
        assert_eq!(is, found, "{name} {version} {code}: {said}");
        assert_eq!(said.contains("a|9 is not here, but in version 2"), found == Unknown, "{said}");
    }
    // One question does not leave its version to the next.
    let mut library = Library::new(&mut stored);
    assert_eq!(library.is_coding_in("any", coding("1", "old")).unwrap(), Yes);
    assert_eq!(library.is_coding_in("any", coding("", "old")).unwrap(), No);
    assert_eq!(expanded(&mut stored, "first"), Ok(vec![of("old", "1"), of("dog", "1")]));
    assert_eq!(expanded(&mut stored, "lists"), Ok(vec![of("new", "2")]));
    let elsewhere = json!({ "include": [{ "system": "b", "version": "7", "concept": listed(&["x"]) }] });
    assert_eq!(expanded(&mut Stored(vec![set("b", elsewhere)]), "b"), Ok(vec![of("x", "7")]));
}

#[test]
fn what_is_not_in_use_is_left_out_wherever_it_comes_from() {
    let parts = [
        json!({ "system": "a" }),
        json!({ "system": "a", "concept": listed(&["dog", "inert"]) }),
        json!({ "valueSet": ["any"] }),
        json!({ "system": "a", "valueSet": ["any"] }),
    ];
    for part in parts {
        for (inactive, is_there) in [(json!(false), false), (json!(true), true), (json!(null), true)] {
            let mut stored = Stored(vec![
                system("a", "1", "complete", &["dog", "inert"]),
                set("any", json!({ "include": [{ "system": "a" }] })),
                set("own", json!({ "inactive": inactive, "include": [part.clone()] })),
            ]);
            let codes = expanded(&mut stored, "own").unwrap();
            assert_eq!(codes.contains(&of("inert", "1")), is_there, "{part} {inactive}: {codes:?}");
            assert!(codes.contains(&of("dog", "1")));
            let found = is_in(&mut stored, "own", coding("", "inert")).0;
            assert_eq!(found, Membership::of(is_there), "{part} {inactive}");
        }
    }
}

#[test]
fn what_is_here_in_part_is_not_known_and_no_error() {
    let filter = json!([{ "property": "concept", "op": "is-a", "value": "dog" }]);
    let mut stored = Stored(vec![
        system("a", "1", "fragment", &["dog", "cat"]),
        set("any", json!({ "include": [{ "system": "a" }] })),
        set("dogs", json!({ "include": [{ "system": "a", "filter": filter }] })),
    ]);
    for (name, code, found) in [
        ("any", "dog", Membership::Yes),
        ("any", "cow", Membership::Unknown),
        ("dogs", "dog", Membership::Yes),
        // Whether it lies below may be in what is not here.
        ("dogs", "cat", Membership::Unknown),
    ] {
        let (is, said) = is_in(&mut stored, name, coding("", code));
        assert_eq!(is, found, "{name} {code}");
        assert_eq!(said.contains("is not here as a whole, but as `fragment`"), found == Membership::Unknown, "{said}");
    }
    let mut library = Library::new(&mut stored);
    assert_eq!(library.is_code("a", "cow").unwrap().0, Membership::Unknown);
    assert_eq!(library.is_code("a", "dog").unwrap().0, Membership::Yes);
    assert_eq!(library.is_above("a", "dog", "cat").unwrap(), Membership::Unknown);
    assert_eq!(library.is_above("a", "dog", "dog").unwrap(), Membership::Yes);
    assert!(expanded(&mut stored, "any").unwrap_err().contains("`fragment` and not `complete`"));
    // One that says only that there is such a code system is asked for elsewhere, as if it were not here.
    let mut stub =
        Stored(vec![system("a", "1", "not-present", &[]), set("any", json!({ "include": [{ "system": "a" }] }))]);
    let wanted = Code { system: "a".to_owned(), code: "dog".to_owned() };
    let mut library = Library::new(&mut stub);
    assert_eq!(library.is_in_named("any", &wanted).unwrap(), Membership::Unknown);
    assert!(library.doubts().iter().any(|doubt| doubt.contains("`not-present`")), "{:?}", library.doubts());
    assert!(expanded(&mut stub, "any").unwrap_err().contains("`not-present`"));
}

/// What is built on itself by way of its versions, by a fan of others, or by maps that name one another.
#[test]
fn rings_end() {
    let ring = |version: &str, next: &[&str]| {
        let mut one = set("ring", json!({ "include": [{ "valueSet": next }] }));
        one["version"] = json!(version);
        one
    };
    let mut versions = Stored(vec![ring("1", &["ring|2"]), ring("2", &["ring|3"]), ring("3", &["ring|1"])]);
    for name in ["ring", "ring|1", "ring|2"] {
        let said = expanded(&mut versions, name).unwrap_err();
        assert!(said.contains("is built on itself"), "{name}: {said}");
        assert!(Library::new(&mut versions).is_coding_in(name, coding("", "dog")).is_err(), "{name}");
    }
    // Each of a level names all of the next, and the last ones the first.
    let name = |level: usize, at: usize| format!("fan-{level}-{at}");
    let mut fan = Vec::new();
    for level in 0..7 {
        for at in 0..20 {
            let next: Vec<String> = (0..20).map(|next| name((level + 1) % 7, next)).collect();
            let include: Vec<_> = next.iter().map(|next| json!({ "valueSet": [next] })).collect();
            fan.push(set(&name(level, at), json!({ "include": include })));
        }
    }
    let mut fan = Stored(fan);
    assert!(expanded(&mut fan, "fan-0-0").is_err());
    assert!(Library::new(&mut fan).is_coding_in("fan-0-0", coding("", "dog")).is_err());
    let map = |own: &str, next: &str| {
        json!({ "resourceType": "ConceptMap", "url": own, "group": [{ "source": "a", "target": "b",
            "unmapped": { "mode": "other-map", "url": next } }] })
    };
    let mut maps = Stored(vec![map("one", "other"), map("other", "one")]);
    let code = Code { system: "a".to_owned(), code: "dog".to_owned() };
    let asked = Translation {
        code,
        version: None,
        dependencies: Vec::new(),
        target_system: None,
        source: None,
        target: None,
        reverse: false,
    };
    let told = Library::new(&mut maps).translate_named(Some("one"), &asked);
    assert!(matches!(told, Err(LookUpError::Said(IssueCode::TooCostly, _))), "{told:?}");
}
