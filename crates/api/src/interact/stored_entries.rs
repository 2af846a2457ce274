//! What a version that is stored is found and evaluated by.

use std::borrow::Cow;

use concord_fhir::index::{self, Entries};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::told_of_emergency::leave_whom_it_names;

/// The entries that its elements lead to, in the records that it is in: those that its type had put it in too, of which its
/// elements say nothing.
///
/// # Errors
/// When the store fails.
pub(crate) fn stored_entries(
    session: &mut Session<'_, '_>,
    version: &Version,
    value: &Value<'_>,
) -> Result<Entries, ApiError> {
    let value = stored_view(session, version, value)?;
    let base = &session.service.base;
    let mut entries = index::extract_under(base, version.resource_type, &version.id, version.updated, &value);
    leave_whom_it_names(version.resource_type, &version.author, &value, &mut entries.sources);
    match session.service.hooks.of(version.resource_type).records {
        Some(_) => Ok(entries.part_of(session.transaction.patient_ids_of(version)?)),
        None => Ok(entries),
    }
}

/// A current version as it is found and evaluated: with the Patients in whose records it was filed by their numbers.
///
/// # Errors
/// When the store fails.
pub(crate) fn stored_view<'v, 'a>(
    session: &mut Session<'_, '_>,
    version: &Version,
    value: &'v Value<'a>,
) -> Result<Cow<'v, Value<'a>>, ApiError> {
    if index::numbered_patients(version.resource_type, value).is_empty() {
        return Ok(Cow::Borrowed(value));
    }
    let kept = session.transaction.filings(&[version.key])?;
    let known: Vec<(String, String)> =
        kept.into_iter().filter_map(|(_, kept)| Some((kept.number, kept.patient?))).collect();
    Ok(view(&known, version.resource_type, value))
}

/// A resource with the Patients beside the numbers that are known to mean them.
pub(crate) fn view<'v, 'a>(
    known: &[(String, String)],
    resource_type: ResourceType,
    value: &'v Value<'a>,
) -> Cow<'v, Value<'a>> {
    if known.is_empty() {
        return Cow::Borrowed(value);
    }
    let patient = |number: &str| known.iter().find(|(one, _)| one == number).map(|(_, id)| id.clone());
    index::filed(resource_type, value, patient).map_or(Cow::Borrowed(value), Cow::Owned)
}
