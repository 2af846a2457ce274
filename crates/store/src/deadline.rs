//! How long a search may take on the embedded database, and how many steps.
//!
//! SQLite asks a function of ours, every so many steps of a statement, whether to go on. That is the only way to stop a
//! statement from inside, and diesel has no name for it, so this file is, with `memory`, a place with unsafe code: two calls of
//! SQLite's own interface, neither of which is given memory of ours. PostgreSQL has a setting for it
//! (`statement_timeout`).

#![expect(unsafe_code, reason = "SQLite's progress handler can be had in no other way")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;

use crate::apart::{is_waited_for, let_others_between};

/// After how many steps of SQLite's machine it asks again: some microseconds.
const STEPS: c_int = 1_000;

/// The same as a number to count with.
const STEPS_AT_ONCE: u64 = 1_000;

thread_local! {
    /// What the statement that this thread runs may still take.
    static LEFT: Cell<Option<Left>> = const { Cell::new(None) };
}

/// What a statement may still take.
#[derive(Clone, Copy)]
struct Left {
    /// Until when it has to be done.
    until: Option<Instant>,
    /// How many steps of SQLite's machine: a row that is looked at takes some ten.
    steps: u64,
}

/// As long as it lives, statements of this thread on the embedded database end at its deadline, or after its steps.
pub(crate) struct Watch {
    before: Option<Left>,
    steps: u64,
}

impl Watch {
    /// Starts now. What is watched already may take no more because of it.
    pub(crate) fn new(limit: Duration, steps: u64) -> Watch {
        let before = LEFT.try_with(Cell::get).ok().flatten();
        let outer = before.unwrap_or(Left { until: None, steps: u64::MAX });
        let own = Instant::now().checked_add(limit);
        let until = own.into_iter().chain(outer.until).min();
        let steps = steps.min(outer.steps);
        // A thread that is ending runs no more statements.
        let _ending = LEFT.try_with(|cell| cell.set(Some(Left { until, steps })));
        Watch { before, steps }
    }

    /// How many steps have been taken since it started.
    pub(crate) fn taken(&self) -> u64 {
        let left = LEFT.try_with(Cell::get).ok().flatten();
        left.map_or(0, |left| self.steps.saturating_sub(left.steps))
    }

    /// Whether all its steps have been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.taken() == self.steps
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let taken = self.taken();
        let before = self.before.map(|left| Left { steps: left.steps.saturating_sub(taken), ..left });
        let _ending = LEFT.try_with(|cell| cell.set(before));
    }
}

/// How many bytes of a body count like a step: to read one through takes as long.
const BYTES: usize = 32;

/// Counts bodies that have been read: whoever reads many large ones has taken more than their statements' steps.
pub(crate) fn charge(bytes: usize) {
    let_others_between();
    let steps = u64::try_from(bytes / BYTES).unwrap_or(u64::MAX);
    let _ending = LEFT.try_with(|cell| {
        if let Some(left) = cell.get() {
            cell.set(Some(Left { steps: left.steps.saturating_sub(steps), ..left }));
        }
    });
}

/// Whether what this thread does has taken all the steps that it may.
pub(crate) fn is_spent() -> bool {
    LEFT.try_with(Cell::get).ok().flatten().is_some_and(|left| left.steps == 0)
}

/// Counts steps that were taken without the database's machine; whether none are left.
pub(crate) fn take(steps: u64) -> bool {
    let taken = LEFT.try_with(|cell| {
        let left = cell.get()?;
        cell.set(Some(Left { steps: left.steps.saturating_sub(steps), ..left }));
        Some(left.steps <= steps)
    });
    taken.ok().flatten().unwrap_or(false)
}

/// Has every connection that is opened from now on ask for its deadline.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the entry point has the signature that SQLite documents and lives as long as the process.
        let code = unsafe { ffi::sqlite3_auto_extension(Some(opened)) };
        if code != ffi::SQLITE_OK {
            tracing::error!(code, "searches on the embedded database have no time limit");
        }
    });
}

/// SQLite calls this with each connection that it opens.
unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the connection is SQLite's own and open; the handler is a plain function and is given no data.
    unsafe { ffi::sqlite3_progress_handler(connection, STEPS, Some(is_over), std::ptr::null_mut()) };
    ffi::SQLITE_OK
}

/// Whether to stop, which is anything but zero: also what nobody waits for any more.
unsafe extern "C" fn is_over(_data: *mut c_void) -> c_int {
    let_others_between();
    if !is_waited_for() {
        return 1;
    }
    let over = LEFT.try_with(|cell| {
        let Some(left) = cell.get() else { return false };
        let steps = left.steps.saturating_sub(STEPS_AT_ONCE);
        cell.set(Some(Left { steps, ..left }));
        steps == 0 || left.until.is_some_and(|until| Instant::now() >= until)
    });
    c_int::from(over.unwrap_or(false))
}
