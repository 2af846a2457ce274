//! What predicates mean in memory, and how they are simplified.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Comparison, MOST_LINKS, Predicate, Test};
use crate::entry::{Entries, Entry, ParameterId, SEPARATOR, Source};
use crate::registry::ResourceType;

const CODE: ParameterId = ParameterId::of("Observation.code");
const SUBJECT: ParameterId = ParameterId::of("Observation.subject");
const PERFORMER: ParameterId = ParameterId::of("Observation.performer");
const QUESTIONNAIRE: ParameterId = ParameterId::of("QuestionnaireResponse.questionnaire");

fn of(name: &str, id: &str) -> Entries {
    Entries::none(ResourceType::of(name), id.to_owned(), 10)
}

fn row(parameter: ParameterId, key: &str) -> Entry {
    Entry { parameter, key: key.to_owned(), low: None, high: None }
}

fn with(name: &str, id: &str, rows: &[(ParameterId, &str)]) -> Entries {
    Entries { rows: rows.iter().map(|(parameter, key)| row(*parameter, key)).collect(), ..of(name, id) }
}

fn id(one: &str) -> Predicate {
    Predicate::Id(vec![one.to_owned()])
}

fn types(name: &str) -> Predicate {
    Predicate::Type(vec![ResourceType::of(name)])
}

fn is(key: &str) -> Test {
    Test::Is(key.to_owned())
}

fn chain(parameter: ParameterId, names: &[&str], then: Predicate) -> Predicate {
    let types = names.iter().map(|name| ResourceType::of(name)).collect();
    Predicate::Chain { parameter, types, then: Box::new(then) }
}

/// Those of `target` that an Observation names as its subject.
fn named(target: &str, by: Predicate) -> Predicate {
    let (target, resource_type) = (ResourceType::of(target), ResourceType::of("Observation"));
    Predicate::ReverseChain { target, resource_type, parameter: SUBJECT, by: Box::new(by) }
}

fn depends(through: &str, then: Predicate) -> Predicate {
    Predicate::DependsOn { through: [ResourceType::of(through)].into(), then: Box::new(then) }
}

#[test]
fn a_comparison_is_of_the_row_with_what_is_wanted() {
    for (comparison, less, same, more) in [
        (Comparison::Less, true, false, false),
        (Comparison::AtMost, true, true, false),
        (Comparison::Greater, false, false, true),
        (Comparison::AtLeast, false, true, true),
    ] {
        let found = [1, 2, 3].map(|row| comparison.holds(row, 2));
        assert_eq!(found, [less, same, more], "{comparison:?}");
    }
}

#[test]
fn a_test_is_of_the_key_or_of_the_range() {
    let text = |text: &str| text.to_owned();
    let key = format!("body mass{SEPARATOR}Body mass index");
    for (test, meets) in [
        (Test::Present, true),
        (Test::Is(key.clone()), true),
        (is("body mass"), false),
        (Test::OneOf(vec![text("x"), key.clone()]), true),
        (Test::OneOf(vec![text("x"), text("body mass")]), false),
        (Test::Starts(text("body")), true),
        (Test::Starts(text("mass")), false),
        (Test::Ends(text("index")), true),
        (Test::Ends(text("mass")), false),
        (Test::Has(text("mass i")), true),
        (Test::Has(text("weight")), false),
        (Test::FirstEnds(text("mass")), true),
        (Test::FirstEnds(text("index")), false),
        (Test::Contains(text("dy m")), true),
        (Test::Contains(text("index")), false),
        (Test::Low(Comparison::AtLeast, 1.0), true),
        (Test::Low(Comparison::Greater, 1.0), false),
        (Test::High(Comparison::AtMost, 2.0), true),
        (Test::High(Comparison::Less, 2.0), false),
        (Test::Every(vec![Test::Present, Test::Starts(text("body"))]), true),
        (Test::Every(vec![Test::Present, Test::Starts(text("mass"))]), false),
        (Test::Either([is("x"), Test::Starts(text("body"))].into()), true),
        (Test::Either([is("x"), Test::Starts(text("mass"))].into()), false),
        (Test::Not(Box::new(is("x"))), true),
        (Test::Not(Box::new(Test::Present)), false),
    ] {
        assert_eq!(test.meets(&key, Some(1.0), Some(2.0)), meets, "{test:?}");
        let row = Entry { low: Some(1.0), high: Some(2.0), ..row(CODE, &key) };
        assert_eq!(test.holds(&row), meets, "{test:?}");
    }
    assert!(!Test::Low(Comparison::AtLeast, 1.0).holds(&row(CODE, "")));
    assert!(!Test::High(Comparison::AtMost, 2.0).holds(&row(CODE, "")));
}

