//! Whether a version is one of those that a decision means: by its row alone where that is enough, else by one query.

use concord_consent::decision::Decision;
use concord_fhir::predicate::{Predicate, Test};
use concord_store::lower::Rows;
use concord_store::rows::MARK;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::SECURITY;

/// Whether a decision permits a version: from its row alone where that is enough, else from its index rows.
pub(crate) fn permits(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<bool, ApiError> {
    holds(transaction, &decision.permit, rows, version)
}

/// Whether a version is one of those that a predicate means.
pub(crate) fn holds(
    transaction: &mut Transaction<'_>,
    predicate: &Predicate,
    rows: Rows,
    version: &Version,
) -> Result<bool, ApiError> {
    let patient = transaction.patient_id(version.patient)?;
    match holds_by_row(predicate, version, &patient) {
        Some(holds) => Ok(holds),
        None => Ok(transaction.meets(rows, version.key, &settled(predicate, version, &patient))?),
    }
}

/// The elements of a version that have to be left out of what is shown, each once.
pub(crate) fn redacted(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<Vec<&'static str>, ApiError> {
    let mut elements: Vec<&'static str> = Vec::new();
    for redaction in &decision.redactions {
        if holds(transaction, &redaction.of, rows, version)? {
            elements.extend(redaction.elements);
        }
    }
    elements.sort_unstable();
    elements.dedup();
    Ok(elements)
}

/// Whether a version is one of those that a predicate means, if its row says so. Nothing is built: a permit of fifty
/// Consents is asked at every read.
pub(crate) fn holds_by_row(predicate: &Predicate, version: &Version, patient: &str) -> Option<bool> {
    let decided_by = |parts: &[Predicate], decisive: bool| {
        let mut all = Some(!decisive);
        for part in parts {
            match holds_by_row(part, version, patient) {
                Some(holds) if holds == decisive => return Some(decisive),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    };
    match predicate {
        Predicate::All => Some(true),
        Predicate::None => Some(false),
        Predicate::Type(types) => Some(types.contains(&version.resource_type)),
        Predicate::Id(ids) => Some(ids.contains(&version.id)),
        Predicate::Author(names) => Some(names.contains(&version.author)),
        Predicate::NoPatientCompartment => Some(version.patient == 0),
        Predicate::PatientCompartment(wanted) if version.patients <= 1 => {
            Some(version.patient != 0 && wanted == patient)
        }
        Predicate::Entry(parameter, test) if *parameter == SECURITY => Some(labelled(&version.labels, test)),
        Predicate::And(parts) => decided_by(parts, false),
        Predicate::Or(parts) => decided_by(parts, true),
        Predicate::Not(part) => holds_by_row(part, version, patient).map(|holds| !holds),
        _ => None,
    }
}

/// What is left of a predicate when what a version's row says is put in.
pub(crate) fn settled(predicate: &Predicate, version: &Version, patient: &str) -> Predicate {
    if let Some(holds) = holds_by_row(predicate, version, patient) {
        return if holds { Predicate::All } else { Predicate::None };
    }
    match predicate {
        Predicate::And(parts) => {
            parts.iter().fold(Predicate::All, |all, part| all.and(settled(part, version, patient)))
        }
        Predicate::Or(parts) => parts.iter().fold(Predicate::None, |any, part| any.or(settled(part, version, patient))),
        Predicate::Not(part) => settled(part, version, patient).negate(),
        other => other.clone(),
    }
}

/// Whether one of a row's labels meets a test: the same rows that the index has.
fn labelled(labels: &str, test: &Test) -> bool {
    let mut keys = labels.split('\n').filter(|key| !key.is_empty() && *key != MARK);
    keys.any(|key| test.meets(key, None, None))
}
