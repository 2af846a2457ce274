//! An entry stays in the record in which it was written: whose it is never changes.

use concord_fhir::index::Entries;
use concord_fhir::json::Value;
use concord_fhir::registry::{PatientCompartment, ResourceType, may_change_record, patient_compartment};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;

/// Refuses a version that would be part of another record than the one in whose place it comes; one that was part of
/// nobody's may come to be part of one.
///
/// # Errors
/// A broken rule with its place, which says what to do instead.
pub(super) fn refuse_move(
    session: &mut Session<'_, '_>,
    old: &Version,
    value: &Value<'_>,
    entries: &Entries,
) -> Result<(), ApiError> {
    let mut patients = session.transaction.patient_ids_of(old)?;
    patients.sort_unstable();
    if patients.is_empty() || patients == entries.patients {
        return Ok(());
    }
    if may_change_record(old.resource_type) {
        // They protect what stands in that record, and say nothing of anybody else's.
        return match old.added_labels().next() {
            None => Ok(()),
            Some(_) => {
                let text =
                    "somebody put a label beside this in the record that it is in, where it stays: write another one";
                Err(ApiError::rule(place(old.resource_type, value), text))
            }
        };
    }
    let text = "whose record an entry is part of never changes: enter it in error and write it anew";
    Err(ApiError::rule(place(old.resource_type, value), text))
}

/// The element by which it is told whose record it is: of several, the first that is there.
pub(super) fn place(resource_type: ResourceType, value: &Value<'_>) -> String {
    let elements = match patient_compartment(resource_type) {
        PatientCompartment::Record { owner, otherwise } => [owner, otherwise],
        PatientCompartment::Shared | PatientCompartment::Restricted => [&[][..], &[]],
    };
    let all = || elements.iter().copied().flatten();
    let is_there = |element: &&&str| element.split('.').next().is_some_and(|member| value.get(member).is_some());
    match all().find(is_there).or_else(|| all().next()) {
        Some(element) => format!("{resource_type}.{element}"),
        None => resource_type.to_string(),
    }
}
