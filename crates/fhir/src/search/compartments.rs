//! Whose records a query can match at all.

use crate::entry::ParameterId;
use crate::nhs_number;
use crate::predicate::{Predicate, Test};
use crate::registry::path::{DataType, Only, Path};
use crate::registry::{PatientCompartment, ResourceType, may_change_record, parameter_by_id, patient_compartment};
use crate::schema::r4;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// The parameter by which Patients are found who bear a number.
const BEARS: ParameterId = ParameterId::of("Patient.identifier");

/// The logical ids of patients such that **every** resource that meets the predicate is part of the record of one of
/// them; empty if there is no such list.
///
/// A store may look into these records only, and a decision needs to be made for these patients only.
#[must_use]
pub fn compartments_of(predicate: &Predicate) -> Vec<String> {
    records(predicate).unwrap_or_default()
}

/// The list, if there is one. An empty one means that no resource meets the predicate.
fn records(predicate: &Predicate) -> Option<Vec<String>> {
    match predicate {
        Predicate::None => Some(Vec::new()),
        Predicate::PatientCompartment(patient) => Some(vec![patient.clone()]),
        Predicate::And(parts) => {
            // Any one of the lists is right; the shortest says most. They must not be intersected: a resource may be
            // part of several records.
            let own = patients_by_id(parts);
            parts.iter().filter_map(records).chain(own).min_by_key(Vec::len)
        }
        Predicate::Or(parts) => union(parts.iter().map(records)),
        Predicate::Entry(parameter, test) if names_owner(*parameter) => patients_in(test),
        _ => None,
    }
}

