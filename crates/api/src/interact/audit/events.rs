//! Reading and searching the events of the log.

use std::collections::BTreeSet;

use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Query, Sort, SortBy, Total};
use concord_store::audit::{AuditQuery, Place, Stored};
use concord_store::rows::Version;
use concord_store::search::{Position, PositionValue};

use crate::error::ApiError;
use crate::interact::audit::closed;
use crate::interact::audit::sought::{Order, Sought};
use crate::interact::audit::visibility;
use crate::interact::search::page::Page;
use crate::interact::session::Session;
use crate::interact::{AUDIT_EVENT, audit};

const DATE: ParameterId = ParameterId::of("AuditEvent.date");

/// In which order a search has events, and from which of them on: by the first of what it sorts by, which tells all events apart.
fn order(query: &Query, after: Option<&Position>) -> (Order, Option<Place>) {
    if !matches!(query.sort.first(), Some(Sort { by: SortBy::Range(DATE), .. })) {
        return (Order::Arrival, after.map(|after| Place::own(after.key)));
    }
    let place = |after: &Position| match after.values.as_slice() {
        [PositionValue::Text(place)] => place.parse().unwrap_or(after.key),
        _ => after.key,
    };
    (Order::Recorded, after.map(|after| Place { place: place(after), number: after.key }))
}

/// Whether the log can be searched with a modifier: what it does not keep is refused, and not answered as if there were none.
fn knows(code: &str, modifier: &str) -> bool {
    match code {
        "agent" if modifier == "identifier" => true,
        "patient" | "agent" | "entity" => modifier == "missing" || ResourceType::parse(modifier).is_some(),
        "action" | "outcome" | "subtype" => matches!(modifier, "missing" | "not"),
        "date" => modifier == "missing",
        _ => false,
    }
}

/// Whether one of the tokens of a search has a system.
fn names_system(value: &str) -> bool {
    // What is escaped is part of a text.
    let plain = value.replace("\\\\", "").replace("\\|", "").replace("\\,", "");
    plain.split(',').any(|token| token.split_once('|').is_some_and(|(system, _)| !system.is_empty()))
}

/// One event.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is not there or that the caller may not know of.
pub(crate) fn read(session: &mut Session<'_, '_>, id: &str) -> Result<Version, ApiError> {
    let asked = Predicate::Id(vec![id.to_owned()]);
    let sought = visibility::sought(session, Action::Read, asked)?;
    let mut unread = BTreeSet::new();
    let page =
        Sought { query: &sought, emergency: None, order: Order::Arrival, after: None, ascending: false, most: 1 };
    let stored = match closed::page(session, &page, &mut unread)?.pop() {
        Some(stored) => stored,
        None if unread.is_empty() => return Err(ApiError::NotFound),
        // It may be in what cannot be read now.
        None => return Err(ApiError::Unreadable(unread.into_iter().collect::<Vec<_>>().join("; "))),
    };
    session.audit.in_record(stored.record.patient);
    versions(session, &[stored])?.pop().ok_or(ApiError::NotFound)
}

/// Events as answers are made of them, and as the caller may see them.
fn versions(session: &mut Session<'_, '_>, events: &[Stored]) -> Result<Vec<Version>, ApiError> {
    visibility::shown(session, events)?.iter().map(audit::event_version).collect()
}

/// Refuses what the log is not searched or not sorted by.
fn require_known(query: &Query) -> Result<(), ApiError> {
    for (name, value) in &query.used {
        let (code, modifier) = name.split_once(':').map_or((name.as_str(), None), |(code, rest)| (code, Some(rest)));
        let control =
            ["_count", "_cursor", "_sort", "_total", "_summary", "_elements", "_explain", "_format", "_pretty"];
        if !concord_store::audit::SEARCHABLE.contains(&code) && !control.contains(&code) {
            return Err(ApiError::parameter(name, "the audit log cannot be searched by it"));
        }
        if modifier.is_some_and(|modifier| !knows(code, modifier)) {
            return Err(ApiError::parameter(name, "the audit log does not know this modifier here"));
        }
        if modifier == Some("identifier") && names_system(value) {
            let text =
                "the audit log knows who acted by a reference, or by what their token calls them, which has no system";
            return Err(ApiError::parameter(name, text));
        }
    }
    let by_time = |sort: &Sort| match sort.by {
        SortBy::Updated | SortBy::Id => true,
        SortBy::Range(parameter) => parameter == DATE,
        // Events are searched by themselves, and not among several types.
        SortBy::Key(_) | SortBy::ClinicalDate => false,
    };
    if !query.sort.iter().all(by_time) {
        return Err(ApiError::parameter("_sort", "the audit log is sorted by `date` or `_lastUpdated`"));
    }
    Ok(())
}

/// The newest events that meet a condition, among those that have not been closed: it is matched while others wait, who
/// do not wait for files.
///
/// # Errors
/// When the log is not searched by what is asked.
pub(crate) fn not_closed(session: &mut Session<'_, '_>, query: &Query, limit: u32) -> Result<Vec<Version>, ApiError> {
    require_known(query)?;
    let sought = visibility::sought(session, Action::Search, query.of_type(AUDIT_EVENT))?;
    let found = session.transaction.events(&sought, None, false, i64::from(limit))?;
    versions(session, &found)
}

/// A page of events, by when they were recorded or by when they came: the latter newest first unless `_sort` says otherwise.
///
/// # Errors
/// When the log is not searched or not sorted by what is asked.
pub(crate) fn search(
    session: &mut Session<'_, '_>,
    query: &Query,
    limit: u32,
    after: Option<&Position>,
    context: &str,
) -> Result<Page, ApiError> {
    require_known(query)?;
    let sought = visibility::sought(session, Action::Search, query.of_type(AUDIT_EVENT))?;
    let mut unread = BTreeSet::new();
    let total = match query.total {
        Total::None if limit > 0 => None,
        _ => number(session, &sought, &mut unread)?,
    };
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let (order, after) = order(query, after);
    let page = Sought {
        query: &sought,
        emergency: None,
        order,
        after,
        ascending: query.sort.first().is_some_and(|sort| !sort.descending),
        most: room.saturating_add(1),
    };
    let mut found = closed::page(session, &page, &mut unread)?;
    let more = found.len() > room && limit > 0;
    found.truncate(room);
    let next = found.last().filter(|_| more).map(|last| {
        let place = order.place(last);
        let values = vec![PositionValue::Text(place.place.to_string())];
        session.service.cursors.seal(session.call, context, &Position { values, key: last.pk })
    });
    let page = Page::of(versions(session, &found)?, total, next);
    Ok(Page { remarks: visibility::notices(session, &sought, unread)?, ..page })
}

/// How many events there are; none where some of them cannot be read, for a number without those would be wrong.
fn number(
    session: &mut Session<'_, '_>,
    sought: &AuditQuery,
    unread: &mut BTreeSet<String>,
) -> Result<Option<i64>, ApiError> {
    let closed = closed::count(session, sought, unread)?;
    let all = session.transaction.count_events(sought)?.saturating_add(i64::try_from(closed).unwrap_or(i64::MAX));
    Ok(Some(all).filter(|_| unread.is_empty()))
}
