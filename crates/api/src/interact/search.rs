//! search on one type, on several and in a patient's compartment (R4 "Search").

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{self, Query, Total};

use super::audit::{self, Interaction};
use super::history::per_patient;
use super::{AUDIT_EVENT, Call, Concord, access, break_glass, include, log, logged, matching, terminology, why, words};
use crate::fault::Fault;
use crate::store::audit::{Record, Stored};
use crate::store::lower::Rows;
use crate::store::rows::{Method, Version};
use crate::store::search::{Among, Position, SortBy, SortKey, Wanted};
use crate::store::transaction::Transaction;

/// A page of matches.
#[derive(Debug)]
pub(crate) struct Page {
    /// The matches, in order.
    pub(crate) versions: Vec<Version>,
    /// What comes along with them.
    pub(crate) included: Vec<Version>,
    /// What the client should know of the page.
    pub(crate) remarks: Vec<Issue>,
    /// How many there are on all pages, if that was asked.
    pub(crate) total: Option<i64>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl Page {
    fn of(versions: Vec<Version>, total: Option<i64>, next: Option<String>) -> Page {
        Page { versions, included: Vec::new(), remarks: Vec::new(), total, next }
    }

    /// Everything that it discloses, with the table that it is in.
    pub(crate) fn disclosed(&self) -> Vec<(Rows, &Version)> {
        self.versions.iter().chain(&self.included).map(|version| (Rows::Current, version)).collect()
    }
}

/// A page of the resources that match and that the caller may see.
pub(crate) async fn search(concord: &Arc<Concord>, call: Call, query: Query) -> Result<Page, Fault> {
    break_glass::declare(concord, &call, break_glass::Place::of(&query)).await?;
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    // Nothing but a search of the log itself looks at it: no include and no chain leads there.
    let log = query.resource_type == Some(AUDIT_EVENT);
    let work = move |transaction: &mut Transaction<'_>| {
        let mut record = call.record(Interaction::Search, query.resource_type);
        record.query = matching::told(&query);
        let result = run(&concord, &call, transaction, &query, &mut record);
        let records = match &result {
            Ok(page) => per_patient(transaction, record.clone(), &page.disclosed(), &asked_about(&call, &query)),
            Err(_) => Ok(Vec::new()),
        };
        match (result, records) {
            (Ok(page), Ok(records)) => (Ok(page), records),
            (Err(fault), _) | (_, Err(fault)) => logged(Err(fault), record),
        }
    };
    if log { store.read(work).await } else { store.read_records(work).await }
}

/// Whose record a search is about: that of the patients it names, else a patient's own.
fn asked_about(call: &Call, query: &Query) -> Vec<String> {
    match (query.records(), &call.caller.actor) {
        (named, Actor::Patient(own)) if named.is_empty() => vec![own.clone()],
        (named, _) => named,
    }
}

/// Inside a transaction: a page, with nothing logged yet.
pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    record: &mut Record,
) -> Result<Page, Fault> {
    if query.explain {
        may_explain(concord, call, query)?;
        transaction.note_statements();
        let mut page = found(concord, call, transaction, query, record)?;
        page.remarks.extend(explanation(transaction)?);
        return Ok(page);
    }
    found(concord, call, transaction, query, record)
}

