//! delete and conditional delete (R4 "RESTful API", delete). Nothing is physically deleted: the versions stay.

use concord_consent::request::Action;
use concord_fhir::index::Entries;
use concord_fhir::registry::ResourceType;

use crate::error::ApiError;
use crate::interact::command::{Precondition, Target};
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::write::{Filing, PreparedVersion};
use crate::interact::{access, allowed, provenance, read, write};
use concord_store::rows::{Method, Version};

/// Puts a deletion in place of the current version; the version id of the deletion, or none if nothing had to be done:
/// it was deleted before, or nothing matches the condition.
pub(crate) fn delete(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    target: &Target,
    precondition: Option<&Precondition>,
) -> Result<Option<i64>, ApiError> {
    let query = match target {
        Target::Id(id) => return run(session, resource_type, id, precondition),
        Target::Match(query) => query,
    };
    access::require_scope(session.call, Action::Delete, resource_type)?;
    match conditional::one(session, query)? {
        Some(found) => run(session, resource_type, &found.id, precondition),
        None => Ok(None),
    }
}

fn run(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    precondition: Option<&Precondition>,
) -> Result<Option<i64>, ApiError> {
    session.audit.about(id);
    access::require_scope(session.call, Action::Delete, resource_type)?;
    let named = session.transaction.named(resource_type, id, true)?;
    let Some((head, _)) = read::if_visible(session, named)? else {
        // Only who may know of everything learns that nothing was ever there: nothing is left to be done (R4 "RESTful API",
        // delete). For anybody else an unused id looks like a hidden one.
        return match (session.call.caller.knows_everything(), precondition) {
            (true, Some(precondition)) if precondition.needs_one() => Err(Precondition::stale()),
            (true, _) => Ok(None),
            (false, _) => Err(ApiError::NotFound),
        };
    };
    let old = head.version.into_version();
    if old.deleted {
        return Ok(None);
    }
    Precondition::check(precondition, &old)?;
    allowed::deletion(session, &old)?;
    let version = Version {
        version: old.version + 1,
        updated: session.transaction.now.max(old.updated),
        method: Method::Delete,
        deleted: true,
        body: String::new(),
        ..old.clone()
    };
    let patients = session.transaction.patient_ids_of(&old)?;
    let entries = Entries::none(resource_type, id.to_owned(), version.updated).part_of(patients);
    let deletion = PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() };
    let told = provenance::of(session, &deletion, "DELETE", Some(old.version))?;
    write::store(session, &deletion, Some(&old), told.as_slice())?;
    write::note(session, &deletion.version)?;
    Ok(Some(deletion.version.version))
}
