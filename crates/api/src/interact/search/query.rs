//! search on one type, on several and in a patient's compartment (R4 "Search").

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::hidden_from_patients;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Query, Total};
use concord_store::StoreError;
use concord_store::rows::Version;
use concord_store::search::{FoundPage, PageRequest, TypeQuery};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::audit::events;
use crate::interact::search::page::Page;
use crate::interact::search::{full_text, include, numbered, terminology};
use crate::interact::session::Session;
use crate::interact::{Call, Service, access, is_event};

/// Whether a page says which of its matches are found by what is kept from patients alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    /// It does, and of whose data its number is.
    WhatIsByKept,
    /// Nobody asks.
    Nothing,
}

/// A page of the resources that match and that the caller may see.
pub(super) fn run(session: &mut Session<'_, '_>, query: &Query, saying: Saying) -> Result<Page, ApiError> {
    if query.explain {
        may_explain(session.service, session.call, query)?;
        let mut page = match session.call.caller.knows_everything() {
            true => {
                session.transaction.note_statements();
                found(session, query, saying)?
            }
            false => {
                let page = found(session, query, saying)?;
                // What is in a record decides how it is looked through: whoever may not know of everything is told how one is
                // looked through that nothing is in, whomever they name.
                session.transaction.note_statements_of_nobody();
                session.unlogged(|session| found(session, query, Saying::Nothing))?;
                page
            }
        };
        page.remarks.extend(explanation(session.transaction)?);
        return Ok(page);
    }
    found(session, query, saying)
}

/// How a search is run tells how sharing choices became conditions: systems may know, others where the operator says so.
fn may_explain(service: &Service, call: &Call, query: &Query) -> Result<(), ApiError> {
    if query.resource_type.is_some_and(is_event) {
        let text = "search parameter `_explain`: searches of the audit log are not explained";
        return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
    }
    if service.settings.explain || matches!(call.caller.actor, Actor::System) {
        return Ok(());
    }
    Err(ApiError::denied("search parameter `_explain`: only systems may ask how a search is run"))
}

/// What was asked for and permitted, and every statement with the database's plan for it.
fn explanation(transaction: &mut Transaction<'_>) -> Result<Vec<Issue>, ApiError> {
    let told = |text: String| Issue::remark(Severity::Information, IssueCode::Informational, text);
    let (predicates, statements) = transaction.explained()?;
    let mut remarks: Vec<Issue> = predicates.into_iter().map(|text| told(format!("predicate: {text}"))).collect();
    for statement in statements {
        remarks.push(told(format!("sql: {}", statement.sql)));
        remarks.push(told(format!("plan: {}", statement.plan.join("\n"))));
    }
    Ok(remarks)
}

fn found(session: &mut Session<'_, '_>, query: &Query, saying: Saying) -> Result<Page, ApiError> {
    let limit = query.count.unwrap_or(session.service.settings.page.0).min(session.service.settings.page.1);
    let context = context(query);
    let after = match &query.cursor {
        Some(text) => Some(session.service.cursors.open(session.call, &context, text)?),
        None => None,
    };
    if query.resource_type.is_some_and(is_event) {
        return events::search(session, query, limit, after.as_ref(), &context);
    }
    let Permitted { queries, open, notice } = permitted(session, query, saying)?;
    let wanted = PageRequest { queries: &queries, sort: &query.sort, after: after.as_ref(), limit };
    let total = match query.total {
        Total::None => None,
        Total::Estimate | Total::Accurate => Some(session.transaction.total(&wanted)?),
    };
    let counted = match (saying, limit == 0 || total.is_some()) {
        (Saying::WhatIsByKept, true) => whose(session, &queries)?,
        _ => Vec::new(),
    };
    if limit == 0 {
        let total = match total {
            Some(total) => total,
            None => session.transaction.total(&wanted)?,
        };
        // Only the number was asked for: R4 wants no entries then.
        return Ok(Page { counted, ..Page::of(Vec::new(), Some(total), None) });
    }
    let FoundPage { versions, next, beyond, others: by_kept } = match session.transaction.page_and(&wanted, &open) {
        Err(fault @ StoreError::BeyondAnswer) => {
            let counted = whose(session, &queries)?;
            return Ok(Page { counted, refused: Some(Box::new(fault.into())), ..Page::default() });
        }
        found => found?,
    };
    // The only page there is has been counted already.
    let total = match (total, &next, &after) {
        (None, None, None) => i64::try_from(versions.len()).ok(),
        (total, ..) => total,
    };
    let next = next.map(|position| session.service.cursors.seal(session.call, &context, &position));
    let (included, mut remarks) = match include::included(session, query, &versions) {
        Err(fault @ ApiError::TooLarge(_)) => {
            return Ok(Page { versions, by_kept, counted, refused: Some(Box::new(fault)), ..Page::default() });
        }
        included => included?,
    };
    remarks.extend(notice);
    let beyond = beyond.map(Box::new);
    Ok(Page { versions, included, by_kept, counted, beyond, remarks, total, next, refused: None })
}