#[test]
fn the_keys_of_a_test_are_told_if_it_wants_nothing_else() {
    let several = Test::OneOf(vec!["b".to_owned(), "c".to_owned()]);
    assert_eq!(is("a").keys(), Some(vec!["a"]));
    assert_eq!(several.keys(), Some(vec!["b", "c"]));
    assert_eq!(Test::Either([is("a"), several].into()).keys(), Some(vec!["a", "b", "c"]));
    assert_eq!(Test::Either([is("a"), Test::Starts("b".to_owned())].into()).keys(), None);
    assert_eq!(Test::Present.keys(), None);
}

#[test]
fn what_is_there_twice_is_there_once() {
    let [a, b, c] = ["a", "b", "c"].map(id);
    type Join = fn(Predicate, Predicate) -> Predicate;
    type Of = fn(Vec<Predicate>) -> Predicate;
    for (join, of, neutral, wins) in [
        (Predicate::and as Join, Predicate::And as Of, Predicate::All, Predicate::None),
        (Predicate::or, Predicate::Or, Predicate::None, Predicate::All),
    ] {
        let list = |parts: &[&Predicate]| of(parts.iter().map(|part| (*part).clone()).collect());
        let ab = list(&[&a, &b]);
        for (left, right, found) in [
            (&a, &neutral, a.clone()),
            (&neutral, &a, a.clone()),
            (&a, &wins, wins.clone()),
            (&wins, &a, wins.clone()),
            (&a, &a, a.clone()),
            (&a, &b, ab.clone()),
            (&ab, &list(&[&b, &c]), list(&[&a, &b, &c])),
            (&ab, &b, ab.clone()),
            (&ab, &c, list(&[&a, &b, &c])),
            (&b, &ab, ab.clone()),
            (&c, &ab, list(&[&c, &a, &b])),
        ] {
            assert_eq!(join(left.clone(), right.clone()), found, "{left:?} {right:?}");
        }
    }
}

#[test]
fn of_one_type_it_asks_for_no_other() {
    let observation = ResourceType::of("Observation");
    let of_type = |predicate: &Predicate| predicate.clone().of_type(observation);
    let (own, other, a) = (types("Observation"), types("Goal"), id("a"));
    assert_eq!(of_type(&own), Predicate::All);
    assert_eq!(of_type(&other), Predicate::None);
    assert_eq!(of_type(&a), a);
    assert_eq!(of_type(&own.clone().and(a.clone())), a);
    assert_eq!(of_type(&other.clone().and(a.clone())), Predicate::None);
    assert_eq!(of_type(&other.clone().or(a.clone())), a);
    assert_eq!(of_type(&own.clone().or(a.clone())), Predicate::All);
    assert_eq!(of_type(&own.negate()), Predicate::None);
    assert_eq!(of_type(&other.negate()), Predicate::All);
}

