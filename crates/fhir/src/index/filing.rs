//! Patients whom a resource names by NHS number alone, in the elements by which the patient compartment goes. NHS systems
//! write so. Which Patient that is only a store knows: what it says is put beside the number for the index, and the
//! resource stays as it was sent.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::json::Value;
use crate::nhs_number;
use crate::registry::path::DataType;
use crate::registry::{
    OWNER, PatientCompartment, ResourceType, compartment_parameters, may_name_patient, parameter, patient_compartment,
};
use crate::rules::local_reference;

/// A reference to a patient that says nothing but an NHS number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPatient {
    /// The element, as a simple FHIRPath.
    pub place: String,
    /// The number.
    pub number: String,
    /// Whether it decides in whose record the resource is.
    pub decides: bool,
}

/// What an element of a type says of the compartment.
struct Element {
    /// The members that lead to it.
    path: Vec<String>,
    weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It says whose record it is.
    Owner,
    /// It does where no owner is there.
    Otherwise,
    /// The resource is linked to the patient, and in no record for it.
    Link,
}

/// The elements of each type, in the order of [`ResourceType::all`].
static ELEMENTS: LazyLock<Vec<Vec<Element>>> = LazyLock::new(|| ResourceType::all().map(elements_of).collect());

fn elements(resource_type: ResourceType) -> &'static [Element] {
    usize::try_from(resource_type.number()).ok().and_then(|at| ELEMENTS.get(at)).map_or(&[], Vec::as_slice)
}

/// The elements of a type that name patients of the compartment, each once: those of the table of records, and those of
/// the parameters of R4's compartment.
fn elements_of(resource_type: ResourceType) -> Vec<Element> {
    let (owner, otherwise) = match patient_compartment(resource_type) {
        PatientCompartment::Record { owner, otherwise } => (owner, otherwise),
        PatientCompartment::Shared | PatientCompartment::Restricted => (&[][..], &[][..]),
    };
    let is_record = matches!(patient_compartment(resource_type), PatientCompartment::Record { .. });
    // Of these no element says whose they are, so all that link them to a patient do.
    let linked = if is_record && owner.is_empty() { Weight::Owner } else { Weight::Link };
    let mut all: Vec<Element> = Vec::new();
    let mut add = |path: Vec<String>, weight| {
        if all.iter().all(|known: &Element| known.path != path) {
            all.push(Element { path, weight });
        }
    };
    let dotted = |path: &&str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    owner.iter().filter(|path| **path != ".").for_each(|path| add(dotted(path), Weight::Owner));
    otherwise.iter().for_each(|path| add(dotted(path), Weight::Otherwise));
    let parameters = compartment_parameters(resource_type).iter().filter_map(|code| parameter(resource_type, code));
    for path in parameters.flat_map(|parameter| &parameter.paths) {
        if path.data_type == DataType::Reference && path.refers_to.is_none_or(|one| one == OWNER) {
            add(path.steps.iter().map(|step| step.member.to_string()).collect(), linked);
        }
    }
    all
}

/// The patients whom a resource names so, in the order of its elements.
#[must_use]
pub fn numbered_patients(resource_type: ResourceType, resource: &Value<'_>) -> Vec<NumberedPatient> {
    let mut found = Vec::new();
    each(resource_type, resource, &mut |place, reference, decides| {
        if let Some(number) = number(reference) {
            found.push(NumberedPatient { place: place.to_owned(), number: number.to_owned(), decides });
        }
    });
    found
}

/// A reference to a patient of the server that says an NHS number besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoublyNamed {
    /// The element, as a simple FHIRPath.
    pub place: String,
    /// The type of what is referred to: that of patients' own records.
    pub resource_type: ResourceType,
    /// The logical id of the patient.
    pub patient: String,
    /// The number.
    pub number: String,
}

/// The patients whom a resource names both by a reference and by an NHS number, in the order of its elements.
#[must_use]
pub fn doubly_named_patients(base: &str, resource_type: ResourceType, resource: &Value<'_>) -> Vec<DoublyNamed> {
    let mut found = Vec::new();
    each(resource_type, resource, &mut |place, reference, _| {
        let Some(number) = reference.get("identifier").and_then(nhs_number::of_identifier) else { return };
        let local = reference.text("reference").and_then(|text| local_reference(base, text));
        let Some((name, id)) = local.as_deref().and_then(|local| local.split_once('/')) else { return };
        if name == OWNER.name() {
            let (place, patient, number) = (place.to_owned(), id.to_owned(), number.to_owned());
            found.push(DoublyNamed { place, resource_type: OWNER, patient, number });
        }
    });
    found
}

