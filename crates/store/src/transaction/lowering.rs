//! A predicate in a transaction, as SQL: with the keys of the patients that it names.

use concord_fhir::predicate::Predicate;

use crate::error::StoreError;
use crate::lower::{Lowering, Rows};
use crate::transaction::Transaction;

/// A key that no patient has.
const NOBODY: i64 = -1;

impl Transaction<'_> {
    /// The key of a patient's logical id, for a search. While statements are noted, a patient that there is none of has
    /// a key as well: how a search is run must not tell who has a record here.
    pub(crate) fn compartment_key(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        if self.is_explained_of_nobody() {
            return Ok(Some(NOBODY));
        }
        let key = self.patient_key(id)?;
        Ok(key.or(self.noted.is_some().then_some(NOBODY)))
    }

    /// The keys of the patients that a predicate names, so that it can be lowered.
    pub(crate) fn lowered<T>(
        &mut self,
        rows: Rows,
        predicate: &Predicate,
        build: impl FnOnce(&Lowering<'_>) -> T,
    ) -> Result<T, StoreError> {
        let mut keys = Vec::new();
        for patient in records(predicate) {
            keys.push((patient, self.compartment_key(patient)?));
        }
        let lookup = |id: &str| keys.iter().find(|(known, _)| *known == id).and_then(|(_, key)| *key);
        Ok(build(&Lowering { rows, postgres: self.is_postgres(), patient_key: &lookup, depth: 0, in_record: false }))
    }
}

/// The patients that a predicate names, each once.
fn records(predicate: &Predicate) -> Vec<&str> {
    fn walk<'p>(predicate: &'p Predicate, found: &mut Vec<&'p str>) {
        match predicate {
            Predicate::PatientCompartment(patient) => {
                found.push(patient);
            }
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| walk(part, found)),
            Predicate::Not(part) => walk(part, found),
            other => other.elsewhere().into_iter().for_each(|behind| walk(behind, found)),
        }
    }
    let mut found = Vec::new();
    walk(predicate, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}
