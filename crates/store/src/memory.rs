//! Where SQLite has its memory from: where all else of the process has it. Each write asks for pages and gives them back; the C
//! library's allocator then gives them back to the system and asks anew, which took longer than the write of a row.
//!
//! SQLite's interface for that is one of pointers, so this is, with `deadline`, a place with unsafe code. It gives no size when
//! it frees: each piece has its own before it.

#![expect(unsafe_code, reason = "SQLite's memory can be given in no other way")]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Once;

use libsqlite3_sys as ffi;

/// What stands before each piece, and how pieces are aligned.
const BEFORE: usize = 16;

/// Has SQLite take its memory from here. To be called before anything of SQLite is used: later it changes nothing.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let methods = ffi::sqlite3_mem_methods {
            xMalloc: Some(take),
            xFree: Some(give_back),
            xRealloc: Some(resize),
            xSize: Some(size),
            xRoundup: Some(rounded),
            xInit: Some(begin),
            xShutdown: Some(end),
            pAppData: null_mut(),
        };
        // SAFETY: SQLite copies the methods; each does what SQLite documents of it.
        let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
        if code != ffi::SQLITE_OK {
            tracing::debug!(code, "SQLite has its memory from the C library");
        }
    });
}

/// The layout of a piece of so many bytes with what stands before it; none for what is no size.
fn layout(bytes: c_int) -> Option<Layout> {
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)?;
    Layout::from_size_align(bytes.checked_add(BEFORE)?, BEFORE).ok()
}

/// # Safety
/// `base` is null or a block of at least [`BEFORE`] bytes that nobody else uses.
unsafe fn piece(base: *mut u8, bytes: c_int) -> *mut c_void {
    if base.is_null() {
        return null_mut();
    }
    // SAFETY: the block is large enough, and aligned for it.
    unsafe {
        base.cast::<c_int>().write(bytes);
        base.add(BEFORE).cast()
    }
}

/// # Safety
/// As SQLite has it: any size may be asked for.
unsafe extern "C" fn take(bytes: c_int) -> *mut c_void {
    let Some(layout) = layout(bytes) else { return null_mut() };
    // SAFETY: the layout has a size, and the block is new.
    unsafe { piece(alloc(layout), bytes) }
}

/// # Safety
/// The piece is from [`take`] or [`resize`], and not given back; or null.
unsafe extern "C" fn give_back(of: *mut c_void) {
    if of.is_null() {
        return;
    }
    // SAFETY: the size stands before the piece, and makes the layout that it was made with.
    unsafe {
        if let Some(layout) = layout(size(of)) {
            dealloc(of.cast::<u8>().sub(BEFORE), layout);
        }
    }
}

/// # Safety
/// As [`give_back`], of a piece that is there.
unsafe extern "C" fn resize(of: *mut c_void, bytes: c_int) -> *mut c_void {
    // SAFETY: as in `give_back`; the new size is one that makes a layout.
    unsafe {
        match (layout(size(of)), layout(bytes)) {
            (Some(before), Some(after)) => piece(realloc(of.cast::<u8>().sub(BEFORE), before, after.size()), bytes),
            _ => null_mut(),
        }
    }
}

/// # Safety
/// As [`give_back`].
unsafe extern "C" fn size(of: *mut c_void) -> c_int {
    if of.is_null() {
        return 0;
    }
    // SAFETY: the size stands before the piece.
    unsafe { of.cast::<u8>().sub(BEFORE).cast::<c_int>().read() }
}

/// # Safety
/// None is needed.
unsafe extern "C" fn rounded(bytes: c_int) -> c_int {
    bytes.saturating_add(7) & !7
}

/// # Safety
/// None is needed.
unsafe extern "C" fn begin(_data: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

/// # Safety
/// None is needed.
unsafe extern "C" fn end(_data: *mut c_void) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_keeps_what_is_in_it_and_knows_its_size() {
        // SAFETY: each piece is used while it is there, and within its size.
        unsafe {
            let small = take(24);
            small.cast::<u8>().write_bytes(7, 24);
            assert_eq!((size(small), small.addr() % 8), (24, 0));
            let large = resize(small, 5_000);
            assert_eq!(size(large), 5_000);
            assert_eq!(std::slice::from_raw_parts(large.cast::<u8>(), 24), [7; 24]);
            give_back(large);
            give_back(null_mut());
            assert!(take(0).is_null() && take(-1).is_null());
            assert_eq!((size(null_mut()), rounded(1), rounded(8), rounded(c_int::MAX) % 8), (0, 8, 8, 0));
        }
    }
}
