//! The database may go away and come back: meanwhile clients are told to come again, afterwards everything goes on by
//! itself, and what was answered is there, once.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_tests::client::{Answer, App, Ask, text};
use concord_tests::cluster::{Cluster, End, until};
use concord_tests::database::Folder;
use concord_tests::people::with;
use concord_tests::process::{Process, binary, output};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

/// What clients ask for all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Search,
    History,
    Log,
    Create,
    Update,
    Transaction,
}

const KINDS: [Kind; 7] =
    [Kind::Read, Kind::Search, Kind::History, Kind::Log, Kind::Create, Kind::Update, Kind::Transaction];

/// How many clients of each kind.
const CLIENTS: usize = 3;

/// How long a client waits from request to request.
const PACE: Duration = Duration::from_millis(15);

/// How many connections the server has for what is no point read.
const CONNECTIONS: usize = 3;

fn basic(name: &str) -> Value {
    json!({"resourceType": "Basic", "code": {"text": "reading"},
        "identifier": [{"system": "http://concord.test/name", "value": name}]})
}

/// A request of a kind; those that write write this name.
fn ask(kind: Kind, app: &App, name: &str) -> Ask {
    match kind {
        Kind::Read => app.get("Basic/first"),
        Kind::Search => app.get("Basic?identifier=http://concord.test/name%7Cfirst"),
        Kind::History => app.get("Basic/first/_history"),
        Kind::Log => app.get("AuditEvent?entity=Basic/first&_count=3"),
        Kind::Create => app.post("Basic", &basic(name)),
        Kind::Update => app.put("Basic/replaced", &with(basic(name), "id", json!("replaced"))),
        Kind::Transaction => {
            let entry = |half: &str| json!({"resource": basic(&format!("{name}-{half}")), "request": {"method": "POST", "url": "Basic"}});
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry("a"), entry("b")]});
            app.post("/fhir", &bundle)
        }
    }
}

/// What a client asked for under a name, and whether it was done: if not, the database was away.
struct Answered {
    kind: Kind,
    name: String,
    done: bool,
}

fn answered(kind: Kind, name: String, answer: &Answer) -> Answered {
    let done = matches!(answer.status, 200 | 201);
    if !done {
        assert_eq!(answer.status, 503, "{kind:?}: {answer}");
        assert!(answer.header("retry-after").parse().is_ok_and(|seconds: u32| seconds > 0), "{kind:?}: {answer}");
        assert_eq!(answer.issues()[0].0, "transient", "{kind:?}: {answer}");
    }
    Answered { kind, name, done }
}

/// Clients that ask until they are stopped.
struct Load {
    told: Arc<Mutex<Vec<Answered>>>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// What is written is named after the occasion.
    fn start(app: &App, occasion: &str) -> Load {
        let (all, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let clients = KINDS
            .into_iter()
            .flat_map(|kind| (0..CLIENTS).map(move |client| (kind, client)))
            .map(|(kind, client)| {
                let (app, all, stop) = (app.clone(), Arc::clone(&all), Arc::clone(&stop));
                let occasion = occasion.to_owned();
                tokio::spawn(async move {
                    let mut pace = tokio::time::interval(PACE);
                    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        pace.tick().await;
                        let name = format!("{occasion}-{kind:?}-{client}-{number}");
                        let answer = answered(kind, name.clone(), &ask(kind, &app, &name).await);
                        all.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                    }
                })
            })
            .collect();
        Load { told: all, stop, clients }
    }

    /// Waits until every kind has been answered in this way since it was called.
    fn wait(&self, what: &str, done: bool) {
        let told = || self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let start = told().len();
        until(what, || {
            assert!(
                !self.clients.iter().any(tokio::task::JoinHandle::is_finished),
                "{what}: a client was answered badly"
            );
            let told = told();
            let since = || told.iter().skip(start).filter(|answer| answer.done == done);
            KINDS.iter().all(|kind| since().any(|answer| answer.kind == *kind))
        });
    }

