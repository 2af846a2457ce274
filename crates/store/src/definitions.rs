//! The definitions of profiles and extensions that are in use besides those that ship, and which version of them a
//! transaction sees. What they mean is for whoever asks.

use diesel::sql_types::{BigInt, Text};

use crate::code_lists;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The setting that says which version of them there is.
const SETTING: &str = "definitions";

/// Which versions there are of what resources are checked by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedVersions {
    /// Of the definitions.
    pub(crate) definitions: i64,
    /// Of the list of code systems and value sets.
    pub(crate) code_lists: i64,
}

/// A definition as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDefinition {
    /// Its canonical url.
    pub url: String,
    /// Its version; empty where it has none.
    pub version: String,
    /// What it says, as text.
    pub body: String,
}

impl Transaction<'_> {
    /// Which version of the definitions there is; 0 until one is added.
    pub fn definitions_version(&mut self) -> Result<i64, StoreError> {
        Ok(self.shared_versions()?.definitions)
    }

    /// The versions as this transaction has found them: looked up once, since several checks may ask.
    pub(crate) fn shared_versions(&mut self) -> Result<SharedVersions, StoreError> {
        if let Some(known) = self.versions {
            return Ok(known);
        }
        let sql = Sql::new("SELECT d.value, c.value FROM setting d, setting c WHERE d.name = ").bind(SETTING);
        let sql = sql.sql(" AND c.name = ").bind(code_lists::SETTING);
        let rows =
            self.without_explain(|own| own.bypass_buffer(|own| own.rows::<(Text, Text), (String, String)>(sql)))?;
        let read = |(definitions, code_lists): &(String, String)| {
            Some(SharedVersions { definitions: definitions.parse().ok()?, code_lists: code_lists.parse().ok()? })
        };
        let found = rows.first().and_then(read);
        self.versions = found;
        found.ok_or_else(|| StoreError::Internal("the version of the definitions is lost".to_owned()))
    }

    /// Says that something of which there are versions has been changed, from the commit on and on every node.
    pub(crate) fn bump_shared_version(&mut self, setting: &'static str) -> Result<(), StoreError> {
        self.versions = None;
        let version = self.next_key().to_string();
        self.run(Sql::new("UPDATE setting SET value = ").bind(version).sql(" WHERE name = ").bind(setting))?;
        Ok(())
    }

    /// All of them, those of packages before those of resources.
    pub fn definitions(&mut self) -> Result<Vec<KeptDefinition>, StoreError> {
        let sql = Sql::new("SELECT url, version, body FROM definition ORDER BY source, url, version");
        let rows = self.without_explain(|own| own.rows::<(Text, Text, Text), (String, String, String)>(sql))?;
        Ok(rows.into_iter().map(|(url, version, body)| KeptDefinition { url, version, body }).collect())
    }

    /// Where they are from, with how many each.
    pub fn definition_sources(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = Sql::new("SELECT source, COUNT(*) FROM definition GROUP BY source ORDER BY source");
        self.without_explain(|own| own.rows::<(Text, BigInt), (String, i64)>(sql))
    }

    /// How many there are from elsewhere.
    pub fn count_definitions_besides(&mut self, source: &str) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT COUNT(*) FROM definition WHERE source <> ").bind(source);
        let rows = self.without_explain(|own| own.rows::<(BigInt,), (i64,)>(sql))?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// Puts these in the place of those from the same source, from the commit on and on every node. Whether that changed
    /// anything.
    pub fn replace_definitions(&mut self, source: &str, new: &[KeptDefinition]) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT url, version, body FROM definition WHERE source = ").bind(source);
        let sql = sql.sql(" ORDER BY url, version");
        let old = self.without_explain(|own| own.rows::<(Text, Text, Text), (String, String, String)>(sql))?;
        let same = old.len() == new.len()
            && old
                .iter()
                .zip(new)
                .all(|((url, version, body), new)| *url == new.url && *version == new.version && *body == new.body);
        if same {
            return Ok(false);
        }
        self.run(Sql::new("DELETE FROM definition WHERE source = ").bind(source))?;
        for one in new {
            let sql = Sql::new("INSERT INTO definition (source, url, version, body) VALUES (")
                .bind(source)
                .sql(", ")
                .bind(one.url.as_str())
                .sql(", ")
                .bind(one.version.as_str())
                .sql(", ")
                .bind(one.body.as_str())
                .sql(")");
            self.run(sql)?;
        }
        self.bump_shared_version(SETTING)?;
        Ok(true)
    }
}
