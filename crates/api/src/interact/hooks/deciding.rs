//! Types that do nothing besides but that access is decided by them: who is whose carer, and who works where.

use concord_consent::facts::{CLIENT_SYSTEM, ISSUED_CLIENT_SYSTEM};
use concord_fhir::issue::Issue;
use concord_fhir::nhs_number;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::hooks::{Decides, Identifying, TypeHooks};
use crate::interact::session::Session;

const fn of_records(name: &str) -> TypeHooks {
    TypeHooks { decides_access: Some(Decides::Records), ..TypeHooks::of(name) }
}

const fn of_everything(name: &str) -> TypeHooks {
    TypeHooks { decides_access: Some(Decides::Everything), ..TypeHooks::of(name) }
}

pub(super) const CARE_TEAM: TypeHooks = of_records("CareTeam");
/// Which app a Device stands for says whom a Consent lets in that names it.
pub(super) const DEVICE: TypeHooks = TypeHooks {
    identifying: &[Identifying::added_of("identifier", &[CLIENT_SYSTEM, ISSUED_CLIENT_SYSTEM])],
    ..TypeHooks::of("Device")
};
pub(super) const ORGANIZATION: TypeHooks = of_everything("Organization");
pub(super) const PRACTITIONER: TypeHooks = of_everything("Practitioner");
pub(super) const PRACTITIONER_ROLE: TypeHooks = of_everything("PractitionerRole");
pub(super) const RELATED_PERSON: TypeHooks = TypeHooks {
    identifying: &[
        Identifying::added("identifier"),
        Identifying::changed("patient"),
        Identifying::changed("active"),
        Identifying::changed("period"),
    ],
    before_store: Some(is_one_person),
    ..of_records("RelatedPerson")
};

/// Refuses one with the NHS numbers of two people: either of them would be let in as it.
///
/// # Errors
/// A broken rule with its place.
fn is_one_person(_: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<Vec<Issue>, ApiError> {
    if new.deleted {
        return Ok(Vec::new());
    }
    let numbers = nhs_number::borne(&new.resource()?);
    let before = match old.filter(|old| !old.deleted) {
        Some(old) => nhs_number::borne(&old.resource()?),
        None => Vec::new(),
    };
    // What has been so all along is no reason to refuse another change.
    if numbers.len() > 1 && numbers != before {
        let place = format!("{}.identifier", new.resource_type);
        let text = "these are the NHS numbers of two people: this is one of them, so write another for the other";
        return Err(ApiError::rule(place, text));
    }
    Ok(Vec::new())
}
