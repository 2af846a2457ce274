//! PostgreSQL: a few connections, and threads that have them in turn, of which those that do what may take long give way; one
//! more that looks up what point reads ask for, and two that commit the audit records of many reads at once, each while the other
//! waits for the disk.

mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use concord_fhir::registry::ResourceType;

use crate::apart::asking_who_waits;
use crate::apart::give_way;
use crate::audit::{ONE_STATEMENT, Record};
use crate::batched_reads::{Append, PointReadOutcome, Waiting, WaitingRead, Work, read_batches};
use crate::connection::Connection;
use crate::error::{StoreError, WorkError};
use crate::fair_queue::Asker;
use crate::line::{Line, Pool};
use crate::shared_queue::{SharedQueue, Worker};
use crate::slot::{Endpoint, Slot};
use crate::transaction::Transaction;
use crate::{Extent, Options, Reply, Shared, guarded, reply, stopped};
use tasks::{Kind, Pace, Tasks, Turn};

/// How many waiting answers may share a commit.
const SHARED_COMMIT: usize = 512;

/// How many commits of audit records are under way at a time: one alone makes those who come wait for its end as well as for
/// the end of their own, which is long where others' writes keep the disk busy.
const COMMITS_AT_A_TIME: usize = 2;

/// Connections besides those that searches and writes share.
const OWN_CONNECTIONS: usize = COMMITS_AT_A_TIME + 1;

/// Reads see the database at one moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How often a change is tried that other writers come before.
const MOST_TRIES: u32 = 5;

/// Says when it is dropped that nobody waits for the answer any more.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Task = Box<dyn FnOnce(&mut Slot, &Shared) + Send>;

pub(crate) struct Postgres {
    tasks: Arc<Tasks<Slot, Task>>,
    /// The writes that wait among them.
    line: Line,
    /// The other reads, which no write keeps out.
    pub(crate) searches: Line,
    /// The point reads, which wait elsewhere.
    pub(crate) reads: Line,
    /// The audit records of what was done elsewhere.
    pub(crate) appended: Line,
    /// What they wait for.
    pub(crate) pool: Arc<Pool>,
    points: Arc<SharedQueue<WaitingRead>>,
    appends: Arc<SharedQueue<Append>>,
}

impl Postgres {
    pub(crate) fn open(options: &Options, shared: &Arc<Shared>) -> Result<Postgres, String> {
        let connections = options.connections.max(1);
        let place = Endpoint::new(options.address.clone(), options.query_timeout, Arc::clone(&shared.time));
        #[cfg(any(test, feature = "testing"))]
        let place = place.failing(&shared.faults);
        let mut slots = Slot::open_apart(&place, connections + OWN_CONNECTIONS)?;
        let tasks = Arc::new(Tasks::new(slots.split_off(OWN_CONNECTIONS)));
        // What runs on these is always the same, for as many as wait.
        let mut next = || slots.pop().ok_or_else(|| "too few connections were opened".to_owned())?.planning_once();
        for (name, pace) in [("postgres", Pace::Prompt), ("postgres-long", Pace::GivingWay)] {
            for number in 0..connections {
                let (shared, tasks) = (Arc::clone(shared), Arc::clone(&tasks));
                std::thread::Builder::new()
                    .name(format!("{name}-{number}"))
                    .spawn(move || task_loop(pace, &shared, &tasks))
                    .map_err(|error| format!("cannot start a database thread: {error}"))?;
            }
        }
        let appends = SharedQueue::<Append>::new();
        for number in 0..COMMITS_AT_A_TIME {
            let (slot, own, worker) = (next()?, Arc::clone(shared), appends.worker());
            std::thread::Builder::new()
                .name(format!("postgres-log-{number}"))
                .spawn(move || append_loop(slot, &own, &worker))
                .map_err(|error| format!("cannot start the audit thread: {error}"))?;
        }
        let points = SharedQueue::<WaitingRead>::new();
        let (slot, own, worker, logged) = (next()?, Arc::clone(shared), points.worker(), Arc::clone(&appends));
        std::thread::Builder::new()
            .name("postgres-points".to_owned())
            .spawn(move || read_batches(slot, &own, &worker, &logged))
            .map_err(|error| format!("cannot start a database thread: {error}"))?;
        Ok(Postgres {
            tasks,
            line: Line::default(),
            searches: Line::default(),
            reads: Line::of_reads(),
            appended: Line::of_reads(),
            pool: place.pool(),
            points,
            appends,
        })
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        [&self.line, &self.searches, &self.reads, &self.appended].into_iter().map(Line::length).sum()
    }

