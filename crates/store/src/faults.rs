//! Databases that fail where a test wants it: at the n-th statement from now on, whosever that is.

use std::sync::{Mutex, PoisonError};

use diesel::connection::SimpleConnection as _;
use diesel::result::{DatabaseErrorKind, Error};

use crate::database::Database;

/// How a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With this message, and the database undoes the transaction: as SQLite does by itself where its disk is full or broken.
    Undone(&'static str),
    /// With this message; on SQLite the transaction goes on as it was.
    Refused(&'static str),
    /// The connection is closed before it is begun. On PostgreSQL.
    ClosedBefore,
    /// The connection is closed when it is done, before anybody is told. On PostgreSQL.
    ClosedAfter,
}

/// What a store has yet to fail at.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// After how many more statements, and how.
    next: Mutex<Option<(u64, Fault)>>,
}

impl Faults {
    /// Lets a statement fail after so many others; the one before is forgotten.
    pub(crate) fn set(&self, next: Option<(u64, Fault)>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Whether there is none any more.
    pub(crate) fn is_done(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn due(&self) -> Option<Fault> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match next.as_mut() {
            Some((0, fault)) => {
                let fault = *fault;
                *next = None;
                Some(fault)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    /// Runs a statement, or lets it fail.
    pub(crate) fn around<T>(
        &self,
        database: &mut Database,
        statement: impl FnOnce(&mut Database) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.due() {
            None => statement(database),
            Some(Fault::ClosedAfter) => statement(database).and_then(|_| fail(database, Fault::ClosedAfter)),
            Some(fault) => fail(database, fault),
        }
    }
}

/// Fails, as the database does it.
fn fail<T>(database: &mut Database, fault: Fault) -> Result<T, Error> {
    let failed = match (database, fault) {
        (Database::Sqlite(_), Fault::Refused(message)) => Err(unknown(message)),
        (Database::Sqlite(connection), Fault::Undone(message)) => connection.batch_execute(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS fault (one INTEGER); CREATE TEMP TRIGGER IF NOT EXISTS fault_comes BEFORE INSERT ON \
             fault BEGIN SELECT RAISE(ROLLBACK, '{message}'); END; INSERT INTO fault VALUES (1)"
        )),
        (Database::Postgres(connection), Fault::Undone(message) | Fault::Refused(message)) => {
            connection.batch_execute(&format!("DO $$ BEGIN RAISE EXCEPTION '{message}'; END $$"))
        }
        (Database::Postgres(connection), Fault::ClosedBefore | Fault::ClosedAfter) => {
            connection.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        }
        (Database::Sqlite(_), Fault::ClosedBefore | Fault::ClosedAfter) => Err(unknown("nobody can close it")),
    };
    Err(failed.err().unwrap_or_else(|| unknown("what should fail did not")))
}

fn unknown(message: &str) -> Error {
    Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
}
