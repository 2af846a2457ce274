//! How the database is: whether it takes what is written, whether a commit ends, whether there is room, what time it is.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Asks the database what time it is, and how far its log goes.
    pub(crate) fn ask_time(&mut self) -> Result<(), StoreError> {
        let asked = self.shared.time.ask(self.connection).and_then(|()| self.shared.keys.rise(self.connection));
        asked.map_err(|error| self.failed(error))
    }

    /// Whether no newer release has migrated the database since it was opened: what this one writes then may lack what that one
    /// looks for.
    pub(crate) fn is_of_this_release(&mut self) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT CAST(max(version) AS TEXT) FROM __diesel_schema_migrations");
        let newest = self.texts(sql)?;
        Ok(newest.first().is_some_and(|newest| *newest <= self.shared.schema))
    }

    /// Whether what is written here would be kept: not on a server that only follows another, and not while somebody else
    /// holds the tables.
    pub(crate) fn is_writable(&mut self) -> Result<bool, StoreError> {
        if !self.is_of_this_release()? {
            return Ok(false);
        }
        if !self.is_postgres() {
            // Whether the only writer is kept out is asked where it is known (`Store::ready`).
            return Ok(self.access_versions(0).is_ok());
        }
        self.give_way()?;
        // What a write of a resource takes. It stands in nobody's way but of those who keep everybody out.
        self.batch("LOCK TABLE resource, entry, history, audit IN ROW EXCLUSIVE MODE")?;
        let sql = Sql::new("SELECT current_setting('transaction_read_only')");
        Ok(self.rows::<(Text,), (String,)>(sql)?.first().is_some_and(|row| row.0 == "off"))
    }

    /// Commits what is nothing, but has to be written and to reach whoever a commit waits for. Only on PostgreSQL.
    pub(crate) fn commit_something(&mut self) -> Result<(), StoreError> {
        let sql =
            Sql::new("SELECT CAST(1 AS BIGINT) FROM (SELECT pg_logical_emit_message(true, 'concord', '')) AS told");
        self.rows::<(BigInt,), (i64,)>(sql).map(|_| ())
    }

    /// Writes where the disk has been full. The embedded database has to commit to find out, PostgreSQL must not: there it ends
    /// in a conflict.
    pub(crate) fn try_space(&mut self) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return self.run(Sql::new("UPDATE setting SET value = value WHERE name = 'nodes'")).map(|_| ());
        }
        let sql = Sql::new("INSERT INTO audit SELECT ")
            .bind(self.next_key())
            .sql(", 0, 0, 0, 0, '', '', '', 0, '', 0, '', '', '', ''");
        self.run(sql)?;
        Err(StoreError::Conflict("only tried".to_owned()))
    }
}
