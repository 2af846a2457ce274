//! Versions of resources as rows: reading the current one, putting a new one in place, keeping the old.

use concord_fhir::index::{Entries, Entry, ParameterId, extract_added};
use concord_fhir::json;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{Registry, ResourceType};
use diesel::sql_types::{BigInt, SmallInt, Text};

use super::entries::EntryRow;
use super::lower::{RECORD, Rows};
use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use crate::fault::Fault;

/// The parameter of the labels.
const SECURITY: ParameterId = ParameterId::of("_security");

/// How a version came to be (Bundle.entry.request.method).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A create.
    Post,
    /// An update, or a create under an id that the client chose.
    Put,
    /// A delete.
    Delete,
    /// An update that brought a deleted resource back.
    Restore,
}

impl Method {
    fn number(self) -> i16 {
        match self {
            Method::Post => 0,
            Method::Put => 1,
            Method::Delete => 2,
            Method::Restore => 3,
        }
    }

    fn from_number(number: i16) -> Method {
        match number {
            0 => Method::Post,
            1 => Method::Put,
            3 => Method::Restore,
            _ => Method::Delete,
        }
    }

    /// The HTTP verb.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put | Method::Restore => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A version as stored.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// The key of its rows in the index: the resource's for the current version, its own for a superseded one.
    pub(crate) key: i64,
    /// Its type.
    pub(crate) resource_type: ResourceType,
    /// Its logical id.
    pub(crate) id: String,
    /// Its version id, counted from 1.
    pub(crate) version: i64,
    /// `meta.lastUpdated`, in milliseconds since 1970 UTC.
    pub(crate) updated: i64,
    /// How it came to be.
    pub(crate) method: Method,
    /// Whether it is a deletion.
    pub(crate) deleted: bool,
    /// The key of the patient in whose record it is, the first if there are several; 0 for nobody's.
    pub(crate) patient: i64,
    /// In how many patients' records it is.
    pub(crate) patients: i16,
    /// Who wrote the resource first: a reference, or empty for a system that named nobody.
    pub(crate) author: String,
    /// The keys of its `_security` rows, separated by line feeds, and after a mark those of the labels beside it
    /// (`store::overlay`): with them most decisions need no further look.
    pub(crate) labels: String,
    /// The JSON, as it is sent; empty for a deletion.
    pub(crate) body: String,
}

/// A current version with the versions of the facts that decide about it, read in one statement.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The version.
    pub(crate) version: Version,
    /// The access version of the patient's record, and that of what is about nobody.
    pub(crate) access: (i64, i64),
}

/// The columns of [`Version`], on the alias `r`, after the key.
const COLUMNS: &str =
    ", r.type, r.id, r.version, r.updated, r.method, r.deleted, r.patient, r.patients, r.author, r.labels, r.body";

type Columns = (BigInt, SmallInt, Text, BigInt, BigInt, SmallInt, SmallInt, BigInt, SmallInt, Text, Text, Text);
type Row = (i64, i16, String, i64, i64, i16, i16, i64, i16, String, String, String);

fn version(row: Row) -> Result<Version, Fault> {
    let (key, number, id, version, updated, method, deleted, patient, patients, author, labels, body) = row;
    let resource_type = ResourceType::from_number(number)
        .ok_or_else(|| Fault::Internal(format!("a stored row has the unknown type {number}")))?;
    Ok(Version {
        key,
        resource_type,
        id,
        version,
        updated,
        method: Method::from_number(method),
        deleted: deleted != 0,
        patient,
        patients,
        author,
        labels,
        body,
    })
}

type HeadColumns = (
    BigInt,
    BigInt,
    SmallInt,
    Text,
    BigInt,
    BigInt,
    SmallInt,
    SmallInt,
    BigInt,
    SmallInt,
    Text,
    Text,
    Text,
    BigInt,
    BigInt,
);
type HeadRow = (i64, i64, i16, String, i64, i64, i16, i16, i64, i16, String, String, String, i64, i64);

/// The statement for current versions among what follows `FROM`.
fn heads(from: Sql, place: &'static str) -> Sql {
    Sql::new("SELECT CAST(")
        .sql(place)
        .sql(" AS BIGINT), r.rid")
        .sql(COLUMNS)
        .sql(", p.access_version, z.access_version FROM ")
        .append(from)
        .sql(" JOIN patient p ON p.key = r.patient JOIN patient z ON z.key = 0")
}

fn head(row: HeadRow) -> Result<(i64, Head), Fault> {
    let (
        place,
        key,
        number,
        id,
        number_of,
        updated,
        method,
        deleted,
        patient,
        patients,
        author,
        labels,
        body,
        own,
        common,
    ) = row;
    let row = (key, number, id, number_of, updated, method, deleted, patient, patients, author, labels, body);
    Ok((place, Head { version: version(row)?, access: (own, common) }))
}

