//! `$who-can-see`: everybody who has access to a patient's record, to what, by which Consent or rule, and until when.
//! For the patient, and for those who may ask about anybody (`$evaluate`).

use std::sync::Arc;

use concord_consent::caller::{Actor, Proofing};
use concord_consent::request::{Action, BREAK_GLASS_MS};
use concord_consent::who::Access;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::evaluate::reason_part;
use super::{Input, Level, Operation, Output, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, access, facts, instant, logged, read};
use crate::store::audit::Record;
use crate::store::transaction::Transaction;

const CONSENT: ResourceType = ResourceType::of("Consent");
const PATIENT: ResourceType = ResourceType::of("Patient");

/// What holds for everybody's record, beside what names somebody.
const GENERAL: [(&str, &str); 5] = [
    ("author", "professionals and their organisations keep access to what they wrote"),
    ("break-glass", "in an emergency a professional may open the record for an hour; the patient is told at once"),
    ("office", "a safeguarding lead and a privacy officer may look, with a reason that is kept"),
    ("system", "registered systems may do what their registration says"),
    (
        "hidden",
        "what is labelled as not for patients, as private to a team, as of a third party or as safeguarding is not in this list",
    ),
];

/// `$who-can-see`
pub(super) const OPERATION: Operation = Operation {
    name: "$who-can-see",
    levels: &[Level::Instance],
    types: &["Patient"],
    changes: false,
    takes_invalid: false,
    told: "Says who can see a patient's record: what of it, by which Consent or rule, and until when.",
    definition: None,
    parameters: &[],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, _input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, target.resource_type);
                record.query = OPERATION.name.to_owned();
                let id = target.id.unwrap_or_default();
                logged(seen(&concord, &call, transaction, &id, &mut record), record)
            })
            .await
    })
}

fn seen(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
    record: &mut Record,
) -> Result<Output, Fault> {
    record.entity = id.to_owned();
    access::require_scope(call, Action::Read, CONSENT)?;
    let head = read::visible(concord, call, transaction, PATIENT, id, Action::Read, record)?;
    let may = match &call.caller.actor {
        Actor::System => true,
        Actor::Patient(own) => own == id && call.caller.credentials.proofing == Proofing::P9,
        actor => actor.is_professional() && facts::in_office(call),
    };
    if !may {
        return Err(Fault::denied("who can see a record is told to the patient"));
    }
    if head.version.deleted {
        return Err(Fault::Gone);
    }
    let known = facts::everybody(concord, call, transaction, head.version.patient)?;
    let mut parameters = Vec::new();
    for one in concord_consent::who_can_see(&known, transaction.now) {
        parameters.push(told(concord, call, transaction, &one)?);
    }
    for patient in &known.patients {
        for glass in &patient.break_glass {
            let until = glass.since.saturating_add(BREAK_GLASS_MS);
            let text = format!("emergency access; the reason given was: {}", glass.reason);
            let because = vec![
                part("layer", "valueCode", Value::string("break-glass")),
                part("rule", "valueCode", Value::string("break-glass")),
                part("text", "valueString", Value::string(text)),
            ];
            let parts = vec![
                who(&glass.who),
                Value::object([("name", Value::string("because")), ("part", Value::Array(because))]),
                part("until", "valueInstant", Value::string(instant(until))),
            ];
            parameters.push(Value::object([("name", Value::string("access")), ("part", Value::Array(parts))]));
        }
    }
    for (rule, text) in GENERAL {
        let parts =
            vec![part("rule", "valueCode", Value::string(rule)), part("text", "valueString", Value::string(text))];
        parameters.push(Value::object([("name", Value::string("general")), ("part", Value::Array(parts))]));
    }
    Ok(Output::Value(Value::object([
        ("resourceType", Value::string("Parameters")),
        ("parameter", Value::Array(parameters)),
    ])))
}

fn part(name: &'static str, of: &'static str, value: Value<'static>) -> Value<'static> {
    Value::object([("name", Value::string(name)), (of, value)])
}

fn who(name: &str) -> Value<'static> {
    match name.split_once('|') {
        Some((system, value)) => {
            let identifier = Value::object([("system", Value::string(system)), ("value", Value::string(value))]);
            part("actor", "valueIdentifier", identifier)
        }
        None => part("actor", "valueReference", Value::object([("reference", Value::string(name))])),
    }
}

/// One who has access.
fn told(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    one: &Access,
) -> Result<Value<'static>, Fault> {
    let mut parts = vec![who(&one.who)];
    for sight in &one.sees {
        let types = sight.types.iter().map(|named| part("type", "valueCode", Value::string(named.name())));
        let labels = sight.labels.iter().map(|label| part("label", "valueCode", Value::string(*label)));
        let mut inner: Vec<Value<'static>> = types.chain(labels).collect();
        inner.push(part("inPart", "valueBoolean", Value::Bool(sight.in_part)));
        parts.push(Value::object([("name", Value::string("sees")), ("part", Value::Array(inner))]));
    }
    for reason in &one.because {
        let known = facts::knows_consent(concord, call, transaction, reason.consent.as_deref())?;
        let mut because = reason_part(reason, known);
        if let Some(object) = because.as_object_mut() {
            object.set("name", Value::string("because"));
        }
        parts.push(because);
    }
    if let Some(until) = one.until {
        parts.push(part("until", "valueInstant", Value::string(instant(until))));
    }
    Ok(Value::object([("name", Value::string("access")), ("part", Value::Array(parts))]))
}
