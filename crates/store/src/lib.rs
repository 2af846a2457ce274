//! How it is stored and found. The only code that names diesel.
//!
//! Reads run in a snapshot, writes in a transaction; both hand back the audit records of what they did, and neither
//! answers before those are as durable as the data. Concurrent requests share a commit.

pub mod added_label;
mod address;
mod alike;
#[cfg(test)]
mod alike_tests;
mod apart;
pub mod audit;
mod backup;
mod batched_reads;
#[cfg(test)]
mod besides_tests;
#[cfg(test)]
mod bodies_tests;
mod bounded_reads;
#[cfg(test)]
mod bounded_reads_tests;
mod bounds;
pub mod broken_glass;
mod chained_search;
pub mod code_lists;
mod connection;
#[cfg(test)]
mod contract;
mod cost;
mod database;
mod deadline;
pub mod definitions;
mod digest;
mod entry_row;
mod error;
pub mod evaluation;
mod fair_queue;
#[cfg(any(test, feature = "testing"))]
mod faults;
pub mod filing;
pub mod find;
pub mod given_by;
pub mod history;
pub mod include;
pub mod index_rows;
pub mod keys;
mod latest;
#[cfg(test)]
mod latest_tests;
pub mod left_record;
mod line;
#[cfg(test)]
mod line_tests;
pub mod lower;
mod memory;
mod migrate;
pub mod named;
pub mod named_among;
mod own_words;
pub mod parameters;
mod patients;
mod postgres;
#[cfg(test)]
mod prepared_tests;
mod private_file;
mod reindex;
mod reply;
pub mod rows;
pub mod search;
mod shared_queue;
pub mod sign_in;
mod slot;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
mod sqlite;
mod stable_plans;
mod statement;
mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
pub mod transaction;
#[cfg(test)]
mod trouble_tests;
mod type_query;
mod undone;
pub mod verify;
mod wal_frames;
mod work;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use concord_fhir::registry::{Registry, ResourceType};

pub use apart::{Unfinished, apart, let_others_between};
pub use backup::{Restoring, backup, remove};
pub use bounded_reads::Place;
pub use cost::{Cost, Extent};
pub use fair_queue::Asker;
pub use migrate::{migrate, missing_migrations};
pub use reply::hand_out_answers;

pub use address::{DatabaseUrl, Durability};
use audit::Record;
use connection::{Connection, in_one_line};
pub use error::{StoreError, WorkError};
use keys::Keys;
use patients::Patients;
use time::Time;
use transaction::Transaction;
use work::{guarded, stopped};

/// The result of an interaction, and what must be in the log before it is given out.
pub type Reply<T, E = StoreError> = (Result<T, E>, Vec<Record>);

/// What tells the store the time of this machine.
pub trait Clock: Send + Sync {
    /// Now, in milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
    /// How many milliseconds have passed since some moment. Does not step when the machine's clock is set.
    fn steady_ms(&self) -> i64;
    /// What counts as the time of the database's clock where that is not to be asked: in tests, whose time stands still.
    fn instead_of_the_databases_ms(&self) -> Option<i64>;
}

/// Who counts what happens in the store.
pub trait Observer: Send + Sync {
    /// So many audit records are durable now.
    fn audit_records(&self, count: u64);
    /// A database call has failed.
    fn database_error(&self);
    /// Something has waited so long for a connection, or for the only writer.
    fn waited(&self, how_long: Duration);
}

/// What every transaction of this process shares.
pub struct Shared {
    time: Arc<Time>,
    keys: Keys,
    patients: Patients,
    observer: Box<dyn Observer>,
    /// Where the server is: known once there are interactions over the store.
    base: OnceLock<String>,
    registry: RwLock<Arc<Registry>>,
    label_steps: usize,
    /// The newest migration that this release knows, as it is noted in the database.
    schema: String,
    /// Whether the disk of the database was full when something was last stored.
    no_space: AtomicBool,
    /// What the work of callers has taken.
    #[cfg(any(test, feature = "testing"))]
    counted: testing::Counters,
    /// What the database has yet to fail at.
    #[cfg(any(test, feature = "testing"))]
    faults: Arc<faults::Faults>,
}

impl Shared {
    /// The search parameters as this process last saw them.
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn know_registry(&self, registry: Arc<Registry>) {
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }
}

/// The store of one database.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    backend: Arc<Backend>,
}

enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// What a read sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// All data, and of the log nothing.
    Records,
    /// The log too.
    Everything,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the data is.
    pub address: DatabaseUrl,
    /// What a commit of the embedded database survives.
    pub durability: Durability,
    /// How many connections to PostgreSQL.
    pub connections: usize,
    /// How long a search may take.
    pub query_timeout: Duration,
    /// How many resources a transaction gives other labels because of what it writes; the rest is left to the backlog.
    pub label_steps: usize,
}

impl Store {
    /// Opens the database, which must have been migrated.
    ///
    /// # Errors
    /// One line, when the database cannot be opened.
    pub fn open(
        options: &Options,
        clock: impl Clock + 'static,
        observer: impl Observer + 'static,
    ) -> Result<Store, String> {
        let mut first = Connection::open(&options.address, options.durability).map_err(cannot_open)?;
        let time = Time::new(clock);
        time.ask(&mut first).map_err(cannot_open)?;
        let keys = Keys::of_new_node(&mut first).map_err(cannot_open)?;
        let shared = Arc::new(Shared {
            time: Arc::new(time),
            keys,
            patients: Patients::new(),
            observer: Box::new(observer),
            base: OnceLock::new(),
            registry: RwLock::default(),
            label_steps: options.label_steps,
            schema: migrate::newest(&options.address)?,
            no_space: AtomicBool::new(false),
            #[cfg(any(test, feature = "testing"))]
            counted: testing::Counters::default(),
            #[cfg(any(test, feature = "testing"))]
            faults: Arc::default(),
        });
        let backend = match &options.address {
            DatabaseUrl::Sqlite(_) => Backend::Sqlite(sqlite::Sqlite::open(options, Arc::clone(&shared))?),
            DatabaseUrl::Postgres(_) => Backend::Postgres(postgres::Postgres::open(options, &shared)?),
        };
        Ok(Store { shared, backend: Arc::new(backend) })
    }

