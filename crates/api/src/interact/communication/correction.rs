//! Corrections (HL7 Patient Corrections): a Communication in which somebody asks for a correction, or disagrees with its
//! denial, opens a Task by which everybody sees how far it is; an answer to a question sets the Task going again. All of
//! it is stored together, or nothing. Neither the Task nor what was asked is ever deleted.

use concord_consent::caller::{Actor, Proofing};
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::communication::{CORRECTIONS, has_category};
use concord_fhir::rules::local_reference;
use concord_fhir::rules::task::{correction, is_in_state};
use concord_model::build::{self, Link, TaskParts, code, fragment};
use concord_store::named::{Ground, Permitted};
use concord_store::rows::{Head, Version};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::changed;
use crate::interact::communication::comment;
use crate::interact::communication::comment::COMMUNICATION;
use crate::interact::followed;
use crate::interact::hooks::Accompanying;
use crate::interact::labels;
use crate::interact::labels::review;
use crate::interact::logical_id;
use crate::interact::session::Session;
use crate::interact::write;
use crate::interact::{Service, access, instant, provenance, read};

/// The type that tells how far a request is.
pub(crate) const TASK: ResourceType = ResourceType::of("Task");

/// The guide's codes of how far a request is.
const BUSINESS_STATUS: &str = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionBusinessStatus";

/// The guide's codes of what is to be done.
const TASKS: &str = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionTaskTypes";

/// The guide's codes of what a message is.
pub(crate) const MESSAGES: &str =
    "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionCommunicationTypes";

/// A Task that a Communication about to be stored opens.
struct Opening {
    id: String,
    code: &'static str,
    /// The Task whose outcome is disagreed with, `Task/id`.
    first: Option<String>,
    /// What is to be corrected, as the Communication names it.
    focus: Option<Value<'static>>,
}

/// Whether a Communication that the caller is about to store opens a Task. If so, the Communication is made to be about
/// that Task too, and a disagreement about what the denial was about.
///
/// # Errors
/// A broken rule when a disagreement names no denial; [`ApiError::NotFound`] when it names one that the caller cannot read.
pub(crate) fn open(session: &mut Session<'_, '_>, value: &mut Value<'_>) -> Result<Option<Accompanying>, ApiError> {
    let Some(opening) = opening(session, value)? else { return Ok(None) };
    let reference = format!("Task/{}", opening.id);
    let store = Box::new(move |session: &mut Session<'_, '_>, said: &Version| opened(session, &opening, said));
    Ok(Some(Accompanying { reference, announce: said_themselves, store }))
}

fn opening(session: &mut Session<'_, '_>, value: &mut Value<'_>) -> Result<Option<Opening>, ApiError> {
    let person = matches!(session.call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_));
    let Some(code) = asks(value).filter(|_| person) else { return Ok(None) };
    if session.call.caller.credentials.proofing < Proofing::P9 {
        return Err(ApiError::denied("a correction is asked for by somebody whose identity is proven"));
    }
    if !matches!(value.text("status"), Some("completed" | "in-progress")) {
        let text = "a request for correction that is sent is `completed`";
        return Err(ApiError::rule("Communication.status", text));
    }
    let about =
        followed::references(&session.service.base, value, (COMMUNICATION.name(), "about"), comment::MOST_ABOUT)?;
    let local: Vec<String> = about.into_iter().filter_map(|one| one.local).collect();
    let mut added = Vec::new();
    let (first, focus) = if code == CORRECTIONS[0] {
        if local.iter().any(|one| one.starts_with("Communication/") || one.starts_with("Task/")) {
            // A message of a conversation that has begun.
            return Ok(None);
        }
        (None, value.list("about").first().cloned().map(Value::into_owned))
    } else {
        let (first, denied) = denied(session, &local)?;
        let focus = match denied.get("focus") {
            Some(focus) if can_be_named(session, focus)? => Some(focus.clone()),
            _ => None,
        };
        added.extend(focus.clone());
        if !local.contains(&first) {
            added.push(fragment::reference(first.as_str()));
        }
        (Some(first), focus)
    };
    let id = logical_id::new_id(session.transaction.now);
    added.push(fragment::reference(format!("Task/{id}")));
    if let Some(object) = value.as_object_mut() {
        let mut all = match object.remove("about") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let named = |all: &[Value<'_>], one: &Value<'_>| {
            all.iter().any(|known| known.text("reference") == one.text("reference"))
        };
        for one in added {
            if !named(&all, &one) {
                all.push(one);
            }
        }
        object.set("about", Value::Array(all));
    }
    Ok(Some(Opening { id, code, first, focus }))
}

