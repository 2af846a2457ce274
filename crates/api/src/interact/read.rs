//! read and vread (R4 "RESTful API", read and vread).

use std::sync::Arc;

use concord_consent::caller::{Actor, Proofing};
use concord_consent::decision::Decision;
use concord_consent::request::Action;
use concord_fhir::registry::{ResourceType, is_own_record, may_change_record};
use concord_store::left_record::LeftRecord;
use concord_store::lower::Rows;
use concord_store::named::{Ground, Permitted, Unevaluated};
use concord_store::rows::{Head, Version};

use crate::error::ApiError;
use crate::interact::access::{evaluation, reasons, redaction};
use crate::interact::audit::events;
use crate::interact::labels::review;
use crate::interact::session::Session;
use crate::interact::{access, is_event};

/// The current version of a resource, unless it is a deletion.
pub(crate) fn current(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Version, ApiError> {
    current_unless(session, resource_type, id, &|_| false)
}

/// The same for somebody who may have it already: then nothing is made of what it says.
pub(crate) fn current_unless(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    has: &dyn Fn(&Version) -> bool,
) -> Result<Version, ApiError> {
    if is_event(resource_type) {
        return events::read(session, id);
    }
    let (head, decision) = seen(session, resource_type, id, Action::Read)?;
    if head.version.deleted {
        return Err(ApiError::Gone);
    }
    let version = head.version.into_version();
    if has(&version) {
        return Ok(version);
    }
    redaction::shown(session.transaction, &decision, Rows::Current, version)
}

/// One version of a resource, unless it is a deletion. A superseded version is shown to whoever may see it as it was and
/// may see the resource as it is: neither an older nor a newer label is got round.
pub(super) fn version(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    number: i64,
) -> Result<Version, ApiError> {
    if is_event(resource_type) {
        return if number == 1 { events::read(session, id) } else { Err(ApiError::NotFound) };
    }
    if let Some(version) = left_behind(session, resource_type, id, number)? {
        return if version.deleted { Err(ApiError::Gone) } else { Ok(version) };
    }
    let (head, decision) = seen(session, resource_type, id, Action::Read)?;
    let version = if head.version.version == number {
        redaction::shown(session.transaction, &decision, Rows::Current, head.version.into_version())?
    } else {
        // What of the resource is hidden as it is now is hidden in its versions too.
        let hidden = evaluation::redacted(session.transaction, &decision, Rows::Current, &head.version)?;
        let version = session.transaction.superseded(head.version.key, number)?.ok_or(ApiError::NotFound)?;
        let decision = access::decide_about(session, Action::Read, resource_type, version.patient)?;
        if !evaluation::permits(session.transaction, &decision, Rows::Superseded, &version)? {
            reasons::denial(session, &decision, &version)?;
            return Err(ApiError::NotFound);
        }
        access::in_all_records(session, Rows::Superseded, &version)?;
        let hidden_then = evaluation::redacted(session.transaction, &decision, Rows::Superseded, &version)?;
        redaction::without(version, hidden.into_iter().chain(hidden_then).collect())?
    };
    if version.deleted { Err(ApiError::Gone) } else { Ok(version) }
}

/// A record that a resource has left and into which the caller may see, with the decision that lets them.
pub(super) struct Left {
    pub(super) record: LeftRecord,
    pub(super) decision: Arc<Decision>,
    /// The key of the resource.
    pub(super) key: i64,
}

/// The records that a resource has left in which the caller may see it as it was there last.
pub(super) fn left(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
) -> Result<Vec<Left>, ApiError> {
    let mut found = Vec::new();
    if !may_change_record(resource_type) {
        return Ok(found);
    }
    access::require_scope(session.call, action, resource_type)?;
    let named = session.transaction.named(resource_type, id, false)?;
    #[expect(clippy::disallowed_methods, reason = "each of its past versions is evaluated below")]
    let all = named.evaluated(|head| {
        let all = session.transaction.left_records(head.version.key)?;
        let known = Permitted::on(Ground::OtherVersion, head);
        Ok::<_, ApiError>((!all.is_empty()).then(|| known.with(all)))
    })?;
    for (head, record) in
        all.into_iter().flat_map(|(head, all)| all.into_iter().map(move |one| (head.version.key, one)))
    {
        let decision = access::decide_about(session, Action::Read, resource_type, record.patient)?;
        if evaluation::permits(session.transaction, &decision, Rows::Superseded, &record.last)? {
            found.push(Left { record, decision, key: head });
        }
    }
    Ok(found)
}

/// Whether the caller may see a resource as it is, of which nothing is noted yet.
pub(super) fn is_shown(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<bool, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    let shown = named.evaluated(|head| {
        let decision = access::decide_on(session, Action::Read, head)?;
        evaluation::permitted(session.transaction, &decision, head)
    })?;
    Ok(shown.is_some())
}

/// A version of when the resource was in a record that it has left: shown to whoever may see it as it was, and the resource as
/// it was last in that record. What it became afterwards is nothing of that record.
fn left_behind(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    number: i64,
) -> Result<Option<Version>, ApiError> {
    for Left { record, decision, key } in left(session, resource_type, id, Action::Read)? {
        if number > record.last.version {
            continue;
        }
        let Some(version) = session.transaction.superseded(key, number)? else { continue };
        let is_part = session.transaction.was_in(&version, record.patient)?;
        if !is_part || !evaluation::permits(session.transaction, &decision, Rows::Superseded, &version)? {
            continue;
        }
        session.audit.in_record(record.patient);
        reasons::permit_of(session, &decision, &version)?;
        access::in_all_records(session, Rows::Superseded, &version)?;
        session.audit.saw(&version);
        let hidden = evaluation::redacted(session.transaction, &decision, Rows::Superseded, &record.last)?;
        let hidden_then = evaluation::redacted(session.transaction, &decision, Rows::Superseded, &version)?;
        return redaction::without(version, hidden.into_iter().chain(hidden_then).collect()).map(Some);
    }
    Ok(None)
}

/// The current version, deleted or not, if the caller may do this with it; [`ApiError::NotFound`] alike if it is not there
/// or the caller may not know of it. The log gets the patient and the true reason.
pub(crate) fn visible(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
) -> Result<Head, ApiError> {
    seen(session, resource_type, id, action).map(|(head, _)| head)
}

/// The same with the decision that lets it be seen.
pub(crate) fn seen(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
) -> Result<(Head, Arc<Decision>), ApiError> {
    seen_and(session, resource_type, id, action, action.writes())
}

/// The same before the write: nobody is kept from replacing it meanwhile.
pub(super) fn seen_before(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
) -> Result<(Head, Arc<Decision>), ApiError> {
    seen_and(session, resource_type, id, action, false)
}

fn seen_and(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    action: Action,
    lock: bool,
) -> Result<(Head, Arc<Decision>), ApiError> {
    access::require_scope(session.call, action, resource_type)?;
    if let Some(left) = left(session, resource_type, id, action)?.first()
        && !is_shown(session, resource_type, id)?
    {
        // Whose it is now is not told who asks for what it was before.
        session.audit.in_record(left.record.patient);
        return Err(ApiError::NotFound);
    }
    let named = session.transaction.named(resource_type, id, lock)?;
    match if_visible(session, named) {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(ApiError::NotFound) => Err(not_seen(session, resource_type, id)?),
        Err(fault) => Err(fault),
    }
}

/// Why something cannot be seen. Whose record it is knows that it is there: until she has proven who she is she is told that,
/// whether or not anybody has stored it. All else is not found.
fn not_seen(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<ApiError, ApiError> {
    let caller = &session.call.caller;
    let is_own = is_own_record(resource_type) && matches!(&caller.actor, Actor::Patient(own) if own == id);
    if !is_own || caller.credentials.proofing == Proofing::P9 {
        return Ok(ApiError::NotFound);
    }
    let key = access::own_record(session)?.unwrap_or(0);
    let decision = access::decide_about(session, Action::Read, resource_type, key)?;
    Ok(ApiError::Denied(access::issues(&decision)))
}

/// What a caller names, with the decision that lets it be seen; none where there is nothing.
///
/// # Errors
/// [`ApiError::NotFound`] if the caller may not know of it, and when the store fails.
pub(super) fn if_visible(
    session: &mut Session<'_, '_>,
    named: Unevaluated,
) -> Result<Option<(Head, Arc<Decision>)>, ApiError> {
    let mut record = None;
    let found = named.evaluated(|head| {
        record = Some(head.version.patient);
        evaluated(session, head).map(Some)
    });
    if matches!(found, Ok(None) | Err(ApiError::NotFound)) {
        access::as_if_elsewhere(session, record)?;
    }
    found
}

/// The decision that lets a resource be seen that is there; [`ApiError::NotFound`] if the caller may not know of it.
fn evaluated(session: &mut Session<'_, '_>, head: &Head) -> Result<Permitted<Arc<Decision>>, ApiError> {
    // Of what is deleted nobody knows any more who put a label there: what hid it from the patient goes on to, and her
    // log does not tell of it.
    let stays_hidden = head.version.deleted
        && matches!(session.call.caller.actor, Actor::Patient(_))
        && review::is_hidden(&head.version);
    if !stays_hidden {
        session.audit.in_record(head.version.patient);
    }
    let decision = access::decide_on(session, Action::Read, head)?;
    let permitted = match stays_hidden {
        true => None,
        false => evaluation::permitted(session.transaction, &decision, head)?,
    };
    let Some(permitted) = permitted else {
        reasons::denial(session, &decision, &head.version)?;
        return Err(ApiError::NotFound);
    };
    reasons::permit_of(session, &decision, &head.version)?;
    access::in_all_records(session, Rows::Current, &head.version)?;
    session.audit.saw(&head.version);
    Ok(permitted.with(decision))
}
