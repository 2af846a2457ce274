//! The embedded database: one writer thread that shares commits, and reading connections used where the caller is.

#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::address::{DatabaseUrl, Durability};
use crate::audit::{Record, index};
use crate::connection::Connection;
use crate::error::{StoreError, WorkError};
use crate::line::{Line, Waits};
use crate::snapshot::Snapshots;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::spending::Left;
use crate::turns::Turns;
use crate::{Cost, Options, Reads, Reply, Shared, guarded, stopped};

/// How many jobs may share a commit.
const SHARED_COMMIT: usize = 512;

/// After how long a commit takes in no further write: whoever reads waits for the commit.
const LONG: Duration = Duration::from_millis(5);
/// How many steps of SQLite's machine a read may take on a thread on which other requests wait: some milliseconds.
const A_LITTLE: u64 = 200_000;

/// After how many commits of audit records no snapshot is kept on: as long as one is, the write-ahead log grows.
const KEPT_COMMITS: u32 = 1_000;

pub(crate) struct Sqlite {
    address: DatabaseUrl,
    durability: Durability,
    limit: Duration,
    readers: Arc<Readers>,
    jobs: Mutex<Sender<Job>>,
    /// The writes among them.
    pub(crate) line: Line,
}

/// The connections that read.
struct Readers {
    idle: Mutex<Vec<Reader>>,
    snapshots: Snapshots,
}

/// A connection that reads, and since when it has been in its snapshot if that has been kept.
struct Reader {
    connection: Connection,
    since: Option<u64>,
}

impl Reader {
    /// Leaves the snapshot; whether the connection can still be used.
    fn leave(&mut self) -> bool {
        self.since.take().is_none() || self.connection.run(Sql::new("COMMIT")).is_ok()
    }
}

impl Readers {
    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those who do nothing leave their snapshots.
    fn release(&self) {
        self.idle().retain_mut(Reader::leave);
    }
}

/// Something for the writer.
enum Job {
    /// Reads only, so there is nothing to undo when it fails.
    Read(Box<dyn Write>),
    Write(Box<dyn Write>),
    Append(Vec<Record>, oneshot::Sender<Result<(), StoreError>>),
}

/// An interaction waiting for the writer.
trait Write: Send {
    /// Runs it; whether its changes stand, and its audit records.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> (bool, Vec<Record>);
    /// Answers, once the commit has succeeded or failed.
    fn answer(self: Box<Self>, committed: Result<(), NotCommitted>);
}

/// Why nothing stands of what was to be committed together.
#[derive(Clone, Copy, Debug)]
enum NotCommitted {
    /// It was not begun.
    Busy,
    /// The disk is full.
    NoSpace,
    /// Nobody knows.
    Failed,
}

impl From<NotCommitted> for StoreError {
    fn from(why: NotCommitted) -> StoreError {
        match why {
            NotCommitted::Busy => StoreError::Busy(1),
            NotCommitted::NoSpace => StoreError::no_space(),
            NotCommitted::Failed => StoreError::Internal("the commit failed".to_owned()),
        }
    }
}

struct Work<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    /// Until it is answered.
    _waits: Option<Waits>,
}

impl<T, E, F> Write for Work<T, E, F>
where
    T: Send,
    E: WorkError,
    F: FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> (bool, Vec<Record>) {
        // Nobody waits for it any longer: what has not been begun then never is.
        let Some(work) = self.work.take().filter(|_| !self.reply.is_closed()) else { return (false, Vec::new()) };
        let (result, records) = guarded(work, transaction);
        let stands = result.is_ok();
        self.result = Some(result);
        (stands, records)
    }

    fn answer(self: Box<Self>, committed: Result<(), NotCommitted>) {
        let result = match (self.result, committed) {
            (Some(result), Ok(())) => result,
            (_, Err(why)) => Err(StoreError::from(why).into()),
            (None, Ok(())) => Err(StoreError::Internal("it was answered before it was run".to_owned()).into()),
        };
        // A caller that has gone away needs no answer; what it did stands.
        let _gone = self.reply.send(result);
    }
}