    /// Stops the clients; all that they were told.
    async fn stop(self) -> Vec<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("a client that is answered well");
        }
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was answered is there once, in whole; what was not is there at most once, in whole or not at all.
async fn everything_is_there_once(app: &App, told: &[Answered]) {
    let mut stored: HashMap<String, usize> = HashMap::new();
    for entry in app.entries("Basic?_count=500").await {
        *stored.entry(text(&entry, "/resource/identifier/0/value").to_owned()).or_default() += 1;
    }
    let count = |name: &str| stored.get(name).copied().unwrap_or_default();
    let replaced: HashSet<String> = app
        .entries("Basic/replaced/_history?_count=500")
        .await
        .iter()
        .map(|entry| text(entry, "/resource/identifier/0/value").to_owned())
        .collect();
    for Answered { kind, name, done } in told {
        let found = match kind {
            Kind::Create => vec![count(name)],
            Kind::Transaction => vec![count(&format!("{name}-a")), count(&format!("{name}-b"))],
            Kind::Update => vec![usize::from(replaced.contains(name))],
            Kind::Read | Kind::Search | Kind::History | Kind::Log => continue,
        };
        let (none, once) = (found.iter().all(|count| *count == 0), found.iter().all(|count| *count == 1));
        assert!(once || (none && !done), "{name} was answered: {done}, and is there {found:?} times");
    }
}

