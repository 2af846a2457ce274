//! How a transaction begins and ends, and what is undone of it. One that the database has undone by itself is over: nothing of it
//! can be committed, whatever the work in it made of the error.

use crate::error::{StoreError, WorkError};
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Begins it, where that has not been done before.
    pub(crate) fn begin(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.connection.begin(text).map_err(|error| self.failed(error))
    }

    /// Undoes it all, what is buffered included, and begins again.
    pub(crate) fn begin_again(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.buffer = None;
        let begun = self.connection.roll_back().and_then(|()| self.connection.begin(text));
        self.rolled_back(0);
        begun.map_err(|error| self.failed(error))
    }

    /// Whether the database has not undone it by itself.
    ///
    /// # Errors
    /// Why it has.
    pub(crate) fn require_not_undone(&mut self) -> Result<(), StoreError> {
        self.connection.undone().map_or(Ok(()), |why| Err(self.failed(why)))
    }

    /// Commits. [`StoreError::OutcomeUnknown`] when the connection was lost before the commit was answered, or when SQLite fails
    /// in it: what is written by then may be found there after a crash. If the database has undone it before, nothing stands.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.require_not_undone()?;
        let lost_before = self.connection.is_spoilt();
        let Err(error) = self.connection.commit() else {
            self.committed();
            return Ok(());
        };
        let is_unknown = match self.is_postgres() {
            true => self.connection.is_spoilt() && !lost_before,
            false => true,
        };
        match self.failed(error) {
            // No part of a commit is found that there was no room for.
            fault @ StoreError::NoSpace(_) => Err(fault),
            _ if is_unknown => Err(StoreError::OutcomeUnknown(1)),
            fault => Err(fault),
        }
    }

    /// Undoes everything, what is buffered included; whether that was possible.
    pub(crate) fn roll_back(&mut self) -> bool {
        let undone = self.connection.roll_back().is_ok();
        if !undone {
            self.connection.spoil();
        }
        undone
    }

    /// Undoes what has come after a savepoint.
    pub(crate) fn roll_back_to(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.flush()?;
        self.invalidate_heads();
        self.spend()?;
        self.statements += 1;
        self.changes += 1;
        self.connection.roll_back_to(text).map_err(|error| self.failed(error))
    }

    /// To be called after the commit.
    pub(crate) fn committed(&mut self) {
        for (id, key) in std::mem::take(&mut self.fresh) {
            self.shared.patients.insert(id, key);
        }
    }

    /// Forgets what a rolled-back part had learnt, before which so many patients' keys had been made.
    pub(crate) fn rolled_back(&mut self, made_before: usize) {
        self.fresh.truncate(made_before);
        self.registry = None;
        self.versions = None;
    }

    /// Runs a part that is undone alone if it fails.
    pub fn savepoint<T, E: WorkError>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.run(Sql::new("SAVEPOINT part"))?;
        let made_before = self.fresh.len();
        let result = part(self);
        if result.is_err() {
            self.roll_back_to("ROLLBACK TO SAVEPOINT part")?;
            self.rolled_back(made_before);
        }
        self.run(Sql::new("RELEASE SAVEPOINT part"))?;
        result
    }
}
