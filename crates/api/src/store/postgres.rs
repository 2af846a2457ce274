//! PostgreSQL: a few threads with a connection each, one more that looks up what point reads ask for, and one that commits
//! the audit records of many reads at once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use concord_fhir::registry::ResourceType;
use tokio::sync::oneshot;

use super::audit::{ONE_STATEMENT, Record};
use super::connection::{Connection, in_one_line};
use super::points::{Look, Looked, Point, Work, look_loop};
use super::transaction::Transaction;
use super::{Options, Reply, Shared, gathered, guarded, stopped};
use crate::config::{DatabaseUrl, Durability};
use crate::fault::Fault;

/// How many waiting answers may share a commit.
const SHARED_COMMIT: usize = 512;

/// Reads see the database at one moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How often a change is tried that other writers come before.
const MOST_TRIES: u32 = 5;

/// How long to wait before a lost database is tried again.
const RECONNECT: Duration = Duration::from_millis(200);

type Task = Box<dyn FnOnce(&mut Connection, &Shared) + Send>;
pub(super) type Append = (Vec<Record>, Waiting);

/// Who waits for audit records to be durable.
pub(super) enum Waiting {
    Append(oneshot::Sender<Result<(), Fault>>),
    Looks(Vec<Box<dyn Look>>),
}

impl Waiting {
    pub(super) fn tell(self, logged: bool) {
        let result = || if logged { Ok(()) } else { Err(Fault::Busy(1)) };
        match self {
            Waiting::Append(done) => {
                let _gone = done.send(result());
            }
            Waiting::Looks(looks) => looks.into_iter().for_each(|look| look.answer(result())),
        }
    }
}

pub(super) struct Postgres {
    tasks: Mutex<Sender<Task>>,
    points: Mutex<Sender<Point>>,
    appends: Mutex<Sender<Append>>,
}

impl Postgres {
    pub(super) fn open(options: &Options, shared: &Arc<Shared>) -> Result<Postgres, String> {
        let (tasks, task_receiver) = channel::<Task>();
        let task_receiver = Arc::new(Mutex::new(task_receiver));
        for number in 0..options.connections.max(1) {
            let place = Place { address: options.address.clone(), limit: options.query_timeout };
            let connection = open(&place)?;
            let (shared, receiver) = (Arc::clone(shared), Arc::clone(&task_receiver));
            std::thread::Builder::new()
                .name(format!("postgres-{number}"))
                .spawn(move || task_loop(connection, &place, &shared, &receiver))
                .map_err(|error| format!("cannot start a database thread: {error}"))?;
        }
        let (appends, append_receiver) = channel::<Append>();
        let place = Place { address: options.address.clone(), limit: options.query_timeout };
        let (connection, own, at) = (open(&place)?, Arc::clone(shared), place.clone());
        std::thread::Builder::new()
            .name("postgres-audit".to_owned())
            .spawn(move || append_loop(connection, &at, &own, &append_receiver))
            .map_err(|error| format!("cannot start the audit thread: {error}"))?;
        let (points, point_receiver) = channel::<Point>();
        let (connection, own, logged) = (open(&place)?, Arc::clone(shared), appends.clone());
        std::thread::Builder::new()
            .name("postgres-points".to_owned())
            .spawn(move || look_loop(connection, &own, &point_receiver, &logged, |lost| reopen(lost, &place)))
            .map_err(|error| format!("cannot start a database thread: {error}"))?;
        Ok(Postgres { tasks: Mutex::new(tasks), points: Mutex::new(points), appends: Mutex::new(appends) })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        self.run(move |connection, shared| in_transaction(connection, shared, SNAPSHOT, work)).await
    }

    /// A read of one current version, together with others; the work is handed back if it takes more than that.
    pub(super) async fn read_head<T, F>(
        &self,
        resource_type: ResourceType,
        id: String,
        work: F,
    ) -> Result<Result<T, Fault>, F>
    where
        T: Send + 'static,
        F: Fn(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    {
        let (reply, wait) = oneshot::channel();
        let point = Point { resource_type, id, work: Box::new(Work { work, result: None, reply }) };
        if self.points.lock().unwrap_or_else(PoisonError::into_inner).send(point).is_err() {
            return Ok(Err(stopped()));
        }
        match wait.await {
            Ok(Looked::Answered(result)) => Ok(result),
            Ok(Looked::Needs(work)) => Err(work),
            Err(_) => Ok(Err(stopped())),
        }
    }

    /// A successful write's records are committed with it; those of a refusal are handed back.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        let logged = move |transaction: &mut Transaction<'_>| logged(work(transaction), transaction);
        self.run(move |connection, shared| in_transaction(connection, shared, "BEGIN", logged)).await
    }

