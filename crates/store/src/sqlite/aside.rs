//! What is read while one write holds the only writer: whoever reads waits for the commit of its audit record, and not for
//! everything that others write. The record is committed to a file beside the database, which is as durable, and goes into
//! the log when the writer is free, under the number and the time that it got there. Until then nobody reads the log.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::readers::Readers;
use super::{Answer, Job, NotCommitted, SHARED_COMMIT, Write};
use crate::address::{DatabaseUrl, Durability};
use crate::audit::{Record, Stored};
use crate::connection::{Connection, in_one_line};
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::{Reads, Shared, gathered};

/// The ending of the file's name.
pub(crate) const ENDING: &str = "-aside";

/// How many events are taken into the log by one commit.
const TAKEN_IN: i64 = 4_096;

/// The columns are those of the log.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit (pk INTEGER NOT NULL PRIMARY KEY, at BIGINT NOT NULL, \
    interaction SMALLINT NOT NULL, outcome SMALLINT NOT NULL, patient BIGINT NOT NULL, agent TEXT NOT NULL, \
    client TEXT NOT NULL, purpose TEXT NOT NULL, type SMALLINT NOT NULL, entity TEXT NOT NULL, version BIGINT NOT NULL, \
    query TEXT NOT NULL, reason TEXT NOT NULL, request TEXT NOT NULL, body TEXT NOT NULL)";

/// What has been done, but for the commit of its audit records.
#[derive(Default)]
pub(super) struct Done {
    pub(super) records: Vec<Record>,
    pub(super) answers: Vec<Answer>,
}

impl Done {
    /// Takes in a job that changes nothing.
    pub(super) fn record(&mut self, records: Vec<Record>, answer: Answer) {
        self.records.extend(records);
        self.answers.push(answer);
    }
}

/// What the writer hands on while it is held.
pub(super) enum Handed {
    /// What is not begun.
    Job(Job),
    /// What was done before, in the commit that is held up.
    Done(Done),
}

/// The file.
pub(super) struct Aside {
    address: DatabaseUrl,
    durability: Durability,
    file: Mutex<File>,
    /// Whether it may have something that the log has not.
    waiting: watch::Sender<bool>,
}

/// A file that is made when it is needed first.
enum File {
    NotYet,
    Open(Connection),
    Unusable,
}

impl Aside {
    /// The file beside that database.
    ///
    /// # Errors
    /// One line, when there is one that cannot be used: the log lacks what is in it.
    pub(super) fn of(database: &DatabaseUrl, durability: Durability) -> Result<Aside, String> {
        let (path, is_there) = match database {
            DatabaseUrl::Sqlite(path) => {
                let mut name = OsString::from(path);
                name.push(ENDING);
                let path = PathBuf::from(name);
                let is_there = path.exists();
                (path, is_there)
            }
            DatabaseUrl::Postgres(_) => (PathBuf::new(), false),
        };
        let (address, file) = (DatabaseUrl::Sqlite(path), Mutex::new(File::NotYet));
        let aside = Aside { address, durability, file, waiting: watch::Sender::new(is_there) };
        if is_there {
            *aside.file() = File::Open(aside.open()?);
        }
        Ok(aside)
    }

    /// Waits until the log has everything.
    pub(super) async fn is_empty(&self) {
        let mut told = self.waiting.subscribe();
        // Where nobody tells any more the store is closing.
        let _closed = told.wait_for(|waiting| !waiting).await;
    }

