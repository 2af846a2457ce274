//! Databases for the tests of the store and of what stands on it: each test gets its own, on both kinds.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that has no database says so and ends"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;

use crate::address::{DatabaseUrl, Durability};
use crate::connection::Connection;
pub use crate::faults::Fault;
use crate::lower::Rows;
use crate::rows::Version;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::{Clock, Observer, Options, Store, migrate};

/// The time of the tests, in milliseconds since 1970 UTC.
pub const NOW: i64 = 1_772_366_400_000;

/// Runs fixed text on a database, outside of any transaction.
///
/// # Panics
/// When the database refuses it.
pub fn execute(address: &DatabaseUrl, text: &str) {
    Connection::open(address, Durability::Full).unwrap().execute_for_test(text);
}

/// A clock that stands still.
pub(crate) struct Standing(pub(crate) i64);

impl Clock for Standing {
    fn now_ms(&self) -> i64 {
        self.0
    }

    fn steady_ms(&self) -> i64 {
        self.0
    }

    fn instead_of_the_databases_ms(&self) -> Option<i64> {
        Some(self.0)
    }
}

/// Nobody counts.
struct Unobserved;

impl Observer for Unobserved {
    fn audit_records(&self, _count: u64) {}
    fn database_error(&self) {}
    fn waited(&self, _how_long: Duration) {}
}

/// A database that nobody else uses; gone when it is dropped.
pub struct Scratch {
    /// Where it is.
    pub address: DatabaseUrl,
    folder: Option<PathBuf>,
    drop: Option<(String, String)>,
}

impl Scratch {
    /// An empty SQLite file and an empty PostgreSQL database.
    pub fn both() -> [Scratch; 2] {
        [Scratch::sqlite(), Scratch::postgres()]
    }

