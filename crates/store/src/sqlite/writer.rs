//! The only writer of the embedded database: it takes what is waiting, and commits for many at once.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::aside::{Aside, TAKEN_IN};
use super::queue::{Batch, Queue};
use super::readers::Readers;
use super::write_back::{Stage, WriteBack, write_back};
use super::{Answer, Job, NotCommitted, Write};
use crate::Shared;
use crate::apart::letting_others_between;
use crate::audit::{Record, index};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::fair_queue::Asker;
use crate::reply;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::spending::Left;

/// After how long a commit takes in no further write: whoever reads waits for the commit.
pub(super) const LONG: Duration = Duration::from_millis(5);

/// After how many commits of audit records no snapshot is kept on: as long as one is, the write-ahead log grows.
const KEPT_COMMITS: u32 = 1_000;

/// After how many pages the write-ahead log is written back to the database.
const WRITTEN_BACK: u32 = 12_000;

/// After how many more that is tried again, where somebody's snapshot was in its way.
const AGAIN: u32 = 1_000;

/// At how many pages whoever writes waits for it: more comes than can be written back meanwhile.
const MOST_PAGES: u32 = WRITTEN_BACK + WRITTEN_BACK / 2;

/// Starts the thread that writes, the one beside it, and the one that writes the log back.
pub(super) fn start(
    connection: Connection,
    for_log: Connection,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
    queue: Arc<Queue>,
) -> Result<[JoinHandle<()>; 3], String> {
    let other = super::aside::start(Arc::clone(&shared), Arc::clone(&readers), Arc::clone(&aside), Arc::clone(&queue))?;
    let cannot = |error: std::io::Error| format!("cannot start the writer thread: {error}");
    let log = Arc::new(WriteBack::new());
    let own_log = Arc::clone(&log);
    let writes_back = std::thread::Builder::new()
        .name("sqlite-log".to_owned())
        .spawn(move || own_log.run(for_log))
        .map_err(cannot)?;
    let writer = Writer { connection, shared, readers, aside, queue, watermark: None, log, written_back: WRITTEN_BACK };
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || writer.run())
        .map(|own| [own, other, writes_back])
        .map_err(cannot)
}

/// What is taken into the log of what was answered while a write held the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Everything,
    /// All but what comes while the rest is taken in, unless somebody waits for that.
    NotTheLast,
}

/// The writer, on its thread.
struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
    queue: Arc<Queue>,
    /// The watermark of the log's index after the last commit, which stays while nobody else moves it.
    watermark: Option<i64>,
    /// Who writes the write-ahead log back.
    log: Arc<WriteBack>,
    /// How many pages it has when that is done next.
    written_back: u32,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.writer_ended();
        self.log.end();
    }
}

impl Writer {
    /// Takes what is waiting, runs it in one transaction, commits once, answers all. Reads come before writes, and writes for
    /// which that has taken long enough stay for the next. Ends when the store is dropped.
    fn run(mut self) {
        let mut unindexed = Transaction::new(&mut self.connection, &self.shared).above().unwrap_or_default();
        let mut commits = 0;
        unindexed += self.take_in(Take::Everything);
        let queue = Arc::clone(&self.queue);
        while let Some(batch) = queue.next() {
            unindexed += self.commit_together(batch);
            // Whoever reads does not wait for these.
            self.write_back();
            if unindexed >= index::MANY {
                self.fill_audit_index();
                unindexed = 0;
            }
            unindexed += self.take_in(Take::NotTheLast);
            commits += 1;
            if commits >= KEPT_COMMITS {
                commits = 0;
                self.readers.begin_anew();
            }
        }
        self.take_in(Take::Everything);
    }

    /// Has the write-ahead log written back to the database when it has become long, and does the rest when all have their answers,
    /// not within the commit that made it so.
    fn write_back(&mut self) {
        let pages = self.readers.snapshots.pages();
        if pages < WRITTEN_BACK {
            self.written_back = WRITTEN_BACK;
            self.log.is_whole();
            return;
        }
        match self.log.stage() {
            Stage::Asked if pages < MOST_PAGES => return,
            Stage::Asked => self.log.wait(),
            Stage::Idle if pages >= self.written_back => {
                self.readers.begin_anew();
                return self.log.ask();
            }
            Stage::Over if pages >= self.written_back => {}
            Stage::Idle | Stage::Over => return,
            Stage::Done => {}
        }
        self.written_back = pages.saturating_add(AGAIN);
        self.readers.begin_anew();
        if let Err(fault) = write_back(&mut self.connection) {
            tracing::warn!(%fault, "the write-ahead log could not be written back");
        }
        self.log.is_whole();
    }