/// Which of [`CORRECTIONS`] a Communication begins; none for one that answers another or is none.
fn asks(value: &Value<'_>) -> Option<&'static str> {
    if !value.list("inResponseTo").is_empty() {
        return None;
    }
    CORRECTIONS.iter().copied().find(|code| has_category(value, code))
}

/// The Task whose outcome is disagreed with, by its reference or by that of what was asked: the caller can read it, and it
/// has been denied, wholly or in part.
fn denied(session: &mut Session<'_, '_>, about: &[String]) -> Result<(String, Value<'static>), ApiError> {
    let place = "Communication.about";
    let mut found = None;
    for local in about {
        if found.is_some() {
            break;
        }
        let task = match local.split_once('/') {
            Some(("Task", _)) => Some(local.clone()),
            Some(("Communication", id)) => task_of(session, id)?,
            _ => None,
        };
        found = task;
    }
    let Some(local) = found else {
        return Err(ApiError::rule(place, "name the Task whose outcome you disagree with"));
    };
    let id = local.strip_prefix("Task/").unwrap_or_default();
    let task = readable(session, TASK, id)?;
    if !(is_in_state(&task, "denied") || is_in_state(&task, "partial-accept")) {
        return Err(ApiError::rule(place, "the request that this names has not been denied"));
    }
    Ok((local, task))
}

/// Whether the caller can still read what a request was about.
fn can_be_named(session: &mut Session<'_, '_>, focus: &Value<'_>) -> Result<bool, ApiError> {
    let local = focus.text("reference").and_then(|text| local_reference(&session.service.base, text));
    match local {
        Some(local) => Ok(comment::readable(session, &local)?.is_some()),
        None => Ok(false),
    }
}

/// The Task that a Communication opened, `Task/id`.
fn task_of(session: &mut Session<'_, '_>, id: &str) -> Result<Option<String>, ApiError> {
    let asked = readable(session, COMMUNICATION, id)?;
    Ok(tasks(session.service, &asked).into_iter().next())
}

/// The Tasks that a Communication is about, `Task/id`.
fn tasks(service: &Service, communication: &Value<'_>) -> Vec<String> {
    let about = followed::each_once(&service.base, communication.list("about")).into_iter();
    let tasks = about.filter_map(|one| one.local).filter(|local| local.starts_with("Task/"));
    // One that names two more is as a server wrote it that bounded nothing.
    tasks.take(comment::MOST_ABOUT + comment::MOST_ADDED).collect()
}

fn readable(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<Value<'static>, ApiError> {
    let head = session.unlogged(|session| read::visible(session, resource_type, id, Action::Read))?;
    if head.version.deleted {
        return Err(ApiError::NotFound);
    }
    access::stored(&head.version)
}

/// Does what a Communication leads to that has just been stored and opens no Task: the one that waits for it goes on.
///
/// # Errors
/// When the store fails.
pub(crate) fn follow(session: &mut Session<'_, '_>, communication: &Version) -> Result<(), ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_)) {
        return Ok(());
    }
    let said = access::stored(communication)?;
    for local in tasks(session.service, &said) {
        answered(session, &local, communication)?;
    }
    Ok(())
}

/// Keeps of what opens a Task that whoever asks says it themselves.
fn said_themselves(session: &mut Session<'_, '_>, communication: &Version) -> Result<(), ApiError> {
    Ok(session.transaction.set_own_words(communication)?)
}

/// Stores the Task that a Communication opens, which has just been stored.
fn opened(session: &mut Session<'_, '_>, opening: &Opening, communication: &Version) -> Result<(), ApiError> {
    let task = task(session.transaction.now, opening, communication)?;
    let proposed = write::by_server(session, TASK, &opening.id, task)?;
    let told = provenance::of(session, &proposed, "CREATE", None)?;
    session.transaction.set_own_words(&proposed.version)?;
    write::store(session, &proposed, None, told.as_slice())?;
    Ok(())
}

fn task(now: i64, opening: &Opening, communication: &Version) -> Result<Value<'static>, ApiError> {
    let said = access::stored(communication)?;
    let member = |name: &str| said.get(name).cloned();
    // At the version that the Communication names.
    let about = opening.focus.as_ref().and_then(|focus| focus.text("reference")).and_then(|wanted| {
        let names = |one: &&Value<'_>| {
            let found = one.text("reference").unwrap_or_default();
            found == wanted || found.strip_prefix(wanted).is_some_and(|rest| rest.starts_with("/_history/"))
        };
        said.list("about").iter().find(names).cloned()
    });
    let task = build::task(TaskParts {
        business_status: Some(code(BUSINESS_STATUS, "queued")),
        focus: about.or_else(|| opening.focus.clone()).map(Link::Verbatim),
        beneficiary: member("subject").map(Link::Verbatim),
        last_modified: Some(instant(now)),
        requester: member("sender").map(Link::Verbatim),
        owner: said.list("recipient").first().cloned().map(Link::Verbatim),
        reason_reference: opening.first.clone(),
        input: Some((code(MESSAGES, opening.code), format!("Communication/{}", communication.id))),
        ..TaskParts::of(
            "ready",
            code(TASKS, opening.code),
            said.text("sent").map_or_else(|| instant(now), str::to_owned),
        )
    })?;
    Ok(task)
}

