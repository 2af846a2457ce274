//! Which Patient an NHS number means. One is borne by one Patient; one that has been replaced by another (`Patient.link`), or
//! bears a superseded number, leads to the one that is left.

use std::collections::BTreeMap;

use concord_fhir::index::{self, ParameterId};
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::{StoredVersion, parse_body};
use concord_store::transaction::Transaction;

use crate::error::ApiError;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// The parameter by which a Patient is found who bears a number.
pub(crate) const BEARS: ParameterId = ParameterId::of("Patient.identifier");

/// Into how many shares the numbers are parted: how many locks there can be at most.
const SHARES: u64 = 256;

/// The number of the lock of the first share ("NHS", so that it is no other's).
const FIRST_LOCK: i64 = 0x4e48_5300_0000;

/// How many Patients that bear a number are looked at.
const MOST_HOLDERS: u32 = 20;

/// How many Patients one that bears a number may lead to one after the other.
pub(crate) const MOST_HOPS: usize = 10;

/// Makes those who write by a number follow whoever gives it to a Patient: `alone` for the latter.
pub(crate) fn lock(transaction: &mut Transaction<'_>, number: &str, alone: bool) -> Result<(), ApiError> {
    lock_share(transaction, share(number), alone)
}

/// The share of a number, the same on every node.
pub(crate) fn share(number: &str) -> u64 {
    number.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % SHARES
}

fn lock_share(transaction: &mut Transaction<'_>, share: u64, alone: bool) -> Result<(), ApiError> {
    let number = FIRST_LOCK.wrapping_add_unsigned(share);
    let locked = if alone { transaction.lock(number) } else { transaction.lock_shared(number) };
    Ok(locked?)
}

/// Takes the locks of all numbers in resources that are about to be written together, in an order that is the same for
/// everybody.
pub(crate) fn lock_all<'v>(
    transaction: &mut Transaction<'_>,
    resources: impl Iterator<Item = &'v Value<'static>>,
) -> Result<(), ApiError> {
    let mut shares: BTreeMap<u64, bool> = BTreeMap::new();
    for resource in resources {
        let Some(resource_type) = resource.text("resourceType").and_then(ResourceType::parse) else { continue };
        if resource_type == PATIENT {
            shares.extend(nhs_number::borne(resource).iter().map(|number| (share(number), true)));
        }
        for named in index::numbered_patients(resource_type, resource) {
            shares.entry(share(&named.number)).or_insert(false);
        }
    }
    shares.into_iter().try_for_each(|(share, alone)| lock_share(transaction, share, alone))
}

/// The logical ids of the Patients whom a number means: those who bear it, or who have come in their place. More than one
/// where two Patients bore it before that was refused.
pub(crate) fn survivors(transaction: &mut Transaction<'_>, number: &str) -> Result<Vec<String>, ApiError> {
    let mut found = Vec::new();
    for holder in holders(transaction, number)? {
        found.push(survivor(transaction, holder)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The only Patient whom a number means.
pub(crate) fn only_survivor(transaction: &mut Transaction<'_>, number: &str) -> Result<Option<String>, ApiError> {
    let mut found = survivors(transaction, number)?;
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// The Patients that bear a number, whoever asks: for whom it means, which is told as far as they may read those.
pub(crate) fn holders(transaction: &mut Transaction<'_>, number: &str) -> Result<Vec<StoredVersion>, ApiError> {
    let mut found = Vec::new();
    for named in transaction.named_by_key(PATIENT, BEARS, &nhs_number::key(number), MOST_HOLDERS)? {
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever is told whom it means is asked whether they may read them"
        )]
        let meant = named.evaluated(|head| Ok::<_, ApiError>(Some(Permitted::on(Ground::Meaning, head))))?;
        found.extend(meant.map(|(head, ())| head.version));
    }
    Ok(found)
}

/// The Patient who has come in the place of one, or that one itself.
pub(crate) fn survivor(transaction: &mut Transaction<'_>, patient: StoredVersion) -> Result<String, ApiError> {
    let mut passed = vec![patient.id.clone()];
    let mut last = patient;
    while passed.len() < MOST_HOPS {
        let next = replaced_by(transaction, &last)?.filter(|next| !passed.contains(&next.id));
        let Some(next) = next else { break };
        passed.push(next.id.clone());
        last = next;
    }
    Ok(last.id.clone())
}

/// The Patient by whom a stored one says that it has been replaced, if that is there.
pub(crate) fn replaced_by(
    transaction: &mut Transaction<'_>,
    patient: &StoredVersion,
) -> Result<Option<StoredVersion>, ApiError> {
    let Some(id) = replacement(transaction, &patient.body)? else { return Ok(None) };
    let (reference, base) = (format!("{PATIENT}/{id}"), transaction.base().to_owned());
    let Some(name) = patient.names(&base)?.into_iter().find(|name| name.is(&reference)) else { return Ok(None) };
    let head = transaction.head(&name, false)?;
    Ok(head.map(|head| head.version).filter(|version| !version.deleted))
}

/// The Patient that a Patient says it has been replaced by.
pub(crate) fn replacement(transaction: &Transaction<'_>, body: &str) -> Result<Option<String>, ApiError> {
    // Most have no links at all.
    if !body.contains("replaced-by") {
        return Ok(None);
    }
    let patient = parse_body(body)?;
    let replaced = patient.list("link").iter().find(|link| link.text("type") == Some("replaced-by"));
    let other = replaced.and_then(|link| link.get("other")?.text("reference"));
    let local = other.and_then(|text| local_reference(transaction.base(), text));
    Ok(local.and_then(|local| local.strip_prefix("Patient/").map(str::to_owned)))
}
