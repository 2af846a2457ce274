//! Writes SQLite's write-ahead log back to the database, on a thread of its own: what thousands of pages take to reach the disk is
//! some tenths of a second, for which nobody who writes has to wait. What others have written meanwhile is less; the writer
//! writes that back itself, for only while nobody writes is the log at its end and begins anew (SQLite, "Write-Ahead Logging",
//! section 2.3).

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::apart;
use crate::connection::Connection;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has asked.
    Idle,
    /// It has been asked for.
    Asked,
    /// All but what has come meanwhile is written back.
    Done,
    /// Nobody does it any more.
    Over,
}

/// What the writer and the thread tell each other.
pub(super) struct WriteBack {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl WriteBack {
    /// Nobody has asked.
    pub(super) fn new() -> WriteBack {
        WriteBack { stage: Mutex::new(Stage::Idle), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it stands.
    pub(super) fn stage(&self) -> Stage {
        *self.lock()
    }

    /// Asks for it.
    pub(super) fn ask(&self) {
        self.goes_on(Stage::Idle, Stage::Asked);
    }

    /// Says that the writer has done the rest.
    pub(super) fn is_whole(&self) {
        self.goes_on(Stage::Done, Stage::Idle);
    }

    /// Says that nobody asks any more.
    pub(super) fn end(&self) {
        *self.lock() = Stage::Over;
        self.changed.notify_all();
    }

    fn goes_on(&self, from: Stage, to: Stage) {
        let mut stage = self.lock();
        if *stage == from {
            *stage = to;
            self.changed.notify_all();
        }
    }

    /// Waits until what was asked for is done, or nobody does it.
    pub(super) fn wait(&self) {
        self.wait_while(Stage::Asked);
    }

    fn wait_while(&self, same: Stage) -> Stage {
        let waited = self.changed.wait_while(self.lock(), |stage| *stage == same);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Does it whenever it is asked for. Ends when nobody asks any more.
    pub(super) fn run(&self, mut connection: Connection) {
        /// Says so, however it ends.
        struct Ends<'w>(&'w WriteBack);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _ends = Ends(self);
        apart::give_way();
        loop {
            match self.stage() {
                Stage::Over => return,
                Stage::Asked => {
                    if let Err(fault) = write_back(&mut connection) {
                        tracing::warn!(%fault, "the write-ahead log could not be written back beside the writer");
                    }
                    self.goes_on(Stage::Asked, Stage::Done);
                }
                other => {
                    self.wait_while(other);
                }
            }
        }
    }
}

/// Writes back what no snapshot stands in the way of, and waits for nobody.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) fn write_back(connection: &mut Connection) -> Result<(), diesel::result::Error> {
    connection.batch("PRAGMA wal_checkpoint(PASSIVE)")
}
