//! Emergency access, as it was declared: who broke the glass for which patient, when and why. Rows are only ever added.

use diesel::sql_types::{BigInt, Text};

use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use crate::fault::Fault;

/// That somebody broke the glass for a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glass {
    /// Who broke it: a reference.
    pub(crate) who: String,
    /// When, in milliseconds since 1970 UTC.
    pub(crate) since: i64,
    /// Why.
    pub(crate) reason: String,
}

impl Transaction<'_> {
    /// The glass that was broken for a patient after a time.
    pub(crate) fn broken_glass(&mut self, patient: i64, after: i64) -> Result<Vec<Glass>, Fault> {
        let sql = Sql::new("SELECT g.who, g.since, g.reason FROM broken_glass g WHERE g.patient = ")
            .bind(patient)
            .sql(" AND g.since > ")
            .bind(after)
            .sql(" ORDER BY g.since, g.who");
        let rows = self.rows::<(Text, BigInt, Text), (String, i64, String)>(sql)?;
        Ok(rows.into_iter().map(|(who, since, reason)| Glass { who, since, reason }).collect())
    }

    /// Keeps that somebody breaks the glass for a patient.
    pub(crate) fn break_glass(&mut self, patient: i64, glass: &Glass) -> Result<(), Fault> {
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
