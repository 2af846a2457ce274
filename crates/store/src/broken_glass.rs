//! Emergency access, as it was declared: who broke the glass for which patient, when and why. Rows are only ever added.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// That somebody broke the glass for a patient.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Glass {
    /// Who broke it: a reference.
    pub who: String,
    /// When, in milliseconds since 1970 UTC.
    pub since: i64,
    /// Why.
    pub reason: String,
}

impl Transaction<'_> {
    /// The glass that was broken for a patient after a time.
    pub fn broken_glass(&mut self, patient: i64, after: i64) -> Result<Vec<Glass>, StoreError> {
        let sql = Sql::new("SELECT g.who, g.since, g.reason FROM broken_glass g WHERE g.patient = ")
            .bind(patient)
            .sql(" AND g.since > ")
            .bind(after)
            .sql(" ORDER BY g.since, g.who");
        self.rows::<(Text, BigInt, Text), Glass>(sql)
    }

    /// The keys of the patients for whom somebody has broken the glass after a time, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn glass_broken_by(&mut self, who: &str, after: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let sql = Sql::new("SELECT DISTINCT g.patient FROM broken_glass g WHERE g.who = ")
            .bind(who)
            .sql(" AND g.since > ")
            .bind(after)
            .sql(" LIMIT +")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.numbers(sql)
    }

    /// Keeps that somebody breaks the glass for a patient.
    pub fn break_glass(&mut self, patient: i64, glass: &Glass) -> Result<(), StoreError> {
        let values: [Bind; 4] =
            [patient.into(), glass.since.into(), glass.who.as_str().into(), glass.reason.as_str().into()];
        let mut sql = Sql::new("INSERT INTO broken_glass (patient, since, who, reason) VALUES (");
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                sql.push_sql(", ");
            }
            sql.push_bind(value);
        }
        self.run(sql.sql(") ON CONFLICT (patient, since, who) DO NOTHING"))?;
        Ok(())
    }
}
