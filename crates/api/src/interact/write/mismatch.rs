//! Whoever names a patient both by a reference and by an NHS number has to mean one person: what one system files with the wrong
//! patient another one reads there.

use concord_consent::caller::Actor;
use concord_fhir::index::{self, DoublyNamed};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, patient_number};

/// Refuses a resource that names two people as one. `old` is the version in whose place it comes: what has been said all along is no
/// reason to refuse another change.
///
/// A system is refused where the number means another Patient that it may know of. Others must not learn whether somebody bears a
/// number: they are refused where the Patient, whom they may read, bears NHS numbers and this is none of them.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every such place.
pub(super) fn refuse(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    old: Option<&Version>,
    value: &Value<'_>,
) -> Result<(), ApiError> {
    let mut named = index::doubly_named_patients(&session.service.base, resource_type, value);
    if named.is_empty() {
        return Ok(());
    }
    if let Some(old) = old.filter(|old| !old.deleted) {
        let before = index::doubly_named_patients(&session.service.base, resource_type, &old.resource()?);
        named.retain(|one| !before.iter().any(|had| had.patient == one.patient && had.number == one.number));
    }
    let mut issues = Vec::new();
    for one in named {
        if are_two(session, &one)? {
            let text = "the reference and the NHS number beside it name two different people: say which of them is meant, by one of both";
            issues.push(Issue::error(IssueCode::BusinessRule, one.place, text));
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
}

fn are_two(session: &mut Session<'_, '_>, named: &DoublyNamed) -> Result<bool, ApiError> {
    let Some(version) = access::patient_read(session, &named.patient)? else { return Ok(false) };
    let borne = nhs_number::borne(&version.resource()?);
    if borne.contains(&named.number) {
        return Ok(false);
    }
    if session.call.caller.actor != Actor::System {
        return Ok(!borne.is_empty());
    }
    let left = patient_number::survivor(session.transaction, version)?;
    let mut others = false;
    for other in patient_number::survivors(session.transaction, &named.number)? {
        if other == left {
            return Ok(false);
        }
        others |= access::reads_patient(session, &other)?;
    }
    Ok(others)
}
