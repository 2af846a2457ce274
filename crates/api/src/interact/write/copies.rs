//! How many records one resource may be in. Each of its index rows is there once for each of them, so that it is found from every
//! one: what names many patients in many elements would be written again and again, while all others wait.

use concord_fhir::index::Entries;
use concord_fhir::issue::{Issue, IssueCode};
use concord_store::rows::Version;

use super::{Filing, PreparedVersion, SECURITY, unfiled};
use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_entries;

/// In how many records one resource may be.
const MOST_RECORDS: usize = 100;

/// How many index rows a resource may have that is in several, in all of them together.
const MOST_ROWS: usize = 50_000;

/// How many of what one Bundle stores there may be besides those of first records.
pub(crate) const MOST_COPIES: usize = 200_000;

/// What tells to send less at once.
const SEVERAL: &str = "write several, each for some of them";

/// Refuses what would be in more records than one resource may be in, or what has more rows than may be in so many. What is stored
/// with more already may be changed, but to no more.
///
/// # Errors
/// [`ApiError::Unprocessable`] with the number, and when the store fails.
pub(super) fn refuse_many(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    entries: &Entries,
    filing: &Filing,
) -> Result<(), ApiError> {
    // What waits for a Patient will be in that record too.
    let records = entries.patients.len() + unfiled::waiting_numbers(filing).len();
    let rows = rows_besides_labels(entries);
    if records <= 1 || (records <= MOST_RECORDS && rows.saturating_mul(records) <= MOST_ROWS) {
        return Ok(());
    }
    let old = old.filter(|old| !old.deleted);
    if let Some(old) = old.filter(|old| usize::from(old.patients.unsigned_abs()) + filing.waited.len() >= records) {
        let stored = stored_entries(session, old, &old.resource()?)?;
        if rows <= rows_besides_labels(&stored) {
            return Ok(());
        }
    }
    let text = match records > MOST_RECORDS {
        true => format!(
            "this would be in the records of {records} patients, and one resource may be in those of {MOST_RECORDS}: {SEVERAL}"
        ),
        false => format!(
            "this would be found by {rows} values in the records of {records} patients each, which is more than {MOST_ROWS} \
             together: {SEVERAL}"
        ),
    };
    Err(refused(entries.resource_type.name(), text))
}

/// Labels come and go by other ways, and have a bound of their own.
fn rows_besides_labels(entries: &Entries) -> usize {
    entries.rows.iter().filter(|row| row.parameter != SECURITY).count()
}

/// Takes what is about to be stored from what the Bundle may still store in further records.
///
/// # Errors
/// [`ApiError::Unprocessable`] when it may store no more.
pub(super) fn take(
    session: &mut Session<'_, '_>,
    new: &PreparedVersion,
    told: &[PreparedVersion],
) -> Result<(), ApiError> {
    let copies_of = |one: &PreparedVersion| {
        let further = one.entries.patients.len().saturating_sub(1);
        one.entries.rows.len().saturating_mul(further)
    };
    let copies = told.iter().map(copies_of).fold(copies_of(new), usize::saturating_add);
    if copies == 0 || session.transaction.take_copies(copies) {
        return Ok(());
    }
    let text = format!(
        "what this transaction stores in the records of several patients has more than {MOST_COPIES} values in all of them together: \
         send fewer of its entries at once"
    );
    Err(refused(new.version.resource_type.name(), text))
}

fn refused(place: &str, text: String) -> ApiError {
    ApiError::Unprocessable(vec![Issue::error(IssueCode::TooCostly, place, text)])
}
