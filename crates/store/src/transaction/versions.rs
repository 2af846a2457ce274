//! Versions of resources in the database: reading the current one, putting a new one in place, keeping the old.

use concord_fhir::index::Entries;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use diesel::Queryable;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::deadline;
use crate::digest;
use crate::entry_row::INHERITED;
use crate::error::StoreError;
use crate::lower::{RECORD, Rows};
use crate::rows::{Head, Method, StoredVersion, Version, joined};
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;
use crate::transaction::effective_label::Written;
use crate::transaction::entries::OR_FAIL;
use crate::transaction::large_bodies::{Bodies, is_left_out};

/// The columns of [`Version`] but for the body, on the alias `r`, after the key.
pub(super) const BEFORE_BODY: &str =
    ", r.type, r.id, r.version, r.updated, r.method, r.deleted, r.patient, r.patients, r.author, r.labels";

pub(super) type Columns =
    (BigInt, SmallInt, Text, BigInt, BigInt, SmallInt, SmallInt, BigInt, SmallInt, Text, Text, Text);
/// A row of [`COLUMNS`], after its key.
#[derive(Debug, Queryable)]
pub(super) struct VersionRow {
    pub(super) key: i64,
    resource_type: i16,
    id: String,
    version: i64,
    updated: i64,
    method: i16,
    deleted: i16,
    patient: i64,
    patients: i16,
    author: String,
    labels: String,
    pub(super) body: String,
}

impl VersionRow {
    pub(super) fn version(self) -> Result<Version, StoreError> {
        let number = self.resource_type;
        let resource_type = ResourceType::from_number(number)
            .ok_or_else(|| StoreError::Internal(format!("a stored row has the unknown type {number}")))?;
        Ok(Version {
            key: self.key,
            resource_type,
            id: self.id,
            version: self.version,
            updated: self.updated,
            method: Method::from_number(self.method),
            deleted: self.deleted != 0,
            patient: self.patient,
            patients: self.patients,
            author: self.author,
            labels: self.labels,
            body: self.body,
        })
    }
}

type HeadColumns = (BigInt, Columns, (BigInt, BigInt));

/// A row of [`heads`].
#[derive(Debug, Queryable)]
struct HeadRow {
    place: i64,
    version: VersionRow,
    access: (i64, i64),
}

/// What each of these hands labels on along, by the key of its row.
pub(crate) fn linked<'e>(versions: &[(&Version, &'e Entries)]) -> Vec<(i64, &'e Entries)> {
    versions.iter().map(|(version, entries)| (version.key, *entries)).collect()
}

/// The statement for current versions among what follows `FROM`.
fn heads(from: Sql, place: &'static str, bodies: Bodies) -> Sql {
    Sql::new("SELECT CAST(")
        .sql(place)
        .sql(" AS BIGINT), r.rid")
        .sql(BEFORE_BODY)
        .sql(bodies.column())
        .sql(", p.access_version, z.access_version FROM ")
        .append(from)
        .sql(" JOIN patient p ON p.key = r.patient JOIN patient z ON z.key = 0")
}

fn head(row: HeadRow) -> Result<(i64, Head), StoreError> {
    Ok((row.place, Head { version: StoredVersion::read(row.version.version()?), access: row.access }))
}

