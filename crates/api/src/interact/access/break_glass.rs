//! Breaking the glass: a professional says that it is an emergency, and why, and for an hour sees of one patient's record
//! what the patient's choices would hide. The patient is told and the privacy officer gets it to review, in the same
//! transaction that lets the professional in.
//!
//! It is declared by a request that names one patient: the read, vread or history of one resource, or a search for one
//! patient's data, who is named by her id or her NHS number. It is kept in the database, so it holds on every node. Whatever else says `BTG` breaks no glass, but
//! sees through what is broken.

use std::sync::Arc;

use concord_consent::REVIEW_TASK;
use concord_consent::decision::{Decision, Obligation};
use concord_consent::purpose::Purpose;
use concord_consent::request::Action;
use concord_fhir::nhs_number;
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_fhir::search::number_of;
use concord_model::build::{self, CommunicationParts, Link, TaskParts, code};

use crate::error::ApiError;
use crate::interact::access::{evaluation, facts};
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::audit::said::Act;
use crate::interact::command::Command;
use crate::interact::history::Of;
use crate::interact::human_name::human_name;
use crate::interact::logical_id;
use crate::interact::session::Session;
use crate::interact::write;
use crate::interact::write::PreparedVersion;
use crate::interact::{Call, Service, access, instant, patient_number};
use concord_store::broken_glass::Glass;
use concord_store::transaction::Transaction;

const COMMUNICATION: ResourceType = ResourceType::of("Communication");
const TASK: ResourceType = ResourceType::of("Task");

/// The parameter by which an operation on records is told whose it is.
const IDENTIFIER: &str = "identifier";

/// What a request is about.
pub(crate) enum GlassTarget {
    /// One resource.
    Resource(ResourceType, String),
    /// Resources of a type, or of several, in one patient's record.
    Record(Option<ResourceType>, String),
    /// The same in the record of the patient who bears an NHS number.
    Numbered(Option<ResourceType>, String),
    /// More than one patient, or nobody says whom.
    Unnamed,
}

impl GlassTarget {
    /// What a command is about, if it is one that breaks the glass.
    pub(crate) fn of(command: &Command) -> GlassTarget {
        match command {
            Command::Read { resource_type, id, .. }
            | Command::Vread { resource_type, id, .. }
            | Command::History { of: Of::Instance(resource_type, id), .. } => {
                GlassTarget::Resource(*resource_type, id.clone())
            }
            Command::Search { query, .. } => match (query.records().as_slice(), &query.compartment) {
                ([single], _) => GlassTarget::Record(query.resource_type, single.clone()),
                ([], Some(patient)) => GlassTarget::Record(query.resource_type, patient.clone()),
                ([], None) => number_of(query.resource_type, &query.predicate)
                    .map_or(GlassTarget::Unnamed, |number| GlassTarget::Numbered(query.resource_type, number)),
                _ => GlassTarget::Unnamed,
            },
            Command::Operation { target, input, .. } if target.id.is_none() => {
                // What is read of a record, where a parameter says whose.
                let identifier = input.text(IDENTIFIER).unwrap_or_default();
                let number = identifier.split_once('|').filter(|(system, _)| *system == nhs_number::SYSTEM);
                let named = target.resource_type.filter(|named| is_own_record(*named));
                match (named, number) {
                    (Some(named), Some((_, number))) => GlassTarget::Numbered(Some(named), number.to_owned()),
                    _ => GlassTarget::Unnamed,
                }
            }
            _ => GlassTarget::Unnamed,
        }
    }
}

/// Breaks the glass if the call says so, if it is not broken yet, and if it would let the caller see anything.
///
/// # Errors
/// When the database fails.
pub(crate) async fn declare(service: &Arc<Service>, call: &Call, place: GlassTarget) -> Result<(), ApiError> {
    if call.purpose != Some(Purpose::BREAK_GLASS) || matches!(place, GlassTarget::Unnamed) {
        return Ok(());
    }
    let (service, call) = (Arc::clone(service), call.clone());
    let store = service.store.clone();
    let work = move |transaction: &mut Transaction<'_>| {
        let audit = AuditEntry::begin(&call, Interaction::BreakGlass, None);
        Session::run(&service, &call, transaction, audit, |session| {
            if !run(session, &place)? {
                session.audit.says_nothing();
            }
            Ok(())
        })
    };
    Box::pin(store.change(work)).await
}

