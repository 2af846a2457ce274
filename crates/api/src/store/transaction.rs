//! What an interaction can do inside its one transaction.

use std::sync::Arc;

use concord_fhir::registry::{Registry, ResourceType};
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::LoadQuery;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::Shared;
use super::connection::{Connection, is_overtaken};
use super::entries::EntryRow;
use super::held::Held;
use super::lower::{Lowering, Rows};
use super::rows::Head;
use super::statement::{Sql, Statement};
use crate::fault::Fault;

/// An open transaction (or, for a single statement, an open connection).
pub(crate) struct Transaction<'a> {
    connection: &'a mut Connection,
    shared: &'a Shared,
    /// The time of the transaction, in milliseconds since 1970 UTC.
    pub(crate) now: i64,
    /// Patients that got their key in this transaction: remembered by the process only after the commit.
    fresh: Vec<(String, i64)>,
    /// How many statements have run that may have changed something.
    pub(crate) changes: u64,
    /// How many audit records have been added.
    pub(super) appended: usize,
    /// How many statements may still run; none for as many as are wanted.
    left: Option<u32>,
    /// A statement was wanted that might not run.
    pub(super) exceeded: bool,
    /// Whether a statement failed because of another writer.
    pub(super) overtaken: bool,
    /// A current version that has been looked up already.
    head: Option<LookedUp>,
    /// Whether it shows the log as it is: a snapshot that has been kept does not.
    pub(super) sees_log: bool,
    /// What a load holds back.
    pub(super) held: Option<Box<Held>>,
    /// The predicates and statements of searches, while somebody wants to know.
    noted: Option<Noted>,
    /// The search parameters that it has found there to be.
    pub(super) registry: Option<Arc<Registry>>,
    /// Whether it has changed them itself, so that others may not know yet.
    pub(super) registry_changed: bool,
}

/// A resource that was looked up, and its current version if there is one.
pub(super) type LookedUp = (ResourceType, String, Option<Head>);

