//! Whether the log is whole: its chain through the files of closed periods and through the database, held against what was kept
//! elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use concord_store::audit::period::Period;
use concord_store::keys::Keys;

use super::chain::{Head, LATE};
use super::period;
pub(crate) use super::walk::Report;
use super::walk::{Walk, next_link};
use crate::error::ApiError;
use crate::interact::Service;

/// What the chain is checked against.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// The heads that were kept elsewhere, by their numbers: it must lead through each.
    pub(crate) heads: Vec<Head>,
    /// The key that closed periods must be signed with, if it is known.
    pub(crate) public_key: Option<String>,
    /// Where the files of closed periods are, if they are to be looked at.
    pub(crate) periods: Option<PathBuf>,
}

/// Goes along the closed periods: through their files, where it is known where these are.
fn closed(walk: &mut Walk<'_>, periods: &[Period], evidence: &Evidence) {
    for period in periods {
        let links = format!("links {} to {}", period.after + 1, period.number);
        if !period::is_genuine(period, evidence.public_key.as_deref()) {
            walk.report
                .problem(format!("{links} are gone, and what says that they were closed is not signed by the key"));
        }
        if period.after != walk.number || period.previous != walk.head {
            walk.report.problem(format!("{links} were closed, which do not follow link {}", walk.number));
        }
        if let Some(folder) = &evidence.periods
            && let Err(error) = period::walk_file(folder, period, walk)
        {
            walk.report.problem(format!("{links} were closed: {error}"));
        }
        walk.go_on_from(period);
    }
}

/// Goes through the whole chain. `told` is called after each link.
///
/// # Errors
/// When the database fails. What is wrong with the log is in the report.
pub(crate) async fn verify(
    service: &Arc<Service>,
    evidence: &Evidence,
    mut told: impl FnMut(&Report),
) -> Result<Report, ApiError> {
    let mut walk = Walk::begin(&evidence.heads);
    let periods = service.store.read(|transaction| (transaction.periods(), Vec::new())).await?;
    closed(&mut walk, &periods, evidence);
    walk.report.closed = periods.last().map_or(0, |period| u64::try_from(period.number).unwrap_or(0));
    while let Some((link, records)) = next_link(service, walk.number, walk.last).await? {
        walk.step(&link, &records);
        told(&walk.report);
    }
    let (from, recent) = (walk.last, Keys::from(service.store.now_ms() - LATE));
    let waiting = service.store.read(move |transaction| (transaction.count_records(from, None), Vec::new())).await?;
    let mut report = walk.end(recent);
    report.unlinked += u64::try_from(waiting).unwrap_or(0);
    Ok(report)
}