#[test]
fn a_resource_is_meant_by_what_it_is_and_by_its_rows() {
    let unrelated = of("Goal", "b");
    let mut one = with("Observation", "a", &[(CODE, "1"), (SUBJECT, "Patient/p")]);
    one.patients = vec!["p".to_owned()];
    one.author = "Patient/p".to_owned();
    one.sources = vec![Source { resource_type: ResourceType::of("Encounter"), id: "e".to_owned(), version: 0 }];
    let author: Arc<[String]> = ["Patient/p".to_owned()].into();
    for (predicate, is_meant, unrelated_is) in [
        (Predicate::All, true, true),
        (Predicate::None, false, false),
        (types("Observation"), true, false),
        (id("a"), true, false),
        (id("a").negate(), false, true),
        (types("Observation").and(id("b")), false, false),
        (types("Observation").or(id("b")), true, true),
        (Predicate::PatientCompartment("p".to_owned()), true, false),
        (Predicate::NoPatientCompartment, false, true),
        (Predicate::Author(author), true, false),
        (Predicate::Updated(Comparison::AtMost, 10), true, true),
        (Predicate::Updated(Comparison::Less, 10), false, false),
        (Predicate::Entry(CODE, is("1")), true, false),
        (Predicate::Entry(CODE, is("2")), false, false),
        (Predicate::Entry(CODE, is("Patient/p")), false, false),
        (Predicate::AwaitsLabels, true, false),
        (Predicate::Given(1), false, false),
    ] {
        assert_eq!(predicate.holds(&one), is_meant, "{predicate:?}");
        assert_eq!(predicate.holds(&unrelated), unrelated_is, "{predicate:?}");
    }
}

#[test]
fn a_chain_leads_to_what_is_named_of_those_types_and_meets_the_rest() {
    let one = with("Observation", "a", &[(SUBJECT, "Patient/p"), (PERFORMER, "Practitioner/d")]);
    let all = ["Patient/p", "Patient/q", "Group/p", "Practitioner/d", "Practitioner/p"]
        .map(|name| name.split_once('/').map(|(name, id)| of(name, id)).unwrap());
    for (names, then, leads) in [
        (&["Patient"][..], Predicate::All, true),
        (&["Group", "Patient"], Predicate::All, true),
        (&["Group"], Predicate::All, false),
        (&["Practitioner"], Predicate::All, false),
        (&["Patient"], id("p"), true),
        (&["Patient"], id("q"), false),
    ] {
        let chain = chain(SUBJECT, names, then);
        assert_eq!(chain.holds_among(&one, &all), leads, "{chain:?}");
        assert!(!chain.holds(&one));
    }
}

#[test]
fn a_chain_back_leads_from_what_names_it() {
    let names = |name: &str, parameter| with(name, "a", &[(parameter, "Patient/p")]);
    let back = |by: Predicate| named("Patient", by);
    let patient = of("Patient", "p");
    let observation = [names("Observation", SUBJECT)];
    assert!(back(Predicate::All).holds_among(&patient, &observation));
    assert!(back(id("a")).holds_among(&patient, &observation));
    assert!(!back(id("b")).holds_among(&patient, &observation));
    assert!(!back(Predicate::All).holds_among(&of("Patient", "q"), &observation));
    assert!(!back(Predicate::All).holds_among(&of("Group", "p"), &observation));
    assert!(!named("Group", Predicate::All).holds_among(&patient, &observation));
    assert!(!back(Predicate::All).holds_among(&patient, &[names("Observation", PERFORMER)]));
    assert!(!back(Predicate::All).holds_among(&patient, &[names("Goal", SUBJECT)]));
}

#[test]
fn a_definition_is_named_by_its_url_and_its_version() {
    let (url, version) = (ParameterId::of("Questionnaire.url"), ParameterId::of("Questionnaire.version"));
    let second = format!("2{SEPARATOR}");
    let definition = [with("Questionnaire", "q", &[(url, "http://example.org/q"), (version, &second)])];
    let leads = |parameter: ParameterId, keys: &[&str]| {
        let rows: Vec<(ParameterId, &str)> = keys.iter().map(|key| (parameter, *key)).collect();
        let one = with("QuestionnaireResponse", "r", &rows);
        chain(parameter, &["Questionnaire"], Predicate::All).holds_among(&one, &definition)
    };
    assert!(leads(QUESTIONNAIRE, &["http://example.org/q"]));
    assert!(leads(QUESTIONNAIRE, &["Questionnaire/q"]));
    assert!(!leads(QUESTIONNAIRE, &["http://example.org/other"]));
    assert!(leads(QUESTIONNAIRE, &["http://example.org/q", "http://example.org/q|2"]));
    assert!(!leads(QUESTIONNAIRE, &["http://example.org/q", "http://example.org/q|1"]));
    assert!(leads(QUESTIONNAIRE, &["http://example.org/q", "http://example.org/q|1", "http://example.org/q|2"]));
    let by_reference = ParameterId::of("QuestionnaireResponse.subject");
    assert!(!leads(by_reference, &["http://example.org/q"]));
    assert!(leads(by_reference, &["Questionnaire/q"]));
}

