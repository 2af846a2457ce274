//! The table is whole, every expression can be compiled, and what stands beside it is about rules that there are.

use std::collections::BTreeSet;

use proptest::prelude::any;
use proptest::proptest;
use proptest::test_runner::Config as ProptestConfig;

use super::corrected::CORRECTED;
use super::table::{RULES, SEEN, TABLE};
use super::{Rule, of, texts};
use crate::check::{check, practices};
use crate::issue::{IssueCode, Severity};
use crate::json::{Limits, Object, Value, parse};
use crate::path::{Context, Expression, Item, Node, Truth};
use crate::schema::{ElementType, Shape, TypeKind, Written, choice, r4};

fn rows() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.splitn(4, ' ');
            let mut next = || cells.next().unwrap();
            (next(), next(), next(), next())
        })
        .collect()
}

#[test]
fn every_rule_of_r4_is_in_the_table_and_can_be_evaluated() {
    let rows = rows();
    let count = |wanted: &str| rows.iter().filter(|row| row.2 == wanted).count();
    assert_eq!((count("error"), count("warning")), (206, 34));
    for (place, key, _, expression) in &rows {
        assert!(Expression::compile(expression).is_ok(), "{place} {key}: {expression}");
    }
    let compiled: BTreeSet<&str> =
        RULES.iter().flat_map(|rules| rules.errors.iter().chain(&rules.warnings)).map(|rule| rule.key).collect();
    let published = rows.iter().map(|row| row.1).filter(|key| !SEEN.contains(key));
    let wanted: BTreeSet<&str> = published.chain(["Bundle.entry.fullUrl"]).collect();
    assert_eq!(compiled, wanted, "each has its place among the shapes");
}

#[test]
fn corrections_and_words_are_about_rules_that_there_are() {
    let rows = rows();
    for row in CORRECTED {
        let published = rows.iter().find(|(_, key, ..)| *key == row.key).unwrap_or_else(|| panic!("{}", row.key));
        assert_ne!(published.3, row.expression, "{}", row.key);
        assert!(Expression::compile(row.expression).is_ok() && !row.why.is_empty(), "{}", row.key);
    }
    for (key, place) in texts::keys() {
        assert!(rows.iter().any(|row| row.1 == key && (place.is_empty() || row.0 == place)), "{key} {place}");
    }
}

/// Most rules are decided by which elements are there, without being evaluated.
#[test]
fn what_is_not_given_costs_nothing() {
    let all: Vec<&Rule> = RULES.iter().flat_map(|rules| &rules.errors).collect();
    let open: BTreeSet<&str> =
        all.iter().filter(|rule| rule.presence.given(0) == Truth::Open).map(|rule| rule.key).collect();
    for key in ["obs-6", "obs-7", "obs-3", "qty-3", "per-1", "dom-3", "rng-2", "tim-4", "cpt-2", "att-1"] {
        assert!(!open.contains(key), "{key}");
    }
}

