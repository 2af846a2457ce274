//! What tells of an emergency: the message to the patient and the review. It stays as it was written.

use concord_consent::REVIEW_TASK;
use concord_consent::caller::Actor;
use concord_consent::facts::GivenBy;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, changed};

const COMMUNICATION: ResourceType = ResourceType::of("Communication");
const TASK: ResourceType = ResourceType::of("Task");

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
    if version.deleted || !version.author.is_empty() || ![COMMUNICATION, TASK].contains(&version.resource_type) {
        return Ok(None);
    }
    let value = access::stored(version)?;
    let has = |concept: &Value<'_>, system: &str, code: &str| {
        concept.list("coding").iter().any(|one| one.text("system") == Some(system) && one.text("code") == Some(code))
    };
    let is_emergency = |one: &Value<'_>| has(one, crate::interact::PURPOSE_SYSTEM, "BTG");
    let (system, review) = REVIEW_TASK;
    Ok(match version.resource_type == TASK {
        true => value.get("code").is_some_and(|code| has(code, system, review)).then_some(Told::Review),
        false => value.list("reasonCode").iter().any(is_emergency).then_some(Told::Message),
    })
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
