//! A server in parts: what requests need, what answers them, and what is done beside that now and then.

use std::future::ready;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use concord_store::transaction::effective_label::BacklogStep;
use socket2::{Domain, Protocol, Socket, Type};

use crate::auth::Verifier;
use crate::auth::development::DevelopmentIssuer;
use crate::clock::Clock;
use crate::config::Config;
use crate::describe::{capability, sign_in as describe_sign_in, smart};
use crate::http::{
    self, Aggregator, Answers, Bodies, CanAnswer, Harness, Hosts, KeptForms, Maintenance, Manners, Pace, Portions,
    RefusalPace, Refusals, Server, TrustedProxies,
};
use crate::interact::Service;
use crate::interact::audit::chain;
use crate::interact::audit::heads::HeadFile;
use crate::interact::maintenance::label_backlog;
use crate::sign_in::SignIn;
use crate::telemetry::Metrics;

/// How often what has been logged is added to the chain.
const CHAIN_EVERY: Duration = Duration::from_secs(10);

/// How often it is looked whether labels are left to hand on.
const LABEL_EVERY: Duration = Duration::from_secs(1);

/// How often the database is asked what time it is.
const CLOCK_EVERY: Duration = Duration::from_secs(10);

/// How far clocks may be apart before that is told, in milliseconds.
const CLOCK_TOLD_MS: u64 = 1_000;

/// How often it is looked whether the server is being worked on.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(1);

/// How often what of sign-in has expired is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How long the line and the headers of a request may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take to close a connection that is over.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How many connections the system keeps that have not been seen yet.
const WAITING: i32 = 1_024;

/// How long a connection is kept on which nothing is asked.
const IDLE: Duration = Duration::from_secs(5);

/// What runs beside the answering of requests.
pub(super) struct Beside {
    _labelling: Background,
    _clock: Background,
    _maintenance: Option<Background>,
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
            _maintenance: server.maintenance.clone().map(Background::maintenance).transpose()?,
            _tidying: server.sign_in.clone().map(Background::tidying).transpose()?,
        })
    }
}

/// Answers what comes to the address of `listen`, which may have been taken before, and asks for one of these hosts; with a harness by the
/// server that it has at the time. Where it listens, and what answers.
///
/// # Errors
/// One line, when the address cannot be had.
pub(super) fn answering(
    config: &Config,
    server: Data<Server>,
    (harness, hosts): (Option<Data<Harness>>, Hosts),
    taken: Option<TcpListener>,
) -> Result<(SocketAddr, actix_web::dev::Server), String> {
    let origins = config.cors_origins.clone();
    let still = Duration::from_secs(config.connection_timeout_seconds);
    let manners = Manners { still, given_up: server.metrics.given_up() };
    let hosts = Data::new(hosts);
    let app = move || {
        let cors = http::cors(&origins, server.clone(), harness.clone());
        app(server.clone(), hosts.clone(), harness.clone(), cors)
    };
    let failed = |error: std::io::Error| cannot_listen("listen", config.listen, &error);
    let listener = match taken {
        Some(listener) => listener,
        None => listening(config.listen).map_err(failed)?,
    };
    let address = listener.local_addr().map_err(failed)?;
    let mut builder = actix_server::Server::build().shutdown_timeout(config.shutdown_timeout_seconds);
    if let Some(workers) = config.workers {
        builder = builder.workers(workers);
    }
    let ends = builder.graceful_shutdown_signal();
    // What actix-web's own server does, with connections that are read in portions.
    let connected = move || {
        let (ends, manners) = (ends.clone(), manners.clone());
        let app = app().into_factory().map_err(|error: actix_web::Error| error.error_response());
        let requests = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ends = ends.clone();
                async move { ends.notified().await }
            })
            .keep_alive(IDLE)
            .client_request_timeout(HEAD_WITHIN)
            .client_disconnect_timeout(GONE_WITHIN)
            .local_addr(address)
            .on_connect_ext(move |connection: &Portions, extensions| {
                http::opened(connection.stream(), extensions, &manners);
            })
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(|stream: TcpStream| {
            let client = stream.peer_addr().ok();
            ready(Ok((Portions::of(stream), client)))
        })
        .and_then(requests)
    };
    let builder = builder.listen("http", listener, connected).map_err(failed)?;
    Ok((address, builder.run()))
}