    /// Whether writes are done at the same time, each on a connection of its own.
    #[must_use]
    pub fn has_many_writers(&self) -> bool {
        matches!(*self.backend, Backend::Postgres(_))
    }

    /// The time as the store sees it, which is that of the database, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.shared.time.now_ms()
    }

    /// How far this machine's clock was ahead of the database's when that was last asked, in milliseconds. The embedded
    /// database has none of its own: there it is how far the machine's is behind the newest event of the log, until there is
    /// another.
    #[must_use]
    pub fn clock_off_ms(&self) -> i64 {
        self.shared.time.off_ms()
    }

    /// Asks the database what time it is, and goes by that from now on.
    pub async fn ask_time(&self) -> Result<(), StoreError> {
        self.read(|transaction| (transaction.ask_time(), Vec::new())).await
    }

    /// Says where the server is: an absolute reference below that address counts as a relative one. Once is enough.
    pub fn serves(&self, base: &str) {
        // A store that is used again is used for the same server.
        let _same = self.shared.base.set(base.to_owned());
    }

    /// The search parameters as this process last saw them, which is no longer ago than its last write.
    pub fn registry(&self) -> Arc<Registry> {
        self.shared.registry()
    }

    /// The search parameters that there are now, on whichever node they were added.
    pub async fn newest_registry(&self) -> Result<Arc<Registry>, StoreError> {
        self.read(|transaction| (transaction.newest_registry(), Vec::new())).await
    }

    /// Runs `work` in a read snapshot, makes its audit records durable, and then answers.
    ///
    /// On the embedded database the work runs where the caller is: a point read takes less time than handing it over.
    pub async fn read<T: Send + 'static, E: WorkError>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.read_in(Asker::SERVER, Reads::Everything, work).await
    }

    /// Like [`Store::read`], for somebody's work that sees so much.
    async fn read_in<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.log_is_whole(reads).await;
        let (result, records) = match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(&self.shared, reads, work),
            Backend::Postgres(postgres) => postgres.read(asker, Extent::Little, work).await,
        };
        self.append_of(asker, records).await?;
        result
    }

    /// Waits, before the log is read, until it has all that was answered.
    async fn log_is_whole(&self, reads: Reads) {
        if let (Backend::Sqlite(sqlite), Reads::Everything) = (&*self.backend, reads) {
            sqlite.log_is_whole().await;
        }
    }

    /// Like [`Store::read`], for somebody's work that mostly needs the current version of one resource and nothing else. On
    /// PostgreSQL that is looked up together with what others ask for; if the work wants another statement it is stopped
    /// and run again in a snapshot. On the embedded database the work runs in the transaction that commits its audit
    /// record.
    pub async fn read_head<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        resource_type: ResourceType,
        id: &str,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read_one(asker, work).await,
            Backend::Postgres(postgres) => match postgres.read_head(asker, resource_type, id.to_owned(), work).await {
                Ok(result) => result,
                Err(work) => self.read_in(asker, Reads::Everything, work).await,
            },
        }
    }

    /// Runs `work` in a write transaction: its changes and its audit records are committed together. If it fails, its
    /// changes are undone and its audit records, those of the refusal, are committed.
    pub async fn write<T: Send + 'static, E: WorkError>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(Asker::SERVER, work).await,
            Backend::Postgres(postgres) => {
                let (result, records) = postgres.write(Asker::SERVER, work).await;
                self.append(records).await?;
                result
            }
        }
    }

    /// The same for work that is done again, in a transaction of its own, when another writer came first or stood in its
    /// way. Only PostgreSQL has several.
    pub async fn change<T: Send + 'static, E: WorkError>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.change_of(Asker::SERVER, work).await
    }

    /// The same for somebody, whose turn it has to be where there is one writer.
    pub async fn change_of<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(asker, work).await,
            Backend::Postgres(postgres) => {
                let (result, records) = postgres.change(asker, work).await;
                self.append_of(asker, records).await?;
                result
            }
        }
    }

    /// Makes audit records durable.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.append_of(Asker::SERVER, records).await
    }

    /// The same for those of what somebody asked for.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait to be, or too many of theirs: what they are about is told to nobody then.
    pub async fn append_of(&self, asker: Asker, records: Vec<Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.commit_records(asker, records).await
    }

    async fn commit_records(&self, asker: Asker, records: Vec<Record>) -> Result<(), StoreError> {
        let (done, wait) = reply::channel();
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.append(asker, records, done)?,
            Backend::Postgres(postgres) => postgres.append(asker, records, done)?,
        }
        match wait.await {
            Ok(result) => result,
            Err(_) => Err(stopped()),
        }
    }

    /// The value of a shared setting, made by `make` if there is none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setting(&self, name: &'static str, make: String) -> Result<String, StoreError> {
        self.write(move |transaction| (transaction.setting(name, &make), Vec::new())).await
    }
}

fn cannot_open(error: impl std::fmt::Display) -> String {
    format!("database_url: the database cannot be used: {}", in_one_line(&error))
}