    /// The same, done again when another writer came between. The one who has to come first has done so by then: whoever
    /// was stopped holds nothing any more.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        let logged = move |transaction: &mut Transaction<'_>| logged(work(transaction), transaction);
        self.run(move |connection, shared| {
            let mut tries = 0;
            loop {
                let (reply, overtaken) = attempt(connection, shared, "BEGIN", &logged);
                tries += 1;
                if !overtaken || tries == MOST_TRIES {
                    return reply;
                }
            }
        })
        .await
    }

    pub(super) fn append(&self, records: Vec<Record>, done: oneshot::Sender<Result<(), Fault>>) -> Result<(), Fault> {
        self.appends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send((records, Waiting::Append(done)))
            .map_err(|_| stopped())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Shared) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        let (reply, wait) = oneshot::channel();
        let task: Task = Box::new(move |connection, shared| {
            let _gone = reply.send(work(connection, shared));
        });
        if self.tasks.lock().unwrap_or_else(PoisonError::into_inner).send(task).is_err() {
            return (Err(stopped()), Vec::new());
        }
        wait.await.unwrap_or_else(|_| (Err(stopped()), Vec::new()))
    }
}

/// What a write leaves: the records of a success are stored with it.
fn logged<T>((result, records): Reply<T>, transaction: &mut Transaction<'_>) -> Reply<T> {
    match result {
        Ok(value) => (transaction.append(&records).map(|_| value), Vec::new()),
        Err(fault) => (Err(fault), records),
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    shared: &Shared,
    begin: &str,
    work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>,
) -> Reply<T> {
    attempt(connection, shared, begin, work).0
}

/// The same, and whether it failed because of another writer.
fn attempt<T>(
    connection: &mut Connection,
    shared: &Shared,
    begin: &str,
    work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>,
) -> (Reply<T>, bool) {
    if let Err(error) = connection.batch(begin) {
        return ((Err(error.into()), Vec::new()), false);
    }
    let mut transaction = Transaction::new(connection, shared);
    let (result, records) = guarded(work, &mut transaction);
    let ended = match &result {
        Ok(_) => transaction.batch("COMMIT").map(|()| transaction.committed()),
        Err(_) => transaction.batch("ROLLBACK"),
    };
    let overtaken = transaction.overtaken && result.is_err() && ended.is_ok();
    let reply = match (result, ended) {
        (Ok(_), Err(fault)) => (Err(fault), Vec::new()),
        (result, _) => (result, records),
    };
    (reply, overtaken)
}

/// Where a connection leads, and how long its statements may take.
#[derive(Clone)]
struct Place {
    address: DatabaseUrl,
    limit: Duration,
}

fn open(place: &Place) -> Result<Connection, String> {
    Connection::open_limited(&place.address, Durability::Full, place.limit)
        .map_err(|error| format!("database_url: cannot connect to PostgreSQL: {}", in_one_line(&error)))
}

fn task_loop(mut connection: Connection, place: &Place, shared: &Shared, tasks: &Mutex<Receiver<Task>>) {
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        task(&mut connection, shared);
        if connection.is_broken() {
            reopen(&mut connection, place);
        }
    }
}

/// Replaces a broken connection, or leaves it: the next request then finds it broken and is told to come again.
fn reopen(connection: &mut Connection, place: &Place) {
    match open(place) {
        Ok(fresh) => *connection = fresh,
        Err(error) => {
            tracing::error!(%error, "the database is lost");
            std::thread::sleep(RECONNECT);
        }
    }
}

fn append_loop(mut connection: Connection, place: &Place, shared: &Shared, appends: &Receiver<Append>) {
    while let Ok(first) = appends.recv() {
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for (more, done) in gathered(first, appends, SHARED_COMMIT) {
            records.extend(more);
            waiting.push(done);
        }
        let result = if records.len() <= ONE_STATEMENT {
            Transaction::single(&mut connection, shared).append(&records)
        } else {
            in_transaction(&mut connection, shared, "BEGIN", |transaction| (transaction.append(&records), Vec::new())).0
        };
        if let Err(fault) = &result {
            tracing::error!(?fault, "the audit log could not be written");
        }
        waiting.into_iter().for_each(|done| done.tell(result.is_ok()));
        if connection.is_broken() {
            reopen(&mut connection, place);
        }
    }
}
