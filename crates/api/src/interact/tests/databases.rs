//! A service of one's own on each database. On SQLite, and on PostgreSQL where `CONCORD_TEST_POSTGRES` names a cluster.

use std::sync::Arc;
use std::time::Duration;

use concord_store::{Options, Store, migrate};

use crate::clock::Clock;
use crate::config::{DatabaseUrl, Durability};
use crate::interact::{Service, ServiceSettings};
use crate::telemetry::Metrics;

pub(crate) const BASE: &str = "https://phr.example/fhir";
pub(crate) const NOW: i64 = 1_750_000_000_000;

/// Runs the same on every database that there is.
pub(super) async fn on_each<F: Future<Output = ()>>(test: impl Fn(Arc<Service>) -> F) {
    on_each_bounded(1_000, test).await;
}

/// The same with a bound for the labels that one write may hand on.
pub(super) async fn on_each_bounded<F: Future<Output = ()>>(label_steps: usize, test: impl Fn(Arc<Service>) -> F) {
    on_each_address(|address| test(open_bounded(address, label_steps))).await;
}

/// The same with nothing in them yet.
pub(super) async fn on_each_address<F: Future<Output = ()>>(test: impl Fn(DatabaseUrl) -> F) {
    let name = uuid::Uuid::new_v4().simple().to_string();
    let folder = std::env::temp_dir().join(format!("concord-search-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    test(DatabaseUrl::Sqlite(folder.join("concord.db"))).await;
    std::fs::remove_dir_all(&folder).unwrap();
    if let Some(cluster) = cluster() {
        let database = format!("concord_search_{name}");
        let admin = DatabaseUrl::Postgres(cluster.clone());
        concord_store::testing::execute(&admin, &format!("CREATE DATABASE {database}"));
        let (address, query) = cluster.split_once('?').unwrap_or((cluster.as_str(), ""));
        let (scheme, rest) = address.split_once("://").unwrap();
        let authority = rest.split('/').next().unwrap();
        let address = DatabaseUrl::Postgres(format!("{scheme}://{authority}/{database}?{query}"));
        test(address).await;
        concord_store::testing::execute(&admin, &format!("DROP DATABASE {database} WITH (FORCE)"));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cluster comes from the script that starts it through the environment"
)]
fn cluster() -> Option<String> {
    std::env::var("CONCORD_TEST_POSTGRES").ok()
}

pub(crate) fn open(address: DatabaseUrl) -> Arc<Service> {
    open_bounded(address, 1_000)
}

/// The same with a bound for the labels that one transaction may hand on.
pub(crate) fn open_bounded(address: DatabaseUrl, label_steps: usize) -> Arc<Service> {
    open_with(address, label_steps, Clock::fixed(NOW))
}

/// The same by another clock.
pub(crate) fn open_at(address: DatabaseUrl, clock: Clock) -> Arc<Service> {
    open_with(address, 1_000, clock)
}

fn open_with(address: DatabaseUrl, label_steps: usize, clock: Clock) -> Arc<Service> {
    migrate(&address).unwrap();
    let options = Options {
        address,
        durability: Durability::Process,
        connections: 2,
        query_timeout: Duration::from_secs(30),
        label_steps,
    };
    let store = Store::open(&options, clock, Metrics::new().unwrap()).unwrap();
    Arc::new(Service::new(store, BASE.to_owned(), ServiceSettings::default(), "secret"))
}