/// How a search is run tells how sharing choices became conditions: systems may know, others where the operator says so.
fn may_explain(concord: &Concord, call: &Call, query: &Query) -> Result<(), Fault> {
    if query.resource_type == Some(AUDIT_EVENT) {
        let text = "search parameter `_explain`: searches of the audit log are not explained";
        return Err(Fault::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
    }
    if concord.explain || matches!(call.caller.actor, Actor::System) {
        return Ok(());
    }
    Err(Fault::denied("search parameter `_explain`: only systems may ask how a search is run"))
}

/// What was asked for and permitted, and every statement with the database's plan for it.
fn explanation(transaction: &mut Transaction<'_>) -> Result<Vec<Issue>, Fault> {
    let told = |text: String| Issue::remark(Severity::Information, IssueCode::Informational, text);
    let (predicates, statements) = transaction.explained()?;
    let mut remarks: Vec<Issue> = predicates.into_iter().map(|text| told(format!("predicate: {text}"))).collect();
    for statement in statements {
        remarks.push(told(format!("sql: {}", statement.sql)));
        remarks.push(told(format!("plan: {}", statement.plan.join("\n"))));
    }
    Ok(remarks)
}

fn found(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    record: &mut Record,
) -> Result<Page, Fault> {
    let limit = query.count.unwrap_or(concord.page.0).min(concord.page.1);
    let context = context(query);
    let after = match &query.cursor {
        Some(text) => Some(concord.cursors.open(call, &context, text)?),
        None => None,
    };
    if query.resource_type == Some(AUDIT_EVENT) {
        access::require_scope(call, Action::Search, AUDIT_EVENT)?;
        return events(concord, call, transaction, query, limit, after.as_ref(), &context);
    }
    let sort = sort_keys(query);
    let (among, notice) = permitted(concord, call, transaction, query, Some(record))?;
    let wanted = Wanted { among: &among, sort: &sort, after: after.as_ref(), limit };
    let total = match query.total {
        Total::None => None,
        Total::Estimate | Total::Accurate => Some(transaction.total(&wanted)?),
    };
    if limit == 0 {
        let total = match total {
            Some(total) => total,
            None => transaction.total(&wanted)?,
        };
        // Only the number was asked for: R4 wants no entries then.
        return Ok(Page::of(Vec::new(), Some(total), None));
    }
    let (versions, next) = transaction.page(&wanted)?;
    // The only page there is has been counted already.
    let total = match (total, &next, &after) {
        (None, None, None) => i64::try_from(versions.len()).ok(),
        (total, ..) => total,
    };
    let next = next.map(|position| concord.cursors.seal(call, &context, &position));
    let (included, mut remarks) = include::along(concord, call, transaction, query, &versions)?;
    remarks.extend(notice);
    Ok(Page { versions, included, remarks, total, next })
}

/// The search as a cursor is bound to it: everything but the page.
fn context(query: &Query) -> String {
    let parts = query.used.iter().filter(|(name, _)| name != "_cursor" && name != "_count");
    let told = parts.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let types = query.resource_type.map_or("", |one| one.name());
    format!("search {types} in {} {told}", query.compartment.as_deref().unwrap_or_default())
}

/// The only patient whose record a search is about, as far as it says so itself.
pub(super) fn named(query: &Query) -> Option<String> {
    match query.records().as_slice() {
        [single] => Some(single.clone()),
        _ => None,
    }
}

/// What is asked for and what is permitted, type by type, and what is to be said of that some may be withheld. A type of several that no scope covers is left out.
fn permitted(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    mut record: Option<&mut Record>,
) -> Result<(Vec<Among>, Option<Issue>), Fault> {
    transaction.require_registry(query.registry)?;
    let mut notice = None;
    let types = query.searched_types();
    let scoped = |one: &ResourceType| call.caller.scopes.that_permit(Action::Search, Some(*one)).next().is_some();
    match types.as_slice() {
        [] => return Err(Fault::parameter("_type", "a search over several types names them, separated by commas")),
        [single] => access::require_scope(call, Action::Search, *single)?,
        several if several.iter().any(scoped) => {}
        _ => return Err(Fault::denied("no scope of the token lets the app search any of these types")),
    }
    let named = named(query);
    // Whoever needs a relationship to a patient is asked about the one whose compartment it is only.
    let about = named.as_deref().or(query.compartment.as_deref());
    let mut all = Vec::with_capacity(types.len());
    for one in types {
        if one == AUDIT_EVENT {
            if query.types.contains(&one) {
                return Err(Fault::parameter("_type", "the audit log is searched by itself only"));
            }
            continue;
        }
        if !scoped(&one) {
            continue;
        }
        let decision = access::decide_search(concord, call, transaction, Action::Search, one, about)?;
        if let Some(record) = record.as_deref_mut() {
            why::permit(record, &decision);
        }
        notice = notice.or_else(|| concord_consent::explain::notice(&decision));
        let permit = decision.permit.clone();
        let asked = terminology::settled(concord, call, transaction, query.of_type(one))?;
        let asked = access::guard(concord, call, transaction, about, asked)?;
        let record = named.clone().or_else(|| access::only_record(&permit).map(str::to_owned));
        let among = Among { resource_type: one, record, predicate: asked.and(permit) };
        let Among { record, predicate, .. } = words::narrowed(transaction, &query.words, among)?;
        transaction.note_predicate(&predicate);
        if predicate != Predicate::None || query.resource_type.is_some() {
            all.push(Among { resource_type: one, record, predicate });
        }
    }
    Ok((all, notice))
}

/// The first visible matches, for conditional interactions.
pub(crate) fn matches(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    limit: u32,
) -> Result<Vec<Version>, Fault> {
    let (among, _) = permitted(concord, call, transaction, query, None)?;
    let wanted = Wanted { among: &among, sort: &[], after: None, limit };
    Ok(transaction.page(&wanted)?.0)
}

fn sort_keys(query: &Query) -> Vec<SortKey> {
    let by = |sort: &search::Sort| match sort.by {
        search::SortBy::Updated => SortBy::Updated,
        search::SortBy::Id => SortBy::Id,
        search::SortBy::Range(parameter) => SortBy::Range(parameter),
        search::SortBy::Key(parameter) => SortBy::Key(parameter),
    };
    query.sort.iter().map(|sort| SortKey { by: by(sort), descending: sort.descending }).collect()
}

/// A page of the audit log, newest first unless `_sort=date` or `_sort=_lastUpdated` says otherwise.
fn events(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    limit: u32,
    after: Option<&Position>,
    context: &str,
) -> Result<Page, Fault> {
    for (name, _) in &query.used {
        let code = name.split(':').next().unwrap_or_default();
        let control =
            ["_count", "_cursor", "_sort", "_total", "_summary", "_elements", "_explain", "_format", "_pretty"];
        if !audit::SEARCHABLE.contains(&code) && !control.contains(&code) {
            return Err(Fault::parameter(name, "the audit log cannot be searched by it"));
        }
    }
    let by_time = |sort: &search::Sort| match sort.by {
        search::SortBy::Updated | search::SortBy::Id => true,
        search::SortBy::Range(parameter) => parameter == ParameterId::of("AuditEvent.date"),
        search::SortBy::Key(_) => false,
    };
    if !query.sort.iter().all(by_time) {
        return Err(Fault::parameter("_sort", "the audit log is sorted by `date` or `_lastUpdated`"));
    }
    let ascending = query.sort.first().is_some_and(|sort| !sort.descending);
    let sought = log::sought(concord, call, transaction, Action::Search, query.of_type(AUDIT_EVENT))?;
    let total = match query.total {
        Total::None if limit > 0 => None,
        _ => Some(transaction.count_events(&sought)?),
    };
    let after = after.map(|position| position.key);
    let mut found = transaction.events(&sought, after, ascending, i64::from(limit) + 1)?;
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > room && limit > 0;
    found.truncate(room);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| concord.cursors.seal(call, context, &Position { values: Vec::new(), key: last.pk }));
    let page = Page::of(found.iter().map(|stored| event_version(&log::told(call, stored))).collect(), total, next);
    Ok(Page { remarks: log::notice(call).into_iter().collect(), ..page })
}

/// An event of the log in the form of a version, which is what answers are made of.
pub(crate) fn event_version(stored: &Stored) -> Version {
    Version {
        key: stored.pk,
        resource_type: AUDIT_EVENT,
        id: stored.pk.to_string(),
        version: 1,
        updated: stored.at,
        method: Method::Post,
        deleted: false,
        patient: stored.record.patient,
        patients: i16::from(stored.record.patient != 0),
        author: String::new(),
        labels: String::new(),
        body: audit::event(stored),
    }
}
