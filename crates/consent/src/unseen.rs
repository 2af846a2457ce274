//! What a predicate says of data that nobody has looked at: of which its type, its patient and at most a label are known.

use concord_fhir::index::{Entries, Entry};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{ResourceType, parameter_by_id};

use crate::facts::PatientFacts;
use crate::label;
use crate::tri::Tri;

/// Data of that type of which nothing is known but its label.
pub(crate) fn example(resource_type: ResourceType, patient: &PatientFacts, label: &str) -> Entries {
    let rows: Vec<Entry> = if label == "N" { Vec::new() } else { vec![label::row(label)] };
    let none = Entries::none(resource_type, String::new(), 0);
    Entries { patients: vec![patient.patient.clone()], rows, ..none }
}

/// Whether the predicate holds of data of which type, patient and labels are known, and nothing else but that it
/// is none of `own`, and that none of them wrote it.
pub(crate) fn may_hold(predicate: &Predicate, data: &Entries, own: &[String]) -> Tri {
    match predicate {
        Predicate::All
        | Predicate::None
        | Predicate::Type(_)
        | Predicate::PatientCompartment(_)
        | Predicate::NoPatientCompartment => Tri::from(predicate.holds(data)),
        Predicate::Entry(parameter, _) if label::is_label(*parameter) => Tri::from(predicate.holds(data)),
        Predicate::Entry(parameter, _)
            if parameter_by_id(*parameter)
                .is_some_and(|known| known.resource_type.is_some_and(|one| one != data.resource_type)) =>
        {
            Tri::No
        }
        Predicate::Id(ids) if ids.iter().any(|id| own.contains(&format!("{}/{id}", data.resource_type))) => Tri::No,
        // Of data that nobody is asked about in person, nobody is known to be the author: what it is to one who wrote it is
        // told of the item, or a patient of whom nothing is known would be answered otherwise.
        Predicate::Author(names) if own.is_empty() || names.iter().any(|name| own.contains(name)) => Tri::No,
        Predicate::And(parts) => parts.iter().map(|part| may_hold(part, data, own)).min().unwrap_or(Tri::Yes),
        Predicate::Or(parts) => parts.iter().map(|part| may_hold(part, data, own)).max().unwrap_or(Tri::No),
        Predicate::Not(part) => match may_hold(part, data, own) {
            Tri::Yes => Tri::No,
            Tri::Maybe => Tri::Maybe,
            Tri::No => Tri::Yes,
        },
        _ => Tri::Maybe,
    }
}

/// All or nothing of a type: all where the predicate holds for certain of what is this patient's and has no label.
pub(crate) fn wholly(predicate: &Predicate, resource_type: ResourceType, patient: &str) -> Predicate {
    let known = PatientFacts { patient: patient.to_owned(), ..PatientFacts::default() };
    match may_hold(&predicate.clone().of_type(resource_type), &example(resource_type, &known, "N"), &[]) {
        Tri::Yes => Predicate::All,
        Tri::Maybe | Tri::No => Predicate::None,
    }
}