#[test]
fn what_is_bounded_means_more_or_less_on_its_side_of_a_negation() {
    let widened = |leaf: Predicate| leaf.or(Predicate::AwaitsLabels);
    let (a, b) = (id("a"), id("b"));
    let wide = |leaf: &Predicate| widened(leaf.clone());
    let both = a.clone().and(b.clone().negate());
    assert_eq!(both.clone().bounded(true, &widened), wide(&a).and(b.clone().negate()));
    assert_eq!(both.bounded(false, &widened), a.clone().and(wide(&b).negate()));
    let either = a.clone().or(b.clone().negate());
    assert_eq!(either.bounded(true, &widened), wide(&a).or(b.negate()));
    type Around = fn(Predicate) -> Predicate;
    let around: [Around; 3] =
        [|then| chain(SUBJECT, &["Patient"], then), |then| named("Patient", then), |then| depends("Composition", then)];
    for around in around {
        assert_eq!(around(a.clone()).bounded(true, &widened), around(wide(&a)));
        assert_eq!(around(a.clone()).bounded(false, &widened), around(a.clone()));
    }
}

#[test]
fn at_every_chain_something_more_is_asked() {
    let mut also = |one: ResourceType| {
        let asked = if one == ResourceType::of("Group") { Predicate::None } else { types(one.name()) };
        Ok::<_, Infallible>(asked)
    };
    let mut asked = |predicate: Predicate| {
        let Ok(found) = predicate.at_chains(&mut also);
        found
    };
    let a = id("a");
    let found = chain(SUBJECT, &["Patient"], a.clone().and(types("Patient")));
    let both = chain(SUBJECT, &["Patient", "Group"], a.clone());
    assert_eq!(asked(both.clone()), found);
    assert_eq!(asked(chain(SUBJECT, &["Group"], a.clone())), Predicate::None);
    assert_eq!(asked(both.clone().and(id("b"))), found.clone().and(id("b")));
    assert_eq!(asked(both.clone().or(id("b"))), found.clone().or(id("b")));
    assert_eq!(asked(both.negate()), found.negate());
    assert_eq!(asked(named("Patient", a.clone())), named("Patient", a.and(types("Observation"))));
}

#[test]
fn what_is_asked_of_other_resources_is_told() {
    let a = id("a");
    // What it is, whether it looks at others, whether at labels on their way, whether it walks.
    for (one, looks, awaits, walks) in [
        (a.clone(), false, false, false),
        (chain(SUBJECT, &["Patient"], a.clone()), true, false, false),
        (named("Patient", a.clone()), true, false, false),
        (depends("Composition", a.clone()), true, false, true),
        (Predicate::AwaitsLabels, true, true, false),
        (chain(SUBJECT, &["Patient"], Predicate::AwaitsLabels), true, true, false),
        (named("Patient", depends("Composition", Predicate::AwaitsLabels)), true, true, true),
    ] {
        for told in [one.clone(), one.clone().negate(), one.clone().and(id("b")), id("b").or(one.clone())] {
            let found = (told.has_chains(), told.awaits_labels(), told.walks());
            assert_eq!(found, (looks, awaits, walks), "{told:?}");
        }
    }
    for around in [chain(SUBJECT, &["Patient"], a.clone()), named("Patient", a.clone()), depends("List", a.clone())] {
        assert_eq!(around.elsewhere(), Some(&a));
        assert_eq!(around.negate().elsewhere(), None);
    }
    assert_eq!(a.elsewhere(), None);
}

