//! Work that callers hand to the threads of a store: what panics, and what comes too late.

use crate::Reply;
use crate::error::{StoreError, WorkError};
use crate::transaction::Transaction;

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
        Ok((Err(fault), mut records)) => {
            transaction.nobodys_if_undone(&mut records);
            (Err(fault), records)
        }
        Ok(reply) => reply,
        Err(_) => {
            transaction.spoil();
            (Err(StoreError::Internal("a panic inside a transaction".to_owned()).into()), Vec::new())
        }
    }
}
