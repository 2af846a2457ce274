//! What a search means by a value set or by a place in a code system, and what is refused.

use crate::tests::from_json;
use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use concord_fhir::terminology::{Code, Codes};
use serde_json::json;

use crate::elsewhere::{Question, Reply};
use crate::library::{Kind, LookUpError, Source};
use crate::search::{MOST_CODES, look_up};

/// Resources by their urls.
struct Shelf(Vec<serde_json::Value>);

impl Shelf {
    fn named(&self, resource_type: &str, name: &str) -> Option<Value<'static>> {
        let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
        let found = self.0.iter().find(|one| {
            one["resourceType"] == resource_type
                && one["url"] == url
                && version.is_none_or(|wanted| one["version"] == wanted)
        });
        found.map(from_json)
    }
}

impl Source for Shelf {
    type Error = ();

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ()> {
        Ok(self.named(kind.resource_type(), name))
    }

    fn ask(&mut self, _question: &Question) -> Result<Reply, ()> {
        Ok(Reply::NotAsked)
    }

    fn spend(&mut self, _steps: usize) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn value_set(url: &str, include: serde_json::Value) -> serde_json::Value {
    json!({ "resourceType": "ValueSet", "url": url, "status": "active", "compose": { "include": include } })
}

fn animals() -> serde_json::Value {
    json!({ "resourceType": "CodeSystem", "url": "a", "version": "1", "content": "complete", "concept": [
        { "code": "animal", "concept": [
            { "code": "dog", "concept": [{ "code": "poodle" }] },
            { "code": "cat", "property": [{ "code": "inactive", "valueBoolean": true }] } ] },
        { "code": "wolf", "property": [{ "code": "parent", "valueCode": "dog" }] },
        { "code": "stone" } ] })
}

fn codes(shelf: Vec<serde_json::Value>, wanted: &Codes) -> Result<Vec<String>, (IssueCode, String)> {
    match look_up(&mut Shelf(shelf), wanted) {
        Ok(codes) => Ok(codes.into_iter().map(|code| format!("{}|{}", code.system, code.code)).collect()),
        Err(LookUpError::Said(code, text)) => Err((code, text)),
        Err(LookUpError::Source(())) => panic!("the shelf does not fail"),
    }
}

fn of(include: serde_json::Value) -> Vec<String> {
    codes(vec![animals(), value_set("v", include)], &Codes::In("v".to_owned())).expect("codes")
}

fn refused(shelf: Vec<serde_json::Value>, name: &str) -> (IssueCode, String) {
    codes(shelf, &Codes::In(name.to_owned())).expect_err("refused")
}

#[test]
fn lists_whole_systems_and_filters() {
    assert_eq!(of(json!([{ "system": "x", "concept": [{ "code": "1" }, { "code": "2" }] }])), ["x|1", "x|2"]);
    assert_eq!(of(json!([{ "system": "a" }])), ["a|animal", "a|cat", "a|dog", "a|poodle", "a|stone", "a|wolf"]);
    let filter = |op: &str, value: &str| {
        of(json!([{ "system": "a", "filter": [{ "property": "concept", "op": op, "value": value }] }]))
    };
    assert_eq!(filter("is-a", "dog"), ["a|dog", "a|poodle", "a|wolf"]);
    assert_eq!(filter("descendent-of", "dog"), ["a|poodle", "a|wolf"]);
    assert_eq!(filter("is-not-a", "animal"), ["a|stone"]);
    assert_eq!(filter("generalizes", "wolf"), ["a|animal", "a|dog", "a|wolf"]);
    assert_eq!(filter("in", "dog, cat"), ["a|cat", "a|dog"]);
    let both = json!([{ "system": "a", "filter": [
        { "property": "concept", "op": "is-a", "value": "animal" },
        { "property": "concept", "op": "is-not-a", "value": "dog" } ] }]);
    assert_eq!(of(both), ["a|animal", "a|cat"]);
    assert_eq!(
        of(json!([{ "system": "a", "version": "1", "filter": [
        { "property": "concept", "op": "=", "value": "dog" }] }])),
        ["a|dog"]
    );
}

#[test]
fn imports_are_met_together_and_includes_are_joined() {
    let small = value_set("small", json!([{ "system": "a", "concept": [{ "code": "dog" }, { "code": "cow" }] }]));
    let met = value_set("met", json!([{ "system": "a", "valueSet": ["small"] }]));
    let joined = value_set("joined", json!([{ "valueSet": ["met"] }, { "system": "y", "concept": [{ "code": "1" }] }]));
    let shelf = vec![animals(), small, met, joined];
    assert_eq!(codes(shelf.clone(), &Codes::In("met".to_owned())).expect("codes"), ["a|dog"]);
    assert_eq!(codes(shelf, &Codes::In("joined".to_owned())).expect("codes"), ["a|dog", "y|1"]);
}

#[test]
fn what_is_excluded_or_not_in_use_is_left_out() {
    let mut set = value_set("v", json!([{ "system": "a" }]));
    set["compose"]["exclude"] =
        json!([{ "system": "a", "filter": [{ "property": "concept", "op": "is-a", "value": "dog" }] }]);
    let shelf = |set: &serde_json::Value| vec![animals(), set.clone()];
    let wanted = Codes::In("v".to_owned());
    assert_eq!(codes(shelf(&set), &wanted).expect("codes"), ["a|animal", "a|cat", "a|stone"]);
    set["compose"]["inactive"] = json!(false);
    assert_eq!(codes(shelf(&set), &wanted).expect("codes"), ["a|animal", "a|stone"]);
}

#[test]
fn a_whole_expansion_is_taken_as_it_is() {
    let mut set = value_set("v", json!([{ "system": "x", "concept": [{ "code": "defined" }] }]));
    set["expansion"] = json!({ "total": 3, "contains": [
        { "system": "x", "code": "group", "abstract": true, "contains": [{ "system": "x", "code": "1" }] },
        { "system": "x", "code": "2" } ] });
    let wanted = Codes::In("v".to_owned());
    assert_eq!(codes(vec![set.clone()], &wanted).expect("codes"), ["x|1", "x|2"]);
    set["expansion"]["total"] = json!(10);
    assert_eq!(codes(vec![set], &wanted).expect("codes"), ["x|defined"], "a page of an expansion is not the whole");
}

#[test]
fn above_and_below() {
    let code = |code: &str| Code { system: "a".to_owned(), code: code.to_owned() };
    let shelf = || vec![animals()];
    assert_eq!(codes(shelf(), &Codes::Below(code("dog"))).expect("codes"), ["a|dog", "a|poodle", "a|wolf"]);
    assert_eq!(codes(shelf(), &Codes::Above(code("wolf"))).expect("codes"), ["a|animal", "a|dog", "a|wolf"]);
    assert_eq!(codes(shelf(), &Codes::Below(code("unicorn"))).expect_err("refused").0, IssueCode::NotFound);
    let mut parts = animals();
    parts["hierarchyMeaning"] = json!("part-of");
    assert_eq!(codes(vec![parts], &Codes::Below(code("dog"))).expect_err("refused").0, IssueCode::NotSupported);
    // A circle in what is stored does not hold up anybody.
    let circle = json!({ "resourceType": "CodeSystem", "url": "a", "content": "complete", "concept": [
        { "code": "dog", "property": [{ "code": "parent", "valueCode": "cat" }] },
        { "code": "cat", "property": [{ "code": "parent", "valueCode": "dog" }] } ] });
    assert_eq!(codes(vec![circle], &Codes::Below(code("dog"))).expect("codes"), ["a|cat", "a|dog"]);
}

#[test]
fn what_cannot_be_told_is_refused() {
    assert_eq!(refused(vec![], "v").0, IssueCode::NotFound);
    assert_eq!(refused(vec![value_set("v", json!([{ "system": "elsewhere" }]))], "v").0, IssueCode::NotFound);
    let mut fragment = animals();
    fragment["content"] = json!("fragment");
    assert_eq!(refused(vec![fragment, value_set("v", json!([{ "system": "a" }]))], "v").0, IssueCode::NotSupported);
    let filter = json!([{ "system": "a", "filter": [{ "property": "legs", "op": "=", "value": "4" }] }]);
    let (code, text) = refused(vec![animals(), value_set("v", filter)], "v");
    assert!(code == IssueCode::NotSupported && text.contains("legs ="), "{text}");
    let bare = json!({ "resourceType": "ValueSet", "url": "v", "status": "active" });
    assert_eq!(refused(vec![bare], "v").0, IssueCode::NotSupported);
}

#[test]
fn a_search_by_a_value_set_has_an_end() {
    let on = |url: &str, other: &str| value_set(url, json!([{ "valueSet": [other] }]));
    let (code, text) = refused(vec![on("v", "w"), on("w", "v")], "v");
    assert!(code == IssueCode::NotSupported && text.contains("built on itself"), "{text}");
    let deep: Vec<_> = (0..20).map(|number| on(&format!("v{number}"), &format!("v{}", number + 1))).collect();
    assert_eq!(refused(deep, "v0").0, IssueCode::TooCostly);
    let leaf =
        |number: usize| value_set(&format!("l{number}"), json!([{ "system": "x", "concept": [{ "code": "1" }] }]));
    let mut wide: Vec<_> = (0..60).map(leaf).collect();
    let all: Vec<_> = (0..60).map(|number| json!({ "valueSet": [format!("l{number}")] })).collect();
    wide.push(value_set("wide", json!(all)));
    assert_eq!(refused(wide, "wide").0, IssueCode::TooCostly);
    // Each on the next one by many ways.
    let many_ways: Vec<_> = (0..7)
        .map(|number| {
            let include: Vec<_> = (0..30).map(|_| json!({ "valueSet": [format!("w{}", number + 1)] })).collect();
            value_set(&format!("w{number}"), json!(include))
        })
        .chain([value_set("w7", json!([{ "system": "x", "concept": [{ "code": "1" }] }]))])
        .collect();
    assert_eq!(refused(many_ways, "w0").0, IssueCode::TooCostly);
    let many: Vec<_> = (0..=MOST_CODES).map(|number| json!({ "code": number.to_string() })).collect();
    let many = value_set("v", json!([{ "system": "x", "concept": many }]));
    assert_eq!(refused(vec![many], "v").0, IssueCode::TooCostly);
}

#[test]
fn what_r4_requires_is_known_without_a_resource() {
    let name = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let gender =
        ["female", "male", "other", "unknown"].map(|code| format!("http://hl7.org/fhir/administrative-gender|{code}"));
    assert_eq!(codes(vec![], &Codes::In(name.to_owned())).expect("codes"), gender);
    assert_eq!(codes(vec![], &Codes::In(format!("{name}|4.0.1"))).expect("codes"), gender);
    assert_eq!(refused(vec![], &format!("{name}|5.0.0")).0, IssueCode::NotFound);
    // One that is stored under that name is taken.
    let own = value_set(name, json!([{ "system": "x", "concept": [{ "code": "1" }] }]));
    assert_eq!(codes(vec![own], &Codes::In(name.to_owned())).expect("codes"), ["x|1"]);
}
