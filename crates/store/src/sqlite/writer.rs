//! The only writer of the embedded database: it takes what is waiting, and commits for many at once.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::aside::{Aside, Beside, Done, Handed};
use super::readers::Readers;
use super::{Answer, Job, NotCommitted, SHARED_COMMIT, Write, tells};
use crate::Shared;
use crate::audit::{Record, index};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::spending::Left;
use crate::turns::Turns;

/// After how long a commit takes in no further write: whoever reads waits for the commit.
pub(super) const LONG: Duration = Duration::from_millis(5);

/// How long a write may hold the writer before those who read no longer wait for it.
const HELD: Duration = Duration::from_millis(20);

/// After how many commits of audit records no snapshot is kept on: as long as one is, the write-ahead log grows.
const KEPT_COMMITS: u32 = 1_000;

/// Starts the thread that writes, and the one beside it.
pub(super) fn start(
    connection: Connection,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
    jobs: Receiver<Job>,
) -> Result<[JoinHandle<()>; 2], String> {
    let (beside, other) = super::aside::start(Arc::clone(&shared), Arc::clone(&readers), Arc::clone(&aside))?;
    let writer = Writer { connection, shared, readers, aside, beside, jobs, watermark: None };
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || writer.run())
        .map(|own| [own, other])
        .map_err(|error| format!("cannot start the writer thread: {error}"))
}

/// The writer, on its thread.
struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    aside: Arc<Aside>,
    beside: Beside,
    jobs: Receiver<Job>,
    /// The watermark of the log's index after the last commit, which stays while nobody else moves it.
    watermark: Option<i64>,
}

impl Writer {
    /// Takes what is waiting, runs it in one transaction, commits once, answers all. Reads come before writes, and writes for
    /// which that has taken long enough stay for the next. Ends when the store is dropped.
    fn run(mut self) {
        let mut unindexed = Transaction::new(&mut self.connection, &self.shared).above().unwrap_or_default();
        let mut commits = 0;
        let mut turns = Turns::new(|job| matches!(job, Job::Write(_)));
        unindexed += self.take_in();
        while let Some(batch) = turns.next(&self.jobs, SHARED_COMMIT) {
            let (appended, longest) = self.commit_together(batch, &mut turns);
            turns.took(longest, &self.jobs);
            unindexed += appended + self.take_in();
            if unindexed >= index::MANY {
                self.fill_audit_index();
                unindexed = 0;
            }
            commits += 1;
            if commits >= KEPT_COMMITS {
                commits = 0;
                self.readers.snapshots.change();
                self.readers.release();
            }
        }
    }

    /// Takes into the log what was answered while a write held the writer; how many events. If that fails they stay where
    /// they are, and it is tried again after the next commit.
    fn take_in(&mut self) -> usize {
        let mut all = 0;
        while self.beside.settle() {
            match self.take_in_some() {
                Ok(0) => self.beside.is_taken_in(),
                Ok(some) => all += some,
                Err(fault) => {
                    tracing::error!(?fault, "the log lacks what is in the file beside the database");
                    break;
                }
            }
        }
        all
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
        let done = transaction.batch("BEGIN IMMEDIATE").and_then(|()| {
            let begun = snapshots.begun();
            work(&mut transaction)?;
            transaction.batch("COMMIT")?;
            snapshots.committed(&begun, false);
            Ok(())
        });
        if done.is_err() {
            let _none = self.connection.run(Sql::new("ROLLBACK"));
        }
        done
    }

