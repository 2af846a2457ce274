//! What an interaction can do inside its one transaction.

pub(crate) mod bodies;
pub mod effective_label;
mod ending;
mod entries;
pub mod explain;
mod health;
pub(crate) mod large_bodies;
mod locks;
mod lowering;
pub mod recall;
mod settings;
pub(crate) mod shared_versions;
pub(crate) mod spending;
mod versions;
pub mod walks;
mod write_buffer;

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use concord_fhir::registry::{Registry, ResourceType};
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::LoadQuery;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::Shared;
use crate::apart::is_waited_for;
use crate::connection::Connection;
use crate::cost::Cost;
use crate::deadline::Watch;
use crate::entry_row::EntryRow;
use crate::error::{StoreError, is_in_trouble, is_overtaken};
use crate::rows::{Head, Version};
use crate::stable_plans::ONCE;
use crate::statement::{Sql, Statement};
use bodies::BodiesLeft;
use effective_label::MayLeave;
use explain::Noted;
use large_bodies::{Bodies, LargeBodies, is_left_out};
use recall::Recall;
use shared_versions::SharedVersions;
use spending::Left;
use walks::Walks;
use write_buffer::WriteBuffer;

/// An open transaction (or, for a single statement, an open connection).
pub struct Transaction<'a> {
    connection: &'a mut Connection,
    pub(crate) shared: &'a Shared,
    /// The time of the transaction, in milliseconds since 1970 UTC.
    pub now: i64,
    /// Patients that got their key in this transaction: remembered by the process only after the commit.
    pub(crate) fresh: Vec<(String, i64)>,
    /// How many statements have run that may have changed something.
    pub changes: u64,
    /// What it has stored or taken away, some of it perhaps more than once.
    pub(crate) touched: Vec<(ResourceType, String)>,
    /// How many audit records have been added.
    pub(crate) appended: usize,
    /// How many statements may still run; none for as many as are wanted.
    left: Option<u32>,
    /// A statement was wanted that might not run.
    pub(crate) exceeded: bool,
    /// Whether a statement failed because of another writer.
    pub(crate) overtaken: bool,
    /// A current version that has been looked up already.
    head: Option<LookedUp>,
    /// What callers' statements may still take.
    pub(crate) left_to_callers: Left,
    /// How many bytes of bodies pages may still hand out.
    bodies: BodiesLeft,
    /// What becomes of large bodies.
    large_bodies: LargeBodies,
    /// The state of all data that it began with, on the embedded database; none if that is in doubt.
    pub(crate) state: Option<u64>,
    /// Up to which event the log is entered by patient and by agent, on the embedded database; none if that is to be looked up.
    pub(crate) watermark: Option<i64>,
    /// Whether everybody's changes wait for it: it runs on the embedded database's writer.
    pub(crate) only_writer: bool,
    /// Whether it shows the log as it is: a snapshot that has been kept does not.
    pub(crate) sees_log: bool,
    /// Whether it is stopped, and done again elsewhere, when it takes more than a little.
    pub(crate) may_be_stopped: bool,
    /// Whether PostgreSQL plans what it runs once, whatever values it is given.
    plans_once: bool,
    /// How many statements it has run.
    pub(crate) statements: u64,
    /// How many rows they have answered with.
    pub(crate) fetched: u64,
    /// The patient whom it has last looked for and not found.
    pub(crate) absent: Option<String>,
    /// Whether it has given anything labels that this inherits.
    pub(crate) relabelled: bool,
    /// How many more resources may be given other labels because of what is written; the rest is left to the backlog.
    pub(crate) label_steps: usize,
    /// What of that it may leave.
    pub(crate) may_leave: MayLeave,
    /// What whoever writes does not see, and how many of such resources may be given other labels besides.
    pub(crate) unseen: Option<fn(&Version) -> bool>,
    pub(crate) unseen_steps: usize,
    /// What has been counted, each with its steps, of which some may not be seen.
    pub(crate) counted: Vec<(i64, usize)>,
    /// What it has left itself: the numbers of types, and ids.
    pub(crate) labels_left: HashSet<(i16, String)>,
    /// How many more index rows it may store for further records of what is in several.
    pub(crate) copies: usize,
    /// What a load buffers.
    pub(crate) buffer: Option<Box<WriteBuffer>>,
    /// The predicates and statements of searches, while somebody wants to know.
    pub(crate) noted: Option<Noted>,
    /// The search parameters that it has found there to be.
    pub(crate) registry: Option<Arc<Registry>>,
    /// Whether it has changed them itself, so that others may not know yet.
    pub(crate) registry_changed: bool,
    /// The versions that it has found of what resources are checked by.
    pub(crate) versions: Option<SharedVersions>,
    /// What has been read, while somebody notes it.
    recall: Option<Recall>,
    /// What walks along references come to, while somebody notes it.
    walks: Option<Walks>,
    /// What they have come to before.
    known_walks: Option<Arc<Walks>>,
    /// Whether nothing may be written.
    stores_nothing: bool,
}

