//! What tells of an emergency: the message to the patient and the review. It stays as it was written. Tasks of Concord's own kinds, the
//! review among them, are made by the server and by nobody else.

use concord_consent::REVIEW_TASK;
use concord_consent::caller::Actor;
use concord_consent::facts::GivenBy;
use concord_fhir::json::Value;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::same_person;
use crate::interact::session::Session;
use crate::interact::told_of_emergency::{COMMUNICATION, TASK, Told, told_by};
use crate::interact::{access, changed};

/// What an officer says of a review: how far it is, and what came of it.
const REVIEWED: [&str; 7] =
    ["status", "businessStatus", "statusReason", "lastModified", "executionPeriod", "note", "output"];

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
