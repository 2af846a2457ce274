//! Who may read which events of the audit log. Every way to them goes through [`sought`].

use std::collections::BTreeSet;

use concord_consent::caller::{Actor, App};
use concord_consent::request::Action;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::{Predicate, Test};
use concord_store::audit::{AuditQuery, Stored};

use crate::error::ApiError;
use crate::interact::audit::{closed, entry};
use crate::interact::session::Session;
use crate::interact::{AUDIT_EVENT, Call, access, audit, instant};

/// The events that are asked for and that the caller may see.
///
/// # Errors
/// When the log cannot be searched by what is asked.
pub(crate) fn sought(session: &mut Session<'_, '_>, action: Action, asked: Predicate) -> Result<AuditQuery, ApiError> {
    // The log is under scopes like any type.
    access::require_scope(session.call, action, AUDIT_EVENT)?;
    let decision = access::decide_about(session, action, AUDIT_EVENT, 0)?;
    let query = session
        .transaction
        .audit_query(&asked.and(decision.permit.clone()).and(own_only(session.call)), audit::interactions)?;
    let query = match session.call.caller.credentials.app {
        App::Own => query,
        // Somebody else's sees what it did itself.
        App::ThirdParty => query.by_app(&session.call.caller.client),
    };
    known(session, query)
}

/// A system from which something is kept sees what it did itself and was let do, as people do: a refusal, and a search that
/// was told nothing (see [`access::disclose`]), would tell what there is.
fn own_only(call: &Call) -> Predicate {
    let caller = &call.caller;
    if caller.actor != Actor::System || caller.knows_everything() {
        return Predicate::All;
    }
    Predicate::Entry(ParameterId::of("AuditEvent.agent"), Test::Is(call.agent()))
        .and(Predicate::Entry(ParameterId::of("AuditEvent.outcome"), Test::Starts(format!("0{SEPARATOR}"))))
}

/// Leaves out the events about single resources that the patient may not know of: the log of her record must not tell
/// that they are there. All of them for others, who see what they did themselves.
fn known(session: &mut Session<'_, '_>, query: AuditQuery) -> Result<AuditQuery, ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_)) {
        return Ok(query);
    }
    let record = access::own_record(session)?;
    let call = access::unbounded(session.call);
    let decision = access::decide_everywhere(&mut session.calling(&call), Action::Read)?;
    let query = session.transaction.only_about(query, &decision.permit, record)?;
    if !session.call.caller.scopes.are_granular() {
        return Ok(query);
    }
    // What an app was refused that its scopes keep from it stands in her log, but not where the app itself looks.
    let within = access::decide_everywhere(session, Action::Read)?;
    Ok(session.transaction.without_refusals(query, &session.call.caller.client, &within.permit)?)
}

/// What is to be said of the log to all but systems: that it may not be all that there is.
fn notice(call: &Call) -> Option<Issue> {
    let text = "some information may be withheld because of labels or sharing choices";
    let said = || Issue::remark(Severity::Information, IssueCode::Suppressed, text);
    (call.caller.actor != Actor::System).then(said)
}

/// What is to be known of a page of the log: that, what of closed periods could not be read, and where some of what is asked for
/// may be in closed periods that have not been looked at, that too.
///
/// # Errors
/// When the database fails.
pub(crate) fn notices(
    session: &mut Session<'_, '_>,
    query: &AuditQuery,
    unread: BTreeSet<String>,
) -> Result<Vec<Issue>, ApiError> {
    let reach = query.reach();
    let where_else = match (&session.service.closed_periods, &reach.patients) {
        (_, Some(patients)) if patients.is_empty() => None,
        (None, _) => Some("whoever runs the server keeps it"),
        (Some(_), None) => Some("say whose record it was about (`patient`)"),
        // Whether there is such a patient is not told.
        (Some(_), Some(_)) if !closed::records(session, query)?.1 => {
            Some("it is listed for those who may know of whom it was about")
        }
        (Some(_), Some(_)) => None,
    };
    let mut closed = None;
    if let Some(where_else) = where_else {
        let until = session.without_explain(|session| session.transaction.closed_until())?;
        closed = until.filter(|until| closed::may_be_in(reach, reach.numbers, *until)).map(|(at, _)| {
            let until = instant(at);
            let text = format!("what happened up to {until} has been closed and is not listed here: {where_else}");
            Issue::remark(Severity::Information, IssueCode::Informational, text)
        });
    }
    let unread = unread.into_iter().map(|text| Issue::remark(Severity::Warning, IssueCode::Transient, text));
    Ok(notice(session.call).into_iter().chain(closed).chain(unread).collect())
}

/// An event as the caller may see it. Of what others asked for, a patient sees the parameters and not their values: those may
/// name what is kept from her.
pub(crate) fn as_seen_by(call: &Call, stored: &Stored) -> Stored {
    let mut told = stored.clone();
    let own = call.caller.actor.reference();
    if matches!(call.caller.actor, Actor::Patient(_)) && own.as_deref() != Some(told.record.agent.as_str()) {
        told.record.query = entry::without_values(&told.record.query);
    }
    told
}
