use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{AuditEvent, AuditEventAgent, AuditEventEntity, AuditEventSource};
use fhirbolt::model::r4::types::{CodeableConcept, Coding, Meta, Reference};

use super::elements::{codeable_concept, coding, identifier, reference};
use super::{Code, code};
use crate::refused::Refused;
use crate::write::to_json;

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// A record of the audit log, in the shapes of IHE Basic Audit Log Patterns (BALP 1.1.3). An empty text is left out.
#[derive(Clone, Debug)]
pub struct AuditEventParts<'a> {
    /// The logical id.
    pub id: String,
    /// The address of the BALP profile.
    pub profile: Option<String>,
    /// What kind of event.
    pub kind: Code<'a>,
    /// What exactly.
    pub subtype: Code<'a>,
    /// The code of AuditEvent.action.
    pub action: &'a str,
    /// When, as an instant.
    pub recorded: &'a str,
    /// The code of AuditEvent.outcome.
    pub outcome: String,
    /// What is to be said of the outcome.
    pub outcome_description: &'a str,
    /// For which purpose of use.
    pub purpose: Option<Code<'a>>,
    /// The app.
    pub client: &'a str,
    /// The user: a reference (`Patient/1`), or else an identifier.
    pub user: &'a str,
    /// Whose record was touched, as a logical id.
    pub patient: &'a str,
    /// Which resource was, `Observation/1/_history/2`.
    pub resource: Option<String>,
    /// What was asked: as the end of the address, and the same in base64.
    pub query: Option<(String, String)>,
    /// The id of the request.
    pub request: &'a str,
}

/// An AuditEvent (R4 "AuditEvent") as JSON.
///
/// # Errors
/// When the typed model does not write it.
pub fn audit_event(parts: AuditEventParts<'_>) -> Result<String, Refused> {
    let meta = Meta {
        version_id: Some("1".into()),
        last_updated: Some(parts.recorded.into()),
        profile: parts.profile.into_iter().map(Into::into).collect(),
        ..Default::default()
    };
    let event = AuditEvent {
        id: Some(parts.id.into()),
        meta: Some(Box::new(meta)),
        r#type: Box::new(coding(parts.kind)),
        subtype: vec![coding(parts.subtype)],
        action: Some(parts.action.into()),
        recorded: parts.recorded.into(),
        outcome: Some(parts.outcome.into()),
        outcome_desc: given(parts.outcome_description).map(Into::into),
        purpose_of_event: parts.purpose.into_iter().map(codeable_concept).collect(),
        agent: agents(parts.client, parts.user),
        source: AuditEventSource {
            observer: Box::new(concord()),
            r#type: vec![coding(code(SOURCE_TYPE, "4"))],
            ..Default::default()
        },
        entity: entities(parts.patient, parts.resource, parts.query, parts.request),
        ..Default::default()
    };
    to_json(&Resource::AuditEvent(Box::new(event)))
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn concord() -> Reference {
    Reference { display: Some("Concord".into()), ..Default::default() }
}

fn identified(value: &str) -> Reference {
    Reference { identifier: Some(Box::new(identifier(None, value.to_owned()))), ..Default::default() }
}

/// The server, the app and the user (BALP's agents of a RESTful exchange).
fn agents(client: &str, user: &str) -> Vec<AuditEventAgent> {
    let agent = |kind: CodeableConcept, who: Reference, requestor: bool| AuditEventAgent {
        r#type: Some(Box::new(kind)),
        who: Some(Box::new(who)),
        requestor: requestor.into(),
        ..Default::default()
    };
    let concept = |system, one| codeable_concept(code(system, one));
    let app = given(client).map(|client| agent(concept(DCM, "110153"), identified(client), false));
    let who = if user.contains('/') { reference(user) } else { identified(user) };
    let mut agents = vec![agent(concept(DCM, "110152"), concord(), false)];
    agents.extend(app);
    agents.push(agent(concept(PARTICIPATION, "IRCP"), who, true));
    agents
}

/// The patient, the resource or the query, and the request.
fn entities(
    patient: &str,
    resource: Option<String>,
    query: Option<(String, String)>,
    request: &str,
) -> Vec<AuditEventEntity> {
    let entity = |kind: Coding, role: Option<&str>| AuditEventEntity {
        r#type: Some(Box::new(kind)),
        role: role.map(|role| Box::new(coding(code(OBJECT_ROLE, role)))),
        ..Default::default()
    };
    let kind = |one| coding(code(ENTITY_TYPE, one));
    let patient = given(patient).map(|id| AuditEventEntity {
        what: Some(Box::new(reference(format!("Patient/{id}")))),
        ..entity(kind("1"), Some("1"))
    });
    let resource = resource
        .map(|address| AuditEventEntity { what: Some(Box::new(reference(address))), ..entity(kind("2"), Some("4")) });
    let query = query.map(|(text, base64)| AuditEventEntity {
        description: Some(text.into()),
        query: Some(base64.into()),
        ..entity(kind("2"), Some("24"))
    });
    let request = given(request).map(|id| AuditEventEntity {
        what: Some(Box::new(identified(id))),
        ..entity(coding(code(BALP_ENTITY, "XrequestId")), None)
    });
    [patient, resource, query, request].into_iter().flatten().collect()
}
