//! The real server, inside the test's process: its own port, its own database, and a clock that the test moves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use concord_api::auth::development::{DevelopmentIssuer, TokenRequest};
use concord_api::clock::Clock;
use concord_api::command::serve;
use concord_api::config::Config;
use tokio::sync::oneshot;

use crate::client::{App, Nodes, client};
use crate::database::{Database, Scratch};

/// The address that clients know the server by; links and `Location` start with it. It is not where the server listens.
pub const BASE: &str = "http://concord.test/fhir";

/// When every journey starts: 2026-12-01T12:00:00Z.
pub const START_MS: i64 = 1_796_126_400_000;

/// The app that is registered as one of those who keep the record.
pub const OWN_APP: &str = "phr-app";

/// The origin whose pages may call.
pub const ORIGIN: &str = "https://app.example.org";

/// How large a body may be.
pub const MAX_BODY_BYTES: usize = 1_000_000;

/// A running server with the means to call it.
pub struct Concord {
    /// Its time.
    pub clock: Clock,
    /// Its settings.
    pub config: Config,
    http: reqwest::Client,
    issuer: DevelopmentIssuer,
    address: SocketAddr,
    /// Where operators are answered besides, if a setting says so.
    pub health: Option<SocketAddr>,
    nodes: Nodes,
    /// Another node that answers every second request, and so do those of other settings have one.
    twin: Option<Box<Concord>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // After the thread, so that the database goes last.
    scratch: Arc<Scratch>,
}

/// Runs a journey on a server of its own.
///
/// # Panics
/// When the journey does.
pub fn run(database: Database, settings: &[(&str, &str)], journey: impl AsyncFnOnce(&Concord)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let concord = Concord::start(Arc::new(Scratch::ready(database)), Clock::fixed(START_MS), settings).await;
        journey(&concord).await;
    });
}

/// Runs a journey on two nodes of a server, of which each answers every second request.
///
/// # Panics
/// When the journey does.
pub fn run_on_two(database: Database, settings: &[(&str, &str)], journey: impl AsyncFnOnce(&Concord)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let scratch = Arc::new(Scratch::ready(database));
        journey(&Concord::start_as_two(scratch, Clock::fixed(START_MS), settings).await).await;
    });
}

impl Concord {
    /// Starts a server on a database, with these settings over those of all journeys.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(scratch: Arc<Scratch>, clock: Clock, settings: &[(&str, &str)]) -> Concord {
        let config = settings_of(&scratch, settings);
        let issuer = DevelopmentIssuer::open(&config).expect("a key").expect("the development issuer is on");
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (own_config, own_clock) = (config.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let bound = match serve::bind(&own_config, own_clock).await {
                    Ok(bound) => bound,
                    Err(error) => panic!("the server does not start: {error}"),
                };
                let health = bound.health_address();
                ready.send((bound.address, health)).expect("a test that waits for its server");
                tokio::select! {
                    served = bound.serve() => served.expect("a server that ends well"),
                    _ = stopped => {}
                }
            });
        });
        let (address, health) = started.await.expect("a server that starts");
        let (http, nodes) = (client(), Nodes::at(vec![format!("http://{address}")]));
        let (stop, thread) = (Some(stop), Some(thread));
        Concord { clock, config, http, issuer, address, health, nodes, twin: None, stop, thread, scratch }
    }

    /// The same as two nodes, of which each answers every second request.
    ///
    /// # Panics
    /// When one cannot be started.
    pub async fn start_as_two(scratch: Arc<Scratch>, clock: Clock, settings: &[(&str, &str)]) -> Concord {
        let twin = Concord::start(Arc::clone(&scratch), clock.clone(), settings).await;
        let mut first = Concord::start(scratch, clock, settings).await;
        first.nodes = Nodes::at(vec![first.origin(), twin.origin()]);
        first.twin = Some(Box::new(twin));
        first
    }

    /// Another server over the same database, with the same time and the same keys.
    pub async fn another_node(&self) -> Concord {
        self.another_node_with(&[]).await
    }

    /// The same with settings of its own.
    pub async fn another_node_with(&self, settings: &[(&str, &str)]) -> Concord {
        match self.twin {
            None => Concord::start(Arc::clone(&self.scratch), self.clock.clone(), settings).await,
            Some(_) => Concord::start_as_two(Arc::clone(&self.scratch), self.clock.clone(), settings).await,
        }
    }

    /// Lets the time go on by that many milliseconds.
    pub fn later(&self, milliseconds: i64) {
        self.clock.advance_ms(milliseconds);
    }

    /// The database, for another server over it.
    #[must_use]
    pub fn shared_scratch(&self) -> Arc<Scratch> {
        Arc::clone(&self.scratch)
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The database.
    #[must_use]
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Whether it runs on PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.scratch.url().starts_with("postgres")
    }

    /// Somebody without a token.
    #[must_use]
    pub fn nobody(&self) -> App {
        App::new(self.http.clone(), self.nodes.clone(), None)
    }

    /// A patient's app, that may do everything the patient may.
    #[must_use]
    pub fn patient(&self, id: &str) -> App {
        self.patient_with(id, "patient/*.cruds")
    }

    /// A patient's app with these scopes.
    #[must_use]
    pub fn patient_with(&self, id: &str, scope: &str) -> App {
        self.app(&TokenRequest { patient: Some(id.to_owned()), scope: scope.to_owned(), ..TokenRequest::default() })
    }

    /// Another user's app, `Practitioner/gp` or `RelatedPerson/yusuf`, that may do everything the user may.
    #[must_use]
    pub fn user(&self, reference: &str) -> App {
        self.user_with(reference, "user/*.cruds")
    }

    /// Another user's app with these scopes.
    #[must_use]
    pub fn user_with(&self, reference: &str, scope: &str) -> App {
        let fhir_user = Some(reference.to_owned());
        self.app(&TokenRequest { fhir_user, scope: scope.to_owned(), ..TokenRequest::default() })
    }

    /// A professional's app whose token says that they have a privileged role.
    #[must_use]
    pub fn officer(&self, reference: &str, role: &str) -> App {
        self.app(&TokenRequest {
            fhir_user: Some(reference.to_owned()),
            scope: "user/*.cruds".to_owned(),
            roles: vec![role.to_owned()],
            ..TokenRequest::default()
        })
    }

    /// A system that may do everything.
    #[must_use]
    pub fn system(&self) -> App {
        self.system_with("system/*.cruds")
    }

    /// A system with these scopes.
    #[must_use]
    pub fn system_with(&self, scope: &str) -> App {
        self.app(&TokenRequest { scope: scope.to_owned(), ..TokenRequest::default() })
    }

    /// The app that such a token is for. Without an app or a lifetime it is the app [`OWN_APP`] for a day.
    ///
    /// # Panics
    /// When there can be no such token.
    #[must_use]
    pub fn app(&self, request: &TokenRequest) -> App {
        let client_id = if request.client_id.is_empty() { OWN_APP.to_owned() } else { request.client_id.clone() };
        let lifetime_s = if request.lifetime_s == 0 { 86_400 } else { request.lifetime_s };
        let request = TokenRequest { client_id, lifetime_s, ..request.clone() };
        let token = self.issuer.mint(&request, self.clock.now_s()).expect("a token");
        App::new(self.http.clone(), self.nodes.clone(), Some(token))
    }
}