impl Transaction<'_> {
    /// The current version of a resource, deleted or not. With `lock`, no other transaction can replace it until this
    /// one ends.
    pub(crate) fn head_of(
        &mut self,
        resource_type: ResourceType,
        id: &str,
        lock: bool,
    ) -> Result<Option<Head>, StoreError> {
        self.head_with(resource_type, id, lock, Bodies::All)
    }

    /// The same with its body, if that is wanted.
    pub(crate) fn head_with(
        &mut self,
        resource_type: ResourceType,
        id: &str,
        lock: bool,
        bodies: Bodies,
    ) -> Result<Option<Head>, StoreError> {
        if !lock && let Some(head) = self.looked_up(resource_type, id, bodies) {
            return Ok(head);
        }
        if let Some(head) = self.cached_head(resource_type, id, lock) {
            return Ok(head);
        }
        let mut sql = heads(Sql::new("resource r"), "0", bodies)
            .sql(" WHERE r.type = ")
            .bind(resource_type.number())
            .sql(" AND r.id = ")
            .bind(id);
        if lock && self.is_postgres() {
            sql.push_sql(" FOR UPDATE OF r");
        }
        let found = self.rows::<HeadColumns, HeadRow>(sql)?.pop().map(head).transpose()?.map(|(_, head)| head);
        if found.as_ref().is_some_and(|head| is_left_out(&head.version)) {
            self.note_left_out();
        } else {
            self.cache_head(resource_type, id, found.as_ref(), lock);
        }
        Ok(found)
    }

    /// The current versions among what follows `FROM`, each with the value of `place`.
    pub(crate) fn heads_from(
        &mut self,
        from: Sql,
        place: &'static str,
        bodies: Bodies,
    ) -> Result<Vec<(i64, Head)>, StoreError> {
        self.rows::<HeadColumns, HeadRow>(heads(from, place, bodies))?.into_iter().map(head).collect()
    }

    /// The same, locked, in an order in which no two transactions wait for each other. Only on PostgreSQL.
    pub(crate) fn heads_locked_from(&mut self, from: Sql) -> Result<Vec<Head>, StoreError> {
        let sql = heads(from, "0", Bodies::All).sql(" ORDER BY r.rid FOR UPDATE OF r");
        self.rows::<HeadColumns, HeadRow>(sql)?.into_iter().map(|row| Ok(head(row)?.1)).collect()
    }

    /// A superseded version.
    pub fn superseded(&mut self, rid: i64, number: i64) -> Result<Option<Version>, StoreError> {
        let sql = Sql::new("SELECT r.pk")
            .sql(BEFORE_BODY)
            .sql(self.bodies_named().column())
            .sql(" FROM history r WHERE r.rid = ")
            .bind(rid)
            .sql(" AND r.version = ")
            .bind(number);
        let found = self.rows::<Columns, VersionRow>(sql)?.pop().map(VersionRow::version).transpose()?;
        if found.as_ref().is_some_and(is_left_out) {
            self.note_left_out();
        }
        Ok(found)
    }

    /// Versions of one table that meet a condition on `r`, in the order given.
    pub(crate) fn versions(&mut self, rows: Rows, condition: Sql) -> Result<Vec<Version>, StoreError> {
        self.versions_with(rows, Bodies::All, condition)
    }

    /// The same with their bodies, if those are wanted.
    pub(crate) fn versions_with(
        &mut self,
        rows: Rows,
        bodies: Bodies,
        condition: Sql,
    ) -> Result<Vec<Version>, StoreError> {
        let sql = Sql::new("SELECT ")
            .sql(rows.key())
            .sql(BEFORE_BODY)
            .sql(bodies.column())
            .sql(" FROM ")
            .sql(rows.table())
            .sql(" r WHERE ")
            .append(condition);
        let rows = self.rows_of_any_shape::<Columns, VersionRow>(sql)?;
        deadline::charge(rows.iter().map(|row| row.body.len()).sum());
        rows.into_iter().map(VersionRow::version).collect()
    }

    /// The same with the digest that was noted of each.
    pub(crate) fn versions_with_digests(
        &mut self,
        rows: Rows,
        condition: Sql,
    ) -> Result<Vec<(Version, i64)>, StoreError> {
        let sql = Sql::new("SELECT ").sql(rows.key()).sql(BEFORE_BODY).sql(Bodies::All.column());
        let sql = sql.sql(", r.digest FROM ").sql(rows.table());
        let found = self.rows::<(Columns, BigInt), (VersionRow, i64)>(sql.sql(" r WHERE ").append(condition))?;
        found.into_iter().map(|(row, digest)| Ok((row.version()?, digest))).collect()
    }

    /// The keys of all patients in whose records a version is.
    pub fn patients_of(&mut self, rows: Rows, version: &Version) -> Result<Vec<i64>, StoreError> {
        if version.patients <= 1 {
            return Ok(Some(version.patient).filter(|key| *key != 0).into_iter().collect());
        }
        let sql = Sql::new("SELECT e.patient FROM ")
            .sql(rows.entries())
            .sql(" e WHERE e.resource = ")
            .bind(version.key)
            .sql(" AND e.parameter = ")
            .bind(RECORD.0);
        Ok(self.rows::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0).collect())
    }

    /// The ids of the patients in whose records a current version is.
    pub fn patient_ids_of(&mut self, version: &Version) -> Result<Vec<String>, StoreError> {
        let keys = self.patients_of(Rows::Current, version)?;
        keys.into_iter().map(|key| self.patient_id(key)).collect()
    }

    /// Whether the version with that index key is one of those that the predicate means.
    pub fn meets(&mut self, rows: Rows, key: i64, predicate: &Predicate) -> Result<bool, StoreError> {
        self.walked((rows, key), predicate, |own| {
            let condition = own.lowered(rows, predicate, |lowering| lowering.condition(predicate))?;
            let sql = Sql::new("SELECT 1 FROM ")
                .sql(rows.table())
                .sql(" r WHERE ")
                .sql(rows.key())
                .sql(" = ")
                .bind(key)
                .sql(" AND ")
                .append(condition);
            let ask = |own: &mut Self| own.rows_of_any_shape::<(diesel::sql_types::Integer,), (i32,)>(sql);
            Ok(!own.asking(predicate, ask)?.is_empty())
        })
    }

    /// Stores the first versions of resources.
    pub fn insert(&mut self, versions: &[(Version, &Entries)]) -> Result<(), StoreError> {
        let versions: Vec<(&Version, &Entries)> =
            versions.iter().map(|(version, entries)| (version, *entries)).collect();
        if self.is_buffering() {
            let (rows, registry) = self.rows_for(&versions)?;
            return self.buffer(&versions, rows, registry);
        }
        self.touched.extend(versions.iter().map(|(version, _)| (version.resource_type, version.id.clone())));
        self.insert_resources(&versions)?;
        self.index(&versions)?;
        self.put_links(&linked(&versions))?;
        let written: Vec<Written> = versions.iter().map(|(version, entries)| Written::new(version, entries)).collect();
        self.inherit(&written)
    }

    /// Puts the rows of first versions in with what they inherit from, without those of the index.
    pub(crate) fn insert_resources(&mut self, versions: &[(&Version, &Entries)]) -> Result<(), StoreError> {
        const INTO: &str = " INTO resource (rid, type, id, version, updated, method, deleted, patient, patients, \
                            author, labels, body, digest) ";
        if self.is_postgres() {
            for chunk in versions.chunks(1_000) {
                let big = |number: fn(&Version) -> i64| Bind::Bigs(chunk.iter().map(|(one, _)| number(one)).collect());
                let small =
                    |number: fn(&Version) -> i16| Bind::Smalls(chunk.iter().map(|(one, _)| number(one)).collect());
                let text = |text: fn(&Version) -> &String| {
                    Bind::Texts(chunk.iter().map(|(one, _)| text(one).clone()).collect())
                };
                let mut sql = Sql::new("INSERT").sql(INTO).sql("SELECT * FROM unnest(").bind(big(|one| one.key));
                for bind in [
                    small(|one| one.resource_type.number()),
                    text(|one| &one.id),
                    big(|one| one.version),
                    big(|one| one.updated),
                    small(|one| one.method.number()),
                    small(|one| one.deleted.into()),
                    big(|one| one.patient),
                    small(|one| one.patients),
                    text(|one| &one.author),
                    text(|one| &one.labels),
                    text(|one| &one.body),
                    big(digest::of),
                ] {
                    sql = sql.sql(", ").bind(bind);
                }
                self.run_with_sources(sql.sql(")"), &linked(chunk))?;
            }
            return Ok(());
        }
        for chunk in versions.chunks(64) {
            let mut sql = Sql::new(OR_FAIL).sql(INTO);
            for (place, (version, _)) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                let binds: [Bind; 13] = [
                    version.key.into(),
                    version.resource_type.number().into(),
                    version.id.as_str().into(),
                    version.version.into(),
                    version.updated.into(),
                    version.method.number().into(),
                    i16::from(version.deleted).into(),
                    version.patient.into(),
                    version.patients.into(),
                    version.author.as_str().into(),
                    version.labels.as_str().into(),
                    version.body.as_str().into(),
                    digest::of(version).into(),
                ];
                sql.push_row(binds);
            }
            self.run_with_sources(sql, &linked(chunk))?;
        }
        Ok(())
    }

    /// Puts a new version in place of the current one, which goes into the history with its index rows. A deletion
    /// keeps the rows of the last version, by which it is decided who may know that it was there.
    pub fn replace(&mut self, old: &Version, new: &Version, entries: Option<&Entries>) -> Result<(), StoreError> {
        let pk = self.next_key();
        self.touched.push((new.resource_type, new.id.clone()));
        self.keep_superseded(old, pk)?;
        let changed = self.run(
            Sql::new("UPDATE resource SET version = ")
                .bind(new.version)
                .sql(", updated = ")
                .bind(new.updated)
                .sql(", method = ")
                .bind(new.method.number())
                .sql(", deleted = ")
                .bind(i16::from(new.deleted))
                .sql(", patient = ")
                .bind(new.patient)
                .sql(", patients = ")
                .bind(new.patients)
                .sql(", author = ")
                .bind(new.author.as_str())
                .sql(", labels = ")
                .bind(new.labels.as_str())
                .sql(", body = ")
                .bind(new.body.as_str())
                .sql(", digest = ")
                .bind(digest::of(new))
                .sql(" WHERE rid = ")
                .bind(old.key)
                .sql(" AND version = ")
                .bind(old.version),
        )?;
        if changed != 1 {
            self.overtaken = true;
            return Err(StoreError::Conflict(
                "another writer came first; read the resource again and repeat".to_owned(),
            ));
        }
        let written = self.written(old, new, entries, Some(pk))?;
        if let Some(entries) = entries {
            self.note_left_records(old, pk, entries)?;
            self.run(Sql::new("DELETE FROM entry WHERE resource = ").bind(old.key))?;
            self.index(&[(new, entries)])?;
        }
        self.inherit(&[written])
    }

    /// Keeps a version that is about to be replaced, and its entries, under a key of its own.
    fn keep_superseded(&mut self, old: &Version, pk: i64) -> Result<(), StoreError> {
        let inherited: Vec<String> = old.inherited_labels().map(str::to_owned).collect();
        self.run(
            Sql::new(
                "INSERT INTO history (pk, rid, type, id, version, updated, method, deleted, patient, patients, author, \
                 labels, body, digest) SELECT ",
            )
            .bind(pk)
            .sql(", rid, type, id, version, updated, method, deleted, patient, patients, author, ")
            // What people put beside the resource stays with the resource; what the version inherits goes with it.
            .bind(joined(old.own_labels(), &[], &inherited))
            .sql(", body, digest FROM resource WHERE rid = ")
            .bind(old.key),
        )?;
        self.run(
            Sql::new("INSERT INTO history_entry (resource, parameter, position, patient, key, low, high) SELECT ")
                .bind(pk)
                .sql(", parameter, position, patient, key, low, high FROM entry WHERE (position >= 0 OR position <= ")
                .bind(INHERITED)
                .sql(") AND resource = ")
                .bind(old.key),
        )?;
        Ok(())
    }
}
