//! Comments: what a comment is about is there, and the writer can read it; an answer belongs to its thread; and the
//! comment is kept back from whomever what it is about is kept back from, which its labels see to (`concord_fhir::label`).
//! A comment stands in the record of what it is about: what one patient shares is no place to speak of another.

use std::collections::HashSet;

use concord_consent::caller::Actor;
use concord_fhir::index;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::literal;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::communication::{CORRECTIONS, answers_request, has_category, is_comment};
use concord_fhir::rules::local_reference;
use concord_store::rows::{Head, StoredVersion, Version};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::followed::{self, Followed};
use crate::interact::hooks::Draft;
use crate::interact::labels::{Stands, coding, review};
use crate::interact::session::Session;
use crate::interact::{access, instant, labels};

/// The type of comments.
pub(crate) const COMMUNICATION: ResourceType = ResourceType::of("Communication");

/// How long a thread may be.
const LONGEST_THREAD: usize = 200;

/// How many things one comment may be about.
pub(super) const MOST_ABOUT: usize = 20;

/// How many a request for correction is about besides, which the server adds: the Task that it opens, and what is to be corrected.
pub(super) const MOST_ADDED: usize = 2;

/// How many messages one may answer.
const MOST_ANSWERED: usize = 20;

/// How many bytes of a thread are read to see that it has no end in itself.
const MOST_READ: usize = 32 * 1024 * 1024;

/// Checks and completes a comment that a person writes under a logical id: the version that it is about,
/// what its thread is about, and when it was sent.
///
/// # Errors
/// [`ApiError::NotFound`] when it is about something that is not there or that the writer cannot read, which are alike;
/// a broken rule, with its place, when the thread is broken.
pub(crate) fn complete(
    session: &mut Session<'_, '_>,
    draft: &Draft<'_>,
    value: &mut Value<'_>,
) -> Result<(), ApiError> {
    if matches!(session.call.caller.actor, Actor::System) {
        return Ok(());
    }
    if answers_request(value) {
        received(session, value);
    }
    if !is_comment(value) {
        return Ok(());
    }
    let about = answer(session, draft, value)?;
    name_versions(session, COMMUNICATION, draft.before, value, about)?;
    if let Some(object) = value.as_object_mut()
        && object.get("sent").is_none()
    {
        object.set("sent", Value::string(instant(session.transaction.now)));
    }
    Ok(())
}

/// Who has read what was asked of them says when.
fn received(session: &Session<'_, '_>, value: &mut Value<'_>) {
    let says = !value.list("payload").is_empty();
    if let (false, true, Some(object)) = (says, value.text("status") == Some("completed"), value.as_object_mut())
        && object.get("received").is_none()
    {
        object.set("received", Value::string(instant(session.transaction.now)));
    }
}

/// From whom it is what an answer is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// Its writer says so.
    Said,
    /// It is what is answered that was about it: what has been deleted or hidden since is left out.
    OfTheThread,
}

/// Names the versions that something is about. What is said about something while it is kept from the patient stays kept
/// from her when that is released: it has the labels that do so as its own. What she says herself is about what she may read. What
/// the version before is about too stays as it was.
///
/// # Errors
/// [`ApiError::NotFound`] when it is about something that is not there or that the writer cannot read, which are alike; a
/// broken rule where that is in the record of another patient.
pub(crate) fn at_version(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    before: &NamedBefore<'_>,
    value: &mut Value<'_>,
) -> Result<(), ApiError> {
    name_versions(session, resource_type, before, value, About::Said)
}

