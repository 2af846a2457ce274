//! Comments: what a comment is about is there, and the writer can read it; an answer belongs to its thread; and the
//! comment is kept back from whomever what it is about is kept back from.

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::SEPARATOR;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::communication::{CORRECTIONS, answers_request, has_category, is_comment};
use concord_fhir::rules::{is_claim_code, local_reference};

use super::{Call, Concord, access, instant, judge, labels};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::{Head, Version};
use crate::store::transaction::Transaction;

/// The type of what is prescribed to be read.
pub(crate) const COMMUNICATION_REQUEST: ResourceType = ResourceType::of("CommunicationRequest");

/// The type of comments.
pub(crate) const COMMUNICATION: ResourceType = ResourceType::of("Communication");

/// How long a thread may be.
const LONGEST_THREAD: usize = 200;

/// How many things one comment may be about.
const MOST_ABOUT: usize = 20;

/// Checks and completes a comment that a person writes under the logical id `id`: the version that it is about, the
/// labels of that, what its thread is about, and when it was sent.
///
/// # Errors
/// [`Fault::NotFound`] when it is about something that is not there or that the writer cannot read, which are alike;
/// a broken rule, with its place, when the thread is broken.
pub(crate) fn complete(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
    value: &mut Value<'_>,
) -> Result<(), Fault> {
    if matches!(call.caller.actor, Actor::System) {
        return Ok(());
    }
    if answers_request(value) {
        read(concord, call, transaction, value)?;
    }
    if !is_comment(value) {
        return Ok(());
    }
    answer(concord, call, transaction, id, value)?;
    pin(concord, call, transaction, COMMUNICATION, value)?;
    if let Some(object) = value.as_object_mut()
        && object.get("sent").is_none()
    {
        object.set("sent", Value::string(instant(transaction.now)));
    }
    Ok(())
}

/// What is said in answer to a CommunicationRequest has the labels of that; who has read it says when.
fn read(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>, value: &mut Value<'_>) -> Result<(), Fault> {
    let requests: Vec<String> = value
        .list("basedOn")
        .iter()
        .filter_map(|one| one.text("reference").and_then(|reference| local_reference(&concord.base, reference)))
        .filter(|local| local.starts_with("CommunicationRequest/") && !call.together.contains(local))
        .collect();
    let mut keys = Vec::new();
    for local in requests.iter().take(MOST_ABOUT) {
        // One that is not there, or may not be read, is refused with the other references.
        if let Some(head) = readable(concord, call, transaction, local)? {
            keys.extend(head.version.labels.split('\n').filter(|key| !key.is_empty()).map(str::to_owned));
        }
    }
    inherit(value, &keys);
    let says = !value.list("payload").is_empty();
    if let (false, true, Some(object)) = (says, value.text("status") == Some("completed"), value.as_object_mut())
        && object.get("received").is_none()
    {
        object.set("received", Value::string(instant(transaction.now)));
    }
    Ok(())
}

/// Names the versions that something is about, and gives it the labels of those.
///
/// # Errors
/// [`Fault::NotFound`] when it is about something that is not there or that the writer cannot read, which are alike.
pub(crate) fn pin(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    value: &mut Value<'_>,
) -> Result<(), Fault> {
    let about: Vec<String> =
        value.list("about").iter().filter_map(|one| one.text("reference")).map(str::to_owned).collect();
    if value.list("about").len() > MOST_ABOUT {
        let text = format!("is about {MOST_ABOUT} things at most");
        return Err(Fault::rule(format!("{resource_type}.about"), text));
    }
    let mut keys = Vec::new();
    for (position, reference) in about.iter().enumerate() {
        let Some(target) = commented(concord, call, transaction, reference)? else { continue };
        keys.extend(target.labels.split('\n').filter(|key| !key.is_empty()).map(str::to_owned));
        if !reference.contains("/_history/") {
            let versioned = format!("{}/{}/_history/{}", target.resource_type, target.id, target.version);
            set_reference(value, position, versioned);
        }
    }
    inherit(value, &keys);
    Ok(())
}

/// The version that a reference names, which the caller may read; none for what is not on this server, or is stored by
/// the same transaction.
fn commented(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    reference: &str,
) -> Result<Option<Version>, Fault> {
    let Some(local) = local_reference(&concord.base, reference) else { return Ok(None) };
    if call.together.contains(&local) {
        return Ok(None);
    }
    let head = readable(concord, call, transaction, &local)?.ok_or(Fault::NotFound)?;
    let Some((_, number)) = reference.rsplit_once("/_history/") else { return Ok(Some(head.version)) };
    let number: i64 = number.parse().map_err(|_| Fault::NotFound)?;
    if number == head.version.version {
        return Ok(Some(head.version));
    }
    // The labels of the current version count as well: it is commented on what the resource is.
    let mut version = transaction.superseded(head.version.key, number)?.ok_or(Fault::NotFound)?;
    let decision = access::decide_on(concord, call, transaction, Action::Read, &head)?;
    if version.deleted || !judge::permits(transaction, &decision, Rows::Superseded, &version)? {
        return Err(Fault::NotFound);
    }
    version.labels = format!("{}\n{}", version.labels, head.version.labels);
    Ok(Some(version))
}

