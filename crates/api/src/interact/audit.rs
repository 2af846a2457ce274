//! What goes into the audit log, and how it is told: AuditEvent resources in the shapes of IHE Basic Audit Log
//! Patterns (BALP 1.1.3), made from the narrow rows when somebody asks.

use concord_fhir::index::SEPARATOR;
use concord_fhir::json::{self, Value};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::ResourceType;

use super::{Call, instant};
use crate::fault::Fault;
use crate::store::audit::{Record, Stored};
use crate::store::rows::Version;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// What was done (R4 value set `system-restful-interaction` and `type-restful-interaction`, and one of Concord's own for
/// a token that was refused). The number is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    /// Read of the current version.
    Read = 0,
    /// Read of a version.
    Vread = 1,
    /// Search of one type.
    Search = 2,
    /// Create.
    Create = 3,
    /// Update.
    Update = 4,
    /// Delete.
    Delete = 5,
    /// The versions of one resource.
    History = 6,
    /// The versions of all resources of a type.
    TypeHistory = 7,
    /// The versions of all resources.
    SystemHistory = 8,
    /// A call without a believable token.
    Login = 9,
    /// An operation, which is named by the query of the record.
    Operation = 10,
    /// Change of parts.
    Patch = 12,
    /// The glass was broken.
    BreakGlass = 11,
}

/// The code of a broken glass (DICOM "Emergency Override Started").
const OVERRIDE: &str = "110127";

const INTERACTIONS: [(Interaction, &str, &str, &str); 13] = [
    (Interaction::Read, "read", "R", "Read"),
    (Interaction::Vread, "vread", "R", "Read"),
    (Interaction::Search, "search-type", "E", "Query"),
    (Interaction::Create, "create", "C", "Create"),
    (Interaction::Update, "update", "U", "Update"),
    (Interaction::Delete, "delete", "D", "Delete"),
    (Interaction::History, "history-instance", "R", "Read"),
    (Interaction::TypeHistory, "history-type", "R", "Read"),
    (Interaction::SystemHistory, "history-system", "R", "Read"),
    (Interaction::Login, "login", "E", ""),
    (Interaction::Operation, "operation", "E", ""),
    (Interaction::Patch, "patch", "U", "Update"),
    (Interaction::BreakGlass, OVERRIDE, "E", ""),
];

/// The code of the interaction, the code of AuditEvent.action, and the name of the BALP profile.
fn told(number: i16) -> (&'static str, &'static str, &'static str) {
    INTERACTIONS
        .iter()
        .find(|(interaction, ..)| *interaction as i16 == number)
        .map_or(("operation", "E", ""), |(_, code, action, profile)| (*code, *action, *profile))
}

/// How it ended (R4 value set `audit-event-outcome`).
pub(crate) mod outcome {
    /// Done.
    pub(crate) const SUCCESS: i16 = 0;
    /// Refused, or the request was at fault.
    pub(crate) const REFUSED: i16 = 4;
    /// The server was at fault.
    pub(crate) const FAILED: i16 = 8;
}

impl Call {
    /// The start of a record of this call.
    pub(crate) fn record(&self, interaction: Interaction, resource_type: Option<ResourceType>) -> Record {
        Record {
            interaction: interaction as i16,
            outcome: outcome::SUCCESS,
            agent: self.caller.actor.reference().unwrap_or_else(|| self.caller.subject.clone()),
            client: self.caller.client.clone(),
            purpose: self.purpose_code().to_owned(),
            resource_type: resource_type.map_or(-1, ResourceType::number),
            request: self.request_id.clone(),
            ..Record::default()
        }
    }
}

/// The record of a call for a purpose that the caller may not have.
pub(crate) fn purpose_refused(call: &Call, text: &str) -> Record {
    let reason = text.to_owned();
    Record { outcome: outcome::REFUSED, reason, ..call.record(Interaction::Login, None) }
}

/// The record of a call that nobody believable made.
pub(crate) fn login_refused(reason: &str, request_id: &str) -> Record {
    Record {
        interaction: Interaction::Login as i16,
        outcome: outcome::REFUSED,
        agent: "anonymous".to_owned(),
        resource_type: -1,
        reason: reason.to_owned(),
        request: request_id.to_owned(),
        ..Record::default()
    }
}

/// The outcome to log for a fault.
pub(crate) fn outcome_of(fault: &Fault) -> i16 {
    match fault {
        Fault::Internal(_) | Fault::Busy(_) => outcome::FAILED,
        _ => outcome::REFUSED,
    }
}