fn name_versions(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    before: &NamedBefore<'_>,
    value: &mut Value<'_>,
    said: About,
) -> Result<(), ApiError> {
    if before.says(value, &["about"])? {
        return Ok(());
    }
    let named = value.list("about").iter().enumerate();
    let about: Vec<(usize, String)> =
        named.filter_map(|(position, one)| Some((position, one.text("reference")?.to_owned()))).collect();
    let number = value.list("about").len();
    let asks = CORRECTIONS.iter().any(|code| has_category(value, code));
    if number > MOST_ABOUT + if asks { MOST_ADDED } else { 0 } {
        let text = format!("is about {MOST_ABOUT} things at most, and here are {number}");
        return Err(ApiError::rule(format!("{resource_type}.about"), text));
    }
    let records = index::extract_under(&session.service.base, resource_type, "", 0, value).patients;
    let is_hers = matches!(session.call.caller.actor, Actor::Patient(_));
    let (mut keeps, mut gone) = (Vec::new(), Vec::new());
    for (position, reference) in about.iter().map(|(position, reference)| (*position, reference)) {
        if before.has(value, &format!("{resource_type}.about[{position}]"), reference, &session.service.base)? {
            continue;
        }
        let target = match commented(session, reference) {
            Err(ApiError::NotFound) if said == About::OfTheThread => {
                gone.push(position);
                continue;
            }
            found => found?,
        };
        let Some(target) = target else { continue };
        let theirs = session.transaction.patient_ids_of(&target)?;
        if !records.is_empty() && !theirs.is_empty() && !theirs.iter().any(|one| records.contains(one)) {
            let text = "is in the record of another patient than this";
            return Err(ApiError::rule(format!("{resource_type}.about[{position}]"), text));
        }
        let codings =
            target.own_labels().split('\n').filter(|key| !key.is_empty()).map(|key| coding(key, Stands::Inside));
        keeps.extend(codings.filter(|one| !is_hers && review::hides(one)));
        if !reference.contains("/_history/") {
            let versioned = format!("{}/{}/_history/{}", target.resource_type, target.id, target.version);
            set_reference(value, position, versioned);
        }
    }
    leave_out(value, &gone);
    labels::add(value, keeps);
    Ok(())
}

/// Leaves out what it is about at these positions.
fn leave_out(value: &mut Value<'_>, gone: &[usize]) {
    let Some(object) = value.as_object_mut().filter(|_| !gone.is_empty()) else { return };
    let Some(Value::Array(about)) = object.remove("about") else { return };
    let left = about.into_iter().enumerate().filter(|(position, _)| !gone.contains(position)).map(|(_, one)| one);
    let left: Vec<_> = left.collect();
    if !left.is_empty() {
        object.set("about", Value::Array(left));
    }
}

/// The version that a reference names, which the caller may read; none for what is not on this server, or is stored by
/// the same transaction.
fn commented(session: &mut Session<'_, '_>, reference: &str) -> Result<Option<Version>, ApiError> {
    let Some(local) = local_reference(&session.service.base, reference) else { return Ok(None) };
    if session.call.together.contains(&local) {
        return Ok(None);
    }
    let head = readable(session, &local)?.ok_or(ApiError::NotFound)?;
    let number = literal::version(reference).unwrap_or(head.version.version);
    knowledge::referable_version(session, head, number)?.ok_or(ApiError::NotFound).map(Some)
}

