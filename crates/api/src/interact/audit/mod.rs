//! What goes into the audit log, and how it is told: AuditEvent resources in the shapes of IHE Basic Audit Log
//! Patterns (BALP 1.1.3), made from the narrow rows when somebody asks.

pub(crate) mod chain;
pub(crate) mod closed;
pub(crate) mod closing;
pub(crate) mod entry;
pub(crate) mod events;
pub(crate) mod grounds;
pub(crate) mod heads;
pub(crate) mod interaction;
mod period;
mod period_index;
pub(crate) mod said;
pub(crate) mod sought;
pub(crate) mod verification;
pub(crate) mod visibility;
mod walk;

use concord_fhir::index::SEPARATOR;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Value};
use concord_fhir::label;
use concord_fhir::literal::Literal;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{instant as times, local_reference};
use concord_model::build::{self, AuditEventParts, code};
use concord_store::audit::{RECORDED_AHEAD_MS, Record, Stored};
use concord_store::rows::{Method, Version};

pub(crate) use self::interaction::{BREAK_GLASS, Interaction, came_in, login_refused, outcome};
use self::interaction::{INTERACTIONS, LOGIN, OVERRIDE, codes_of};
use crate::error::ApiError;
use crate::interact::access::references;
use crate::interact::client_uri::client_uri;
use crate::interact::session::Session;
use crate::interact::{AUDIT_EVENT, Call, Service, instant, write};

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

/// Logs that a call is refused before it is known what it would do.
///
/// # Errors
/// When the store fails, or too much of the caller's waits to be logged.
pub(crate) async fn tell_refused(service: &Service, call: &Call, text: &str) -> Result<(), ApiError> {
    let asker = service.company.asker(&call.caller);
    Ok(service.store.append_of(asker, vec![interaction::call_refused(call, text)]).await?)
}

/// The AuditEvent of a stored event, as JSON.
///
/// # Errors
/// When it cannot be written.
fn event(stored: &Stored) -> Result<String, ApiError> {
    let record = &stored.record;
    if !record.body.is_empty() {
        return Ok(record.body.clone());
    }
    let (interaction, action, profile) = codes_of(record.interaction);
    let (kind, subtype) = match record.interaction {
        number if number == Interaction::Login as i16 => (code(DCM, "110114"), code(DCM, LOGIN)),
        number if number == Interaction::BreakGlass as i16 => (code(DCM, "110113"), code(DCM, OVERRIDE)),
        _ => (code(EVENT_TYPE, "rest"), code(RESTFUL, interaction)),
    };
    let about = if stored.patient_id.is_empty() { "" } else { "Patient" };
    let purpose = Some(record.purpose.as_str()).filter(|purpose| !purpose.is_empty());
    Ok(build::audit_event(AuditEventParts {
        id: stored.pk.to_string(),
        profile: (!profile.is_empty()).then(|| format!("{BALP}{about}{profile}")),
        kind,
        subtype,
        action,
        recorded: &instant(stored.at),
        outcome: record.outcome.to_string(),
        outcome_description: &record.reason,
        purpose: purpose.map(|purpose| code(crate::interact::PURPOSE_SYSTEM, purpose)),
        client: &record.client,
        user: &record.agent,
        patient: &stored.patient_id,
        resource: resource(record),
        query: query(record).map(|text| (text.clone(), crate::interact::base64(text.as_bytes()))),
        request: &record.request,
    })?)
}

/// The resource that was touched, at the version that it then had.
fn resource(record: &Record) -> Option<String> {
    let resource_type = ResourceType::from_number(record.resource_type).filter(|_| !record.entity.is_empty())?;
    let id = &record.entity;
    Some(match record.version {
        version if version > 0 => format!("{resource_type}/{id}/_history/{version}"),
        _ => format!("{resource_type}/{id}"),
    })
}

/// What was searched or listed, as the end of the address: the log would otherwise not tell of what type.
fn query(record: &Record) -> Option<String> {
    let name = ResourceType::from_number(record.resource_type).map(ResourceType::name);
    let asked = record.query.as_str();
    match (codes_of(record.interaction).0, name) {
        ("history-type", Some(name)) => Some(format!("{name}/_history")),
        ("operation", Some(name)) => Some(format!("{name}/{asked}")),
        ("operation", None) => Some(asked.to_owned()),
        ("history-system", _) => Some("_history".to_owned()),
        ("search-type", Some(name)) if asked.is_empty() => Some(name.to_owned()),
        (_, Some(name)) if !asked.is_empty() => Some(format!("{name}?{asked}")),
        _ => None,
    }
}

