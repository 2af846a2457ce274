//! Whom a login service has been asked about.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// What a login service has been asked.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Pending {
    /// Which one.
    pub provider: String,
    /// The hash of what the browser has that was sent there.
    pub visit: String,
    /// What the id token has to have in it.
    pub nonce: String,
    /// What the code is changed with.
    pub verifier: String,
    /// What an app had asked, or empty.
    pub request: String,
    /// When it is too late to come back.
    pub expires_s: i64,
}

impl Transaction<'_> {
    /// Remembers what a login service is asked, under the hash of its state.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_pending(&mut self, hash: &str, pending: &Pending) -> Result<(), StoreError> {
        let mut sql = into("sign_in_pending", "hash, provider, visit, nonce, verifier, request, expires");
        sql.push_row([
            hash.into(),
            pending.provider.as_str().into(),
            pending.visit.as_str().into(),
            pending.nonce.as_str().into(),
            pending.verifier.as_str().into(),
            pending.request.as_str().into(),
            pending.expires_s.into(),
        ]);
        self.run(sql).map(|_| ())
    }

    /// Takes what was asked, so that nobody comes back with it twice.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_pending(&mut self, hash: &str) -> Result<Option<Pending>, StoreError> {
        let sql = Sql::new("DELETE FROM sign_in_pending WHERE hash = ").bind(hash);
        let sql = sql.sql(" RETURNING provider, visit, nonce, verifier, request, expires");
        self.changes += 1;
        Ok(self.rows::<(Text, Text, Text, Text, Text, BigInt), Pending>(sql)?.pop())
    }
}
