//! PostgreSQL: a few threads with a connection each, and one more that commits the audit records of many reads at once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::audit::{ONE_STATEMENT, Record};
use super::connection::{Connection, in_one_line};
use super::transaction::Transaction;
use super::{Options, Reply, Shared, guarded, stopped};
use crate::config::{DatabaseUrl, Durability};
use crate::fault::Fault;

/// How many waiting answers may share a commit.
const SHARED_COMMIT: usize = 512;

/// Reads see the database at one moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long to wait before a lost database is tried again.
const RECONNECT: Duration = Duration::from_millis(200);

type Task = Box<dyn FnOnce(&mut Connection, &Shared) + Send>;
type Append = (Vec<Record>, oneshot::Sender<Result<(), Fault>>);

pub(super) struct Postgres {
    tasks: Mutex<Sender<Task>>,
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
        let connection = open(&place)?;
        let shared = Arc::clone(shared);
        std::thread::Builder::new()
            .name("postgres-audit".to_owned())
            .spawn(move || append_loop(connection, &place, &shared, &append_receiver))
            .map_err(|error| format!("cannot start the audit thread: {error}"))?;
        Ok(Postgres { tasks: Mutex::new(tasks), appends: Mutex::new(appends) })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        self.run(move |connection, shared| in_transaction(connection, shared, SNAPSHOT, work)).await
    }

    /// A single statement costs one round trip instead of three.
    pub(super) async fn read_one<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        self.run(move |connection, shared| match alone(connection, shared, &work) {
            Some(reply) => reply,
            None => in_transaction(connection, shared, SNAPSHOT, work),
        })
        .await
    }

    /// A successful write's records are committed with it; those of a refusal are handed back.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        let logged = move |transaction: &mut Transaction<'_>| {
            let (result, records) = work(transaction);
            match result {
                Ok(value) => match transaction.append(&records) {
                    Ok(_) => (Ok(value), Vec::new()),
                    Err(fault) => (Err(fault), Vec::new()),
                },
                Err(fault) => (Err(fault), records),
            }
        };
        self.run(move |connection, shared| in_transaction(connection, shared, "BEGIN", logged)).await
    }

    pub(super) fn append(&self, records: Vec<Record>, done: oneshot::Sender<Result<(), Fault>>) -> Result<(), Fault> {
        self.appends.lock().unwrap_or_else(PoisonError::into_inner).send((records, done)).map_err(|_| stopped())
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

/// Runs work that may end with a single statement; none if it wanted more.
fn alone<T>(
    connection: &mut Connection,
    shared: &Shared,
    work: &impl Fn(&mut Transaction<'_>) -> Reply<T>,
) -> Option<Reply<T>> {
    let mut transaction = Transaction::single(connection, shared);
    let reply = guarded(work, &mut transaction);
    (!transaction.exceeded).then_some(reply)
}

fn in_transaction<T>(
    connection: &mut Connection,
    shared: &Shared,
    begin: &str,
    work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>,
) -> Reply<T> {
    if let Err(error) = connection.batch(begin) {
        return (Err(error.into()), Vec::new());
    }
    let mut transaction = Transaction::new(connection, shared);
    let (result, records) = guarded(work, &mut transaction);
    let ended = match &result {
        Ok(_) => transaction.batch("COMMIT").map(|()| transaction.committed()),
        Err(_) => transaction.batch("ROLLBACK"),
    };
    match (result, ended) {
        (Ok(_), Err(fault)) => (Err(fault), Vec::new()),
        (result, _) => (result, records),
    }
}

/// Where a connection leads, and how long its statements may take.
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
    while let Ok((mut records, done)) = appends.recv() {
        let mut waiting = vec![done];
        while waiting.len() < SHARED_COMMIT {
            let Ok((more, done)) = appends.try_recv() else { break };
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
        for done in waiting {
            let _gone = done.send(if result.is_ok() { Ok(()) } else { Err(Fault::Busy(1)) });
        }
        if connection.is_broken() {
            reopen(&mut connection, place);
        }
    }
}