/// The current version of `Type/id` if it is there and the caller may read it.
///
/// # Errors
/// When the store fails.
pub(crate) fn readable(session: &mut Session<'_, '_>, local: &str) -> Result<Option<Head>, ApiError> {
    let Some((name, id)) = local.split_once('/') else { return Ok(None) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
    knowledge::referable(session, resource_type, id)
}

/// An answer is in the same record and about the same thing as what it answers, and a thread has no end in itself. One that goes on
/// answering the same about the same stays as it was.
fn answer(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<About, ApiError> {
    if draft.before.says(value, &["inResponseTo", "about"])? {
        return Ok(About::Said);
    }
    let (id, mut said) = (draft.id, About::Said);
    let of = (COMMUNICATION.name(), "inResponseTo");
    let answered = followed::references(&session.service.base, value, of, MOST_ANSWERED)?;
    let mut walked = Walked::default();
    for Followed { position, local } in answered {
        let place = format!("Communication.inResponseTo[{position}]");
        let Some(local) = local else {
            return Err(ApiError::rule(place, "names the Communication that this answers, on this server"));
        };
        if session.call.together.contains(&local) {
            continue;
        }
        if !local.starts_with("Communication/") {
            return Err(ApiError::rule(place, "an answer answers a Communication"));
        }
        let Some(head) = readable(session, &local)? else {
            let text = format!("{local} is not there, or may not be read by the caller");
            return Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::NotFound, place, text)]));
        };
        let parent = access::stored(&head.version)?;
        let subject = |value: &Value<'_>| {
            let reference = value.get("subject").and_then(|subject| subject.text("reference"));
            reference.and_then(|reference| local_reference(&session.service.base, reference))
        };
        if subject(&parent) != subject(value) {
            return Err(ApiError::rule("Communication.subject", "an answer is in the record of what it answers"));
        }
        let things = |value: &Value<'_>| -> Vec<String> {
            let references = value.list("about").iter().filter_map(|one| one.text("reference"));
            references.filter_map(|reference| local_reference(&session.service.base, reference)).collect()
        };
        if value.list("about").is_empty() {
            if let (Some(about), Some(object)) = (parent.get("about"), value.as_object_mut()) {
                object.set("about", about.clone());
                said = About::OfTheThread;
            }
        } else if !things(value).iter().any(|one| things(&parent).contains(one)) && !things(&parent).is_empty() {
            let text = "an answer is about the same thing as what it answers: leave `about` out, or repeat it";
            return Err(ApiError::rule("Communication.about", text));
        }
        if value.list("category").is_empty()
            && CORRECTIONS.iter().any(|code| has_category(&parent, code))
            && let (Some(category), Some(object)) = (parent.get("category"), value.as_object_mut())
        {
            // What is said about a correction stays with it.
            object.set("category", category.clone());
        }
        no_ring(session.transaction, id, head.version, &mut walked, &place)?;
    }
    Ok(said)
}

/// What of the threads above an answer has been looked at.
#[derive(Default)]
struct Walked {
    /// The ids of the messages.
    ids: HashSet<String>,
    /// The bytes of their bodies.
    bytes: usize,
}

/// Going up a thread does not lead back to the answer. What one answer leads up to by several ways is looked at once.
fn no_ring(
    transaction: &mut Transaction<'_>,
    id: &str,
    parent: StoredVersion,
    walked: &mut Walked,
    place: &str,
) -> Result<(), ApiError> {
    let mut above = parent;
    loop {
        if above.id == id {
            return Err(ApiError::rule(place, "the thread would lead back to this answer itself"));
        }
        if !walked.ids.insert(above.id.clone()) {
            return Ok(());
        }
        walked.bytes = walked.bytes.saturating_add(above.body.len());
        if walked.ids.len() > LONGEST_THREAD {
            return Err(ApiError::rule(place, format!("a thread is {LONGEST_THREAD} answers long at most")));
        }
        if walked.bytes > MOST_READ {
            let text = format!("the messages above an answer have {MOST_READ} bytes at most: begin another thread");
            return Err(ApiError::rule(place, text));
        }
        match answered(transaction, &above)? {
            Some(next) => above = next,
            None => return Ok(()),
        }
    }
}

/// What a message answers, the first if that is several; none where that is not there.
///
/// # Errors
/// When the store fails.
pub(super) fn answered(
    transaction: &mut Transaction<'_>,
    message: &StoredVersion,
) -> Result<Option<StoredVersion>, ApiError> {
    let base = transaction.base().to_owned();
    let said = access::stored(message)?;
    let next = said.list("inResponseTo").first().and_then(|one| one.text("reference"));
    let Some(local) = next.and_then(|reference| local_reference(&base, reference)) else { return Ok(None) };
    let Some(next) = message.names(&base)?.into_iter().find(|name| name.is(&local)) else { return Ok(None) };
    let head = transaction.head(&next, false)?;
    Ok(head.map(|head| head.version).filter(|version| !version.deleted))
}

fn set_reference(value: &mut Value<'_>, position: usize, reference: String) {
    let Some(Value::Array(about)) = value.as_object_mut().and_then(|object| object.get_mut("about")) else { return };
    if let Some(one) = about.get_mut(position).and_then(Value::as_object_mut) {
        one.set("reference", Value::string(reference));
    }
}
