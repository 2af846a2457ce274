//! What somebody has said themselves stays theirs to see, whatever label comes to what they spoke about
//! (`concord_store::own_words`): the messages of a patient, and what belongs to a request for correction of whoever asked.

use concord_consent::caller::Actor;
use concord_fhir::issue::Issue;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::communication::correction;
use crate::interact::session::Session;

/// Keeps whether a message that is about to be stored is what its writer says: who was signed in tells, and what somebody else makes
/// of it afterwards is not.
///
/// # Errors
/// When the store fails.
pub(crate) fn keep(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    if new.deleted {
        return Ok(Vec::new());
    }
    let is_own = match &session.call.caller.actor {
        Actor::Patient(_) => true,
        Actor::RelatedPerson(_) => correction::is_part_of_one(new)?,
        _ => false,
    };
    if is_own {
        session.transaction.set_own_words(new.key)?;
    } else if let Some(old) = old.filter(|old| is_of_a_person(&old.author))
        && (old.deleted || !old.says_the_same(new)?)
    {
        session.transaction.unset_own_words(new.key)?;
    }
    Ok(Vec::new())
}

/// Whether a patient, or somebody close to one, wrote it first.
fn is_of_a_person(author: &str) -> bool {
    ["Patient/", "RelatedPerson/"].iter().any(|kind| author.starts_with(kind))
}
