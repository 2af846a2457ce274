//! Codes and tokens.

use diesel::Queryable;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A code.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Code {
    /// What it comes of: the id of a grant.
    pub family: String,
    /// The client that it was given to.
    pub client: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// The challenge that it was asked for with.
    pub challenge: String,
    /// What the client wants in its id token, or empty.
    pub nonce: String,
    /// When it expires.
    pub expires_s: i64,
}

/// What was taken, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// It has been taken now, and nobody gets it again.
    Now(T),
    /// It was taken before: of what it comes.
    Before(String),
    /// There is none.
    Unknown,
}

/// An access token that is about to be given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccess {
    /// Its hash.
    pub hash: String,
    /// What it comes of, or empty for a client's own.
    pub family: String,
    /// The client.
    pub client: String,
    /// The scopes.
    pub scope: String,
    /// When it expires.
    pub expires_s: i64,
}

/// An access token that works.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Queryable)]
pub struct AccessToken {
    /// What it comes of, or empty for a client's own.
    pub family: String,
    /// The client.
    pub client: String,
    /// The scopes.
    pub scope: String,
    /// When it was given out.
    pub issued_s: i64,
    /// When it expires.
    pub expires_s: i64,
    /// Who has let the client: a reference, or empty.
    pub person: String,
    /// The patient in context: a logical id, or empty.
    pub patient: String,
    /// The encounter in context: a logical id, or empty.
    pub encounter: String,
    /// What else is in context, as the answer of the token endpoint has it, or empty.
    pub context: String,
    /// How strongly the person had signed in, 1 to 3; 0 when nothing is said.
    pub strength: i16,
    /// How surely the person is known, and in which role they act, as it was stored.
    pub standing: String,
    /// What is registered of the client now, as JSON; empty where nothing is, or it is revoked.
    pub registration: String,
    /// Who has registered the client, or empty, as [`crate::sign_in::StoredClient`] says it.
    pub registrar: String,
    /// What is registered of them now, as JSON; empty where nothing is, or they are revoked.
    pub registrar_body: String,
}

type AccessRow = (Text, Text, Text, BigInt, BigInt, Text, Text, Text, Text, SmallInt, Text, Text, Text, Text);

/// What is known of a refresh token that works.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Known {
    /// What it comes of.
    pub family: String,
    /// When it expires.
    pub expires_s: i64,
}