/// Whether the glass was broken now.
fn run(session: &mut Session<'_, '_>, place: &GlassTarget) -> Result<bool, ApiError> {
    let (Some(who), Some(reason)) = (session.call.caller.actor.reference(), session.call.reason.as_deref()) else {
        return Ok(false);
    };
    let patient = match place {
        GlassTarget::Resource(resource_type, id) => {
            let named = session.transaction.named(*resource_type, id, false)?;
            // What stays hidden all the same must look as if it were not there, and so must leave no trace.
            let found = named.evaluated(|head| {
                match emergency(session, Action::Read, Some(*resource_type), head.version.patient)? {
                    Some(decision) => evaluation::permitted(session.transaction, &decision, head),
                    None => Ok(None),
                }
            })?;
            found.map(|(head, ())| head.version.patient)
        }
        GlassTarget::Record(resource_type, id) => {
            #[expect(clippy::disallowed_methods, reason = "whether it is opened is decided next")]
            let patient = session.transaction.named_record(id)?.deciding();
            emergency(session, Action::Search, *resource_type, patient)?.map(|_| patient)
        }
        GlassTarget::Numbered(resource_type, number) => {
            let found = match patient_number::only_survivor(session.transaction, number)? {
                Some(id) => found(session, &id)?,
                None => None,
            };
            let patient = found.unwrap_or(0);
            emergency(session, Action::Search, *resource_type, patient)?.map(|_| patient)
        }
        GlassTarget::Unnamed => None,
    };
    let Some(patient) = patient else { return Ok(false) };
    let now = session.transaction.now;
    session.transaction.break_glass(patient, &Glass { who: who.clone(), since: now, reason: reason.to_owned() })?;
    session.transaction.bump_access_version(patient)?;
    let id = session.transaction.patient_id(patient)?;
    let name = name(session, &who)?;
    let message = message_to_patient(session, &id, &name, &who, reason)?;
    let review = review(session, &id, &who, reason)?;
    write::store(session, &message, None, &[])?;
    write::store(session, &review, None, &[])?;
    session.audit.in_record(patient);
    session.audit.done(Act::Emergency, reason);
    Ok(true)
}

/// The key of the Patient's record, if the caller would find the Patient herself: what says by her number whose record it means
/// shows nothing to anybody else, whatever is broken.
fn found(session: &mut Session<'_, '_>, id: &str) -> Result<Option<i64>, ApiError> {
    let Some(own) = ResourceType::all().find(|one| is_own_record(*one)) else { return Ok(None) };
    let named = session.transaction.named(own, id, false)?;
    let found = named.evaluated(|head| {
        let decision = access::decide_in_emergency(session, Action::Search, Some(own), head.version.patient)?;
        if head.version.deleted || decision.is_denial() {
            return Ok(None);
        }
        evaluation::permitted(session.transaction, &decision, head)
    })?;
    Ok(found.map(|(head, ())| head.version.patient))
}

/// The decision that there would be if the glass were broken for a record, if that would let the caller see anything.
fn emergency(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
) -> Result<Option<Decision>, ApiError> {
    if patient == 0 {
        return Ok(None);
    }
    let decision = access::decide_in_emergency(session, action, resource_type, patient)?;
    let opens = decision.obligations.contains(&Obligation::NotifyPatient) && !decision.is_denial();
    Ok(opens.then_some(decision))
}

/// What the professional who calls is called, as far as that is known here.
fn name(session: &mut Session<'_, '_>, who: &str) -> Result<String, ApiError> {
    let own = facts::own(session)?.filter(|own| !own.deleted);
    let named = own.map(|own| Ok::<_, ApiError>(human_name(&own.resource()?))).transpose()?.flatten();
    Ok(named.map_or_else(|| who.to_owned(), |name| format!("{name} ({who})")))
}

/// The message to the patient.
fn message_to_patient(
    session: &mut Session<'_, '_>,
    patient: &str,
    name: &str,
    who: &str,
    reason: &str,
) -> Result<PreparedVersion, ApiError> {
    let text = format!(
        "{name} opened your record as an emergency, past your sharing choices. The reason given was: {reason} \
         This lasts for one hour, and will be reviewed."
    );
    // Named and not referred to: a label of the professional's own entry would keep the message from the patient.
    let kind = who.split('/').next().unwrap_or_default();
    let value = build::communication(CommunicationParts {
        category: code("http://terminology.hl7.org/CodeSystem/communication-category", "alert"),
        priority: "urgent",
        patient: format!("Patient/{patient}"),
        about: (kind, name),
        sent: instant(session.transaction.now),
        reason: code(crate::interact::PURPOSE_SYSTEM, "BTG"),
        text,
    })?;
    write::by_server(session, COMMUNICATION, &logical_id::new_id(session.transaction.now), value)
}

/// The review for the privacy officer.
fn review(session: &mut Session<'_, '_>, patient: &str, who: &str, reason: &str) -> Result<PreparedVersion, ApiError> {
    let (system, review) = REVIEW_TASK;
    let value = build::task(TaskParts {
        description: Some(format!("{who} broke the glass; the reason given was: {reason}")),
        beneficiary: Some(Link::To(format!("Patient/{patient}"))),
        requester: Some(Link::To(who.to_owned())),
        reason_code: Some(code(crate::interact::PURPOSE_SYSTEM, "BTG")),
        ..TaskParts::of("requested", code(system, review), instant(session.transaction.now))
    })?;
    write::by_server(session, TASK, &logical_id::new_id(session.transaction.now), value)
}
