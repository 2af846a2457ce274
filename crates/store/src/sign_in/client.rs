//! Clients that are registered beside those of the settings, and what lets somebody register one.

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
    /// Who has registered it: [`SELF`], another client by its id, or nobody but a command.
    pub registrar: String,
    /// The hash of the token with which it reads and changes what is registered, or empty.
    pub management: String,
    /// The registration of who has registered it, as JSON; empty where nothing is stored of them, or they are revoked.
    pub registrar_body: String,
}

/// A client that is about to be registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewClient {
    /// Its `client_id`.
    pub id: String,
    /// Its registration, as JSON.
    pub body: String,
    /// Who registers it: [`SELF`], another client by its id, or empty for a command.
    pub registrar: String,
    /// The hash of the token with which it reads and changes what is registered, or empty.
    pub management: String,
}

/// The registrar of a client that has registered itself.
pub const SELF: &str = "self";

/// How long a client that has registered itself is kept while nobody lets it in, in seconds.
const UNUSED_S: i64 = 30 * 86_400;

impl StoredClient {
    /// Whether it is revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked != 0
    }
}

type Row = (Text, Text, BigInt, SmallInt, Text, Text, Text);

const COLUMNS: &str = "SELECT c.id, c.body, c.changed, c.revoked, c.registrar, c.management, COALESCE(r.body, '') \
                       FROM sign_in_client c LEFT JOIN sign_in_client r ON r.id = c.registrar AND r.revoked = 0";

impl Transaction<'_> {
    /// A client, revoked or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sign_in_client(&mut self, id: &str) -> Result<Option<StoredClient>, StoreError> {
        let sql = Sql::new(COLUMNS).sql(" WHERE c.id = ").bind(id);
        Ok(self.rows::<Row, StoredClient>(sql)?.pop())
    }

    /// All clients, by their ids.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sign_in_clients(&mut self) -> Result<Vec<StoredClient>, StoreError> {
        self.rows::<Row, StoredClient>(Sql::new(COLUMNS).sql(" ORDER BY c.id"))
    }

    /// Stores a new client; whether there was none of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_sign_in_client(&mut self, new: &NewClient, now_s: i64) -> Result<bool, StoreError> {
        let mut sql = into("sign_in_client", "id, body, changed, revoked, registrar, management");
        sql.push_row([
            new.id.as_str().into(),
            new.body.as_str().into(),
            now_s.into(),
            0_i16.into(),
            new.registrar.as_str().into(),
            new.management.as_str().into(),
        ]);
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

    /// How many clients have registered themselves, those among them that are revoked and not forgotten yet.
    ///
    /// # Errors
    /// When the database fails.
    pub fn self_registered(&mut self) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT COUNT(*) FROM sign_in_client WHERE registrar = ").bind(SELF);
        Ok(self.rows::<(BigInt,), (i64,)>(sql)?.pop().map_or(0, |(count,)| count))
    }

    /// Forgets the clients that have registered themselves and that nobody lets in, or that are revoked and of which nothing is left.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) fn forget_unused_clients(&mut self, now_s: i64) -> Result<usize, StoreError> {
        let sql = Sql::new("DELETE FROM sign_in_client WHERE registrar = ").bind(SELF);
        let sql = sql.sql(" AND changed <= ").bind(now_s - UNUSED_S);
        self.run(sql.sql(" AND NOT EXISTS (SELECT 1 FROM sign_in_grant g WHERE g.client = sign_in_client.id)"))
    }

    /// Lets whoever has the secret of this hash register one client.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_invitation(&mut self, hash: &str, expires_s: i64) -> Result<(), StoreError> {
        let mut sql = into("sign_in_invitation", "hash, expires");
        sql.push_row([hash.into(), expires_s.into()]);
        self.run(sql).map(|_| ())
    }

    /// Takes what lets somebody register a client, so that nobody registers another with it; whether it was there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_invitation(&mut self, hash: &str, now_s: i64) -> Result<bool, StoreError> {
        let sql = Sql::new("DELETE FROM sign_in_invitation WHERE expires > ").bind(now_s);
        Ok(self.run(sql.sql(" AND hash = ").bind(hash))? == 1)
    }
}