/// A resource that names that many others, and these.
fn naming(name: &str, id: &str, number: usize, these: &[&Entries]) -> Entries {
    let source = |of: &str, id: String| Source { resource_type: ResourceType::of(of), id, version: 0 };
    let mut sources: Vec<Source> = (0..number).map(|number| source("Observation", format!("o{number}"))).collect();
    sources.extend(these.iter().map(|one| source(one.resource_type.name(), one.id.clone())));
    Entries { sources, ..of(name, id) }
}

#[test]
fn what_names_what_is_meant_depends_on_it() {
    let denied = of("Condition", "denied");
    let inner = naming("Composition", "inner", 0, &[&denied]);
    let plan = naming("CarePlan", "plan", 0, &[&denied]);
    let all = [denied.clone(), inner.clone(), plan.clone()];
    let found = |one: &Entries| depends("Composition", id("denied")).holds_among(one, &all);
    assert!(found(&naming("Goal", "g", 1, &[&denied])));
    assert!(found(&naming("Goal", "g", 1, &[&inner])), "through a Composition");
    assert!(!found(&naming("Goal", "g", 1, &[&plan])), "not through a CarePlan");
    assert!(!found(&naming("Goal", "g", 1, &[])));
    assert!(!found(&naming("Goal", "g", 0, &[&of("Condition", "other"), &of("Procedure", "denied")])));
    let shown = |id: &str| Source { resource_type: ResourceType::of("Composition"), id: id.to_owned(), version: 0 };
    let shows = [Entries { contents: vec![shown("content")], ..of("DocumentReference", "d") }];
    let shown_by = |name: &str, own: &str, then| depends("DocumentReference", then).holds_among(&of(name, own), &shows);
    assert!(shown_by("Composition", "content", id("d")));
    assert!(!shown_by("Composition", "content", id("content")));
    assert!(!shown_by("Composition", "other", id("d")));
    assert!(!shown_by("Goal", "content", id("d")));
}

#[test]
fn what_leads_to_more_than_can_be_looked_at_counts_as_dependent() {
    let found = |one: &Entries, all: &[Entries]| depends("Composition", Predicate::None).holds_among(one, all);
    assert!(!found(&naming("Goal", "g", MOST_LINKS, &[]), &[]));
    assert!(found(&naming("Goal", "g", MOST_LINKS + 1, &[]), &[]));
    // With the link to what is gone through, that itself, and what it names.
    for (name, id) in [("Goal", "g"), ("Goal", "c"), ("Composition", "other")] {
        for (number, is_more) in [(MOST_LINKS - 2, false), (MOST_LINKS - 1, true)] {
            let inner = naming("Composition", "c", number, &[]);
            assert_eq!(
                found(&naming(name, id, 0, &[&inner]), std::slice::from_ref(&inner)),
                is_more,
                "{name} {id} {number}"
            );
        }
    }
    // What names itself names no more for that.
    let itself = naming("Composition", "c", MOST_LINKS - 2, &[&of("Composition", "c")]);
    assert!(!found(&itself, std::slice::from_ref(&itself)));
}

#[test]
fn of_which_types_it_may_be_is_told_by_what_it_says_of_types() {
    let observation = ResourceType::of("Observation");
    let some = || Predicate::Entry(CODE, is("a"));
    for (predicate, may) in [
        (Predicate::All, true),
        (Predicate::None, false),
        (some(), true),
        (types("Observation"), true),
        (types("Patient"), false),
        (types("Patient").and(some()), false),
        (types("Observation").and(some()), true),
        (types("Patient").or(some()), true),
        (types("Patient").or(types("Goal").and(some())), false),
        (types("Patient").negate(), true),
        (types("Observation").negate(), false),
        (types("Observation").and(some()).negate(), true),
        (depends("Goal", types("Patient")), true),
    ] {
        assert_eq!(predicate.may_be_of(observation), may, "{predicate}");
    }
}
