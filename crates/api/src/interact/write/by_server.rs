//! What the server itself writes: the first version of a resource of its own, and the next one of what it moves on.

use concord_fhir::index::{self, Entries};
use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;
use concord_store::rows::{self, Method, Version};

use super::stamp::stamp;
use super::{Filing, PreparedVersion, VersionPlace, own_labels, version};
use crate::error::ApiError;
use crate::interact::labels;
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_entries;
use crate::interact::told_of_emergency::leave_whom_it_names;

/// The first version of a resource that the server itself writes: without an author, and not decided on.
///
/// # Errors
/// When the store fails.
pub(crate) fn by_server(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    mut value: Value<'static>,
) -> Result<PreparedVersion, ApiError> {
    let now = session.transaction.now;
    if let Some(object) = value.as_object_mut() {
        object.set_at(0, "resourceType", Value::string(resource_type.name()));
    }
    let key = session.transaction.next_key();
    let place = VersionPlace::first(key, id, now, Method::Post);
    stamp(&mut value, &place, None);
    let mut entries = index::extract_under(&session.service.base, resource_type, id, now, &value);
    leave_whom_it_names(resource_type, "", &value, &mut entries.sources);
    let version = version(session, resource_type, &place, &value, &entries)?;
    Ok(PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() })
}

/// The next version of a resource that the server itself moves on: in the record in which it is filed, with the same author and
/// the same labels beside it.
///
/// # Errors
/// When the store fails.
pub(crate) fn next_by_server(
    session: &mut Session<'_, '_>,
    old: &Version,
    mut value: Value<'static>,
) -> Result<PreparedVersion, ApiError> {
    let place = VersionPlace::after(old, session.transaction.now, None);
    stamp(&mut value, &place, None);
    let mut entries = Entries { updated: place.updated, ..stored_entries(session, old, &value)? };
    labels::definitions::bind_stored(session, old.key, &mut entries)?;
    let beside: Vec<String> = old.added_labels().map(str::to_owned).collect();
    let patient = match entries.patients.first() {
        Some(id) => session.transaction.make_patient_key(id)?,
        None => 0,
    };
    let version = Version {
        patient,
        patients: i16::try_from(entries.patients.len()).unwrap_or(i16::MAX),
        version: place.number,
        updated: place.updated,
        method: Method::Put,
        labels: rows::joined(&own_labels(&entries), &beside, &[]),
        body: json::to_string(&value),
        ..old.clone()
    };
    Ok(PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() })
}
