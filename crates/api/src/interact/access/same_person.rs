//! Whether the professional who calls is one whom the server has named: by whichever role, held or not, and by whichever entry of
//! theirs. What one person does another looks at ([`crate::interact::emergency_record`]).

use concord_consent::facts::IdentityFacts;
use concord_fhir::registry::ResourceType;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::{StoredVersion, Version};

use crate::error::ApiError;
use crate::interact::access::facts;
use crate::interact::session::Session;

const PRACTITIONER: ResourceType = ResourceType::of("Practitioner");

/// Whether the caller is `who` (`Type/id`), whom a Task of the server's own names.
///
/// # Errors
/// When the store fails.
pub(crate) fn is_caller(session: &mut Session<'_, '_>, task: &Version, who: &str) -> Result<bool, ApiError> {
    let actor = &session.call.caller.actor;
    if !actor.is_professional() {
        return Ok(false);
    }
    if actor.reference().as_deref() == Some(who) {
        return Ok(true);
    }
    let Some(own) = facts::own(session)? else { return Ok(false) };
    let own = practitioners(session, &own)?;
    for one in &own {
        let roles = facts::roles_of(session, &one.name())?;
        if one.name().is(who) || roles.iter().any(|role| role.name().is(who)) {
            return Ok(true);
        }
    }
    let theirs = match named(session, task, who)? {
        Some(them) => practitioners(session, &them)?,
        None => Vec::new(),
    };
    for (one, other) in own.iter().flat_map(|one| theirs.iter().map(move |other| (one, other))) {
        if one.id == other.id || share_an_identifier(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whom the Task names so.
fn named(session: &mut Session<'_, '_>, task: &Version, who: &str) -> Result<Option<StoredVersion>, ApiError> {
    let named = session.transaction.named(task.resource_type, &task.id, false)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "whom it names is told to nobody; the caller was found to be let change it"
    )]
    let found = named.evaluated(|head| Ok::<_, ApiError>(Some(Permitted::on(Ground::OwnTask, head))))?;
    match found {
        Some((head, ())) => facts::said_by(session, &[head.version], who),
        None => Ok(None),
    }
}

/// Whose entry it is: their own, or a role's.
fn practitioners(session: &mut Session<'_, '_>, entry: &StoredVersion) -> Result<Vec<StoredVersion>, ApiError> {
    match entry.resource_type == PRACTITIONER {
        true => Ok(vec![entry.clone()]),
        false => facts::whose_role(session, entry),
    }
}

/// Whether two entries are of one person, by an identifier.
fn share_an_identifier(one: &Version, other: &Version) -> Result<bool, ApiError> {
    let borne = |version: &Version| -> Result<Vec<(String, String)>, ApiError> {
        let stored = facts::parsed(version)?;
        Ok(stored.map_or_else(Vec::new, |stored| {
            IdentityFacts::from_resource(version.resource_type, &version.id, &stored).identifiers
        }))
    };
    let known = borne(one)?;
    Ok(borne(other)?.iter().any(|identifier| known.contains(identifier)))
}
