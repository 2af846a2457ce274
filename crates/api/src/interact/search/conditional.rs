//! Conditions of conditional interactions: they see what the caller may see and nothing else, so that what is hidden
//! neither matches nor stands in the way.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::foreseen::ConditionMatch;
use crate::interact::search;
use crate::interact::session::Session;

/// Matches the condition of a write before the write.
///
/// # Errors
/// Those of a search.
pub(crate) fn foresee(session: &mut Session<'_, '_>, query: &Query) -> Result<ConditionMatch, ApiError> {
    let found = search::matches(session, query, 2)?;
    Ok(ConditionMatch { state: session.transaction.state(), found })
}

/// The first matches. On the writer, what has been foreseen holds as long as no data has changed; what has not been must
/// cost next to nothing.
fn matches(session: &mut Session<'_, '_>, query: &Query) -> Result<Vec<Version>, ApiError> {
    if let Some(foreseen) = session.foreseen.and_then(|foreseen| foreseen.condition.as_ref()) {
        let same = foreseen.state.is_some() && foreseen.state == session.transaction.state();
        return if same { Ok(foreseen.found.clone()) } else { Err(ApiError::CostlyCondition) };
    }
    within_condition_budget(session, |session| search::matches(session, query, 2))
}

/// Does what may take the only writer, for which all others wait, next to nothing.
///
/// # Errors
/// [`ApiError::CostlyCondition`] if it takes more; else those of the work.
pub(crate) fn within_condition_budget<'t, T>(
    session: &mut Session<'_, 't>,
    work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    within_budget(session, Transaction::begin_condition, work)
}

/// The same of an operation, of which everything counts.
///
/// # Errors
/// As [`within_condition_budget`].
pub(crate) fn within_operation_budget<'t, T>(
    session: &mut Session<'_, 't>,
    work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    within_budget(session, Transaction::begin_operation, work)
}

fn within_budget<'t, T>(
    session: &mut Session<'_, 't>,
    begin: fn(&mut Transaction<'t>),
    work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    if session.transaction.left_to_compute().is_some() {
        // It is a part of what counts already.
        return work(session);
    }
    begin(session.transaction);
    let done = work(session);
    match (session.transaction.end_condition(), done) {
        (true, Err(_)) => Err(ApiError::CostlyCondition),
        (_, done) => done,
    }
}

/// The only visible resource that matches, if one does.
pub(crate) fn one(session: &mut Session<'_, '_>, query: &Query) -> Result<Option<Version>, ApiError> {
    only(&matches(session, query)?)
}

/// The only one of what has been found to match.
pub(crate) fn only(found: &[Version]) -> Result<Option<Version>, ApiError> {
    if let [] | [_] = found {
        return Ok(found.first().cloned());
    }
    Err(ApiError::PreconditionFailed(Issue::plain(
        IssueCode::MultipleMatches,
        "the condition matches more than one resource; make it more selective",
    )))
}

/// What meets the condition of a create already, so that nothing is created: the log tells of that.
pub(crate) fn met(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    condition: Option<&Query>,
) -> Result<Option<Version>, ApiError> {
    let Some(query) = condition else { return Ok(None) };
    lock(session.transaction, resource_type, query)?;
    let found = one(session, query)?;
    if let Some(found) = &found {
        session.audit.found(found);
    }
    Ok(found)
}

/// Makes two writers with the same condition follow one another.
pub(crate) fn lock(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    query: &Query,
) -> Result<(), ApiError> {
    Ok(transaction.lock(hash((resource_type, criteria_text(query))).cast_signed())?)
}

/// The number of a lock, the same on every node: the hasher has fixed keys.
pub(crate) fn hash(of: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

/// The parameters of a condition. Some clients write the whole address of the search, or the type before them.
pub(crate) fn criteria<'t>(base: &str, resource_type: ResourceType, text: &'t str) -> &'t str {
    let text = text.trim();
    let own = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
    let rest = own.strip_prefix(resource_type.name()).and_then(|rest| rest.strip_prefix('?'));
    rest.unwrap_or(text).trim_start_matches('?')
}

/// The condition as the client asked it, for the log and the lock.
pub(crate) fn criteria_text(query: &Query) -> String {
    query.used.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
