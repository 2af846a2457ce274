//! The links of the hash chain over the audit log as they are stored: numbered from 1, append-only, in the table `seal`.
//! `interact::audit::chain` says what goes in.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use super::Stored;
use super::index_hint::AuditIndexHint;
use super::query::AuditQuery;
use super::reach::Reach;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct ChainLink {
    /// Its number, counted from 1.
    pub number: i64,
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The head of the link before it.
    pub previous: String,
    /// The greatest number of a record that is in the chain so far.
    pub last: i64,
    /// A line for each record: its number and its hash.
    pub records: String,
    /// The hash of all of that.
    pub head: String,
}

type Columns = (BigInt, BigInt, Text, BigInt, Text, Text);

const COLUMNS: &str = "SELECT s.number, s.at, s.previous, s.last, s.records, s.head FROM seal s WHERE ";

/// The events whose numbers a condition names.
fn numbered(condition: Sql) -> AuditQuery {
    AuditQuery { condition, hint: Some(AuditIndexHint::Number), reach: Reach::ALL }
}

impl Transaction<'_> {
    /// The links that meet a condition on `seal s`, which ends with the order and the limit.
    fn links(&mut self, condition: Sql) -> Result<Vec<ChainLink>, StoreError> {
        self.require_log()?;
        self.rows::<Columns, ChainLink>(Sql::new(COLUMNS).append(condition))
    }

    /// The links after this number, oldest first, at most so many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn links_after(&mut self, number: i64, limit: Option<u32>) -> Result<Vec<ChainLink>, StoreError> {
        let condition = Sql::new("s.number > ").bind(number).sql(" ORDER BY s.number ASC");
        self.links(match limit {
            Some(limit) => condition.sql(format!(" LIMIT {limit}")),
            None => condition,
        })
    }

    /// The links that cover a record above this number, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn links_beyond(&mut self, record: i64) -> Result<Vec<ChainLink>, StoreError> {
        self.links(Sql::new("s.last > ").bind(record).sql(" ORDER BY s.number ASC"))
    }

    /// How many records have a number above `after`, and at most `upto` if that is given.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_records(&mut self, after: i64, upto: Option<i64>) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM audit a WHERE a.pk > ").bind(after);
        let sql = match upto {
            Some(upto) => sql.sql(" AND a.pk <= ").bind(upto),
            None => sql,
        };
        Ok(self.numbers(sql)?.first().copied().unwrap_or(0))
    }

    /// How many records have a number above this one; of many the first 100,000 are counted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_unsealed(&mut self, after: i64) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM audit a WHERE a.pk > ").bind(after);
        Ok(self.numbers(sql.sql(" LIMIT 100000) AS counted"))?.first().copied().unwrap_or(0))
    }

    /// The greatest number of a record; 0 for none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn newest_record(&mut self) -> Result<i64, StoreError> {
        self.require_log()?;
        let sql = Sql::new("SELECT a.pk FROM audit a ORDER BY a.pk DESC LIMIT 1");
        Ok(self.numbers(sql)?.first().copied().unwrap_or(0))
    }

    /// The newest link.
    pub fn last_link(&mut self) -> Result<Option<ChainLink>, StoreError> {
        Ok(self.links(Sql::new("1 = 1 ORDER BY s.number DESC LIMIT 1"))?.pop())
    }

    /// Adds a link; [`StoreError::Conflict`] if another node has added one of that number.
    pub fn add_link(&mut self, link: &ChainLink) -> Result<(), StoreError> {
        let sql = Sql::new("INSERT INTO seal (number, at, previous, last, records, head) VALUES (")
            .bind(link.number)
            .sql(", ")
            .bind(link.at)
            .sql(", ")
            .bind(link.previous.as_str())
            .sql(", ")
            .bind(link.last)
            .sql(", ")
            .bind(link.records.as_str())
            .sql(", ")
            .bind(link.head.as_str());
        self.run(sql.sql(")")).map(|_| ())
    }

    /// The records with a number above `after` and at most `upto`, by their numbers.
    pub fn records_between(&mut self, after: i64, upto: i64, limit: i64) -> Result<Vec<Stored>, StoreError> {
        self.require_log()?;
        self.events(&numbered(Sql::new("a.pk > ").bind(after).sql(" AND a.pk <= ").bind(upto)), None, true, limit)
    }

    /// The records with these numbers.
    pub fn records_numbered(&mut self, numbers: &[i64]) -> Result<Vec<Stored>, StoreError> {
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
    pub fn record_numbers(&mut self, after: i64, upto: i64) -> Result<Vec<i64>, StoreError> {
        self.require_log()?;
        self.numbers(Sql::new("SELECT a.pk FROM audit a WHERE a.pk > ").bind(after).sql(" AND a.pk <= ").bind(upto))
    }
}
