//! history on instance, type and system (R4 "RESTful API", history).

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::decision::{Decision, Redaction};
use concord_consent::request::Action;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_store::history::{HistoryOf, HistoryRequest};
use concord_store::lower::Rows;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::{evaluation, redaction};
use crate::interact::audit::Interaction;
use crate::interact::session::Session;
use crate::interact::{FORM, access, read};

/// Of what the history is asked.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// One resource.
    Instance(ResourceType, String),
    /// All resources of a type.
    Type(ResourceType),
    /// All resources.
    System,
}

impl Of {
    /// The type that it is about, if it is one.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Of::Instance(resource_type, _) | Of::Type(resource_type) => Some(*resource_type),
            Of::System => None,
        }
    }

    /// As what it is logged.
    pub(super) fn interaction(&self) -> Interaction {
        match self {
            Of::Instance(..) => Interaction::History,
            Of::Type(_) => Interaction::TypeHistory,
            Of::System => Interaction::SystemHistory,
        }
    }
}

/// Which versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    /// `_since`: made at or after this time, in milliseconds since 1970 UTC.
    pub(crate) since: Option<i64>,
    /// `_at`: current at some time between these two.
    pub(crate) at: Option<(i64, i64)>,
    /// `_count`.
    pub(crate) limit: u32,
    /// `_cursor`.
    pub(crate) cursor: Option<String>,
}

impl Range {
    /// `_since`, `_at`, `_count` and `_cursor`. `page` is how many versions a page has and how many it may have.
    ///
    /// # Errors
    /// The first parameter that is malformed or that a history does not have.
    pub(crate) fn read(pairs: &[(String, String)], page: (u32, u32)) -> Result<Range, ApiError> {
        let (usual, most) = page;
        let mut range = Range { limit: usual, ..Range::default() };
        for (name, value) in pairs {
            let time = || {
                concord_fhir::rules::instant::range(value)
                    .ok_or_else(|| ApiError::parameter(name, "a date or an instant, for instance 2026-01-31T08:00:00Z"))
            };
            match name.as_str() {
                "_since" => range.since = Some(time()?.0),
                "_at" => range.at = Some(time()?),
                "_count" => {
                    let count = value.parse::<u32>().map_err(|_| ApiError::parameter(name, "a number"))?;
                    range.limit = count.min(most);
                }
                "_cursor" => range.cursor = Some(value.clone()),
                name if FORM.contains(&name) => {}
                other => {
                    let shown: String = other.chars().take(128).collect();
                    return Err(ApiError::parameter(&shown, "a history has no such parameter"));
                }
            }
        }
        Ok(range)
    }
}

/// A page of versions, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    /// The versions.
    pub(crate) versions: Vec<Version>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// What was found: the cursor of the next page, and the versions with the table that each is in.
type Found = (Option<String>, Vec<(Rows, Version)>);

/// The versions that the caller may see, as they were and as the resource is now. Every patient whose data is among them is
/// told in the log.
pub(crate) fn history(session: &mut Session<'_, '_>, of: &Of, range: &Range) -> Result<Page, ApiError> {
    let (next, found) = run(session, of, range)?;
    let disclosed: Vec<_> = found.iter().map(|(rows, version)| (*rows, version)).collect();
    access::disclose(session, &disclosed, &[])?;
    Ok(Page { versions: found.into_iter().map(|(_, version)| version).collect(), next })
}

fn run(session: &mut Session<'_, '_>, of: &Of, range: &Range) -> Result<Found, ApiError> {
    let (decision, asked) = match of {
        Of::Instance(resource_type, id) => {
            session.audit.of_no_version();
            of_instance(session, *resource_type, id)?
        }
        Of::Type(resource_type) => {
            access::require_scope(session.call, Action::TypeHistory, *resource_type)?;
            let decision = access::decide_search(session, Action::TypeHistory, *resource_type, None)?;
            session.audit.finds(Some(*resource_type), Arc::clone(&decision));
            (decision, HistoryOf::Type(*resource_type))
        }
        Of::System => {
            let decision = access::decide_everywhere(session, Action::TypeHistory)?;
            session.audit.finds(None, Arc::clone(&decision));
            (decision, HistoryOf::System)
        }
    };
    let context = format!("history {of:?} {:?} {:?}", range.since, range.at);
    let after = match &range.cursor {
        Some(cursor) => Some(session.service.cursors.open(session.call, &context, cursor)?),
        None => None,
    };
    let own = match &session.call.caller.actor {
        Actor::Patient(own) => Some(own.clone()),
        Actor::RelatedPerson(_) => session.call.caller.patient.clone(),
        _ => None,
    };
    let wanted = HistoryRequest {
        of: asked,
        permit: &decision.permit,
        record: access::only_record(&decision.permit),
        left: access::only_record(&decision.permit).or(own.as_deref()),
        since: range.since,
        at: range.at,
        after: after.as_ref(),
        limit: range.limit,
    };
    let (versions, next) = session.transaction.history(&wanted)?;
    let next = next.map(|position| session.service.cursors.seal(session.call, &context, &position));
    let shown =
        versions.into_iter().map(|(rows, version)| Ok((rows, partly(session.transaction, &decision, rows, version)?)));
    Ok((next, shown.collect::<Result<_, ApiError>>()?))
}

/// Of a resource as it is; for whoever may not see that, of what it was in a record that it has left.
fn of_instance(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<(Arc<Decision>, HistoryOf), ApiError> {
    let left = read::left(session, resource_type, id, Action::History)?;
    if let Some(read::Left { record, key, .. }) = left.into_iter().next()
        && !read::is_shown(session, resource_type, id)?
    {
        session.audit.in_record(record.patient);
        let decision = access::decide_about(session, Action::History, resource_type, record.patient)?;
        return Ok((decision, HistoryOf::Left(key, record.patient)));
    }
    let head = read::visible(session, resource_type, id, Action::History)?;
    let decision = access::decide_on(session, Action::History, &head)?;
    Ok((decision, HistoryOf::Resource(head.version.key)))
}

/// A version as the decision lets it be shown. What of the resource is hidden as it is now is hidden in its older
/// versions too.
fn partly(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: Version,
) -> Result<Version, ApiError> {
    let of_type = |redaction: &Redaction| access::for_type(&redaction.of, version.resource_type) != Predicate::None;
    if rows == Rows::Current || !decision.redactions.iter().any(of_type) {
        return redaction::shown(transaction, decision, rows, version);
    }
    let mut hidden = evaluation::redacted(transaction, decision, rows, &version)?;
    let named = transaction.named(version.resource_type, &version.id, false)?;
    #[expect(clippy::disallowed_methods, reason = "only what is hidden of it is used, of what has been permitted")]
    let now = named.evaluated(|head| {
        let hidden = evaluation::redacted(transaction, decision, Rows::Current, &head.version)?;
        Ok::<_, ApiError>(Some(Permitted::on(Ground::OtherVersion, head).with(hidden)))
    })?;
    hidden.extend(now.into_iter().flat_map(|(_, hidden)| hidden));
    redaction::without(version, hidden)
}
