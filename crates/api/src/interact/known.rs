//! What the store knows that access is decided by: of a caller and of a patient. What is known of a patient is
//! remembered under the access versions that the same transaction reads.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::facts::{
    BreakGlassFacts, CareTeamFacts, Coding, ConsentFacts, Facts, IdentityFacts, LabelledFacts, LinkFacts, PatientFacts,
    RelatedPersonFacts, RoleFacts, Target,
};
use concord_consent::request::BREAK_GLASS_MS;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;
use quick_cache::sync::Cache;

use super::{Call, Concord};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const CARE_TEAM: ResourceType = ResourceType::of("CareTeam");
const CONSENT: ResourceType = ResourceType::of("Consent");
const DEVICE: ResourceType = ResourceType::of("Device");
const ORGANIZATION: ResourceType = ResourceType::of("Organization");
const PATIENT: ResourceType = ResourceType::of("Patient");
const PRACTITIONER_ROLE: ResourceType = ResourceType::of("PractitionerRole");
const RELATED_PERSON: ResourceType = ResourceType::of("RelatedPerson");

/// The types whose labels the data inherits that was recorded in the course of one.
const COURSES: [ResourceType; 2] = [ResourceType::of("Encounter"), ResourceType::of("EpisodeOfCare")];

/// The parameters by which those name the organization that provides the care.
const PROVIDED: [(ResourceType, &str); 2] = [
    (ResourceType::of("Encounter"), "Encounter.service-provider"),
    (ResourceType::of("EpisodeOfCare"), "EpisodeOfCare.organization"),
];

/// How many versions of the labels of organizations are remembered.
const SERVICES: usize = 4;

/// How many resources that Consents name by what they are related to are looked into.
const RELATED: usize = 50;

/// Of how many patients it is remembered what is known.
const PATIENTS: usize = 2_000;

/// What this process knows of patients and organizations, with the access versions that it was read under.
pub(crate) struct Known {
    patients: Cache<i64, ((i64, i64), Arc<PatientFacts>)>,
    /// The organizations that have labels, by the access version of what is about nobody.
    services: Cache<i64, Arc<Vec<LabelledFacts>>>,
}

impl Known {
    pub(crate) fn new() -> Known {
        Known { patients: Cache::new(PATIENTS), services: Cache::new(SERVICES) }
    }
}

