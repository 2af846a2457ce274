//! The periods of the log that have been closed: what they say, and that their links and records are taken out of the database.
//! `interact::audit::period` says what is in their files.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// A closed period.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Period {
    /// The number of its last link.
    pub number: i64,
    /// The number of the link before its first.
    pub after: i64,
    /// The head of that.
    pub previous: String,
    /// When its last link was made, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The greatest number of a record up to its last link.
    pub last: i64,
    /// The head of its last link.
    pub head: String,
    /// How many records its links list.
    pub records: i64,
    /// The SHA-256 of its file up to its last line, in hexadecimal.
    pub sha256: String,
    /// The name of its file.
    pub file: String,
    /// The key that all of this is signed with, in base64.
    pub public_key: String,
    /// The signature.
    pub signature: String,
}

type Columns = (BigInt, BigInt, Text, BigInt, BigInt, Text, BigInt, Text, Text, Text, Text);

impl Transaction<'_> {
    /// The closed periods, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn periods(&mut self) -> Result<Vec<Period>, StoreError> {
        self.rows::<Columns, Period>(Sql::new(
            "SELECT p.number, p.after, p.previous, p.at, p.last, p.head, p.records, p.sha256, p.file, p.public_key, \
             p.signature FROM audit_period p ORDER BY p.number",
        ))
    }

    /// When the last link of the closed periods was made, in milliseconds since 1970 UTC, and the greatest number up to then:
    /// what the log told up to there is found here no longer. None where nothing has been closed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn closed_until(&mut self) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = Sql::new("SELECT p.at, p.last FROM audit_period p ORDER BY p.number DESC LIMIT 1");
        Ok(self.rows::<(BigInt, BigInt), (i64, i64)>(sql)?.first().copied())
    }

    /// Closes a period: its links and records may be taken out from now on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has been closed already, and when the database fails.
    pub fn close_period(&mut self, period: &Period) -> Result<(), StoreError> {
        let mut sql = Sql::new(
            "INSERT INTO audit_period (number, after, previous, at, last, head, records, sha256, file, public_key, \
             signature) VALUES (",
        );
        let binds: [Bind; 11] = [
            period.number.into(),
            period.after.into(),
            period.previous.as_str().into(),
            period.at.into(),
            period.last.into(),
            period.head.as_str().into(),
            period.records.into(),
            period.sha256.as_str().into(),
            period.file.as_str().into(),
            period.public_key.as_str().into(),
            period.signature.as_str().into(),
        ];
        sql.push_row(binds);
        self.run(sql).map(|_| ())
    }

    /// Takes a link of a closed period out, with the records that it lists.
    ///
    /// # Errors
    /// When the database fails, or the period is not closed.
    pub fn take_out_link(&mut self, number: i64, records: &[i64]) -> Result<(), StoreError> {
        let tables: &[&str] = match self.is_postgres() {
            true => &["audit_recorded", "audit"],
            false => &["audit_recorded", "audit_patient", "audit_agent", "audit"],
        };
        for chunk in records.chunks(500) {
            // In the embedded database what stands in the way of the index by patient and by agent is found by the event.
            for table in tables {
                let mut listed = Sql::new("(NULL");
                for record in chunk {
                    listed = listed.sql(", ").bind(*record);
                }
                let listed = listed.sql(")");
                let sql = Sql::new("DELETE FROM ").sql(*table).sql(" WHERE ");
                let sql = match *table {
                    "audit_patient" => sql.sql("(patient, pk) IN (SELECT a.patient, a.pk FROM audit a WHERE a.pk IN "),
                    "audit_agent" => sql.sql("(agent, pk) IN (SELECT a.agent, a.pk FROM audit a WHERE a.pk IN "),
                    _ => sql.sql("(pk IN "),
                };
                self.run(sql.append(listed).sql(")"))?;
            }
        }
        self.run(Sql::new("DELETE FROM seal WHERE number = ").bind(number)).map(|_| ())
    }
}