    /// Takes into the log what was answered while a write held the writer; how many events. If that fails they stay where
    /// they are, and it is tried again after the next commit, or in a moment.
    fn take_in(&mut self, take: Take) -> usize {
        let taken = self.take_in_some_of(take);
        // Before anything else is begun.
        self.queue.settle();
        taken.unwrap_or_else(|fault| {
            tracing::error!(?fault, "the log lacks what is in the file beside the database");
            // Whoever reads the log waits for it.
            self.queue.come_again();
            0
        })
    }

    /// Whoever reads meanwhile does not wait for it: that is done beside the writer too. What comes so is little, and is left until
    /// the writer comes by again; but whoever reads the log does not wait for that.
    fn take_in_some_of(&mut self, take: Take) -> Result<usize, StoreError> {
        let mut all = 0;
        while self.aside.has_something() {
            let some = self.take_in_some()?;
            all += some;
            if some < TAKEN_IN {
                break;
            }
        }
        self.queue.settle();
        while self.aside.has_something() {
            if self.aside.first(&self.shared)?.is_empty() {
                self.aside.is_taken_in();
            } else if take == Take::Everything || self.aside.is_waited_for() {
                all += self.take_in_some()?;
            } else {
                self.queue.come_again();
                break;
            }
        }
        Ok(all)
    }

    fn take_in_some(&mut self) -> Result<usize, StoreError> {
        let events = self.aside.first(&self.shared)?;
        let Some(last) = events.last().map(|event| event.pk) else { return Ok(0) };
        let many = events.len();
        self.alone(|transaction| transaction.take_in(events))?;
        self.aside.forget(&self.shared, last)?;
        Ok(many)
    }

    /// Enters the latest events of the log by patient and by agent. If that fails they stay where queries find them as well,
    /// and it is tried again with the next.
    fn fill_audit_index(&mut self) {
        if let Err(fault) = self.alone(|transaction| transaction.enter()) {
            tracing::error!(?fault, "the audit log could not be indexed");
        }
    }

    /// Changes the log in a transaction of its own.
    fn alone(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.watermark = None;
        let mut transaction = Transaction::new(&mut self.connection, &self.shared);
        let snapshots = &self.readers.snapshots;
        let done = transaction.begin("BEGIN IMMEDIATE").and_then(|()| {
            let begun = snapshots.begun();
            work(&mut transaction)?;
            transaction.commit()?;
            snapshots.committed(&begun, false);
            Ok(())
        });
        if done.is_err() {
            // Fails when there is nothing to undo, which is as well.
            let _none = self.connection.roll_back();
        }
        done
    }

    /// Commits what may share a commit; how many audit records were stored. Writes that are not begun are left.
    fn commit_together(&mut self, batch: Batch) -> usize {
        let mut together = Together::new();
        let queue = Arc::clone(&self.queue);
        if queue.begins(|| self.connection.begin("BEGIN IMMEDIATE")).is_ok() {
            let snapshot = self.readers.snapshots.begun();
            let mut transaction = Transaction::new(&mut self.connection, &self.shared);
            transaction.only_writer = true;
            transaction.state = snapshot.shows();
            transaction.watermark = self.watermark.filter(|_| transaction.state.is_some());
            together.carry_out(&mut transaction, batch, &queue);
            if together.stands.is_ok() {
                together.appended = transaction.appended;
                let watermark = transaction.watermark;
                let is_alone = self.readers.snapshots.committed(&snapshot, together.changed);
                // Whoever has come between may have moved it.
                self.watermark = watermark.filter(|_| is_alone);
                if together.changed {
                    self.readers.release();
                }
            }
        } else {
            together.stands = Err(NotCommitted::Busy);
            together.answers = queue.take_done().answers;
            batch.others.into_iter().for_each(Job::refuse);
            batch.writes.into_iter().for_each(|(_, job)| job.refuse());
        }
        if let Err(why) = together.stands {
            tracing::error!(?why, "a transaction of the embedded database could not be committed");
            self.shared.patients.clear();
            // Fails when there is nothing to undo, which is as well.
            let _none = self.connection.roll_back();
        }
        reply::together(|| together.answers.into_iter().for_each(|answer| answer(together.stands)));
        together.appended
    }
}