impl Transaction<'_> {
    /// The current version of a resource, deleted or not. With `lock`, no other transaction can replace it until this
    /// one ends.
    pub(crate) fn head(&mut self, resource_type: ResourceType, id: &str, lock: bool) -> Result<Option<Head>, Fault> {
        if !lock && let Some(head) = self.looked_up(resource_type, id) {
            return Ok(head);
        }
        if let Some(head) = self.seen(resource_type, id, lock) {
            return Ok(head);
        }
        let mut sql = heads(Sql::new("resource r"), "0")
            .sql(" WHERE r.type = ")
            .bind(resource_type.number())
            .sql(" AND r.id = ")
            .bind(id);
        if lock && self.is_postgres() {
            sql.push_sql(" FOR UPDATE OF r");
        }
        let found = self.rows::<HeadColumns, HeadRow>(sql)?.pop().map(head).transpose()?.map(|(_, head)| head);
        self.saw(resource_type, id, found.as_ref(), lock);
        Ok(found)
    }

    /// The current versions among what follows `FROM`, each with the value of `place`.
    pub(super) fn heads_from(&mut self, from: Sql, place: &'static str) -> Result<Vec<(i64, Head)>, Fault> {
        self.rows::<HeadColumns, HeadRow>(heads(from, place))?.into_iter().map(head).collect()
    }

    /// The same, locked, in an order in which no two transactions wait for each other. Only on PostgreSQL.
    pub(super) fn heads_locked_from(&mut self, from: Sql) -> Result<Vec<Head>, Fault> {
        let sql = heads(from, "0").sql(" ORDER BY r.rid FOR UPDATE OF r");
        self.rows::<HeadColumns, HeadRow>(sql)?.into_iter().map(|row| Ok(head(row)?.1)).collect()
    }

    /// A superseded version.
    pub(crate) fn superseded(&mut self, rid: i64, number: i64) -> Result<Option<Version>, Fault> {
        let sql = Sql::new("SELECT r.pk")
            .sql(COLUMNS)
            .sql(" FROM history r WHERE r.rid = ")
            .bind(rid)
            .sql(" AND r.version = ")
            .bind(number);
        self.rows::<Columns, Row>(sql)?.pop().map(version).transpose()
    }

    /// Versions of one table that meet a condition on `r`, in the order given.
    pub(crate) fn versions(&mut self, rows: Rows, condition: Sql) -> Result<Vec<Version>, Fault> {
        let sql = Sql::new("SELECT ")
            .sql(rows.key())
            .sql(COLUMNS)
            .sql(" FROM ")
            .sql(rows.table())
            .sql(" r WHERE ")
            .append(condition);
        self.rows_of_any_shape::<Columns, Row>(sql)?.into_iter().map(version).collect()
    }

    /// Current versions whose keys a subquery `t` chose; `from` is all that follows `FROM`.
    pub(super) fn page_of(&mut self, from: Sql) -> Result<Vec<Version>, Fault> {
        let sql = Sql::new("SELECT ").sql(Rows::Current.key()).sql(COLUMNS).sql(" FROM ").append(from);
        self.rows_of_any_shape::<Columns, Row>(sql)?.into_iter().map(version).collect()
    }

    /// The keys of all patients in whose records a version is.
    pub(crate) fn patients_of(&mut self, rows: Rows, version: &Version) -> Result<Vec<i64>, Fault> {
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

    /// Whether the version with that index key is one of those that the predicate means.
    pub(crate) fn meets(&mut self, rows: Rows, key: i64, predicate: &Predicate) -> Result<bool, Fault> {
        let condition = self.lowered(rows, predicate, |lowering| lowering.condition(predicate))?;
        let sql = Sql::new("SELECT 1 FROM ")
            .sql(rows.table())
            .sql(" r WHERE ")
            .sql(rows.key())
            .sql(" = ")
            .bind(key)
            .sql(" AND ")
            .append(condition);
        Ok(!self.rows_of_any_shape::<(diesel::sql_types::Integer,), (i32,)>(sql)?.is_empty())
    }

    /// Stores the first versions of resources.
    pub(crate) fn insert(&mut self, versions: &[(Version, &Entries)]) -> Result<(), Fault> {
        let versions: Vec<(&Version, &Entries)> =
            versions.iter().map(|(version, entries)| (version, *entries)).collect();
        if self.is_held() {
            let (rows, registry) = self.rows_for(&versions)?;
            return self.hold_back(versions.iter().map(|(version, _)| *version), rows, registry);
        }
        self.insert_resources(versions.iter().map(|(version, _)| *version))?;
        self.index(&versions)
    }

    /// Puts the rows of first versions in, without those of the index.
    pub(super) fn insert_resources<'v>(&mut self, versions: impl Iterator<Item = &'v Version>) -> Result<(), Fault> {
        const INTO: &str = "INSERT INTO resource (rid, type, id, version, updated, method, deleted, patient, patients, \
                            author, labels, body) ";
        let versions: Vec<&Version> = versions.collect();
        if self.is_postgres() {
            for chunk in versions.chunks(1_000) {
                let big = |number: fn(&Version) -> i64| Bind::Bigs(chunk.iter().map(|one| number(one)).collect());
                let small = |number: fn(&Version) -> i16| Bind::Smalls(chunk.iter().map(|one| number(one)).collect());
                let text =
                    |text: fn(&Version) -> &String| Bind::Texts(chunk.iter().map(|one| text(one).clone()).collect());
                let mut sql = Sql::new(INTO).sql("SELECT * FROM unnest(").bind(big(|one| one.key));
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
                ] {
                    sql = sql.sql(", ").bind(bind);
                }
                self.run(sql.sql(")"))?;
            }
            return Ok(());
        }
        for chunk in versions.chunks(64) {
            let mut sql = Sql::new(INTO);
            for (place, version) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                let binds: [Bind; 12] = [
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
                ];
                push_row(&mut sql, binds);
            }
            self.run(sql)?;
        }
        Ok(())
    }

    /// The index rows of versions, those for the search parameters included that operators have added, and the version
    /// of the search parameters that they were made from.
    fn rows_for(&mut self, versions: &[(&Version, &Entries)]) -> Result<(Vec<EntryRow>, i64), Fault> {
        let registry = self.registry_for_rows()?;
        let mut rows = Vec::new();
        for (version, entries) in versions {
            self.index_rows(version, entries, &registry, &mut rows)?;
        }
        Ok((rows, registry.version()))
    }

    /// Puts the index rows of versions in.
    fn index(&mut self, versions: &[(&Version, &Entries)]) -> Result<(), Fault> {
        for _ in 0..MOST_TRIES {
            let (rows, registry) = self.rows_for(versions)?;
            if self.insert_entries(&rows, Some(registry))? {
                return Ok(());
            }
            // Other parameters have been added on another node; from here on this transaction keeps them as they are.
            self.registry = None;
            self.registry()?;
        }
        Err(Fault::Busy(1))
    }

    /// Puts a new version in place of the current one, which goes into the history with its index rows. A deletion
    /// keeps the rows of the last version, by which it is decided who may know that it was there.
    pub(crate) fn replace(&mut self, old: &Version, new: &Version, entries: Option<&Entries>) -> Result<(), Fault> {
        let pk = self.next_key();
        self.run(
            Sql::new(
                "INSERT INTO history (pk, rid, type, id, version, updated, method, deleted, patient, patients, author, \
                 labels, body) SELECT ",
            )
            .bind(pk)
            .sql(", rid, type, id, version, updated, method, deleted, patient, patients, author, ")
            // Labels beside the resource stay with the resource.
            .bind(old.own_labels())
            .sql(", body FROM resource WHERE rid = ")
            .bind(old.key),
        )?;
        self.run(
            Sql::new("INSERT INTO history_entry (resource, parameter, position, patient, key, low, high) SELECT ")
                .bind(pk)
                .sql(", parameter, position, patient, key, low, high FROM entry WHERE position >= 0 AND resource = ")
                .bind(old.key),
        )?;
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
                .sql(" WHERE rid = ")
                .bind(old.key)
                .sql(" AND version = ")
                .bind(old.version),
        )?;
        if changed != 1 {
            self.overtaken = true;
            return Err(Fault::Conflict("another writer came first; read the resource again and repeat".to_owned()));
        }
        let Some(entries) = entries else { return Ok(()) };
        self.run(Sql::new("DELETE FROM entry WHERE resource = ").bind(old.key))?;
        self.index(&[(new, entries)])
    }

    /// Puts new index rows in place of a current version's, and what its row says of them.
    pub(crate) fn reindex(&mut self, version: &Version, entries: &Entries) -> Result<(), Fault> {
        self.run(
            Sql::new("UPDATE resource SET patient = ")
                .bind(version.patient)
                .sql(", patients = ")
                .bind(version.patients)
                .sql(", labels = ")
                .bind(version.labels.as_str())
                .sql(" WHERE rid = ")
                .bind(version.key),
        )?;
        self.run(Sql::new("DELETE FROM entry WHERE resource = ").bind(version.key))?;
        self.index(&[(version, entries)])
    }

    /// Puts rows of a current version in for some parameters, in place of those that are there for them.
    pub(crate) fn reindex_for(
        &mut self,
        version: &Version,
        parameters: &[ParameterId],
        entries: &[Entry],
    ) -> Result<(), Fault> {
        self.take_rows(&[version.key], parameters)?;
        let mut patients = self.patients_of(Rows::Current, version)?;
        if patients.is_empty() {
            patients.push(0);
        }
        let pairs = entries.iter().flat_map(|entry| patients.iter().map(move |patient| (entry, *patient)));
        let row = |(position, (entry, patient)): (i32, (&Entry, i64))| EntryRow {
            resource: version.key,
            parameter: entry.parameter.0,
            position,
            patient,
            key: entry.key.clone(),
            low: entry.low,
            high: entry.high,
        };
        let rows: Vec<EntryRow> = (0..).zip(pairs).map(row).collect();
        self.insert_entries(&rows, None)?;
        Ok(())
    }

    /// Takes the rows of some parameters away from resources.
    pub(crate) fn take_rows(&mut self, resources: &[i64], parameters: &[ParameterId]) -> Result<(), Fault> {
        let listed = |sql: Sql, values: Vec<Bind>| {
            let sql = values.into_iter().fold(sql.sql("(NULL"), |sql, value| sql.sql(", ").bind(value));
            sql.sql(")")
        };
        let sql = listed(
            Sql::new("DELETE FROM entry WHERE resource IN "),
            resources.iter().map(|key| (*key).into()).collect(),
        );
        self.run(listed(sql.sql(" AND parameter IN "), parameters.iter().map(|id| id.0.into()).collect()))?;
        Ok(())
    }

    /// The index rows of a version: each once for every patient in whose record it is, so that an index that leads
    /// with the patient finds it from each of them.
    fn index_rows(
        &mut self,
        version: &Version,
        entries: &Entries,
        registry: &Registry,
        rows: &mut Vec<EntryRow>,
    ) -> Result<(), Fault> {
        let added = added_rows(registry, self.base(), version)?;
        let mut patients = Vec::with_capacity(entries.patients.len().max(1));
        for patient in &entries.patients {
            patients.push(self.make_patient_key(patient)?);
        }
        let mut position = 0;
        let mut push = |parameter: i32, patient: i64, key: &str, low: Option<f64>, high: Option<f64>| {
            rows.push(EntryRow { resource: version.key, parameter, position, patient, key: key.to_owned(), low, high });
            position += 1;
        };
        for patient in &patients {
            push(RECORD.0, *patient, version.resource_type.name(), None, None);
        }
        if patients.is_empty() {
            patients.push(0);
        }
        for entry in entries.rows.iter().chain(&added) {
            for patient in &patients {
                push(entry.parameter.0, *patient, &entry.key, entry.low, entry.high);
            }
        }
        rows.extend(rows_beside(version, &patients));
        Ok(())
    }

    /// Puts the rows of the labels beside a current version into its index, in place of those that are there.
    pub(super) fn index_beside(&mut self, version: &Version) -> Result<(), Fault> {
        self.run(Sql::new("DELETE FROM entry WHERE position < 0 AND resource = ").bind(version.key))?;
        let mut patients = self.patients_of(Rows::Current, version)?;
        if patients.is_empty() {
            patients.push(0);
        }
        self.insert_entries(&rows_beside(version, &patients), None)?;
        Ok(())
    }
}

