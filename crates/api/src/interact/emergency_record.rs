//! What tells of an emergency: the message to the patient and the review. It stays as it was written. Tasks of Concord's own kinds, the
//! review among them, are made by the server and by nobody else.

use concord_consent::REVIEW_TASK;
use concord_consent::caller::Actor;
use concord_consent::facts::GivenBy;
use concord_fhir::json::Value;
use concord_fhir::label::Source;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::same_person;
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

/// The codings by which a Task is of one of Concord's own kinds, or would be found as one.
fn own_kinds(task: &Value<'_>) -> Vec<Value<'static>> {
    let (own, review) = REVIEW_TASK;
    let is_own = |coding: &&Value<'_>| match coding.text("system") {
        Some(system) => system == own,
        None => coding.text("code") == Some(review),
    };
    let codings = task.get("code").map_or(&[][..], |code| code.list("coding"));
    codings.iter().filter(is_own).map(|coding| coding.clone().into_owned()).collect()
}

/// Refuses a Task of one of Concord's own kinds that the server has not made, whoever sends it: the privacy officer would review what has
/// never been, and what has been would be one among many. What whoever runs the server loads is what a server made once.
///
/// # Errors
/// [`ApiError::Unprocessable`] at its code.
pub(crate) fn refuse_made_up(
    session: &Session<'_, '_>,
    old: Option<&Version>,
    value: &Value<'_>,
) -> Result<(), ApiError> {
    let kinds = own_kinds(value);
    if kinds.is_empty() || session.call.is_operator() {
        return Ok(());
    }
    let made = match old.filter(|old| !old.deleted && old.author.is_empty()) {
        Some(old) => own_kinds(&access::stored(old)?),
        None => Vec::new(),
    };
    if kinds.len() == made.len() && kinds.iter().zip(&made).all(|(one, other)| one.same(other)) {
        return Ok(());
    }
    let (own, _) = REVIEW_TASK;
    let text = format!("a Task of the kinds of {own} is made by the server, and by nobody else: leave this code out");
    Err(ApiError::rule("Task.code", text))
}

/// Who broke the glass, of a review.
fn broken_by<'v>(review: &'v Value<'_>) -> Option<&'v str> {
    let named = review.get("requester").and_then(|who| who.text("reference"));
    // Those of an older release say it in words only.
    named.or_else(|| review.text("description")?.split_whitespace().next())
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
/// a registered system says how far it is. Whose emergency it was does not review it, whatever office they hold.
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
    if let (Told::Review, Some(who)) = (told, broken_by(&stored))
        && same_person::is_caller(session, old, who)?
    {
        return Err(ApiError::denied(
            "you opened this record as an emergency: somebody else in the office reviews that",
        ));
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
