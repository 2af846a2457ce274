//! The embedded database: one writer thread that shares commits, and reading connections used where the caller is.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::audit::Record;
use super::connection::Connection;
use super::moment::Moments;
use super::statement::Sql;
use super::transaction::Transaction;
use super::{Options, Reply, Shared, gathered, guarded, late, stopped};
use crate::config::{DatabaseUrl, Durability};
use crate::fault::Fault;

/// How many jobs may share a commit.
const SHARED_COMMIT: usize = 512;

/// After how many commits of audit records no snapshot is kept on: as long as one is, the write-ahead log grows.
const KEPT_COMMITS: u32 = 1_000;

pub(super) struct Sqlite {
    address: DatabaseUrl,
    durability: Durability,
    limit: Duration,
    readers: Arc<Readers>,
    jobs: Mutex<Sender<Job>>,
}

/// The connections that read.
struct Readers {
    idle: Mutex<Vec<Reader>>,
    moments: Moments,
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
    Append(Vec<Record>, oneshot::Sender<Result<(), Fault>>),
}

/// An interaction waiting for the writer.
trait Write: Send {
    /// Runs it; whether its changes stand, and its audit records.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> (bool, Vec<Record>);
    /// Answers, once the commit has succeeded or failed.
    fn answer(self: Box<Self>, committed: bool);
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Write for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Reply<T> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> (bool, Vec<Record>) {
        let Some(work) = self.work.take() else { return (false, Vec::new()) };
        let (result, records) = guarded(work, transaction);
        let stands = result.is_ok();
        self.result = Some(result);
        (stands, records)
    }

    fn answer(self: Box<Self>, committed: bool) {
        let result = match self.result {
            Some(result) if committed => result,
            _ => Err(Fault::Internal("the commit failed".to_owned())),
        };
        // A caller that has gone away needs no answer; what it did stands.
        let _gone = self.reply.send(result);
    }
}

impl Sqlite {
    pub(super) fn open(options: &Options, shared: Arc<Shared>) -> Result<Sqlite, String> {
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
            moments: Moments::of(path),
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
        })
    }

    /// A read in a snapshot that began when it was asked for.
    pub(super) fn read<T>(&self, shared: &Shared, work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>) -> Reply<T> {
        self.read_in(shared, true, work)
    }

    /// A read that does not look at the log: any snapshot will do that shows all data of the moment when it was asked
    /// for.
    pub(super) fn read_records<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>,
    ) -> Reply<T> {
        self.read_in(shared, false, work)
    }

    fn read_in<T>(&self, shared: &Shared, log: bool, work: impl FnOnce(&mut Transaction<'_>) -> Reply<T>) -> Reply<T> {
        let moments = &self.readers.moments;
        let idle = self.readers.idle().pop().map(|mut reader| {
            let stays = !log && reader.since.is_some_and(|since| moments.is(since));
            (stays || reader.leave()).then_some(reader)
        });
        let mut reader = match idle.flatten() {
            Some(reader) => reader,
            None => match self.reader() {
                Ok(connection) => Reader { connection, since: None },
                Err(error) => return (Err(Fault::Internal(format!("cannot open a reader: {error}"))), Vec::new()),
            },
        };
        let mut since = reader.since;
        if since.is_none() {
            since = moments.now();
            if let Err(error) = reader.connection.run(Sql::new("BEGIN")) {
                return (Err(error.into()), Vec::new());
            }
        }
        let mut transaction = Transaction::new(&mut reader.connection, shared);
        transaction.sees_log = log;
        let reply = guarded(work, &mut transaction);
        drop(transaction);
        let sound = !matches!(reply.0, Err(Fault::Internal(_) | Fault::Busy(_)));
        reader.since = since.filter(|_| sound);
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
    pub(super) async fn read_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (reply, wait) = oneshot::channel();
        self.send(Job::Read(Box::new(Work { work: Some(work), result: None, reply })))?;
        wait.await.unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (reply, wait) = oneshot::channel();
        self.send(Job::Write(Box::new(Work { work: Some(work), result: None, reply })))?;
        wait.await.unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) fn append(&self, records: Vec<Record>, done: oneshot::Sender<Result<(), Fault>>) -> Result<(), Fault> {
        self.send(Job::Append(records, done))
    }

    fn send(&self, job: Job) -> Result<(), Fault> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job).map_err(|_| stopped())
    }
}