impl Transaction<'_> {
    /// Stores a code.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_code(&mut self, hash: &str, code: &Code) -> Result<(), StoreError> {
        let mut sql = into("sign_in_code", "hash, family, client, redirect_uri, challenge, nonce, expires, used");
        sql.push_row([
            hash.into(),
            code.family.as_str().into(),
            code.client.as_str().into(),
            code.redirect_uri.as_str().into(),
            code.challenge.as_str().into(),
            code.nonce.as_str().into(),
            code.expires_s.into(),
            0_i64.into(),
        ]);
        self.run(sql).map(|_| ())
    }

    /// Takes a code, whether it has expired or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_code(&mut self, hash: &str, now_s: i64) -> Result<Taken<Code>, StoreError> {
        let sql = Sql::new("UPDATE sign_in_code SET used = ").bind(now_s).sql(" WHERE used = 0 AND hash = ").bind(hash);
        let sql = sql.sql(" RETURNING family, client, redirect_uri, challenge, nonce, expires");
        self.changes += 1;
        match self.rows::<(Text, Text, Text, Text, Text, BigInt), Code>(sql)?.pop() {
            Some(code) => Ok(Taken::Now(code)),
            None => self.taken_before("sign_in_code", hash),
        }
    }

    /// Stores a refresh token.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_refresh(&mut self, hash: &str, family: &str, expires_s: i64) -> Result<(), StoreError> {
        let mut sql = into("sign_in_refresh", "hash, family, expires, used");
        sql.push_row([hash.into(), family.into(), expires_s.into(), 0_i64.into()]);
        self.run(sql).map(|_| ())
    }

    /// Takes a refresh token, whether it has expired or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_refresh(&mut self, hash: &str, now_s: i64) -> Result<Taken<Known>, StoreError> {
        let sql = Sql::new("UPDATE sign_in_refresh SET used = ").bind(now_s);
        let sql = sql.sql(" WHERE used = 0 AND hash = ").bind(hash).sql(" RETURNING family, expires");
        self.changes += 1;
        match self.rows::<(Text, BigInt), Known>(sql)?.pop() {
            Some(known) => Ok(Taken::Now(known)),
            None => self.taken_before("sign_in_refresh", hash),
        }
    }

    fn taken_before<T>(&mut self, table: &'static str, hash: &str) -> Result<Taken<T>, StoreError> {
        let sql = Sql::new("SELECT family FROM ").sql(table).sql(" WHERE hash = ").bind(hash);
        let found = self.rows::<(Text,), (String,)>(sql)?.pop();
        Ok(found.map_or(Taken::Unknown, |(family,)| Taken::Before(family)))
    }

    /// What a refresh token comes of, whether it has been taken or has expired, or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refresh_family(&mut self, hash: &str) -> Result<Option<String>, StoreError> {
        let sql = Sql::new("SELECT family FROM sign_in_refresh WHERE hash = ").bind(hash);
        Ok(self.rows::<(Text,), (String,)>(sql)?.pop().map(|(family,)| family))
    }

    /// A refresh token that has not been taken and has not expired.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refresh_token(&mut self, hash: &str, now_s: i64) -> Result<Option<Known>, StoreError> {
        let sql = Sql::new("SELECT family, expires FROM sign_in_refresh WHERE used = 0 AND expires > ").bind(now_s);
        Ok(self.rows::<(Text, BigInt), Known>(sql.sql(" AND hash = ").bind(hash))?.pop())
    }

    /// Stores an access token.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_access(&mut self, new: &NewAccess, now_s: i64) -> Result<(), StoreError> {
        let mut sql = into("sign_in_access", "hash, family, client, scope, issued, expires");
        sql.push_row([
            new.hash.as_str().into(),
            new.family.as_str().into(),
            new.client.as_str().into(),
            new.scope.as_str().into(),
            now_s.into(),
            new.expires_s.into(),
        ]);
        self.run(sql).map(|_| ())
    }

    /// An access token that works: it has not expired or been revoked, and what it comes of has not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub fn access_token(&mut self, hash: &str, now_s: i64) -> Result<Option<AccessToken>, StoreError> {
        let sql = Sql::new(
            "SELECT a.family, a.client, a.scope, a.issued, a.expires, COALESCE(g.person, ''), COALESCE(g.patient, ''), \
             COALESCE(g.encounter, ''), COALESCE(g.context, ''), CAST(COALESCE(g.strength, 0) AS SMALLINT), \
             COALESCE(g.standing, ''), COALESCE(c.body, ''), COALESCE(c.registrar, ''), COALESCE(r.body, '') \
             FROM sign_in_access a LEFT JOIN sign_in_client c ON c.id = a.client AND c.revoked = 0 \
             LEFT JOIN sign_in_client r ON r.id = c.registrar AND r.revoked = 0 \
             LEFT JOIN sign_in_grant g ON g.id = a.family AND g.ended = 0 AND g.lasts > ",
        );
        let sql = sql.bind(now_s).sql(" WHERE (a.family = '' OR g.id IS NOT NULL) AND a.expires > ").bind(now_s);
        let sql = sql.sql(" AND a.hash = ").bind(hash);
        Ok(self.rows::<AccessRow, AccessToken>(sql)?.pop())
    }

    /// Revokes one access token.
    ///
    /// # Errors
    /// When the database fails.
    pub fn revoke_access(&mut self, hash: &str) -> Result<(), StoreError> {
        self.run(Sql::new("DELETE FROM sign_in_access WHERE hash = ").bind(hash)).map(|_| ())
    }
}