/// What the store knows about the caller.
pub(super) fn of_caller(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>) -> Result<Facts, Fault> {
    let mut facts = Facts::default();
    let now = transaction.now;
    let condition = match &call.caller.actor {
        Actor::Practitioner(id) => {
            Sql::new("r.deleted = 0 AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
                .bind(ParameterId::of("PractitionerRole.practitioner").0)
                .sql(" AND e.key = ")
                .bind(format!("Practitioner/{id}"))
                .sql(") LIMIT 100")
        }
        Actor::PractitionerRole(id) => Sql::new("r.deleted = 0 AND r.type = ")
            .bind(PRACTITIONER_ROLE.number())
            .sql(" AND r.id = ")
            .bind(id.as_str()),
        _ => Sql::new("1 = 0"),
    };
    for version in transaction.versions(Rows::Current, condition)? {
        if let Some(value) = parsed(&version)? {
            facts.roles.push(RoleFacts::from_resource(&version.id, &value, &concord.base));
        }
    }
    for name in concord_consent::identity::references(&call.caller.actor, &facts.roles, now) {
        let Some((resource_type, id)) = name.split_once('/') else { continue };
        let Some(resource_type) = ResourceType::parse(resource_type) else { continue };
        if let Some(head) = transaction.head(resource_type, id, false)?
            && let Some(value) = parsed(&head.version)?
        {
            facts.identities.push(IdentityFacts::from_resource(resource_type, &head.version.id, &value));
        }
    }
    Ok(facts)
}

/// Adds what the store knows about a patient that access is decided by, with the Devices that stand for the app that
/// calls. `access` are the access versions of the patient and of what is about nobody.
pub(super) fn add_patient(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    key: i64,
    access: (i64, i64),
    facts: &mut Facts,
) -> Result<(), Fault> {
    let patient = match concord.known.patients.get(&key) {
        Some((versions, patient)) if versions == access => patient,
        _ => {
            let patient = Arc::new(of_patient(concord, transaction, key, access.1)?);
            if is_versioned(&patient) {
                concord.known.patients.insert(key, (access, Arc::clone(&patient)));
            }
            patient
        }
    };
    facts.devices.extend(devices(call, transaction, &patient)?);
    facts.devices.sort_unstable();
    facts.devices.dedup();
    facts.patients.push(patient);
    Ok(())
}

/// Whether all that is known of a patient stands under the access versions. What a resource refers to that a Consent
/// names, and whose Device one is, have none, so what depends on them is asked anew each time.
pub(super) fn is_versioned(patient: &PatientFacts) -> bool {
    patient.related_to().is_empty() && !patient.names_a_device()
}

/// What the store knows about a patient that access is decided by. `shared` is the access version of what is about nobody.
fn of_patient(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    key: i64,
    shared: i64,
) -> Result<PatientFacts, Fault> {
    let mut facts = PatientFacts { patient: transaction.patient_id(key)?, ..PatientFacts::default() };
    let deciding = [CONSENT, CARE_TEAM, RELATED_PERSON];
    let condition = Sql::new("r.deleted = 0 AND r.patient = ")
        .bind(key)
        .sql(" AND r.type IN (")
        .append(numbers(deciding.iter().chain(&COURSES)))
        .sql(") AND (r.labels <> '' OR r.type IN (")
        .append(numbers(deciding.iter()))
        .sql("))");
    for version in transaction.versions(Rows::Current, condition)? {
        if COURSES.contains(&version.resource_type) {
            facts.labelled.push(labelled_facts(&version));
            continue;
        }
        let Some(value) = parsed(&version)? else { continue };
        let (id, base) = (version.id.as_str(), concord.base.as_str());
        match version.resource_type {
            CONSENT => facts.consents.push(ConsentFacts::from_resource(id, version.version, &value, base)),
            CARE_TEAM => facts.care_teams.push(CareTeamFacts::from_resource(id, &value, base)),
            _ => facts.related_persons.push(RelatedPersonFacts::from_resource(id, &value, base)),
        }
    }
    let glass = transaction.broken_glass(key, transaction.now - BREAK_GLASS_MS)?;
    facts.break_glass = glass
        .into_iter()
        .map(|glass| BreakGlassFacts { who: glass.who, since: glass.since, reason: glass.reason })
        .collect();
    inherit_from_services(concord, transaction, key, shared, &mut facts)?;
    if facts.consents.iter().any(|consent| matches!(consent.patient, Some(Target::Identified { .. })))
        && let Some(head) = transaction.head(PATIENT, &facts.patient, false)?
        && let Some(value) = parsed(&head.version)?
    {
        facts.identifiers = IdentityFacts::from_resource(PATIENT, &facts.patient, &value).identifiers;
    }
    add_links(concord, transaction, &mut facts)?;
    Ok(facts)
}

/// Adds what the resources refer to that the Consents name by what is related to them, as far as it is not known yet.
pub(super) fn add_links(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    facts: &mut PatientFacts,
) -> Result<(), Fault> {
    for reference in facts.related_to().into_iter().take(RELATED) {
        if facts.links.iter().all(|known| known.reference != reference)
            && let Some(links) = links(concord, transaction, reference)?
        {
            facts.links.push(links);
        }
    }
    Ok(())
}

fn numbers<'a>(types: impl Iterator<Item = &'a ResourceType>) -> Sql {
    let mut sql = Sql::new("");
    for (place, one) in types.enumerate() {
        if place > 0 {
            sql.push_sql(", ");
        }
        sql.push_bind(one.number());
    }
    sql
}

