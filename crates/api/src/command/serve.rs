//! `concord serve`: the server, until it is told to stop; then it finishes what is in flight.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::server::{Beside, answering, cannot_listen, prepare};
use crate::auth::Verifier;
use crate::auth::development;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::http::{Health, Hosts};
use crate::interact::audit::closed;
use crate::telemetry::{self, Metrics};

/// Serve the API
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Say whether the server would start, and what is odd about its settings; no data is changed and nobody is served
    #[arg(long)]
    pub check: bool,
    /// For tests of what uses Concord: a database in memory that is gone in the end, filled with these resources if they are
    /// named; its own issuer of tokens; and any free port of this machine, unless `listen` is set. A line says when it is ready
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, conflicts_with = "check")]
    pub ephemeral: Option<Option<PathBuf>>,
    /// Let others than this machine reach a server for tests, where `listen` says so too: whoever does can be anybody. For
    /// containers, whose own loopback nobody reaches
    #[arg(long, requires = "ephemeral")]
    pub anywhere: bool,
    /// The clock stands at that time, such as 2026-03-01T09:30:00Z, until a test moves it
    #[arg(long, value_name = "INSTANT", requires = "ephemeral", value_parser = fixed_clock)]
    pub at: Option<Clock>,
    /// How the server names what it stores: by ids that nobody can guess, or, so that a test can compare whole answers, by
    /// numbers that begin anew at each reset
    #[arg(long, value_enum, requires = "ephemeral", default_value_t)]
    pub ids: super::ephemeral::Ids,
}

fn fixed_clock(text: &str) -> Result<Clock, String> {
    clock::settable_text(text).map(Clock::fixed).ok_or_else(|| format!("expected {}", clock::NOT_SETTABLE))
}

/// Serves until the process is told to stop.
///
/// # Errors
/// One line, when the server cannot be started.
pub async fn run(args: &ServeArgs, config: Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    if args.check {
        return check(&config, clock, out).await;
    }
    if let Some(seed) = &args.ephemeral {
        let clock = args.at.clone().unwrap_or(clock);
        if !args.anywhere && !config.listen.ip().is_loopback() {
            return Err(
                "listen: whoever reaches an ephemeral server can be anybody, so it is reached from this machine only, \
                        unless --anywhere says so too"
                    .to_owned(),
            );
        }
        if config.listen.port() == 0 && config.has_public_url() {
            return Err(format!(
                "public_url: clients are sent to {}, and nobody can know which port leads there while any that is free is \
                 listened on: set listen too",
                config.public_url
            ));
        }
        let hosts = if args.anywhere { Hosts::Any } else { Hosts::of_this_machine(&config.public_url) };
        return super::ephemeral::run(seed.as_deref(), (args.ids, hosts), config, clock, out).await;
    }
    let _log = telemetry::start(config.log_format, config.log_level).map_err(|error| error.to_string())?;
    for remark in config.remarks() {
        tracing::warn!("{remark}");
    }
    wait_for_database(&config).await?;
    let bound = bind(&config, clock).await?;
    if config.development_issuer {
        development::warn(&config);
    }
    tracing::info!(listen = %bound.address, base = bound.base, database = %config.database_url, "serving");
    let _kept = outlive_signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    bound.serve().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Writes what a server with these settings would begin with to `out`, a line each.
///
/// # Errors
/// One line, when it would not start, or nobody could call it.
async fn check(config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    say(out, "settings: every one fits")?;
    let remarks = config.remarks();
    for remark in &remarks {
        say(out, &format!("remark: {remark}"))?;
    }
    check_database(config, clock.clone(), out).await?;
    for (setting, address) in [("listen", Some(config.listen)), ("health_listen", config.health_listen)] {
        let Some(address) = address else { continue };
        TcpListener::bind(address).map_err(|error| cannot_listen(setting, address, &error))?;
        say(out, &format!("{setting}: {address} is free"))?;
    }
    let counters = Metrics::new().map_err(|error| error.to_string())?.tokens();
    let verifier = Verifier::new(config, None, counters).map_err(|error| error.to_string())?;
    let mut without_keys = Vec::new();
    for (issuer, error) in verifier.warm(clock.now_s()).await {
        say(out, &format!("issuer: {issuer}: {error}"))?;
        without_keys.push(issuer);
    }
    match (remarks.is_empty(), without_keys.as_slice()) {
        (true, []) => say(out, "issuers: the keys of each are there"),
        (_, [first, ..]) => Err(format!("the keys of {first} cannot be had")),
        (false, []) => Ok(()),
    }
}

fn say(out: &mut impl Write, text: &str) -> Result<(), String> {
    writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"))
}

/// The part of the check that is about the database.
async fn check_database(config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let missing = concord_store::missing_migrations(&config.database_url)?;
    let database = &config.database_url;
    match missing.as_slice() {
        [] => say(out, &format!("database: {database} has the schema of this release"))?,
        [..] if config.migrate_at_start => {
            say(out, &format!("database: {database} lacks {} migrations, which the start would run", missing.len()))?;
        }
        [first, ..] => {
            return Err(format!("the database lacks migrations, {first} first: run `concord migrate`"));
        }
    }
    if missing.is_empty() {
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        let store = super::open_store(config, clock, metrics)?;
        if !store.ready().await {
            return Err("database_url: the database cannot be written".to_owned());
        }
        say(out, "database: it can be read and written")?;
        let off = store.clock_off_ms().unsigned_abs().div_ceil(1000);
        if off > config.clock_limit_seconds.into() {
            return Err(format!(
                "this machine's clock is {off} s from the database's, more than clock_limit_seconds: set it right"
            ));
        }
    }
    Ok(())
}

/// How an error begins of a database that cannot be reached.
const CANNOT_OPEN: &str = "database_url: cannot open";

/// How often a database that cannot be reached is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Waits for the database as long as the settings say, with a line that says so.
async fn wait_for_database(config: &Config) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(config.database_wait_seconds);
    let mut told = false;
    let mut pace = tokio::time::interval(TRY_EVERY);
    loop {
        pace.tick().await;
        match concord_store::missing_migrations(&config.database_url) {
            Err(error) if error.starts_with(CANNOT_OPEN) && Instant::now() < until => {
                if !std::mem::replace(&mut told, true) {
                    let seconds = config.database_wait_seconds;
                    tracing::warn!(%error, seconds, "waiting for the database");
                }
            }
            // Whoever opens it says what is wrong.
            _ => return Ok(()),
        }
    }
}