/// What is committed by one commit.
struct Together {
    /// Each is told whether it stands.
    answers: Vec<Answer>,
    /// The audit records of what writes.
    records: Vec<Record>,
    /// Whether any data has changed.
    changed: bool,
    stands: Result<(), NotCommitted>,
    /// How many audit records were written.
    appended: usize,
}

impl Together {
    /// Nothing yet.
    fn new() -> Together {
        Together { answers: Vec::new(), records: Vec::new(), changed: false, stands: Ok(()), appended: 0 }
    }

    /// Runs the jobs one after another and commits them.
    fn carry_out(&mut self, transaction: &mut Transaction<'_>, batch: Batch, queue: &Queue) {
        for job in batch.others {
            match job {
                Job::Append(_, append) => {
                    let (appended, answer) = append.parts();
                    queue.is_done(appended, answer);
                }
                Job::Read(_, mut work) | Job::Write(_, mut work) => {
                    transaction.left_to_callers = Left::unbounded();
                    let (_, own) = work.run(transaction);
                    queue.is_done(own, Box::new(move |stands| work.answer(stands)));
                }
            }
        }
        let (begun, single) = (Instant::now(), batch.writes.len() == 1);
        if !batch.writes.is_empty() {
            queue.writes_begin(batch.writes.iter().map(|(asker, _)| *asker));
        }
        let mut writes = batch.writes.into_iter();
        // What the database has undone a read in, it has undone as a whole.
        self.stands = transaction.require_not_undone().map_err(NotCommitted::from);
        // The first is begun in any case; none after one with which all was undone.
        while self.stands.is_ok()
            && (self.answers.is_empty() || begun.elapsed() < LONG)
            && let Some((asker, job)) = writes.next()
        {
            self.write(transaction, asker, job, single, queue);
        }
        queue.put_back(writes.collect());
        transaction.left_to_callers = Left::unbounded();
        let done = queue.take_done();
        let mut records = done.records;
        records.append(&mut self.records);
        self.answers.splice(0..0, done.answers);
        if self.stands.is_ok() {
            let committed = transaction.append(&records).and_then(|()| transaction.commit());
            self.stands = committed.map_err(NotCommitted::from);
        }
    }

    fn write(&mut self, transaction: &mut Transaction<'_>, asker: Asker, job: Job, single: bool, queue: &Queue) {
        let (Job::Write(_, mut write) | Job::Read(_, mut write)) = job else { return job.refuse() };
        let run = if single { run_single } else { run_in_savepoint };
        transaction.renew_budgets();
        let started = Instant::now();
        // It may be one of many entries, of which whoever only reads does not wait for the end.
        match letting_others_between(|| run(write.as_mut(), transaction, &mut self.records)) {
            Ok(wrote) => self.changed |= wrote,
            Err(fault) => self.stands = Err(fault.into()),
        }
        queue.took(asker, started.elapsed());
        if self.changed {
            // Whoever comes after it sees what it has changed.
            transaction.state = None;
        }
        self.answers.push(Box::new(move |committed| write.answer(committed)));
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
        transaction.begin_again("BEGIN IMMEDIATE")?;
        // Another process may have come between.
        transaction.state = None;
        transaction.watermark = None;
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
    let (before, made_before) = (transaction.changes, transaction.fresh.len());
    let (stands, own) = write.run(transaction);
    let wrote = stands && transaction.changes != before;
    records.extend(own);
    if !stands {
        // It is this one's.
        transaction.buffer = None;
        transaction.roll_back_to("ROLLBACK TO interaction")?;
        transaction.rolled_back(made_before);
    }
    transaction.run(Sql::new("RELEASE interaction"))?;
    Ok(wrote)
}
