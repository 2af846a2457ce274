//! The subcommands of `concord`, a file each.

pub mod audit;
pub mod export;
pub mod import;
pub mod migrate;
pub mod openapi;
pub mod reindex;
pub mod serve;
pub mod token;

use std::sync::Arc;

use concord_fhir::json::Limits;

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::Concord;
use crate::store::{self, Options, Store};
use crate::telemetry::Metrics;

/// Brings the database up to date and opens it with everything that interactions need.
///
/// # Errors
/// One line, when the database cannot be opened.
pub async fn open(config: &Config, clock: Clock, metrics: Metrics) -> Result<Arc<Concord>, String> {
    store::migrate(&config.database_url)?;
    let options = Options {
        address: config.database_url.clone(),
        durability: config.durability,
        connections: usize::try_from(config.database_pool_size).unwrap_or(1),
        query_timeout: std::time::Duration::from_millis(config.query_timeout_ms),
    };
    let store = Store::open(&options, clock, metrics)?;
    let fresh = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let secret = store
        .setting("cursor-key", fresh)
        .await
        .map_err(|fault| format!("database_url: the database cannot be used: {fault:?}"))?;
    let concord = Concord::new(
        store,
        config.fhir_base(),
        Limits { bytes: config.max_body_bytes, ..Limits::default() },
        (config.default_page_size, config.max_page_size),
        config.check_references,
        config.check_nhs_numbers,
        &secret,
    );
    Ok(Arc::new(Concord { explain: config.explain, suggest_labels: config.suggest_labels, ..concord }))
}
