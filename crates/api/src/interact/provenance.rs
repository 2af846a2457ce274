//! The Provenance of what a person writes, stored in the same transaction (R4 "Provenance").

use concord_consent::caller::Actor;
use concord_fhir::index::{self, Entries, SEPARATOR};
use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;

use super::write::{self, Proposed};
use super::{Call, Concord, PROVENANCE, instant, matching, statement};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::{Method, Version};
use crate::store::transaction::Transaction;

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const OPERATION: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";

/// The system of the identifiers of apps.
const CLIENT: &str = "urn:concord:client";

/// The Provenance of a version about to be stored; none for a system, which hands in its own, and none for a
/// Provenance.
pub(crate) fn of(
    call: &Call,
    transaction: &mut Transaction<'_>,
    proposed: &Proposed,
    activity: &'static str,
    revised: Option<i64>,
) -> Result<Option<(Version, Entries)>, Fault> {
    make(call, transaction, &proposed.version, &proposed.entries.patients, activity, revised)
}

/// All that is told of a version about to be stored: by the server, and by the client itself.
///
/// # Errors
/// As [`statement::of`].
pub(crate) fn all(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    proposed: &Proposed,
    activity: &'static str,
    revised: Option<i64>,
) -> Result<Vec<(Version, Entries)>, Fault> {
    let own = of(call, transaction, proposed, activity, revised)?;
    let told = statement::of(concord, call, transaction, proposed)?;
    Ok(own.into_iter().chain(told).collect())
}

/// The Provenance of a version in which nothing but what hid it from the patient is gone.
pub(crate) fn of_release(
    call: &Call,
    transaction: &mut Transaction<'_>,
    proposed: &Proposed,
    revised: i64,
    reason: &str,
) -> Result<Option<(Version, Entries)>, Fault> {
    let (about, patients) = (&proposed.version, &proposed.entries.patients);
    let Some(mut value) = value(call, transaction, about, patients, "UPDATE", Some(revised)) else { return Ok(None) };
    if let Some(object) = value.as_object_mut() {
        let text = Value::object([("text", Value::string(format!("Released to the patient: {reason}")))]);
        object.set("reason", Value::Array(vec![text]));
    }
    version(call, transaction, value, about, patients, None).map(Some)
}

/// The Provenance of a deletion.
pub(crate) fn of_deletion(
    call: &Call,
    transaction: &mut Transaction<'_>,
    deletion: &Version,
    patients: &[String],
) -> Result<Option<(Version, Entries)>, Fault> {
    make(call, transaction, deletion, patients, "DELETE", Some(deletion.version - 1))
}

fn make(
    call: &Call,
    transaction: &mut Transaction<'_>,
    about: &Version,
    patients: &[String],
    activity: &'static str,
    revised: Option<i64>,
) -> Result<Option<(Version, Entries)>, Fault> {
    match value(call, transaction, about, patients, activity, revised) {
        Some(value) => version(call, transaction, value, about, patients, None).map(Some),
        None => Ok(None),
    }
}

/// What a person did to a version; none for a system, and none for a Provenance.
fn value(
    call: &Call,
    transaction: &Transaction<'_>,
    about: &Version,
    patients: &[String],
    activity: &'static str,
    revised: Option<i64>,
) -> Option<Value<'static>> {
    let author = call.caller.actor.reference()?;
    if about.resource_type == PROVENANCE {
        return None;
    }
    let mut value = Value::object([
        ("resourceType", Value::string("Provenance")),
        ("target", Value::Array(vec![reference(versioned(about, about.version))])),
        ("recorded", Value::string(instant(transaction.now))),
        ("activity", coded(OPERATION, activity)),
        ("agent", Value::Array(agents(call, &author, "author", patients))),
    ]);
    if let (Some(number), Some(object)) = (revised, value.as_object_mut()) {
        let entity =
            Value::object([("role", Value::string("revision")), ("what", reference(versioned(about, number)))]);
        object.set("entity", Value::Array(vec![entity]));
    }
    Some(value)
}