/// A resource's labels, for the data that inherits them.
fn labelled_facts(version: &Version) -> LabelledFacts {
    let label = |key: &str| {
        let (code, system) = key.split_once(SEPARATOR)?;
        Some(Coding { system: system.to_owned(), code: Some(code.to_owned()) })
    };
    LabelledFacts {
        reference: format!("{}/{}", version.resource_type, version.id),
        labels: version.labels.split('\n').filter_map(label).collect(),
    }
}

/// Adds the organizations that have labels, and the patient's encounters with them, which have the same.
fn inherit_from_services(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    key: i64,
    shared: i64,
    facts: &mut PatientFacts,
) -> Result<(), Fault> {
    let services = match concord.known.services.get(&shared) {
        Some(services) => services,
        None => {
            let condition = Sql::new("r.deleted = 0 AND r.labels <> '' AND r.type = ").bind(ORGANIZATION.number());
            let found = transaction.versions(Rows::Current, condition)?;
            let services: Arc<Vec<LabelledFacts>> = Arc::new(found.iter().map(labelled_facts).collect());
            concord.known.services.insert(shared, Arc::clone(&services));
            services
        }
    };
    for service in services.iter() {
        for (course, parameter) in PROVIDED {
            let condition = Sql::new("r.deleted = 0 AND r.patient = ")
                .bind(key)
                .sql(" AND r.type = ")
                .bind(course.number())
                .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
                .bind(ParameterId::of(parameter).0)
                .sql(" AND e.key = ")
                .bind(service.reference.as_str())
                .sql(" AND e.patient = ")
                .bind(key)
                .sql(")");
            for version in transaction.versions(Rows::Current, condition)? {
                let reference = format!("{}/{}", version.resource_type, version.id);
                facts.labelled.push(LabelledFacts { reference, labels: service.labels.clone() });
            }
        }
        facts.labelled.push(service.clone());
    }
    Ok(())
}

/// What a resource refers to; none if it is not there.
fn links(concord: &Concord, transaction: &mut Transaction<'_>, reference: String) -> Result<Option<LinkFacts>, Fault> {
    let Some((name, id)) = reference.split_once('/') else { return Ok(None) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(None) };
    let Some(value) = parsed(&head.version)? else { return Ok(None) };
    let local = |text: &str| concord_fhir::rules::local_reference(&concord.base, text);
    let refers_to = concord_fhir::index::references(&value).iter().filter_map(|(_, text)| local(text)).collect();
    Ok(Some(LinkFacts { reference, refers_to }))
}

/// The Devices that stand for the app that calls, if the patient's Consents name any Device.
fn devices(call: &Call, transaction: &mut Transaction<'_>, patient: &PatientFacts) -> Result<Vec<String>, Fault> {
    if !patient.names_a_device() {
        return Ok(Vec::new());
    }
    let key = format!("{}{SEPARATOR}{}", call.caller.client, concord_consent::identity::CLIENT_SYSTEM);
    let condition = Sql::new("r.deleted = 0 AND r.type = ")
        .bind(DEVICE.number())
        .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
        .bind(ParameterId::of("Device.identifier").0)
        .sql(" AND e.key = ")
        .bind(key)
        .sql(") LIMIT 100");
    let found = transaction.versions(Rows::Current, condition)?;
    Ok(found.iter().map(|version| format!("Device/{}", version.id)).collect())
}

/// The resource of a version; none for a deletion. A stored body that cannot be read stops the request: a fact that
/// is missing might be a denial.
pub(super) fn parsed(version: &Version) -> Result<Option<Value<'static>>, Fault> {
    if version.deleted {
        return Ok(None);
    }
    json::parse(version.body.as_bytes(), &json::Limits::default())
        .map(|value| Some(value.into_owned()))
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))
}
