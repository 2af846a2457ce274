//! How it is stored and found. The only code that names diesel.
//!
//! Reads run in a snapshot, writes in a transaction; both hand back the audit records of what they did, and neither
//! answers before those are as durable as the data. Concurrent requests share a commit.

pub(crate) mod audit;
pub(crate) mod broken_glass;
pub(crate) mod connection;
#[cfg(test)]
mod contract;
mod deadline;
#[cfg(test)]
mod differential;
mod entries;
mod held;
mod hop;
#[cfg(test)]
mod kept;
pub(crate) mod keys;
pub(crate) mod late;
pub(crate) mod lower;
mod migrate;
mod moment;
pub(crate) mod overlay;
pub(crate) mod parameters;
mod patients;
mod points;
mod postgres;
pub(crate) mod rows;
pub(crate) mod seal;
pub(crate) mod search;
mod sqlite;
pub(crate) mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transaction;

use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use concord_fhir::registry::{Registry, ResourceType};
use tokio::sync::oneshot;

pub use migrate::migrate;

use crate::clock::Clock;
use crate::config::{DatabaseUrl, Durability};
use crate::fault::Fault;
use crate::telemetry::Metrics;
use audit::Record;
use connection::{Connection, in_one_line};
use keys::Keys;
use patients::Patients;
use transaction::Transaction;

/// The result of an interaction, and what must be in the log before it is given out.
pub(crate) type Reply<T> = (Result<T, Fault>, Vec<Record>);

/// What every transaction of this process shares.
pub(crate) struct Shared {
    clock: Clock,
    keys: Keys,
    patients: Patients,
    metrics: Metrics,
    /// Where the server is: known once there are interactions over the store.
    base: OnceLock<String>,
    registry: RwLock<Arc<Registry>>,
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
}

impl Store {
    /// Opens the database, which must have been migrated.
    ///
    /// # Errors
    /// One line, when the database cannot be opened.
    pub fn open(options: &Options, clock: Clock, metrics: Metrics) -> Result<Store, String> {
        let keys = Keys::of_new_node(&mut Connection::open(&options.address, options.durability).map_err(cannot_open)?)
            .map_err(cannot_open)?;
        let shared = Arc::new(Shared {
            clock,
            keys,
            patients: Patients::new(),
            metrics,
            base: OnceLock::new(),
            registry: RwLock::default(),
        });
        let backend = match &options.address {
            DatabaseUrl::Sqlite(_) => Backend::Sqlite(sqlite::Sqlite::open(options, Arc::clone(&shared))?),
            DatabaseUrl::Postgres(_) => Backend::Postgres(postgres::Postgres::open(options, &shared)?),
        };
        Ok(Store { shared, backend: Arc::new(backend) })
    }

    /// The time as the store sees it, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    /// Says where the server is: an absolute reference below that address counts as a relative one. Once is enough.
    pub(crate) fn serves(&self, base: &str) {
        // A store that is used again is used for the same server.
        let _same = self.shared.base.set(base.to_owned());
    }

    /// The search parameters as this process last saw them, which is no longer ago than its last write.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.shared.registry()
    }

    /// The search parameters that there are now, on whichever node they were added.
    pub(crate) async fn newest_registry(&self) -> Result<Arc<Registry>, Fault> {
        self.read(|transaction| (transaction.newest_registry(), Vec::new())).await
    }

    /// Runs `work` in a read snapshot, makes its audit records durable, and then answers.
    ///
    /// On the embedded database the work runs where the caller is: a point read takes less time than handing it over.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (result, records) = match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(&self.shared, work),
            Backend::Postgres(postgres) => postgres.read(work).await,
        };
        self.append(records).await?;
        result
    }

    /// Like [`Store::read`], for work that looks at records and never at the log.
    pub(crate) async fn read_records<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (result, records) = match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read_records(&self.shared, work),
            Backend::Postgres(postgres) => postgres.read(work).await,
        };
        self.append(records).await?;
        result
    }

    /// Like [`Store::read`], for work that mostly needs the current version of one resource and nothing else. On
    /// PostgreSQL that is looked up together with what others ask for; if the work wants another statement it is stopped
    /// and run again in a snapshot. On the embedded database the work runs in the transaction that commits its audit
    /// record.
    pub(crate) async fn read_head<T: Send + 'static>(
        &self,
        resource_type: ResourceType,
        id: &str,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read_one(work).await,
            Backend::Postgres(postgres) => match postgres.read_head(resource_type, id.to_owned(), work).await {
                Ok(result) => result,
                Err(work) => self.read(work).await,
            },
        }
    }

    /// Runs `work` in a write transaction: its changes and its audit records are committed together. If it fails, its
    /// changes are undone and its audit records, those of the refusal, are committed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(work).await,
            Backend::Postgres(postgres) => {
                let (result, records) = postgres.write(work).await;
                self.append(records).await?;
                result
            }
        }
    }

    /// The same for work that is done again, in a transaction of its own, when another writer came first or stood in its
    /// way. Only PostgreSQL has several.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(work).await,
            Backend::Postgres(postgres) => {
                let (result, records) = postgres.change(work).await;
                self.append(records).await?;
                result
            }
        }
    }

    /// Makes audit records durable.
    pub(crate) async fn append(&self, records: Vec<Record>) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.append(records, done)?,
            Backend::Postgres(postgres) => postgres.append(records, done)?,
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
    pub async fn setting(&self, name: &'static str, make: String) -> Result<String, Fault> {
        self.write(move |transaction| (transaction.setting(name, &make), Vec::new())).await
    }

    /// Whether the database answers.
    pub async fn ready(&self) -> bool {
        self.read(|transaction| (transaction.access_versions(0), Vec::new())).await.is_ok()
    }
}

/// The first job with those that wait behind it, at most so many. Where the processors are busy, whoever is about to send
/// another gets to run before: a commit for many costs little more than one for a few. Where they are not, this takes no
/// time.
fn gathered<T>(first: T, waiting: &Receiver<T>, most: usize) -> Vec<T> {
    let mut jobs = vec![first];
    jobs.extend(waiting.try_iter().take(most - 1));
    while jobs.len() < most {
        let before = jobs.len();
        std::thread::yield_now();
        jobs.extend(waiting.try_iter().take(most - before));
        if jobs.len() == before {
            break;
        }
    }
    jobs
}

fn cannot_open(error: impl std::fmt::Display) -> String {
    format!("database_url: the database cannot be used: {}", in_one_line(&error))
}

/// The fault of a request that found the store closed.
fn stopped() -> Fault {
    Fault::Busy(1)
}

/// Runs a job, turning a panic into a fault so that it cannot take the writer with it.
fn guarded<T>(work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>, transaction: &mut Transaction<'_>) -> Reply<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(transaction))) {
        Ok(reply) => reply,
        Err(_) => (Err(Fault::Internal("a panic inside a transaction".to_owned())), Vec::new()),
    }
}