/// It says that it is ready, as soon as a busy machine finds that out within the second that it may take.
async fn becomes_ready(app: &App) {
    let mut pace = tokio::time::interval(PACE);
    let ready = async {
        while app.get("/readyz").await.status != 200 {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("a server that is ready");
}

async fn it_goes_and_comes_back(cluster: &Cluster, app: &App, how: End) {
    let load = Load::start(app, &format!("{how:?}"));
    let step = |what: &str, done: bool| tokio::task::block_in_place(|| load.wait(&format!("{how:?}: {what}"), done));
    step("served before", true);
    tokio::task::block_in_place(|| cluster.end(how));
    step("told to come again", false);
    tokio::task::block_in_place(|| cluster.start());
    step("served after", true);
    // Whoever asks now is served, on whichever connection.
    for round in 0..2 * CONNECTIONS {
        for kind in KINDS {
            let name = format!("{how:?}-{kind:?}-after-{round}");
            let answer = ask(kind, app, &name).await;
            assert!(answered(kind, name, &answer).done, "{how:?}, {round}, {kind:?}: {answer}");
        }
    }
    let told = load.stop().await;
    becomes_ready(app).await;
    everything_is_there_once(app, &told).await;
}

/// What a database can do besides going away.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It hangs.
    Paused,
    /// Somebody holds what everybody needs.
    Locked,
    /// It follows another: nothing is written.
    ReadOnly,
    /// The standby that its commits wait for is not there.
    StandbyMissing,
    /// Others have all the connections that it gives.
    NoneLeft,
}

/// Takes every connection that a database gives, those of everybody else too.
fn all_connections(cluster: &Cluster) -> Vec<PgConnection> {
    let mut taken = vec![PgConnection::establish(&cluster.url()).expect("a session of somebody else")];
    until("somebody has all connections", || {
        taken[0]
            .batch_execute(
                "SET application_name = 'somebody'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name \
                 <> 'somebody' AND backend_type = 'client backend'",
            )
            .expect("a statement of somebody else");
        while let Ok(mut one) = PgConnection::establish(&cluster.url()) {
            one.batch_execute("SET application_name = 'somebody'").expect("a statement of somebody else");
            taken.push(one);
        }
        let all = format!("DO $$ BEGIN ASSERT current_setting('max_connections') = '{}'; END $$", taken.len());
        taken[0].batch_execute(&all).is_ok()
    });
    taken
}

/// How long a request may take in what follows, in milliseconds.
const LIMIT: &str = "5000";

/// Everybody is told to come again, within the time that a request may take and whatever they want; afterwards everything
/// goes on by itself.
async fn it_is_in_trouble(cluster: &Cluster, app: &App, trouble: Trouble) {
    let mut other = PgConnection::establish(&cluster.url()).expect("a session of somebody else");
    let mut run = |text: &str| other.batch_execute(text).expect("a statement of somebody else");
    match trouble {
        Trouble::Paused => cluster.pause(),
        Trouble::Locked => run("BEGIN; LOCK TABLE resource, entry, history, audit IN ACCESS EXCLUSIVE MODE"),
        Trouble::StandbyMissing | Trouble::NoneLeft => {}
        Trouble::ReadOnly => {
            run("ALTER SYSTEM SET default_transaction_read_only = on");
            run("SELECT pg_reload_conf()");
            until("PostgreSQL reads its settings", || {
                let mut fresh = PgConnection::establish(&cluster.url()).expect("a session of somebody else");
                fresh.batch_execute("CREATE TABLE may_not_be (one INTEGER)").is_err()
            });
        }
    }
    let taken = if let Trouble::NoneLeft = trouble { all_connections(cluster) } else { Vec::new() };
    if let Trouble::StandbyMissing = trouble {
        run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        run("SELECT pg_reload_conf()");
        until("nobody commits", || {
            let mut fresh = PgConnection::establish(&cluster.url()).expect("a session of somebody else");
            fresh
                .batch_execute("DO $$ BEGIN ASSERT current_setting('synchronous_standby_names') = 'nobody'; END $$")
                .is_ok()
        });
        // A session that was there before is told of the settings a little later than a fresh one has them.
        let mut asked = 0..1_000;
        let answer = loop {
            let number = asked.next().expect("a commit that waits for the standby");
            let answer = ask(Kind::Create, app, &format!("unknown-{number}")).await;
            if answer.status != 201 {
                break answer.expect(503);
            }
        };
        assert!(answer.text().contains("whether it has been is unknown"), "{answer}");
    }
    let asked = KINDS.map(|kind| {
        let name = format!("{trouble:?}-{kind:?}");
        let asked = ask(kind, app, &name).into_future();
        tokio::spawn(async move { answered(kind, name, &asked.await) })
    });
    let mut told = Vec::new();
    for answer in asked {
        let answer = answer.await.expect("a client that is answered well");
        assert!(!answer.done, "{trouble:?}: {:?}", answer.kind);
        told.push(answer);
    }
    assert_eq!(app.get("/readyz").await.status, 503, "{trouble:?}");
    assert_eq!(app.get("/healthz").await.status, 200, "{trouble:?}");
    match trouble {
        Trouble::Paused => cluster.resume(),
        Trouble::Locked => run("ROLLBACK"),
        Trouble::NoneLeft => drop(taken),
        Trouble::StandbyMissing => {
            run("ALTER SYSTEM RESET synchronous_standby_names");
            run("SELECT pg_reload_conf()");
        }
        Trouble::ReadOnly => {
            run("SET default_transaction_read_only = off");
            run("ALTER SYSTEM RESET default_transaction_read_only");
            run("SELECT pg_reload_conf()");
        }
    }
    let load = Load::start(app, &format!("{trouble:?}-after"));
    tokio::task::block_in_place(|| load.wait(&format!("{trouble:?}: served after"), true));
    told.extend(load.stop().await);
    becomes_ready(app).await;
    everything_is_there_once(app, &told).await;
}

#[test]
fn a_database_in_trouble_keeps_nobody_waiting() {
    // Only where there is no PostgreSQL at all.
    let Some(cluster) = Cluster::new() else { return };
    let limits = [
        ("CONCORD_READ_TIMEOUT_MS", LIMIT),
        ("CONCORD_WRITE_TIMEOUT_MS", LIMIT),
        ("CONCORD_TRANSACTION_TIMEOUT_MS", LIMIT),
    ];
    with_server(&cluster.url(), &limits, async |app| {
        for trouble in [Trouble::Paused, Trouble::Locked, Trouble::ReadOnly, Trouble::StandbyMissing, Trouble::NoneLeft]
        {
            it_is_in_trouble(&cluster, app, trouble).await;
        }
    });
}

#[test]
fn the_database_goes_and_comes_back() {
    // Only where there is no PostgreSQL at all.
    let Some(cluster) = Cluster::new() else { return };
    with_server(&cluster.url(), &[], async |app| {
        for how in [End::Fast, End::Immediate, End::Kill] {
            it_goes_and_comes_back(&cluster, app, how).await;
        }
    });
}

/// How many threads serve HTTP in what follows.
const WORKERS: usize = 2;

/// More ask than there are threads, connections and places, and none of them is answered as long as nothing is stored. Whoever
/// asks whether the server lives and can serve is answered meanwhile, whichever thread they come to.
async fn it_says_that_it_lives(app: &App, stop: impl FnOnce(), go_on: impl FnOnce()) {
    stop();
    let waiting: Vec<_> = KINDS
        .into_iter()
        .flat_map(|kind| (0..8 * WORKERS).map(move |number| (kind, format!("{kind:?}-{number}"))))
        .map(|(kind, name)| {
            let asked = ask(kind, app, &name).into_future();
            tokio::spawn(async move { answered(kind, name, &asked.await) })
        })
        .collect();
    // Each has a connection of its own, and connections go to the threads by turns.
    for _ in 0..2 {
        for _ in 0..4 * WORKERS {
            let other = App::at(app.origin());
            assert_eq!(other.get("/healthz").await.status, 200);
            assert_eq!(other.get("/metrics").await.status, 200);
        }
        // What has been begun is not done even after these.
        assert_eq!(App::at(app.origin()).get("/readyz").await.status, 503);
    }
    go_on();
    let mut told = Vec::new();
    for answer in waiting {
        told.push(answer.await.expect("a client that is answered well"));
    }
    becomes_ready(app).await;
    everything_is_there_once(app, &told).await;
}

#[test]
fn it_says_that_it_lives_while_postgres_hangs() {
    // Only where there is no PostgreSQL at all.
    let Some(cluster) = Cluster::new() else { return };
    with_server(&cluster.url(), &[("CONCORD_WORKERS", &WORKERS.to_string())], async |app| {
        it_says_that_it_lives(app, || cluster.pause(), || cluster.resume()).await;
    });
}

#[test]
fn it_says_that_it_lives_while_somebody_else_writes_to_sqlite() {
    let folder = Folder::new();
    let path = folder.path().join("concord.db").display().to_string();
    with_server(&format!("sqlite:{path}"), &[("CONCORD_WORKERS", &WORKERS.to_string())], async |app| {
        let mut other = SqliteConnection::establish(&path).expect("a connection of somebody else");
        let run =
            std::cell::RefCell::new(|text: &str| other.batch_execute(text).expect("a statement of somebody else"));
        let stop = || (run.borrow_mut())("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE");
        it_says_that_it_lives(app, stop, || (run.borrow_mut())("ROLLBACK")).await;
    });
}

/// `concord serve` as it is started, with what it says line by line.
fn started(folder: &Folder, url: &str, wait: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut command = Command::new(binary());
    command.env_clear().current_dir(folder.path()).arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).envs([
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_DATABASE_URL", url),
        ("CONCORD_DATABASE_WAIT_SECONDS", wait),
    ]);
    let mut child = command.spawn().expect("a binary that starts");
    let said = BufReader::new(child.stderr.take().expect("what it says")).lines();
    (child, said)
}

