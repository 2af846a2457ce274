//! How SQLite's write-ahead log reaches the disk: each frame, its header and its page, by one call of the system and not by two.
//! Of what a commit costs, the calls that write its frames are the largest part, and one of 24 bytes costs nearly as much as one
//! of a page (SQLite's file format, section 4.1: a frame is a header of 24 bytes and a page).
//!
//! SQLite's interface for that is one of pointers: a file system of its own (`sqlite3_vfs`), which is the usual one but for files
//! of write-ahead logs. There the header of a frame is held until the page comes, which is SQLite's next call about that file.
//!
//! SQLite makes and empties room for three files with each table that it keeps in memory for a statement, so what is held of a
//! log is elsewhere, and of a file there is one pointer more.

#![expect(unsafe_code, reason = "SQLite's file system can be given in no other way")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use libsqlite3_sys as ffi;

/// How long the header of a frame is.
const HEADER: usize = 24;

/// How long a page is; where pages are longer, headers are written by themselves.
const PAGE: usize = 4_096;

/// No place in a file.
const NOWHERE: i64 = -1;

/// The name of the file system.
const NAME: &std::ffi::CStr = c"concord";

/// The usual file system, and where in a file of ours the pointer stands, behind what the usual one has there.
struct Below {
    system: *mut ffi::sqlite3_vfs,
    begins: usize,
}

// SAFETY: SQLite keeps the file system for as long as the process lasts, and lets every thread use it.
unsafe impl Send for Below {}
// SAFETY: as above.
unsafe impl Sync for Below {}

static BELOW: OnceLock<Option<Below>> = OnceLock::new();

/// What is held of a file of a write-ahead log.
#[repr(C)]
struct Held {
    /// What SQLite calls.
    methods: ffi::sqlite3_io_methods,
    /// What the usual file system would have it call.
    below: *const ffi::sqlite3_io_methods,
    /// Where the header belongs that is held.
    place: i64,
    /// What was read last, if nothing has been done since.
    read: i64,
    frame: [u8; HEADER + PAGE],
}

/// Has SQLite write its logs so. To be called before a database is opened; later it changes nothing.
pub(crate) fn install() {
    BELOW.get_or_init(|| {
        // SAFETY: null asks for the usual one, which stays; it is copied, and SQLite keeps the copy, which is never dropped.
        unsafe {
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            let size = usize::try_from(system.as_ref()?.szOsFile).ok()?;
            let begins = size.next_multiple_of(align_of::<*mut Held>());
            let own = ffi::sqlite3_vfs {
                szOsFile: c_int::try_from(begins + size_of::<*mut Held>()).ok()?,
                zName: NAME.as_ptr(),
                pNext: std::ptr::null_mut(),
                xOpen: Some(open),
                ..*system
            };
            let code = ffi::sqlite3_vfs_register(Box::into_raw(Box::new(own)), 1);
            if code != ffi::SQLITE_OK {
                tracing::debug!(code, "SQLite writes its logs as usual");
            }
            Some(Below { system, begins })
        }
    });
}

/// Where the pointer to what is held of a file stands.
///
/// # Safety
/// SQLite has given the file to [`open`].
unsafe fn place_of_held(file: *mut ffi::sqlite3_file) -> *mut *mut Held {
    let begins = BELOW.get().and_then(Option::as_ref).map_or(0, |below| below.begins);
    // SAFETY: SQLite gives a file the room that the file system asks for.
    unsafe { file.cast::<u8>().add(begins).cast() }
}

/// What is held of a file.
///
/// # Safety
/// The file was opened by [`open`], as a write-ahead log, and is not closed.
unsafe fn held_of(file: *mut ffi::sqlite3_file) -> *mut Held {
    // SAFETY: as the caller has it; the pointer was set when it was opened.
    unsafe { *place_of_held(file) }
}

/// The methods of the usual file system for a file.
///
/// # Safety
/// As [`held_of`].
unsafe fn usual<'f>(file: *mut ffi::sqlite3_file) -> &'f ffi::sqlite3_io_methods {
    // SAFETY: the methods of a file system stay.
    unsafe { &*(*held_of(file)).below }
}

