//! The Provenance of what a person writes, stored in the same transaction (R4 "Provenance").

pub(crate) mod client_provenance;
pub(crate) mod verification;

use concord_consent::caller::Actor;
use concord_fhir::index::{self, SEPARATOR};
use concord_fhir::json::{self, Value};
use concord_fhir::rules::is_claim_code;
use concord_model::build::{self, AgentParts, Link, ProvenanceParts, code};
use concord_store::rows::{Method, Version};

use crate::error::ApiError;
use crate::interact::labels::Stands;
use crate::interact::logical_id;
use crate::interact::session::Session;
use crate::interact::write;
use crate::interact::write::{Filing, PreparedVersion};
use crate::interact::{Call, PROVENANCE, access, followed, instant, labels};

const OPERATION: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";

/// The system of the identifiers of apps.
const CLIENT: &str = "urn:concord:client";

/// The Provenance of a version about to be stored, a deletion too; none for a system, which hands in its own, and none for
/// a Provenance.
pub(crate) fn of(
    session: &mut Session<'_, '_>,
    proposed: &PreparedVersion,
    activity: &'static str,
    revised: Option<i64>,
) -> Result<Option<PreparedVersion>, ApiError> {
    let (about, patients) = (&proposed.version, &proposed.entries.patients);
    let Some(parts) = parts(session, about, patients, activity, revised) else { return Ok(None) };
    version(session, build::provenance(parts)?, about, patients, None).map(Some)
}

/// All that is told of a version about to be stored: by the server, and by the client itself.
///
/// # Errors
/// As [`client_provenance::of`].
pub(crate) fn all(
    session: &mut Session<'_, '_>,
    proposed: &PreparedVersion,
    activity: &'static str,
    revised: Option<i64>,
) -> Result<Vec<PreparedVersion>, ApiError> {
    let own = of(session, proposed, activity, revised)?;
    let told = client_provenance::of(session, proposed)?;
    Ok(own.into_iter().chain(told).collect())
}

/// The Provenance of a version in which nothing but what hid it from the patient is gone.
pub(crate) fn of_release(
    session: &mut Session<'_, '_>,
    proposed: &PreparedVersion,
    revised: i64,
    reason: &str,
) -> Result<Option<PreparedVersion>, ApiError> {
    let (about, patients) = (&proposed.version, &proposed.entries.patients);
    let Some(parts) = parts(session, about, patients, "UPDATE", Some(revised)) else { return Ok(None) };
    let parts = ProvenanceParts { reason: Some(format!("Released to the patient: {reason}")), ..parts };
    version(session, build::provenance(parts)?, about, patients, None).map(Some)
}

/// What a person did to a version; none for a system, and none for a Provenance.
fn parts(
    session: &Session<'_, '_>,
    about: &Version,
    patients: &[String],
    activity: &'static str,
    revised: Option<i64>,
) -> Option<ProvenanceParts<'static>> {
    let author = session.call.caller.actor.reference()?;
    if about.resource_type == PROVENANCE {
        return None;
    }
    Some(ProvenanceParts {
        target: versioned(about, about.version),
        recorded: instant(session.transaction.now),
        activity: code(OPERATION, activity),
        reason: None,
        agents: agents(session.call, &author, "author", patients),
        entity: revised.map(|number| ("revision", versioned(about, number))),
    })
}

/// Who did it, in whose stead, and with which app.
pub(crate) fn agents(call: &Call, who: &str, role: &'static str, patients: &[String]) -> Vec<AgentParts> {
    let on_behalf_of = match (&call.caller.actor, patients.first()) {
        (Actor::RelatedPerson(_), Some(patient)) => Some(format!("Patient/{patient}")),
        _ => None,
    };
    let mut agents = vec![AgentParts { role, who: Link::To(who.to_owned()), on_behalf_of }];
    if !call.caller.client.is_empty() {
        let app = Link::Identified(Some(CLIENT.to_owned()), call.caller.client.clone());
        agents.push(AgentParts { role: "assembler", who: app, on_behalf_of: None });
    }
    agents
}

/// A Provenance about a version that is stored or about to be, with its id and whose record it is part of.
///
/// # Errors
/// When the store fails.
pub(crate) fn version(
    session: &mut Session<'_, '_>,
    mut value: Value<'static>,
    about: &Version,
    patients: &[String],
    source: Option<String>,
) -> Result<PreparedVersion, ApiError> {
    let id = logical_id::new_id(session.transaction.now);
    write::stamp_first(&mut value, &id, session.transaction.now, source);
    vouch(&mut value, about);
    let entries = index::extract_under(&session.service.base, PROVENANCE, &id, session.transaction.now, &value)
        .part_of(patients.to_vec());
    let version = Version {
        key: session.transaction.next_key(),
        resource_type: PROVENANCE,
        id,
        version: 1,
        updated: session.transaction.now,
        method: Method::Post,
        deleted: false,
        patient: about.patient,
        patients: about.patients,
        author: session.call.caller.actor.reference().unwrap_or_default(),
        labels: write::own_labels(&entries),
        body: json::to_string(&value),
    };
    Ok(PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() })
}

/// Gives a Provenance the labels that say who vouches for what it is about, which nothing inherits.
fn vouch(value: &mut Value<'_>, about: &Version) {
    let vouches = |key: &&str| key.split_once(SEPARATOR).is_some_and(|(code, _)| is_claim_code(code));
    let keys = about.own_labels().split('\n').chain(about.added_labels());
    labels::add(value, keys.filter(vouches).map(|key| labels::coding(key, Stands::Inside)));
}

/// A reference to a version.
pub(crate) fn versioned(about: &Version, number: i64) -> String {
    format!("{}/{}/_history/{number}", about.resource_type, about.id)
}

/// Whose records a Provenance that is handed in is part of: those of what it points at, as far as that is here.
pub(crate) fn patients(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<String>, ApiError> {
    let mut patients = Vec::new();
    let targets = value.list("target");
    for named in followed::each_once(&session.service.base, targets) {
        if let Some(target) = targets.get(named.position) {
            patients.extend(access::records_of(session, target)?);
        }
    }
    Ok(patients)
}
