//! Corrections (HL7 Patient Corrections): a Communication in which somebody asks for a correction, or disagrees with its
//! denial, opens a Task by which everybody sees how far it is; an answer to a question sets the Task going again. All of
//! it is stored together, or nothing. Neither the Task nor what was asked is ever deleted.

use concord_consent::caller::{Actor, Proofing};
use concord_consent::request::Action;
use concord_fhir::index::SEPARATOR;
use concord_fhir::json::{Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::communication::{CORRECTIONS, has_category};
use concord_fhir::rules::task::{correction, is_in_state};
use concord_fhir::rules::{is_claim_code, local_reference};

use super::comment::{self, COMMUNICATION};
use super::write;
use super::{Call, Concord, access, instant, labels, matching, provenance, read};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// The type that tells how far a request is.
pub(crate) const TASK: ResourceType = ResourceType::of("Task");

/// Where the guide's code systems are.
const BASE: &str = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/";

/// A Task that a Communication about to be stored opens.
pub(crate) struct Opening {
    id: String,
    code: &'static str,
    /// The Task whose outcome is disagreed with, `Task/id`.
    first: Option<String>,
    /// What is to be corrected, as the Communication names it.
    focus: Option<Value<'static>>,
}

impl Opening {
    /// The call of a write to which the Task belongs.
    pub(crate) fn together(&self, call: &Call) -> Call {
        let mut call = call.clone();
        call.together.push(format!("Task/{}", self.id));
        call
    }
}

/// Whether a Communication that the caller is about to store opens a Task. If so, the Communication is made to be about
/// that Task too, and a disagreement about what the denial was about.
///
/// # Errors
/// A broken rule when a disagreement names no denial; [`Fault::NotFound`] when it names one that the caller cannot read.
pub(crate) fn begin(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    value: &mut Value<'_>,
) -> Result<Option<Opening>, Fault> {
    let person = matches!(call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_));
    let Some(code) = asks(value).filter(|_| person && resource_type == COMMUNICATION) else { return Ok(None) };
    if call.caller.credentials.proofing < Proofing::P9 {
        return Err(Fault::denied("a correction is asked for by somebody whose identity is proven"));
    }
    if !matches!(value.text("status"), Some("completed" | "in-progress")) {
        let text = "a request for correction that is sent is `completed`";
        return Err(Fault::rule("Communication.status", text));
    }
    let about = || value.list("about").iter().filter_map(|one| one.text("reference"));
    let local: Vec<String> = about().filter_map(|reference| local_reference(&concord.base, reference)).collect();
    let mut added = Vec::new();
    let (first, focus) = if code == CORRECTIONS[0] {
        if local.iter().any(|one| one.starts_with("Communication/") || one.starts_with("Task/")) {
            // A message of a conversation that has begun.
            return Ok(None);
        }
        (None, value.list("about").first().cloned().map(Value::into_owned))
    } else {
        let (first, denied) = denied(concord, call, transaction, &local)?;
        let focus = match denied.get("focus") {
            Some(focus) if can_be_named(concord, call, transaction, focus)? => Some(focus.clone()),
            _ => None,
        };
        added.extend(focus.clone());
        if !local.contains(&first) {
            added.push(reference(first.as_str()));
        }
        (Some(first), focus)
    };
    let id = matching::new_id(transaction.now);
    added.push(reference(format!("Task/{id}")));
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
fn denied(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    about: &[String],
) -> Result<(String, Value<'static>), Fault> {
    let place = "Communication.about";
    let mut found = None;
    for local in about {
        let task = match local.split_once('/') {
            Some(("Task", _)) => Some(local.clone()),
            Some(("Communication", id)) => task_of(concord, call, transaction, id)?,
            _ => None,
        };
        found = found.or(task);
    }
    let Some(local) = found else {
        return Err(Fault::rule(place, "name the Task whose outcome you disagree with"));
    };
    let id = local.strip_prefix("Task/").unwrap_or_default();
    let task = readable(concord, call, transaction, TASK, id)?;
    if !(is_in_state(&task, "denied") || is_in_state(&task, "partial-accept")) {
        return Err(Fault::rule(place, "the request that this names has not been denied"));
    }
    Ok((local, task))
}

/// Whether the caller can still read what a request was about.
fn can_be_named(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    focus: &Value<'_>,
) -> Result<bool, Fault> {
    let local = focus.text("reference").and_then(|text| local_reference(&concord.base, text));
    match local {
        Some(local) => Ok(comment::readable(concord, call, transaction, &local)?.is_some()),
        None => Ok(false),
    }
}

/// The Task that a Communication opened, `Task/id`.
fn task_of(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
) -> Result<Option<String>, Fault> {
    let asked = readable(concord, call, transaction, COMMUNICATION, id)?;
    Ok(tasks(concord, &asked).into_iter().next())
}

/// The Tasks that a Communication is about, `Task/id`.
fn tasks(concord: &Concord, communication: &Value<'_>) -> Vec<String> {
    let about = communication.list("about").iter().filter_map(|one| one.text("reference"));
    about
        .filter_map(|reference| local_reference(&concord.base, reference))
        .filter(|local| local.starts_with("Task/"))
        .collect()
}

fn readable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Value<'static>, Fault> {
    let mut unlogged = Record::default();
    let head = read::visible(concord, call, transaction, resource_type, id, Action::Read, &mut unlogged)?;
    if head.version.deleted {
        return Err(Fault::NotFound);
    }
    access::stored(&head.version)
}

