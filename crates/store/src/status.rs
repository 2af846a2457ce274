//! What operators ask of the store: what waits for it, and whether it answers.

use std::sync::atomic::Ordering;

use crate::error::StoreError;
use crate::fair_queue::Asker;
use crate::transaction::Transaction;
use crate::{Backend, Store};

impl Store {
    /// How much waits for the database: for SQLite's writer, or for a connection to PostgreSQL.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.waiting(),
            Backend::Postgres(postgres) => postgres.waiting(),
        }
    }

    /// How many connections to PostgreSQL are open, and how many are at work. The embedded database has none.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        match &*self.backend {
            Backend::Sqlite(_) => (0, 0),
            Backend::Postgres(postgres) => postgres.pool.open_and_busy(),
        }
    }

    /// Whether the database can be read and written, whoever commits the log is at work, and a commit ends, which waits for
    /// a standby where there is a synchronous one: no read is answered without. SQLite's writer, kept out, is asked for a turn.
    pub async fn ready(&self) -> bool {
        let work = |transaction: &mut Transaction<'_>| (transaction.is_writable(), Vec::new());
        let writable = match &*self.backend {
            Backend::Sqlite(sqlite) => match sqlite.read_now(Asker::SERVER, None, work).await {
                Ok(true) if sqlite.may_be_kept_out() => self.write(|_| (Ok::<_, StoreError>(true), Vec::new())).await,
                answered => answered,
            },
            Backend::Postgres(_) => match self.write(work).await {
                Ok(true) => self.commit_records(Asker::SERVER, Vec::new()).await.map(|()| true),
                other => other,
            },
        };
        writable.is_ok_and(|writable| writable) && self.has_space().await
    }

    /// Whether there is room on the disk: tried where there was none, since nobody else may come to find out.
    async fn has_space(&self) -> bool {
        if !self.shared.no_space.load(Ordering::Relaxed) {
            return true;
        }
        // On PostgreSQL what was tried is undone.
        let tried = self.write(|transaction| (transaction.try_space(), Vec::new())).await;
        let has_space = matches!(tried, Ok(()) | Err(StoreError::Conflict(_)));
        self.shared.no_space.store(!has_space, Ordering::Relaxed);
        has_space
    }
}
