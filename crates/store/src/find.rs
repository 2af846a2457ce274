//! Fixed look-ups of resources: by a key of theirs that no caller has made up, by type, in one patient's record. What a caller
//! asks for is not looked up here but evaluated (file `named`) or searched for (file `search`).

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::named::{KnownKey, having};
use crate::rows::{StoredVersion, Version};
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// Current versions that have a key for a parameter, which no caller has made up. Its rows are those of one type only, unless
/// the parameter is one that many types have.
#[derive(Clone, Copy, Debug)]
pub struct ByKey<'k> {
    key: &'k KnownKey,
    resource_type: Option<ResourceType>,
    limit: Option<u32>,
}

impl<'k> ByKey<'k> {
    /// All that have the key.
    #[must_use]
    pub fn new(key: &'k KnownKey) -> ByKey<'k> {
        ByKey { key, resource_type: None, limit: None }
    }

    /// Only those of a type.
    #[must_use]
    pub fn of_type(self, resource_type: ResourceType) -> ByKey<'k> {
        ByKey { resource_type: Some(resource_type), ..self }
    }

    /// At most so many.
    #[must_use]
    pub fn limit(self, limit: u32) -> ByKey<'k> {
        ByKey { limit: Some(limit), ..self }
    }
}

impl Transaction<'_> {
    /// The current versions that have a key for a parameter, in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_by_key(&mut self, wanted: &ByKey<'_>) -> Result<Vec<StoredVersion>, StoreError> {
        let (parameter, key) = (wanted.key.parameter(), wanted.key.key());
        let condition = having(parameter, key, wanted.resource_type);
        let condition = match wanted.limit {
            Some(limit) => condition.sql(format!(" LIMIT {limit}")),
            None => condition,
        };
        let found = match self.buffers_key(parameter, key) {
            true => self.versions(Rows::Current, condition),
            // What is buffered is none of them.
            false => self.bypass_buffer(|transaction| transaction.versions(Rows::Current, condition)),
        }?;
        Ok(found.into_iter().map(StoredVersion::read).collect())
    }

    /// The current versions of a type that have a key for a parameter and that somebody has written first, at most so many, the
    /// newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_by_key_and_author(
        &mut self,
        resource_type: ResourceType,
        parameter: ParameterId,
        key: &str,
        author: &str,
        most: u32,
    ) -> Result<Vec<Version>, StoreError> {
        let condition = having(parameter, key, Some(resource_type)).sql(" AND r.author = ").bind(author);
        self.versions(Rows::Current, condition.sql(" ORDER BY r.rid DESC LIMIT +").bind(i64::from(most)))
    }

    /// The current versions in a patient's record of some types but those that the predicate means.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_in_record(
        &mut self,
        patient: i64,
        types: &[ResourceType],
        without: &Predicate,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let without = self.lowered(Rows::Current, without, |lowering| lowering.within_record().condition(without))?;
        let condition = Sql::new("r.deleted = 0 AND r.patient = ")
            .bind(patient)
            .sql(" AND r.type IN (")
            .append(numbers(types.iter()))
            .sql(") AND NOT (")
            .append(without)
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