    /// An empty SQLite file.
    pub(crate) fn sqlite() -> Scratch {
        let folder = std::env::temp_dir().join(format!("concord-store-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        Scratch { address: DatabaseUrl::Sqlite(folder.join("concord.db")), folder: Some(folder), drop: None }
    }

    #[expect(clippy::disallowed_methods, reason = "the cluster comes from scripts/with-postgres.sh")]
    fn postgres() -> Scratch {
        let cluster = std::env::var("CONCORD_TEST_POSTGRES")
            .unwrap_or_else(|_| panic!("CONCORD_TEST_POSTGRES is not set: run `make test`"));
        let name = format!("concord_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::establish(&cluster).unwrap();
        connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let (address, query) = cluster.split_once('?').unwrap_or((&cluster, ""));
        let (scheme, rest) = address.split_once("://").unwrap();
        let url = format!("{scheme}://{}/{name}?{query}", rest.split('/').next().unwrap());
        Scratch { address: DatabaseUrl::Postgres(url), folder: None, drop: Some((cluster, name)) }
    }

    /// A store over it, with the schema of this release.
    pub fn store(&self) -> Store {
        self.store_with(Duration::from_secs(30))
    }

    /// The same, with a clock that stands at another time.
    pub fn store_at(&self, now_ms: i64) -> Store {
        self.store_of(Duration::from_secs(30), now_ms)
    }

    /// The same, with another time limit for searches.
    pub fn store_with(&self, query_timeout: Duration) -> Store {
        self.store_of(query_timeout, NOW)
    }

    fn store_of(&self, query_timeout: Duration, now_ms: i64) -> Store {
        self.store_by(query_timeout, Standing(now_ms))
    }

    /// The same by a clock of one's own.
    pub(crate) fn store_by(&self, query_timeout: Duration, clock: impl Clock + 'static) -> Store {
        migrate(&self.address).unwrap();
        let options = Options {
            address: self.address.clone(),
            durability: Durability::Process,
            connections: 2,
            query_timeout,
            label_steps: 1_000,
        };
        Store::open(&options, clock, Unobserved).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _left = std::fs::remove_dir_all(folder);
        }
        if let Some((cluster, name)) = &self.drop
            && let Ok(mut connection) = PgConnection::establish(cluster)
        {
            let _left = connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

impl Transaction<'_> {
    /// What two databases have in common that hold the same: all but row numbers and times.
    pub fn contents(&mut self) -> Vec<String> {
        let asked = [
            "SELECT CAST(r.type AS TEXT) || ' ' || r.id || ' ' || r.version || ' ' || r.method || ' ' || r.deleted || ' ' \
             || r.patients || ' ' || p.id || ' ' || r.labels || ' ' || length(r.body) FROM resource r JOIN patient p ON \
             p.key = r.patient ORDER BY r.type, r.id",
            "SELECT CAST(h.type AS TEXT) || ' ' || h.id || ' ' || h.version || ' ' || length(h.body) FROM history h ORDER \
             BY h.type, h.id, h.version",
            "SELECT CAST(r.type AS TEXT) || ' ' || r.id || ' ' || e.parameter || ' ' || e.position || ' ' || p.id || ' ' \
             || e.key || ' ' || coalesce(CAST(e.low AS TEXT), '-') FROM entry e JOIN resource r ON r.rid = e.resource \
             JOIN patient p ON p.key = e.patient WHERE e.parameter <> -1 ORDER BY r.type, r.id, e.parameter, e.position",
            "SELECT CAST(count(*) AS TEXT) FROM audit",
        ];
        asked.into_iter().flat_map(|sql| self.texts(Sql::new(sql)).unwrap()).collect()
    }

    /// How many rows each table has that a request may add to, of the log by what came of it.
    pub fn row_counts(&mut self) -> Vec<(String, i64)> {
        let tables = [
            "resource",
            "history",
            "entry",
            "history_entry",
            "label_source",
            "label_content",
            "label_backlog",
            "left_record",
            "given_by",
            "own_words",
            "filing",
            "patient",
            "broken_glass",
            "overlay",
            "canonical_name",
            "definition",
            "code_list",
            "audit_recorded",
            "audit a WHERE a.outcome = 0",
            "audit a WHERE a.outcome <> 0",
        ];
        let one = |(place, table)| format!("SELECT {place} AS place, count(*) AS many FROM {table}");
        let counts = tables.iter().enumerate().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        let numbers = self.numbers(Sql::new(format!("SELECT many FROM ({counts}) c ORDER BY place"))).unwrap();
        tables.into_iter().map(str::to_owned).zip(numbers).collect()
    }

    /// How many transactions wait until no other one writes. Only on PostgreSQL.
    pub fn waiting_for_writers(&mut self) -> i64 {
        let sql = Sql::new(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock' AND database = \
             (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        self.numbers(sql).unwrap()[0]
    }

    /// All versions of one table.
    pub fn all(&mut self, rows: Rows) -> Vec<Version> {
        self.versions(rows, Sql::new("1 = 1")).unwrap()
    }

    /// Copies what there is, which is about the patient `ann`, for as many other patients, so that a plan that reads more
    /// than it has to is not the best; and the practitioner `gp` as often, who is in no patient compartment.
    pub fn multiply(&mut self, records: i64) {
        let numbers = format!(
            "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {records}) "
        );
        let renamed = |column: &str| format!("replace({column}, 'ann', 'ann' || n.i)");
        let patient = "CASE WHEN patient = 0 THEN 0 ELSE patient + n.i * 1000 END";
        for text in [
            format!(
                "INSERT INTO patient (key, id) {numbers} SELECT p.key + n.i * 1000, {} FROM patient p, n WHERE p.key <> 0",
                renamed("p.id")
            ),
            format!(
                "INSERT INTO resource {numbers} SELECT rid + n.i * 1000000, type, {}, version, updated + n.i, method, \
                 deleted, {patient}, patients, author, labels, body, 0 FROM resource, n WHERE patient <> 0",
                renamed("id")
            ),
            format!(
                "INSERT INTO entry {numbers} SELECT resource + n.i * 1000000, parameter, position, {patient}, {}, low, \
                 high, dated FROM entry, n WHERE patient <> 0",
                renamed("key")
            ),
            format!(
                "INSERT INTO history {numbers} SELECT pk + n.i * 1000000, rid + n.i * 1000000, type, {}, version, updated \
                 + n.i, method, deleted, {patient}, patients, author, labels, body, 0 FROM history, n WHERE patient <> 0",
                renamed("id")
            ),
            format!(
                "INSERT INTO history_entry {numbers} SELECT resource + n.i * 1000000, parameter, position, {patient}, {}, \
                 low, high FROM history_entry, n WHERE patient <> 0",
                renamed("key")
            ),
            format!(
                "INSERT INTO resource {numbers} SELECT rid + n.i * 1000000, type, id || n.i, version, updated + n.i, \
                 method, deleted, patient, patients, author, labels, body, 0 FROM resource, n WHERE id = 'gp'"
            ),
            // The embedded database plans without statistics.
            if self.is_postgres() { "ANALYZE" } else { "SELECT 1" }.to_owned(),
        ] {
            self.run(Sql::new(text)).unwrap();
        }
    }
}

/// What the work of callers has taken of the database: for what a request costs, without a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many statements it has run.
    pub statements: u64,
    /// How many rows they have answered with.
    pub rows: u64,
}

impl Counted {
    /// What has been taken since.
    #[must_use]
    pub fn since(self, before: Counted) -> Counted {
        Counted { statements: self.statements - before.statements, rows: self.rows - before.rows }
    }
}

/// The same, counted by all threads.
#[derive(Default)]
pub(crate) struct Counters {
    statements: AtomicU64,
    rows: AtomicU64,
}

impl Transaction<'_> {
    pub(crate) fn counted(&self) -> Counted {
        Counted { statements: self.statements, rows: self.fetched }
    }

    /// Counts what a piece of work has taken, that had taken so much when it began.
    pub(crate) fn count_since(&self, before: Counted) {
        let taken = self.counted().since(before);
        self.shared.counted.statements.fetch_add(taken.statements, Ordering::Relaxed);
        self.shared.counted.rows.fetch_add(taken.rows, Ordering::Relaxed);
    }
}

impl crate::Store {
    /// What the work of callers has taken so far.
    pub fn counted(&self) -> Counted {
        let counted = &self.shared.counted;
        Counted { statements: counted.statements.load(Ordering::Relaxed), rows: counted.rows.load(Ordering::Relaxed) }
    }

    /// How many statements the work of callers has run so far.
    pub fn statements(&self) -> u64 {
        self.counted().statements
    }

    /// Lets a statement on a connection of this store that writes fail, after so many others; none any more if it is not said.
    pub fn fail_after(&self, next: Option<(u64, Fault)>) {
        self.shared.faults.set(next);
    }

    /// Leaves room for so many more pages in the embedded database; for all if it is not said.
    pub async fn limit_pages(&self, more: Option<i64>) {
        let limited = self.write(move |transaction| {
            let pages = transaction.numbers(Sql::new("SELECT page_count FROM pragma_page_count()")).unwrap()[0];
            let most = more.map_or(i64::from(u32::MAX - 1), |more| pages + more);
            (transaction.batch(&format!("PRAGMA max_page_count = {most}")), Vec::new())
        });
        limited.await.unwrap();
    }

    /// Whether what was to fail has failed.
    pub fn has_failed(&self) -> bool {
        self.shared.faults.is_done()
    }
}
