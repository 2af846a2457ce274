//! The versions of what processes remember: of what decides about access, and of what resources are checked by. Whoever
//! remembers something compares the version under which it was read.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The setting that says which version there is of the definitions of profiles.
pub(crate) const DEFINITIONS: &str = "definitions";
/// The setting that says which version there is of the list of code systems and value sets.
pub(crate) const CODE_LISTS: &str = "code_lists";

/// Which versions there are of what resources are checked by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedVersions {
    /// Of the definitions.
    pub(crate) definitions: i64,
    /// Of the list of code systems and value sets.
    pub(crate) code_lists: i64,
}

impl Transaction<'_> {
    /// The versions as this transaction has found them: looked up once, since several checks may ask.
    pub(crate) fn shared_versions(&mut self) -> Result<SharedVersions, StoreError> {
        if let Some(known) = self.versions {
            return Ok(known);
        }
        let sql = Sql::new("SELECT d.value, c.value FROM setting d, setting c WHERE d.name = ").bind(DEFINITIONS);
        let sql = sql.sql(" AND c.name = ").bind(CODE_LISTS);
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

    /// Whether everybody's changes wait for it.
    #[must_use]
    pub fn is_only_writer(&self) -> bool {
        self.only_writer
    }

    /// Says that what decides about access to this record has changed: facts remembered under the old version are no
    /// longer used, on any node, from the commit on. Key 0 stands for facts in no patient compartment.
    ///
    /// A version is never used twice: one that was rolled back may have been remembered with what was seen under it.
    pub fn bump_access_version(&mut self, patient: i64) -> Result<(), StoreError> {
        let version = self.next_key();
        self.run(Sql::new("UPDATE patient SET access_version = ").bind(version).sql(" WHERE key = ").bind(patient))?;
        Ok(())
    }

    /// The access versions of a patient's record and of what is about nobody.
    pub fn access_versions(&mut self, patient: i64) -> Result<(i64, i64), StoreError> {
        let sql = Sql::new(
            "SELECT p.access_version, z.access_version FROM patient p, patient z WHERE z.key = 0 AND p.key = ",
        )
        .bind(patient);
        let rows = self.rows::<(BigInt, BigInt), (i64, i64)>(sql)?;
        rows.first().copied().ok_or_else(|| StoreError::Internal("no access version".to_owned()))
    }
}
