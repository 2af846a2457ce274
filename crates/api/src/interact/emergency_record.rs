//! What tells of an emergency: the message to the patient and the review. It stays as it was written.

use concord_consent::REVIEW_TASK;
use concord_consent::caller::Actor;
use concord_consent::facts::GivenBy;
use concord_fhir::json::Value;
use concord_fhir::label::Source;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, changed};

const COMMUNICATION: ResourceType = ResourceType::of("Communication");
const TASK: ResourceType = ResourceType::of("Task");

/// Who may have looked, and for whom.
const WHO: [ResourceType; 3] =
    [ResourceType::of("Organization"), ResourceType::of("Practitioner"), ResourceType::of("PractitionerRole")];

/// What an officer says of a review: how far it is, and what came of it.
const REVIEWED: [&str; 7] =
    ["status", "businessStatus", "statusReason", "lastModified", "executionPeriod", "note", "output"];

/// What of an emergency a version is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The message to the patient.
    Message,
    /// The review.
    Review,
}

/// What of an emergency a version is that the server wrote; none for anything else.
fn told(version: &Version) -> Result<Option<Told>, ApiError> {
    if version.deleted || ![COMMUNICATION, TASK].contains(&version.resource_type) {
        return Ok(None);
    }
    Ok(told_by(version.resource_type, &version.author, &access::stored(version)?))
}

/// The same of what it says and who has written it.
fn told_by(resource_type: ResourceType, author: &str, value: &Value<'_>) -> Option<Told> {
    if !author.is_empty() || ![COMMUNICATION, TASK].contains(&resource_type) {
        return None;
    }
    let has = |concept: &Value<'_>, system: &str, code: &str| {
        concept.list("coding").iter().any(|one| one.text("system") == Some(system) && one.text("code") == Some(code))
    };
    let is_emergency = |one: &Value<'_>| has(one, crate::interact::PURPOSE_SYSTEM, "BTG");
    let (system, review) = REVIEW_TASK;
    match resource_type == TASK {
        true => value.get("code").is_some_and(|code| has(code, system, review)).then_some(Told::Review),
        false => value.list("reasonCode").iter().any(is_emergency).then_some(Told::Message),
    }
}

/// Leaves out of what a resource inherits labels from whom it names, if it tells of an emergency: what a label says of a
/// professional, a role or a service says nothing of the message, and keeps from no patient that they have looked.
pub(crate) fn leave_whom_it_names(
    resource_type: ResourceType,
    author: &str,
    value: &Value<'_>,
    sources: &mut Vec<Source>,
) {
    if !sources.is_empty() && told_by(resource_type, author, value).is_some() {
        sources.retain(|source| !WHO.contains(&source.resource_type));
    }
}

/// Refuses to change what tells of an emergency, whoever asks: the message to the patient stays as it is, and of the review an officer or
/// a registered system says how far it is.
///
/// # Errors
/// [`ApiError::Denied`] for what stays.
pub(crate) fn refuse_change(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<(), ApiError> {
    let Some(told) = told(old)? else { return Ok(()) };
    let stored = access::stored(old)?;
    let besides = if told == Told::Review { &REVIEWED[..] } else { &[] };
    if changed::element(&stored, value, besides).is_some() || changed::labels(&stored, value) {
        return Err(ApiError::denied("what tells of emergency access stays as it was written"));
    }
    let is_system = session.call.caller.actor == Actor::System;
    if is_system && access::given_by(session.call) != GivenBy::System {
        return Err(ApiError::denied("emergency access is reviewed by the privacy officer"));
    }
    Ok(())
}

/// Refuses to delete what tells of an emergency, whoever asks.
///
/// # Errors
/// [`ApiError::Denied`] for it.
pub(crate) fn refuse_deletion(_session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    match told(old)? {
        Some(_) => Err(ApiError::denied("what tells of emergency access is never deleted")),
        None => Ok(()),
    }
}
