//! What sign-in keeps: clients, what people have let apps do, codes, tokens, sessions, and the keys of id tokens.
//!
//! A secret comes in as its hash only. Times are in seconds since 1970 UTC. What may be used once is taken by one statement,
//! so that of two who come at once only one gets it.

mod assertion;
mod client;
mod grant;
mod key;
mod launch;
mod pending;
mod session;
#[cfg(test)]
mod tests;
mod token;

pub use client::{NewClient, SELF, StoredClient};
pub use grant::{Grant, NewGrant};
pub use key::StoredKey;
pub use launch::Launch;
pub use pending::Pending;
pub use session::{NewSession, Session};
pub use token::{AccessToken, Code, Known, NewAccess, Taken};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How long after it has expired something is kept, in seconds: a code that comes again tells for a day that it was stolen.
const KEPT: [(&str, i64); 7] = [
    ("sign_in_code", 86_400),
    ("sign_in_refresh", 0),
    ("sign_in_access", 0),
    ("sign_in_assertion", 0),
    ("sign_in_pending", 0),
    ("sign_in_launch", 0),
    ("sign_in_invitation", 0),
];

/// Starts `INSERT INTO table (columns) VALUES (`.
fn into(table: &'static str, columns: &'static str) -> Sql {
    Sql::new("INSERT INTO ").sql(table).sql(" (").sql(columns).sql(") VALUES (")
}

impl Transaction<'_> {
    /// Forgets what nobody can use any more and whose use would tell nothing: codes, tokens and assertions that have expired,
    /// and sessions that were begun before `sessions_s`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_expired_sign_in(&mut self, now_s: i64, sessions_s: i64) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for (table, kept_s) in KEPT {
            let sql = Sql::new("DELETE FROM ").sql(table).sql(" WHERE expires <= ").bind(now_s - kept_s);
            forgotten += self.run(sql)?;
        }
        // What was chosen is shown for a year when the app asks again.
        let long_ago = now_s - 366 * 86_400;
        let grants =
            Sql::new("DELETE FROM sign_in_grant WHERE lasts <= ").bind(long_ago).sql(" OR (ended <> 0 AND ended <= ");
        forgotten += self.run(grants.bind(long_ago).sql(")"))?;
        forgotten += self.forget_unused_clients(now_s)?;
        let sessions = Sql::new("DELETE FROM sign_in_session WHERE begun <= ").bind(sessions_s);
        Ok(forgotten + self.run(sessions)?)
    }
}
