//! `concord serve`: the server, until it is told to stop; then it finishes what is in flight.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_cors::Cors;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use clap::Args;
use concord_store::transaction::effective_label::BacklogStep;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::auth::Verifier;
use crate::auth::development::{self, DevelopmentIssuer};
use crate::clock::Clock;
use crate::config::Config;
use crate::describe::{capability, openapi, sign_in as describe_sign_in, smart};
use crate::http::{self, Answers, Bodies, Harness, Health, Manners, Pace, Refusals, Server};
use crate::interact::Service;
use crate::interact::audit::chain;
use crate::interact::audit::heads::HeadFile;
use crate::interact::maintenance::label_backlog;
use crate::sign_in::SignIn;
use crate::telemetry::{self, Metrics};

/// How often what has been logged is added to the chain.
const CHAIN_EVERY: Duration = Duration::from_secs(10);

/// How often it is looked whether labels are left to hand on.
const LABEL_EVERY: Duration = Duration::from_secs(1);

/// How often the database is asked what time it is.
const CLOCK_EVERY: Duration = Duration::from_secs(10);

/// How far clocks may be apart before that is told, in milliseconds.
const CLOCK_TOLD_MS: u64 = 1_000;

/// How often what of sign-in has expired is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How long the line and the headers of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take to close a connection that is over.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection is kept on which nothing is asked.
const IDLE: Duration = Duration::from_secs(5);

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
    /// The clock stands at that time, such as 2026-03-01T09:30:00Z, until a test moves it
    #[arg(long, value_name = "INSTANT", requires = "ephemeral", value_parser = standing)]
    pub at: Option<Clock>,
}

fn standing(text: &str) -> Result<Clock, String> {
    let at = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| "expected a time such as 2026-03-01T09:30:00Z")?;
    Ok(Clock::fixed(at.timestamp_millis()))
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
        return super::ephemeral::run(seed.as_deref(), config, clock, out).await;
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
    tracing::info!(listen = %bound.address, base = config.fhir_base(), database = %config.database_url, "serving");
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

/// Why nobody can be listened to, and what to do.
fn cannot_listen(setting: &str, address: SocketAddr, error: &std::io::Error) -> String {
    let what = match error.kind() {
        ErrorKind::AddrInUse => "another program has it: stop that one, or choose another port",
        ErrorKind::AddrNotAvailable => "it is no address of this machine: choose one that is",
        ErrorKind::PermissionDenied => "this user may not: choose a port above 1023",
        _ => "choose another",
    };
    format!("{setting}: cannot listen on {address}: {error}; {what}")
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
    server: actix_web::dev::Server,
    health: Option<Health>,
    // After the server, so that what it has answered last is in the chain too.
    _beside: Beside,
}

/// What runs beside the answering of requests.
pub(super) struct Beside {
    _labelling: Background,
    _clock: Background,
    _tidying: Option<Background>,
    _chaining: Background,
}

impl Beside {
    /// Starts all of it.
    ///
    /// # Errors
    /// One line, when a thread cannot be started or the heads of the chain cannot be kept.
    pub(super) fn start(server: &Server, config: &Config) -> Result<Beside, String> {
        let heads = match &config.audit_heads {
            Some(path) => Some(HeadFile::open(path, &config.audit_key)?),
            None => None,
        };
        let service = || Arc::clone(&server.service);
        Ok(Beside {
            _chaining: Background::chaining(service(), Arc::clone(&server.refusals), heads)?,
            _labelling: Background::labelling(service())?,
            _clock: Background::clock(service())?,
            _tidying: server.sign_in.clone().map(Background::tidying).transpose()?,
        })
    }
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
    let server = Data::new(prepare(config, clock).await?);
    let beside = Beside::start(&server, config)?;
    let health = config
        .health_listen
        .map(|listen| {
            Health::start(listen, server.clone()).map_err(|error| cannot_listen("health_listen", listen, &error))
        })
        .transpose()?;
    if let Some(health) = &health {
        tracing::info!(health = %health.address, "health, readiness and metrics are answered here too");
    }
    let (address, server) = answering(config, server, None, None)?;
    Ok(Bound { address, server, health, _beside: beside })
}