/// How often a write may find that the search parameters have changed under it.
const MOST_TRIES: usize = 3;

/// The rows of a version for the search parameters that operators have added. They are made here and nowhere else, so
/// that no way of writing forgets them and no decision is made from them.
pub(crate) fn added_rows(registry: &Registry, base: &str, version: &Version) -> Result<Vec<Entry>, Fault> {
    if registry.added_to(version.resource_type).next().is_none() {
        return Ok(Vec::new());
    }
    let value = json::parse(version.body.as_bytes(), &json::Limits::default())
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?;
    Ok(extract_added(registry, base, version.resource_type, &value))
}

/// The index rows of the labels beside a version. Their positions are below zero: they stay with the resource and never
/// go into the history.
fn rows_beside(version: &Version, patients: &[i64]) -> Vec<EntryRow> {
    let keys: Vec<&str> = version.labels_beside().collect();
    let pairs = keys.iter().flat_map(|key| patients.iter().map(move |patient| (*key, *patient)));
    let row = |(position, (key, patient)): (i32, (&str, i64))| EntryRow {
        resource: version.key,
        parameter: SECURITY.0,
        position,
        patient,
        key: key.to_owned(),
        low: None,
        high: None,
    };
    (1..).map(|place: i32| -place).zip(pairs).map(row).collect()
}

/// The values of one row, with the closing parenthesis.
pub(super) fn push_row<const N: usize>(sql: &mut Sql, binds: [Bind; N]) {
    for (column, bind) in binds.into_iter().enumerate() {
        if column > 0 {
            sql.push_sql(", ");
        }
        sql.push_bind(bind);
    }
    sql.push_sql(")");
}