impl Drop for Concord {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A server that has failed has nobody to tell.
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

/// The registered apps and systems, with the one that journeys use where nothing else is said: unknown ones are somebody
/// else's.
fn with_own_app(clients: &str) -> String {
    let mut clients: Vec<serde_json::Value> = serde_json::from_str(clients).expect("a list of clients");
    if !clients.iter().any(|one| one["client"] == OWN_APP) {
        clients.push(serde_json::json!({"client": OWN_APP, "kind": "own"}));
    }
    serde_json::Value::Array(clients).to_string()
}

/// The settings of sign-in with a key file of this database's own.
fn with_key_file(sign_in: &str, scratch: &Scratch) -> String {
    let mut sign_in: serde_json::Value = serde_json::from_str(sign_in).expect("settings of sign-in");
    if let Some(settings) = sign_in.as_object_mut() {
        settings.insert("key_file".to_owned(), scratch.folder().join("sign-in.key").display().to_string().into());
    }
    sign_in.to_string()
}

/// The settings of every journey, and some over them.
fn settings_of(scratch: &Scratch, settings: &[(&str, &str)]) -> Config {
    let key = scratch.folder().join("development-key.pem").display().to_string();
    let body = MAX_BODY_BYTES.to_string();
    let usual = [
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_PUBLIC_URL", "http://concord.test"),
        ("CONCORD_DATABASE_URL", scratch.url()),
        ("CONCORD_DATABASE_POOL_SIZE", "4"),
        ("CONCORD_DURABILITY", "process"),
        ("CONCORD_WORKERS", "2"),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_DEVELOPMENT_KEY", &key),
        ("CONCORD_CORS_ORIGINS", ORIGIN),
        ("CONCORD_MAX_BODY_BYTES", &body),
        ("CONCORD_SHUTDOWN_TIMEOUT_SECONDS", "1"),
        // The machine may be busy with the other tests.
        ("CONCORD_QUERY_TIMEOUT_MS", "300000"),
        ("CONCORD_READ_TIMEOUT_MS", "600000"),
        ("CONCORD_WRITE_TIMEOUT_MS", "600000"),
    ];
    // Of two values for one setting the later one counts.
    let of_test = |wanted: &str| settings.iter().rfind(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let clients = with_own_app(of_test("CONCORD_CLIENTS").unwrap_or("[]"));
    let sign_in = of_test("CONCORD_SIGN_IN").map(|text| with_key_file(text, scratch)).unwrap_or_default();
    let completed = [("CONCORD_CLIENTS", clients.as_str()), ("CONCORD_SIGN_IN", sign_in.as_str())];
    Config::load(None, usual.iter().chain(settings).chain(&completed).copied())
        .unwrap_or_else(|error| panic!("{error}"))
}