fn coding(system: &'static str, code: impl Into<String>) -> Value<'static> {
    Value::object([("system", Value::string(system)), ("code", Value::string(code))])
}

fn concept(system: &'static str, code: impl Into<String>) -> Value<'static> {
    Value::object([("coding", Value::Array(vec![coding(system, code)]))])
}

fn reference(text: impl Into<String>) -> Value<'static> {
    Value::object([("reference", Value::string(text))])
}

/// The AuditEvent of a stored event, as JSON.
pub(crate) fn event(stored: &Stored) -> String {
    let record = &stored.record;
    if !record.body.is_empty() {
        return record.body.clone();
    }
    let (code, action, profile) = told(record.interaction);
    let (kind, subtype) = match record.interaction {
        number if number == Interaction::Login as i16 => (coding(DCM, "110114"), coding(DCM, "110122")),
        number if number == Interaction::BreakGlass as i16 => (coding(DCM, "110113"), coding(DCM, OVERRIDE)),
        _ => (coding(EVENT_TYPE, "rest"), coding(RESTFUL, code)),
    };
    let mut meta =
        Value::object([("versionId", Value::string("1")), ("lastUpdated", Value::string(instant(stored.at)))]);
    let about_patient = !stored.patient_id.is_empty();
    if let (Some(object), false) = (meta.as_object_mut(), profile.is_empty()) {
        let about = if about_patient { "Patient" } else { "" };
        object.set("profile", Value::Array(vec![Value::string(format!("{BALP}{about}{profile}"))]));
    }
    let mut event = Value::object([
        ("resourceType", Value::string("AuditEvent")),
        ("id", Value::string(stored.pk.to_string())),
        ("meta", meta),
        ("type", kind),
        ("subtype", Value::Array(vec![subtype])),
        ("action", Value::string(action)),
        ("recorded", Value::string(instant(stored.at))),
        ("outcome", Value::string(record.outcome.to_string())),
    ]);
    let Some(object) = event.as_object_mut() else { return String::new() };
    if !record.reason.is_empty() {
        object.set("outcomeDesc", Value::string(record.reason.as_str()));
    }
    if !record.purpose.is_empty() {
        object.set("purposeOfEvent", Value::Array(vec![concept(super::PURPOSE_SYSTEM, record.purpose.as_str())]));
    }
    object.set("agent", agents(record));
    object.set(
        "source",
        Value::object([
            ("observer", Value::object([("display", Value::string("Concord"))])),
            ("type", Value::Array(vec![coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4")])),
        ]),
    );
    let entities = entities(stored, about_patient);
    if !entities.is_empty() {
        object.set("entity", Value::Array(entities));
    }
    json::to_string(&event)
}

/// The server, the app and the user (BALP's agents of a RESTful exchange).
fn agents(record: &Record) -> Value<'static> {
    let user = if record.agent.contains('/') {
        reference(record.agent.as_str())
    } else {
        Value::object([("identifier", Value::object([("value", Value::string(record.agent.as_str()))]))])
    };
    let mut agents = vec![Value::object([
        ("type", concept(DCM, "110152")),
        ("who", Value::object([("display", Value::string("Concord"))])),
        ("requestor", Value::Bool(false)),
    ])];
    if !record.client.is_empty() {
        agents.push(Value::object([
            ("type", concept(DCM, "110153")),
            ("who", Value::object([("identifier", Value::object([("value", Value::string(record.client.as_str()))]))])),
            ("requestor", Value::Bool(false)),
        ]));
    }
    agents.push(Value::object([
        ("type", concept(PARTICIPATION, "IRCP")),
        ("who", user),
        ("requestor", Value::Bool(true)),
    ]));
    Value::Array(agents)
}

/// The patient, the resource or the query, and the request.
fn entities(stored: &Stored, about_patient: bool) -> Vec<Value<'static>> {
    let record = &stored.record;
    let mut entities = Vec::new();
    if about_patient {
        entities.push(Value::object([
            ("what", reference(format!("Patient/{}", stored.patient_id))),
            ("type", coding(ENTITY_TYPE, "1")),
            ("role", coding(OBJECT_ROLE, "1")),
        ]));
    }
    let resource_type = ResourceType::from_number(record.resource_type);
    if let Some(resource_type) = resource_type.filter(|_| !record.entity.is_empty()) {
        let mut what = format!("{resource_type}/{}", record.entity);
        if record.version > 0 {
            what.push_str(&format!("/_history/{}", record.version));
        }
        entities.push(Value::object([
            ("what", reference(what)),
            ("type", coding(ENTITY_TYPE, "2")),
            ("role", coding(OBJECT_ROLE, "4")),
        ]));
    }
    if let Some(query) = query(record) {
        entities.push(Value::object([
            ("type", coding(ENTITY_TYPE, "2")),
            ("role", coding(OBJECT_ROLE, "24")),
            ("description", Value::string(query.as_str())),
            ("query", Value::string(super::base64(query.as_bytes()))),
        ]));
    }
    if !record.request.is_empty() {
        let identifier = Value::object([("value", Value::string(record.request.as_str()))]);
        entities.push(Value::object([
            ("what", Value::object([("identifier", identifier)])),
            ("type", coding(BALP_ENTITY, "XrequestId")),
        ]));
    }
    entities
}

/// What was searched or listed, as the end of the address: the log would otherwise not tell of what type.
fn query(record: &Record) -> Option<String> {
    let name = ResourceType::from_number(record.resource_type).map(ResourceType::name);
    let asked = record.query.as_str();
    match (told(record.interaction).0, name) {
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
/// the log is when it came, whatever time it claims.
pub(crate) fn hand_in(
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &Value<'static>,
) -> Result<Version, Fault> {
    let mut value = value.clone();
    let pk = transaction.next_key();
    let mut record = call.record(Interaction::Create, None);
    let requestor = |agent: &&Value<'_>| agent.get("requestor").and_then(Value::as_bool) == Some(true);
    let who = value.list("agent").iter().find(requestor).and_then(|agent| agent.get("who")?.text("reference"));
    if let Some(agent) = who {
        record.agent = agent.to_owned();
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
    for entity in value.list("entity") {
        let Some((name, id)) =
            entity.get("what").and_then(|what| what.text("reference")).and_then(|text| text.split_once('/'))
        else {
            continue;
        };
        if name == "Patient" && record.patient == 0 {
            record.patient = transaction.make_patient_key(id)?;
        } else if let (Some(resource_type), true) = (ResourceType::parse(name), record.entity.is_empty()) {
            record.resource_type = resource_type.number();
            record.entity = id.split('/').next().unwrap_or_default().to_owned();
        }
    }
    if let Some(object) = value.as_object_mut() {
        let mut meta = match object.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => json::Object::default(),
        };
        meta.set_at(0, "versionId", Value::string("1"));
        meta.set_at(1, "lastUpdated", Value::string(instant(transaction.now)));
        if meta.get("source").is_none() {
            meta.set_at(2, "source", Value::string(super::write::client_uri(&call.caller.client)));
        }
        object.set_at(1, "id", Value::string(pk.to_string()));
        object.set_at(2, "meta", Value::Object(meta));
    }
    record.body = json::to_string(&value);
    transaction.append_as(pk, &record)?;
    let stored = Stored { pk, at: transaction.now, patient_id: String::new(), record };
    Ok(super::search::event_version(&stored))
}

/// The search parameters of AuditEvent that the log can answer.
pub(crate) const SEARCHABLE: [&str; 9] =
    ["_id", "_lastUpdated", "patient", "date", "agent", "entity", "action", "outcome", "subtype"];

/// A condition on `audit a` that holds for the events that the predicate means. Clauses over other parameters than
/// [`SEARCHABLE`] hold for none; requests for them have been refused before.
pub(crate) fn condition(transaction: &mut Transaction<'_>, predicate: &Predicate) -> Result<Sql, Fault> {
    Ok(match predicate {
        Predicate::All => Sql::new("1 = 1"),
        Predicate::None => Sql::new("1 = 0"),
        Predicate::And(parts) => joined(transaction, parts, " AND ", "(1 = 1")?,
        Predicate::Or(parts) => joined(transaction, parts, " OR ", "(1 = 0")?,
        Predicate::Not(part) => Sql::new("NOT (").append(condition(transaction, part)?).sql(")"),
        Predicate::Type(types) => {
            Sql::new(if types.iter().any(|listed| listed.name() == "AuditEvent") { "1 = 1" } else { "1 = 0" })
        }
        Predicate::Id(ids) => {
            let mut sql = Sql::new("(1 = 0");
            for pk in ids.iter().filter_map(|id| id.parse::<i64>().ok()) {
                sql = sql.sql(" OR a.pk = ").bind(pk);
            }
            sql.sql(")")
        }
        Predicate::Record(patient) => match transaction.patient_key(patient)? {
            Some(key) => Sql::new("a.patient = ").bind(key),
            None => Sql::new("1 = 0"),
        },
        Predicate::NoRecord => Sql::new("a.patient = 0"),
        Predicate::Updated(comparison, wanted) => at(*comparison, *wanted),
        Predicate::Entry(parameter, test) => {
            let named = SEARCHABLE
                .iter()
                .find(|code| concord_fhir::index::ParameterId::of(&format!("AuditEvent.{code}")) == *parameter);
            tested(transaction, named.copied().unwrap_or_default(), test)?
        }
        Predicate::Through { .. } | Predicate::PointedAtBy { .. } => {
            return Err(Fault::Malformed(vec![concord_fhir::issue::Issue::plain(
                concord_fhir::issue::IssueCode::NotSupported,
                "the audit log cannot be searched through other resources",
            )]));
        }
        Predicate::Coded(_, codes) => {
            let text = format!("the audit log cannot be searched by codes {codes}");
            return Err(Fault::Malformed(vec![concord_fhir::issue::Issue::plain(
                concord_fhir::issue::IssueCode::NotSupported,
                text,
            )]));
        }
    })
}

fn joined(
    transaction: &mut Transaction<'_>,
    parts: &[Predicate],
    between: &'static str,
    start: &'static str,
) -> Result<Sql, Fault> {
    let mut sql = Sql::new(start);
    for part in parts {
        sql = sql.sql(between).append(condition(transaction, part)?);
    }
    Ok(sql.sql(")"))
}

fn at(comparison: Comparison, wanted: i64) -> Sql {
    let operator = match comparison {
        Comparison::Less => "a.at < ",
        Comparison::AtMost => "a.at <= ",
        Comparison::Greater => "a.at > ",
        Comparison::AtLeast => "a.at >= ",
    };
    Sql::new(operator).bind(wanted)
}

/// One clause over one column. A stored event has exactly one value for each but `entity`.
fn tested(transaction: &mut Transaction<'_>, code: &str, test: &Test) -> Result<Sql, Fault> {
    let parts = |transaction: &mut Transaction<'_>, tests: &[Test], between: &'static str, start: &'static str| {
        let mut sql = Sql::new(start);
        for test in tests {
            sql = sql.sql(between).append(tested(transaction, code, test)?);
        }
        Ok::<Sql, Fault>(sql.sql(")"))
    };
    Ok(match test {
        Test::Every(tests) => parts(transaction, tests, " AND ", "(1 = 1")?,
        Test::Either(tests) => parts(transaction, tests, " OR ", "(1 = 0")?,
        Test::Low(comparison, wanted) | Test::High(comparison, wanted) if code == "date" =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds; an infinite one saturates")]
            at(*comparison, *wanted as i64)
        }
        Test::Present => match code {
            "patient" => Sql::new("a.patient <> 0"),
            "entity" => Sql::new("(a.patient <> 0 OR a.entity <> '')"),
            "" => Sql::new("1 = 0"),
            _ => Sql::new("1 = 1"),
        },
        Test::Is(key) | Test::Starts(key) => keyed(transaction, code, key, matches!(test, Test::Starts(_)))?,
        _ => Sql::new("1 = 0"),
    })
}

fn keyed(transaction: &mut Transaction<'_>, code: &str, key: &str, prefix: bool) -> Result<Sql, Fault> {
    let token = key.split(SEPARATOR).next().unwrap_or_default();
    Ok(match code {
        "patient" => match key.strip_prefix("Patient/") {
            Some(id) => condition(transaction, &Predicate::Record(id.to_owned()))?,
            None => Sql::new("1 = 0"),
        },
        "agent" => Sql::new("a.agent = ").bind(key),
        "entity" => match key.split_once('/') {
            Some(("Patient", id)) => Sql::new("(")
                .append(condition(transaction, &Predicate::Record(id.to_owned()))?)
                .sql(" OR (a.type = ")
                .bind(ResourceType::parse("Patient").map_or(-1, ResourceType::number))
                .sql(" AND a.entity = ")
                .bind(id)
                .sql("))"),
            Some((name, id)) => Sql::new("(a.entity = ")
                .bind(id)
                .sql(" AND a.type = ")
                .bind(ResourceType::parse(name).map_or(-1, ResourceType::number))
                .sql(")"),
            None => Sql::new("1 = 0"),
        },
        "outcome" => match token.parse::<i16>() {
            Ok(number) => Sql::new("a.outcome = ").bind(number),
            Err(_) => Sql::new("1 = 0"),
        },
        "action" | "subtype" => {
            // A code with the wrong system is nobody's; a prefix is a code with any system.
            let system_fits = prefix
                || code == "action"
                || key.split(SEPARATOR).nth(1).is_some_and(|system| system == RESTFUL || system == DCM);
            let mut sql = Sql::new("(1 = 0");
            for (interaction, name, action, _) in INTERACTIONS.iter().filter(|_| system_fits) {
                if token == if code == "action" { *action } else { *name } {
                    sql = sql.sql(" OR a.interaction = ").bind(*interaction as i16);
                }
            }
            sql.sql(")")
        }
        _ => Sql::new("1 = 0"),
    })
}