    pub(crate) async fn read<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        extent: Extent,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Reply<T, E> {
        let read = |connection: &mut Connection, shared: &Shared, gone: &AtomicBool| {
            attempt(connection, shared, SNAPSHOT, gone, work).0
        };
        let kind = if extent == Extent::Little { Kind::Read } else { Kind::Long };
        self.run(kind, asker, read).await
    }

    /// A read of one current version, together with others; the work is handed back if it takes more than that.
    pub(crate) async fn read_head<T, E, F>(
        &self,
        asker: Asker,
        resource_type: ResourceType,
        id: String,
        work: F,
    ) -> Result<Result<T, E>, F>
    where
        T: Send + 'static,
        E: WorkError,
        F: Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    {
        let waits = match self.reads.enter_of(asker) {
            Ok(waits) => waits,
            Err(busy) => return Ok(Err(busy.into())),
        };
        let (reply, wait) = reply::channel();
        let point = WaitingRead { resource_type, id, work: Box::new(Work { work, result: None, reply }), waits };
        if self.points.add(asker, point).is_err() {
            return Ok(Err(stopped().into()));
        }
        match wait.await {
            Ok(PointReadOutcome::Answered(result)) => Ok(result),
            Ok(PointReadOutcome::Needs(work)) => Err(work),
            Err(_) => Ok(Err(stopped().into())),
        }
    }

    /// A successful write's records are committed with it; those of a refusal are handed back.
    pub(crate) async fn write<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Reply<T, E> {
        let logged = move |transaction: &mut Transaction<'_>| logged(work(transaction), transaction);
        self.run(Kind::Write, asker, move |connection, shared, gone| {
            attempt(connection, shared, "BEGIN", gone, logged).0
        })
        .await
    }

    /// The same, done again when another writer came between. The one who has to come first has done so by then: whoever
    /// was stopped holds nothing any more.
    pub(crate) async fn change<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Reply<T, E> {
        let logged = move |transaction: &mut Transaction<'_>| logged(work(transaction), transaction);
        self.run(Kind::Write, asker, move |connection, shared, gone| {
            let mut tries = 0;
            loop {
                let (reply, overtaken) = attempt(connection, shared, "BEGIN", gone, &logged);
                tries += 1;
                if !overtaken || tries == MOST_TRIES || gone.load(Ordering::Relaxed) {
                    return reply;
                }
            }
        })
        .await
    }

    pub(crate) fn append(
        &self,
        asker: Asker,
        records: Vec<Record>,
        done: reply::Sender<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let waits = self.appended.enter_of(asker)?;
        self.appends.add(asker, (records, Waiting::Append(done, waits))).map_err(|_| stopped())
    }

