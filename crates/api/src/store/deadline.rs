//! How long a search may take on the embedded database.
//!
//! SQLite asks a function of ours, every so many steps of a statement, whether to go on. That is the only way to stop a
//! statement from inside, and diesel has no name for it, so this file is the one place with unsafe code: two calls of
//! SQLite's own interface, neither of which is given memory of ours. PostgreSQL has a setting for it
//! (`statement_timeout`).

#![expect(unsafe_code, reason = "SQLite's progress handler can be had in no other way")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;

/// After how many steps of SQLite's machine it asks again: a fraction of a millisecond.
const STEPS: c_int = 20_000;

thread_local! {
    /// When the statement that this thread runs has to be done.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// As long as it lives, statements of this thread on the embedded database end at its deadline.
pub(super) struct Watch {
    before: Option<Instant>,
}

impl Watch {
    /// Starts now.
    pub(super) fn new(limit: Duration) -> Watch {
        let deadline = Instant::now().checked_add(limit);
        Watch { before: DEADLINE.try_with(|cell| cell.replace(deadline)).ok().flatten() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let before = self.before;
        // A thread that is ending runs no more statements.
        let _ending = DEADLINE.try_with(|cell| cell.set(before));
    }
}

/// Has every connection that is opened from now on ask for its deadline.
pub(super) fn install() {
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

/// Whether to stop: anything but zero.
unsafe extern "C" fn is_over(_data: *mut c_void) -> c_int {
    let deadline = DEADLINE.try_with(Cell::get).ok().flatten();
    c_int::from(deadline.is_some_and(|deadline| Instant::now() >= deadline))
}