/// Whether it leads through other resources than those that it finds.
pub(super) fn has_chains(query: &Query) -> bool {
    query.searched_types().into_iter().any(|one| query.of_type(one).has_chains())
}

/// What is asked for and permitted of each type that a scope covers, as a search of its matches is.
pub(super) fn permitted_queries(session: &mut Session<'_, '_>, query: &Query) -> Result<Vec<TypeQuery>, ApiError> {
    Ok(permitted(session, query, Saying::Nothing)?.queries)
}

/// Whoever needs a relationship to a patient is asked about the one whose compartment it is only.
pub(super) fn about(query: &Query) -> Option<String> {
    query.only_record().or_else(|| query.compartment.clone())
}

/// What is asked of a type, whoever asks.
pub(super) fn asked(session: &mut Session<'_, '_>, query: &Query, of: ResourceType) -> Result<Predicate, ApiError> {
    let asked = terminology::look_up_codes(session, query.of_type(of))?;
    numbered::look_up(session, about(query).as_deref(), asked)
}

/// The patients of whom a number of matches counts something that is not kept from them, with the types of that, if these are so few that
/// it says something of each: a page has no more.
fn whose(session: &mut Session<'_, '_>, queries: &[TypeQuery]) -> Result<Vec<(i64, ResourceType)>, ApiError> {
    let open = |TypeQuery { resource_type, record, predicate }: &TypeQuery| TypeQuery {
        resource_type: *resource_type,
        record: record.clone(),
        predicate: predicate.clone().and(hidden_from_patients().negate()),
    };
    let open: Vec<TypeQuery> = queries.iter().map(open).collect();
    let most = session.service.settings.page.1;
    let wanted = PageRequest { queries: &open, sort: &[], after: None, limit: most };
    let found = session.without_explain(|session| session.transaction.patients_among(&wanted))?;
    Ok(if found.len() > usize::try_from(most).unwrap_or(usize::MAX) { Vec::new() } else { found })
}

/// The search as a cursor is bound to it: everything but the page.
fn context(query: &Query) -> String {
    let parts = query.used.iter().filter(|(name, _)| name != "_cursor" && name != "_count");
    let told = parts.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let types = query.resource_type.map_or("", |one| one.name());
    format!("search {types} in {} {told}", query.compartment.as_deref().unwrap_or_default())
}

/// What is asked for and what is permitted.
struct Permitted {
    /// Both, type by type. A type of several that no scope covers is left out.
    queries: Vec<TypeQuery>,
    /// What of a type is found without what is kept from patients, where that is to be said and is not so of itself.
    open: Vec<(ResourceType, Predicate)>,
    /// What is to be said of that some may be withheld.
    notice: Option<Issue>,
}

