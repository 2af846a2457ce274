//! The embedded database: one writer thread that shares commits, and reading connections used where the caller is.

mod aside;
#[cfg(test)]
mod broken_disk_tests;
mod queue;
mod readers;
#[cfg(test)]
mod tests;
mod turns;
mod write_back;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::audit::Record;
use crate::connection::Connection;
use crate::error::{StoreError, WorkError};
use crate::fair_queue::Asker;
use crate::line::{Line, Waits};
use crate::transaction::Transaction;
use crate::{Cost, Options, Reads, Reply, Shared, guarded, reply, stopped};
use aside::Aside;
use queue::Queue;
use readers::Readers;

/// The ending of the name of the file beside a database, and what makes its table.
pub(crate) use aside::{ENDING as ASIDE, TABLE as ASIDE_TABLE};

/// How many jobs may share a commit.
const SHARED_COMMIT: usize = 512;

/// How many steps of SQLite's machine a read may take on a thread on which other requests wait: a millisecond or two.
const A_LITTLE: u64 = 60_000;

/// How many it may take where nobody else is known to wait: whoever comes then waits for some milliseconds, once.
const ALONE: u64 = 5 * A_LITTLE;

pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    queue: Arc<Queue>,
    /// What of the log is not in the database yet.
    aside: Arc<Aside>,
    /// Those who have connections of their own.
    threads: Vec<JoinHandle<()>>,
    /// The writes among what waits.
    line: Line,
    /// The point reads among it.
    pub(crate) reads: Line,
    /// The audit records among it of what was done elsewhere.
    pub(crate) appends: Line,
}

/// Something for the writer, with whose it is.
enum Job {
    /// Reads only, so there is nothing to undo when it fails.
    Read(Asker, Box<dyn Write>),
    Write(Asker, Box<dyn Write>),
    Append(Asker, Append),
}

/// Audit records that somebody waits for.
struct Append {
    records: Vec<Record>,
    done: reply::Sender<Result<(), StoreError>>,
    /// Until they are told.
    waits: Waits,
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
    /// It was not begun, or the database has undone it.
    Busy,
    /// The disk is full.
    NoSpace,
    /// Nobody knows.
    Failed,
}

impl From<StoreError> for NotCommitted {
    fn from(why: StoreError) -> NotCommitted {
        match why {
            StoreError::NoSpace(_) => NotCommitted::NoSpace,
            StoreError::OutcomeUnknown(_) => NotCommitted::Failed,
            _ => NotCommitted::Busy,
        }
    }
}

impl From<NotCommitted> for StoreError {
    fn from(why: NotCommitted) -> StoreError {
        match why {
            NotCommitted::Busy => StoreError::Busy(1),
            NotCommitted::NoSpace => StoreError::no_space(),
            NotCommitted::Failed => StoreError::OutcomeUnknown(1),
        }
    }
}

struct Work<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: reply::Sender<Result<T, E>>,
    /// Whether it changes nothing.
    only_reads: bool,
    /// Until it is answered.
    waits: Option<Waits>,
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
        if let Some(waits) = &self.waits {
            transaction.has_waited(waits.so_far());
        }
        let (result, records) = guarded(work, transaction);
        let stands = result.is_ok();
        self.result = Some(result);
        (stands, records)
    }

    fn answer(self: Box<Self>, committed: Result<(), NotCommitted>) {
        let result = match (self.result, committed) {
            (Some(result), Ok(())) => result,
            // Of what only reads, nothing is left that anybody has to know of.
            (_, Err(NotCommitted::Failed)) if self.only_reads => Err(StoreError::Busy(1).into()),
            (_, Err(why)) => Err(StoreError::from(why).into()),
            (None, Ok(())) => Err(StoreError::Internal("it was answered before it was run".to_owned()).into()),
        };
        // A caller that has gone away needs no answer; what it did stands.
        let _gone = self.reply.send(result);
    }
}

impl Sqlite {
    pub(crate) fn open(options: &Options, shared: Arc<Shared>) -> Result<Sqlite, String> {
        let cannot = |error: String| format!("database_url: cannot open the SQLite file: {error}");
        let writer = Connection::open_limited(&options.address, options.durability, options.query_timeout)
            .map_err(|error| cannot(error.to_string()))?;
        let writer = writer.for_writing().map_err(|error| cannot(error.to_string()))?;
        #[cfg(any(test, feature = "testing"))]
        let writer = writer.failing(&shared.faults);
        let for_log =
            Connection::open(&options.address, options.durability).map_err(|error| cannot(error.to_string()))?;
        let readers =
            Arc::new(Readers::open(&options.address, options.durability, options.query_timeout).map_err(cannot)?);
        let aside = Arc::new(Aside::of(&options.address, options.durability).map_err(cannot)?);
        let queue = Arc::new(Queue::new());
        let threads =
            writer::start(writer, for_log, shared, Arc::clone(&readers), Arc::clone(&aside), Arc::clone(&queue))?
                .into();
        let (line, reads, appends) = (Line::default(), Line::of_reads(), Line::of_reads());
        Ok(Sqlite { readers, queue, aside, threads, line, reads, appends })
    }

