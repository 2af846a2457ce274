//! Fixed look-ups of resources: by a key of theirs, by type, in one patient's record. What a caller asks for is not looked
//! up here but searched for (file `search`).

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::{StoredVersion, Version};
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// Current versions that have a key for a parameter.
#[derive(Clone, Copy, Debug)]
pub struct ByKey<'k> {
    /// The parameter. Its rows are those of one type only, unless it is one that many types have.
    pub parameter: ParameterId,
    /// The key, as the index has it.
    pub key: &'k str,
    /// Only resources of this type.
    pub resource_type: Option<ResourceType>,
    /// Only resources in the record of the patient with this key.
    pub record: Option<i64>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl<'k> ByKey<'k> {
    /// All that have the key.
    #[must_use]
    pub fn new(parameter: ParameterId, key: &'k str) -> ByKey<'k> {
        ByKey { parameter, key, resource_type: None, record: None, limit: None }
    }

    /// Only those of a type.
    #[must_use]
    pub fn of_type(self, resource_type: ResourceType) -> ByKey<'k> {
        ByKey { resource_type: Some(resource_type), ..self }
    }

    /// Only those in the record of the patient with this key.
    #[must_use]
    pub fn in_record(self, patient: i64) -> ByKey<'k> {
        ByKey { record: Some(patient), ..self }
    }

    /// At most so many.
    #[must_use]
    pub fn limit(self, limit: u32) -> ByKey<'k> {
        ByKey { limit: Some(limit), ..self }
    }

    /// The condition on `r`.
    fn condition(&self) -> Sql {
        let mut sql = Sql::new("r.deleted = 0");
        if let Some(patient) = self.record {
            sql = sql.sql(" AND r.patient = ").bind(patient);
        }
        if let Some(resource_type) = self.resource_type {
            sql = sql.sql(" AND r.type = ").bind(resource_type.number());
        }
        sql = sql
            .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
            .bind(self.parameter.0)
            .sql(" AND e.key = ")
            .bind(self.key);
        if let Some(patient) = self.record {
            sql = sql.sql(" AND e.patient = ").bind(patient);
        }
        sql.sql(")")
    }
}

impl Transaction<'_> {
    /// The current versions that have a key for a parameter, in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_by_key(&mut self, wanted: &ByKey<'_>) -> Result<Vec<StoredVersion>, StoreError> {
        let condition = wanted.condition();
        let condition = match wanted.limit {
            Some(limit) => condition.sql(format!(" LIMIT {limit}")),
            None => condition,
        };
        let found = match self.buffers_key(wanted.parameter, wanted.key) {
            true => self.versions(Rows::Current, condition),
            // What is buffered is none of them.
            false => self.bypass_buffer(|transaction| transaction.versions(Rows::Current, condition)),
        }?;
        Ok(found.into_iter().map(StoredVersion::read).collect())
    }

    /// The same of one author, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_by_key_and_author(&mut self, wanted: &ByKey<'_>, author: &str) -> Result<Vec<Version>, StoreError> {
        let condition = wanted.condition().sql(" AND r.author = ").bind(author);
        let limit = wanted.limit.map_or(i64::MAX, i64::from);
        self.versions(Rows::Current, condition.sql(" ORDER BY r.rid DESC LIMIT +").bind(limit))
    }

    /// The current versions in a patient's record of some types.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_in_record(&mut self, patient: i64, types: &[ResourceType]) -> Result<Vec<StoredVersion>, StoreError> {
        let condition = Sql::new("r.deleted = 0 AND r.patient = ")
            .bind(patient)
            .sql(" AND r.type IN (")
            .append(numbers(types.iter()))
            .sql(")");
        Ok(self.versions(Rows::Current, condition)?.into_iter().map(StoredVersion::read).collect())
    }

    /// The types, by number, of what has a key for a parameter in the record of a patient.
    ///
    /// # Errors
    /// When the database fails.
    pub fn types_in_record(&mut self, patient: i64, parameter: ParameterId) -> Result<Vec<ResourceType>, StoreError> {
        let sql =
            Sql::new("SELECT DISTINCT CAST(r.type AS BIGINT) FROM entry e JOIN resource r ON r.rid = e.resource ")
                .sql("WHERE e.key <> '' AND e.patient = ")
                .bind(patient)
                .sql(" AND e.parameter = ")
                .bind(parameter.0);
        let found = self.numbers(sql)?;
        Ok(found.into_iter().filter_map(|number| ResourceType::from_number(i16::try_from(number).ok()?)).collect())
    }

    /// The keys of the patients in whose records something has one of these keys for one of these parameters, at most
    /// `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn records_with_keys(
        &mut self,
        parameters: &[ParameterId],
        keys: Vec<String>,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = Sql::new("SELECT DISTINCT e.patient FROM entry e WHERE e.key <> '' AND e.parameter IN (")
            .append(listed(parameters.iter().map(|one| one.0.into())))
            .sql(") AND e.key IN (")
            .append(listed(keys.into_iter().map(Bind::Text)))
            .sql(") AND e.patient <> 0 LIMIT +")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.numbers(sql)
    }

    /// The next current versions of a type after a key, by their keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn next_of_type(
        &mut self,
        resource_type: ResourceType,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Version>, StoreError> {
        let condition = Sql::new("r.deleted = 0 AND r.type = ")
            .bind(resource_type.number())
            .sql(" AND r.rid > ")
            .bind(after)
            .sql(" ORDER BY r.rid ASC LIMIT +")
            .bind(limit);
        self.versions(Rows::Current, condition)
    }

    /// All versions of one table that a predicate means, in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn all_meeting(&mut self, rows: Rows, predicate: &Predicate) -> Result<Vec<Version>, StoreError> {
        let condition = self.lowered(rows, predicate, |lowering| lowering.condition(predicate))?;
        self.versions(rows, condition)
    }
}

/// The values with commas between them.
pub(crate) fn listed(values: impl Iterator<Item = Bind>) -> Sql {
    let mut sql = Sql::new("");
    for (place, value) in values.enumerate() {
        if place > 0 {
            sql.push_sql(", ");
        }
        sql.push_bind(value);
    }
    sql
}

fn numbers<'a>(types: impl Iterator<Item = &'a ResourceType>) -> Sql {
    listed(types.map(|one| one.number().into()))
}
