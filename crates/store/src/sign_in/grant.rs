//! What people have let apps do.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::sign_in::into;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// What is about to be let.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewGrant {
    /// Its id.
    pub id: String,
    /// The client.
    pub client: String,
    /// Who lets it: a reference.
    pub person: String,
    /// The patient in context: a logical id, or empty.
    pub patient: String,
    /// The encounter in context: a logical id, or empty.
    pub encounter: String,
    /// What else is in context, as the answer of the token endpoint has it, or empty.
    pub context: String,
    /// The scopes.
    pub scope: String,
    /// The Consent that was stored with it: a logical id, or empty.
    pub consent: String,
    /// What was chosen, for when it is asked again.
    pub choice: String,
    /// The hash of the session without which it ends; empty for one that goes on without.
    pub browser: String,
    /// How strongly the person signed in, 1 to 3; 0 when nothing is said.
    pub strength: i16,
    /// How surely the person is known, and in which role they act, as text of whoever stores it.
    pub standing: String,
    /// When the person signed in.
    pub authenticated_s: i64,
    /// When it ends by itself.
    pub lasts_s: i64,
}

/// What a person has let an app do.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// The client.
    pub client: String,
    /// Who has let it: a reference.
    pub person: String,
    /// The patient in context: a logical id, or empty.
    pub patient: String,
    /// The encounter in context: a logical id, or empty.
    pub encounter: String,
    /// What else is in context, as the answer of the token endpoint has it, or empty.
    pub context: String,
    /// The scopes.
    pub scope: String,
    /// The Consent that was stored with it: a logical id, or empty.
    pub consent: String,
    /// What was chosen.
    pub choice: String,
    /// The hash of the session without which it ends, or empty.
    pub browser: String,
    /// When the person had signed in.
    pub authenticated_s: i64,
    /// Since when.
    pub begun_s: i64,
    /// When it ends by itself.
    pub lasts_s: i64,
    /// When the app got a token of it last.
    pub used_s: i64,
}

/// How many of what a person has let one app do go on beside a new one: an app is on some devices, and not on more.
const KEPT: i64 = 9;

type Row = (Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, BigInt, BigInt, BigInt, BigInt);

/// Those that have not ended.
fn live(now_s: i64) -> Sql {
    Sql::new(
        "SELECT id, client, person, patient, encounter, context, scope, consent, choice, browser, authenticated, begun, lasts, used \
         FROM sign_in_grant WHERE ended = 0 AND lasts > ",
    )
    .bind(now_s)
}

impl Transaction<'_> {
    /// Stores what a person lets an app do. Of what they have let the same app do before, the last few go on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_grant(&mut self, new: &NewGrant, now_s: i64) -> Result<(), StoreError> {
        let one_app = |sql: Sql| {
            let sql = sql.sql(" WHERE ended = 0 AND person = ").bind(new.person.as_str());
            sql.sql(" AND client = ").bind(new.client.as_str())
        };
        let kept = one_app(Sql::new("SELECT id FROM sign_in_grant")).sql(" ORDER BY begun DESC, id LIMIT ").bind(KEPT);
        let end = one_app(Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s));
        self.run(end.sql(" AND id NOT IN (").append(kept).sql(")"))?;
        let mut sql = into(
            "sign_in_grant",
            "id, client, person, patient, encounter, context, scope, consent, choice, browser, strength, standing, authenticated, begun, \
             lasts, used, ended",
        );
        let text = |text: &str| Bind::Text(text.to_owned());
        sql.push_row([
            text(&new.id),
            text(&new.client),
            text(&new.person),
            text(&new.patient),
            text(&new.encounter),
            text(&new.context),
            text(&new.scope),
            text(&new.consent),
            text(&new.choice),
            text(&new.browser),
            new.strength.into(),
            text(&new.standing),
            new.authenticated_s.into(),
            now_s.into(),
            new.lasts_s.into(),
            0_i64.into(),
            0_i64.into(),
        ]);
        self.run(sql).map(|_| ())
    }

    /// One that has not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub fn grant(&mut self, id: &str, now_s: i64) -> Result<Option<Grant>, StoreError> {
        Ok(self.rows::<Row, Grant>(live(now_s).sql(" AND id = ").bind(id))?.pop())
    }

    /// What a person has let apps do, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn grants_of(&mut self, person: &str, now_s: i64) -> Result<Vec<Grant>, StoreError> {
        self.rows::<Row, Grant>(live(now_s).sql(" AND person = ").bind(person).sql(" ORDER BY begun DESC, id"))
    }

    /// The last that a person let an app do, ended or not, where a Consent was stored with it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_grant(&mut self, person: &str, client: &str) -> Result<Option<Grant>, StoreError> {
        let sql = Sql::new(
            "SELECT id, client, person, patient, encounter, context, scope, consent, choice, browser, authenticated, begun, lasts, used \
             FROM sign_in_grant WHERE consent <> '' AND person = ",
        );
        let sql = sql.bind(person).sql(" AND client = ").bind(client).sql(" ORDER BY begun DESC, id LIMIT 1");
        Ok(self.rows::<Row, Grant>(sql)?.pop())
    }

    /// Ends one, with all its codes and tokens.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_grant(&mut self, id: &str, now_s: i64) -> Result<(), StoreError> {
        let sql = Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s).sql(" WHERE ended = 0 AND id = ").bind(id);
        self.run(sql).map(|_| ())
    }

    /// Ends all that rest on a Consent; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_grants_of_consent(&mut self, consent: &str, now_s: i64) -> Result<usize, StoreError> {
        let sql = Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s);
        self.run(sql.sql(" WHERE ended = 0 AND consent = ").bind(consent))
    }

    /// Ends all that a person has let one app do; the Consents that were stored with them, and how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_grants_of_app(&mut self, person: &str, client: &str, now_s: i64) -> Result<usize, StoreError> {
        let sql = Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s);
        self.run(sql.sql(" WHERE ended = 0 AND person = ").bind(person).sql(" AND client = ").bind(client))
    }

    /// Ends all that go on no longer than a session.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_grants_of_session(&mut self, session: &str, now_s: i64) -> Result<usize, StoreError> {
        let sql = Sql::new("UPDATE sign_in_grant SET ended = ").bind(now_s);
        self.run(sql.sql(" WHERE ended = 0 AND browser = ").bind(session))
    }

    /// Remembers that the app gets a token now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn use_grant(&mut self, id: &str, now_s: i64) -> Result<(), StoreError> {
        self.run(Sql::new("UPDATE sign_in_grant SET used = ").bind(now_s).sql(" WHERE id = ").bind(id)).map(|_| ())
    }
}
