//! The subcommands of `concord`, a file each.

pub mod audit;
pub mod backup;
pub mod client;
mod ephemeral;
pub mod export;
pub mod health;
pub mod import;
pub mod migrate;
pub mod openapi;
pub mod package;
pub mod reindex;
pub mod serve;
pub mod server;
pub mod settings;
pub mod token;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use concord_fhir::json::Limits;
use concord_store::{Cost, DatabaseUrl, Options, Store};

use crate::clock::Clock;
use crate::config::{Config, TerminologyServerConfig};
use crate::error::ApiError;
use crate::interact::audit::heads::Key;
use crate::interact::maintenance::reindex as maintain;
use crate::interact::{AuditPeriods, Budget, ProfileChecks, Service, ServiceSettings, TimeLimits};
use crate::telemetry::Metrics;

/// Brings the database up to date and opens it with everything that interactions need.
///
/// # Errors
/// One line, when the database cannot be opened.
pub async fn open(config: &Config, clock: Clock, metrics: Metrics) -> Result<Arc<Service>, String> {
    if config.migrate_at_start {
        concord_store::migrate(&config.database_url)?;
    } else if let [first, ..] = concord_store::missing_migrations(&config.database_url)?.as_slice() {
        return Err(format!("the database lacks migrations, {first} first: run `concord migrate`"));
    }
    let store = open_store(config, clock, metrics)?;
    let fresh = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let secret = store
        .setting("cursor-key", fresh)
        .await
        .map_err(|error| format!("database_url: the database cannot be used: {error:?}"))?;
    let settings = ServiceSettings {
        limits: Limits { bytes: config.max_body_bytes, ..Limits::default() },
        answer: Budget { bytes: config.max_answer_bytes, resources: config.max_answer_resources },
        bundle_entries: config.max_bundle_entries,
        page: (config.default_page_size, config.max_page_size),
        check_references: config.check_references,
        check_nhs_numbers: config.check_nhs_numbers,
        issuers: config.registered_clients().issuers,
        unfiled: config.unfiled,
        explain: config.explain,
        profiles: ProfileChecks {
            usual: config.profile_check,
            own: config.profile_checks.clone(),
            answers: config.questionnaire_check,
            required: config.required_profiles.clone(),
            asks_elsewhere: config.write_checks_ask,
        },
        suggest_labels: config.suggest_labels,
        cost: Cost { time: query_timeout(config), steps: config.query_steps, condition: config.condition_steps },
        time: TimeLimits {
            read: Duration::from_millis(config.read_timeout_ms),
            write: Duration::from_millis(config.write_timeout_ms),
            transaction: Duration::from_millis(config.transaction_timeout_ms),
        },
        terminology_server: config.terminology_server.as_ref().map(TerminologyServerConfig::settings),
        audit_periods: audit_periods(config)?,
        slots: slots(config),
    };
    let service = Arc::new(Service::new(store, config.fhir_base(), settings, &secret));
    work_out_labels(&service).await?;
    Ok(service)
}

/// Where the files of closed periods of the log are, with the key that they must be signed with.
fn audit_periods(config: &Config) -> Result<Option<AuditPeriods>, String> {
    let Some(folder) = &config.audit_periods else { return Ok(None) };
    let public_key = Key::open(&config.audit_key)?.public();
    Ok(Some(AuditPeriods { folder: folder.clone(), public_key }))
}

fn query_timeout(config: &Config) -> Duration {
    Duration::from_millis(config.query_timeout_ms)
}

/// The store of a database that has the schema of this release.
fn open_store(config: &Config, clock: Clock, metrics: Metrics) -> Result<Store, String> {
    let options = Options {
        address: config.database_url.clone(),
        durability: config.durability,
        connections: usize::try_from(config.database_pool_size).unwrap_or(1),
        query_timeout: query_timeout(config),
        label_steps: config.label_steps,
    };
    Store::open(&options, clock, metrics)
}

/// Works out the effective labels of what an older release has stored. Nothing is answered before that is done: what is
/// not known to be protected would be shown.
async fn work_out_labels(service: &Arc<Service>) -> Result<(), String> {
    loop {
        match maintain::effective_labels(service).await {
            Ok(None) => return Ok(()),
            Ok(Some(progress)) => {
                tracing::info!(done = progress.done, total = progress.total, "effective labels are worked out");
            }
            // Another node is at the same work, or a commit's answer was lost: what is done is done.
            Err(ApiError::Busy(_) | ApiError::OutcomeUnknown(_) | ApiError::Conflict(_)) => {}
            Err(fault) => return Err(format!("database_url: the effective labels cannot be worked out: {fault}")),
        }
    }
}

/// In how many places work runs that may cost the database much: some connections, or some processors, are left for the
/// rest.
fn slots(config: &Config) -> usize {
    let usual = || match config.database_url {
        DatabaseUrl::Sqlite(_) => std::thread::available_parallelism().map_or(2, usize::from).max(2),
        DatabaseUrl::Postgres(_) => usize::try_from(config.database_pool_size).unwrap_or(1).saturating_mul(3) / 4,
    };
    config.query_slots.unwrap_or_else(usual)
}