/// The logical ids of all patients whom a question about these types names, as whatever: whose record it is, who performed something,
/// at the end of a chain; not of those whom it leaves out. Each once.
#[must_use]
pub fn named_patients(types: &[ResourceType], predicate: &Predicate) -> Vec<String> {
    let mut found = Vec::new();
    name_patients(types, predicate, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn name_patients(types: &[ResourceType], predicate: &Predicate, found: &mut Vec<String>) {
    match predicate {
        Predicate::PatientCompartment(patient) => found.push(patient.clone()),
        Predicate::Id(ids) if types.contains(&PATIENT) => found.extend(ids.iter().cloned()),
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().for_each(|part| name_patients(types, part, found));
        }
        Predicate::Entry(_, test) => named_in(test, found),
        Predicate::Chain { types, then, .. } => name_patients(types, then, found),
        Predicate::ReverseChain { resource_type, by, .. } => name_patients(&[*resource_type], by, found),
        _ => {}
    }
}

fn named_in(test: &Test, found: &mut Vec<String>) {
    let id = |key: &str| key.strip_prefix("Patient/").map(str::to_owned);
    match test {
        Test::Is(key) => found.extend(id(key)),
        Test::OneOf(keys) => found.extend(keys.iter().filter_map(|key| id(key))),
        Test::Either(tests) => tests.iter().for_each(|test| named_in(test, found)),
        Test::Every(tests) => tests.iter().for_each(|test| named_in(test, found)),
        _ => {}
    }
}

/// The NHS number by which a query for one type says whose record it is about, if that is how it says so.
#[must_use]
pub fn number_of(resource_type: Option<ResourceType>, predicate: &Predicate) -> Option<String> {
    match predicate {
        Predicate::And(parts) => parts.iter().find_map(|part| number_of(resource_type, part)),
        Predicate::Or(parts) => {
            let found = parts.iter().find_map(|part| number_of(resource_type, part))?;
            parts.iter().all(|part| is_by_number(part, &found)).then_some(found)
        }
        Predicate::Entry(parameter, test) if resource_type == Some(PATIENT) && *parameter == BEARS => number(test),
        Predicate::Chain { parameter, types, then } if types.as_slice() == [PATIENT] && names_owner(*parameter) => {
            number_of(Some(PATIENT), then)
        }
        _ => None,
    }
}

/// Whether it asks for a number and nothing else: as it stands, or that of what is referred to.
fn is_by_number(predicate: &Predicate, wanted: &str) -> bool {
    match predicate {
        Predicate::Entry(_, test) => number(test).is_some_and(|number| number == wanted),
        Predicate::Chain { then, .. } => is_by_number(then, wanted),
        _ => false,
    }
}

fn number(test: &Test) -> Option<String> {
    match test {
        Test::Is(key) => nhs_number::of_key(key).map(str::to_owned),
        _ => None,
    }
}

/// The ids of a search for Patients by id: a Patient is her own record.
fn patients_by_id(parts: &[Predicate]) -> Option<Vec<String>> {
    let only_patients = parts.iter().any(
        |part| matches!(part, Predicate::Type(types) if !types.is_empty() && types.iter().all(|one| *one == PATIENT)),
    );
    let ids = parts.iter().find_map(|part| match part {
        Predicate::Id(ids) => Some(ids.clone()),
        _ => None,
    });
    ids.filter(|_| only_patients)
}

/// Whether a reference to a patient in this parameter makes the resource part of that patient's record.
fn names_owner(id: ParameterId) -> bool {
    let Some(parameter) = parameter_by_id(id) else { return false };
    let Some(PatientCompartment::Record { owner, .. }) = parameter.resource_type.map(patient_compartment) else {
        return false;
    };
    let is_owner = |path: &Path| {
        path.data_type == DataType::Reference
            && path.steps.iter().all(|step| step.only == Only::All)
            && owner.iter().any(|element| element.split('.').eq(path.steps.iter().map(|step| &*step.member)))
    };
    !parameter.paths.is_empty() && parameter.paths.iter().all(is_owner)
}

/// The same, where the resource is in the record of no other patient besides.
#[must_use]
pub fn names_only_owner(id: ParameterId) -> bool {
    let is_of_one = |resource_type: ResourceType| match patient_compartment(resource_type) {
        PatientCompartment::Record { owner: [element], .. } if !may_change_record(resource_type) => {
            let shape = r4().resource(resource_type);
            shape.and_then(|shape| shape.element(element)).is_some_and(|element| !element.is_list)
        }
        _ => false,
    };
    names_owner(id) && parameter_by_id(id).and_then(|parameter| parameter.resource_type).is_some_and(is_of_one)
}

/// The patients that the test names, if it can be met by references to them only.
fn patients_in(test: &Test) -> Option<Vec<String>> {
    match test {
        Test::Is(key) => key.strip_prefix("Patient/").map(|id| vec![id.to_owned()]),
        Test::Either(tests) => union(tests.iter().map(patients_in)),
        Test::Every(tests) => tests.iter().filter_map(patients_in).min_by_key(Vec::len),
        _ => None,
    }
}

/// All of them, each once, if each part has a list.
fn union(lists: impl Iterator<Item = Option<Vec<String>>>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for list in lists {
        all.extend(list?);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Handling, parse};

    fn of(resource_type: &str, pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = parse(ResourceType::parse(resource_type), &pairs, Handling::Strict, 0, "").expect("a query");
        query.records()
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_patient_parameter_names_the_record() {
        assert_eq!(of("Observation", &[("patient", "1")]), ids(&["1"]));
        assert_eq!(of("Observation", &[("subject", "Patient/1"), ("code", "x")]), ids(&["1"]));
        assert_eq!(of("Observation", &[("patient", "2,1,2")]), ids(&["1", "2"]));
        assert_eq!(of("Task", &[("patient", "Patient/1")]), ids(&["1"]));
        assert_eq!(of("Patient", &[("_id", "1,2")]), ids(&["1", "2"]));
        assert_eq!(of("Appointment", &[("actor", "Patient/1"), ("actor", "Patient/2")]), ids(&["1"]));
    }

    #[test]
    fn a_number_names_whose_record_it_is_about() {
        let of = |resource_type: &str, name: &str, value: &str| {
            let resource_type = ResourceType::parse(resource_type);
            let pairs = [(name.to_owned(), value.to_owned()), ("_lastUpdated".to_owned(), "gt2020".to_owned())];
            let query = parse(resource_type, &pairs, Handling::Strict, 0, "").expect("a query");
            number_of(resource_type, &query.predicate)
        };
        let number = "https://fhir.nhs.uk/Id/nhs-number|9434765919";
        for (resource_type, name) in [
            ("Patient", "identifier"),
            ("Observation", "patient.identifier"),
            ("Observation", "subject:Patient.identifier"),
            ("Observation", "subject.identifier"),
            ("Observation", "patient:identifier"),
            ("Observation", "subject:identifier"),
            ("Appointment", "patient:identifier"),
            ("Task", "patient:identifier"),
            ("DocumentReference", "patient.identifier"),
        ] {
            assert_eq!(of(resource_type, name, number).as_deref(), Some("9434765919"), "{resource_type}?{name}");
        }
        for (resource_type, name, value) in [
            ("Patient", "identifier", "urn:x|9434765919"),
            ("Patient", "identifier", "9434765919"),
            ("Patient", "identifier:not", number),
            ("Observation", "performer:identifier", number),
            ("Observation", "performer:Patient.identifier", number),
            ("Observation", "identifier", number),
            ("Observation", "patient.family", "x"),
        ] {
            assert_eq!(of(resource_type, name, value), None, "{resource_type}?{name}");
        }
    }

    #[test]
    fn other_parameters_name_none() {
        assert_eq!(of("Observation", &[("performer", "Patient/1")]), ids(&[]));
        assert_eq!(of("Observation", &[("subject", "Group/1")]), ids(&[]));
        assert_eq!(of("Observation", &[("subject", "Patient/1,Group/1")]), ids(&[]));
        assert_eq!(of("Observation", &[("patient:missing", "false")]), ids(&[]));
        assert_eq!(of("Observation", &[("_id", "1")]), ids(&[]));
        assert_eq!(of("Provenance", &[("patient", "Patient/1")]), ids(&[]));
        assert_eq!(of("Group", &[("member", "Patient/1")]), ids(&[]));
        assert_eq!(of("Patient", &[("link", "Patient/1")]), ids(&[]));
        let not = Predicate::Not(Box::new(Predicate::PatientCompartment("1".to_owned())));
        assert_eq!(compartments_of(&not), ids(&[]));
        assert_eq!(
            compartments_of(&Predicate::Or(vec![Predicate::PatientCompartment("1".to_owned()), Predicate::All])),
            ids(&[])
        );
        assert_eq!(compartments_of(&Predicate::None), ids(&[]));
    }
}
