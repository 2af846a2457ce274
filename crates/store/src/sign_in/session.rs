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
    /// How surely they are known, and in which role they act, as it was stored.
    pub standing: String,
    /// Since when.
    pub begun_s: i64,
    /// When a page was asked for last.
    pub seen_s: i64,
}

/// A session that is about to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSession {
    /// The hash of what the browser keeps.
    pub hash: String,
    /// Who signs in: a reference.
    pub person: String,
    /// How strongly, 1 to 3; 0 when nothing is said.
    pub strength: i16,
    /// How surely they are known, and in which role they act, as text of whoever stores it.
    pub standing: String,
    /// The login service, or empty.
    pub provider: String,
    /// Its name for the person, or empty.
    pub subject: String,
    /// Its name for their session there, or empty.
    pub sid: String,
}

type Row = (Text, SmallInt, Text, BigInt, BigInt);

impl Transaction<'_> {
    /// Begins a session.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_session(&mut self, new: &NewSession, now_s: i64) -> Result<(), StoreError> {
        let mut sql = into("sign_in_session", "hash, person, strength, standing, provider, subject, sid, begun, seen");
        sql.push_row([
            new.hash.as_str().into(),
            new.person.as_str().into(),
            new.strength.into(),
            new.standing.as_str().into(),
            new.provider.as_str().into(),
            new.subject.as_str().into(),
            new.sid.as_str().into(),
            now_s.into(),
            now_s.into(),
        ]);
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
        Ok(self.rows::<Row, Session>(sql.sql(" RETURNING person, strength, standing, begun, seen"))?.pop())
    }

    /// Has the browser keep something else of a session; whether there was that session.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rename_session(&mut self, from: &str, to: &str) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE sign_in_session SET hash = ").bind(to).sql(" WHERE hash = ").bind(from);
        self.run(sql).map(|changed| changed > 0)
    }

    /// Ends a session, and all that goes on no longer.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_session(&mut self, hash: &str, now_s: i64) -> Result<(), StoreError> {
        self.end_grants_of_session(hash, now_s)?;
        self.run(Sql::new("DELETE FROM sign_in_session WHERE hash = ").bind(hash)).map(|_| ())
    }

    /// Ends the sessions that a login service says have ended: the one of its name, that person's, or both where it says both;
    /// and all that goes on no longer. How many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_sessions_of(
        &mut self,
        provider: &str,
        subject: Option<&str>,
        sid: Option<&str>,
        now_s: i64,
    ) -> Result<usize, StoreError> {
        if subject.is_none() && sid.is_none() {
            return Ok(0);
        }
        let mut sql = Sql::new("SELECT hash FROM sign_in_session WHERE provider = ").bind(provider);
        for (column, value) in [(" AND subject = ", subject), (" AND sid = ", sid)] {
            if let Some(value) = value {
                sql = sql.sql(column).bind(value);
            }
        }
        let found = self.rows::<(Text,), (String,)>(sql)?;
        for (hash,) in &found {
            self.end_session(hash, now_s)?;
        }
        Ok(found.len())
    }
}