impl Sqlite {
    pub(crate) fn open(options: &Options, shared: Arc<Shared>) -> Result<Sqlite, String> {
        let open = || Connection::open_limited(&options.address, options.durability, options.query_timeout);
        let cannot = |error: String| format!("database_url: cannot open the SQLite file: {error}");
        let writer = open().map_err(|error| cannot(error.to_string()))?;
        let writer = writer.for_writing().map_err(|error| cannot(error.to_string()))?;
        let first = open().map_err(|error| cannot(error.to_string()))?;
        let mut first = first.for_reading().map_err(|error| cannot(error.to_string()))?;
        // Looking at it opens the wal-index.
        first.batch("SELECT count(*) FROM sqlite_master").map_err(|error| cannot(error.to_string()))?;
        let DatabaseUrl::Sqlite(path) = &options.address else {
            return Err("database_url: this is no SQLite file".to_owned());
        };
        let readers = Arc::new(Readers {
            idle: Mutex::new(vec![Reader { connection: first, since: None }]),
            snapshots: Snapshots::of(path),
        });
        let (jobs, receiver) = channel();
        let told = Arc::clone(&readers);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_loop(writer, &shared, &told, &receiver))
            .map_err(|error| format!("cannot start the writer thread: {error}"))?;
        Ok(Sqlite {
            address: options.address.clone(),
            durability: options.durability,
            limit: options.query_timeout,
            readers,
            jobs: Mutex::new(jobs),
            line: Line::default(),
        })
    }

    /// A read where the caller is. If it looks at the log its snapshot began when it was asked for; else any will do that
    /// shows all data of that moment.
    pub(crate) fn read<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Reply<T, E> {
        self.read_in(shared, reads, |transaction| guarded(work, transaction))
    }

    /// The same for work that is stopped when it takes more than a little: then nothing is told of what it found.
    pub(crate) fn read_a_little<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Option<Reply<T, E>> {
        let mut exceeded = false;
        let reply = self.read_in(shared, reads, |transaction| {
            transaction.may_be_stopped = true;
            let watch = transaction.watch(Cost { steps: A_LITTLE, ..Cost::UNBOUNDED });
            let reply = guarded(work, transaction);
            exceeded = watch.is_some_and(|watch| watch.is_over());
            reply
        });
        (!exceeded).then_some(reply)
    }

    fn read_in<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Reply<T, E> {
        let log = reads == Reads::Everything;
        let snapshots = &self.readers.snapshots;
        let idle = self.readers.idle().pop().map(|mut reader| {
            let stays = !log && reader.since.is_some_and(|since| snapshots.is(since));
            (stays || reader.leave()).then_some(reader)
        });
        let mut reader = match idle.flatten() {
            Some(reader) => reader,
            None => match self.reader() {
                Ok(connection) => Reader { connection, since: None },
                Err(error) => {
                    return (Err(StoreError::Internal(format!("cannot open a reader: {error}")).into()), Vec::new());
                }
            },
        };
        let mut since = reader.since;
        if since.is_none() {
            since = snapshots.now();
            if let Err(error) = reader.connection.run(Sql::new("BEGIN")) {
                return (Err(StoreError::from(error).into()), Vec::new());
            }
        }
        let mut transaction = Transaction::new(&mut reader.connection, shared);
        transaction.sees_log = log;
        transaction.state = since;
        let reply = work(&mut transaction);
        drop(transaction);
        let sound = !reply.0.as_ref().is_err_and(E::is_failure);
        reader.since = since.filter(|_| sound);
        if reader.connection.is_spoilt() {
            return reply;
        }
        // One that failed is out of its snapshot already, or is closed.
        if reader.since.is_some() || reader.connection.run(Sql::new("COMMIT")).is_ok() {
            self.readers.idle().push(reader);
        }
        reply
    }

    fn reader(&self) -> Result<Connection, String> {
        Connection::open_limited(&self.address, self.durability, self.limit)
            .map_err(|error| error.to_string())?
            .for_reading()
            .map_err(|error| error.to_string())
    }

    /// A point read on the writer's connection, whose audit record shares the commit: the answer has to wait for that
    /// anyway, and to hand a record over costs more than to read one resource.
    pub(crate) async fn read_one<T: Send + 'static, E: WorkError>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, wait) = oneshot::channel();
        self.send(Job::Read(Box::new(Work { work: Some(work), result: None, reply, _waits: None })))?;
        wait.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    pub(crate) async fn write<T: Send + 'static, E: WorkError>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, wait) = oneshot::channel();
        let waits = Some(self.line.enter()?);
        self.send(Job::Write(Box::new(Work { work: Some(work), result: None, reply, _waits: waits })))?;
        wait.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    pub(crate) fn append(
        &self,
        records: Vec<Record>,
        done: oneshot::Sender<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        self.send(Job::Append(records, done))
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job).map_err(|_| stopped())
    }
}

