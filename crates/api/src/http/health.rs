//! Whether it is well, and how busy: what operators ask, also at an address and on a thread of its own, where it is answered
//! whatever holds the others up.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};

use super::{Server, only};
use crate::telemetry::Load;
use crate::terminology_server::TerminologyServer;

/// How many connections it takes at once: those who ask are few.
const CONNECTIONS: usize = 64;

/// How long it may take to find out whether the database answers.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The thread that answers; stopped when it is dropped.
pub struct Health {
    /// Where it listens: the port that the system chose where the setting says 0.
    pub address: SocketAddr,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Health {
    /// Binds the address and begins to answer.
    ///
    /// # Errors
    /// When nobody can be listened to there.
    pub fn start(listen: SocketAddr, server: Data<Server>) -> io::Result<Health> {
        let (told, bound) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("health".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let http = HttpServer::new(move || App::new().app_data(server.clone()).configure(routes))
                    .workers(1)
                    .max_connections(CONNECTIONS)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .bind(listen);
                let running = http.map(|http| {
                    let address = http.addrs().first().copied().unwrap_or(listen);
                    (address, http.run())
                });
                let running = match running {
                    Ok((address, running)) => {
                        let _waits = told.send(Ok((address, running.handle())));
                        running
                    }
                    Err(error) => {
                        let _waits = told.send(Err(error));
                        return;
                    }
                };
                if let Err(error) = running.await {
                    tracing::error!(%error, "health_listen: nobody is answered there any more");
                }
            });
        })?;
        let ended = || io::Error::other("the thread ended");
        let (address, server) = bound.recv().map_err(|_| ended())??;
        Ok(Health { address, server, thread: Some(thread) })
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        // It is told when it is called; that it is done is what the thread waits for.
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";

/// Whether that is the path of one of the routes of operators.
pub(super) fn is_here(path: &str) -> bool {
    [ALIVE, READY, METRICS].contains(&path)
}

/// Whether it lives, can serve, and how busy it is: the routes of operators, which everybody's address has too.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(only(ALIVE).route(web::get().to(alive)).route(web::head().to(alive)))
        .service(only(READY).route(web::get().to(ready)).route(web::head().to(ready)))
        .service(only(METRICS).route(web::get().to(metrics)).route(web::head().to(metrics)));
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", tag = "operations", operation_id = "alive", security(()),
    responses((status = 200, description = "It is", content_type = "text/plain")))]
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether the server can answer: its database can be read and written, its log too, tokens can be checked, and its clock is right
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "ready", security(()),
    responses((status = 200, description = "It can", content_type = "text/plain"),
        (status = 503, description = "The database does not answer, cannot be written or has been migrated by a newer release, no \
            issuer's keys can be had, or the machine's clock is too far off")))]
pub async fn ready(server: Data<Server>) -> HttpResponse {
    let missing = missing(&server).await;
    let status = missing.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    let text = format!("{}\n", missing.unwrap_or("ready"));
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

/// Why the server cannot answer, if it cannot.
pub(super) async fn missing(server: &Server) -> Option<&'static str> {
    let store = &server.service.store;
    let has_keys = server.verifier.has_keys(store.now_ms().div_euclid(1000));
    let ready = tokio::time::timeout(READY_WITHIN, store.ready()).await;
    if !ready.is_ok_and(|ready| ready) {
        Some(
            "the database does not answer, or cannot be written, or a standby that its commits wait for is missing, or a newer \
             release has migrated it",
        )
    } else if !has_keys {
        Some("no issuer's keys can be had, so no token can be checked")
    } else if u128::from(store.clock_off_ms().unsigned_abs()) > server.clock_limit.as_millis() {
        Some("this machine's clock is too far from the database's: set it right")
    } else {
        None
    }
}

/// Metrics in Prometheus' text form
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics", security(()),
    responses((status = 200, description = "The metrics", content_type = "text/plain")))]
pub async fn metrics(server: Data<Server>) -> HttpResponse {
    let (places_busy, places_waiting) = server.service.slots.busy_and_waiting();
    let store = &server.service.store;
    let load = Load {
        database_waiting: store.waiting(),
        connections: store.connections(),
        places_busy,
        places_waiting,
        clock_off_ms: store.clock_off_ms(),
        unsealed: server.service.unsealed.load(Ordering::Relaxed),
        key_failures: server.verifier.key_failures(),
        decisions: server.service.decisions.counted(),
        terminology: server.service.terminology_server.as_ref().map(TerminologyServer::asked),
    };
    match server.metrics.render(load) {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