    /// Runs somebody's work on the next connection that is free. What nobody waits for any more when it is its turn is not begun.
    async fn run<T: Send + 'static, E: WorkError>(
        &self,
        kind: Kind,
        asker: Asker,
        work: impl FnOnce(&mut Connection, &Shared, &AtomicBool) -> Reply<T, E> + Send + 'static,
    ) -> Reply<T, E> {
        let line = match kind {
            Kind::Read | Kind::Long => &self.searches,
            Kind::Write => &self.line,
        };
        let place = match line.enter_of(asker) {
            Ok(place) => place,
            Err(busy) => return (Err(busy.into()), Vec::new()),
        };
        let (reply, wait) = reply::channel();
        let waits = Waits(Arc::default());
        let gone = Arc::clone(&waits.0);
        let task: Task = Box::new(move |slot, shared| {
            shared.observer.waited(place.so_far());
            drop(place);
            if gone.load(Ordering::Relaxed) {
                return;
            }
            let done = asking_who_waits(Arc::clone(&gone), || slot.with(|connection| work(connection, shared, &gone)));
            let _gone = reply.send(done.unwrap_or_else(|away| (Err(away.into()), Vec::new())));
        });
        self.tasks.add(kind, asker, task);
        let answer = wait.await.unwrap_or_else(|_| (Err(stopped().into()), Vec::new()));
        drop(waits);
        answer
    }
}

/// What a write leaves: the records of a success are stored with it.
fn logged<T, E: WorkError>((result, records): Reply<T, E>, transaction: &mut Transaction<'_>) -> Reply<T, E> {
    match result {
        Ok(value) => (transaction.append(&records).map(|()| value).map_err(E::from), Vec::new()),
        Err(fault) => (Err(fault), records),
    }
}

/// Runs work in a transaction of its own; what became of it, and whether it failed because of another writer. What nobody waits
/// for any more is not committed: who was told that nobody knows has gone on, and must not be overtaken by what they asked for
/// before.
fn attempt<T, E: WorkError>(
    connection: &mut Connection,
    shared: &Shared,
    begin: &'static str,
    gone: &AtomicBool,
    work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
) -> (Reply<T, E>, bool) {
    if let Err(error) = connection.begin(begin) {
        // Whatever it is in, it is no new transaction.
        connection.spoil();
        return ((Err(StoreError::from(error).into()), Vec::new()), false);
    }
    let mut transaction = Transaction::new(connection, shared);
    let (mut result, records) = guarded(work, &mut transaction);
    if result.is_ok() && gone.load(Ordering::Relaxed) {
        result = Err(stopped().into());
    }
    let ended = if result.is_ok() { transaction.commit() } else { Ok(()) };
    let undone = (result.is_err() || ended.is_err()) && transaction.roll_back();
    let overtaken = transaction.overtaken && result.is_err() && undone;
    let reply = match (result, ended) {
        // Of what only reads, nothing is left that anybody has to know of.
        (Ok(_), Err(StoreError::OutcomeUnknown(seconds))) if begin == SNAPSHOT => {
            (Err(StoreError::Busy(seconds).into()), Vec::new())
        }
        (Ok(_), Err(fault)) => (Err(fault.into()), Vec::new()),
        (result, _) => (result, records),
    };
    (reply, overtaken)
}

fn task_loop(pace: Pace, shared: &Shared, tasks: &Tasks<Slot, Task>) {
    if pace == Pace::GivingWay {
        give_way();
    }
    while let Some(Turn { task, mut connection, writer }) = tasks.next(pace) {
        task(&mut connection, shared);
        tasks.ended(connection, writer);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.tasks.close();
        self.points.close();
        self.appends.close();
    }
}

fn append_loop(mut slot: Slot, shared: &Shared, appends: &Worker<Append>) {
    while let Some(batch) = appends.next(SHARED_COMMIT) {
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for (more, done) in batch {
            records.extend(more);
            waiting.push(done);
        }
        let result = slot.with(|connection| append(connection, shared, &records)).flatten();
        if let Err(fault) = &result {
            tracing::error!(?fault, "the audit log could not be written");
        }
        reply::together(|| waiting.into_iter().for_each(|done| done.tell(result.as_ref().copied())));
    }
}

fn append(connection: &mut Connection, shared: &Shared, records: &[Record]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Transaction::single(connection, shared).commit_something();
    }
    if records.len() <= ONE_STATEMENT {
        Transaction::single(connection, shared).append(records)
    } else {
        let waited_for = AtomicBool::new(false);
        attempt(connection, shared, "BEGIN", &waited_for, |transaction| (transaction.append(records), Vec::new())).0.0
    }
}