/// Stores what a Communication that has just been stored leads to: the Task that it opens, or the next step of the one
/// that waits for it.
///
/// # Errors
/// When the store fails.
pub(crate) fn follow(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    opening: Option<&Opening>,
    communication: &Version,
) -> Result<(), Fault> {
    if communication.resource_type != COMMUNICATION {
        return Ok(());
    }
    if let Some(opening) = opening {
        return open(concord, call, transaction, opening, communication);
    }
    if !matches!(call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_)) {
        return Ok(());
    }
    let said = access::stored(communication)?;
    for local in tasks(concord, &said) {
        answered(concord, call, transaction, &local, communication)?;
    }
    Ok(())
}

fn open(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    opening: &Opening,
    communication: &Version,
) -> Result<(), Fault> {
    let task = task(transaction.now, opening, communication)?;
    let proposed = write::by_server(concord, transaction, TASK, &opening.id, task)?;
    let told = provenance::of(call, transaction, &proposed, "CREATE", None)?;
    let mut rows = vec![(proposed.version, &proposed.entries)];
    if let Some((version, entries)) = &told {
        rows.push((version.clone(), entries));
    }
    transaction.insert(&rows)
}

fn task(now: i64, opening: &Opening, communication: &Version) -> Result<Value<'static>, Fault> {
    let said = access::stored(communication)?;
    let member = |name: &str| said.get(name).cloned();
    let mut task = Object(vec![
        ("status".into(), Value::string("ready")),
        ("businessStatus".into(), concept("PatientCorrectionBusinessStatus", "queued")),
        ("intent".into(), Value::string("order")),
        ("code".into(), concept("PatientCorrectionTaskTypes", opening.code)),
    ]);
    // Whoever may not know of what was asked may not know that it was.
    let kept: Vec<Value<'static>> = communication
        .own_labels()
        .split('\n')
        .filter(|key| !key.is_empty() && !key.split(SEPARATOR).next().is_some_and(is_claim_code))
        .map(|key| labels::coding(key, false))
        .collect();
    if !kept.is_empty() {
        task.set_at(0, "meta", Value::object([("security", Value::Array(kept))]));
    }
    // At the version that the Communication names.
    let about = opening.focus.as_ref().and_then(|focus| focus.text("reference")).and_then(|wanted| {
        let names = |one: &&Value<'_>| {
            let found = one.text("reference").unwrap_or_default();
            found == wanted || found.strip_prefix(wanted).is_some_and(|rest| rest.starts_with("/_history/"))
        };
        said.list("about").iter().find(names).cloned()
    });
    for (name, value) in [
        ("focus", about.or_else(|| opening.focus.clone())),
        ("for", member("subject")),
        ("authoredOn", member("sent").or_else(|| Some(Value::string(instant(now))))),
        ("lastModified", Some(Value::string(instant(now)))),
        ("requester", member("sender")),
        ("owner", said.list("recipient").first().cloned()),
        ("reasonReference", opening.first.as_deref().map(reference)),
    ] {
        if let Some(value) = value {
            task.set(name, value);
        }
    }
    task.set("input", Value::Array(vec![input(opening.code, &communication.id)]));
    Ok(Value::Object(task))
}

