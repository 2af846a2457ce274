//! What is in a set: its order, its names, its filters, and its ends.

use crate::tests::from_json;
use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use serde_json::json;

use super::*;
use crate::library::Library;

/// A code system with these concepts, and nothing else.
struct One(serde_json::Value);

impl Source for One {
    type Error = ();

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ()> {
        Ok((kind == Kind::CodeSystem && name == "a").then(|| from_json(&self.0)))
    }

    fn ask(&mut self, _question: &Question) -> Result<Reply, ()> {
        Ok(Reply::NotAsked)
    }

    fn spend(&mut self, _steps: usize) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn system(concepts: serde_json::Value) -> serde_json::Value {
    json!({ "resourceType": "CodeSystem", "url": "a", "content": "complete", "concept": concepts })
}

fn filtered(concepts: serde_json::Value, filter: (&str, &str, &str)) -> Result<Vec<String>, (IssueCode, String)> {
    let (property, op, value) = filter;
    let set = ValueSet::read(&from_json(&json!({ "resourceType": "ValueSet", "compose": { "include": [
        { "system": "a", "filter": [{ "property": property, "op": op, "value": value }] }] } })));
    match Library::new(&mut One(system(concepts))).expand(&set) {
        Ok(items) => Ok(items.into_iter().map(|item| item.code).collect()),
        Err(LookUpError::Said(code, text)) => Err((code, text)),
        Err(LookUpError::Source(())) => panic!("it does not fail"),
    }
}

fn planets() -> serde_json::Value {
    json!([
        { "code": "rock", "display": "Rocky", "property": [{ "code": "moons", "valueInteger": 0 }], "concept": [
            { "code": "mars", "display": "Mars", "property": [{ "code": "moons", "valueInteger": 2 }] },
            { "code": "venus", "display": "Venus", "property": [{ "code": "class", "valueCode": "hot" }] } ] },
        { "code": "gas", "display": "Gas giant" } ])
}

#[test]
fn filters_by_property() {
    let of = |property: &str, op: &str, value: &str| filtered(planets(), (property, op, value)).unwrap();
    assert_eq!(of("moons", "=", "2"), ["mars"]);
    assert_eq!(of("moons", "in", "0,2"), ["rock", "mars"]);
    assert_eq!(of("moons", "not-in", "0"), ["mars", "venus", "gas"]);
    assert_eq!(of("moons", "exists", "true"), ["rock", "mars"]);
    assert_eq!(of("class", "exists", "false"), ["rock", "mars", "gas"]);
    assert_eq!(of("display", "regex", "[MV].*s"), ["mars", "venus"]);
    assert_eq!(of("code", "regex", "a"), Vec::<String>::new(), "the whole of it has to match");
    assert_eq!(of("parent", "=", "rock"), ["mars", "venus"]);
    assert_eq!(of("child", "exists", "true"), ["rock"]);
    let refused = |property: &str, op: &str, value: &str| filtered(planets(), (property, op, value)).unwrap_err().0;
    assert_eq!(refused("mass", "=", "1"), IssueCode::NotSupported);
    assert_eq!(refused("moons", "exists", "maybe"), IssueCode::NotSupported);
    assert_eq!(refused("code", "regex", "(a"), IssueCode::Value);
}

/// An expression that would explode is refused or takes no longer than the text is long; a deep hierarchy and a large
/// system are read once.
#[test]
fn what_would_explode_has_an_end() {
    let (code, text) = filtered(planets(), ("code", "regex", "((((a{1,99}){1,99}){1,99}){1,99})")).unwrap_err();
    assert!(code == IssueCode::TooCostly, "{text}");
    let long = "a".repeat(2_000);
    let slow = filtered(json!([{ "code": long.clone() }]), ("code", "regex", "(a*)*(a*)*b")).unwrap();
    assert!(slow.is_empty());
    let chain: Vec<_> = (0..20_000)
        .map(|number: u32| {
            let above = json!([{ "code": "parent", "valueCode": number.saturating_sub(1).to_string() }]);
            json!({ "code": number.to_string(), "property": above })
        })
        .collect();
    assert_eq!(filtered(json!(chain), ("concept", "is-a", "0")).unwrap().len(), 20_000);
    let many: Vec<_> = (0..=MOST_CONCEPTS).map(|number| json!({ "code": number.to_string() })).collect();
    assert_eq!(filtered(json!(many), ("concept", "is-a", "0")).unwrap_err().0, IssueCode::TooCostly);
}

/// What is said of a value set of these parts over a code system of so many codes: by listing it, and of one code.
fn refusals(concepts: usize, compose: serde_json::Value) -> [Option<IssueCode>; 2] {
    let concepts: Vec<_> =
        (0..concepts).map(|at| json!({ "code": format!("c{at}"), "display": "x".repeat(20) })).collect();
    let mut source = One(system(json!(concepts)));
    let set = ValueSet::read(&from_json(&json!({ "resourceType": "ValueSet", "compose": compose })));
    let code = |error: LookUpError<()>| match error {
        LookUpError::Said(code, _) => code,
        LookUpError::Source(()) => panic!("it does not fail"),
    };
    let listed = Library::new(&mut source).expand_given(&set).err().map(code);
    let wanted = concord_fhir::terminology::Code { system: "a".to_owned(), code: "c1".to_owned() };
    [listed, Library::new(&mut source).is_in_given(&set, &wanted).err().map(code)]
}

#[test]
fn what_a_value_set_multiplies_is_refused() {
    let costly = Some(IssueCode::TooCostly);
    let parts = |count: usize| json!(vec![json!({ "system": "a" }); count]);
    let regex = |at: usize| json!({ "property": "code", "op": "regex", "value": format!("x{at}[\\w]{{2}}") });
    let filters = |count: usize| json!([{ "system": "a", "filter": (0..count).map(regex).collect::<Vec<_>>() }]);
    assert_eq!(refusals(10, json!({ "include": parts(900) })), [None, None]);
    assert_eq!(refusals(10, json!({ "include": parts(1_001) })), [costly, costly]);
    assert_eq!(refusals(10, json!({ "include": parts(500), "exclude": parts(501) })), [costly, costly]);
    assert_eq!(refusals(10, json!({ "include": filters(20) })), [None, None]);
    assert_eq!(refusals(10, json!({ "include": filters(1_000) })), [costly, costly]);
    assert_eq!(refusals(10, json!({ "include": filters(200) })), [costly, costly]);
    // Codes for every part, though they are the same ones.
    assert_eq!(refusals(2_000, json!({ "include": parts(900) }))[0], costly);
    assert_eq!(refusals(2_000, json!({ "include": parts(1), "exclude": parts(900) }))[0], costly);
    let long = "x".repeat(1_001);
    let long = json!([{ "system": "a", "filter": [{ "property": "code", "op": "regex", "value": long }] }]);
    assert_eq!(refusals(10, json!({ "include": long })), [costly, costly]);
}

#[test]
fn steps_count_for_all_that_is_asked_of_one_view() {
    let set = ValueSet::read(&from_json(&json!({ "resourceType": "ValueSet", "compose": { "include": [
        { "system": "a", "filter": [{ "property": "code", "op": "regex", "value": "c.*" }] }] } })));
    let mut source = One(system(json!([{ "code": "c1" }])));
    let mut library = Library::new(&mut source);
    let wanted = concord_fhir::terminology::Code { system: "a".to_owned(), code: "c1".to_owned() };
    let answers = (0..200).map(|_| library.is_in_given(&set, &wanted).is_ok()).filter(|told| *told).count();
    assert!((50..200).contains(&answers), "{answers}");
}

#[test]
fn codes_that_may_be_written_in_any_letters_are_found_by_them() {
    let mut resource = system(json!([{ "code": "Ab" }, { "code": "AB" }, { "code": "c" }]));
    resource["caseSensitive"] = json!(false);
    let read = CodeSystem::read(&from_json(&resource)).unwrap();
    let found: Vec<_> = ["Ab", "AB", "ab", "C", "d"].map(|code| read.concept(code).map(|one| one.code.as_str())).into();
    assert_eq!(found, [Some("Ab"), Some("AB"), Some("Ab"), Some("c"), None]);
}
