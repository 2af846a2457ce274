//! Work that callers hand to the threads of a store: what comes together, what panics, what comes too late.

use std::sync::mpsc::Receiver;

use crate::Reply;
use crate::error::{StoreError, WorkError};
use crate::transaction::Transaction;

/// The first job with those that wait behind it, at most so many. Where the processors are busy, whoever is about to send
/// another gets to run before: a commit for many costs little more than one for a few. Where they are not, this takes no
/// time.
pub(crate) fn gathered<T>(first: T, waiting: &Receiver<T>, most: usize) -> Vec<T> {
    let mut jobs = vec![first];
    jobs.extend(waiting.try_iter().take(most - 1));
    while jobs.len() < most {
        let before = jobs.len();
        std::thread::yield_now();
        jobs.extend(waiting.try_iter().take(most - before));
        if jobs.len() == before {
            break;
        }
    }
    jobs
}

/// The error of a request that found the store closed.
pub(crate) fn stopped() -> StoreError {
    StoreError::Busy(1)
}

/// Runs a job, turning a panic into an error so that it cannot take the writer with it.
pub(crate) fn guarded<T, E: WorkError>(
    work: impl FnOnce(&mut Transaction<'_>) -> Reply<T, E>,
    transaction: &mut Transaction<'_>,
) -> Reply<T, E> {
    #[cfg(any(test, feature = "testing"))]
    let before = transaction.counted();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(transaction)));
    #[cfg(any(test, feature = "testing"))]
    transaction.count_since(before);
    match done {
        Ok(reply) => reply,
        Err(_) => {
            transaction.spoil();
            (Err(StoreError::Internal("a panic inside a transaction".to_owned()).into()), Vec::new())
        }
    }
}
