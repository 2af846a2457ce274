//! What operators ask, at an address and on a thread of its own: whatever holds the others up, it is answered.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};

use super::{Server, only, system};

/// How many connections it takes at once: those who ask are few.
const CONNECTIONS: usize = 64;

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
        .service(only(ALIVE).route(web::get().to(system::alive)).route(web::head().to(system::alive)))
        .service(only(READY).route(web::get().to(system::ready)).route(web::head().to(system::ready)))
        .service(only(METRICS).route(web::get().to(system::metrics)).route(web::head().to(system::metrics)));
}
