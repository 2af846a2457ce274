//! Reads that may take the database long. Those that do have a place, of which there are so many, and run where nobody waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::apart::{apart, asking_who_waits};
use crate::error::WorkError;
use crate::fair_queue::Asker;
use crate::transaction::Transaction;
use crate::{Backend, Extent, Reads, Reply, Store, stopped};

/// A place that work has until it has ended.
pub trait Place: Send + 'static {
    /// What is raised when it is wanted back for somebody else: the work is stopped then, and begun anew in another place. None
    /// where it is one's own as long as the work takes.
    fn wanted_back(&self) -> Option<Arc<AtomicBool>> {
        None
    }

    /// Is told how long the work took a processor.
    fn took(&mut self, _time: Duration) {}
}

impl Place for () {}

/// For how long this thread has had a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Store {
    /// Like [`Store::read`], for somebody's work that may take the database long. What does waits for a `place` first, which it has
    /// until it has ended, also where whoever asked for it has gone away, and runs where no other request waits for it.
    ///
    /// The embedded database counts what it does, so there any work is begun where the caller is, and only what turns out
    /// to be more than a little is stopped and done again elsewhere. On PostgreSQL it is known beforehand or not at all:
    /// whatever is not [`Extent::Little`] takes a place.
    pub async fn read_bounded<T: Send + 'static, E: WorkError, P: Place, F: Future<Output = Result<P, E>>>(
        &self,
        asker: Asker,
        reads: Reads,
        extent: Extent,
        mut place: impl FnMut() -> F,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.log_is_whole(reads).await;
        let (result, records) = match &*self.backend {
            Backend::Sqlite(sqlite) => {
                let begun = match extent {
                    Extent::Little | Extent::Unknown => sqlite.read_a_little(&self.shared, reads, false, &work),
                    Extent::Alone => sqlite.read_a_little(&self.shared, reads, true, &work),
                    Extent::Much => None,
                };
                match begun {
                    Some(done) => {
                        // What is to be committed is waited for together with others', and whoever is next waits for nothing.
                        drop(place);
                        done
                    }
                    None => self.read_in_places(reads, place, work).await?,
                }
            }
            Backend::Postgres(postgres) if extent == Extent::Little => {
                let done = postgres.read(asker, extent, work).await;
                drop(place);
                done
            }
            Backend::Postgres(postgres) => {
                let held = place().await?;
                let work = move |transaction: &mut Transaction<'_>| {
                    let _until_then = held;
                    work(transaction)
                };
                postgres.read(asker, extent, work).await
            }
        };
        self.append_of(asker, records).await?;
        result
    }

    /// On the embedded database: a read in a place, and in another for each that is wanted back before the read has ended.
    async fn read_in_places<T: Send + 'static, E: WorkError, P: Place, F: Future<Output = Result<P, E>>>(
        &self,
        reads: Reads,
        mut place: impl FnMut() -> F,
        work: impl Fn(&mut Transaction<'_>) -> Reply<T, E> + Send + 'static,
    ) -> Result<Reply<T, E>, E> {
        let mut work = work;
        loop {
            let mut held = place().await?;
            let wanted_back = held.wanted_back();
            let (own, lent) = (self.clone(), wanted_back.clone());
            let run = move || {
                let begun = processor_time();
                let read = || match &*own.backend {
                    Backend::Sqlite(sqlite) => sqlite.read(&own.shared, reads, &work),
                    Backend::Postgres(_) => (Err(stopped().into()), Vec::new()),
                };
                let done = match lent {
                    Some(lent) => asking_who_waits(lent, read),
                    None => read(),
                };
                held.took(processor_time().saturating_sub(begun));
                drop(held);
                (done, work)
            };
            let Ok((done, again)) = apart((), run).await else { return Ok((Err(stopped().into()), Vec::new())) };
            // Of what was stopped nothing is told: it may have found less.
            if !wanted_back.is_some_and(|raised| raised.load(Ordering::Relaxed)) {
                return Ok(done);
            }
            work = again;
        }
    }
}