/// The keys of the rules that a resource breaks.
fn broken(resource: &str) -> Vec<String> {
    let value = parse(resource.as_bytes(), &Limits::default()).unwrap_or_else(|_| panic!("{resource}"));
    let mut keys: Vec<String> = check(&value, &Limits::default())
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|issue| match issue.text.rsplit_once('(') {
            Some((_, key)) if issue.code == IssueCode::Invariant => key.trim_end_matches(')').to_owned(),
            _ => panic!("{resource}: {issue:?}"),
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// A resource that breaks just the rule of its row; with the part after the arrow in place of the one before, it breaks none.
const BREAKING: &[(&str, &str, &str)] = &[
    (
        "age-1",
        r#"{"resourceType":"Condition","subject":{"display":"x"},"onsetAge":{"value":1,"unit":"a"}}"#,
        r#""unit":"a" -> "code":"a","system":"http://unitsofmeasure.org""#,
    ),
    (
        "bdl-7",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:a:1","resource":{"resourceType":"Patient"}},{"fullUrl":"urn:a:1","resource":{"resourceType":"Patient"}}]}"#,
        r#""resource":{"resourceType":"Patient"}}] -> "resource":{"resourceType":"Patient","meta":{"versionId":"2"}}}]"#,
    ),
    (
        "Bundle.entry.fullUrl",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"Patient/1","resource":{"resourceType":"Patient","id":"1"}}]}"#,
        r#"Patient/1 -> http://x/Patient/1"#,
    ),
    (
        "Bundle.entry.fullUrl",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x/Patient/2","resource":{"resourceType":"Patient","id":"1"}}]}"#,
        r#"Patient/2 -> Patient/1"#,
    ),
    (
        "csd-1",
        r#"{"resourceType":"CodeSystem","status":"draft","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]},{"code":"b"}]}"#,
        r#"{"code":"b"}] -> {"code":"c"}]"#,
    ),
    (
        "ctm-1",
        r#"{"resourceType":"CareTeam","participant":[{"member":{"reference":"Patient/1"},"onBehalfOf":{"display":"x"}}]}"#,
        "Patient/1 -> Practitioner/1",
    ),
    (
        "dom-3",
        r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}],"managingOrganization":{"display":"#o"}}"##,
        "display -> reference",
    ),
    (
        "drq-1",
        r#"{"resourceType":"Library","status":"draft","type":{"text":"x"},"dataRequirement":[{"type":"Patient","codeFilter":[{"path":"a","searchParam":"b"}]}]}"#,
        r#","searchParam":"b" -> "#,
    ),
    (
        "drt-1",
        r#"{"resourceType":"Encounter","status":"planned","class":{"code":"x"},"length":{"value":1,"system":"urn:x","code":"h"}}"#,
        "urn:x -> http://unitsofmeasure.org",
    ),
    (
        "eld-3",
        r#"{"resourceType":"StructureDefinition","url":"urn:x","name":"X","status":"draft","kind":"logical","abstract":true,"type":"x","derivation":"specialization","differential":{"element":[{"id":"x","path":"x","max":"many"}]}}"#,
        "many -> 7",
    ),
    (
        "eld-13",
        r#"{"resourceType":"StructureDefinition","url":"urn:x","name":"X","status":"draft","kind":"logical","abstract":true,"type":"x","derivation":"specialization","differential":{"element":[{"id":"x","path":"x"},{"id":"x.y","path":"x.y","type":[{"code":"string"},{"code":"string"}]}]}}"#,
        r#"{"code":"string"}] -> {"code":"code"}]"#,
    ),
    (
        "eld-18",
        r#"{"resourceType":"StructureDefinition","url":"urn:x","name":"X","status":"draft","kind":"logical","abstract":true,"type":"x","derivation":"specialization","differential":{"element":[{"id":"x","path":"x","isModifier":true}]}}"#,
        "true}]} -> false}]}",
    ),
    (
        "opd-1",
        r#"{"resourceType":"OperationDefinition","name":"X","status":"draft","kind":"operation","code":"x","system":true,"type":false,"instance":false,"parameter":[{"name":"a","use":"in","min":0,"max":"1"}]}"#,
        r#""max":"1" -> "max":"1","type":"string""#,
    ),
    (
        "org-2",
        r#"{"resourceType":"Organization","name":"x","address":[{"use":"work"},{"use":"home"}]}"#,
        "home -> work",
    ),
    (
        "per-1",
        r#"{"resourceType":"Patient","name":[{"period":{"start":"2020-02","end":"2020-01-31"}}]}"#,
        "2020-01-31 -> 2020-02-01",
    ),
    (
        "que-5",
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"boolean","answerValueSet":"urn:x"}]}"#,
        "boolean -> choice",
    ),
    (
        "que-7",
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"string","enableWhen":[{"question":"2","operator":"exists","answerString":"x"}]},{"linkId":"2","type":"string"}]}"#,
        r#""answerString":"x" -> "answerBoolean":true"#,
    ),
    (
        "que-12",
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"string","enableWhen":[{"question":"2","operator":"=","answerString":"x"},{"question":"2","operator":"=","answerString":"y"}]},{"linkId":"2","type":"string"}]}"#,
        r#"}]},{"linkId":"2" -> }],"enableBehavior":"any"},{"linkId":"2""#,
    ),
    (
        "ras-1",
        r#"{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},"prediction":[{"probabilityRange":{"low":{"value":1}}}]}"#,
        r#"{"value":1} -> {"value":1,"system":"http://unitsofmeasure.org","code":"%"}"#,
    ),
    (
        "ras-2",
        r#"{"resourceType":"RiskAssessment","status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":100.1}]}"#,
        "100.1 -> 100.0",
    ),
    (
        "rng-2",
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueRange":{"low":{"value":2,"system":"http://unitsofmeasure.org","code":"kg"},"high":{"value":1999,"system":"http://unitsofmeasure.org","code":"g"}}}"#,
        "1999 -> 2001",
    ),
    (
        "sdf-20",
        r#"{"resourceType":"StructureDefinition","url":"urn:x","name":"X","status":"draft","kind":"logical","abstract":true,"type":"x","derivation":"specialization","differential":{"element":[{"id":"x","path":"x","slicing":{"rules":"open","description":"x"}}]}}"#,
        r#","slicing":{"rules":"open","description":"x"} -> "#,
    ),
    (
        "tim-9",
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"effectiveTiming":{"repeat":{"offset":1,"when":["MORN","C"]}}}"#,
        r#","C" -> "#,
    ),
    (
        "txt-2",
        r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"}}"#,
        r#"> </div> -> >x</div>"#,
    ),
    (
        "vsd-2",
        r#"{"resourceType":"ValueSet","status":"draft","compose":{"include":[{"valueSet":["urn:x"],"concept":[{"code":"a"}]}]}}"#,
        r#""concept" -> "system":"urn:y","concept""#,
    ),
];