impl<'a> Transaction<'a> {
    /// A view of a connection on which a transaction has been begun.
    pub(super) fn new(connection: &'a mut Connection, shared: &'a Shared) -> Transaction<'a> {
        let now = shared.clock.now_ms();
        Transaction {
            connection,
            shared,
            now,
            fresh: Vec::new(),
            changes: 0,
            appended: 0,
            left: None,
            exceeded: false,
            overtaken: false,
            head: None,
            sees_log: true,
            held: None,
            noted: None,
            registry: None,
            registry_changed: false,
        }
    }

    /// A view of a connection on which no transaction has been begun: one statement is a snapshot of its own, and any
    /// further one fails.
    pub(super) fn single(connection: &'a mut Connection, shared: &'a Shared) -> Transaction<'a> {
        Transaction { left: Some(1), ..Transaction::new(connection, shared) }
    }

    /// The same after that one statement, which has found this.
    pub(super) fn with_head(connection: &'a mut Connection, shared: &'a Shared, head: LookedUp) -> Transaction<'a> {
        Transaction { left: Some(0), head: Some(head), ..Transaction::new(connection, shared) }
    }

    /// The current version of a resource if it is the one that has been looked up.
    pub(super) fn looked_up(&mut self, resource_type: ResourceType, id: &str) -> Option<Option<Head>> {
        self.head.take_if(|(looked, own, _)| *looked == resource_type && own == id).map(|(_, _, head)| head)
    }

    /// Lets a statement run, if it may.
    fn spend(&mut self) -> Result<(), Fault> {
        match &mut self.left {
            Some(0) => {
                self.exceeded = true;
                Err(Fault::Busy(1))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// To be called after the commit.
    pub(super) fn committed(&mut self) {
        for (id, key) in std::mem::take(&mut self.fresh) {
            self.shared.patients.insert(id, key);
        }
    }

    /// Forgets what a rolled-back part had learnt.
    pub(super) fn rolled_back(&mut self) {
        self.fresh.clear();
        self.registry = None;
    }

    /// The search parameters as this process last saw them.
    pub(super) fn known_registry(&self) -> Arc<Registry> {
        self.shared.registry()
    }

    /// Lets this process know what there is to search by. What is not committed is not told.
    pub(super) fn know_registry(&self, registry: &Arc<Registry>) {
        if !self.registry_changed {
            self.shared.know_registry(Arc::clone(registry));
        }
    }

    /// The address below which an absolute reference counts as a relative one.
    pub(super) fn base(&self) -> &str {
        self.shared.base.get().map_or("", String::as_str)
    }

    /// Lets whoever waits for the same rows come first: this transaction ends when it has waited for them a while.
    pub(crate) fn give_way(&mut self) -> Result<(), Fault> {
        if self.is_postgres() {
            // Less than what PostgreSQL waits before it looks who stands in whose way and stops one of them.
            self.batch("SET LOCAL lock_timeout = '500ms'")?;
        }
        Ok(())
    }

    /// Whether this is PostgreSQL, for the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        self.connection.is_postgres()
    }

    /// The next row number.
    pub(crate) fn next_key(&self) -> i64 {
        self.shared.keys.next(self.now)
    }

    /// Runs a statement that answers with rows.
    pub(crate) fn rows<T, U>(&mut self, sql: Sql) -> Result<Vec<U>, Fault>
    where
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.settle()?;
        self.spend()?;
        if let Some(noted) = self.noted.as_mut().filter(|noted| !noted.aside || noted.everything) {
            noted.statements.push(sql.clone());
        }
        self.connection.rows::<T, U>(sql).map_err(|error| self.failed(error))
    }

    /// Refuses to tell of the log what may be out of date.
    pub(super) fn require_log(&self) -> Result<(), Fault> {
        if self.sees_log { Ok(()) } else { Err(Fault::Internal("the log was read where it may not be".to_owned())) }
    }

    /// Counts audit records that the transaction is about to commit.
    pub(super) fn count_appended(&mut self, records: usize) {
        self.appended += records;
        self.shared.metrics.audit_records(u64::try_from(records).unwrap_or_default());
    }

    /// A database error, counted. A lost race is none: it is how two writers find out about one another.
    fn failed(&mut self, error: diesel::result::Error) -> Fault {
        self.overtaken |= is_overtaken(&error);
        let fault = Fault::from(error);
        if !matches!(fault, Fault::Conflict(_)) {
            self.shared.metrics.database_error();
        }
        fault
    }

    /// Like [`Transaction::rows`], for a statement whose shape a caller chose.
    pub(crate) fn rows_of_any_shape<T, U>(&mut self, mut sql: Sql) -> Result<Vec<U>, Fault>
    where
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.connection.bounded(&mut sql);
        let _watch = self.connection.watch();
        self.rows(sql)
    }

    /// Runs a statement that answers with one column of numbers.
    pub(crate) fn numbers(&mut self, sql: Sql) -> Result<Vec<i64>, Fault> {
        Ok(self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0).collect())
    }

    /// Runs a statement that answers with one column of texts.
    pub(crate) fn texts(&mut self, sql: Sql) -> Result<Vec<String>, Fault> {
        Ok(self.rows_of_any_shape::<(Text,), (String,)>(sql)?.into_iter().map(|row| row.0).collect())
    }

    /// Makes transactions with the same number follow one another until they end. The embedded database has one writer
    /// anyway.
    pub(crate) fn lock(&mut self, number: i64) -> Result<(), Fault> {
        if self.is_postgres() {
            let sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock(").bind(number);
            self.numbers(sql.sql(")) AS locked"))?;
        }
        Ok(())
    }

    /// Runs a statement that answers with no rows; how many rows it touched.
    pub(crate) fn run(&mut self, sql: Sql) -> Result<usize, Fault> {
        self.settle()?;
        self.unsee();
        self.spend()?;
        self.changes += 1;
        self.connection.run(sql).map_err(|error| self.failed(error))
    }

    /// Puts many rows into the index. Only on PostgreSQL.
    pub(super) fn copied(&mut self, rows: &[EntryRow]) -> Result<(), Fault> {
        self.spend()?;
        self.changes += 1;
        self.connection.copy(rows).map_err(|error| self.failed(error))
    }

    /// Runs fixed text.
    pub(super) fn batch(&mut self, text: &str) -> Result<(), Fault> {
        self.settle()?;
        self.spend()?;
        Ok(self.connection.batch(text)?)
    }

    /// Runs a part that is undone alone if it fails.
    pub(crate) fn alone<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.run(Sql::new("SAVEPOINT part"))?;
        let result = part(self);
        if result.is_err() {
            self.run(Sql::new("ROLLBACK TO SAVEPOINT part"))?;
            self.rolled_back();
        }
        self.run(Sql::new("RELEASE SAVEPOINT part"))?;
        result
    }

    /// The value of a shared setting, set to `make` if there is none yet.
    pub(crate) fn setting(&mut self, name: &str, make: &str) -> Result<String, Fault> {
        let sql = Sql::new("INSERT INTO setting (name, value) VALUES (")
            .bind(name)
            .sql(", ")
            .bind(make)
            .sql(") ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value");
        self.changes += 1;
        let rows = self.rows::<(Text,), (String,)>(sql)?;
        rows.into_iter().next().map(|row| row.0).ok_or_else(|| Fault::Internal("no setting".to_owned()))
    }

    /// The key of a patient's logical id, if any resource or request has ever named that patient.
    pub(crate) fn patient_key(&mut self, id: &str) -> Result<Option<i64>, Fault> {
        if let Some(key) = self.shared.patients.get(id) {
            return Ok(Some(key));
        }
        if let Some((_, key)) = self.fresh.iter().find(|(known, _)| known == id) {
            return Ok(Some(*key));
        }
        let sql = Sql::new("SELECT key FROM patient WHERE id = ").bind(id);
        let found = self.aside(|own| own.apart(|own| own.rows::<(BigInt,), (i64,)>(sql)))?;
        let key = found.first().map(|row| row.0);
        if let Some(key) = key {
            self.shared.patients.insert(id.to_owned(), key);
        }
        Ok(key)
    }

    /// The key of a patient's logical id, for a search. While statements are noted, a patient that there is none of has
    /// a key as well: how a search is run must not tell who has a record here.
    pub(super) fn record_key(&mut self, id: &str) -> Result<Option<i64>, Fault> {
        let key = self.patient_key(id)?;
        Ok(key.or(self.noted.is_some().then_some(NOBODY)))
    }

    /// From now on, notes which statements are run, but for those [`Transaction::aside`].
    pub(crate) fn note_statements(&mut self) {
        self.noted = Some(Noted::default());
    }

    /// Whether statements are noted, to be explained.
    pub(crate) fn is_explained(&self) -> bool {
        self.noted.is_some()
    }

    /// From now on, notes every statement that is run.
    #[cfg(test)]
    pub(crate) fn note_everything(&mut self) {
        self.noted = Some(Noted { everything: true, ..Noted::default() });
    }

    /// Runs what depends on what this process happens to remember, and so is no part of how a search is run.
    pub(crate) fn aside<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.noted.as_mut().map(|noted| std::mem::replace(&mut noted.aside, true));
        let done = part(self);
        if let (Some(noted), Some(before)) = (&mut self.noted, before) {
            noted.aside = before;
        }
        done
    }

    /// Notes what is searched for, if anything is noted.
    pub(crate) fn note_predicate(&mut self, predicate: &concord_fhir::predicate::Predicate) {
        if let Some(noted) = &mut self.noted {
            noted.predicates.push(predicate.to_string());
        }
    }

    /// The predicates that have been searched for since [`Transaction::note_statements`], and the statements that have
    /// been run with how the database goes about each.
    pub(crate) fn explained(&mut self) -> Result<(Vec<String>, Vec<Explained>), Fault> {
        let Noted { predicates, statements, .. } = self.noted.take().unwrap_or_default();
        let mut all = Vec::with_capacity(statements.len());
        for sql in statements {
            let text = sql.shown();
            all.push(Explained { plan: self.plan(sql)?, sql: text });
        }
        Ok((predicates, all))
    }

    /// How the database goes about a statement, step by step; no estimate of how many rows there are.
    pub(super) fn plan(&mut self, sql: Sql) -> Result<Vec<String>, Fault> {
        if self.is_postgres() {
            let mut sql = Sql::new("EXPLAIN (COSTS OFF) ").append(sql);
            sql.once();
            return Ok(self.rows::<(Text,), (String,)>(sql)?.into_iter().map(|row| row.0).collect());
        }
        let mut sql = Sql::new("EXPLAIN QUERY PLAN ").append(sql);
        sql.once();
        let steps = self.rows::<(BigInt, BigInt, BigInt, Text), (i64, i64, i64, String)>(sql)?;
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        let mut told = Vec::with_capacity(steps.len());
        for (id, parent, _, text) in steps {
            let depth = depths.get(&parent).copied().unwrap_or_default();
            depths.insert(id, depth + 1);
            told.push(format!("{}{text}", "  ".repeat(depth)));
        }
        Ok(told)
    }

    /// The key of a patient's logical id, made now if there is none. Only in a write transaction.
    pub(crate) fn make_patient_key(&mut self, id: &str) -> Result<i64, Fault> {
        if let Some(key) = self.patient_key(id)? {
            return Ok(key);
        }
        // The update that changes nothing makes a concurrent maker's row visible to RETURNING.
        let sql = Sql::new("INSERT INTO patient (id) VALUES (")
            .bind(id)
            .sql(") ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING key");
        self.changes += 1;
        let made = self.apart(|own| own.rows::<(BigInt,), (i64,)>(sql))?;
        let key = made.first().map(|row| row.0).ok_or_else(|| Fault::Internal("no key for a patient".to_owned()))?;
        self.fresh.push((id.to_owned(), key));
        Ok(key)
    }

    /// The logical id of a patient's key; empty for key 0.
    pub(crate) fn patient_id(&mut self, key: i64) -> Result<String, Fault> {
        if key == 0 {
            return Ok(String::new());
        }
        if let Some(id) = self.shared.patients.id(key) {
            return Ok(id);
        }
        let sql = Sql::new("SELECT id FROM patient WHERE key = ").bind(key);
        let found = self.aside(|own| own.apart(|own| own.rows::<(Text,), (String,)>(sql)))?;
        let id = found.into_iter().next().map(|row| row.0).unwrap_or_default();
        if !id.is_empty() && !self.fresh.iter().any(|(_, fresh)| *fresh == key) {
            self.shared.patients.insert(id.clone(), key);
        }
        Ok(id)
    }

    /// Says that what decides about access to this record has changed: facts remembered under the old version are no
    /// longer used, on any node, from the commit on. Key 0 stands for facts about nobody's record.
    ///
    /// A version is never used twice: one that was rolled back may have been remembered with what was seen under it.
    pub(crate) fn bump_access_version(&mut self, patient: i64) -> Result<(), Fault> {
        let version = self.next_key();
        self.run(Sql::new("UPDATE patient SET access_version = ").bind(version).sql(" WHERE key = ").bind(patient))?;
        Ok(())
    }

    /// The access versions of a patient's record and of what is about nobody.
    pub(crate) fn access_versions(&mut self, patient: i64) -> Result<(i64, i64), Fault> {
        let sql = Sql::new(
            "SELECT p.access_version, z.access_version FROM patient p, patient z WHERE z.key = 0 AND p.key = ",
        )
        .bind(patient);
        let rows = self.rows::<(BigInt, BigInt), (i64, i64)>(sql)?;
        rows.first().copied().ok_or_else(|| Fault::Internal("no access version".to_owned()))
    }

    /// The keys of the patients that a predicate names, so that it can be lowered.
    pub(crate) fn lowered<T>(
        &mut self,
        rows: Rows,
        predicate: &concord_fhir::predicate::Predicate,
        build: impl FnOnce(&Lowering<'_>) -> T,
    ) -> Result<T, Fault> {
        let mut keys = Vec::new();
        for patient in records(predicate) {
            keys.push((patient, self.record_key(patient)?));
        }
        let lookup = |id: &str| keys.iter().find(|(known, _)| *known == id).and_then(|(_, key)| *key);
        Ok(build(&Lowering { rows, postgres: self.is_postgres(), patient_key: &lookup, depth: 0, in_record: false }))
    }
}

/// What has been noted of searches.
#[derive(Default)]
struct Noted {
    predicates: Vec<String>,
    statements: Vec<Sql>,
    /// What is run now is not a part of a search.
    aside: bool,
    /// That is noted all the same.
    everything: bool,
}

/// A key that no patient has.
const NOBODY: i64 = -1;

/// A statement and how the database goes about it.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    /// Its text, with its values in place.
    pub(crate) sql: String,
    /// The database's plan, a line a step.
    pub(crate) plan: Vec<String>,
}

/// The patients that a predicate names, each once.
fn records(predicate: &concord_fhir::predicate::Predicate) -> Vec<&str> {
    use concord_fhir::predicate::Predicate;
    fn walk<'p>(predicate: &'p Predicate, found: &mut Vec<&'p str>) {
        match predicate {
            Predicate::Record(patient) => {
                found.push(patient);
            }
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| walk(part, found)),
            Predicate::Not(part) => walk(part, found),
            Predicate::Through { then: behind, .. } | Predicate::PointedAtBy { by: behind, .. } => walk(behind, found),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(predicate, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}
