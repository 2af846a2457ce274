//! Storing what has been prepared: the one way, for every interaction and operation, so that none leaves anything out.

use concord_fhir::issue::Issue;
use concord_fhir::registry::ResourceType;
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::hooks::{Decides, refuse_identifying};
use crate::interact::session::Session;
use crate::interact::write::{PreparedVersion, copies, unfiled};

/// Says in the log what was written, or what a condition has found: to all patients in whose records it is.
///
/// # Errors
/// When the store fails.
pub(crate) fn note(session: &mut Session<'_, '_>, version: &Version) -> Result<(), ApiError> {
    session.audit.found(version);
    access::in_all_records(session, Rows::Current, version)
}

/// Stores a version, in the place of the one that stands before if there is one, with what is told of it (its
/// Provenance); what the client should know although it stands.
///
/// # Errors
/// [`ApiError::NotAllowed`] for a change of a type that nobody changes, [`ApiError::Denied`] for what the caller may not say of who
/// somebody is, whatever the type refuses, when the store fails, or
/// another writer came first.
pub(crate) fn store(
    session: &mut Session<'_, '_>,
    new: &PreparedVersion,
    old: Option<&Version>,
    told: &[PreparedVersion],
) -> Result<Vec<Issue>, ApiError> {
    let resource_type = new.version.resource_type;
    let hooks = session.service.hooks.of(resource_type);
    if old.is_some() {
        hooks.refuse_if_append_only()?;
    }
    refuse_identifying(hooks, &session.call.caller, old, &new.version)?;
    copies::take(session, new, told)?;
    let remarks = match hooks.before_store {
        Some(before_store) => before_store(session, old, &new.version)?,
        None => Vec::new(),
    };
    let mut records = new.entries.patients.clone();
    let mut rows: Vec<_> = told.iter().map(|told| (told.version.clone(), &told.entries)).collect();
    match old {
        None => rows.insert(0, (new.version.clone(), &new.entries)),
        Some(old) => {
            // It may be taken out of a record.
            records.extend(session.transaction.patient_ids_of(old)?);
            let entries = (!new.version.deleted).then_some(&new.entries);
            #[expect(clippy::disallowed_methods, reason = "the one place that replaces a version")]
            session.transaction.replace(old, &new.version, entries)?;
        }
    }
    if !rows.is_empty() {
        #[expect(clippy::disallowed_methods, reason = "the one place that stores what is new")]
        session.transaction.insert(&rows)?;
    }
    note_access_change(session, resource_type, &records)?;
    if let Some((task, old)) = unfiled::keep(session, old, new)? {
        store(session, &task, old.as_ref(), &[])?;
    }
    if let Some(after_store) = hooks.after_store {
        after_store(session, &new.version)?;
    }
    Ok(remarks)
}

/// Tells the access cache of every node that facts about these patients have changed, if the type is one that access
/// is decided by.
pub(crate) fn note_access_change(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    patients: &[String],
) -> Result<(), ApiError> {
    match session.service.hooks.of(resource_type).decides_access {
        Some(Decides::Records) => {
            for patient in patients {
                let key = session.transaction.make_patient_key(patient)?;
                session.transaction.bump_access_version(key)?;
            }
            Ok(())
        }
        Some(Decides::Everything) => {
            session.transaction.bump_access_version(0)?;
            // What is read from now on is not what others see under the version before.
            session.cache.access_of_nobody.set(None);
            Ok(())
        }
        None => Ok(()),
    }
}
