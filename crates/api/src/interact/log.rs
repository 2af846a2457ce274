//! Who may read which events of the audit log. Every way to them goes through [`sought`].

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::{Predicate, Test};

use super::{AUDIT_EVENT, Call, Concord, access, lead};
use crate::fault::Fault;
use crate::store::audit::Stored;
use crate::store::late::Sought;
use crate::store::lower::Rows;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// The events that are asked for and that the caller may see.
///
/// # Errors
/// When the log cannot be searched by what is asked.
pub(crate) fn sought(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    asked: Predicate,
) -> Result<Sought, Fault> {
    let permit = permission(concord, call, transaction, action)?;
    let sought = lead::sought(transaction, &asked.and(permit))?;
    Ok(match known(concord, call, transaction)? {
        Some(known) => sought.and(known),
        None => sought,
    })
}

/// A patient sees the events about her record, anybody else what they did themselves and were let do, so that a refusal
/// tells nobody whose record a hidden id belongs to; a system as far as its scopes go.
fn permission(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
) -> Result<Predicate, Fault> {
    match (&call.caller.actor, call.caller.actor.reference()) {
        (Actor::System | Actor::Patient(_), _) | (_, None) => {
            let decision = access::decide_about(concord, call, transaction, action, AUDIT_EVENT, 0)?;
            Ok(decision.permit.clone())
        }
        (_, Some(own)) => Ok(Predicate::Entry(ParameterId::of("AuditEvent.agent"), Test::Is(own))
            .and(Predicate::Entry(ParameterId::of("AuditEvent.outcome"), Test::Starts(format!("0{SEPARATOR}"))))),
    }
}

/// Leaves out the events about single resources that the patient may not know of: the log of her record must not tell
/// that they are there. None for others, who see what they did themselves.
fn known(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>) -> Result<Option<Sql>, Fault> {
    if !matches!(call.caller.actor, Actor::Patient(_)) {
        return Ok(None);
    }
    let decision = access::decide_everywhere(concord, &access::unbounded(call), transaction, Action::Read)?;
    let seen = transaction.lowered(Rows::Current, &decision.permit, |lowering| lowering.condition(&decision.permit))?;
    let sql = Sql::new(
        "(a.entity = '' OR NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = a.type AND r.id = a.entity AND NOT (",
    );
    Ok(Some(sql.append(seen).sql(")))")))
}

/// What is to be said of the log to all but systems: that it may not be all that there is.
pub(crate) fn notice(call: &Call) -> Option<Issue> {
    let text = "some information may be withheld because of labels or sharing choices";
    let said = || Issue::remark(Severity::Information, IssueCode::Suppressed, text);
    (call.caller.actor != Actor::System).then(said)
}

/// An event as the caller may see it. Of what others asked for, a patient sees the parameters and not their values: those may
/// name what is kept from her.
pub(crate) fn told(call: &Call, stored: &Stored) -> Stored {
    let mut told = stored.clone();
    let own = call.caller.actor.reference();
    if matches!(call.caller.actor, Actor::Patient(_)) && own.as_deref() != Some(told.record.agent.as_str()) {
        told.record.query = without_values(&told.record.query);
    }
    told
}

/// The names of a query's parameters.
pub(crate) fn without_values(query: &str) -> String {
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect::<Vec<_>>().join("&")
}