/// Puts an AuditEvent of a system into the log, with the system as its `meta.source` unless it names one: what it says
/// is that system's word. Its place in
/// the log is when it came, whatever time it claims; it is searched by the time that it claims.
///
/// # Errors
/// When it names what nothing can be, or a time to come.
pub(crate) fn hand_in(session: &mut Session<'_, '_>, value: &Value<'static>) -> Result<Version, ApiError> {
    references::refuse_malformed(session, value)?;
    let base = session.service.base.as_str();
    let recorded = value.text("recorded").and_then(times::range);
    if recorded.is_some_and(|(first, _)| first > session.transaction.now.saturating_add(RECORDED_AHEAD_MS)) {
        let issue = Issue::error(IssueCode::BusinessRule, "AuditEvent.recorded", "'recorded' lies in the future");
        return Err(ApiError::Unprocessable(vec![issue]));
    }
    let filed = write::filed(session, AUDIT_EVENT, value)?;
    let mut value = value.clone();
    let pk = session.transaction.next_key();
    let mut record = session.call.record(Interaction::Create, None);
    let requestor = |agent: &&Value<'_>| agent.get("requestor").and_then(Value::as_bool) == Some(true);
    let who = filed.list("agent").iter().find(requestor).and_then(|agent| agent.get("who")?.text("reference"));
    if let Some(agent) = who {
        record.agent = local_reference(base, agent).unwrap_or_else(|| agent.to_owned());
    }
    let purpose = value.list("purposeOfEvent").iter().flat_map(|concept| concept.list("coding"));
    if let Some(code) = purpose.filter_map(|coding| coding.text("code")).next() {
        record.purpose = code.to_owned();
    }
    record.outcome = value.text("outcome").and_then(|code| code.parse().ok()).unwrap_or(outcome::SUCCESS);
    let subtype = value.list("subtype").first().and_then(|coding| coding.text("code")).unwrap_or_default();
    let action = value.text("action").unwrap_or_default();
    record.interaction = INTERACTIONS
        .iter()
        .find(|(_, code, ..)| *code == subtype)
        .or_else(|| INTERACTIONS.iter().find(|(_, _, code, _)| *code == action))
        .map_or(-1, |(interaction, ..)| *interaction as i16);
    for entity in filed.list("entity") {
        let reference = entity.get("what").and_then(|what| what.text("reference")).unwrap_or_default();
        let Literal::Local(resource_type, id) = Literal::read(reference, base) else { continue };
        if resource_type.name() == "Patient" && record.patient == 0 {
            record.patient = session.transaction.make_patient_key(id)?;
        } else if record.entity.is_empty() {
            record.resource_type = resource_type.number();
            record.entity = id.to_owned();
        }
    }
    if let Some(object) = value.as_object_mut() {
        let mut meta = match object.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => json::Object::default(),
        };
        meta.set_at(0, "versionId", Value::string("1"));
        meta.set_at(1, "lastUpdated", Value::string(instant(session.transaction.now)));
        if meta.get("source").is_none() {
            meta.set_at(2, "source", Value::string(client_uri(&session.call.caller.client)));
        }
        object.set_at(1, "id", Value::string(pk.to_string()));
        object.set_at(2, "meta", Value::Object(meta));
    }
    record.body = json::to_string(&value);
    let about = label::sources(&filed, &pk.to_string(), &session.service.base);
    session.transaction.append_as(pk, &record, &about)?;
    let stored = Stored { pk, at: session.transaction.now, patient_id: String::new(), record };
    event_version(&visibility::Shown::to_its_sender(stored))
}

/// The numbers of the interactions that a key of the parameter `action` or `subtype` means. A code with the wrong system is
/// none of them; a prefix is a code with any system.
pub(crate) fn interactions(parameter: &str, key: &str, prefix: bool) -> Vec<i16> {
    let mut parts = key.split(SEPARATOR);
    let (token, system) = (parts.next().unwrap_or_default(), parts.next());
    let by_action = parameter == "action";
    if !prefix && !by_action && !system.is_some_and(|system| system == RESTFUL || system == DCM) {
        return Vec::new();
    }
    let meant =
        |(_, name, action, _): &&(Interaction, &str, &str, &str)| token == if by_action { *action } else { *name };
    INTERACTIONS.iter().filter(meant).map(|(interaction, ..)| *interaction as i16).collect()
}

/// An event of the log in the form of a version, which is what answers are made of.
pub(crate) fn event_version(shown: &visibility::Shown) -> Result<Version, ApiError> {
    let stored = shown.event();
    Ok(Version {
        key: stored.pk,
        resource_type: AUDIT_EVENT,
        id: stored.pk.to_string(),
        version: 1,
        updated: stored.at,
        method: Method::Post,
        deleted: false,
        patient: stored.record.patient,
        patients: i16::from(stored.record.patient != 0),
        author: String::new(),
        labels: String::new(),
        body: event(stored)?,
    })
}