/// What is asked for and permitted of each type that a scope covers.
fn permitted(session: &mut Session<'_, '_>, query: &Query, saying: Saying) -> Result<Permitted, ApiError> {
    session.transaction.require_registry(query.registry)?;
    let (mut notice, mut open) = (None, Vec::new());
    let types = query.searched_types();
    let scoped =
        |one: &ResourceType| session.call.caller.scopes.that_permit(Action::Search, Some(*one)).next().is_some();
    match types.as_slice() {
        [] => return Err(ApiError::parameter("_type", "a search over several types names them, separated by commas")),
        [single] => access::require_scope(session.call, Action::Search, *single)?,
        several if several.iter().any(scoped) => {}
        _ => return Err(ApiError::denied("no scope of the token lets the app search any of these types")),
    }
    let (named, about) = (query.only_record(), about(query));
    let about = about.as_deref();
    let mut all = Vec::with_capacity(types.len());
    for one in types {
        if is_event(one) {
            if query.types.contains(&one) {
                return Err(ApiError::parameter("_type", "the audit log is searched by itself only"));
            }
            continue;
        }
        if !scoped(&one) {
            continue;
        }
        let decision = access::decide_search(session, Action::Search, one, about)?;
        session.audit.finds(Some(one), Arc::clone(&decision));
        notice = notice.or_else(|| concord_consent::explain::notice(&decision));
        let permit = decision.permit.clone();
        let asked = asked(session, query, one)?;
        if saying == Saying::WhatIsByKept && asked.has_chains() {
            open.push((one, found_openly(session, query, about, asked.clone())?));
        }
        let asked = guarded(session, query, about, asked)?;
        let record = named.clone().or_else(|| access::only_record(&permit).map(str::to_owned));
        let type_query = TypeQuery { resource_type: one, record, predicate: asked.and(permit) };
        let TypeQuery { record, predicate, .. } =
            full_text::narrowed(session.transaction, &query.full_text, type_query)?;
        session.transaction.note_predicate(&predicate);
        if predicate != Predicate::None || query.resource_type.is_some() {
            all.push(TypeQuery { resource_type: one, record, predicate });
        }
    }
    Ok(Permitted { queries: all, open, notice })
}

/// What of it is found where chains lead through nothing that is kept from patients.
fn found_openly(
    session: &mut Session<'_, '_>,
    query: &Query,
    about: Option<&str>,
    asked: Predicate,
) -> Result<Predicate, ApiError> {
    // What is nobody's is kept from nobody.
    let open = hidden_from_patients().negate().or(Predicate::NoPatientCompartment);
    let asked = asked.at_chains(&mut |_| Ok::<Predicate, ApiError>(open.clone()))?;
    session.without_explain(|session| session.unlogged(|session| guarded(session, query, about, asked)))
}

/// What is asked for, with what may be found at each chain and without what is found by a name that is not told.
pub(super) fn guarded(
    session: &mut Session<'_, '_>,
    query: &Query,
    about: Option<&str>,
    asked: Predicate,
) -> Result<Predicate, ApiError> {
    if !asked.has_chains() {
        return access::unnamed::guarded(session, asked, query);
    }
    // What may be found says what is not to be named.
    let permitted = access::guard(session, about, asked.clone())?;
    if !session.cache.leaves_names_out() {
        return Ok(permitted);
    }
    // Names are asked for by who searches, not by what permits: that is left as it is.
    let asked = access::unnamed::guarded(session, asked, query)?;
    access::guard(session, about, asked)
}

/// The first visible matches, for conditional interactions.
pub(crate) fn matches(session: &mut Session<'_, '_>, query: &Query, limit: u32) -> Result<Vec<Version>, ApiError> {
    if query.resource_type.is_some_and(is_event) {
        return session.unlogged(|session| events::not_closed(session, query, limit));
    }
    let queries = session.unlogged(|session| permitted(session, query, Saying::Nothing))?.queries;
    let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit };
    Ok(session.transaction.page(&wanted)?.0)
}

/// The same of those with one of these ids.
pub(crate) fn matches_among(
    session: &mut Session<'_, '_>,
    query: &Query,
    ids: Vec<String>,
    limit: u32,
) -> Result<Vec<Version>, ApiError> {
    let mut queries = session.unlogged(|session| permitted(session, query, Saying::Nothing))?.queries;
    let among = Predicate::Id(ids);
    for one in &mut queries {
        one.predicate = std::mem::replace(&mut one.predicate, Predicate::None).and(among.clone());
    }
    let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit };
    Ok(session.transaction.page(&wanted)?.0)
}
