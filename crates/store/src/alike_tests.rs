//! What is taken together means of each type what its own query does, and takes few statements.

use concord_fhir::index::{Entries, Entry, ParameterId};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{Kind, ResourceType, compartment_parameters, parameter};

use crate::alike::alike;
use crate::search::TypeQuery;

const AMINA: &str = "Patient/amina";

fn compartment(resource_type: ResourceType) -> Vec<ParameterId> {
    let codes = compartment_parameters(resource_type).iter();
    let found = codes.filter_map(|code| parameter(resource_type, code)).filter(|one| one.kind == Kind::Reference);
    found.map(|one| one.id).collect()
}

fn types() -> Vec<ResourceType> {
    ResourceType::all().filter(|one| !compartment(*one).is_empty()).collect()
}

fn any(parameters: &[ParameterId], test: &Test) -> Predicate {
    parameters.iter().fold(Predicate::None, |any, one| any.or(Predicate::Entry(*one, test.clone())))
}

/// What may be asked of each type in its own parameters.
fn asked(resource_type: ResourceType) -> [Predicate; 3] {
    let links = compartment(resource_type);
    let is_amina = any(&links, &Test::Is(AMINA.to_owned()));
    let other = any(&links, &Test::Starts("Patient/b".to_owned()));
    let known = any(&links, &Test::Present);
    [is_amina.clone(), other.or(known.negate()), is_amina.and(Predicate::Updated(Comparison::AtLeast, 5))]
}

/// What may be permitted of a type: the same of all, or something of its own.
fn permitted(number: usize) -> Predicate {
    let label = |code: &str| Predicate::Entry(ParameterId::of("_security"), Test::Is(code.to_owned()));
    match number % 3 {
        0 => label("R").negate(),
        1 => label("R").negate().or(Predicate::Author(vec!["Practitioner/o".to_owned()].into())),
        _ => Predicate::All,
    }
}

fn queries(form: usize) -> Vec<TypeQuery> {
    let query = |(number, resource_type): (usize, ResourceType)| {
        let [first, second, third] = asked(resource_type);
        let asked = [first, second, third].into_iter().nth(form).unwrap();
        let record = Some("amina".to_owned());
        TypeQuery { resource_type, record, predicate: asked.and(permitted(number)) }
    };
    types().into_iter().enumerate().map(query).collect()
}

/// Resources of a type with all that the queries tell apart.
fn resources(resource_type: ResourceType) -> Vec<Entries> {
    let mut all = Vec::new();
    let row = |parameter, key: &str| Entry { parameter, key: key.to_owned(), low: None, high: None };
    for label in [None, Some("R")] {
        for author in ["", "Practitioner/o"] {
            for updated in [4, 5] {
                for link in compartment(resource_type).into_iter().map(Some).chain([None]) {
                    for key in [AMINA, "Patient/b1", "Group/x"] {
                        let mut rows: Vec<Entry> = link.iter().map(|one| row(*one, key)).collect();
                        rows.extend(label.map(|label| row(ParameterId::of("_security"), label)));
                        let none = Entries::none(resource_type, "x".to_owned(), updated);
                        all.push(Entries { rows, author: author.to_owned(), ..none });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn what_is_taken_together_means_of_each_type_what_it_did_alone() {
    assert!(types().len() > 60);
    for form in 0..3 {
        let queries = queries(form);
        let together = alike(&queries);
        assert_eq!(together.iter().map(|one| one.types.len()).sum::<usize>(), queries.len());
        for query in &queries {
            let one = together.iter().find(|one| one.types.contains(&query.resource_type)).unwrap();
            for resource in resources(query.resource_type) {
                assert_eq!(one.predicate.holds(&resource), query.predicate.holds(&resource), "{resource:?}");
            }
        }
    }
}

#[test]
fn types_of_which_alike_is_asked_and_permitted_are_taken_together() {
    for form in 0..3 {
        // As many as there are permissions.
        assert_eq!(alike(&queries(form)).len(), 3, "{form}");
    }
}

#[test]
fn types_are_taken_together_in_one_record_or_by_one_key() {
    let all = |form: usize, record: fn(usize) -> Option<String>| {
        let mut queries = queries(form);
        queries.iter_mut().enumerate().for_each(|(number, query)| query.record = record(number));
        alike(&queries).len()
    };
    assert_eq!(all(1, |_| None), types().len());
    assert!(all(0, |number| Some(format!("p{}", number % 2))) > 3);
    // All have the one key.
    assert_eq!(all(0, |_| None), 3);
}

#[test]
fn a_parameter_of_another_type_is_left_where_it_is() {
    let (goal, task) = (ResourceType::of("Goal"), ResourceType::of("Task"));
    let query = |resource_type, parameter| TypeQuery {
        resource_type,
        record: Some("amina".to_owned()),
        predicate: Predicate::Entry(ParameterId::of(parameter), Test::Present),
    };
    let queries = [query(goal, "Task.owner"), query(task, "Task.patient")];
    assert_eq!(alike(&queries).len(), 2);
    let pseudo = [query(goal, "Goal.patient:identifier"), query(task, "Task.patient:identifier")];
    assert_eq!(alike(&pseudo).len(), 2);
}
