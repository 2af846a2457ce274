//! `concord serve`: the server, until it is told to stop; then it finishes what is in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, PayloadConfig};
use actix_web::{App, HttpServer};

use crate::auth::Verifier;
use crate::auth::development::{self, DevelopmentIssuer};
use crate::clock::Clock;
use crate::config::Config;
use crate::describe::{capability, openapi, smart};
use crate::http::{self, Pace, Server};
use crate::interact::{Concord, seal};
use crate::telemetry::{self, Metrics};

/// How often what has been logged is sealed.
const SEAL_EVERY: Duration = Duration::from_secs(10);

/// Serves until the process is told to stop.
///
/// # Errors
/// One line, when the server cannot be started.
pub async fn run(config: Config, clock: Clock) -> Result<(), String> {
    telemetry::start(config.log_format, config.log_level).map_err(|error| error.to_string())?;
    let bound = bind(&config, clock).await?;
    development::warn(&config);
    tracing::info!(listen = %bound.address, base = config.fhir_base(), database = %config.database_url, "serving");
    bound.serve().await?;
    tracing::info!("stopped");
    Ok(())
}

/// A server that has its address. Clients can connect from now on and are answered while [`Bound::serve`] runs.
pub struct Bound {
    /// Where it listens: the port that the system chose where `listen` says 0.
    pub address: SocketAddr,
    server: actix_web::dev::Server,
    // After the server, so that what it has answered last is sealed too.
    _sealing: Sealing,
}

impl Bound {
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
    let sealing = Sealing::start(Arc::clone(&server.concord))?;
    let origins = config.cors_origins.clone();
    let limit = config.max_body_bytes;
    let mut http = HttpServer::new(move || {
        App::new()
            .app_data(server.clone())
            .app_data(PayloadConfig::new(limit))
            .wrap(cors(&origins))
            .wrap(Compress::default())
            .wrap(from_fn(http::traced))
            .configure(http::routes)
    })
    .shutdown_timeout(config.shutdown_timeout_seconds)
    .bind(config.listen)
    .map_err(|error| format!("listen: cannot listen on {}: {error}", config.listen))?;
    if let Some(workers) = config.workers {
        http = http.workers(workers);
    }
    let address = http.addrs().first().copied().unwrap_or(config.listen);
    Ok(Bound { address, server: http.run(), _sealing: sealing })
}

/// The thread that seals the audit log while the server runs, and once more when it has stopped.
struct Sealing {
    stop: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sealing {
    fn start(concord: Arc<Concord>) -> Result<Sealing, String> {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| format!("cannot start the thread that seals the log: {error}"))?;
        let thread = std::thread::Builder::new()
            .name("audit-seal".to_owned())
            .spawn(move || {
                let mut sealer = seal::Sealer::default();
                loop {
                    let waiting = stopped.recv_timeout(SEAL_EVERY);
                    let ends = !matches!(waiting, Err(std::sync::mpsc::RecvTimeoutError::Timeout));
                    if let Err(fault) = runtime.block_on(sealer.run(&concord, ends)) {
                        tracing::error!(?fault, "the audit log could not be sealed; it is tried again");
                        sealer = seal::Sealer::default();
                    }
                    if ends {
                        return;
                    }
                }
            })
            .map_err(|error| format!("cannot start the thread that seals the log: {error}"))?;
        Ok(Sealing { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Sealing {
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
    for (issuer, error) in verifier.warm(clock.now_s()).await {
        tracing::warn!(issuer, %error, "the keys of an issuer cannot be had; they are tried again when a token comes");
    }
    let now_ms = clock.now_ms();
    let concord = super::open(config, clock, metrics.clone()).await?;
    Ok(Server {
        pace: Pace::per_minute(config.requests_per_minute),
        capabilities: capability::Statement::new(&concord.base, now_ms),
        smart: smart::configuration(&config.issuers),
        concord,
        verifier: Arc::new(verifier),
        metrics: Arc::new(metrics),
        openapi: openapi::document()?,
    })
}

/// Browsers may call from the configured origins and from no others.
fn cors(origins: &[String]) -> Cors {
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
        .expose_headers(["content-location", "etag", "last-modified", "location", "x-correlation-id", "x-request-id"])
        .max_age(3600);
    for origin in origins {
        cors = if origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    cors
}
