//! The seals of the audit log as they are stored: numbered from 1, append-only. `interact::seal` says what goes in.

use diesel::sql_types::{BigInt, Text};

use super::audit::Stored;
use super::late::{Lead, Sought};
use super::statement::Sql;
use super::transaction::Transaction;
use crate::fault::Fault;

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// Its number, counted from 1.
    pub(crate) number: i64,
    /// When, in milliseconds since 1970 UTC.
    pub(crate) at: i64,
    /// The head of the seal before it.
    pub(crate) previous: String,
    /// The greatest number of a record that has been sealed so far.
    pub(crate) last: i64,
    /// A line for each record: its number and its hash.
    pub(crate) records: String,
    /// The hash of all of that.
    pub(crate) head: String,
}

type Columns = (BigInt, BigInt, Text, BigInt, Text, Text);
type Row = (i64, i64, String, i64, String, String);

const COLUMNS: &str = "SELECT s.number, s.at, s.previous, s.last, s.records, s.head FROM seal s WHERE ";

/// The events whose numbers a condition names.
fn numbered(condition: Sql) -> Sought {
    Sought { condition, lead: Some(Lead::Number) }
}

impl Transaction<'_> {
    /// The seals that meet a condition on `seal s`, which ends with the order and the limit.
    pub(crate) fn seals(&mut self, condition: Sql) -> Result<Vec<Seal>, Fault> {
        self.require_log()?;
        let rows = self.rows::<Columns, Row>(Sql::new(COLUMNS).append(condition))?;
        let seal = |(number, at, previous, last, records, head)| Seal { number, at, previous, last, records, head };
        Ok(rows.into_iter().map(seal).collect())
    }

    /// The newest seal.
    pub(crate) fn last_seal(&mut self) -> Result<Option<Seal>, Fault> {
        Ok(self.seals(Sql::new("1 = 1 ORDER BY s.number DESC LIMIT 1"))?.pop())
    }

    /// Adds a seal; [`Fault::Conflict`] if another node has added one of that number.
    pub(crate) fn add_seal(&mut self, seal: &Seal) -> Result<(), Fault> {
        let sql = Sql::new("INSERT INTO seal (number, at, previous, last, records, head) VALUES (")
            .bind(seal.number)
            .sql(", ")
            .bind(seal.at)
            .sql(", ")
            .bind(seal.previous.as_str())
            .sql(", ")
            .bind(seal.last)
            .sql(", ")
            .bind(seal.records.as_str())
            .sql(", ")
            .bind(seal.head.as_str());
        self.run(sql.sql(")")).map(|_| ())
    }

    /// The records with a number above `after` and at most `upto`, by their numbers.
    pub(crate) fn records_between(&mut self, after: i64, upto: i64, limit: i64) -> Result<Vec<Stored>, Fault> {
        self.require_log()?;
        self.events(&numbered(Sql::new("a.pk > ").bind(after).sql(" AND a.pk <= ").bind(upto)), None, true, limit)
    }

    /// The records with these numbers.
    pub(crate) fn records_numbered(&mut self, numbers: &[i64]) -> Result<Vec<Stored>, Fault> {
        self.require_log()?;
        let mut found = Vec::new();
        for chunk in numbers.chunks(500) {
            let mut sql = Sql::new("a.pk IN (NULL");
            for number in chunk {
                sql = sql.sql(", ").bind(*number);
            }
            found.extend(self.events(&numbered(sql.sql(")")), None, true, 500)?);
        }
        Ok(found)
    }

    /// The numbers of the records above `after` and at most `upto`.
    pub(crate) fn record_numbers(&mut self, after: i64, upto: i64) -> Result<Vec<i64>, Fault> {
        self.require_log()?;
        self.numbers(Sql::new("SELECT a.pk FROM audit a WHERE a.pk > ").bind(after).sql(" AND a.pk <= ").bind(upto))
    }
}
