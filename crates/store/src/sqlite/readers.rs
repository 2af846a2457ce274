//! The connections of the embedded database that read, used where the caller is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::address::{DatabaseUrl, Durability};
use crate::connection::Connection;
use crate::error::{StoreError, WorkError};
use crate::snapshot::Snapshots;
use crate::transaction::Transaction;
use crate::{Reads, Reply, Shared};

/// The connections that read.
pub(super) struct Readers {
    address: DatabaseUrl,
    durability: Durability,
    limit: Duration,
    idle: Mutex<Vec<Reader>>,
    pub(super) snapshots: Snapshots,
}

/// A connection that reads, and since when it has been in its snapshot if that has been kept.
struct Reader {
    connection: Connection,
    since: Option<u64>,
}

impl Reader {
    /// Leaves the snapshot; whether the connection can still be used.
    fn leave(&mut self) -> bool {
        self.since.take().is_none() || self.connection.commit().is_ok()
    }
}

impl Readers {
    /// One connection, with which the database has been looked at.
    pub(super) fn open(address: &DatabaseUrl, durability: Durability, limit: Duration) -> Result<Readers, String> {
        let DatabaseUrl::Sqlite(path) = address else {
            return Err("this is no SQLite file".to_owned());
        };
        let mut first = open(address, durability, limit)?;
        // Looking at it opens the wal-index.
        first.batch("SELECT count(*) FROM sqlite_master").map_err(|error| error.to_string())?;
        let idle = Mutex::new(vec![Reader { connection: first, since: None }]);
        Ok(Readers { address: address.clone(), durability, limit, idle, snapshots: Snapshots::of(path) })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those who do nothing leave their snapshots.
    pub(super) fn release(&self) {
        self.idle().retain_mut(Reader::leave);
    }

    /// Has nobody stay in the snapshot that there is: as long as somebody is, the write-ahead log is not written back whole.
    pub(super) fn begin_anew(&self) {
        self.snapshots.change();
        self.release();
    }

    /// A read where the caller is. If it looks at the log its snapshot begins now; else any will do that shows all data of this
    /// moment.
    pub(super) fn read_in<T, E: WorkError>(
        &self,
        shared: &Shared,
        reads: Reads,
        work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    ) -> Reply<T, E> {
        let log = reads == Reads::Everything;
        let snapshots = &self.snapshots;
        let idle = self.idle().pop().map(|mut reader| {
            let stays = !log && reader.since.is_some_and(|since| snapshots.is(since));
            (stays || reader.leave()).then_some(reader)
        });
        let mut reader = match idle.flatten() {
            Some(reader) => reader,
            None => match open(&self.address, self.durability, self.limit) {
                Ok(connection) => Reader { connection, since: None },
                Err(error) => {
                    return (Err(StoreError::Internal(format!("cannot open a reader: {error}")).into()), Vec::new());
                }
            },
        };
        let mut since = reader.since;
        if since.is_none() {
            since = snapshots.now();
            if let Err(error) = reader.connection.begin("BEGIN") {
                return (Err(StoreError::from(error).into()), Vec::new());
            }
        }
        let mut transaction = Transaction::new(&mut reader.connection, shared);
        transaction.sees_log = log;
        transaction.state = since;
        let reply = work(&mut transaction);
        drop(transaction);
        let sound = !reply.0.as_ref().is_err_and(E::is_failure);
        reader.since = since.filter(|_| sound);
        if reader.connection.is_spoilt() {
            return reply;
        }
        // One that failed is out of its snapshot already, or is closed.
        if reader.since.is_some() || reader.connection.commit().is_ok() {
            self.idle().push(reader);
        }
        reply
    }
}

fn open(address: &DatabaseUrl, durability: Durability, limit: Duration) -> Result<Connection, String> {
    Connection::open_limited(address, durability, limit)
        .map_err(|error| error.to_string())?
        .for_reading()
        .map_err(|error| error.to_string())
}
