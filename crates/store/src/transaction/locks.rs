//! Locks by number, for what no row stands for yet: two transactions that lock the same number follow one another.

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Whether others may write at the same time, for whom there are locks.
    #[must_use]
    pub fn has_other_writers(&self) -> bool {
        self.is_postgres()
    }

    /// Makes transactions with the same number follow one another until they end. The embedded database has one writer
    /// anyway.
    pub fn lock(&mut self, number: i64) -> Result<(), StoreError> {
        if self.is_postgres() {
            let sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock(").bind(number);
            self.numbers(sql.sql(")) AS locked"))?;
        }
        Ok(())
    }

    /// The same, but that those who share the lock do not follow one another: only those who lock it alone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lock_shared(&mut self, number: i64) -> Result<(), StoreError> {
        if self.is_postgres() {
            let sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock_shared(").bind(number);
            self.numbers(sql.sql(")) AS locked"))?;
        }
        Ok(())
    }
}
