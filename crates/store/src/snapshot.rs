//! How long a reader of the embedded database may go on in one snapshot.
//!
//! Every commit makes a connection that begins a new snapshot forget all pages that it holds, and every answer commits
//! its audit record: to read the same pages again is then half of what a search takes. So a reader keeps its snapshot
//! until data has changed; commits of audit records alone change nothing that is searched for, and whoever wants to see
//! the log begins a snapshot of its own.
//!
//! Whether data has changed is told by a count, which the writer raises before it answers; and whether another process
//! has committed something, by the wal-index: its header is another one after every commit of anybody
//! (<https://www.sqlite.org/walformat.html>, section 2.1). What is in doubt counts as changed.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::{Backend, Store};

/// The header of the wal-index.
type Header = [u8; 48];

/// Where the header counts commits, four bytes in the order of this machine.
const COMMITS: std::ops::Range<usize> = 8..12;

/// Where it says how many pages the log has.
const PAGES: std::ops::Range<usize> = 16..20;

/// The states that the database goes through.
pub(crate) struct Snapshots {
    /// The wal-index; without it no snapshot is kept. It is not closed while it has a name: with a file, a process loses all
    /// its locks on it, those of SQLite among them.
    index: Option<ManuallyDrop<File>>,
    /// The header after the last commit of this process.
    known: RwLock<Option<Header>>,
    /// How often data has changed.
    changes: AtomicU64,
}

/// What the writer found when it began.
pub(crate) struct Begun {
    header: Option<Header>,
    foreign: bool,
    changes: u64,
}

impl Begun {
    /// What its transaction shows; none if it is in doubt.
    pub(crate) fn shows(&self) -> Option<u64> {
        (!self.foreign).then_some(self.changes)
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        // Nobody locks a file any more that has been deleted.
        if self.index.as_ref().and_then(|file| file.metadata().ok()).is_some_and(|file| file.nlink() == 0) {
            drop(self.index.take().map(ManuallyDrop::into_inner));
        }
    }
}

impl Snapshots {
    /// Of the database in this file, which is open in WAL mode.
    pub(crate) fn of(path: &Path) -> Snapshots {
        let mut name = path.as_os_str().to_owned();
        name.push("-shm");
        let snapshots = Snapshots {
            index: File::open(name).ok().map(ManuallyDrop::new),
            known: RwLock::new(None),
            changes: AtomicU64::new(0),
        };
        *snapshots.known.write().unwrap_or_else(PoisonError::into_inner) = snapshots.header();
        snapshots
    }

    fn header(&self) -> Option<Header> {
        let mut header = [0; 48];
        self.index.as_ref()?.read_exact_at(&mut header, 0).ok()?;
        Some(header)
    }

    /// How many pages the write-ahead log has; none where that is not known.
    pub(crate) fn pages(&self) -> u32 {
        let header = self.header();
        header.and_then(|header| header.get(PAGES)?.try_into().ok()).map_or(0, u32::from_ne_bytes)
    }

    fn is_known(&self, header: Option<Header>) -> bool {
        header.is_some() && header == *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a snapshot that begins from here on shows at least; none if it is in doubt.
    pub(crate) fn now(&self) -> Option<u64> {
        let changes = self.changes.load(Ordering::Acquire);
        self.is_known(self.header()).then_some(changes)
    }

    /// Whether a snapshot that began then shows all data that there is now.
    pub(crate) fn is(&self, then: u64) -> bool {
        self.now() == Some(then)
    }

    /// To be called by the writer when it holds the lock for writing.
    pub(crate) fn begun(&self) -> Begun {
        let changes = self.changes.load(Ordering::Acquire);
        let header = self.header();
        Begun { foreign: !self.is_known(header), header, changes }
    }

    /// To be called by the writer after it has committed something, before it tells anybody. `changed` is whether there
    /// was more to it than audit records. Whether nobody else has committed anything since it began.
    pub(crate) fn committed(&self, begun: &Begun, changed: bool) -> bool {
        let header = self.header();
        let count = |header: Option<Header>| {
            header.and_then(|header| header.get(COMMITS)?.try_into().ok()).map(u32::from_ne_bytes)
        };
        let alone = count(begun.header).is_some_and(|before| count(header) == Some(before.wrapping_add(1)));
        if changed || begun.foreign || !alone {
            self.change();
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = header;
        alone
    }

    /// Lets no snapshot be kept any longer.
    pub(crate) fn change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

impl Store {
    /// The state of the data that a read sees which begins now: while it is the same nobody has changed anything, in this process or in
    /// another, so that what was read before is true still. None where that is in doubt, and on PostgreSQL, where only a statement tells
    /// what others have changed.
    #[must_use]
    pub fn state(&self) -> Option<u64> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.state(),
            Backend::Postgres(_) => None,
        }
    }
}
