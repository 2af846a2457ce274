//! How long a request may take once it has arrived: who waits longer is told to come again, whatever holds the database up.

use std::time::Duration;

use crate::error::ApiError;

/// After how many seconds a client may come again whose request took too long.
const COME_AGAIN: u32 = 1;

/// How long requests may take, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// What reads.
    pub read: Duration,
    /// What writes.
    pub write: Duration,
    /// A transaction Bundle.
    pub transaction: Duration,
}

/// Waits so long for work and no longer.
///
/// # Errors
/// Those of the work; where it takes longer, [`ApiError::OutcomeUnknown`] if it writes and [`ApiError::Busy`] if it does
/// not. What has not been begun then never is.
pub(crate) async fn within<T>(
    limit: Duration,
    writes: bool,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) if writes => Err(ApiError::OutcomeUnknown(COME_AGAIN)),
        Err(_) => Err(ApiError::Busy(COME_AGAIN)),
    }
}
