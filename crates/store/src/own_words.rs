//! What somebody has said themselves: messages of a patient, and requests for correction that were opened for whoever asked. Told from
//! who was signed in, and kept beside the resource, where nobody but the server writes. Some labels of what they spoke about do
//! not come to it ([`concord_fhir::label::spares_words`]).

use std::collections::HashSet;

use diesel::sql_types::BigInt;

use crate::error::StoreError;
use crate::lower::one_of_numbers;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many resources one statement asks about.
const CHUNK: usize = 200;

impl Transaction<'_> {
    /// Keeps of a resource that is about to be stored that it is what somebody says themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_own_words(&mut self, resource: i64) -> Result<(), StoreError> {
        let sql = Sql::new("INSERT INTO own_words (resource) VALUES (").bind(resource);
        self.run(sql.sql(") ON CONFLICT (resource) DO NOTHING"))?;
        Ok(())
    }

    /// Keeps that it is not any more: somebody else has made something else of it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unset_own_words(&mut self, resource: i64) -> Result<(), StoreError> {
        self.run(Sql::new("DELETE FROM own_words WHERE resource = ").bind(resource))?;
        Ok(())
    }

    /// Which of these versions, by their keys, are of resources in which somebody says something themselves.
    pub(crate) fn words_among(&mut self, keys: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let mut found = HashSet::new();
        let postgres = self.is_postgres();
        for chunk in keys.chunks(CHUNK) {
            let sql = Sql::new("SELECT w.resource FROM own_words w WHERE ")
                .append(one_of_numbers("w.resource", chunk, postgres))
                .sql(" UNION ALL SELECT h.pk FROM history h JOIN own_words w ON w.resource = h.rid WHERE ")
                .append(one_of_numbers("h.pk", chunk, postgres));
            found.extend(self.rows::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0));
        }
        Ok(found)
    }
}
