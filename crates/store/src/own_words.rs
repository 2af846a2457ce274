//! What somebody has said themselves: messages of a patient, and requests for correction with what whoever asked says about them. Told
//! from who was signed in, and kept of each version beside the resource, where nobody but the server writes: rows are only ever added.
//! Some labels of what such a version speaks about do not come to it ([`concord_fhir::label::spares_words`]).

use std::collections::HashSet;

use diesel::sql_types::BigInt;

use crate::error::StoreError;
use crate::lower::one_of_numbers;
use crate::rows::Version;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many versions one statement asks about.
const CHUNK: usize = 200;

impl Transaction<'_> {
    /// Keeps of a version that is about to be stored that it is what somebody says themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_own_words(&mut self, new: &Version) -> Result<(), StoreError> {
        let sql =
            Sql::new("INSERT INTO own_words (resource, version) VALUES (").bind(new.key).sql(", ").bind(new.version);
        self.run(sql.sql(") ON CONFLICT (resource, version) DO NOTHING"))?;
        Ok(())
    }

    /// Keeps it of a version that is about to take the place of another, if it is so of that one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_own_words(&mut self, old: &Version, new: &Version) -> Result<(), StoreError> {
        let sql = Sql::new("INSERT INTO own_words (resource, version) SELECT w.resource, CAST(")
            .bind(new.version)
            .sql(" AS BIGINT) FROM own_words w WHERE w.resource = ")
            .bind(old.key)
            .sql(" AND w.version = ")
            .bind(old.version);
        self.run(sql.sql(" ON CONFLICT (resource, version) DO NOTHING"))?;
        Ok(())
    }

    /// Whether a current version is what somebody has said themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_own_words(&mut self, current: &Version) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT w.version FROM own_words w WHERE w.resource = ").bind(current.key);
        let sql = sql.sql(" AND w.version = ").bind(current.version);
        Ok(!self.rows::<(BigInt,), (i64,)>(sql)?.is_empty())
    }

    /// Which of these versions, by their keys, somebody has said themselves.
    pub(crate) fn words_among(&mut self, keys: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let mut found = HashSet::new();
        let postgres = self.is_postgres();
        for chunk in keys.chunks(CHUNK) {
            let sql = Sql::new(
                "SELECT w.resource FROM own_words w JOIN resource r ON r.rid = w.resource AND r.version = w.version WHERE ",
            )
            .append(one_of_numbers("w.resource", chunk, postgres))
            .sql(
                " UNION ALL SELECT h.pk FROM history h JOIN own_words w ON w.resource = h.rid AND w.version = h.version WHERE ",
            )
            .append(one_of_numbers("h.pk", chunk, postgres));
            found.extend(self.rows::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use diesel_migrations::MigrationHarness as _;

    use super::*;
    use crate::address::Durability;
    use crate::connection::Connection;
    use crate::database::Database;
    use crate::migrate::{POSTGRES, SQLITE, migrate};
    use crate::testing::Scratch;

    /// Takes back what is newer than the migration by which own words are told of each version, and that.
    fn before_versions(connection: &mut Connection) {
        loop {
            let reverted = match &mut connection.database {
                Database::Sqlite(sqlite) => sqlite.revert_last_migration(SQLITE).unwrap().to_string(),
                Database::Postgres(postgres) => postgres.revert_last_migration(POSTGRES).unwrap().to_string(),
            };
            if reverted == "20261130000061" {
                break;
            }
        }
    }

    /// Of what was kept of a resource, whatever version, only what is known of one is kept of that.
    #[test]
    fn of_what_was_kept_of_a_resource_its_first_version_is_known() {
        let (communication, task) = (22, 139);
        for scratch in Scratch::both() {
            migrate(&scratch.address).unwrap();
            let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
            before_versions(&mut connection);
            for (key, resource_type, version, author) in [
                (1, communication, 1, "Patient/amina"),
                (2, communication, 2, "Patient/amina"),
                (3, communication, 1, "RelatedPerson/yusuf"),
                (4, task, 1, ""),
                (5, task, 3, ""),
                (6, communication, 1, "Patient/amina"),
            ] {
                let row = format!(
                    "INSERT INTO resource (rid, type, id, version, updated, method, deleted, patient, patients, author, labels, body, \
                     digest) VALUES ({key}, {resource_type}, 'r{key}', {version}, 0, 0, 0, 0, 0, '{author}', '', '', 0)"
                );
                connection.execute_for_test(&row);
                if key < 6 {
                    connection.execute_for_test(&format!("INSERT INTO own_words (resource) VALUES ({key})"));
                }
            }
            drop(connection);
            migrate(&scratch.address).unwrap();
            let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
            let sql = Sql::new("SELECT w.resource, w.version FROM own_words w ORDER BY w.resource");
            let kept = connection.rows::<(BigInt, BigInt), (i64, i64)>(sql).unwrap();
            assert_eq!(kept, [(1, 1), (4, 1), (5, 1)]);
            before_versions(&mut connection);
            let sql = Sql::new("SELECT w.resource FROM own_words w ORDER BY w.resource");
            let left = connection.rows::<(BigInt,), (i64,)>(sql).unwrap();
            assert_eq!(left, [(1,), (4,)]);
        }
    }
}
