//! Whether SQLite has undone a transaction by itself: where a disk is full or cannot be read, where there is no memory left. What
//! the transaction goes on with would be committed statement by statement then, and what came before it would be gone.
//!
//! SQLite tells it to a function of ours and to nobody else, so this file is, with `deadline` and `memory`, a place with unsafe
//! code: a call of its interface that is given no memory of ours.

#![expect(unsafe_code, reason = "SQLite's rollback hook can be had in no other way")]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::Once;

use libsqlite3_sys as ffi;

thread_local! {
    /// How often a transaction of a connection that this thread used has been undone.
    static TIMES: Cell<u64> = const { Cell::new(0) };
}

/// How often a transaction of a connection that this thread used has been undone, whoever wanted that. Parts of one do not count.
pub(crate) fn times() -> u64 {
    TIMES.try_with(Cell::get).unwrap_or_default()
}

/// Has every connection that is opened from now on tell of it.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the entry point has the signature that SQLite documents and lives as long as the process.
        let code = unsafe { ffi::sqlite3_auto_extension(Some(opened)) };
        if code != ffi::SQLITE_OK {
            tracing::error!(code, "transactions that the embedded database undoes by itself are not noticed");
        }
    });
}

/// SQLite calls this with each connection that it opens.
unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the connection is SQLite's own and open; the function is a plain one and is given no data.
    let _nobody_before = unsafe { ffi::sqlite3_rollback_hook(connection, Some(count), null_mut()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn count(_data: *mut c_void) {
    let _ending = TIMES.try_with(|times| times.set(times.get() + 1));
}
