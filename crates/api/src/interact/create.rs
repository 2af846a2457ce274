//! create and conditional create (R4 "RESTful API", create).

use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_store::rows::Method;

use crate::error::ApiError;
use crate::interact::logical_id;
use crate::interact::prepared::Made;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::write;
use crate::interact::write::VersionPlace;
use crate::interact::write::ready;
use crate::interact::written::Written;
use crate::interact::{access, provenance};

/// Stores a new resource under an id of the server's, `id` where it has been announced already. With a condition, only if
/// nothing that the caller may see matches it; if one resource does, that one is answered.
pub(crate) fn create(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    value: Value<'static>,
    condition: Option<&Query>,
    id: Option<String>,
) -> Result<Written, ApiError> {
    if let Some(create) = session.service.hooks.of(resource_type).create {
        return create(session, &value, condition);
    }
    access::require_scope(session.call, Action::Create, resource_type)?;
    if let Some(version) = conditional::met(session, resource_type, condition)? {
        return Ok(Written { version, created: false, warnings: Vec::new() });
    }
    let id = id.unwrap_or_else(|| logical_id::new_id(session.transaction.now));
    insert(session, resource_type, value, &id, Method::Post)
}

/// Stores the first version of a resource, its Provenance, and says so to whoever remembers facts about access.
pub(super) fn insert(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    mut value: Value<'_>,
    id: &str,
    method: Method,
) -> Result<Written, ApiError> {
    let place = VersionPlace::first(session.transaction.next_key(), id, session.transaction.now, method);
    let hooks = session.service.hooks.of(resource_type);
    let companion = match hooks.accompany {
        Some(accompany) => accompany(session, &mut value)?,
        None => None,
    };
    let together = companion.as_ref().map(|companion| session.call.together_with(&companion.reference));
    let call = together.as_ref().unwrap_or(session.call);
    let session = &mut session.calling(call);
    let make = |session: &mut Session<'_, '_>| {
        let proposed = write::prepare(session, Action::Create, resource_type, value, &place)?;
        let told = provenance::all(session, &proposed, "CREATE", None)?;
        Ok(Made { proposed, told, own: true, is_unchanged: false })
    };
    let Made { mut proposed, told, .. } = match companion {
        // It has an id that is not known before.
        Some(_) => make(session)?,
        None => ready::made(session, (resource_type, id), None, make)?,
    };
    if let Some(companion) = &companion {
        (companion.announce)(session, &proposed.version)?;
    }
    let remarks = write::store(session, &proposed, None, &told)?;
    proposed.warnings.extend(remarks);
    match (companion, hooks.after_create) {
        (Some(companion), _) => (companion.store)(session, &proposed.version)?,
        (None, Some(after_create)) => after_create(session, &proposed.version)?,
        (None, None) => {}
    }
    write::note(session, &proposed.version)?;
    let version = session.transaction.with_inherited(proposed.version, &proposed.entries)?;
    Ok(Written { version, created: true, warnings: proposed.warnings })
}

/// Refuses what a creation would refuse. Nothing is stored.
///
/// # Errors
/// Why it would be refused, and when the store fails.
pub(crate) fn refuse(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    mut value: Value<'static>,
) -> Result<(), ApiError> {
    let hooks = session.service.hooks.of(resource_type);
    access::require_scope(session.call, Action::Create, resource_type)?;
    // What is stored in another way says itself what is wrong with it.
    if hooks.create.is_some() {
        return Ok(());
    }
    let companion = match hooks.accompany {
        Some(accompany) => accompany(session, &mut value)?,
        None => None,
    };
    let together = companion.as_ref().map(|companion| session.call.together_with(&companion.reference));
    let call = together.as_ref().unwrap_or(session.call);
    let id = logical_id::new_id(session.transaction.now);
    let place = VersionPlace::first(0, &id, session.transaction.now, Method::Post);
    write::refuse(&mut session.calling(call), Action::Create, resource_type, value, &place)
}
