//! Apps that somebody starts from another one.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// An app that somebody starts.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Launch {
    /// The app.
    pub client: String,
    /// Who starts it: a reference.
    pub person: String,
    /// Whose record they look at: a logical id.
    pub patient: String,
    /// Which encounter they look at: a logical id, or empty.
    pub encounter: String,
    /// What else they look at, as the answer of the token endpoint has it, or empty.
    pub context: String,
    /// When it is too late to ask.
    pub expires_s: i64,
}

type Row = (Text, Text, Text, Text, Text, BigInt);

impl Transaction<'_> {
    /// Remembers a start.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_launch(&mut self, hash: &str, launch: &Launch) -> Result<(), StoreError> {
        let mut sql = into("sign_in_launch", "hash, client, person, patient, encounter, context, expires");
        sql.push_row([
            hash.into(),
            launch.client.as_str().into(),
            launch.person.as_str().into(),
            launch.patient.as_str().into(),
            launch.encounter.as_str().into(),
            launch.context.as_str().into(),
            launch.expires_s.into(),
        ]);
        self.run(sql).map(|_| ())
    }

    /// A start of which nothing has come yet.
    ///
    /// # Errors
    /// When the database fails.
    pub fn launch(&mut self, hash: &str, now_s: i64) -> Result<Option<Launch>, StoreError> {
        let sql = Sql::new(
            "SELECT client, person, patient, encounter, context, expires FROM sign_in_launch WHERE expires > ",
        );
        Ok(self.rows::<Row, Launch>(sql.bind(now_s).sql(" AND hash = ").bind(hash))?.pop())
    }

    /// Takes a start, so that nothing comes of it again; whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_launch(&mut self, hash: &str) -> Result<bool, StoreError> {
        Ok(self.run(Sql::new("DELETE FROM sign_in_launch WHERE hash = ").bind(hash))? == 1)
    }
}