#[test]
fn each_of_these_rules_is_broken_by_just_this() {
    for (key, resource, change) in BREAKING {
        assert_eq!(broken(resource), [*key], "{resource}");
        let (from, to) = change.split_once(" -> ").unwrap();
        let (before, after) = resource.rsplit_once(from).unwrap_or_else(|| panic!("{key}: {from}"));
        let mended = format!("{before}{to}{after}");
        assert_eq!(broken(&mended), [] as [&str; 0], "{mended}");
    }
}

/// What cannot be said is not held against a resource: dates of which one is less precise, quantities of different units.
#[test]
fn what_is_uncertain_is_no_breach() {
    for resource in [
        r#"{"resourceType":"Patient","name":[{"period":{"start":"2020-01-31","end":"2020"}}]}"#,
        r#"{"resourceType":"Patient","name":[{"period":{"start":"2020-01-31","end":"2020-01-31T00:00:00Z"}}]}"#,
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueRange":{"low":{"value":2,"unit":"a"},"high":{"value":1,"unit":"b"}}}"#,
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"string","_required":{"extension":[{"url":"urn:x","valueCode":"y"}]}}]}"#,
    ] {
        assert_eq!(broken(resource), [] as [&str; 0], "{resource}");
    }
}

/// What the check sees on its way is what the published expressions say.
#[test]
fn what_is_seen_without_an_expression_is_what_the_expression_says() {
    let rows = rows();
    let published = |key: &str| {
        let row = rows.iter().find(|row| row.1 == key).unwrap_or_else(|| panic!("{key}"));
        Expression::compile(row.3).unwrap()
    };
    let patient = |members: &str| format!(r#"{{"resourceType":"Patient",{members}}}"#);
    for (key, at, members, is_broken) in [
        ("ext-1", "extension", r#""extension":[{"url":"urn:x","valueCode":"y"}]"#, false),
        ("ext-1", "extension", r#""extension":[{"url":"urn:x"}]"#, true),
        (
            "ext-1",
            "extension",
            r#""extension":[{"url":"urn:x","valueCode":"y","extension":[{"url":"z","valueCode":"y"}]}]"#,
            true,
        ),
        ("ele-1", "name", r#""name":[{"id":"x"}]"#, true),
        ("ele-1", "name", r#""name":[{"id":"x","text":"y"}]"#, false),
        (
            "dom-2",
            "$this",
            r##""contained":[{"resourceType":"Patient","id":"a","link":[{"other":{"reference":"#b"},"type":"refer"}],"contained":[{"resourceType":"Patient","id":"b"}]}],"link":[{"other":{"reference":"#a"},"type":"refer"}]"##,
            true,
        ),
        (
            "dom-4",
            "$this",
            r##""contained":[{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}],"link":[{"other":{"reference":"#a"},"type":"refer"}]"##,
            true,
        ),
        (
            "dom-5",
            "$this",
            r##""contained":[{"resourceType":"Patient","id":"a","meta":{"security":[{"code":"x"}]}}],"link":[{"other":{"reference":"#a"},"type":"refer"}]"##,
            true,
        ),
        (
            "dom-5",
            "$this",
            r##""contained":[{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"x"}]}}],"link":[{"other":{"reference":"#a"},"type":"refer"}]"##,
            false,
        ),
        ("ref-1", "managingOrganization", r##""managingOrganization":{"reference":"#a"}"##, true),
        ("ref-1", "managingOrganization", r#""managingOrganization":{"reference":"Organization/a"}"#, false),
        (
            "txt-1",
            "text.div",
            r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script/>x</div>"}"#,
            true,
        ),
        (
            "txt-2",
            "text.div",
            r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#,
            false,
        ),
    ] {
        let text = patient(members);
        assert_eq!(broken(&text).contains(&key.to_owned()), is_broken, "{key} {text}");
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let at = Expression::compile(at).unwrap();
        let found = at.evaluate(&Context::of(&value)).unwrap();
        assert!(!found.is_empty(), "{key} {text}");
        let expression = published(key);
        let holds = |item: &Item<'_>| expression.holds(&Context::of(&value).at(item.clone())).unwrap() != Some(false);
        assert_eq!(found.items().iter().all(holds), !is_broken, "{key} {text}");
    }
}

/// The warnings are for who asks: a resource with them is taken.
#[test]
fn warnings_are_told_apart() {
    let told = |resource: &str| -> Vec<String> {
        let value = parse(resource.as_bytes(), &Limits::default()).unwrap();
        assert!(check(&value, &Limits::default()).is_ok(), "{resource}");
        let issues = practices(&value);
        assert!(issues.iter().all(|issue| issue.severity == Severity::Warning));
        issues.into_iter().map(|issue| format!("{} {}", issue.expression.unwrap(), issue.text)).collect()
    };
    let readable = "Patient a narrative makes a resource readable for people (dom-6)";
    assert_eq!(told(r#"{"resourceType":"Patient"}"#), [readable]);
    let name = told(r#"{"resourceType":"ValueSet","status":"draft","name":"my set"}"#);
    assert_eq!(name.len(), 2, "{name:?}");
    assert!(name.iter().any(|text| text.contains("(vsd-0)")), "{name:?}");
    let entry =
        told(r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]}"#);
    assert_eq!(entry, [readable.replacen("Patient", "Bundle.entry[0].resource", 1)]);
}

/// An element of a type, with as little in it as may be.
fn anything(of_type: &ElementType) -> Value<'static> {
    match of_type.kind {
        TypeKind::Primitive(primitive) => match primitive.written() {
            Written::Boolean => Value::Bool(true),
            Written::Number => Value::Number("1".into()),
            Written::String => Value::string("x"),
        },
        TypeKind::Resource => Value::object([("resourceType", Value::string("Patient"))]),
        TypeKind::Shape(_) => Value::object([("id", Value::string("x"))]),
    }
}

/// An element of a shape that has those of its elements.
fn having(shape: &Shape, wanted: u128) -> (Value<'static>, u128) {
    let mut object = Object::default();
    let mut seen = 0;
    if shape.is_resource {
        object.set("resourceType", Value::string(shape.name.clone()));
    }
    for (position, element) in shape.elements.iter().enumerate().filter(|(at, _)| wanted & (1 << at) != 0) {
        let Some(of_type) = element.types.first() else { continue };
        let name = if element.is_choice { choice(&element.name, &of_type.name) } else { element.name.clone().into() };
        let value = anything(of_type);
        object.set(name, if element.is_list { Value::Array(vec![value]) } else { value });
        seen |= 1 << position;
    }
    (Value::Object(object), seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What the presence of elements says of a rule is what its evaluation says, of every rule and whatever is there.
    #[test]
    fn presence_says_what_evaluation_says(wanted in any::<u128>(), more in any::<u128>()) {
        let mut compared = 0;
        for shape in &r4().shapes {
            for rule in of(shape).into_iter().flat_map(|rules| &rules.errors).filter(|rule| rule.about.is_none()) {
                for wanted in [wanted, wanted & more, wanted | more, 0] {
                    let (value, seen) = having(shape, wanted);
                    let said = rule.presence.given(seen);
                    let context = Context::of(&value).at(Item::Node(Node::element(&value, shape)));
                    let Ok(evaluated) = rule.expression.holds(&context) else { continue };
                    let expected = match said {
                        Truth::Open => continue,
                        Truth::True => Some(true),
                        Truth::False => Some(false),
                        Truth::Empty => None,
                    };
                    compared += 1;
                    assert_eq!(evaluated, expected, "{} {} {value:?}", shape.name, rule.key);
                }
            }
        }
        assert!(compared > 500, "{compared}");
    }
}