/// Answers what comes to the address of `listen`, which may have been taken before; with a harness by the server that it has at
/// the time. Where it listens, and what answers.
///
/// # Errors
/// One line, when the address cannot be had.
pub(super) fn answering(
    config: &Config,
    server: Data<Server>,
    harness: Option<Data<Harness>>,
    taken: Option<TcpListener>,
) -> Result<(SocketAddr, actix_web::dev::Server), String> {
    let origins = config.cors_origins.clone();
    let still = Duration::from_secs(config.connection_timeout_seconds);
    let manners = Manners { still, given_up: server.metrics.given_up() };
    let mut http = HttpServer::new(move || {
        let ephemeral = harness.clone();
        App::new()
            .app_data(server.clone())
            .wrap(cors(&origins, server.sign_in.clone()))
            .wrap(Compress::default())
            .wrap(from_fn(http::traced))
            .wrap(from_fn(http::mannered))
            .configure(|config| {
                let is_ephemeral = ephemeral.is_some();
                if let Some(harness) = ephemeral {
                    config.app_data(harness);
                }
                http::routes(config, server.sign_in.as_deref(), is_ephemeral);
            })
    })
    .on_connect(move |socket, extensions| http::opened(socket, extensions, &manners))
    .client_request_timeout(HEAD_WITHIN)
    .client_disconnect_timeout(GONE_WITHIN)
    .keep_alive(IDLE)
    .shutdown_timeout(config.shutdown_timeout_seconds);
    http = match taken {
        Some(listener) => http.listen(listener),
        None => http.bind(config.listen),
    }
    .map_err(|error| cannot_listen("listen", config.listen, &error))?;
    if let Some(workers) = config.workers {
        http = http.workers(workers);
    }
    Ok((http.addrs().first().copied().unwrap_or(config.listen), http.run()))
}

/// Something that a thread of its own does now and then while the server runs, and once more when it has stopped.
struct Background {
    stop: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Background {
    /// `work` is told whether this is the last time, and says whether it has more to do at once.
    fn start(
        name: &str,
        every: Duration,
        mut work: impl FnMut(&tokio::runtime::Runtime, bool) -> bool + Send + 'static,
    ) -> Result<Background, String> {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let failed = |error: std::io::Error| format!("cannot start the thread {name}: {error}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut at_once = false;
                loop {
                    let waiting = stopped.recv_timeout(if at_once { Duration::ZERO } else { every });
                    let ends = !matches!(waiting, Err(std::sync::mpsc::RecvTimeoutError::Timeout));
                    at_once = work(&runtime, ends);
                    if ends {
                        return;
                    }
                }
            })
            .map_err(failed)?;
        Ok(Background { stop: Some(stop), thread: Some(thread) })
    }

    /// Tells the audit log how many calls were refused, adds to its chain, and keeps the head of that elsewhere.
    fn chaining(
        service: Arc<Service>,
        refusals: Arc<Refusals>,
        mut heads: Option<HeadFile>,
    ) -> Result<Background, String> {
        let mut writer = chain::ChainWriter::default();
        Background::start("audit-chain", CHAIN_EVERY, move |runtime, ends| {
            if let Err(fault) = runtime.block_on(refusals.write(&service, ends)) {
                tracing::error!(?fault, "the number of refused calls could not be logged; it is tried again");
            }
            if let Err(fault) = runtime.block_on(writer.run(&service, ends)) {
                tracing::error!(?fault, "the audit log could not be added to its chain; it is tried again");
                writer = chain::ChainWriter::default();
            }
            if let Some(heads) = &mut heads
                && let Err(error) = runtime.block_on(heads.keep(&service, ends))
            {
                tracing::error!(%error, "the head of the audit log's chain could not be kept; it is tried again");
            }
            false
        })
    }

    /// Asks the database what time it is, and tells when this machine's clock is off.
    fn clock(service: Arc<Service>) -> Result<Background, String> {
        let mut told = tell_clock(&service, false);
        Background::start("clock", CLOCK_EVERY, move |runtime, ends| {
            // Where the database does not answer that is told elsewhere.
            if !ends && runtime.block_on(service.store.ask_time()).is_ok() {
                told = tell_clock(&service, told);
            }
            false
        })
    }