/// Takes what is waiting, runs it in one transaction, commits once, answers all. Reads come before writes, and writes for which
/// that has taken long enough stay for the next. Ends when the store is dropped.
fn write_loop(mut connection: Connection, shared: &Shared, readers: &Readers, jobs: &Receiver<Job>) {
    let mut unindexed = Transaction::new(&mut connection, shared).above().unwrap_or_default();
    let mut commits = 0;
    let mut turns = Turns::new(|job| matches!(job, Job::Write(_)));
    while let Some(batch) = turns.next(jobs, SHARED_COMMIT) {
        let (appended, longest) = commit_together(&mut connection, shared, readers, batch, &mut turns);
        turns.took(longest, jobs);
        unindexed += appended;
        if unindexed >= index::MANY {
            fill_audit_index(&mut connection, shared, &readers.snapshots);
            unindexed = 0;
        }
        commits += 1;
        if commits >= KEPT_COMMITS {
            commits = 0;
            readers.snapshots.change();
            readers.release();
        }
    }
}

/// Enters the latest events of the log by patient and by agent. If that fails they stay where queries find them as well,
/// and it is tried again with the next.
fn fill_audit_index(connection: &mut Connection, shared: &Shared, snapshots: &Snapshots) {
    let mut transaction = Transaction::new(connection, shared);
    let entered = transaction.batch("BEGIN IMMEDIATE").and_then(|()| {
        let begun = snapshots.begun();
        transaction.enter()?;
        transaction.batch("COMMIT")?;
        snapshots.committed(&begun, false);
        Ok(())
    });
    if let Err(fault) = entered {
        tracing::error!(?fault, "the audit log could not be indexed");
        let _none = connection.run(Sql::new("ROLLBACK"));
    }
}

/// How many audit records were stored, and how long the longest write took. Writes that are not begun are left.
fn commit_together(
    connection: &mut Connection,
    shared: &Shared,
    readers: &Readers,
    batch: Vec<Job>,
    turns: &mut Turns<Job>,
) -> (usize, Duration) {
    let mut together = Together::new(batch.len());
    if connection.run(Sql::new("BEGIN IMMEDIATE")).is_ok() {
        let snapshot = readers.snapshots.begun();
        let mut transaction = Transaction::new(connection, shared);
        transaction.only_writer = true;
        transaction.state = readers.snapshots.now();
        together.carry_out(&mut transaction, batch, turns);
        if together.stands.is_ok() {
            transaction.committed();
            together.appended = transaction.appended;
            readers.snapshots.committed(&snapshot, together.changed);
            if together.changed {
                readers.release();
            }
        }
    } else {
        together.stands = Err(NotCommitted::Busy);
        batch.into_iter().for_each(Job::refuse);
    }
    if let Err(why) = together.stands {
        tracing::error!(?why, "a transaction of the embedded database could not be committed");
        shared.patients.clear();
        // Fails when there is nothing to roll back, which is as well.
        let _none = connection.run(Sql::new("ROLLBACK"));
    }
    for answer in together.answers {
        answer(together.stands);
    }
    (together.appended, together.longest)
}

/// Tells somebody whether what was committed together stands.
type Answer = Box<dyn FnOnce(Result<(), NotCommitted>)>;

/// What is committed by one commit.
struct Together {
    /// Each is told whether it stands.
    answers: Vec<Answer>,
    /// Whether any data has changed.
    changed: bool,
    stands: Result<(), NotCommitted>,
    /// How many audit records were written.
    appended: usize,
    /// How long the longest write took.
    longest: Duration,
}