/// Where a resource that is in no patient's record may mean a patient all the same, in an element that would decide it: by any other
/// identifier, by what it contains, or by an address elsewhere.
#[must_use]
pub fn means_somebody(resource_type: ResourceType, resource: &Value<'_>) -> Option<String> {
    let mut first = None;
    each(resource_type, resource, &mut |place, reference, decides| {
        let is_named = match reference.text("reference") {
            Some(text) => text.starts_with('#') || may_name_patient(text),
            None => reference.get("identifier").is_some(),
        };
        if decides && is_named && may_be_patient(reference) && first.is_none() {
            first = Some(place.to_owned());
        }
    });
    first
}

/// Goes over the references by which a resource is in a patient's compartment: each with its place, and whether it decides in whose
/// record the resource is.
fn each(resource_type: ResourceType, resource: &Value<'_>, visit: &mut dyn FnMut(&str, &Value<'_>, bool)) {
    let elements = elements(resource_type);
    let has_owner = elements.iter().filter(|one| one.weight == Weight::Owner).any(|one| is_there(resource, &one.path));
    for element in elements {
        let decides = match element.weight {
            Weight::Owner => true,
            Weight::Otherwise => !has_owner,
            Weight::Link => false,
        };
        let mut place = resource_type.name().to_owned();
        follow(resource, &element.path, &mut place, &mut |place, reference| visit(place, reference, decides));
    }
}

/// The resource with a reference beside each number that `patient` knows the Patient of, by logical id: what it is to be
/// found and evaluated by. None where there is no such number.
#[must_use]
pub fn filed<'v>(
    resource_type: ResourceType,
    resource: &Value<'v>,
    patient: impl Fn(&str) -> Option<String>,
) -> Option<Value<'v>> {
    if numbered_patients(resource_type, resource).iter().all(|named| patient(&named.number).is_none()) {
        return None;
    }
    let mut filed = resource.clone();
    for element in elements(resource_type) {
        change(&mut filed, &element.path, &mut |reference| {
            let known = number(reference).and_then(&patient);
            if let (Some(id), Some(object)) = (known, reference.as_object_mut()) {
                object.set_at(0, "reference", Value::string(format!("{OWNER}/{id}")));
            }
        });
    }
    Some(filed)
}

/// Whether a Reference does not say that it means something else.
fn may_be_patient(reference: &Value<'_>) -> bool {
    let of_type =
        |text: &str| text.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(text) == OWNER.name();
    reference.text("type").is_none_or(of_type)
}

/// The number by which a Reference names a patient, if that is all that it says of whom it means.
fn number<'v>(reference: &'v Value<'_>) -> Option<&'v str> {
    if reference.get("reference").is_some() || !may_be_patient(reference) {
        return None;
    }
    reference.get("identifier").and_then(nhs_number::of_identifier)
}

fn is_there(value: &Value<'_>, path: &[String]) -> bool {
    match path {
        [] => true,
        [member, rest @ ..] => value.list(member).iter().any(|item| is_there(item, rest)),
    }
}

/// Shows each value at a path, with its place.
fn follow<'v, 'a>(
    value: &'v Value<'a>,
    path: &[String],
    place: &mut String,
    seen: &mut impl FnMut(&str, &'v Value<'a>),
) {
    let [member, rest @ ..] = path else { return seen(place, value) };
    let Some(child) = value.get(member) else { return };
    let before = place.len();
    let _ = write!(place, ".{member}");
    match child {
        Value::Array(items) => {
            let whole = place.len();
            for (position, item) in items.iter().enumerate() {
                let _ = write!(place, "[{position}]");
                follow(item, rest, place, seen);
                place.truncate(whole);
            }
        }
        single => follow(single, rest, place, seen),
    }
    place.truncate(before);
}

