//! What is read while one write holds the only writer: whoever reads waits for the commit of its audit record, and not for
//! everything that others write. The record is committed to a file beside the database, which is as durable, and goes into
//! the log when the writer is free, under the number and the time that it got there. Until then nobody reads the log.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::queue::{Beside, Queue};
use super::readers::Readers;
use super::{Job, NotCommitted, Write};
use crate::address::{DatabaseUrl, Durability};
use crate::audit::{Record, Stored};
use crate::connection::{Connection, in_one_line};
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::{Reads, Shared, reply};

/// The ending of the file's name.
pub(crate) const ENDING: &str = "-aside";

/// How many events are taken into the log by one commit.
pub(super) const TAKEN_IN: usize = 4_096;

/// The columns are those of the log.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit (pk INTEGER NOT NULL PRIMARY KEY, at BIGINT NOT NULL, \
    interaction SMALLINT NOT NULL, outcome SMALLINT NOT NULL, patient BIGINT NOT NULL, agent TEXT NOT NULL, \
    client TEXT NOT NULL, purpose TEXT NOT NULL, type SMALLINT NOT NULL, entity TEXT NOT NULL, version BIGINT NOT NULL, \
    query TEXT NOT NULL, reason TEXT NOT NULL, request TEXT NOT NULL, body TEXT NOT NULL)";

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
    Open(Box<Connection>),
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
            *aside.file() = File::Open(Box::new(aside.open()?));
        }
        Ok(aside)
    }

    /// Waits until the log has everything, which somebody is asked to see to where it has not.
    pub(super) async fn is_empty(&self, ask: impl FnOnce()) {
        let mut told = self.waiting.subscribe();
        if *told.borrow() {
            ask();
        }
        // Where nobody tells any more the store is closing.
        let _closed = told.wait_for(|waiting| !waiting).await;
    }

    /// Whether somebody waits until the log has everything.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.receiver_count() > 0
    }

    /// Whether the log may lack something that can be taken into it.
    pub(super) fn has_something(&self) -> bool {
        *self.waiting.borrow() && self.is_usable()
    }

    /// Says that the log has everything: while nothing is done beside the writer.
    pub(super) fn is_taken_in(&self) {
        let _before = self.waiting.send_replace(false);
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it can be used; makes the file if there is none.
    fn is_usable(&self) -> bool {
        let mut file = self.file();
        if matches!(*file, File::NotYet) {
            *file = match self.open() {
                Ok(connection) => File::Open(Box::new(connection)),
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
        transaction.begin("BEGIN IMMEDIATE")?;
        let result = work(&mut transaction).and_then(|found| transaction.commit().map(|()| found));
        if result.is_err() {
            // Fails when there is nothing to undo, which is as well.
            let _none = connection.roll_back();
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
        let most = i64::try_from(TAKEN_IN).unwrap_or(i64::MAX);
        self.within(shared, |transaction| transaction.put_aside_before(most))
    }

    /// Forgets what the log has.
    pub(super) fn forget(&self, shared: &Shared, upto: i64) -> Result<(), StoreError> {
        let forget = Sql::new("DELETE FROM audit WHERE pk <= ").bind(upto);
        self.within(shared, |transaction| transaction.run(forget).map(|_| ()))
    }
}

/// Starts the thread that reads while the writer is held. It ends when the writer does.
pub(super) fn start(
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
    queue: Arc<Queue>,
) -> Result<JoinHandle<()>, String> {
    let work = move || {
        while let Some(beside) = queue.next_beside() {
            if aside.is_usable() {
                let _answered = Answered(&queue);
                read_together(&shared, &readers, &aside, beside);
            } else {
                queue.beside_ends(beside);
            }
        }
    };
    std::thread::Builder::new()
        .name("sqlite-aside".to_owned())
        .spawn(work)
        .map_err(|error| format!("cannot start the thread that reads beside the writer: {error}"))
}

/// Says when it is dropped that what was done beside the writer is answered, however that came.
struct Answered<'q>(&'q Queue);

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.0.beside_is_done();
    }
}

/// Does what has waited for the writer too long, commits its audit records once, answers all.
fn read_together(shared: &Shared, readers: &Readers, aside: &Aside, beside: Beside) {
    let (mut records, mut answers) = (beside.done.records, beside.done.answers);
    for job in beside.jobs {
        match job {
            Job::Append(_, append) => {
                let (appended, answer) = append.parts();
                records.extend(appended);
                answers.push(answer);
            }
            Job::Read(_, mut read) => {
                records.extend(run(shared, readers, read.as_mut()));
                answers.push(Box::new(move |stands| read.answer(stands)));
            }
            // The writer keeps what writes.
            job @ Job::Write(..) => job.refuse(),
        }
    }
    let stands = aside.put(shared, &records).map_err(|fault| {
        tracing::error!(?fault, "audit records could not be committed beside the database");
        match fault {
            StoreError::NoSpace(_) => NotCommitted::NoSpace,
            _ => NotCommitted::Failed,
        }
    });
    reply::together(|| answers.into_iter().for_each(|answer| answer(stands)));
}

/// Runs a read in a snapshot of its own; its audit records.
fn run(shared: &Shared, readers: &Readers, read: &mut dyn Write) -> Vec<Record> {
    let (_, records) = readers.read_in(shared, Reads::Records, |transaction| {
        let (stands, records) = read.run(transaction);
        (if stands { Ok(()) } else { Err(StoreError::Busy(1)) }, records)
    });
    records
}
