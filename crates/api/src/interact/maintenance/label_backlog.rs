//! Handing on the labels that were more than the write that changed them might (`concord_store::transaction::effective_label`). Each step
//! is a short transaction, so that whoever writes meanwhile waits for no more than that.

use concord_store::transaction::effective_label::BacklogStep;

use crate::error::ApiError;
use crate::interact::Service;

/// How many resources share a transaction.
const BATCH: usize = 200;

/// Does the next of what is left, if anything is: the log tells nothing of it, as nothing can be seen by it that could not be
/// before.
///
/// # Errors
/// When the database fails; what was done stays done.
pub(crate) async fn step(service: &Service) -> Result<BacklogStep, ApiError> {
    some(service, BATCH).await
}

/// The same for so many resources.
///
/// # Errors
/// As [`step`].
pub(crate) async fn some(service: &Service, most: usize) -> Result<BacklogStep, ApiError> {
    if !service.store.read(|transaction| (transaction.has_label_backlog(), Vec::new())).await? {
        return Ok(BacklogStep::Nothing);
    }
    Ok(service.store.change(move |transaction| (transaction.do_label_backlog(most), Vec::new())).await?)
}