/// Who did it, in whose stead, and with which app.
pub(crate) fn agents(call: &Call, who: &str, role: &'static str, patients: &[String]) -> Vec<Value<'static>> {
    let mut agent = Value::object([("type", coded(PARTICIPANT, role)), ("who", reference(who))]);
    if let (Actor::RelatedPerson(_), Some(patient), Some(agent)) =
        (&call.caller.actor, patients.first(), agent.as_object_mut())
    {
        agent.set("onBehalfOf", reference(format!("Patient/{patient}")));
    }
    let mut agents = vec![agent];
    if !call.caller.client.is_empty() {
        let identifier =
            Value::object([("system", Value::string(CLIENT)), ("value", Value::string(call.caller.client.as_str()))]);
        let app = Value::object([("identifier", identifier)]);
        agents.push(Value::object([("type", coded(PARTICIPANT, "assembler")), ("who", app)]));
    }
    agents
}

/// A Provenance about a version that is stored or about to be, with its id, its labels and whose record it is part of.
///
/// # Errors
/// When the store fails.
pub(crate) fn version(
    call: &Call,
    transaction: &mut Transaction<'_>,
    mut value: Value<'static>,
    about: &Version,
    patients: &[String],
    source: Option<String>,
) -> Result<(Version, Entries), Fault> {
    let id = matching::new_id(transaction.now);
    write::stamp_first(&mut value, &id, transaction.now, source);
    label(&mut value, &about.labels);
    let entries = index::extract(PROVENANCE, &id, transaction.now, &value).part_of(patients.to_vec());
    let version = Version {
        key: transaction.next_key(),
        resource_type: PROVENANCE,
        id,
        version: 1,
        updated: transaction.now,
        method: Method::Post,
        deleted: false,
        patient: about.patient,
        patients: about.patients,
        author: call.caller.actor.reference().unwrap_or_default(),
        labels: about.labels.clone(),
        body: json::to_string(&value),
    };
    Ok((version, entries))
}

/// A reference to a version.
pub(crate) fn versioned(about: &Version, number: i64) -> String {
    format!("{}/{}/_history/{number}", about.resource_type, about.id)
}

/// A reference.
pub(crate) fn reference(text: impl Into<String>) -> Value<'static> {
    Value::object([("reference", Value::string(text))])
}

/// A code.
pub(crate) fn coded(system: &'static str, code: &'static str) -> Value<'static> {
    let coding = Value::object([("system", Value::string(system)), ("code", Value::string(code))]);
    Value::object([("coding", Value::Array(vec![coding]))])
}

/// Gives a Provenance the labels of what it is about, or it would tell of what they hide.
fn label(value: &mut Value<'_>, labels: &str) {
    let codings: Vec<Value<'_>> = labels
        .split('\n')
        .filter_map(|key| key.split_once(SEPARATOR))
        .map(|(code, system)| match system {
            "" => Value::object([("code", Value::string(code))]),
            _ => Value::object([("system", Value::string(system)), ("code", Value::string(code))]),
        })
        .collect();
    let meta = value.as_object_mut().and_then(|object| object.get_mut("meta")).and_then(Value::as_object_mut);
    if let (Some(meta), false) = (meta, codings.is_empty()) {
        meta.set("security", Value::Array(codings));
    }
}

/// Whose records a Provenance that is handed in is part of: those of what it points at, as far as that is here.
pub(crate) fn patients(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    value: &Value<'_>,
) -> Result<Vec<String>, Fault> {
    let mut patients = Vec::new();
    for target in value.list("target") {
        let Some(local) = target.text("reference").and_then(|text| local_reference(&concord.base, text)) else {
            continue;
        };
        let Some((name, id)) = local.split_once('/') else { continue };
        if name == "Patient" {
            patients.push(id.to_owned());
        } else if let Some(resource_type) = ResourceType::parse(name)
            && let Some(head) = transaction.head(resource_type, id, false)?
        {
            for key in transaction.patients_of(Rows::Current, &head.version)? {
                patients.push(transaction.patient_id(key)?);
            }
        }
    }
    Ok(patients)
}
