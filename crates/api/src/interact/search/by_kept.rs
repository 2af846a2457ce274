//! What a search finds by what is kept from patients alone: the log of a patient tells nothing of what is kept from her.
//!
//! What was found through something that is kept from the patients whom it is about is told without how: what comes along with it alone, and
//! a match that a chain or `_has` leads to by it alone. She learns that it was seen, and not that there is something by which it was found.

use std::collections::HashSet;

use concord_fhir::search::Query;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::labels::review::is_kept;
use crate::interact::search::include;
use crate::interact::search::page::Page;
use crate::interact::session::Session;

/// The keys of what is in the answer only by what is kept from patients, where that is not so of itself.
///
/// # Errors
/// When the store fails.
pub(super) fn only_by_kept(
    session: &mut Session<'_, '_>,
    query: &Query,
    page: &Page,
) -> Result<HashSet<i64>, ApiError> {
    // These are some of those that the answer has.
    let room = session.transaction.look_again();
    let found = session.without_explain(|session| session.unlogged(|session| beyond(session, query, page)));
    session.transaction.go_on_bounding(room);
    found
}

fn beyond(session: &mut Session<'_, '_>, query: &Query, page: &Page) -> Result<HashSet<i64>, ApiError> {
    let mut by_kept = page.by_kept.clone();
    let is_open = |version: &&Version| !is_kept(version) && !by_kept.contains(&version.key);
    let goes_on = query.include.iter().any(|include| include.iterate) && page.included.iter().any(is_kept);
    if page.included.is_empty() || (page.versions.iter().all(|version| is_open(&version)) && !goes_on) {
        return Ok(by_kept);
    }
    let through: Vec<Version> = page.versions.iter().filter(is_open).cloned().collect();
    let (open, _) = include::included_by(session, query, &through, |version| !is_kept(version))?;
    let open: HashSet<i64> = open.iter().map(|version| version.key).collect();
    by_kept.extend(page.included.iter().map(|version| version.key).filter(|key| !open.contains(key)));
    Ok(by_kept)
}