#[test]
fn a_server_that_is_there_before_its_database_waits_for_it() {
    // Only where there is no PostgreSQL at all.
    let Some(cluster) = Cluster::new() else { return };
    let folder = Folder::new();
    cluster.end(End::Fast);
    let (mut child, said) = started(&folder, &cluster.url(), "0");
    assert!(!child.wait().expect("its end").success(), "by itself it does not wait");
    let said: Vec<String> = said.map_while(Result::ok).collect();
    assert!(said.last().is_some_and(|line| line.contains("database_url: cannot open: ")), "{said:#?}");
    let (mut child, mut said) = started(&folder, &cluster.url(), "600");
    let mut says = |what: &str| said.by_ref().map_while(Result::ok).any(|line| line.contains(what));
    assert!(says("waiting for the database"));
    cluster.start();
    assert!(says("serving"));
    child.kill().expect("a process to kill");
    let _ended = child.wait();
}

/// Runs a journey over a server on a database of its own.
fn with_server(url: &str, more: &[(&str, &str)], journey: impl AsyncFnOnce(&App)) {
    let folder = Folder::new();
    let settings = [
        ("CONCORD_LISTEN", "127.0.0.1:0".to_owned()),
        ("CONCORD_PUBLIC_URL", "http://concord.test".to_owned()),
        ("CONCORD_DATABASE_URL", url.to_owned()),
        ("CONCORD_DATABASE_POOL_SIZE", CONNECTIONS.to_string()),
        ("CONCORD_DEVELOPMENT_ISSUER", "true".to_owned()),
        ("CONCORD_REQUESTS_PER_MINUTE", "0".to_owned()),
    ];
    let own = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
    let process = Process::serve(folder.path(), &settings);
    let token = output(folder.path(), &["token", "--system"], &settings);
    let app = App::at(&process.origin).with_token(token.trim());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for id in ["first", "replaced"] {
            let first = with(basic(id), "id", json!(id));
            app.store(&first).await;
        }
        journey(&app).await;
    });
    assert!(process.stop(), "it ends well when it is told to");
}
