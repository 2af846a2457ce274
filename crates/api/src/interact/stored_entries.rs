//! What a version that is stored is found and evaluated by.

use concord_fhir::index::{self, Entries};
use concord_fhir::json::Value;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;

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
    let base = &session.service.base;
    let entries = index::extract_under(base, version.resource_type, &version.id, version.updated, value);
    match session.service.hooks.of(version.resource_type).records {
        Some(_) => Ok(entries.part_of(session.transaction.patient_ids_of(version)?)),
        None => Ok(entries),
    }
}
