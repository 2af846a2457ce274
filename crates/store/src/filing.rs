//! In whose record a resource is filed that names its patient by a number alone. What was found when it was written stays:
//! no later number moves a resource into another record.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::find::listed;
use crate::lower::{Rows, one_of_numbers};
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// What is known of one number in one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The number.
    pub number: String,
    /// The logical id of the patient whom it means; none while the resource waits for one.
    pub patient: Option<String>,
    /// The logical id of the Task that tells an office of one that waits, or has waited.
    pub task: String,
}

impl Transaction<'_> {
    /// What is known of the numbers in these resources, by their keys.
    ///
    /// # Errors
    /// When the database fails.
    pub fn filings(&mut self, resources: &[i64]) -> Result<Vec<(i64, Filed)>, StoreError> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let sql = Sql::new("SELECT f.resource, f.number, f.patient, f.task FROM filing f WHERE ")
            .append(one_of_numbers("f.resource", resources, self.is_postgres()))
            .sql(" ORDER BY f.resource, f.number");
        let rows = self.bypass_buffer(|transaction| {
            transaction.rows::<(BigInt, Text, Text, Text), (i64, String, String, String)>(sql)
        })?;
        let filed = |(key, number, patient, task): (i64, String, String, String)| {
            (key, Filed { number, patient: Some(patient).filter(|id| !id.is_empty()), task })
        };
        Ok(rows.into_iter().map(filed).collect())
    }

    /// Keeps what is known of a number in a resource.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_filing(&mut self, resource: i64, filed: &Filed) -> Result<(), StoreError> {
        let values: [Bind; 4] = [
            resource.into(),
            filed.number.as_str().into(),
            filed.patient.as_deref().unwrap_or_default().into(),
            filed.task.as_str().into(),
        ];
        let sql = Sql::new("INSERT INTO filing (resource, number, patient, task) VALUES (")
            .append(listed(values.into_iter()))
            .sql(") ON CONFLICT (resource, number) DO UPDATE SET patient = excluded.patient, task = excluded.task");
        self.bypass_buffer(|transaction| transaction.run(sql))?;
        Ok(())
    }

    /// Forgets that a resource waits for the patient of a number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_waiting(&mut self, resource: i64, number: &str) -> Result<(), StoreError> {
        let sql = Sql::new("DELETE FROM filing WHERE patient = '' AND resource = ").bind(resource);
        let sql = sql.sql(" AND number = ").bind(number);
        self.bypass_buffer(|transaction| transaction.run(sql))?;
        Ok(())
    }

    /// The current versions of resources that wait for the patient of a number, at most `limit`, locked where several
    /// write.
    ///
    /// # Errors
    /// When the database fails.
    pub fn waiting_for(&mut self, number: &str, limit: i64) -> Result<Vec<Version>, StoreError> {
        let sql = Sql::new("SELECT f.resource FROM filing f WHERE f.patient = '' AND f.number = ")
            .bind(number)
            .sql(" ORDER BY f.resource LIMIT +")
            .bind(limit);
        let keys = self.bypass_buffer(|transaction| transaction.numbers(sql))?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = listed(keys.into_iter().map(Bind::from));
        let condition = Sql::new("r.rid IN (").append(keys).sql(") ORDER BY r.rid");
        let condition = if self.is_postgres() { condition.sql(" FOR UPDATE OF r") } else { condition };
        self.versions(Rows::Current, condition)
    }
}
