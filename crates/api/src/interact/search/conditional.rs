//! Conditions of conditional interactions: they see what the caller may see and nothing else, so that what is hidden
//! neither matches nor stands in the way.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_store::audit::Record;
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::Answer;
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::foreseen::{ConditionKey, ConditionMatch, Conditions, Matched, Met};
use crate::interact::labels::review::is_kept;
use crate::interact::search;
use crate::interact::search::led_through::{Matches, led_through};
use crate::interact::search::query::has_chains;
use crate::interact::session::Session;
use crate::interact::{access, is_event, write};

/// So many matches tell whether there is one.
const MOST: u32 = 2;

/// How many of what matches is remembered besides, for some of it may be taken away before the condition counts.
const BESIDES: u32 = 32;

/// Finds out what one of the conditions of a transaction matches, before any of it is done. That of each costs what it costs by itself.
///
/// # Errors
/// When it takes too long, and when the store fails. Whatever else is wrong with it the write tells.
pub(crate) fn foresee_one(
    session: &mut Session<'_, '_>,
    query: &Query,
    conditions: &mut Conditions,
) -> Result<(), ApiError> {
    let key = key(query);
    if conditions.matched.contains_key(&key) || query.resource_type.is_some_and(is_event) {
        return Ok(());
    }
    let cost = session.service.settings.cost;
    session.transaction.bound_anew(cost);
    let matched = match search::matches(session, query, MOST + BESIDES) {
        Ok(found) => {
            let are_more = found.len() >= usize::try_from(MOST + BESIDES).unwrap_or(usize::MAX);
            let first = found.iter().take(usize::try_from(MOST).unwrap_or(usize::MAX)).collect();
            let led = led_through(session, query, &Matches::These(first))?;
            Matched::Ids { ids: found.into_iter().map(|one| one.id).collect(), are_more, led }
        }
        // The write says so, and in its place.
        Err(ApiError::Denied(_) | ApiError::NotFound) => Matched::Refused,
        Err(fault) => return Err(fault),
    };
    conditions.matched.insert(key, matched);
    Ok(())
}

/// What a condition that has been foreseen matches now: nobody else has changed anything since, so it is among what it matched then and
/// what this transaction has come to itself. Not so where it looks at other resources, of which the transaction may have changed some.
fn matches_now(session: &mut Session<'_, '_>, query: &Query, conditions: &Conditions) -> Result<Met, ApiError> {
    let is_same = conditions.state.is_some() && conditions.state == session.transaction.state();
    let (found, are_more, led) = match conditions.matched.get(&key(query)).filter(|_| is_same) {
        Some(Matched::Ids { ids, are_more, led }) => (ids, *are_more, led),
        Some(Matched::Refused) => return within_budget(session, |session| meet(session, query)),
        None => return Err(ApiError::CostlyCondition),
    };
    let has_touched_any = session.transaction.touched(None).next().is_some();
    let looks_elsewhere = || query.resource_type.is_none_or(|of| query.of_type(of).has_chains());
    if has_touched_any && looks_elsewhere() {
        return Err(depends_on_the_same());
    }
    let touched = session.transaction.touched(query.resource_type);
    let mut ids: Vec<String> = found.iter().cloned().chain(touched.map(str::to_owned)).collect();
    ids.sort_unstable();
    ids.dedup();
    let matches = if ids.is_empty() { Vec::new() } else { search::matches_among(session, query, ids, MOST)? };
    // Of so many that some have been forgotten, hardly any is left.
    match are_more && matches.len() < usize::try_from(MOST).unwrap_or(usize::MAX) {
        true => Err(depends_on_the_same()),
        false => Ok(Met { found: matches, led: led.clone() }),
    }
}

/// What a condition is told that takes too long to be matched among what its own transaction changes.
fn depends_on_the_same() -> ApiError {
    let text = "what this condition looks at is changed by the same transaction, and it takes long to match: send first, in a \
                request of its own, what it depends on";
    ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, text)])
}

fn key(query: &Query) -> ConditionKey {
    (query.resource_type, query.used.clone())
}

/// Matches the condition of a write before the write.
///
/// # Errors
/// Those of a search.
pub(crate) fn foresee(session: &mut Session<'_, '_>, query: &Query) -> Result<ConditionMatch, ApiError> {
    Ok(ConditionMatch { state: session.transaction.state(), met: meet(session, query)? })
}

/// The first matches, and whose data they are found through that no event of the write tells.
fn meet(session: &mut Session<'_, '_>, query: &Query) -> Result<Met, ApiError> {
    let found = search::matches(session, query, MOST)?;
    let led = led_through(session, query, &Matches::These(found.iter().collect()))?;
    Ok(Met { found, led })
}