/// Changes each value at a path.
fn change<'v>(value: &mut Value<'v>, path: &[String], make: &mut impl FnMut(&mut Value<'v>)) {
    let [member, rest @ ..] = path else { return make(value) };
    let Some(child) = value.as_object_mut().and_then(|object| object.get_mut(member)) else { return };
    match child {
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, rest, make)),
        single => change(single, rest, make),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::extract_under;
    use serde_json::json;

    fn of(name: &str) -> ResourceType {
        ResourceType::parse(name).expect("a type")
    }

    fn numbered(number: &str) -> serde_json::Value {
        json!({ "identifier": { "system": nhs_number::SYSTEM, "value": number } })
    }

    /// A resource with a value at the end of a path.
    fn at(path: &[String], value: serde_json::Value) -> serde_json::Value {
        path.iter().rev().fold(value, |inner, member| json!({ member: inner }))
    }

    /// For every type, each element by which the compartment goes is found, and leads where a literal reference leads.
    #[test]
    fn every_element_of_the_compartment_is_filed_as_a_literal_reference_is() {
        let mut elements_seen = 0;
        for resource_type in ResourceType::all() {
            for element in elements(resource_type) {
                elements_seen += 1;
                let resource = crate::index::from_json(&at(&element.path, numbered("9434765919")));
                let found = numbered_patients(resource_type, &resource);
                let place = format!("{resource_type}.{}", element.path.join("."));
                assert_eq!(found.len(), 1, "{place}");
                assert_eq!((&found[0].place, found[0].number.as_str()), (&place, "9434765919"));
                let filed = filed(resource_type, &resource, |_| Some("p".to_owned())).expect("a filed one");
                let literal = crate::index::from_json(&at(&element.path, json!({ "reference": "Patient/p" })));
                let [filed, literal] = [&filed, &literal]
                    .map(|value| extract_under("https://phr.example/fhir", resource_type, "own", 0, value));
                assert_eq!(filed.patients, literal.patients, "{place}");
                assert_eq!(filed.sources, literal.sources, "{place}");
                for row in &literal.rows {
                    assert!(filed.rows.contains(row), "{place}: {row:?}");
                }
                if found[0].decides && !patient_compartment_is_by_store(resource_type) {
                    assert_eq!(filed.patients, ["p"], "{place}");
                }
            }
        }
        assert!(elements_seen > 100, "{elements_seen}");
    }

    fn patient_compartment_is_by_store(resource_type: ResourceType) -> bool {
        matches!(patient_compartment(resource_type), PatientCompartment::Record { owner: [], .. })
    }

    #[test]
    fn every_record_that_an_element_decides_has_one_that_is_filed() {
        for resource_type in ResourceType::all() {
            let PatientCompartment::Record { owner, .. } = patient_compartment(resource_type) else { continue };
            if owner != ["."] {
                assert!(elements(resource_type).iter().any(|one| one.weight == Weight::Owner), "{resource_type}");
            }
        }
    }

    #[test]
    fn what_says_whom_it_means_otherwise_is_left_alone() {
        let subject = |subject: serde_json::Value| crate::index::from_json(&json!({ "subject": subject }));
        let with = |name: &str, value: serde_json::Value| {
            let mut reference = numbered("9434765919");
            reference[name] = value;
            subject(reference)
        };
        for resource in [
            with("reference", json!("Patient/other")),
            with("reference", json!("#contained")),
            with("type", json!("RelatedPerson")),
            subject(json!({ "identifier": { "system": "urn:local", "value": "9434765919" } })),
            subject(json!({ "identifier": { "value": "9434765919" } })),
            subject(json!({ "identifier": { "system": nhs_number::SYSTEM } })),
            subject(json!({ "display": "9434765919" })),
        ] {
            assert!(numbered_patients(of("Observation"), &resource).is_empty(), "{resource:?}");
            assert!(filed(of("Observation"), &resource, |_| Some("p".to_owned())).is_none());
        }
        for same in ["Patient", "http://hl7.org/fhir/StructureDefinition/Patient"] {
            assert_eq!(numbered_patients(of("Observation"), &with("type", json!(same))).len(), 1);
        }
    }

    #[test]
    fn an_owner_that_is_there_decides_alone() {
        let resource =
            json!({ "subject": { "reference": "Patient/p" }, "performer": [{ "display": "x" }, numbered("1")] });
        let resource = crate::index::from_json(&resource);
        let found = numbered_patients(of("Observation"), &resource);
        assert_eq!((found.len(), found[0].decides), (1, false));
        assert_eq!(found[0].place, "Observation.performer[1]");
        let alone = crate::index::from_json(&json!({ "performer": [numbered("1")] }));
        assert!(numbered_patients(of("Observation"), &alone)[0].decides);
        let appointment =
            json!({ "participant": [{ "actor": { "reference": "Practitioner/x" } }, { "actor": numbered("2") }] });
        let found = numbered_patients(of("Appointment"), &crate::index::from_json(&appointment));
        assert_eq!(found[0].place, "Appointment.participant[1].actor");
        assert!(found[0].decides);
    }

    /// For every type, each element by which the compartment goes.
    #[test]
    fn who_is_named_twice_is_found_at_every_element() {
        let named = |reference: &str| {
            let identifier = json!({ "system": nhs_number::SYSTEM, "value": "9434765919" });
            json!({ "reference": reference, "identifier": identifier })
        };
        let mut count = 0;
        for resource_type in ResourceType::all() {
            for element in elements(resource_type) {
                count += 1;
                for reference in ["Patient/p", "https://phr.example/fhir/Patient/p", "Patient/p/_history/2"] {
                    let resource = crate::index::from_json(&at(&element.path, named(reference)));
                    let found = doubly_named_patients("https://phr.example/fhir", resource_type, &resource);
                    let [only] = found.as_slice() else { panic!("{resource_type} {:?}: {found:?}", element.path) };
                    assert_eq!((only.patient.as_str(), only.number.as_str()), ("p", "9434765919"));
                    assert!(only.place.starts_with(resource_type.name()), "{}", only.place);
                }
                for other in [named("Group/p"), named("https://other.example/fhir/Patient/p"), numbered("9434765919")] {
                    let resource = crate::index::from_json(&at(&element.path, other));
                    assert!(doubly_named_patients("https://phr.example/fhir", resource_type, &resource).is_empty());
                }
            }
        }
        assert!(count > 100, "{count}");
    }
}
