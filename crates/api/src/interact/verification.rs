//! A professional says that what a patient reported is so, and changes nothing of it: a Provenance tells who verified
//! which version, and the label `CLINAST` (v3 ObservationValue, asserted by a clinician) stands beside the resource, next
//! to the label of the one who reported it. It is about a version: what is said anew is not verified.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;

use super::{Call, PROVENANCE, instant, labels, provenance};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// The code of what a clinician vouches for.
const VERIFIED: &str = "CLINAST";

/// The system of what an agent does with a record (R4 "Provenance", activity).
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";

/// How many verifications of one resource are looked through, the newest.
const MOST: i64 = 200;

/// The key of the label.
pub(crate) fn key() -> String {
    format!("{VERIFIED}{SEPARATOR}{}", labels::INTEGRITY)
}

/// Whether the label stands beside a version.
fn is_beside(version: &Version) -> bool {
    let key = key();
    version.labels_beside().any(|label| label == key)
}

/// Puts the caller's verification beside a version; its Provenance.
///
/// # Errors
/// When the store fails.
pub(crate) fn verify(
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
    who: &str,
) -> Result<Value<'static>, Fault> {
    transaction.put_beside(version.key, &labels::by(call, key()))?;
    told(call, transaction, version, who, "verify", None)
}

/// Takes the caller's verification away; the Provenance that says so. None if there is none of the caller's.
///
/// # Errors
/// When the store fails.
pub(crate) fn withdraw(
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
    who: &str,
) -> Result<Option<Value<'static>>, Fault> {
    let own = labels::by(call, key());
    if !transaction.beside(version.key)?.contains(&own) {
        return Ok(None);
    }
    let first = verified_by(transaction, version, who)?;
    transaction.take_from_beside(version.key, &own)?;
    told(call, transaction, version, who, "deprecate", first).map(Some)
}

/// Which labels stay beside a resource that gets a new version: a verification only if nothing but `meta` changes.
///
/// # Errors
/// When a stored body cannot be read.
pub(crate) fn kept(transaction: &mut Transaction<'_>, old: &Version, new: &Version) -> Result<Vec<String>, Fault> {
    let mut beside: Vec<String> = old.labels_beside().map(str::to_owned).collect();
    if is_beside(old) && !says_the_same(old, new)? {
        let key = key();
        for label in transaction.beside(old.key)?.into_iter().filter(|label| label.key == key) {
            transaction.take_from_beside(old.key, &label)?;
        }
        beside.retain(|label| *label != key);
    }
    Ok(beside)
}

fn says_the_same(old: &Version, new: &Version) -> Result<bool, Fault> {
    if old.deleted {
        return Ok(false);
    }
    let mut values = [labels::stored(old)?, labels::stored(new)?];
    for object in values.iter_mut().filter_map(Value::as_object_mut) {
        object.remove("meta");
    }
    let [before, after] = &values;
    Ok(before.same(after))
}

/// The caller's newest verification of a resource, `Provenance/id`.
fn verified_by(transaction: &mut Transaction<'_>, version: &Version, who: &str) -> Result<Option<String>, Fault> {
    let condition = Sql::new("r.type = ")
        .bind(PROVENANCE.number())
        .sql(" AND r.deleted = 0 AND r.author = ")
        .bind(who)
        .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
        .bind(ParameterId::of("Provenance.target").0)
        .sql(" AND e.key = ")
        .bind(format!("{}/{}", version.resource_type, version.id))
        .sql(") ORDER BY r.rid DESC LIMIT +")
        .bind(MOST);
    for found in transaction.versions(Rows::Current, condition)? {
        let value = labels::stored(&found)?;
        let activity = value.get("activity").map_or(&[][..], |activity| activity.list("coding"));
        let verifies =
            |coding: &Value<'_>| (coding.text("system"), coding.text("code")) == (Some(LIFECYCLE), Some("verify"));
        if activity.iter().any(verifies) {
            return Ok(Some(format!("Provenance/{}", found.id)));
        }
    }
    Ok(None)
}

fn told(
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
    who: &str,
    activity: &'static str,
    removes: Option<String>,
) -> Result<Value<'static>, Fault> {
    let mut patients = Vec::new();
    for key in transaction.patients_of(Rows::Current, version)? {
        patients.push(transaction.patient_id(key)?);
    }
    let target = provenance::reference(provenance::versioned(version, version.version));
    let mut value = Value::object([
        ("resourceType", Value::string("Provenance")),
        ("target", Value::Array(vec![target])),
        ("recorded", Value::string(instant(transaction.now))),
        ("activity", provenance::coded(LIFECYCLE, activity)),
        ("agent", Value::Array(provenance::agents(call, who, "verifier", &patients))),
    ]);
    if let (Some(first), Some(object)) = (removes, value.as_object_mut()) {
        let entity = Value::object([("role", Value::string("removal")), ("what", provenance::reference(first))]);
        object.set("entity", Value::Array(vec![entity]));
    }
    let (stored, entries) = provenance::version(call, transaction, value, version, &patients, None)?;
    let value = labels::stored(&stored)?.into_owned();
    transaction.insert(&[(stored, &entries)])?;
    Ok(value)
}