/// The first matches. On the writer, what has been foreseen holds as long as no data has changed; what has not been must
/// cost next to nothing.
fn met_now(session: &mut Session<'_, '_>, query: &Query) -> Result<Met, ApiError> {
    if let Some(foreseen) = session.foreseen.and_then(|foreseen| foreseen.condition.as_ref()) {
        let same = foreseen.state.is_some() && foreseen.state == session.transaction.state();
        return if same { Ok(foreseen.met.clone()) } else { Err(ApiError::CostlyCondition) };
    }
    if let Some(conditions) = session.foreseen.and_then(|foreseen| foreseen.conditions.clone())
        && !query.resource_type.is_some_and(is_event)
    {
        return matches_now(session, query, &conditions);
    }
    within_budget(session, |session| meet(session, query))
}

/// Does what may take the only writer, for which all others wait, next to nothing.
///
/// # Errors
/// [`ApiError::CostlyCondition`] if it takes more; else those of the work.
fn within_budget<'t, T>(
    session: &mut Session<'_, 't>,
    work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    session.transaction.begin_condition();
    let done = work(session);
    match (session.transaction.end_condition(), done) {
        (true, Err(_)) => Err(ApiError::CostlyCondition),
        (_, done) => done,
    }
}

/// The only visible resource that matches, if one does. What the write's own event does not tell is told beside it: that several match,
/// whose data else it is found through, and whom else the condition names than in whose record the one is, or her from whom that is kept:
/// alike, as if nothing matched.
pub(crate) fn one(session: &mut Session<'_, '_>, query: &Query) -> Result<Option<Version>, ApiError> {
    let Met { found, led } = met_now(session, query)?;
    if found.len() > 1 || !led.is_empty() || names_others(session, query, &found)? {
        let events = told(session, query, &found, &led)?;
        session.audit.besides(events);
    }
    only(&found)
}

/// Whether a condition names somebody to whom a write of what it found is not told.
fn names_others(session: &mut Session<'_, '_>, query: &Query, found: &[Version]) -> Result<bool, ApiError> {
    let named = query.named_patients();
    if named.is_empty() {
        return Ok(false);
    }
    let [only] = found else { return Ok(true) };
    if is_kept(only) {
        return Ok(true);
    }
    let mut whose = Vec::new();
    for key in session.transaction.patients_of(Rows::Current, only)? {
        whose.push(session.transaction.patient_id(key)?);
    }
    Ok(named.iter().any(|one| !whose.contains(one)))
}

/// The same for a reference by a search, which has events of its own: whosever data it finds is told, whatever comes of the write.
pub(crate) fn referred_to(
    session: &mut Session<'_, '_>,
    query: &Query,
    events: &mut Vec<Record>,
) -> Result<Option<Version>, ApiError> {
    let Met { found, led } = met_now(session, query)?;
    events.extend(told(session, query, &found, &led)?);
    only(&found)
}

/// What the log says of what a condition matches, and of what it was led through: it is a search.
fn told(
    session: &mut Session<'_, '_>,
    query: &Query,
    found: &[Version],
    counted: &[(i64, ResourceType)],
) -> Result<Vec<Record>, ApiError> {
    let mut event =
        AuditEntry::begin(session.call, Interaction::Search, query.resource_type).asking(criteria_text(query));
    let records = query.records();
    session.telling(&mut event, |session| {
        if let Some(one) = query.resource_type.filter(|one| !is_event(*one)) {
            let decision = access::decide_search(session, Action::Search, one, query.only_record().as_deref())?;
            session.audit.finds(Some(one), decision);
        }
        let has_chains = has_chains(query);
        let versions: Vec<(Rows, &Version)> = found.iter().map(|version| (Rows::Current, version)).collect();
        // How it was found is not told then: it may be by what is kept from whom it is about.
        let by_kept = found.iter().map(|version| version.key).filter(|_| has_chains).collect();
        let named = &query.named_patients();
        let by_kept = Some(&by_kept);
        let answer = Answer { versions: &versions, by_kept, named, counted, is_counted_by_kept: true };
        access::disclose_found(session, &answer, &records)
    })?;
    Ok(event.ended(None))
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
        write::note(session, found)?;
    }
    Ok(found)
}

/// Makes two writers with the same condition follow one another.
pub(crate) fn lock(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    query: &Query,
) -> Result<(), ApiError> {
    Ok(transaction.lock(hash((resource_type, &query.used)).cast_signed())?)
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
