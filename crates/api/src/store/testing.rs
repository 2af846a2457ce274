//! Databases for the tests of the store: each test gets its own, on both kinds.

use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;

use super::{Options, Store, migrate};
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Durability};
use crate::telemetry::Metrics;

/// The time of the tests, in milliseconds since 1970 UTC.
pub(crate) const NOW: i64 = 1_772_366_400_000;

/// A database that nobody else uses; gone when it is dropped.
pub(crate) struct Scratch {
    pub(crate) address: DatabaseUrl,
    folder: Option<PathBuf>,
    drop: Option<(String, String)>,
}

impl Scratch {
    /// An empty SQLite file and an empty PostgreSQL database.
    pub(crate) fn both() -> [Scratch; 2] {
        [Scratch::sqlite(), Scratch::postgres()]
    }

    fn sqlite() -> Scratch {
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
    pub(crate) fn store(&self) -> Store {
        self.store_with(Duration::from_secs(30))
    }

    /// The same, with a clock that stands at another time.
    pub(crate) fn store_at(&self, now_ms: i64) -> Store {
        self.store_of(Duration::from_secs(30), now_ms)
    }

    /// The same, with another time limit for searches.
    pub(crate) fn store_with(&self, query_timeout: Duration) -> Store {
        self.store_of(query_timeout, NOW)
    }

    fn store_of(&self, query_timeout: Duration, now_ms: i64) -> Store {
        migrate(&self.address).unwrap();
        let options =
            Options { address: self.address.clone(), durability: Durability::Process, connections: 2, query_timeout };
        Store::open(&options, Clock::fixed(now_ms), Metrics::new().unwrap()).unwrap()
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