/// # Safety
/// As SQLite has it for `xOpen`.
unsafe extern "C" fn open(
    _own: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    opened: *mut c_int,
) -> c_int {
    let Some(below) = BELOW.get().and_then(Option::as_ref) else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the usual file system finds its file at the beginning of ours; what is held stands behind it, in room of its own.
    unsafe {
        let Some(usual) = (*below.system).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = usual(below.system, name, file, flags, opened);
        let methods = (*file).pMethods;
        if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_WAL != 0 && !methods.is_null() {
            let own = ffi::sqlite3_io_methods {
                xClose: Some(close),
                xRead: Some(read),
                xWrite: Some(write),
                xTruncate: Some(truncate),
                xSync: Some(sync),
                xFileSize: Some(file_size),
                ..*methods
            };
            let held = Box::new(Held {
                methods: own,
                below: methods,
                place: NOWHERE,
                read: NOWHERE,
                frame: [0; HEADER + PAGE],
            });
            let held = Box::into_raw(held);
            place_of_held(file).write(held);
            (*file).pMethods = &raw const (*held).methods;
        }
        code
    }
}

/// Writes what is held.
///
/// # Safety
/// As [`held_of`].
unsafe fn let_go(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as the caller has it.
    unsafe {
        let held = held_of(file);
        (*held).read = NOWHERE;
        let place = std::mem::replace(&mut (*held).place, NOWHERE);
        if place == NOWHERE {
            return ffi::SQLITE_OK;
        }
        below_write(file, (&raw const (*held).frame).cast(), HEADER, place)
    }
}

/// # Safety
/// As [`held_of`]; `from` has so many bytes.
unsafe fn below_write(file: *mut ffi::sqlite3_file, from: *const c_void, size: usize, place: i64) -> c_int {
    let Ok(bytes) = c_int::try_from(size) else { return ffi::SQLITE_IOERR };
    // SAFETY: as the caller has it.
    unsafe { usual(file).xWrite.map_or(ffi::SQLITE_IOERR, |write| write(file, from, bytes, place)) }
}

/// # Safety
/// As SQLite has it for `xWrite`, of a file of [`open`].
unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, bytes: c_int, place: i64) -> c_int {
    let Ok(size) = usize::try_from(bytes) else { return ffi::SQLITE_IOERR };
    // SAFETY: `from` has so many bytes, of which no more are copied than there is room for.
    unsafe {
        let held = held_of(file);
        let frame = (&raw mut (*held).frame).cast::<u8>();
        if size <= PAGE && (*held).place != NOWHERE && place == (*held).place + HEADER as i64 {
            let begins = std::mem::replace(&mut (*held).place, NOWHERE);
            frame.add(HEADER).copy_from_nonoverlapping(from.cast(), size);
            return below_write(file, frame.cast(), HEADER + size, begins);
        }
        // A header is written by itself where a checksum is computed anew: of a frame that has just been read as a whole.
        let is_followed = size == HEADER && (*held).read != place;
        match let_go(file) {
            ffi::SQLITE_OK if is_followed => {
                frame.copy_from_nonoverlapping(from.cast(), HEADER);
                (*held).place = place;
                ffi::SQLITE_OK
            }
            ffi::SQLITE_OK => below_write(file, from, size, place),
            code => code,
        }
    }
}

/// # Safety
/// As SQLite has it for `xRead`, of a file of [`open`].
unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, bytes: c_int, place: i64) -> c_int {
    // SAFETY: as the caller has it.
    unsafe {
        match let_go(file) {
            ffi::SQLITE_OK => {
                (*held_of(file)).read = place;
                usual(file).xRead.map_or(ffi::SQLITE_IOERR, |read| read(file, to, bytes, place))
            }
            code => code,
        }
    }
}

/// # Safety
/// As SQLite has it for `xTruncate`, of a file of [`open`].
unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: as the caller has it.
    unsafe {
        match let_go(file) {
            ffi::SQLITE_OK => usual(file).xTruncate.map_or(ffi::SQLITE_IOERR, |truncate| truncate(file, size)),
            code => code,
        }
    }
}

/// # Safety
/// As SQLite has it for `xSync`, of a file of [`open`].
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: as the caller has it.
    unsafe {
        match let_go(file) {
            ffi::SQLITE_OK => usual(file).xSync.map_or(ffi::SQLITE_IOERR, |sync| sync(file, flags)),
            code => code,
        }
    }
}

/// # Safety
/// As SQLite has it for `xFileSize`, of a file of [`open`].
unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: as the caller has it.
    unsafe {
        match let_go(file) {
            ffi::SQLITE_OK => usual(file).xFileSize.map_or(ffi::SQLITE_IOERR, |file_size| file_size(file, size)),
            code => code,
        }
    }
}