    /// How many audit records were stored, and how long the longest write took. Writes that are not begun are left.
    fn commit_together(&mut self, batch: Vec<Job>, turns: &mut Turns<Job>) -> (usize, Duration) {
        let mut together = Together::new();
        let meanwhile = Meanwhile {
            jobs: &self.jobs,
            turns: RefCell::new(turns),
            beside: &self.beside,
            since: Cell::new(None),
            done: RefCell::default(),
        };
        if self.connection.run(Sql::new("BEGIN IMMEDIATE")).is_ok() {
            let snapshot = self.readers.snapshots.begun();
            let others = || meanwhile.others_go_on();
            let mut transaction = Transaction::new(&mut self.connection, &self.shared);
            transaction.only_writer = true;
            transaction.state = snapshot.shows();
            transaction.watermark = self.watermark.filter(|_| transaction.state.is_some());
            transaction.meanwhile = Some(&others);
            together.carry_out(&mut transaction, batch, &meanwhile);
            if together.stands.is_ok() {
                transaction.committed();
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
            batch.into_iter().for_each(Job::refuse);
        }
        if let Err(why) = together.stands {
            tracing::error!(?why, "a transaction of the embedded database could not be committed");
            self.shared.patients.clear();
            // Fails when there is nothing to roll back, which is as well.
            let _none = self.connection.run(Sql::new("ROLLBACK"));
        }
        for answer in meanwhile.done.take().answers.into_iter().chain(together.answers) {
            answer(together.stands);
        }
        (together.appended, together.longest)
    }
}

/// What becomes of those who read while a write holds the writer: after a while they are handed on, and wait for it no
/// longer.
struct Meanwhile<'w> {
    jobs: &'w Receiver<Job>,
    turns: RefCell<&'w mut Turns<Job>>,
    beside: &'w Beside,
    /// Since when a write has held the writer; none while none does.
    since: Cell<Option<Instant>>,
    /// What changed nothing, in the same commit before any write.
    done: RefCell<Done>,
}

impl Meanwhile<'_> {
    /// To be called now and then while a write holds the writer.
    fn others_go_on(&self) {
        if self.since.get().is_none_or(|since| since.elapsed() < HELD) {
            return;
        }
        let done = self.done.take();
        let mut others = self.turns.borrow_mut().others_than_writes(self.jobs).into_iter().peekable();
        if done.answers.is_empty() && others.peek().is_none() {
            return;
        }
        if !self.beside.is_usable() {
            // They wait for the writer after all.
            *self.done.borrow_mut() = done;
            others.for_each(|job| self.turns.borrow_mut().leave(job));
            return;
        }
        if !done.answers.is_empty() {
            self.beside.hand(Handed::Done(done));
        }
        others.for_each(|job| self.beside.hand(Handed::Job(job)));
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
    /// How long the longest write took.
    longest: Duration,
}

impl Together {
    /// Nothing yet.
    fn new() -> Together {
        let (answers, records, longest) = (Vec::new(), Vec::new(), Duration::ZERO);
        Together { answers, records, changed: false, stands: Ok(()), appended: 0, longest }
    }

    /// Runs the jobs one after another and commits them.
    fn carry_out(&mut self, transaction: &mut Transaction<'_>, batch: Vec<Job>, meanwhile: &Meanwhile<'_>) {
        let (begun, mut writes, mut left) = (Instant::now(), 0, Vec::new());
        let single = batch.iter().filter(|job| matches!(job, Job::Write(_))).count() == 1;
        for job in batch {
            match job {
                Job::Append(appended, done) => meanwhile.done.borrow_mut().record(appended, tells(done)),
                Job::Read(mut read) => {
                    let (_, own) = read.run(transaction);
                    meanwhile.done.borrow_mut().record(own, Box::new(move |stands| read.answer(stands)));
                }
                Job::Write(write) if writes > 0 && begun.elapsed() >= LONG => left.push(Job::Write(write)),
                Job::Write(write) => {
                    writes += 1;
                    self.write(transaction, write, single, meanwhile);
                }
            }
        }
        // They came before whatever has come meanwhile.
        meanwhile.turns.borrow_mut().put_back(left);
        transaction.left_to_callers = Left::unbounded();
        let mut records = std::mem::take(&mut meanwhile.done.borrow_mut().records);
        records.append(&mut self.records);
        if self.stands.is_ok()
            && (transaction.append(&records).is_err() || transaction.run(Sql::new("COMMIT")).is_err())
        {
            self.stands = Err(NotCommitted::Failed);
        }
        if self.stands.is_err() && transaction.no_space {
            self.stands = Err(NotCommitted::NoSpace);
        }
    }

    fn write(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut write: Box<dyn Write>,
        single: bool,
        meanwhile: &Meanwhile<'_>,
    ) {
        let run = if single { run_single } else { run_in_savepoint };
        transaction.renew_budgets();
        let started = Instant::now();
        meanwhile.since.set(Some(started));
        let ran = run(write.as_mut(), transaction, &mut self.records);
        meanwhile.since.set(None);
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
