//! A disk that fails: whatever the writer reads from it or writes to it, of what shares a commit all of each write is there or
//! nothing, and whoever was answered finds it, also when the file is opened anew.

use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;

use tokio::sync::oneshot;

use super::*;
use crate::Store;
use crate::contract::{reasons, record};
use crate::testing::Scratch;

/// SQLite's way to the disk, on this thread.
mod disk {
    #![expect(unsafe_code, reason = "SQLite asks the system through functions that can be others")]

    use std::cell::Cell;
    use std::ffi::{CStr, c_int, c_void};
    use std::ptr::null;
    use std::sync::Once;

    use libsqlite3_sys as ffi;

    /// What fails.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Call {
        Read,
        Write,
    }

    /// How it fails.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Failing {
        pub(super) call: Call,
        /// After how many that succeed.
        pub(super) after: u32,
        /// What the system says.
        pub(super) errno: c_int,
        /// Whether all that come after it fail too.
        pub(super) stays: bool,
    }

    thread_local! {
        /// What fails on this thread, and how often it has.
        static NEXT: Cell<(Option<Failing>, u32)> = const { Cell::new((None, 0)) };
    }

    /// Lets calls of this thread fail from now on; how often what failed before has done so.
    pub(super) fn fail(next: Option<Failing>) -> u32 {
        install();
        NEXT.replace((next, 0)).1
    }

    fn error_of(call: Call) -> Option<c_int> {
        let (Some(failing), times) = NEXT.get() else { return None };
        if failing.call != call {
            return None;
        }
        if failing.after > 0 {
            NEXT.set((Some(Failing { after: failing.after - 1, ..failing }), times));
            return None;
        }
        NEXT.set((failing.stays.then_some(failing), times + 1));
        Some(failing.errno)
    }

    unsafe extern "C" {
        #[link_name = "pread64"]
        fn system_read(file: c_int, to: *mut c_void, bytes: usize, offset: i64) -> isize;
        #[link_name = "pwrite64"]
        fn system_write(file: c_int, from: *const c_void, bytes: usize, offset: i64) -> isize;
        fn __errno_location() -> *mut c_int;
    }

    unsafe extern "C" fn read(file: c_int, to: *mut c_void, bytes: usize, offset: i64) -> isize {
        // SAFETY: as whoever calls it has it; the place of the error is this thread's.
        unsafe {
            match error_of(Call::Read) {
                Some(errno) => {
                    *__errno_location() = errno;
                    -1
                }
                None => system_read(file, to, bytes, offset),
            }
        }
    }

    unsafe extern "C" fn write(file: c_int, from: *const c_void, bytes: usize, offset: i64) -> isize {
        // SAFETY: as whoever calls it has it; the place of the error is this thread's.
        unsafe {
            match error_of(Call::Write) {
                Some(errno) => {
                    *__errno_location() = errno;
                    -1
                }
                None => system_write(file, from, bytes, offset),
            }
        }
    }

    fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let put = |name: &CStr, function: *const c_void| {
                // SAFETY: SQLite has been used before, so that it has its way to the system; what it gets has the signature of what
                // it has by that name, and lives as long as the process.
                unsafe {
                    let system = ffi::sqlite3_vfs_find(null());
                    let set = (*system).xSetSystemCall.unwrap();
                    let function = std::mem::transmute::<*const c_void, ffi::sqlite3_syscall_ptr>(function);
                    assert_eq!(set(system, name.as_ptr(), function), ffi::SQLITE_OK);
                }
            };
            put(c"pread", read as *const c_void);
            put(c"pwrite", write as *const c_void);
        });
    }
}

use disk::{Call, Failing};

/// Of what was asked in a round, what there is, and what the log has.
async fn there(store: &Store, names: [&str; 2]) -> [(bool, bool); 2] {
    let names = names.map(str::to_owned);
    let found = store.read(move |transaction| {
        let told = reasons(transaction);
        let one = |name: String| {
            let known = transaction.patient_key(&name).unwrap().is_some();
            (known, told.iter().any(|reason| reason.trim_end() == name))
        };
        (Ok::<_, StoreError>(names.map(one)), Vec::new())
    });
    found.await.unwrap()
}

/// Two that write share a commit in which the disk fails; what they are told, and whether it came to that.
async fn two(store: &Store, names: [&str; 2], failing: Failing) -> ([Result<(), StoreError>; 2], bool) {
    let ((begun, begins), (go, goes)) = (oneshot::channel(), channel::<()>());
    let mut first = pin!(store.write(move |_| {
        begun.send(()).unwrap();
        goes.recv().unwrap_err();
        (Ok::<_, StoreError>(()), Vec::new())
    }));
    std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
    begins.await.unwrap();
    let write = |asker, name: &str, large: usize, fails: Option<Failing>| {
        let name = name.to_owned();
        let work = move |transaction: &mut Transaction<'_>| {
            if fails.is_some() {
                disk::fail(fails);
            }
            let made = transaction.make_patient_key(&name).map(|_| ());
            (made, vec![Record { reason: format!("{name}{}", " ".repeat(large)), ..record(&name) }])
        };
        Box::pin(store.change_of(Asker::of(asker), work))
    };
    let mut both = [write(1, names[0], 30_000, Some(failing)), write(2, names[1], 0, None)];
    for one in &mut both {
        std::future::poll_fn(|context| Poll::Ready(one.as_mut().poll(context).is_pending())).await;
    }
    drop(go);
    first.await.unwrap();
    let [one, other] = both;
    let told = [one.await, other.await];
    let failed = store.write(|_| (Ok::<_, StoreError>(disk::fail(None)), Vec::new())).await.unwrap();
    (told, failed > 0)
}

#[tokio::test]
async fn wherever_the_disk_fails_each_write_is_there_or_not_and_the_log_agrees() {
    const NO_SPACE: i32 = 28;
    const BROKEN: i32 = 5;
    let [scratch, _] = Scratch::both();
    let mut round = 0;
    for (call, errno, stays) in
        [(Call::Write, NO_SPACE, true), (Call::Write, BROKEN, false), (Call::Read, BROKEN, false)]
    {
        for after in 0.. {
            // Opened anew, it has nothing in memory.
            let store = scratch.store();
            round += 1;
            let names = [format!("large{round}"), format!("small{round}")];
            let names = [names[0].as_str(), names[1].as_str()];
            let failing = Failing { call, after, errno, stays };
            let (told, failed) = two(&store, names, failing).await;
            let found = there(&store, names).await;
            drop(store);
            let store = scratch.store();
            assert_eq!(there(&store, names).await, found, "{failing:?}: opened anew, it is the same");
            for (told, (is_there, is_logged)) in told.iter().zip(found) {
                assert_eq!(is_there, is_logged, "{failing:?}: {told:?}");
                match told {
                    Ok(()) => assert!(is_there, "{failing:?}: it was answered"),
                    Err(StoreError::Busy(_) | StoreError::NoSpace(_)) => assert!(!is_there, "{failing:?}: {told:?}"),
                    Err(StoreError::OutcomeUnknown(_)) => {}
                    other => panic!("{failing:?}: {other:?}"),
                }
                assert!(failed || told.is_ok(), "{failing:?}: {told:?}");
            }
            store.write(|_| (Ok::<_, StoreError>(()), vec![record("next")])).await.unwrap();
            if !failed {
                assert!(after > 0, "{failing:?}: nothing of it comes to the disk");
                break;
            }
        }
    }
}
