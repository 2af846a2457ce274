//! Whether a version is one of those that a decision means: by its row alone where that is enough, else by one query.

use concord_consent::decision::Decision;
use concord_fhir::predicate::{Predicate, Test};

use super::SECURITY;
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::overlay::MARK;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// Whether a decision permits a version: from its row alone where that is enough, else from its index rows.
pub(crate) fn permits(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<bool, Fault> {
    holds(transaction, &decision.permit, rows, version)
}

/// Whether a version is one of those that a predicate means.
fn holds(
    transaction: &mut Transaction<'_>,
    predicate: &Predicate,
    rows: Rows,
    version: &Version,
) -> Result<bool, Fault> {
    let patient = transaction.patient_id(version.patient)?;
    match told(predicate, version, &patient) {
        Some(holds) => Ok(holds),
        None => transaction.meets(rows, version.key, &settled(predicate, version, &patient)),
    }
}

/// The elements of a version that have to be left out of what is shown, each once.
pub(crate) fn redacted(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<Vec<&'static str>, Fault> {
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
pub(super) fn told(predicate: &Predicate, version: &Version, patient: &str) -> Option<bool> {
    let decided_by = |parts: &[Predicate], decisive: bool| {
        let mut all = Some(!decisive);
        for part in parts {
            match told(part, version, patient) {
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
        Predicate::NoRecord => Some(version.patient == 0),
        Predicate::Record(wanted) if version.patients <= 1 => Some(version.patient != 0 && wanted == patient),
        Predicate::Entry(parameter, test) if *parameter == SECURITY => Some(labelled(&version.labels, test)),
        Predicate::And(parts) => decided_by(parts, false),
        Predicate::Or(parts) => decided_by(parts, true),
        Predicate::Not(part) => told(part, version, patient).map(|holds| !holds),
        _ => None,
    }
}

/// What is left of a predicate when what a version's row says is put in.
pub(super) fn settled(predicate: &Predicate, version: &Version, patient: &str) -> Predicate {
    if let Some(holds) = told(predicate, version, patient) {
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