/// The current version of `Type/id` if it is there and the caller may read it.
///
/// # Errors
/// When the store fails.
pub(crate) fn readable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    local: &str,
) -> Result<Option<Head>, Fault> {
    let Some((name, id)) = local.split_once('/') else { return Ok(None) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(None) };
    let decision = access::decide_reference(concord, call, transaction, &head)?;
    let visible = !head.version.deleted && judge::permits(transaction, &decision, Rows::Current, &head.version)?;
    Ok(visible.then_some(head))
}

/// An answer is in the same record and about the same thing as what it answers, and a thread has no end in itself.
fn answer(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
    value: &mut Value<'_>,
) -> Result<(), Fault> {
    let answered: Vec<String> =
        value.list("inResponseTo").iter().filter_map(|one| one.text("reference")).map(str::to_owned).collect();
    for (position, reference) in answered.iter().enumerate() {
        let place = format!("Communication.inResponseTo[{position}]");
        let Some(local) = local_reference(&concord.base, reference) else {
            return Err(Fault::rule(place, "names the Communication that this answers, on this server"));
        };
        if call.together.contains(&local) {
            continue;
        }
        if !local.starts_with("Communication/") {
            return Err(Fault::rule(place, "an answer answers a Communication"));
        }
        let Some(head) = readable(concord, call, transaction, &local)? else {
            let text = format!("{local} is not there, or may not be read by the caller");
            return Err(Fault::RuleBroken(vec![Issue::error(IssueCode::NotFound, place, text)]));
        };
        let parent = access::stored(&head.version)?;
        let subject = |value: &Value<'_>| {
            let reference = value.get("subject").and_then(|subject| subject.text("reference"));
            reference.and_then(|reference| local_reference(&concord.base, reference))
        };
        if subject(&parent) != subject(value) {
            return Err(Fault::rule("Communication.subject", "an answer is in the record of what it answers"));
        }
        let things = |value: &Value<'_>| -> Vec<String> {
            let references = value.list("about").iter().filter_map(|one| one.text("reference"));
            references.filter_map(|reference| local_reference(&concord.base, reference)).collect()
        };
        if value.list("about").is_empty() {
            if let (Some(about), Some(object)) = (parent.get("about"), value.as_object_mut()) {
                object.set("about", about.clone());
            }
        } else if !things(value).iter().any(|one| things(&parent).contains(one)) && !things(&parent).is_empty() {
            let text = "an answer is about the same thing as what it answers: leave `about` out, or repeat it";
            return Err(Fault::rule("Communication.about", text));
        }
        if value.list("category").is_empty()
            && CORRECTIONS.iter().any(|code| has_category(&parent, code))
            && let (Some(category), Some(object)) = (parent.get("category"), value.as_object_mut())
        {
            // What is said about a correction stays with it.
            object.set("category", category.clone());
        }
        no_ring(transaction, id, parent, &concord.base, &place)?;
    }
    Ok(())
}

/// Going up a thread does not lead back to the answer.
fn no_ring(
    transaction: &mut Transaction<'_>,
    id: &str,
    parent: Value<'static>,
    base: &str,
    place: &str,
) -> Result<(), Fault> {
    let mut above = parent;
    for _ in 0..LONGEST_THREAD {
        if above.text("id") == Some(id) {
            return Err(Fault::rule(place, "the thread would lead back to this answer itself"));
        }
        let next = above.list("inResponseTo").first().and_then(|one| one.text("reference"));
        let Some(local) = next.and_then(|reference| local_reference(base, reference)) else { return Ok(()) };
        let Some((_, next)) = local.split_once('/') else { return Ok(()) };
        match transaction.head(COMMUNICATION, next, false)? {
            Some(head) if !head.version.deleted => above = access::stored(&head.version)?,
            _ => return Ok(()),
        }
    }
    Err(Fault::rule(place, format!("a thread is {LONGEST_THREAD} answers long at most")))
}

fn set_reference(value: &mut Value<'_>, position: usize, reference: String) {
    let Some(Value::Array(about)) = value.as_object_mut().and_then(|object| object.get_mut("about")) else { return };
    if let Some(one) = about.get_mut(position).and_then(Value::as_object_mut) {
        one.set("reference", Value::string(reference));
    }
}

/// Adds the labels of what a comment is about, but for those that say who vouches.
fn inherit(value: &mut Value<'_>, keys: &[String]) {
    let vouches = |key: &String| key.split_once(SEPARATOR).is_some_and(|(code, _)| is_claim_code(code));
    labels::add(value, keys.iter().filter(|key| !vouches(key)).map(|key| labels::coding(key, false)));
}