    /// The state of the data; none where that is in doubt.
    pub(crate) fn state(&self) -> Option<u64> {
        self.readers.snapshots.now()
    }

    /// Waits until all that was answered is in the log.
    pub(crate) async fn log_is_whole(&self) {
        self.aside.is_empty(|| self.queue.come_now()).await;
    }

    /// A read where the caller is. If it looks at the log its snapshot began when it was asked for; else any will do that
    /// shows all data of that moment.
    pub(crate) fn read<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Reply<T, E> {
        self.readers.read_in(shared, reads, |transaction| guarded(work, transaction))
    }

    /// The same for work that is stopped when it takes more than a little: then nothing is told of what it found. That is more for
    /// whoever is alone.
    pub(crate) fn read_a_little<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        is_alone: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Option<Reply<T, E>> {
        let mut exceeded = false;
        let reply = self.readers.read_in(shared, reads, |transaction| {
            transaction.may_be_stopped = true;
            let steps = if is_alone { ALONE } else { A_LITTLE };
            let watch = transaction.watch(Cost { steps, ..Cost::UNBOUNDED });
            let reply = guarded(work, transaction);
            exceeded = watch.is_some_and(|watch| watch.is_over());
            reply
        });
        (!exceeded).then_some(reply)
    }

    /// A point read on the writer's connection, whose audit record shares the commit: the answer has to wait for that
    /// anyway, and to hand a record over costs more than to read one resource.
    pub(crate) async fn read_one<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let waits = self.reads.enter_of(asker)?;
        self.read_now(asker, Some(waits), work).await
    }

    /// The same for what is not one of many that wait.
    pub(crate) async fn read_now<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        waits: Option<Waits>,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, wait) = reply::channel();
        let work = Work { work: Some(work), result: None, reply, only_reads: true, waits };
        self.send(Job::Read(asker, Box::new(work)))?;
        wait.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Whether the writer, as it seems, waits for somebody else who writes.
    pub(crate) fn may_be_kept_out(&self) -> bool {
        self.queue.may_be_kept_out()
    }

    pub(crate) async fn write<T: Send + 'static, E: WorkError>(
        &self,
        asker: Asker,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, wait) = reply::channel();
        let waits = Some(self.line.enter_of(asker)?);
        let work = Work { work: Some(work), result: None, reply, only_reads: false, waits };
        self.send(Job::Write(asker, Box::new(work)))?;
        wait.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    pub(crate) fn append(
        &self,
        asker: Asker,
        records: Vec<Record>,
        done: reply::Sender<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let waits = self.appends.enter_of(asker)?;
        self.send(Job::Append(asker, Append { records, done, waits }))
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        [&self.line, &self.reads, &self.appends].into_iter().map(Line::length).sum()
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        if self.queue.add(job) { Ok(()) } else { Err(stopped()) }
    }
}

impl Drop for Sqlite {
    /// Nothing has the file open afterwards: whoever moves it, or opens it anew, is in nobody's way.
    fn drop(&mut self) {
        // The writer ends when nobody can send it more, and the thread beside it when the writer has ended.
        self.queue.close();
        let current = std::thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == current) {
            // What they were asked last held the store.
            return;
        }
        for thread in self.threads.drain(..) {
            // A panic of it has been told already.
            let _ended = thread.join();
        }
    }
}

/// Tells somebody whether what was committed together stands.
type Answer = Box<dyn FnOnce(Result<(), NotCommitted>) + Send>;

impl Append {
    /// The records, and what tells whoever waits for them.
    fn parts(self) -> (Vec<Record>, Answer) {
        let Append { records, done, waits } = self;
        let answer: Answer = Box::new(move |committed| {
            // Audit records of what only read, or was refused.
            let told = committed.map_err(|why| match why {
                NotCommitted::Failed => StoreError::Busy(1),
                why => why.into(),
            });
            let _gone = done.send(told);
            drop(waits);
        });
        (records, answer)
    }
}

impl Job {
    /// Whose it is.
    fn asker(&self) -> Asker {
        match self {
            Job::Read(asker, _) | Job::Write(asker, _) | Job::Append(asker, _) => *asker,
        }
    }

    /// Tells whoever waits that it was not begun.
    fn refuse(self) {
        match self {
            Job::Append(_, append) => append.parts().1(Err(NotCommitted::Busy)),
            Job::Read(_, work) | Job::Write(_, work) => work.answer(Err(NotCommitted::Busy)),
        }
    }
}
