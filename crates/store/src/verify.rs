//! Reading what is stored to find out whether it is still what it was. Each part is small, so that it can go through any
//! database beside those who use it.

use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::digest;
use crate::error::StoreError;
use crate::lower::{RECORD, Rows};
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// What the digest of a version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It is what it was when it was stored.
    Right,
    /// It is not.
    Wrong,
    /// An older release has stored it and noted none.
    Missing,
}

/// A version, and what its digest says.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The version.
    pub version: Version,
    /// What its digest says.
    pub digest: Digest,
}

/// What stands beside a current version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// How many superseded versions there are.
    pub superseded: i64,
    /// The greatest number among them; 0 for none.
    pub newest: i64,
    /// How many rows of the index say whose record it is part of.
    pub records: i64,
}

/// A list of keys to look for.
fn among(keys: &[i64]) -> Sql {
    let mut sql = Sql::new("(NULL");
    for key in keys {
        sql.push_sql(", ");
        sql.push_bind(Bind::Big(*key));
    }
    sql.sql(")")
}

impl Transaction<'_> {
    /// How many versions there are, current and superseded.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_versions(&mut self) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT (SELECT count(*) FROM resource) + (SELECT count(*) FROM history)");
        Ok(self.rows::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0))
    }

    /// The keys of the versions after this one, in their order, and the bytes of their bodies.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sizes_after(&mut self, rows: Rows, after: i64, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        let key = rows.key();
        let sql = Sql::new("SELECT ").sql(key).sql(", CAST(octet_length(r.body) AS BIGINT) FROM ").sql(rows.table());
        let sql = sql.sql(" r WHERE ").sql(key).sql(" > ").bind(after).sql(" ORDER BY ").sql(key);
        self.rows::<(BigInt, BigInt), (i64, i64)>(sql.sql(format!(" LIMIT {limit}")))
    }

    /// The versions with these keys, checked.
    ///
    /// # Errors
    /// When the database fails, or one of them cannot be read.
    pub fn checked(&mut self, rows: Rows, keys: &[i64]) -> Result<Vec<Checked>, StoreError> {
        let found = self.versions_with_digests(rows, Sql::new(rows.key()).sql(" IN ").append(among(keys)))?;
        let checked = found.into_iter().map(|(version, noted)| {
            let digest = match noted {
                digest::NONE => Digest::Missing,
                noted if noted == digest::of(&version) => Digest::Right,
                _ => Digest::Wrong,
            };
            Checked { version, digest }
        });
        Ok(checked.collect())
    }

    /// What stands beside the current versions with these keys, key by key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn beside(&mut self, keys: &[i64]) -> Result<Vec<(i64, Beside)>, StoreError> {
        let sql = Sql::new(
            "SELECT r.rid, (SELECT count(*) FROM history h WHERE h.rid = r.rid), (SELECT coalesce(max(h.version), 0) FROM \
             history h WHERE h.rid = r.rid), (SELECT count(*) FROM entry e WHERE e.resource = r.rid AND e.parameter = ",
        );
        let sql = sql.bind(RECORD.0).sql(") FROM resource r WHERE r.rid IN ").append(among(keys));
        let rows = self.rows::<(BigInt, BigInt, BigInt, BigInt), (i64, i64, i64, i64)>(sql)?;
        let told = |(key, superseded, newest, records)| (key, Beside { superseded, newest, records });
        Ok(rows.into_iter().map(told).collect())
    }

    /// Which version of what the row with that key is, as far as it says: the number of its type, its id, its version.
    ///
    /// # Errors
    /// When the database fails.
    pub fn name_of_row(&mut self, rows: Rows, key: i64) -> Result<Option<(i16, String, i64)>, StoreError> {
        let sql = Sql::new("SELECT r.type, r.id, r.version FROM ").sql(rows.table()).sql(" r WHERE ").sql(rows.key());
        Ok(self.rows::<(SmallInt, Text, BigInt), (i16, String, i64)>(sql.sql(" = ").bind(key))?.pop())
    }

    /// Notes the digest of a version of which none is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fill_digest(&mut self, rows: Rows, version: &Version) -> Result<(), StoreError> {
        let key = match rows {
            Rows::Current => "rid",
            Rows::Superseded => "pk",
        };
        let sql = Sql::new("UPDATE ").sql(rows.table()).sql(" SET digest = ").bind(digest::of(version));
        let sql = sql.sql(" WHERE digest = 0 AND ").sql(key).sql(" = ").bind(version.key);
        self.run(sql.sql(" AND version = ").bind(version.version)).map(|_| ())
    }
}