    /// Whether the log may lack something.
    fn is_waiting(&self) -> bool {
        *self.waiting.borrow()
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it can be used; makes the file if there is none.
    fn is_usable(&self) -> bool {
        let mut file = self.file();
        if matches!(*file, File::NotYet) {
            *file = match self.open() {
                Ok(connection) => File::Open(connection),
                Err(fault) => {
                    tracing::error!(fault, "reads wait for every write: the file beside the database cannot be used");
                    File::Unusable
                }
            };
        }
        matches!(*file, File::Open(_))
    }

    fn open(&self) -> Result<Connection, String> {
        let cannot =
            |error: &dyn std::fmt::Display| format!("the file that ends with {ENDING}: {}", in_one_line(error));
        let mut connection = Connection::open(&self.address, self.durability).map_err(|error| cannot(&error))?;
        connection.batch(TABLE).map_err(|error| cannot(&error))?;
        Ok(connection)
    }

    /// Runs work in a transaction of the file.
    fn within<T>(
        &self,
        shared: &Shared,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut file = self.file();
        let File::Open(connection) = &mut *file else { return Err(StoreError::Busy(1)) };
        let mut transaction = Transaction::new(connection, shared);
        transaction.batch("BEGIN IMMEDIATE")?;
        let result = work(&mut transaction).and_then(|found| transaction.batch("COMMIT").map(|()| found));
        if result.is_err() {
            let _none = connection.run(Sql::new("ROLLBACK"));
        }
        result
    }

    fn put(&self, shared: &Shared, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        // Before anybody is answered, so that whoever was answered finds it in the log.
        let _before = self.waiting.send_replace(true);
        self.within(shared, |transaction| transaction.put_aside(records))
    }

    /// The first of what the log may lack.
    pub(super) fn first(&self, shared: &Shared) -> Result<Vec<Stored>, StoreError> {
        self.within(shared, |transaction| transaction.put_aside_before(TAKEN_IN))
    }

    /// Forgets what the log has.
    pub(super) fn forget(&self, shared: &Shared, upto: i64) -> Result<(), StoreError> {
        let forget = Sql::new("DELETE FROM audit WHERE pk <= ").bind(upto);
        self.within(shared, |transaction| transaction.run(forget).map(|_| ()))
    }
}

/// The writer's side of the thread that reads while the writer is held.
pub(super) struct Beside {
    aside: Arc<Aside>,
    handed: Sender<Handed>,
    /// How many were handed on, and have not been answered.
    open: std::cell::Cell<usize>,
    answered: Receiver<usize>,
}

impl Beside {
    /// Whether anything can be handed on.
    pub(super) fn is_usable(&self) -> bool {
        self.aside.is_usable()
    }

    /// Hands something on.
    pub(super) fn hand(&self, what: Handed) {
        match self.handed.send(what) {
            Ok(()) => self.open.set(self.open.get() + 1),
            Err(refused) => refused.0.refuse(),
        }
    }

    /// Waits until all that was handed on is answered; whether the log may lack something then.
    pub(super) fn settle(&self) -> bool {
        while self.open.get() > 0 {
            match self.answered.recv() {
                Ok(answered) => self.open.set(self.open.get().saturating_sub(answered)),
                Err(_) => break,
            }
        }
        self.aside.is_waiting() && self.aside.is_usable()
    }

    /// Says that the log has everything. Only after [`Beside::settle`], and before more is handed on.
    pub(super) fn is_taken_in(&self) {
        let _before = self.aside.waiting.send_replace(false);
    }
}

impl Handed {
    fn refuse(self) {
        match self {
            Handed::Job(job) => job.refuse(),
            Handed::Done(done) => done.answers.into_iter().for_each(|answer| answer(Err(NotCommitted::Busy))),
        }
    }
}

/// Starts the thread that reads while the writer is held. It ends when the writer does.
pub(super) fn start(
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
) -> Result<(Beside, JoinHandle<()>), String> {
    let ((handed, receiver), (answers, answered)) = (channel(), channel());
    let own = Arc::clone(&aside);
    let thread = std::thread::Builder::new()
        .name("sqlite-aside".to_owned())
        .spawn(move || {
            while let Ok(first) = receiver.recv() {
                let all = gathered(first, &receiver, SHARED_COMMIT);
                let many = all.len();
                read_together(&shared, &readers, &own, all);
                if answers.send(many).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| format!("cannot start the thread that reads beside the writer: {error}"))?;
    Ok((Beside { aside, handed, open: std::cell::Cell::new(0), answered }, thread))
}

/// Does what was handed on, commits its audit records once, answers all.
fn read_together(shared: &Shared, readers: &Readers, aside: &Aside, all: Vec<Handed>) {
    let mut done = Done::default();
    for one in all {
        match one {
            Handed::Done(before) => {
                done.records.extend(before.records);
                done.answers.extend(before.answers);
            }
            Handed::Job(Job::Append(records, reply)) => done.record(records, super::tells(reply)),
            Handed::Job(Job::Read(mut read)) => {
                let records = run(shared, readers, read.as_mut());
                done.record(records, Box::new(move |stands| read.answer(stands)));
            }
            // The writer keeps what writes.
            Handed::Job(job @ Job::Write(_)) => job.refuse(),
        }
    }
    let stands = aside.put(shared, &done.records).map_err(|fault| {
        tracing::error!(?fault, "audit records could not be committed beside the database");
        match fault {
            StoreError::NoSpace(_) => NotCommitted::NoSpace,
            _ => NotCommitted::Failed,
        }
    });
    for answer in done.answers {
        answer(stands);
    }
}

/// Runs a read in a snapshot of its own; its audit records.
fn run(shared: &Shared, readers: &Readers, read: &mut dyn Write) -> Vec<Record> {
    let (_, records) = readers.read_in(shared, Reads::Records, |transaction| {
        let (stands, records) = read.run(transaction);
        (if stands { Ok(()) } else { Err(StoreError::Busy(1)) }, records)
    });
    records
}
