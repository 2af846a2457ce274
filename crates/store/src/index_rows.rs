//! The rows of the index: made of a version and its entries, put in, made again, taken away.

use concord_fhir::index::{Entries, Entry, ParameterId, extract_added};
use concord_fhir::registry::Registry;

use crate::entry_row::{EntryRow, INHERITED};
use crate::error::StoreError;
use crate::latest;
use crate::lower::{RECORD, Rows, SECURITY};
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// The index rows of versions, those for the search parameters included that operators have added, and the version
    /// of the search parameters that they were made from.
    pub(crate) fn rows_for(&mut self, versions: &[(&Version, &Entries)]) -> Result<(Vec<EntryRow>, i64), StoreError> {
        let registry = self.registry_for_rows()?;
        let mut rows = Vec::new();
        for (version, entries) in versions {
            self.index_rows(version, entries, &registry, &mut rows)?;
        }
        Ok((rows, registry.version()))
    }

    /// Puts the index rows of versions in.
    pub(crate) fn index(&mut self, versions: &[(&Version, &Entries)]) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let (rows, registry) = self.rows_for(versions)?;
            if self.insert_entries(Rows::Current, &rows, Some(registry))? {
                return Ok(());
            }
            // Other parameters have been added on another node; from here on this transaction keeps them as they are.
            self.registry = None;
            self.registry()?;
        }
        Err(StoreError::Busy(1))
    }

    /// Puts new index rows in place of a current version's, and what its row says of them.
    pub fn reindex(&mut self, version: &Version, entries: &Entries) -> Result<(), StoreError> {
        let written = self.written(version, version, Some(entries), None)?;
        self.run(
            Sql::new("UPDATE resource SET patient = ")
                .bind(version.patient)
                .sql(", patients = ")
                .bind(version.patients)
                .sql(", labels = ")
                .bind(version.labels.as_str())
                .sql(" WHERE rid = ")
                .bind(version.key),
        )?;
        self.run(Sql::new("DELETE FROM entry WHERE resource = ").bind(version.key))?;
        self.index(&[(version, entries)])?;
        self.inherit(&[written])
    }

    /// Says again what a resource inherits from, by its entries, or for a deleted one by those of what it was. The rest of
    /// its index stays as it is.
    pub fn reindex_sources(&mut self, version: &Version, entries: &Entries) -> Result<(), StoreError> {
        let written = self.written(version, version, Some(entries), None)?;
        self.inherit(&[written])
    }

    /// The same for a superseded version.
    pub fn reindex_superseded(&mut self, version: &Version, entries: &Entries) -> Result<(), StoreError> {
        let written = self.written_again(version, entries)?;
        self.inherit(&[written])
    }

    /// Puts rows of a current version in for some parameters, in place of those that are there for them.
    pub fn reindex_for(
        &mut self,
        version: &Version,
        parameters: &[ParameterId],
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        self.take_rows(&[version.key], parameters)?;
        let mut patients = self.patients_of(Rows::Current, version)?;
        if patients.is_empty() {
            patients.push(0);
        }
        let pairs = entries.iter().flat_map(|entry| patients.iter().map(move |patient| (entry, *patient)));
        let row = |(position, (entry, patient)): (i32, (&Entry, i64))| EntryRow {
            resource: version.key,
            parameter: entry.parameter.0,
            position,
            patient,
            key: entry.key.clone(),
            low: entry.low,
            high: entry.high,
            dated: latest::dated_row(version.resource_type, entry, None),
        };
        let rows: Vec<EntryRow> = (0..).zip(pairs).map(row).collect();
        self.insert_entries(Rows::Current, &rows, None)?;
        Ok(())
    }

    /// Takes the rows of some parameters away from resources.
    pub fn take_rows(&mut self, resources: &[i64], parameters: &[ParameterId]) -> Result<(), StoreError> {
        let listed = |sql: Sql, values: Vec<Bind>| {
            let sql = values.into_iter().fold(sql.sql("(NULL"), |sql, value| sql.sql(", ").bind(value));
            sql.sql(")")
        };
        let sql = listed(
            Sql::new("DELETE FROM entry WHERE resource IN "),
            resources.iter().map(|key| (*key).into()).collect(),
        );
        self.run(listed(sql.sql(" AND parameter IN "), parameters.iter().map(|id| id.0.into()).collect()))?;
        Ok(())
    }

    /// The index rows of a version: each once for every patient in whose record it is, so that an index that leads
    /// with the patient finds it from each of them.
    fn index_rows(
        &mut self,
        version: &Version,
        entries: &Entries,
        registry: &Registry,
        rows: &mut Vec<EntryRow>,
    ) -> Result<(), StoreError> {
        let added = added_rows(registry, self.base(), version)?;
        let mut patients = Vec::with_capacity(entries.patients.len().max(1));
        for patient in &entries.patients {
            patients.push(self.make_patient_key(patient)?);
        }
        let dated = latest::dated(version.resource_type, entries);
        let mut position = 0;
        let mut push = |parameter: ParameterId, patient: i64, key: &str, ends: (Option<f64>, Option<f64>), dated| {
            let ((low, high), key) = (ends, key.to_owned());
            rows.push(EntryRow {
                resource: version.key,
                parameter: parameter.0,
                position,
                patient,
                key,
                low,
                high,
                dated,
            });
            position += 1;
        };
        for patient in &patients {
            push(RECORD, *patient, version.resource_type.name(), (None, None), dated);
        }
        if patients.is_empty() {
            patients.push(0);
        }
        for entry in entries.rows.iter().chain(&added) {
            let dated = latest::dated_row(version.resource_type, entry, dated);
            for patient in &patients {
                push(entry.parameter, *patient, &entry.key, (entry.low, entry.high), dated);
            }
        }
        rows.extend(rows_of_added_labels(version, &patients));
        Ok(())
    }

    /// Puts the rows of the labels beside a version into its index, in place of those that are there.
    pub(crate) fn index_added_labels(&mut self, rows: Rows, version: &Version) -> Result<(), StoreError> {
        let sql = Sql::new("DELETE FROM ").sql(rows.entries()).sql(" WHERE position < 0 AND resource = ");
        self.run(sql.bind(version.key))?;
        let mut patients = self.patients_of(rows, version)?;
        if patients.is_empty() {
            patients.push(0);
        }
        self.insert_entries(rows, &rows_of_added_labels(version, &patients), None)?;
        Ok(())
    }
}