/// Takes what is waiting, runs it in one transaction, commits once, answers all. Ends when the store is dropped.
fn write_loop(mut connection: Connection, shared: &Shared, readers: &Readers, jobs: &Receiver<Job>) {
    let mut late = Transaction::new(&mut connection, shared).above().unwrap_or_default();
    let mut commits = 0;
    while let Ok(first) = jobs.recv() {
        late += commit_together(&mut connection, shared, readers, gathered(first, jobs, SHARED_COMMIT));
        if late >= late::MANY {
            enter_late(&mut connection, shared, &readers.moments);
            late = 0;
        }
        commits += 1;
        if commits >= KEPT_COMMITS {
            commits = 0;
            readers.moments.change();
            readers.release();
        }
    }
}

/// Enters the latest events of the log by patient and by agent. If that fails they stay where queries find them as well,
/// and it is tried again with the next.
fn enter_late(connection: &mut Connection, shared: &Shared, moments: &Moments) {
    let mut transaction = Transaction::new(connection, shared);
    let entered = transaction.batch("BEGIN IMMEDIATE").and_then(|()| {
        let begun = moments.begun();
        transaction.enter()?;
        transaction.batch("COMMIT")?;
        moments.committed(&begun, false);
        Ok(())
    });
    if let Err(fault) = entered {
        tracing::error!(?fault, "the audit log could not be indexed");
        let _none = connection.run(Sql::new("ROLLBACK"));
    }
}

/// How many audit records were stored.
fn commit_together(connection: &mut Connection, shared: &Shared, readers: &Readers, batch: Vec<Job>) -> usize {
    let mut appended = 0;
    let mut answers: Vec<Box<dyn FnOnce(bool)>> = Vec::with_capacity(batch.len());
    let single = batch.iter().filter(|job| matches!(job, Job::Write(_))).count() == 1;
    let changed = batch.iter().any(|job| matches!(job, Job::Write(_)));
    let mut begun = connection.run(Sql::new("BEGIN IMMEDIATE")).is_ok();
    let moment = readers.moments.begun();
    if begun {
        let mut transaction = Transaction::new(connection, shared);
        let mut records = Vec::new();
        for job in batch {
            match job {
                Job::Append(appended, done) => {
                    records.extend(appended);
                    answers.push(Box::new(move |committed| {
                        let _gone = done.send(if committed {
                            Ok(())
                        } else {
                            Err(Fault::Internal("the audit log could not be written".to_owned()))
                        });
                    }));
                }
                Job::Read(mut read) => {
                    let (_, own) = read.run(&mut transaction);
                    records.extend(own);
                    answers.push(Box::new(move |committed| read.answer(committed)));
                }
                Job::Write(mut write) => {
                    let run = if single { run_single } else { run_in_savepoint };
                    begun = begun && run(write.as_mut(), &mut transaction, &mut records).is_ok();
                    answers.push(Box::new(move |committed| write.answer(committed)));
                }
            }
        }
        begun = begun && transaction.append(&records).is_ok() && transaction.run(Sql::new("COMMIT")).is_ok();
        if begun {
            transaction.committed();
            appended = transaction.appended;
            readers.moments.committed(&moment, changed);
            if changed {
                readers.release();
            }
        }
    } else {
        for job in batch {
            match job {
                Job::Append(_, done) => {
                    let _gone = done.send(Err(Fault::Busy(1)));
                }
                Job::Read(work) | Job::Write(work) => work.answer(false),
            }
        }
    }
    if !begun {
        tracing::error!("a transaction of the embedded database could not be committed");
        shared.patients.clear();
        // Fails when there is nothing to roll back, which is as well.
        let _none = connection.run(Sql::new("ROLLBACK"));
    }
    for answer in answers {
        answer(begun);
    }
    appended
}

/// The only interaction of a transaction that writes: nothing else is lost when all is undone, so it does without a
/// savepoint, for which SQLite would copy every page before it changes.
fn run_single(
    write: &mut dyn Write,
    transaction: &mut Transaction<'_>,
    records: &mut Vec<Record>,
) -> Result<(), Fault> {
    let (stands, own) = write.run(transaction);
    records.extend(own);
    if !stands {
        transaction.run(Sql::new("ROLLBACK"))?;
        transaction.rolled_back();
        transaction.run(Sql::new("BEGIN IMMEDIATE"))?;
    }
    Ok(())
}

/// One interaction inside the shared transaction: undone alone when it fails.
fn run_in_savepoint(
    write: &mut dyn Write,
    transaction: &mut Transaction<'_>,
    records: &mut Vec<Record>,
) -> Result<(), Fault> {
    transaction.run(Sql::new("SAVEPOINT interaction"))?;
    let (stands, own) = write.run(transaction);
    records.extend(own);
    if !stands {
        transaction.run(Sql::new("ROLLBACK TO interaction"))?;
        // Keys of other jobs of this commit that are forgotten with this one's are simply looked up again.
        transaction.rolled_back();
    }
    transaction.run(Sql::new("RELEASE interaction"))?;
    Ok(())
}