/// Takes their default action, the death of the process, from signals that mean other things elsewhere: a terminal that
/// is closed, a rotated log. There is nothing to read anew: settings hold until a restart, keys are fetched by themselves.
fn outlive_signals() -> std::io::Result<Vec<Signal>> {
    [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()].into_iter().map(signal).collect()
}

/// A server that has its address. Clients can connect from now on and are answered while [`Bound::serve`] runs.
pub struct Bound {
    /// Where it listens: the port that the system chose where `listen` says 0.
    pub address: SocketAddr,
    /// The base URL of the API.
    pub base: String,
    server: actix_web::dev::Server,
    health: Option<Health>,
    // After the server, so that what it has answered last is in the chain too.
    _beside: Beside,
}

impl Bound {
    /// Where `/healthz` and the like are answered besides.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(|health| health.address)
    }

    /// Serves until the process is told to stop, or the future is dropped.
    ///
    /// # Errors
    /// One line, when the server fails.
    pub async fn serve(self) -> Result<(), String> {
        self.server.await.map_err(|error| format!("the server failed: {error}"))
    }
}

/// Opens everything that requests need and binds the address. Logs are set up by [`run`], since a process has them once.
///
/// # Errors
/// One line, when something cannot be had.
pub async fn bind(config: &Config, clock: Clock) -> Result<Bound, String> {
    let (config, taken) = located(config)?;
    let server = Data::new(prepare(&config, clock).await?);
    let beside = Beside::start(&server, &config)?;
    // What has not been looked at yet is by the first who asks.
    if let Err(fault) = closed::look_at_all(&server.service).await {
        tracing::warn!(?fault, "audit_periods: closed periods of the log could not be looked at yet");
    }
    let health = config
        .health_listen
        .map(|listen| {
            Health::start(listen, server.clone()).map_err(|error| cannot_listen("health_listen", listen, &error))
        })
        .transpose()?;
    if let Some(health) = &health {
        tracing::info!(health = %health.address, "health, readiness and metrics are answered here too");
    }
    let (address, server) = answering(&config, server, (None, Hosts::of(&config)), taken)?;
    Ok(Bound { address, base: config.fhir_base(), server, health, _beside: beside })
}

/// The settings with the port that the system has chosen, and what holds it, where `listen` leaves it to the system: the links in
/// answers are made of it.
fn located(config: &Config) -> Result<(Config, Option<TcpListener>), String> {
    if config.listen.port() != 0 {
        return Ok((config.clone(), None));
    }
    let cannot = |error: std::io::Error| cannot_listen("listen", config.listen, &error);
    let listener = TcpListener::bind(config.listen).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((config.listening_on(address), Some(listener)))
}
