//! The keys that id tokens are signed with.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct StoredKey {
    /// Its `kid`.
    pub id: String,
    /// The key, sealed.
    pub sealed: String,
    /// When it was made.
    pub made_s: i64,
}

/// The number of the lock that whoever makes a key has.
const LOCK: i64 = 4_051_702;

impl Transaction<'_> {
    /// All keys, the newest first. Nobody else makes one until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lock_signing_keys(&mut self) -> Result<Vec<StoredKey>, StoreError> {
        self.lock(LOCK)?;
        self.signing_keys()
    }

    /// All keys, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn signing_keys(&mut self) -> Result<Vec<StoredKey>, StoreError> {
        let sql = Sql::new("SELECT id, sealed, made FROM sign_in_key ORDER BY made DESC, id");
        self.rows::<(Text, Text, BigInt), StoredKey>(sql)
    }

    /// Stores a key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_signing_key(&mut self, key: &StoredKey) -> Result<(), StoreError> {
        let mut sql = into("sign_in_key", "id, sealed, made");
        sql.push_row([key.id.as_str().into(), key.sealed.as_str().into(), key.made_s.into()]);
        self.run(sql).map(|_| ())
    }

    /// Forgets keys that were made before a time.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_signing_keys(&mut self, before_s: i64) -> Result<(), StoreError> {
        self.run(Sql::new("DELETE FROM sign_in_key WHERE made < ").bind(before_s)).map(|_| ())
    }
}
