//! Records that a resource has left, because it came to be about somebody else: what it was there stays there.

use concord_fhir::index::Entries;
use concord_fhir::registry::may_change_record;
use diesel::sql_types::BigInt;

use crate::error::StoreError;
use crate::lower::{RECORD, Rows};
use crate::rows::Version;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::large_bodies::Bodies;

/// A record that a resource has left.
#[derive(Clone, Debug)]
pub struct LeftRecord {
    /// The key of the patient.
    pub patient: i64,
    /// The last version that was in it, without its body.
    pub last: Version,
}

impl Transaction<'_> {
    /// Notes which records a version leaves that takes the place of another one, which has this key from now on, and to which
    /// it comes back. To be called before the index is changed.
    pub(crate) fn note_left_records(&mut self, old: &Version, last: i64, new: &Entries) -> Result<(), StoreError> {
        if !may_change_record(old.resource_type) {
            return Ok(());
        }
        let before = self.patients_of(Rows::Current, old)?;
        let mut after = Vec::new();
        for patient in &new.patients {
            after.push(self.make_patient_key(patient)?);
        }
        for patient in after.iter().filter(|one| !before.contains(one)) {
            let sql = Sql::new("DELETE FROM left_record WHERE resource = ").bind(old.key).sql(" AND patient = ");
            self.run(sql.bind(*patient))?;
        }
        for patient in before.into_iter().filter(|one| !after.contains(one)) {
            let sql = Sql::new("INSERT INTO left_record (resource, patient, last) VALUES (")
                .bind(old.key)
                .sql(", ")
                .bind(patient)
                .sql(", ")
                .bind(last)
                .sql(") ON CONFLICT (resource, patient) DO UPDATE SET last = excluded.last");
            self.run(sql)?;
        }
        Ok(())
    }

    /// The records that a resource has left.
    ///
    /// # Errors
    /// When the database fails.
    pub fn left_records(&mut self, resource: i64) -> Result<Vec<LeftRecord>, StoreError> {
        let sql = Sql::new("SELECT patient, last FROM left_record WHERE resource = ").bind(resource);
        let mut found = Vec::new();
        for (patient, last) in self.rows::<(BigInt, BigInt), (i64, i64)>(sql)? {
            let last = self.versions_with(Rows::Superseded, Bodies::None, Sql::new("r.pk = ").bind(last))?;
            found.extend(last.into_iter().map(|last| LeftRecord { patient, last }));
        }
        Ok(found)
    }

    /// Whether a superseded version was in a record.
    ///
    /// # Errors
    /// When the database fails.
    pub fn was_in(&mut self, version: &Version, patient: i64) -> Result<bool, StoreError> {
        Ok(self.patients_of(Rows::Superseded, version)?.contains(&patient))
    }
}

/// A condition that the version `r` was in that record.
pub(crate) fn was_in(patient: i64) -> Sql {
    Sql::new("(r.patient = ")
        .bind(patient)
        .sql(" OR EXISTS (SELECT 1 FROM history_entry e WHERE e.resource = r.pk AND e.parameter = ")
        .bind(RECORD.0)
        .sql(" AND e.patient = ")
        .bind(patient)
        .sql("))")
}