/// The Task that waits for information goes on when who asked, or the patient, says something about it.
fn answered(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    local: &str,
    communication: &Version,
) -> Result<(), Fault> {
    let id = local.strip_prefix("Task/").unwrap_or_default();
    let Some(head) = transaction.head(TASK, id, true)? else { return Ok(()) };
    let old = head.version;
    if old.deleted || old.patient != communication.patient {
        return Ok(());
    }
    let mut value = access::stored(&old)?;
    let Some(code) = correction(&value).filter(|_| is_in_state(&value, "waiting-for-information")) else {
        return Ok(());
    };
    let requester = value.get("requester").and_then(|one| one.text("reference"));
    let asked = requester.and_then(|one| local_reference(&concord.base, one)) == call.caller.actor.reference();
    if !asked && !matches!(call.caller.actor, Actor::Patient(_)) {
        return Ok(());
    }
    let mut inputs = value.list("input").to_vec();
    inputs.push(input(code, &communication.id));
    if let Some(object) = value.as_object_mut() {
        object.set("status", Value::string("in-progress"));
        object.set("businessStatus", concept("PatientCorrectionBusinessStatus", "in-review"));
        object.set("lastModified", Value::string(instant(transaction.now)));
        object.set("input", Value::Array(inputs));
    }
    let proposed = write::next_by_server(concord, transaction, &old, value);
    transaction.replace(&old, &proposed.version, Some(&proposed.entries))?;
    if let Some((version, entries)) = provenance::of(call, transaction, &proposed, "UPDATE", Some(old.version))? {
        transaction.insert(&[(version, &entries)])?;
    }
    Ok(())
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
/// [`Fault::Denied`] for such a resource.
pub(crate) fn refuse_deletion(old: &Version) -> Result<(), Fault> {
    if !is_part_of_one(old)? {
        return Ok(());
    }
    Err(Fault::denied("a request for correction stays attached for good: it can be taken back, and answered"))
}

/// Refuses to make something else of a Communication that belongs to a correction.
///
/// # Errors
/// A broken rule, with its place.
pub(crate) fn refuse_change(call: &Call, old: &Version, value: &Value<'_>) -> Result<(), Fault> {
    if call.caller.actor == Actor::System || old.resource_type != COMMUNICATION || old.deleted || !is_part_of_one(old)?
    {
        return Ok(());
    }
    let before = access::stored(old)?;
    let same = |name: &str| match (before.get(name), value.get(name)) {
        (Some(one), Some(other)) => one.same(other),
        (None, None) => true,
        _ => false,
    };
    match ["category", "status", "about", "payload"].iter().find(|name| !same(name)) {
        None => Ok(()),
        Some(name) => {
            let text = "what was said about a correction stays as it was said: say more in another Communication";
            Err(Fault::rule(format!("Communication.{name}"), text))
        }
    }
}

fn is_part_of_one(old: &Version) -> Result<bool, Fault> {
    if old.deleted || ![COMMUNICATION, TASK].contains(&old.resource_type) {
        return Ok(false);
    }
    let value = access::stored(old)?;
    Ok(match old.resource_type == TASK {
        true => correction(&value).is_some(),
        false => CORRECTIONS.iter().any(|code| has_category(&value, code)),
    })
}

fn reference(to: impl Into<String>) -> Value<'static> {
    Value::object([("reference", Value::string(to))])
}

fn input(code: &'static str, id: &str) -> Value<'static> {
    Value::object([
        ("type", concept("PatientCorrectionCommunicationTypes", code)),
        ("valueReference", reference(format!("Communication/{id}"))),
    ])
}

/// A code of the guide's.
pub(crate) fn concept(system: &str, code: &'static str) -> Value<'static> {
    let coding = Value::object([("system", Value::string(format!("{BASE}{system}"))), ("code", Value::string(code))]);
    Value::object([("coding", Value::Array(vec![coding]))])
}
