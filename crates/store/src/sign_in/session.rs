//! Sessions of browsers.

use diesel::Queryable;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Session {
    /// Who is signed in: a reference.
    pub person: String,
    /// How strongly they signed in, 1 to 3; 0 when nothing is said.
    pub strength: i16,
    /// Since when.
    pub begun_s: i64,
    /// When a page was asked for last.
    pub seen_s: i64,
}

impl Transaction<'_> {
    /// Begins a session.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_session(&mut self, hash: &str, person: &str, strength: i16, now_s: i64) -> Result<(), StoreError> {
        let mut sql = into("sign_in_session", "hash, person, strength, begun, seen");
        sql.push_row([hash.into(), person.into(), strength.into(), now_s.into(), now_s.into()]);
        self.run(sql).map(|_| ())
    }

    /// A session in which a page is asked for now, if it was begun after one time and seen after another.
    ///
    /// # Errors
    /// When the database fails.
    pub fn session_seen(
        &mut self,
        hash: &str,
        now_s: i64,
        begun_after_s: i64,
        seen_after_s: i64,
    ) -> Result<Option<Session>, StoreError> {
        let sql = Sql::new("UPDATE sign_in_session SET seen = ").bind(now_s).sql(" WHERE hash = ").bind(hash);
        let sql = sql.sql(" AND begun > ").bind(begun_after_s).sql(" AND seen > ").bind(seen_after_s);
        self.changes += 1;
        Ok(self
            .rows::<(Text, SmallInt, BigInt, BigInt), Session>(sql.sql(" RETURNING person, strength, begun, seen"))?
            .pop())
    }

    /// Ends a session, and all that goes on no longer.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_session(&mut self, hash: &str, now_s: i64) -> Result<(), StoreError> {
        self.end_grants_of_session(hash, now_s)?;
        self.run(Sql::new("DELETE FROM sign_in_session WHERE hash = ").bind(hash)).map(|_| ())
    }
}
