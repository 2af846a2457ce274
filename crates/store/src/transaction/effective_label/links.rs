//! What a version inherits from, and what inherits from it.

use std::collections::{HashMap, HashSet};

use concord_fhir::index::Entries;
use concord_fhir::label::{self, Source};
use concord_fhir::registry::ResourceType;
use diesel::sql_types::{BigInt, SmallInt, Text};

use super::{CHUNK, Place, Stored, Written, lines_of, places};
use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// The first number of the locks that order writers who depend on one another, and how many there are.
const LOCKS: (i32, u32) = (4_051_702, 1_024);

/// How what is inherited from is put in.
const INTO_SOURCES: &str = "INSERT INTO label_source (resource, type, id, version) ";

/// A version that inherits, by its key; what it inherits from; and the labels of that.
pub(super) type Link = (i64, Place, String);

/// What each of these inherits from.
fn sources_of(all: &[(i64, &Entries)]) -> Vec<(i64, Place)> {
    all.iter().flat_map(|(key, entries)| places(entries).into_iter().map(|place| (*key, place))).collect()
}

/// Rows for PostgreSQL, which takes them as lists.
fn listed(rows: &[(i64, Place)]) -> Sql {
    let mut sql = Sql::new("SELECT * FROM unnest(");
    sql.push_row([
        Bind::Bigs(rows.iter().map(|(key, _)| *key).collect()),
        Bind::Smalls(rows.iter().map(|(_, (number, ..))| *number).collect()),
        Bind::Texts(rows.iter().map(|(_, (_, id, _))| id.clone()).collect()),
        Bind::Bigs(rows.iter().map(|(_, (.., version))| *version).collect()),
    ]);
    sql
}

