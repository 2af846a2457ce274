//! A professional says that what a patient reported is so, and changes nothing of it: a Provenance tells who verified
//! which version, and the label `CLINAST` (v3 ObservationValue, asserted by a clinician) stands beside the resource, next
//! to the label of the one who reported it. It is about a version: what is said anew is not verified.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_model::build::{self, ProvenanceParts, code};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{PROVENANCE, instant, labels, provenance, write};

/// The code of what a clinician vouches for.
const VERIFIED: &str = "CLINAST";

/// The system of what an agent does with a record (R4 "Provenance", activity).
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";

/// How many verifications of one resource are looked through, the newest.
const MOST: u32 = 200;

/// The key of the label.
pub(crate) fn key() -> String {
    format!("{VERIFIED}{SEPARATOR}{}", labels::INTEGRITY)
}

/// Whether the label stands beside a version.
fn is_verified(version: &Version) -> bool {
    let key = key();
    version.added_labels().any(|label| label == key)
}

/// Puts the caller's verification beside a version; its Provenance.
///
/// # Errors
/// When the store fails.
pub(crate) fn verify(session: &mut Session<'_, '_>, version: &Version, who: &str) -> Result<Value<'static>, ApiError> {
    session.transaction.add_label(version.key, &labels::by(session.call, key()))?;
    provenance_of(session, version, who, "verify", None)
}

/// Takes the caller's verification away; the Provenance that says so. None if there is none of the caller's.
///
/// # Errors
/// When the store fails.
pub(crate) fn withdraw(
    session: &mut Session<'_, '_>,
    version: &Version,
    who: &str,
) -> Result<Option<Value<'static>>, ApiError> {
    let own = labels::by(session.call, key());
    if !session.transaction.labels_added_to(version.key)?.contains(&own) {
        return Ok(None);
    }
    let first = verified_by(session.transaction, version, who)?;
    session.transaction.remove_label(version.key, &own)?;
    provenance_of(session, version, who, "deprecate", first).map(Some)
}

/// Which labels stay beside a resource that gets a new version: a verification only if nothing but `meta` changes.
///
/// # Errors
/// When a stored body cannot be read.
pub(crate) fn kept(transaction: &mut Transaction<'_>, old: &Version, new: &Version) -> Result<Vec<String>, ApiError> {
    let mut beside: Vec<String> = old.added_labels().map(str::to_owned).collect();
    if is_verified(old) && !old.says_the_same(new)? {
        let key = key();
        for label in transaction.labels_added_to(old.key)?.into_iter().filter(|label| label.key == key) {
            transaction.remove_label(old.key, &label)?;
        }
        beside.retain(|label| *label != key);
    }
    Ok(beside)
}

/// The caller's newest verification of a resource, `Provenance/id`.
fn verified_by(transaction: &mut Transaction<'_>, version: &Version, who: &str) -> Result<Option<String>, ApiError> {
    let about = format!("{}/{}", version.resource_type, version.id);
    let target = ParameterId::of("Provenance.target");
    for found in transaction.find_by_key_and_author(PROVENANCE, target, &about, who, MOST)? {
        let value = found.resource()?;
        let activity = value.get("activity").map_or(&[][..], |activity| activity.list("coding"));
        let verifies =
            |coding: &Value<'_>| (coding.text("system"), coding.text("code")) == (Some(LIFECYCLE), Some("verify"));
        if activity.iter().any(verifies) {
            return Ok(Some(format!("Provenance/{}", found.id)));
        }
    }
    Ok(None)
}

fn provenance_of(
    session: &mut Session<'_, '_>,
    version: &Version,
    who: &str,
    activity: &'static str,
    removes: Option<String>,
) -> Result<Value<'static>, ApiError> {
    let patients = session.transaction.patient_ids_of(version)?;
    let value = build::provenance(ProvenanceParts {
        target: provenance::versioned(version, version.version),
        recorded: instant(session.transaction.now),
        activity: code(LIFECYCLE, activity),
        reason: None,
        agents: provenance::agents(session.call, who, "verifier", &patients),
        entity: removes.map(|first| ("removal", first)),
    })?;
    let told = provenance::version(session, value, version, &patients, None)?;
    write::store(session, &told, None, &[])?;
    Ok(told.version.resource()?.into_owned())
}