impl Together {
    /// Nothing yet of so many jobs.
    fn new(jobs: usize) -> Together {
        let (answers, longest) = (Vec::with_capacity(jobs), Duration::ZERO);
        Together { answers, changed: false, stands: Ok(()), appended: 0, longest }
    }

    /// Runs the jobs one after another and commits them.
    fn carry_out(&mut self, transaction: &mut Transaction<'_>, batch: Vec<Job>, turns: &mut Turns<Job>) {
        let (begun, mut writes) = (Instant::now(), 0);
        let single = batch.iter().filter(|job| matches!(job, Job::Write(_))).count() == 1;
        let mut records = Vec::new();
        for job in batch {
            match job {
                Job::Append(appended, done) => {
                    records.extend(appended);
                    self.answers.push(Box::new(move |committed| {
                        let _gone = done.send(committed.map_err(StoreError::from));
                    }));
                }
                Job::Read(mut read) => {
                    let (_, own) = read.run(transaction);
                    records.extend(own);
                    self.answers.push(Box::new(move |committed| read.answer(committed)));
                }
                Job::Write(write) if writes > 0 && begun.elapsed() >= LONG => turns.leave(Job::Write(write)),
                Job::Write(mut write) => {
                    writes += 1;
                    let run = if single { run_single } else { run_in_savepoint };
                    transaction.renew_budgets();
                    let started = Instant::now();
                    let ran = run(write.as_mut(), transaction, &mut records);
                    self.longest = self.longest.max(started.elapsed());
                    match ran {
                        Ok(wrote) => self.changed |= wrote,
                        Err(_) => self.stands = Err(NotCommitted::Failed),
                    }
                    if self.changed {
                        // Whoever comes after it sees what it has changed.
                        transaction.state = None;
                    }
                    self.answers.push(Box::new(move |committed| write.answer(committed)));
                }
            }
        }
        transaction.left_to_callers = Left::unbounded();
        if self.stands.is_ok()
            && (transaction.append(&records).is_err() || transaction.run(Sql::new("COMMIT")).is_err())
        {
            self.stands = Err(NotCommitted::Failed);
        }
        if self.stands.is_err() && transaction.no_space {
            self.stands = Err(NotCommitted::NoSpace);
        }
    }
}

impl Job {
    /// Tells whoever waits that it was not begun.
    fn refuse(self) {
        match self {
            Job::Append(_, done) => {
                let _gone = done.send(Err(StoreError::Busy(1)));
            }
            Job::Read(work) | Job::Write(work) => work.answer(Err(NotCommitted::Busy)),
        }
    }
}

/// The only interaction of a transaction that writes: nothing else is lost when all is undone, so it does without a
/// savepoint, for which SQLite would copy every page before it changes. Whether anything was changed.
fn run_single(
    write: &mut dyn Write,
    transaction: &mut Transaction<'_>,
    records: &mut Vec<Record>,
) -> Result<bool, StoreError> {
    let before = transaction.changes;
    let (stands, own) = write.run(transaction);
    let wrote = stands && transaction.changes != before;
    records.extend(own);
    if !stands {
        transaction.run(Sql::new("ROLLBACK"))?;
        transaction.rolled_back();
        transaction.run(Sql::new("BEGIN IMMEDIATE"))?;
        // Another process may have come between.
        transaction.state = None;
    }
    Ok(wrote)
}

/// One interaction inside the shared transaction: undone alone when it fails. Whether anything was changed.
fn run_in_savepoint(
    write: &mut dyn Write,
    transaction: &mut Transaction<'_>,
    records: &mut Vec<Record>,
) -> Result<bool, StoreError> {
    transaction.run(Sql::new("SAVEPOINT interaction"))?;
    let before = transaction.changes;
    let (stands, own) = write.run(transaction);
    let wrote = stands && transaction.changes != before;
    records.extend(own);
    if !stands {
        transaction.run(Sql::new("ROLLBACK TO interaction"))?;
        // Keys of other jobs of this commit that are forgotten with this one's are simply looked up again.
        transaction.rolled_back();
    }
    transaction.run(Sql::new("RELEASE interaction"))?;
    Ok(wrote)
}
