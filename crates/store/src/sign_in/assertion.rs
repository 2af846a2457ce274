//! Assertions of clients that have been believed.

use crate::error::StoreError;
use crate::sign_in::into;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Remembers an assertion of a client; whether it is new.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remember_assertion(&mut self, client: &str, hash: &str, expires_s: i64) -> Result<bool, StoreError> {
        let mut sql = into("sign_in_assertion", "client, hash, expires");
        sql.push_row([client.into(), hash.into(), expires_s.into()]);
        Ok(self.run(sql.sql(" ON CONFLICT (client, hash) DO NOTHING"))? == 1)
    }
}
