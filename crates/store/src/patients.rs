//! The keys of patients that this process has met. A key never changes, so what is remembered never goes stale.

use diesel::sql_types::{BigInt, Text};
use quick_cache::sync::Cache;

use crate::audit::Record;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many patients are remembered.
const REMEMBERED: usize = 100_000;

/// Keys by logical id, and the other way round.
pub(crate) struct Patients {
    keys: Cache<String, i64>,
    ids: Cache<i64, String>,
}

impl Patients {
    pub(crate) fn new() -> Patients {
        Patients { keys: Cache::new(REMEMBERED), ids: Cache::new(REMEMBERED) }
    }

    pub(crate) fn get(&self, id: &str) -> Option<i64> {
        self.keys.get(id)
    }

    pub(crate) fn id(&self, key: i64) -> Option<String> {
        self.ids.get(&key)
    }

    pub(crate) fn insert(&self, id: String, key: i64) {
        self.ids.insert(key, id.clone());
        self.keys.insert(id, key);
    }

    /// Forgets everything: after a commit that failed, a key may never have been stored.
    pub(crate) fn clear(&self) {
        self.keys.clear();
        self.ids.clear();
    }
}

impl Transaction<'_> {
    /// The key of a patient's logical id, if any resource or request has ever named that patient. It leads to what is in the
    /// record, so what a caller says is looked up by [`Transaction::named_record`].
    pub(crate) fn patient_key(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        if let Some(key) = self.shared.patients.get(id) {
            return Ok(Some(key));
        }
        if let Some((_, key)) = self.fresh.iter().find(|(known, _)| known == id) {
            return Ok(Some(*key));
        }
        if self.absent.as_deref() == Some(id) {
            return Ok(None);
        }
        let sql = Sql::new("SELECT key FROM patient WHERE id = ").bind(id);
        let found = self.without_explain(|own| own.bypass_buffer(|own| own.rows::<(BigInt,), (i64,)>(sql)))?;
        let key = found.first().map(|row| row.0);
        match key {
            Some(key) => self.shared.patients.insert(id.to_owned(), key),
            None => self.absent = Some(id.to_owned()),
        }
        Ok(key)
    }

    /// The key of a patient's logical id, made now if there is none. Only in a write transaction.
    pub fn make_patient_key(&mut self, id: &str) -> Result<i64, StoreError> {
        if let Some(key) = self.patient_key(id)? {
            return Ok(key);
        }
        self.require_storing()?;
        // The update that changes nothing makes a concurrent maker's row visible to RETURNING.
        let sql = Sql::new("INSERT INTO patient (id) VALUES (")
            .bind(id)
            .sql(") ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING key");
        self.changes += 1;
        let made = self.bypass_buffer(|own| own.rows::<(BigInt,), (i64,)>(sql))?;
        let key =
            made.first().map(|row| row.0).ok_or_else(|| StoreError::Internal("no key for a patient".to_owned()))?;
        self.fresh.push((id.to_owned(), key));
        self.absent = None;
        Ok(key)
    }

    /// Has what is told of what will be undone, before which so many keys had been made, tell nobody whom there is only in that: her key is
    /// free again, for somebody else.
    pub(crate) fn nobodys_if_undone(&self, made_before: usize, records: &mut [Record]) {
        let is_fresh = |patient: i64| self.fresh.iter().skip(made_before).any(|(_, key)| *key == patient);
        records.iter_mut().filter(|record| is_fresh(record.patient)).for_each(|record| record.patient = 0);
    }

    /// The logical id of a patient's key; empty for key 0.
    pub fn patient_id(&mut self, key: i64) -> Result<String, StoreError> {
        if key == 0 {
            return Ok(String::new());
        }
        if let Some(id) = self.shared.patients.id(key) {
            return Ok(id);
        }
        let sql = Sql::new("SELECT id FROM patient WHERE key = ").bind(key);
        let found = self.without_explain(|own| own.bypass_buffer(|own| own.rows::<(Text,), (String,)>(sql)))?;
        let id = found.into_iter().next().map(|row| row.0).unwrap_or_default();
        if !id.is_empty() && !self.fresh.iter().any(|(_, fresh)| *fresh == key) {
            self.shared.patients.insert(id.clone(), key);
        }
        Ok(id)
    }
}
