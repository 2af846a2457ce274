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
    let made_before = transaction.fresh.len();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(transaction)));
    #[cfg(any(test, feature = "testing"))]
    transaction.count_since(before);
    match done {
        Ok((Err(fault), mut records)) => {
            transaction.nobodys_if_undone(made_before, &mut records);
            (Err(fault), records)
        }
        Ok(reply) => reply,
        Err(_) => {
            transaction.spoil();
            (Err(StoreError::Internal("a panic inside a transaction".to_owned()).into()), Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Record;
    use crate::testing::Scratch;

    #[tokio::test]
    async fn of_what_is_undone_nobody_is_told_whom_it_made_and_all_others_are() {
        for scratch in Scratch::both() {
            let store = scratch.store();
            let (stood, told) = store
                .write(|transaction| {
                    // On SQLite others have written in the same transaction before.
                    let stood = transaction.make_patient_key("stood").unwrap();
                    let fails = |transaction: &mut Transaction<'_>| -> Reply<(), StoreError> {
                        let own = transaction.make_patient_key("own").unwrap();
                        let inner: Result<(), StoreError> = transaction.savepoint(|part| {
                            part.make_patient_key("inner")?;
                            Err(StoreError::Busy(1))
                        });
                        assert!(inner.is_err());
                        let told = |patient| Record { patient, ..Record::default() };
                        (Err(StoreError::Busy(1)), vec![told(stood), told(own)])
                    };
                    let (done, records) = guarded(fails, transaction);
                    assert!(done.is_err());
                    let told: Vec<i64> = records.iter().map(|record| record.patient).collect();
                    (Ok::<_, StoreError>((stood, told)), Vec::new())
                })
                .await
                .unwrap();
            assert_eq!(told, [stood, 0]);
        }
    }
}
