//! References (R4 "Search", reference): `[id]`, `[type]/[id]`, an absolute url, or a canonical url.

use super::{key, token, uri};
use crate::entry::Entry;
use crate::json::Value;
use crate::literal::{Literal, is_id};
use crate::predicate::Test;
use crate::registry::path::DataType;
use crate::registry::{Leaf, Parameter, ResourceType, Targets};

/// The type that a reference elsewhere names: the last but one part of its path, which ends before a query or a fragment.
fn remote_type(url: &str) -> Option<ResourceType> {
    if url.contains(['?', '#']) {
        return None;
    }
    let (rest, _) = url.rsplit_once('/')?;
    ResourceType::parse(rest.rsplit('/').next()?)
}

/// The key of `Type/id`.
fn local_key(resource_type: ResourceType, id: &str) -> String {
    let name = resource_type.name();
    let mut key = String::with_capacity(name.len() + id.len() + 1);
    key.push_str(name);
    key.push('/');
    key.push_str(id);
    key
}

/// The rows of a reference, a canonical, a uri or a resource in place of a reference.
pub(crate) fn rows(leaf: &Leaf, value: &Value<'_>, base: &str, rows: &mut Vec<Entry>) {
    let parameter = leaf.parameter;
    match leaf.data_type {
        DataType::Reference => of_reference(leaf, value, base, rows),
        DataType::Resource => {
            let resource_type = value.text("resourceType").and_then(ResourceType::parse);
            let wanted = resource_type.filter(|one| leaf.refers_to.is_none_or(|wanted| wanted == *one));
            if let (Some(resource_type), Some(id)) = (wanted, value.text("id").filter(|id| is_id(id))) {
                rows.push(Entry { parameter, key: local_key(resource_type, id), low: None, high: None });
            }
        }
        _ => uri::rows(parameter, leaf.data_type, value, rows),
    }
}

fn of_reference(leaf: &Leaf, value: &Value<'_>, base: &str, rows: &mut Vec<Entry>) {
    let literal = value.text("reference").map(|reference| Literal::read(reference, base));
    let named = match literal {
        Some(Literal::Local(resource_type, _)) => Some(resource_type),
        Some(Literal::Elsewhere(url)) => remote_type(url),
        Some(Literal::Malformed) => return,
        Some(Literal::Contained) | None => value.text("type").and_then(ResourceType::parse),
    };
    // A logical reference that does not say its type may be meant: nothing speaks against it.
    let wanted = match (leaf.refers_to, named) {
        (Some(wanted), Some(named)) => wanted == named,
        (Some(_), None) => literal.is_none(),
        (None, _) => true,
    };
    if !wanted {
        return;
    }
    let key = match literal {
        Some(Literal::Local(resource_type, id)) => Some(local_key(resource_type, id)),
        Some(Literal::Elsewhere(url)) if !url.is_empty() => Some(key::single(url)),
        _ => None,
    };
    rows.extend(key.map(|key| Entry { parameter: leaf.parameter, key, low: None, high: None }));
    if let Some(identifier) = value.get("identifier") {
        let text = identifier.text("value").unwrap_or_default();
        let system = identifier.text("system").unwrap_or_default();
        if !text.is_empty() {
            rows.push(Entry { parameter: leaf.identifier, key: key::pair(text, system), low: None, high: None });
            rows.extend(token::in_lower_case(leaf.any_case, text, system));
        }
    }
}

/// What a reference in a query means. `only` is the type that the modifier names (`subject:Patient=1`).
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn test(
    parameter: &Parameter,
    only: Option<ResourceType>,
    wanted: &str,
    base: &str,
) -> Result<Test, &'static str> {
    if wanted.is_empty() || wanted.starts_with('#') {
        return Err("a reference is an id, `Type/id` or a url");
    }
    match Literal::read(wanted, base) {
        Literal::Local(resource_type, _) if only.is_some_and(|only| only != resource_type) => {
            Err("the reference is not of the type that the modifier names")
        }
        Literal::Local(resource_type, id) => Ok(Test::Is(local_key(resource_type, id))),
        Literal::Elsewhere(id) if is_id(id) => Ok(of_any(parameter, only, id)),
        Literal::Elsewhere(url) if url.contains([':', '/']) => Ok(uri::is(url)),
        _ => Err("a reference is an id, `Type/id` or a url"),
    }
}

/// A reference to any of the parameter's targets with that id.
fn of_any(parameter: &Parameter, only: Option<ResourceType>, id: &str) -> Test {
    let keys: Vec<String> = match (only, restriction(parameter), &parameter.targets) {
        (Some(one), ..) | (None, Some(one), _) => vec![local_key(one, id)],
        (None, None, Targets::Types(types)) => types.iter().map(|one| local_key(*one, id)).collect(),
        (None, None, Targets::Any) => ResourceType::all().map(|one| local_key(one, id)).collect(),
    };
    let mut tests: Vec<Test> = keys.into_iter().map(Test::Is).collect();
    match tests.pop() {
        Some(only) if tests.is_empty() => only,
        Some(last) => {
            tests.push(last);
            Test::Either(tests.into())
        }
        None => Test::Is(id.to_owned()),
    }
}

