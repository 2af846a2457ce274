//! Whether a version is one of those that a predicate means: by its row alone where that is enough, else by one query.

use concord_fhir::predicate::{Predicate, Test};

use crate::error::StoreError;
use crate::lower::Rows;
use crate::lower::SECURITY;
use crate::rows::{MARK, Version};
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Whether a version of one table is one of those that a predicate means.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holds(&mut self, predicate: &Predicate, rows: Rows, version: &Version) -> Result<bool, StoreError> {
        let patient = self.patient_id(version.patient)?;
        match holds_by_row(predicate, version, &patient) {
            Some(holds) => Ok(holds),
            None if predicate.awaits_labels() => self.meets(rows, version.key, predicate),
            None => self.meets(rows, version.key, &settled(predicate, version, &patient)),
        }
    }
}

/// Whether a version is one of those that a predicate means, if its row says so. Nothing is built: a permit of fifty
/// Consents is asked at every read. `patient` is the logical id of the first patient in whose record it is.
#[must_use]
pub fn holds_by_row(predicate: &Predicate, version: &Version, patient: &str) -> Option<bool> {
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
#[must_use]
pub fn settled(predicate: &Predicate, version: &Version, patient: &str) -> Predicate {
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
