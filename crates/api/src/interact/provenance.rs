//! The Provenance of what a person writes, stored in the same transaction (R4 "Provenance").

use concord_consent::caller::Actor;
use concord_fhir::index::{self, Entries, SEPARATOR};
use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;

use super::write::Proposed;
use super::{Call, Concord, PROVENANCE, instant, matching};
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
    let Some(author) = call.caller.actor.reference() else { return Ok(None) };
    if about.resource_type == PROVENANCE {
        return Ok(None);
    }
    let resource_type = PROVENANCE;
    let id = matching::new_id(transaction.now);
    let now = instant(transaction.now);
    let coded = |system: &'static str, code: &'static str| {
        Value::object([(
            "coding",
            Value::Array(vec![Value::object([("system", Value::string(system)), ("code", Value::string(code))])]),
        )])
    };
    let reference = |text: String| Value::object([("reference", Value::string(text))]);
    let versioned = |number: i64| format!("{}/{}/_history/{number}", about.resource_type, about.id);
    let mut who = Value::object([("type", coded(PARTICIPANT, "author")), ("who", reference(author.clone()))]);
    if let (Actor::RelatedPerson(_), Some(patient), Some(agent)) =
        (&call.caller.actor, patients.first(), who.as_object_mut())
    {
        agent.set("onBehalfOf", reference(format!("Patient/{patient}")));
    }
    let app = Value::object([
        ("type", coded(PARTICIPANT, "assembler")),
        (
            "who",
            Value::object([(
                "identifier",
                Value::object([
                    ("system", Value::string(CLIENT)),
                    ("value", Value::string(call.caller.client.as_str())),
                ]),
            )]),
        ),
    ]);
    let mut agents = vec![who];
    if !call.caller.client.is_empty() {
        agents.push(app);
    }
    let mut value = Value::object([
        ("resourceType", Value::string("Provenance")),
        ("id", Value::string(id.as_str())),
        ("meta", Value::object([("versionId", Value::string("1")), ("lastUpdated", Value::string(now.as_str()))])),
        ("target", Value::Array(vec![reference(versioned(about.version))])),
        ("recorded", Value::string(now)),
        ("activity", coded(OPERATION, activity)),
        ("agent", Value::Array(agents)),
    ]);
    if let (Some(number), Some(object)) = (revised, value.as_object_mut()) {
        let entity = Value::object([("role", Value::string("revision")), ("what", reference(versioned(number)))]);
        object.set("entity", Value::Array(vec![entity]));
    }
    label(&mut value, &about.labels);
    let entries = index::extract(resource_type, &id, transaction.now, &value).part_of(patients.to_vec());
    let version = Version {
        key: transaction.next_key(),
        resource_type,
        id,
        version: 1,
        updated: transaction.now,
        method: Method::Post,
        deleted: false,
        patient: about.patient,
        patients: about.patients,
        author,
        labels: about.labels.clone(),
        body: json::to_string(&value),
    };
    Ok(Some((version, entries)))
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