/// How often a write may find that the search parameters have changed under it.
const MOST_TRIES: usize = 3;

/// The rows of a version for the search parameters that operators have added. They are made here and nowhere else, so
/// that no way of writing forgets them and no decision is made from them.
pub fn added_rows(registry: &Registry, base: &str, version: &Version) -> Result<Vec<Entry>, StoreError> {
    if registry.added_to(version.resource_type).next().is_none() {
        return Ok(Vec::new());
    }
    Ok(extract_added(registry, base, version.resource_type, &version.resource()?))
}

/// The index rows of the labels beside a version. Their positions are below zero. What people put there stays with the
/// resource; what it inherits goes into the history with the version that did.
fn rows_of_added_labels(version: &Version, patients: &[i64]) -> Vec<EntryRow> {
    let rows = |keys: Vec<&str>, first: i32| {
        let pairs: Vec<(String, i64)> =
            keys.iter().flat_map(|key| patients.iter().map(move |patient| ((*key).to_owned(), *patient))).collect();
        let row = move |(place, (key, patient)): (i32, (String, i64))| EntryRow {
            resource: version.key,
            parameter: SECURITY.0,
            position: first - place,
            patient,
            key,
            low: None,
            high: None,
            dated: None,
        };
        (0..).zip(pairs).map(row).collect::<Vec<EntryRow>>()
    };
    let mut all = rows(version.added_labels().collect(), -1);
    all.extend(rows(version.inherited_labels().collect(), INHERITED));
    all
}