/// What answers on one thread.
fn app(
    server: Data<Server>,
    hosts: Data<Hosts>,
    harness: Option<Data<Harness>>,
    cors: Cors,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    // Each thread begins with this.
    actix_web::rt::spawn(http::watch_lateness(Arc::clone(&server.metrics)));
    actix_web::rt::spawn(concord_store::hand_out_answers());
    App::new()
        .app_data(server.clone())
        .app_data(hosts)
        .wrap(cors)
        .wrap(from_fn(http::readable))
        .wrap(Compress::default())
        .wrap(from_fn(http::unpackable))
        .wrap(from_fn(http::named_so))
        .wrap(from_fn(http::traced))
        .wrap(from_fn(http::mannered))
        .configure(|config| {
            let is_ephemeral = harness.is_some();
            if let Some(harness) = harness {
                config.app_data(harness);
            }
            http::routes(config, server.sign_in.as_deref(), is_ephemeral);
        })
}

/// Listens at an address, with room for as many who have not been seen yet as actix-web has.
fn listening(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING)?;
    Ok(socket.into())
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

    /// Looks whether the server is being worked on.
    fn maintenance(maintenance: Arc<Maintenance>) -> Result<Background, String> {
        Background::start("maintenance", MAINTENANCE_EVERY, move |_, _| {
            maintenance.look();
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

/// Why nobody can be listened to, and what to do.
pub(super) fn cannot_listen(setting: &str, address: SocketAddr, error: &std::io::Error) -> String {
    let what = match error.kind() {
        ErrorKind::AddrInUse => "another program has it: stop that one, or choose another port",
        ErrorKind::AddrNotAvailable => "it is no address of this machine: choose one that is",
        ErrorKind::PermissionDenied => "this user may not: choose a port above 1023",
        _ => "choose another",
    };
    format!("{setting}: cannot listen on {address}: {error}; {what}")
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
    let aggregator = config.aggregator.as_ref();
    let aggregator = aggregator.map(|own| Aggregator::new(own, config, metrics.tokens())).transpose();
    let aggregator = aggregator.map_err(|error| error.to_string())?;
    if let Some(own) = &aggregator {
        for (issuer, error) in own.on_behalf().verifier().warm(now_ms.div_euclid(1000)).await {
            tracing::warn!(issuer, %error, "the keys of the aggregator's id tokens cannot be had; they are tried again when one comes");
        }
    }
    let sign_in = SignIn::open(config, &service, metrics.tokens()).await?;
    let smart = match &sign_in {
        Some(own) => Some(describe_sign_in::smart(&config.public_url, own.has_provider(), own.lets_register())),
        None => smart::configuration(&config.issuers),
    };
    // Of what is computed beside the threads that answer, as much at once as there are of those.
    let at_once =
        config.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get));
    Ok(Server {
        pace: Pace::per_minute(config.requests_per_minute),
        aggregator,
        maintenance: config.maintenance_file.clone().map(|file| Arc::new(Maintenance::new(file))),
        bodies: Bodies::new(
            config.max_body_bytes,
            config.max_body_bytes_together,
            Duration::from_secs(config.body_timeout_seconds),
            at_once,
        ),
        answers: Answers::new(config.max_answer_bytes, config.max_answer_bytes_together, at_once),
        refusal_pace: RefusalPace::default(),
        refusals: Arc::new(Refusals::new(metrics.refusals())),
        proxies: TrustedProxies::new(config.trusted_proxies.clone()),
        capabilities: capability::Statement::new(&service.base, now_ms),
        forms: KeptForms::default(),
        smart,
        sign_in,
        service,
        verifier: Arc::new(verifier),
        clock_limit: Duration::from_secs(config.clock_limit_seconds.into()),
        can_answer: CanAnswer::default(),
        metrics: Arc::new(metrics),
    })
}