    /// Forgets what of sign-in has expired, and makes new signing keys.
    fn tidying(sign_in: Arc<SignIn>) -> Result<Background, String> {
        Background::start("sign-in", TIDY_EVERY, move |runtime, ends| {
            if !ends && let Err(fault) = runtime.block_on(sign_in.tidy()) {
                tracing::warn!(%fault, "sign-in could not be tidied; it is tried again");
            }
            false
        })
    }

    /// Hands on the labels that were more than one write may.
    fn labelling(service: Arc<Service>) -> Result<Background, String> {
        Background::start("label-backlog", LABEL_EVERY, move |runtime, ends| {
            // What is left when the server stops is stored, and the next one's.
            if ends {
                return false;
            }
            match runtime.block_on(label_backlog::step(&service)) {
                Ok(step) => matches!(step, BacklogStep::Done(_)),
                Err(fault) => {
                    tracing::warn!(?fault, "labels could not be handed on; it is tried again");
                    false
                }
            }
        })
    }
}

/// Logs that this machine's clock is off, or is right again; whether it is off.
fn tell_clock(service: &Service, told: bool) -> bool {
    let off_ms = service.store.clock_off_ms();
    let off = off_ms.unsigned_abs() > CLOCK_TOLD_MS;
    match (told, off) {
        (false, true) => tracing::warn!(ahead_ms = off_ms, "this machine's clock is not the database's: set it right"),
        (true, false) => tracing::info!("this machine's clock is the database's again"),
        _ => {}
    }
    off
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it has been told already.
            let _ended = thread.join();
        }
    }
}

/// Everything that requests need, with the database brought up to date.
///
/// # Errors
/// One line, when something cannot be had.
pub async fn prepare(config: &Config, clock: Clock) -> Result<Server, String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let development = DevelopmentIssuer::open(config).map_err(|error| error.to_string())?;
    let verifier = Verifier::new(config, development.as_ref(), metrics.tokens()).map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics.clone()).await?;
    // How old keys are is told by the time that tokens are checked by, which is the database's.
    let now_ms = service.store.now_ms();
    for (issuer, error) in verifier.warm(now_ms.div_euclid(1000)).await {
        tracing::warn!(issuer, %error, "the keys of an issuer cannot be had; they are tried again when a token comes");
    }
    let sign_in = SignIn::open(config, &service, metrics.tokens()).await?;
    let smart = match &sign_in {
        Some(own) => Some(describe_sign_in::smart(&config.public_url, own.has_provider())),
        None => smart::configuration(&config.issuers),
    };
    Ok(Server {
        pace: Pace::per_minute(config.requests_per_minute),
        bodies: Bodies::new(
            config.max_body_bytes,
            config.max_body_bytes_together,
            Duration::from_secs(config.body_timeout_seconds),
            config.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get)),
        ),
        answers: Answers::new(config.max_answer_bytes, config.max_answer_bytes_together),
        refusals: Arc::new(Refusals::new(metrics.refusals())),
        capabilities: capability::Statement::new(&service.base, now_ms),
        smart,
        sign_in,
        service,
        verifier: Arc::new(verifier),
        clock_limit: Duration::from_secs(config.clock_limit_seconds.into()),
        metrics: Arc::new(metrics),
        openapi: openapi::document()?,
    })
}

/// Browsers may call from the configured origins, from those of registered clients, and from no others.
fn cors(origins: &[String], sign_in: Option<Arc<SignIn>>) -> Cors {
    let mut cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        .allowed_headers([
            "accept",
            "authorization",
            "content-type",
            "if-match",
            "if-modified-since",
            "if-none-exist",
            "if-none-match",
            "prefer",
            "x-correlation-id",
            "x-provenance",
            "x-purpose-of-use",
            "x-purpose-reason",
            "x-request-id",
        ])
        .expose_headers([
            "content-location",
            "etag",
            "last-modified",
            "link",
            "location",
            "warning",
            "x-correlation-id",
            "x-request-id",
        ])
        .max_age(3600);
    if let Some(sign_in) = sign_in {
        cors =
            cors.allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| sign_in.knows_origin(origin)));
    }
    for origin in origins {
        cors = if origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    cors
}