/// # Safety
/// As SQLite has it for `xClose`, of a file of [`open`].
unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as the caller has it; nothing of the file is used afterwards, and what is held of it was a box when it was opened.
    unsafe {
        let written = let_go(file);
        let closed = usual(file).xClose.map_or(ffi::SQLITE_IOERR, |close| close(file));
        (*file).pMethods = std::ptr::null();
        drop(Box::from_raw(held_of(file)));
        if written == ffi::SQLITE_OK { closed } else { written }
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::{BigInt, Text};
    use diesel::sqlite::SqliteConnection;
    use diesel::{Connection as _, QueryableByName, RunQueryDsl, sql_query};
    use proptest::prelude::*;

    use crate::testing::Scratch;

    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        rows: i64,
        #[diesel(sql_type = BigInt)]
        sum: i64,
    }

    #[derive(QueryableByName)]
    struct Checked {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }

    fn opened(path: &std::path::Path) -> SqliteConnection {
        crate::memory::install();
        super::install();
        SqliteConnection::establish(&path.to_string_lossy()).unwrap()
    }

    fn found(connection: &mut SqliteConnection) -> (i64, i64) {
        let found: Found =
            sql_query("SELECT count(*) AS rows, coalesce(sum(length(text) * number), 0) AS sum FROM one")
                .get_result(connection)
                .unwrap();
        (found.rows, found.sum)
    }

    /// One statement of a transaction: some write more pages than the cache has room for, and write pages of the log anew that they
    /// have written, whose checksums change with that.
    fn statement() -> impl Strategy<Value = String> {
        prop_oneof![
            (1_i64..200, 1_usize..5_000).prop_map(|(number, length)| format!(
                "INSERT INTO one (number, text) VALUES ({number}, printf('%.*c', {length}, 'x'));"
            )),
            (1_i64..200).prop_map(|number| format!("UPDATE one SET text = text || 'more' WHERE number <= {number};")),
            (1_i64..200).prop_map(|number| format!("DELETE FROM one WHERE number = {number};")),
            (1_i64..400).prop_map(|count| format!(
                "INSERT INTO one (number, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \
                 {count}) SELECT i, printf('%.*c', 900, 'y') FROM n;"
            )),
        ]
    }

    /// Whether the process ends after a commit or not, what was committed is in the files.
    fn what_is_committed_is_there(page: u32, cache: u32, full: bool, work: &[(Vec<String>, bool)]) {
        let scratch = Scratch::sqlite();
        let crate::address::DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
        let copy = path.with_extension("copy");
        let mut connection = opened(path);
        let synchronous = if full { "FULL" } else { "NORMAL" };
        connection
            .batch_execute(&format!(
                "PRAGMA page_size = {page}; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
                 PRAGMA cache_size = {cache}; PRAGMA wal_autocheckpoint = 300; \
                 CREATE TABLE one (number INTEGER, text TEXT); CREATE INDEX by_text ON one (text, number);"
            ))
            .unwrap();
        let mut other = opened(path);
        for (statements, stands) in work {
            let before = found(&mut connection);
            connection.batch_execute("BEGIN").unwrap();
            statements.iter().for_each(|statement| connection.batch_execute(statement).unwrap());
            connection.batch_execute(if *stands { "COMMIT" } else { "ROLLBACK" }).unwrap();
            // As after the end of the process: without what is in memory, before anybody reads.
            for ending in ["", "-wal"] {
                let name = |path: &std::path::Path| format!("{}{ending}", path.display());
                std::fs::copy(name(path), name(&copy)).unwrap();
            }
            let _none = std::fs::remove_file(format!("{}-shm", copy.display()));
            assert_eq!(found(&mut other), found(&mut connection), "another connection sees the same");
            let now = found(&mut connection);
            assert!(*stands || now == before);
            let mut later = opened(&copy);
            let checked: Vec<Checked> = sql_query("PRAGMA integrity_check").load(&mut later).unwrap();
            assert_eq!(checked[0].integrity_check, "ok");
            assert_eq!(found(&mut later), now, "and whoever opens the files");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_committed_is_in_the_files(
            page in prop_oneof![Just(512_u32), Just(4_096), Just(8_192)],
            cache in prop_oneof![Just(4_u32), Just(2_000)],
            full in any::<bool>(),
            work in prop::collection::vec((prop::collection::vec(statement(), 1..6), prop::bool::weighted(0.8)), 1..8),
        ) {
            what_is_committed_is_there(page, cache, full, &work);
        }
    }

    /// What is computed anew is written at once: nothing comes after it.
    #[test]
    fn headers_whose_checksums_change_are_in_the_files() {
        let many = |number: u32| {
            vec![
                format!(
                    "INSERT INTO one (number, text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \
                     500) SELECT i, printf('%.*c', 900, 'y') FROM n WHERE i > {number};"
                ),
                "UPDATE one SET number = number + 1;".to_owned(),
                "UPDATE one SET text = text || 'z' WHERE number < 50;".to_owned(),
            ]
        };
        let work: Vec<_> = (0..4).map(|number| (many(number), true)).collect();
        what_is_committed_is_there(4_096, 4, false, &work);
    }
}
