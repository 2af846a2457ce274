//! The definitions of profiles and extensions that are in use besides those that ship, and which version of them a
//! transaction sees. What they mean is for whoever asks.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::shared_versions::DEFINITIONS;

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

    /// Those from elsewhere, each with where it is from.
    pub fn definitions_besides(&mut self, source: &str) -> Result<Vec<(String, KeptDefinition)>, StoreError> {
        let sql = Sql::new("SELECT source, url, version, body FROM definition WHERE source <> ").bind(source);
        let sql = sql.sql(" ORDER BY source, url, version");
        let rows =
            self.without_explain(|own| own.rows::<(Text, Text, Text, Text), (String, String, String, String)>(sql))?;
        Ok(rows
            .into_iter()
            .map(|(source, url, version, body)| (source, KeptDefinition { url, version, body }))
            .collect())
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
        self.bump_shared_version(DEFINITIONS)?;
        Ok(true)
    }
}
