//! Clients that commands have registered.

use diesel::Queryable;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A client as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct StoredClient {
    /// Its `client_id`.
    pub id: String,
    /// Its registration, as JSON.
    pub body: String,
    /// When it was changed last.
    pub changed_s: i64,
    /// 1 when it is revoked.
    revoked: i16,
}

impl StoredClient {
    /// Whether it is revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked != 0
    }
}

type Row = (Text, Text, BigInt, SmallInt);

const COLUMNS: &str = "SELECT id, body, changed, revoked FROM sign_in_client";

impl Transaction<'_> {
    /// A client, revoked or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sign_in_client(&mut self, id: &str) -> Result<Option<StoredClient>, StoreError> {
        let sql = Sql::new(COLUMNS).sql(" WHERE id = ").bind(id);
        Ok(self.rows::<Row, StoredClient>(sql)?.pop())
    }

    /// All clients, by their ids.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sign_in_clients(&mut self) -> Result<Vec<StoredClient>, StoreError> {
        self.rows::<Row, StoredClient>(Sql::new(COLUMNS).sql(" ORDER BY id"))
    }

    /// Stores a new client; whether there was none of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_sign_in_client(&mut self, id: &str, body: &str, now_s: i64) -> Result<bool, StoreError> {
        let mut sql = into("sign_in_client", "id, body, changed, revoked");
        sql.push_row([id.into(), body.into(), now_s.into(), 0_i16.into()]);
        Ok(self.run(sql.sql(" ON CONFLICT (id) DO NOTHING"))? == 1)
    }

    /// Puts another registration in the place of a client's, which is not revoked; whether there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn change_sign_in_client(&mut self, id: &str, body: &str, now_s: i64) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE sign_in_client SET body = ").bind(body).sql(", changed = ").bind(now_s);
        Ok(self.run(sql.sql(" WHERE revoked = 0 AND id = ").bind(id))? == 1)
    }

    /// Revokes a client, with all that people have let it do and all its tokens; whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn revoke_sign_in_client(&mut self, id: &str, now_s: i64) -> Result<bool, StoreError> {
        let sql = Sql::new("UPDATE sign_in_client SET revoked = 1, changed = ").bind(now_s);
        let known = self.run(sql.sql(" WHERE revoked = 0 AND id = ").bind(id))? == 1;
        if known {
            let grants = Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s);
            self.run(grants.sql(" WHERE ended = 0 AND client = ").bind(id))?;
            self.run(Sql::new("DELETE FROM sign_in_access WHERE client = ").bind(id))?;
        }
        Ok(known)
    }
}