/// The one type that all paths of the parameter are restricted to, if they are.
fn restriction(parameter: &Parameter) -> Option<ResourceType> {
    let mut types = parameter.paths.iter().map(|path| path.refers_to);
    let first = types.next()??;
    types.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::ParameterId;
    use crate::literal::local;
    use crate::registry::{Kind, parameter};

    const BASE: &str = "https://phr.example/fhir";

    fn of(name: &str) -> ResourceType {
        ResourceType::parse(name).expect("a type")
    }

    fn leaf(refers_to: Option<ResourceType>) -> Leaf {
        let (parameter, identifier) = (ParameterId(1), ParameterId(2));
        Leaf {
            parameter,
            identifier,
            text: ParameterId(0),
            of_type: ParameterId(0),
            any_case: ParameterId(3),
            base_unit: ParameterId(0),
            kind: Kind::Reference,
            data_type: DataType::Reference,
            refers_to,
        }
    }

    fn keys(reference: &str, refers_to: Option<ResourceType>) -> Vec<String> {
        let mut found = Vec::new();
        let value = Value::object([("reference", Value::string(reference))]);
        rows(&leaf(refers_to), &value, BASE, &mut found);
        found.into_iter().map(|row| row.key).collect()
    }

    #[test]
    fn references_are_kept_in_one_form() {
        assert_eq!(keys("Patient/1", None), ["Patient/1"]);
        assert_eq!(keys("Patient/1/_history/3", None), ["Patient/1"]);
        assert_eq!(keys("https://phr.example/fhir/Patient/1", None), ["Patient/1"]);
        assert_eq!(keys("https://other.example/fhir/Patient/1", None), ["https://other.example/fhir/Patient/1"]);
        assert_eq!(keys("https://phr.example/fhirs/Patient/1", None), ["https://phr.example/fhirs/Patient/1"]);
        assert_eq!(keys("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", None).len(), 1);
        assert!(keys("#p1", None).is_empty());
        assert_eq!(local("Patient/1/2"), None);
        assert_eq!(local("patient/1"), None);
        assert_eq!(local(&format!("Patient/{}", "1".repeat(65))), None);
    }

    #[test]
    fn a_restricted_path_takes_only_its_type() {
        let patient = Some(of("Patient"));
        assert_eq!(keys("Patient/1", patient), ["Patient/1"]);
        assert!(keys("Group/1", patient).is_empty());
        assert_eq!(keys("https://other.example/Patient/1", patient).len(), 1);
        assert!(keys("https://other.example/Group/1", patient).is_empty());
        assert!(keys("urn:uuid:1", patient).is_empty());
    }

    #[test]
    fn a_logical_reference_is_found_by_its_identifier() {
        let identifier = Value::object([
            ("system", Value::string("https://fhir.nhs.uk/Id/nhs-number")),
            ("value", Value::string("9990011176")),
        ]);
        let mut found = Vec::new();
        let value = Value::object([("identifier", identifier)]);
        rows(&leaf(Some(of("Patient"))), &value, "", &mut found);
        assert_eq!(found[0].parameter, ParameterId(2));
        assert_eq!(found[0].key, "9990011176\u{1f}https://fhir.nhs.uk/Id/nhs-number");
    }

    #[test]
    fn a_resource_stands_in_place_of_a_reference_to_it() {
        let composition = crate::index::from_json(&serde_json::json!({ "resourceType": "Composition", "id": "c" }));
        let keys = |refers_to| {
            let mut found = Vec::new();
            let leaf = Leaf { data_type: DataType::Resource, ..leaf(refers_to) };
            rows(&leaf, &composition, "", &mut found);
            found.into_iter().map(|row| row.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(Some(of("Composition"))), ["Composition/c"]);
        assert!(keys(Some(of("MessageHeader"))).is_empty());
    }

    #[test]
    fn an_id_alone_means_any_target() {
        let patient = parameter(of("Observation"), "patient").expect("a parameter");
        assert_eq!(test(patient, None, "1", BASE), Ok(Test::Is("Patient/1".to_owned())));
        let subject = parameter(of("Observation"), "subject").expect("a parameter");
        let either = test(subject, None, "1", BASE).expect("a reference");
        assert!(matches!(&either, Test::Either(tests) if tests.contains(&Test::Is("Patient/1".to_owned()))));
        assert_eq!(test(subject, Some(of("Patient")), "1", BASE), Ok(Test::Is("Patient/1".to_owned())));
        assert_eq!(
            test(subject, None, "https://phr.example/fhir/Patient/1", BASE),
            Ok(Test::Is("Patient/1".to_owned()))
        );
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let subject = parameter(of("Observation"), "subject").expect("a parameter");
        for wanted in ["", "#a", "a b", "ü"] {
            assert!(test(subject, None, wanted, BASE).is_err(), "{wanted}");
        }
        assert!(test(subject, Some(of("Patient")), "Group/1", BASE).is_err());
    }
}