/// A resource that was looked up, and its current version if there is one.
pub(crate) type LookedUp = (ResourceType, String, Option<Head>);

impl<'a> Transaction<'a> {
    /// A view of a connection on which a transaction has been begun.
    pub(crate) fn new(connection: &'a mut Connection, shared: &'a Shared) -> Transaction<'a> {
        let now = shared.time.now_ms();
        Transaction {
            connection,
            shared,
            now,
            fresh: Vec::new(),
            changes: 0,
            touched: Vec::new(),
            appended: 0,
            left: None,
            exceeded: false,
            overtaken: false,
            head: None,
            left_to_callers: Left::unbounded(),
            bodies: BodiesLeft::unbounded(),
            large_bodies: LargeBodies::default(),
            state: None,
            watermark: None,
            only_writer: false,
            sees_log: true,
            may_be_stopped: false,
            plans_once: false,
            statements: 0,
            fetched: 0,
            absent: None,
            relabelled: false,
            label_steps: shared.label_steps,
            may_leave: MayLeave::Anything,
            unseen: None,
            unseen_steps: shared.label_steps,
            counted: Vec::new(),
            labels_left: HashSet::new(),
            copies: usize::MAX,
            buffer: None,
            noted: None,
            registry: None,
            registry_changed: false,
            versions: None,
            recall: None,
            walks: None,
            known_walks: None,
            stores_nothing: false,
        }
    }

    /// A view of a connection on which no transaction has been begun: one statement is a snapshot of its own, and any
    /// further one fails.
    pub(crate) fn single(connection: &'a mut Connection, shared: &'a Shared) -> Transaction<'a> {
        Transaction { left: Some(1), ..Transaction::new(connection, shared) }
    }

    /// The same after that one statement, which has found this.
    pub(crate) fn with_head(connection: &'a mut Connection, shared: &'a Shared, head: LookedUp) -> Transaction<'a> {
        Transaction { left: Some(0), head: Some(head), ..Transaction::new(connection, shared) }
    }

    /// The current version of a resource if it is the one that has been looked up, with such a body as is wanted.
    pub(crate) fn looked_up(&mut self, resource_type: ResourceType, id: &str, bodies: Bodies) -> Option<Option<Head>> {
        let is_left_out = |head: &Option<Head>| head.as_ref().is_some_and(|head| is_left_out(&head.version));
        let is_it = |(looked, own, head): &mut LookedUp| {
            *looked == resource_type && own == id && (bodies != Bodies::All || !is_left_out(head))
        };
        let (_, _, head) = self.head.take_if(is_it)?;
        if is_left_out(&head) {
            self.note_left_out();
        }
        Some(head)
    }

    /// Lets a statement run, if it may.
    fn spend(&mut self) -> Result<(), StoreError> {
        match &mut self.left {
            Some(0) => {
                self.exceeded = true;
                Err(StoreError::Busy(1))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Says that the work on the connection was broken off, nobody knows where.
    pub(crate) fn spoil(&mut self) {
        self.connection.spoil();
    }

    /// Begins another's work in the same transaction: what was left of the last one's budgets is not this one's.
    pub(crate) fn renew_budgets(&mut self) {
        self.left_to_callers = Left::unbounded();
        self.bodies = BodiesLeft::unbounded();
        self.large_bodies = LargeBodies::default();
        self.label_steps = self.shared.label_steps;
        self.may_leave = MayLeave::Anything;
        (self.unseen, self.unseen_steps) = (None, self.shared.label_steps);
        self.counted.clear();
        self.labels_left.clear();
        self.copies = usize::MAX;
        self.relabelled = false;
        self.known_walks = None;
    }

    /// The search parameters as this process last saw them.
    pub(crate) fn known_registry(&self) -> Arc<Registry> {
        self.shared.registry()
    }

    /// Lets this process know what there is to search by. What is not committed is not told.
    pub(crate) fn know_registry(&self, registry: &Arc<Registry>) {
        if !self.registry_changed {
            self.shared.know_registry(Arc::clone(registry));
        }
    }

    /// The address below which an absolute reference counts as a relative one.
    pub fn base(&self) -> &str {
        self.shared.base.get().map_or("", String::as_str)
    }

    /// Lets whoever waits for the same rows come first: this transaction ends when it has waited for them a while.
    pub fn give_way(&mut self) -> Result<(), StoreError> {
        if self.is_postgres() {
            // Less than what PostgreSQL waits before it looks who stands in whose way and stops one of them.
            self.batch("SET LOCAL lock_timeout = '500ms'")?;
        }
        Ok(())
    }

    /// The state of all data that it began with: what has been found in a transaction holds in every other that began with
    /// the same. None where that is not known.
    #[must_use]
    pub fn state(&self) -> Option<u64> {
        self.state
    }

    /// The ids of what it has stored or taken away itself, of one type or of any.
    pub fn touched(&self, resource_type: Option<ResourceType>) -> impl Iterator<Item = &str> {
        let is_meant = move |of: &ResourceType| resource_type.is_none_or(|wanted| wanted == *of);
        self.touched.iter().filter(move |(of, _)| is_meant(of)).map(|(_, id)| id.as_str())
    }

    /// Bounds what is run while it lives.
    pub(crate) fn watch(&self, cost: Cost) -> Option<Watch> {
        self.connection.watch(cost)
    }

    /// Whether this is PostgreSQL, for the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        self.connection.is_postgres()
    }

    /// The next row number.
    pub fn next_key(&self) -> i64 {
        self.shared.keys.next(self.now)
    }

    /// Runs a statement that answers with rows.
    pub(crate) fn rows<T, U>(&mut self, sql: Sql) -> Result<Vec<U>, StoreError>
    where
        T: 'static,
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + Debug + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.rows_while(sql, |_| true)
    }

    /// The same as far as the rows are wanted, the first included that ends it.
    pub(crate) fn rows_while<T, U>(&mut self, sql: Sql, go_on: impl FnMut(&mut U) -> bool) -> Result<Vec<U>, StoreError>
    where
        T: 'static,
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + Debug + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.flush()?;
        self.spend()?;
        self.statements += 1;
        if let Some(noted) = self.noted.as_mut().filter(|noted| !noted.paused || noted.everything) {
            noted.statements.push(sql.clone());
        }
        let again = self.recall.is_some().then(|| (sql.clone(), self.left_to_callers.payment()));
        let found = self.connection.rows_while::<T, U>(sql, go_on).map_err(|error| self.failed(error))?;
        self.fetched += u64::try_from(found.len()).unwrap_or(u64::MAX);
        if let (Some(recall), Some((sql, payment))) = (&mut self.recall, again) {
            recall.note::<T, U>(sql, payment, &found);
        }
        Ok(found)
    }

    /// Refuses to tell of the log what may be out of date.
    pub(crate) fn require_log(&self) -> Result<(), StoreError> {
        if self.sees_log {
            Ok(())
        } else {
            Err(StoreError::Internal("the log was read where it may not be".to_owned()))
        }
    }

    /// Counts audit records that the transaction is about to commit.
    pub(crate) fn count_appended(&mut self, records: usize) {
        self.appended += records;
        self.shared.observer.audit_records(u64::try_from(records).unwrap_or_default());
    }

    /// Notes how long what is about to be done has waited.
    pub(crate) fn has_waited(&self, how_long: std::time::Duration) {
        self.shared.observer.waited(how_long);
    }

    /// A database error, counted. A lost race is none: it is how two writers find out about one another. Nor is that a read is
    /// stopped which is done again elsewhere or nobody waits for, or what callers have the only writer do.
    fn failed(&mut self, error: diesel::result::Error) -> StoreError {
        self.overtaken |= is_overtaken(&error);
        if let diesel::result::Error::DatabaseError(_, told) = &error
            && is_in_trouble(told.message())
        {
            tracing::error!(message = told.message(), "the database is in trouble");
        }
        let fault = StoreError::from(error);
        if matches!(fault, StoreError::NoSpace(_)) {
            self.shared.no_space.store(true, Ordering::Relaxed);
        }
        let may_be_stopped =
            self.may_be_stopped || !is_waited_for() || self.only_writer && self.left_to_callers.is_paid();
        let is_stopped = may_be_stopped && matches!(fault, StoreError::TooCostly(_));
        if !is_stopped && !matches!(fault, StoreError::Conflict(_)) {
            self.shared.observer.database_error();
        }
        match fault {
            // The shape of the statement is ours: if it takes too long, the database is to blame.
            StoreError::TooCostly(_) if !self.left_to_callers.is_paid() => StoreError::Busy(1),
            fault => fault,
        }
    }

    /// Like [`Transaction::rows`], for a statement whose shape a caller chose.
    pub(crate) fn rows_of_any_shape<T, U>(&mut self, sql: Sql) -> Result<Vec<U>, StoreError>
    where
        T: 'static,
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + Debug + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.rows_of_any_shape_while(sql, |_| true)
    }

    /// The same as far as the rows are wanted, the first included that ends it.
    pub(crate) fn rows_of_any_shape_while<T, U>(
        &mut self,
        mut sql: Sql,
        go_on: impl FnMut(&mut U) -> bool,
    ) -> Result<Vec<U>, StoreError>
    where
        T: 'static,
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + Debug + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        self.connection.bounded(&mut sql);
        self.paid(|transaction| transaction.rows_while(sql, go_on))
    }

    /// Runs a statement that answers with one column of numbers.
    pub(crate) fn numbers(&mut self, sql: Sql) -> Result<Vec<i64>, StoreError> {
        Ok(self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0).collect())
    }

    /// Runs a statement that answers with one column of texts.
    pub(crate) fn texts(&mut self, sql: Sql) -> Result<Vec<String>, StoreError> {
        Ok(self.rows_of_any_shape::<(Text,), (String,)>(sql)?.into_iter().map(|row| row.0).collect())
    }

    /// Runs a statement that answers with no rows; how many rows it touched.
    pub(crate) fn run(&mut self, sql: Sql) -> Result<usize, StoreError> {
        self.require_storing()?;
        self.flush()?;
        self.invalidate_heads();
        self.spend()?;
        self.statements += 1;
        self.changes += 1;
        self.connection.run(sql).map_err(|error| self.failed(error))
    }

    /// Puts many rows into the index. Only on PostgreSQL.
    pub(crate) fn copied(&mut self, rows: &[EntryRow]) -> Result<(), StoreError> {
        self.spend()?;
        self.changes += 1;
        self.connection.copy(rows).map_err(|error| self.failed(error))
    }

    /// Has PostgreSQL plan what follows once, whatever values it is given; the embedded database does so anyway.
    pub(crate) fn plan_once(&mut self) -> Result<(), StoreError> {
        if self.is_postgres() && !std::mem::replace(&mut self.plans_once, true) {
            self.batch(&format!("SET LOCAL {ONCE}"))?;
        }
        Ok(())
    }

    /// Runs fixed text.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), StoreError> {
        self.flush()?;
        self.spend()?;
        self.connection.batch(text).map_err(|error| self.failed(error))
    }
}