impl Transaction<'_> {
    /// Puts in what resources that are new hand labels on along, besides what they inherit from, which is put in with them.
    pub(crate) fn put_links(&mut self, all: &[(i64, &Entries)]) -> Result<(), StoreError> {
        self.put_contents(all)?;
        self.put_names(all)?;
        Ok(())
    }

    /// Puts what resources inherit from in.
    pub(crate) fn put_sources(&mut self, all: &[(i64, &Entries)]) -> Result<(), StoreError> {
        self.put_places(&sources_of(all))
    }

    /// Puts in what an event of the log is about.
    pub(crate) fn put_sources_of_event(&mut self, pk: i64, about: &[Source]) -> Result<(), StoreError> {
        let place = |one: &Source| (one.resource_type.number(), one.id.clone(), one.version);
        let rows: Vec<(i64, Place)> = about.iter().map(|one| (pk, place(one))).collect();
        self.put_places(&rows)
    }

    fn put_places(&mut self, rows: &[(i64, Place)]) -> Result<(), StoreError> {
        for chunk in rows.chunks(CHUNK) {
            let mut sql = Sql::new(INTO_SOURCES);
            if self.is_postgres() {
                sql = sql.append(listed(chunk));
            } else {
                for (place, (key, (number, id, version))) in chunk.iter().enumerate() {
                    sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                    let binds: [Bind; 4] = [(*key).into(), (*number).into(), id.as_str().into(), (*version).into()];
                    sql.push_row(binds);
                }
            }
            self.run(sql)?;
        }
        Ok(())
    }

    /// Puts rows of resources in that are new, by a statement that does so and a part of it for what they inherit from: on PostgreSQL
    /// by one statement, where the way there and back costs more than those rows.
    pub(crate) fn run_with_sources(&mut self, resources: Sql, all: &[(i64, &Entries)]) -> Result<(), StoreError> {
        let rows = sources_of(all);
        if !self.is_postgres() || rows.is_empty() || rows.len() > CHUNK {
            self.run(resources)?;
            return self.put_places(&rows);
        }
        let sources = Sql::new("WITH sources AS (").sql(INTO_SOURCES).append(listed(&rows)).sql(") ");
        self.run(sources.append(resources))?;
        Ok(())
    }

    /// Says what the current version of a resource inherits from, in place of what the one before did: that goes with the
    /// superseded version. A deletion goes on to inherit from the same. Whether the superseded version inherits anything.
    pub(super) fn supersede_sources(
        &mut self,
        key: i64,
        superseded: Option<i64>,
        entries: Option<&Entries>,
    ) -> Result<bool, StoreError> {
        let moved = match (superseded, entries) {
            (Some(pk), Some(_)) => {
                self.run(Sql::new("UPDATE label_source SET resource = ").bind(pk).sql(" WHERE resource = ").bind(key))?
            }
            (Some(pk), None) => {
                let sql = Sql::new("INSERT INTO label_source (resource, type, id, version) SELECT ").bind(pk);
                self.run(sql.sql(", type, id, version FROM label_source WHERE resource = ").bind(key))?
            }
            (None, Some(_)) => self.run(Sql::new("DELETE FROM label_source WHERE resource = ").bind(key))?,
            (None, None) => 0,
        };
        if let Some(entries) = entries {
            self.put_sources(&[(key, entries)])?;
        }
        Ok(superseded.is_some() && moved > 0)
    }

    /// What a version inherits from because it names it.
    pub(super) fn named_by(&mut self, key: i64) -> Result<Vec<Place>, StoreError> {
        let sql = Sql::new("SELECT s.type, s.id, s.version FROM label_source s WHERE s.resource = ").bind(key);
        self.rows::<(SmallInt, Text, BigInt), Place>(sql)
    }

    /// What these inherit from, because they name it or it shows them.
    pub(super) fn sources_of(&mut self, keys: &[i64]) -> Result<Vec<(i64, Source)>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let sql = Sql::new("SELECT s.resource, s.type, s.id, s.version FROM label_link s WHERE ")
                .append(of_keys("s.resource", chunk));
            for (key, number, id, version) in
                self.rows::<(BigInt, SmallInt, Text, BigInt), (i64, i16, String, i64)>(sql)?
            {
                if let Some(resource_type) = ResourceType::from_number(number) {
                    found.push((key, Source { resource_type, id, version }));
                }
            }
        }
        Ok(found)
    }

    /// What these inherit from, with the labels of that: the resource as it is, and where a version of it is named, that
    /// version too. `labelled`: only what has labels.
    pub(super) fn label_links(&mut self, keys: &[i64], labelled: bool) -> Result<Vec<Link>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let only = |sql: Sql, column: &'static str| {
                let sql = sql.append(of_keys("s.resource", chunk));
                if labelled { sql.sql(" AND ").sql(column).sql(" <> ''") } else { sql }
            };
            let current = Sql::new(
                "SELECT s.resource, s.type, s.id, CAST(0 AS BIGINT), t.labels FROM label_link s \
                 JOIN resource t ON t.type = s.type AND t.id = s.id WHERE ",
            );
            let superseded = Sql::new(
                " UNION ALL SELECT s.resource, s.type, s.id, s.version, h.labels FROM label_source s \
                 JOIN resource t ON t.type = s.type AND t.id = s.id \
                 JOIN history h ON h.rid = t.rid AND h.version = s.version WHERE s.version > 0 AND ",
            );
            let sql = only(current, "t.labels").append(only(superseded, "h.labels"));
            let rows = self.rows::<(BigInt, SmallInt, Text, BigInt, Text), (i64, i16, String, i64, String)>(sql)?;
            found.extend(
                rows.into_iter().map(|(key, number, id, version, labels)| (key, (number, id, version), labels)),
            );
        }
        Ok(found)
    }

    /// What these inherit, from what there is now.
    pub(super) fn inherited_by(&mut self, keys: &[i64]) -> Result<HashMap<i64, Vec<String>>, StoreError> {
        let mut lines: HashMap<i64, Vec<String>> = HashMap::new();
        for (key, _, labels) in self.label_links(keys, true)? {
            lines.entry(key).or_default().push(labels);
        }
        let union = |labels: Vec<String>| label::union(labels.iter().flat_map(|one| lines_of(one)));
        let mut inherited: HashMap<i64, Vec<String>> =
            lines.into_iter().map(|(key, labels)| (key, union(labels))).collect();
        let is_spared = |labels: &Vec<String>| labels.iter().any(|key| label::spares_words(key));
        let asked: Vec<i64> = inherited.iter().filter(|(_, labels)| is_spared(labels)).map(|(key, _)| *key).collect();
        for key in self.words_among(&asked)? {
            if let Some(labels) = inherited.get_mut(&key) {
                labels.retain(|key| !label::spares_words(key));
            }
        }
        Ok(inherited)
    }

    /// The keys of what inherits from these, each once, in their order; none if they are more than `most`. Whoever comes to
    /// name one of these meanwhile waits, and then sees the labels that it has.
    pub(super) fn dependents(&mut self, of: &[Stored], most: usize) -> Result<Option<Vec<i64>>, StoreError> {
        self.keep_unnamed(of)?;
        let places: Vec<Place> = of.iter().map(Stored::place).collect();
        let mut found: HashSet<i64> = HashSet::new();
        for chunk in places.chunks(CHUNK) {
            let mut sql = Sql::new("SELECT s.resource FROM label_link s WHERE (");
            for (place, (number, id, version)) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "(s.type = " } else { " OR (s.type = " });
                sql = sql.bind(*number).sql(" AND s.id = ").bind(id.as_str());
                if *version > 0 {
                    sql = sql.sql(" AND s.version = ").bind(*version);
                }
                sql = sql.sql(")");
            }
            let sql = sql.sql(") LIMIT +").bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
            let rows = self.rows::<(BigInt,), (i64,)>(sql)?;
            // One that names several versions has several rows; what was left out is not known to be one of these.
            let is_all = rows.len() <= most;
            found.extend(rows.into_iter().map(|row| row.0));
            if !is_all || found.len() > most {
                return Ok(None);
            }
        }
        let mut found: Vec<i64> = found.into_iter().collect();
        found.sort_unstable();
        Ok(Some(found))
    }

    /// The versions with these keys, current or superseded. Nobody else replaces or relabels them until the transaction
    /// ends.
    pub(super) fn stored(&mut self, keys: &[i64]) -> Result<Vec<Stored>, StoreError> {
        let mut found: Vec<Stored> =
            self.current(keys)?.into_iter().map(|version| Stored { rows: Rows::Current, version }).collect();
        let known: HashSet<i64> = found.iter().map(|one| one.version.key).collect();
        let others: Vec<i64> = keys.iter().copied().filter(|key| !known.contains(key)).collect();
        for chunk in others.chunks(CHUNK) {
            let superseded = self.locked_versions(Rows::Superseded, of_keys("r.pk", chunk))?;
            found.extend(superseded.into_iter().map(|version| Stored { rows: Rows::Superseded, version }));
        }
        Ok(found)
    }

    /// The current versions with these keys, held in the same way.
    pub(super) fn current(&mut self, keys: &[i64]) -> Result<Vec<Version>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            found.extend(self.locked_versions(Rows::Current, of_keys("r.rid", chunk))?);
        }
        Ok(found)
    }

    fn locked_versions(&mut self, rows: Rows, condition: Sql) -> Result<Vec<Version>, StoreError> {
        let lock = if self.is_postgres() { " ORDER BY 1 FOR UPDATE OF r" } else { "" };
        self.versions(rows, condition.sql(lock))
    }

    /// On PostgreSQL: whoever names a resource and whoever changes its labels come one after the other. Who names it
    /// shares a lock, so that only these two kinds wait for each other. The embedded database has one writer.
    /// `known` is what these name, if that is known without looking.
    pub(super) fn await_writers(&mut self, keys: &[i64], known: Option<Vec<Source>>) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return Ok(());
        }
        let sources = match known {
            Some(sources) => sources,
            None => self.sources_of(keys)?.into_iter().map(|(_, source)| source).collect(),
        };
        self.lock_places(sources.iter().map(|source| bucket(source.resource_type.number(), &source.id)), false)
    }

    /// On PostgreSQL: whoever shows something or calls it by a url and whoever stores it for the first time come one after the other, and the
    /// second sees what the first has done.
    pub(super) fn await_naming(&mut self, written: &[&Written]) -> Result<(), StoreError> {
        let of = |(number, id): &(i16, String)| bucket(*number, id);
        self.lock_places(written.iter().flat_map(|one| &one.awaited).map(of), true)?;
        self.lock_places(written.iter().flat_map(|one| &one.named).map(of), false)
    }

    /// Lets nobody come to name these until the transaction ends.
    pub(super) fn keep_unnamed(&mut self, of: &[Stored]) -> Result<(), StoreError> {
        let buckets = of.iter().map(|one| bucket(one.version.resource_type.number(), &one.version.id));
        self.lock_places(buckets, true)
    }

    fn lock_places(&mut self, buckets: impl Iterator<Item = u32>, alone: bool) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return Ok(());
        }
        let mut buckets: Vec<i32> = buckets.filter_map(|bucket| i32::try_from(bucket).ok()).collect();
        buckets.sort_unstable();
        buckets.dedup();
        if buckets.is_empty() {
            return Ok(());
        }
        let lock = if alone { "pg_advisory_xact_lock(" } else { "pg_advisory_xact_lock_shared(" };
        let sql = Sql::new("SELECT count(*) FROM (SELECT ")
            .sql(lock)
            .bind(LOCKS.0)
            .sql(", w.place) FROM unnest(")
            .bind(Bind::Ints(buckets))
            .sql(") AS w(place)) AS locked");
        self.rows::<(BigInt,), (i64,)>(sql)?;
        Ok(())
    }
}

/// Which lock a resource shares with others (FNV-1a).
fn bucket(number: i16, id: &str) -> u32 {
    let bytes = number.to_le_bytes().into_iter().chain(id.bytes());
    bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) % LOCKS.1
}

/// A condition that a column has one of these values.
pub(super) fn of_keys(column: &'static str, keys: &[i64]) -> Sql {
    let sql = Sql::new(column).sql(" IN (NULL");
    keys.iter().fold(sql, |sql, key| sql.sql(", ").bind(*key)).sql(")")
}
