//! Breaking the glass: a professional says that it is an emergency, and why, and for an hour sees of one patient's record
//! what the patient's choices would hide. The patient is told and the privacy officer gets it to review, in the same
//! transaction that lets the professional in.
//!
//! It is declared by a request that names one patient: the read, vread or history of one resource, or a search for one
//! patient's data. It is kept in the database, so it holds on every node. Whatever else says `BTG` breaks no glass, but
//! sees through what is broken.

use std::sync::Arc;

use concord_consent::REVIEW_TASK;
use concord_consent::decision::Obligation;
use concord_consent::purpose::Purpose;
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::audit::Interaction;
use super::write::{self, Proposed};
use super::{Call, Concord, access, instant, judge, labels, matching};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::broken_glass::Glass;
use crate::store::lower::Rows;
use crate::store::transaction::Transaction;

const COMMUNICATION: ResourceType = ResourceType::of("Communication");
const TASK: ResourceType = ResourceType::of("Task");

/// What a request is about.
pub(crate) enum Place {
    /// One resource.
    Resource(ResourceType, String),
    /// Resources of a type, or of several, in one patient's record.
    Record(Option<ResourceType>, String),
    /// More than one patient, or nobody says whom.
    Unnamed,
}

impl Place {
    /// Of whom a search is.
    pub(crate) fn of(query: &Query) -> Place {
        match (query.records().as_slice(), &query.compartment) {
            ([single], _) => Place::Record(query.resource_type, single.clone()),
            ([], Some(patient)) => Place::Record(query.resource_type, patient.clone()),
            _ => Place::Unnamed,
        }
    }
}

/// Breaks the glass if the call says so, if it is not broken yet, and if it would let the caller see anything.
///
/// # Errors
/// When the database fails.
pub(crate) async fn declare(concord: &Arc<Concord>, call: &Call, place: Place) -> Result<(), Fault> {
    if call.purpose != Some(Purpose::BREAK_GLASS) || matches!(place, Place::Unnamed) {
        return Ok(());
    }
    let (concord, call) = (Arc::clone(concord), call.clone());
    let store = concord.store.clone();
    store
        .change(move |transaction| match run(&concord, &call, transaction, &place) {
            Ok(records) => (Ok(()), records),
            Err(fault) => (Err(fault), Vec::new()),
        })
        .await
}

fn run(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>, place: &Place) -> Result<Vec<Record>, Fault> {
    let (Some(who), Some(reason)) = (call.caller.actor.reference(), call.reason.as_deref()) else {
        return Ok(Vec::new());
    };
    let (resource_type, patient, head) = match place {
        Place::Resource(resource_type, id) => {
            let Some(head) = transaction.head(*resource_type, id, false)? else { return Ok(Vec::new()) };
            (Some(*resource_type), head.version.patient, Some(head))
        }
        Place::Record(resource_type, id) => (*resource_type, transaction.patient_key(id)?.unwrap_or(0), None),
        Place::Unnamed => return Ok(Vec::new()),
    };
    if patient == 0 {
        return Ok(Vec::new());
    }
    let action = if head.is_some() { Action::Read } else { Action::Search };
    let decision = access::decide_in_emergency(concord, call, transaction, action, resource_type, patient)?;
    if !decision.obligations.contains(&Obligation::NotifyPatient) || decision.is_denial() {
        return Ok(Vec::new());
    }
    // What stays hidden all the same must look as if it were not there, and so must leave no trace.
    if let Some(head) = &head
        && !judge::permits(transaction, &decision, Rows::Current, &head.version)?
    {
        return Ok(Vec::new());
    }
    let now = transaction.now;
    transaction.break_glass(patient, &Glass { who: who.clone(), since: now, reason: reason.to_owned() })?;
    transaction.bump_access_version(patient)?;
    let id = transaction.patient_id(patient)?;
    let name = name(transaction, &who)?;
    let told = told(transaction, concord, &id, &name, &who, reason)?;
    let review = review(transaction, concord, &id, &who, reason)?;
    transaction.insert(&[(told.version, &told.entries), (review.version, &review.entries)])?;
    let mut record = call.record(Interaction::BreakGlass, None);
    record.patient = patient;
    record.reason = format!("emergency access: {reason}");
    Ok(vec![record])
}

/// What the professional is called, as far as that is known here.
fn name(transaction: &mut Transaction<'_>, who: &str) -> Result<String, Fault> {
    let Some((kind, id)) = who.split_once('/') else { return Ok(who.to_owned()) };
    let Some(resource_type) = ResourceType::parse(kind) else { return Ok(who.to_owned()) };
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(who.to_owned()) };
    if head.version.deleted {
        return Ok(who.to_owned());
    }
    let value = labels::stored(&head.version)?;
    let human = value.list("name").first();
    let part = |name: &str| human.and_then(|human| human.text(name)).unwrap_or_default().to_owned();
    let given = human.and_then(|human| human.list("given").first()).and_then(Value::as_str).unwrap_or_default();
    let name = match part("text") {
        text if text.is_empty() => format!("{given} {}", part("family")).trim().to_owned(),
        text => text,
    };
    Ok(if name.is_empty() { who.to_owned() } else { format!("{name} ({who})") })
}

fn reference(text: impl Into<String>) -> Value<'static> {
    Value::object([("reference", Value::string(text))])
}

fn concept(system: &'static str, code: &'static str) -> Value<'static> {
    let coding = Value::object([("system", Value::string(system)), ("code", Value::string(code))]);
    Value::object([("coding", Value::Array(vec![coding]))])
}

/// The message to the patient.
fn told(
    transaction: &mut Transaction<'_>,
    concord: &Concord,
    patient: &str,
    name: &str,
    who: &str,
    reason: &str,
) -> Result<Proposed, Fault> {
    let patient = format!("Patient/{patient}");
    let text = format!(
        "{name} opened your record as an emergency, past your sharing choices. The reason given was: {reason} \
         This lasts for one hour, and will be reviewed."
    );
    let value = Value::object([
        ("status", Value::string("completed")),
        (
            "category",
            Value::Array(vec![concept("http://terminology.hl7.org/CodeSystem/communication-category", "alert")]),
        ),
        ("priority", Value::string("urgent")),
        ("subject", reference(patient.as_str())),
        ("about", Value::Array(vec![reference(who)])),
        ("sent", Value::string(instant(transaction.now))),
        ("recipient", Value::Array(vec![reference(patient.as_str())])),
        ("reasonCode", Value::Array(vec![concept(super::PURPOSE_SYSTEM, "BTG")])),
        ("payload", Value::Array(vec![Value::object([("contentString", Value::string(text))])])),
    ]);
    write::by_server(concord, transaction, COMMUNICATION, &matching::new_id(transaction.now), value)
}

/// The review for the privacy officer.
fn review(
    transaction: &mut Transaction<'_>,
    concord: &Concord,
    patient: &str,
    who: &str,
    reason: &str,
) -> Result<Proposed, Fault> {
    let (system, code) = REVIEW_TASK;
    let value = Value::object([
        ("status", Value::string("requested")),
        ("intent", Value::string("order")),
        ("code", concept(system, code)),
        ("description", Value::string(format!("{who} broke the glass; the reason given was: {reason}"))),
        ("for", reference(format!("Patient/{patient}"))),
        ("authoredOn", Value::string(instant(transaction.now))),
        ("reasonCode", concept(super::PURPOSE_SYSTEM, "BTG")),
    ]);
    write::by_server(concord, transaction, TASK, &matching::new_id(transaction.now), value)
}