/// The Task that waits for information goes on when who asked, or the patient, says something about it.
fn answered(session: &mut Session<'_, '_>, local: &str, communication: &Version) -> Result<(), ApiError> {
    let id = local.strip_prefix("Task/").unwrap_or_default();
    let named = session.transaction.named(TASK, id, true)?;
    #[expect(clippy::disallowed_methods, reason = "it waits for what is said in its record, and nobody is told of it")]
    let found = named.evaluated(|head| {
        let waits = waits_for(session, &head.version, communication)?;
        Ok::<_, ApiError>(waits.map(|waits| Permitted::on(Ground::OwnTask, head).with(waits)))
    })?;
    let Some((Head { version: old, .. }, (mut value, code))) = found else { return Ok(()) };
    let mut inputs = value.list("input").to_vec();
    let input = fragment::task_input(build::code(MESSAGES, code), format!("Communication/{}", communication.id));
    inputs.push(input);
    if let Some(object) = value.as_object_mut() {
        object.set("status", Value::string("in-progress"));
        object.set("businessStatus", fragment::codeable_concept(build::code(BUSINESS_STATUS, "in-review")));
        object.set("lastModified", Value::string(instant(session.transaction.now)));
        object.set("input", Value::Array(inputs));
    }
    let proposed = write::next_by_server(session, &old, value)?;
    let told = provenance::of(session, &proposed, "UPDATE", Some(old.version))?;
    // The server says what more was said about it.
    session.transaction.keep_own_words(&old, &proposed.version)?;
    write::store(session, &proposed, Some(&old), told.as_slice())?;
    Ok(())
}

/// What a Task says, and its code, if it waits for what this caller says in its record.
fn waits_for(
    session: &Session<'_, '_>,
    task: &Version,
    communication: &Version,
) -> Result<Option<(Value<'static>, &'static str)>, ApiError> {
    if task.deleted || task.patient != communication.patient {
        return Ok(None);
    }
    let value = access::stored(task)?;
    let Some(code) = correction(&value).filter(|_| is_in_state(&value, "waiting-for-information")) else {
        return Ok(None);
    };
    let asked = requester(&session.service.base, &value) == session.call.caller.actor.reference();
    Ok((asked || matches!(session.call.caller.actor, Actor::Patient(_))).then_some((value, code)))
}

/// Who has asked for what a Task is about, `Type/id`.
pub(super) fn requester(base: &str, task: &Value<'_>) -> Option<String> {
    let requester = task.get("requester").and_then(|one| one.text("reference"));
    requester.and_then(|one| local_reference(base, one))
}

/// Says in a Task that is moved on when that was.
pub(crate) fn note_time(transaction: &Transaction<'_>, before: &Value<'_>, value: &mut Value<'_>) {
    let moved = ["status", "businessStatus", "output"].iter().any(|name| match (before.get(name), value.get(name)) {
        (Some(one), Some(other)) => !one.same(other),
        (None, None) => false,
        _ => true,
    });
    if let (true, Some(_), Some(object)) = (moved, correction(before), value.as_object_mut()) {
        object.set("lastModified", Value::string(instant(transaction.now)));
    }
}

/// Refuses to delete what was asked, what was answered and what was disagreed with.
///
/// # Errors
/// [`ApiError::Denied`] for such a resource.
pub(crate) fn refuse_deletion(_session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    if !is_part_of_one(old)? {
        return Ok(());
    }
    Err(ApiError::denied("a request for correction stays attached for good: it can be taken back, and answered"))
}

/// What may be told of something that was said, afterwards: when it arrived.
const RECEIPT: [&str; 1] = ["received"];

/// Refuses to make something else of a Communication that belongs to a correction, and to keep it from the patient.
///
/// # Errors
/// A broken rule, with its place.
pub(crate) fn refuse_change(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<(), ApiError> {
    if session.call.caller.actor == Actor::System || old.deleted || !is_part_of_one(old)? {
        return Ok(());
    }
    let before = access::stored(old)?;
    let text = "what was said about a correction stays as it was said: say more in another Communication";
    // The rules of its own type say what of a Task is whose to change.
    if old.resource_type == COMMUNICATION
        && let Some(name) = changed::element(&before, value, &RECEIPT)
    {
        return Err(ApiError::rule(format!("Communication.{}", name.trim_start_matches('_')), text));
    }
    let kept =
        |value: &Value<'_>| labels::codings(value).iter().filter(|one| review::hides(one)).map(labels::key).collect();
    let (hid, hides): (Vec<String>, Vec<String>) = (kept(&before), kept(value));
    if hides.iter().any(|key| !hid.contains(key)) {
        let text = "what was said about a correction is kept from nobody who could read it";
        return Err(ApiError::rule(format!("{}.meta.security", old.resource_type), text));
    }
    Ok(())
}

/// Whether it is a request for correction, or something said about one.
///
/// # Errors
/// When the stored body cannot be read.
pub(super) fn is_part_of_one(old: &Version) -> Result<bool, ApiError> {
    if old.deleted || ![COMMUNICATION, TASK].contains(&old.resource_type) {
        return Ok(false);
    }
    let value = access::stored(old)?;
    Ok(match old.resource_type == TASK {
        true => correction(&value).is_some(),
        false => CORRECTIONS.iter().any(|code| has_category(&value, code)),
    })
}
