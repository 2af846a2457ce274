//! What somebody has said themselves stays theirs to see, whatever label comes to what they spoke about
//! (`concord_store::own_words`): the messages of a patient, and a request for correction with its Task and what whoever asked says
//! about it. Each version is so by itself: who was signed in wrote it, anew or in the place of one that was. What somebody else has
//! written never becomes so, whatever is added to it.

use std::collections::HashSet;

use concord_consent::caller::Actor;
use concord_fhir::issue::Issue;
use concord_fhir::json::Value;
use concord_fhir::rules::task;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::communication::comment;
use crate::interact::communication::correction::{self, TASK};
use crate::interact::followed;
use crate::interact::session::Session;

/// Keeps whether a message that is about to be stored is what its writer says: who was signed in tells, and what somebody else makes
/// of it afterwards is not.
///
/// # Errors
/// When the store fails.
pub(crate) fn keep(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    let is_by_a_person = matches!(session.call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_));
    match old {
        Some(old) if new.deleted || is_by_a_person || old.says_the_same(new)? => {
            session.transaction.keep_own_words(old, new)?;
        }
        None if says_it_themselves(session, new)? => session.transaction.set_own_words(new)?,
        _ => {}
    }
    Ok(Vec::new())
}

/// Keeps of the Task of a correction that it tells how far the request of somebody is, which whoever moves it on leaves as it was
/// asked. A system may make something else of it, which is its own.
///
/// # Errors
/// When the store fails.
pub(crate) fn keep_request(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    if let Some(old) = old.filter(|old| !old.deleted && !new.deleted)
        && task::leaves_what_was_asked(&access::stored(new)?, &access::stored(old)?)
    {
        session.transaction.keep_own_words(old, new)?;
    }
    Ok(Vec::new())
}

/// Whether a message that was not there is what whoever is signed in says themselves.
fn says_it_themselves(session: &mut Session<'_, '_>, new: &Version) -> Result<bool, ApiError> {
    match &session.call.caller.actor {
        Actor::Patient(_) => Ok(true),
        Actor::RelatedPerson(_) => is_about_their_request(session, new),
        _ => Ok(false),
    }
}

/// Whether a message belongs to what somebody close to a patient has asked for themselves: it names the Task, or a message of theirs, or
/// what it answers leads up to one. Its categories alone say nothing of it, for they are its writer's.
fn is_about_their_request(session: &mut Session<'_, '_>, new: &Version) -> Result<bool, ApiError> {
    if !correction::is_part_of_one(new)? {
        return Ok(false);
    }
    let said = access::stored(new)?;
    for local in named(session, &said, "about") {
        if let Some(head) = comment::readable(session, &local)?
            && is_their_request(session, &head.version)?
        {
            return Ok(true);
        }
    }
    // The rules of the type have bounded how much there is above it.
    let mut walked = HashSet::new();
    for local in named(session, &said, "inResponseTo") {
        let mut above = comment::readable(session, &local)?.map(|head| head.version);
        while let Some(message) = above.filter(|message| walked.insert(message.key)) {
            if is_their_request(session, &message)? {
                return Ok(true);
            }
            above = comment::answered(session.transaction, &message)?;
        }
    }
    Ok(false)
}

/// The messages and Tasks that an element names, `Type/id`.
fn named(session: &Session<'_, '_>, said: &Value<'_>, element: &str) -> Vec<String> {
    let all = followed::each_once(&session.service.base, said.list(element)).into_iter();
    let is_one = |local: &String| local.starts_with("Communication/") || local.starts_with("Task/");
    all.filter_map(|one| one.local).filter(is_one).collect()
}

/// Whether it is the caller's own request, or what they have said about it.
fn is_their_request(session: &mut Session<'_, '_>, version: &Version) -> Result<bool, ApiError> {
    let caller = session.call.caller.actor.reference();
    let by = match version.resource_type == TASK {
        true => correction::requester(&session.service.base, &access::stored(version)?),
        false => Some(version.author.clone()),
    };
    Ok(caller.is_some() && by == caller && session.transaction.is_own_words(version)?)
}
