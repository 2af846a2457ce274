//! read and vread (R4 "RESTful API", read and vread).

use std::sync::Arc;

use concord_consent::decision::Decision;
use concord_consent::request::Action;
use concord_fhir::registry::ResourceType;

use super::audit::Interaction;
use super::break_glass::{self, Place};
use super::{AUDIT_EVENT, Call, Concord, access, judge, log, logged, redact, why};
use crate::fault::Fault;
use crate::store::Reply;
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::rows::{Head, Version};
use crate::store::transaction::Transaction;

/// The current version of a resource.
pub(crate) async fn read(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    id: String,
) -> Result<Version, Fault> {
    break_glass::declare(concord, &call, Place::Resource(resource_type, id.clone())).await?;
    let own = Arc::clone(concord);
    run(concord, resource_type, &id.clone(), move |transaction| {
        let mut record = call.record(Interaction::Read, Some(resource_type));
        record.entity.clone_from(&id);
        logged(current(&own, &call, transaction, resource_type, &id, &mut record), record)
    })
    .await
}

/// Runs the work as suits the type: an event is read from the log, anything else is mostly the current version of one
/// resource.
async fn run(
    concord: &Concord,
    resource_type: ResourceType,
    id: &str,
    work: impl Fn(&mut Transaction<'_>) -> Reply<Version> + Send + 'static,
) -> Result<Version, Fault> {
    if resource_type == AUDIT_EVENT {
        concord.store.read(work).await
    } else {
        concord.store.read_head(resource_type, id, work).await
    }
}

/// One version of a resource. A superseded version is shown to whoever may see it as it was and may see the resource as
/// it is: neither an older nor a newer label is got round.
pub(crate) async fn vread(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    id: String,
    number: i64,
) -> Result<Version, Fault> {
    break_glass::declare(concord, &call, Place::Resource(resource_type, id.clone())).await?;
    let own = Arc::clone(concord);
    run(concord, resource_type, &id.clone(), move |transaction| {
        let mut record = call.record(Interaction::Vread, Some(resource_type));
        record.entity.clone_from(&id);
        record.version = number;
        logged(version(&own, &call, transaction, resource_type, &id, number, &mut record), record)
    })
    .await
}

/// Inside a transaction: the current version, unless it is a deletion.
pub(crate) fn current(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    record: &mut Record,
) -> Result<Version, Fault> {
    if resource_type == AUDIT_EVENT {
        return event(concord, call, transaction, id, record);
    }
    let (head, decision) = seen(concord, call, transaction, resource_type, id, Action::Read, record)?;
    if head.version.deleted {
        return Err(Fault::Gone);
    }
    redact::shown(transaction, &decision, Rows::Current, head.version)
}

/// Inside a transaction: one version, unless it is a deletion.
pub(super) fn version(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    number: i64,
    record: &mut Record,
) -> Result<Version, Fault> {
    if resource_type == AUDIT_EVENT {
        return if number == 1 { event(concord, call, transaction, id, record) } else { Err(Fault::NotFound) };
    }
    let (head, decision) = seen(concord, call, transaction, resource_type, id, Action::Read, record)?;
    let version = if head.version.version == number {
        redact::shown(transaction, &decision, Rows::Current, head.version)?
    } else {
        // What of the resource is hidden as it is now is hidden in its versions too.
        let hidden = judge::redacted(transaction, &decision, Rows::Current, &head.version)?;
        let version = transaction.superseded(head.version.key, number)?.ok_or(Fault::NotFound)?;
        let decision = access::decide_about(concord, call, transaction, Action::Read, resource_type, version.patient)?;
        if !judge::permits(transaction, &decision, Rows::Superseded, &version)? {
            why::denial(transaction, record, &decision, &version)?;
            return Err(Fault::NotFound);
        }
        let hidden_then = judge::redacted(transaction, &decision, Rows::Superseded, &version)?;
        redact::without(version, hidden.into_iter().chain(hidden_then).collect())?
    };
    if version.deleted { Err(Fault::Gone) } else { Ok(version) }
}

/// The current version, deleted or not, if the caller may do this with it; [`Fault::NotFound`] alike if it is not there
/// or the caller may not know of it. The log gets the patient and the true reason.
pub(crate) fn visible(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
    record: &mut Record,
) -> Result<Head, Fault> {
    seen(concord, call, transaction, resource_type, id, action, record).map(|(head, _)| head)
}

/// The same with the decision that lets it be seen.
pub(crate) fn seen(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
    record: &mut Record,
) -> Result<(Head, Arc<Decision>), Fault> {
    access::require_scope(call, action, resource_type)?;
    let Some(head) = transaction.head(resource_type, id, action.writes())? else { return Err(Fault::NotFound) };
    let decision = judged(concord, call, transaction, &head, record)?;
    Ok((head, decision))
}

/// The decision that lets a resource be seen that is there; [`Fault::NotFound`] if the caller may not know of it.
pub(super) fn judged(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    head: &Head,
    record: &mut Record,
) -> Result<Arc<Decision>, Fault> {
    record.patient = head.version.patient;
    let decision = access::decide_on(concord, call, transaction, Action::Read, head)?;
    if !judge::permits(transaction, &decision, Rows::Current, &head.version)? {
        why::denial(transaction, record, &decision, &head.version)?;
        return Err(Fault::NotFound);
    }
    why::permit_of(transaction, record, &decision, &head.version)?;
    if record.version == 0 {
        record.version = head.version.version;
    }
    Ok(decision)
}

/// One event of the audit log.
fn event(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
    record: &mut Record,
) -> Result<Version, Fault> {
    let resource_type = AUDIT_EVENT;
    access::require_scope(call, Action::Read, resource_type)?;
    let asked = concord_fhir::predicate::Predicate::Id(vec![id.to_owned()]);
    let sought = log::sought(concord, call, transaction, Action::Read, asked)?;
    let stored = transaction.events(&sought, None, false, 1)?.pop().ok_or(Fault::NotFound)?;
    record.patient = stored.record.patient;
    Ok(super::search::event_version(&log::told(call, &stored)))
}
