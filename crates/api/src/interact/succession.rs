//! Which Patient is left of one who has been replaced, where one of them is not stored yet, or is what a caller has been shown: whom
//! that one names counts as far as the caller may know of them.

use concord_consent::caller::Actor;
use concord_fhir::registry::ResourceType;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::{Head, StoredVersion, Version};

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::patient_number::{MOST_HOPS, replaced_by, replacement};
use crate::interact::session::Session;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// A Patient on the way to whoever has come in their place.
pub(crate) enum OnTheWay<'v> {
    /// One that somebody sends, or is shown: whom it names counts as far as they may name them.
    Sent(&'v Version),
    /// One that is stored.
    Stored(StoredVersion),
}

impl<'v> OnTheWay<'v> {
    fn id(&self) -> &str {
        match self {
            OnTheWay::Sent(version) => &version.id,
            OnTheWay::Stored(version) => &version.id,
        }
    }

    /// The next one, where `new` is about to take the place of the one of its id.
    fn next(&self, session: &mut Session<'_, '_>, new: &'v Version) -> Result<Option<OnTheWay<'v>>, ApiError> {
        let body = match self {
            OnTheWay::Sent(version) => &version.body,
            OnTheWay::Stored(version) => &version.body,
        };
        let Some(id) = replacement(session.transaction, body)? else { return Ok(None) };
        if id == new.id {
            return Ok(Some(OnTheWay::Sent(new)));
        }
        let next = match self {
            OnTheWay::Sent(_) => named(session, &id)?,
            OnTheWay::Stored(version) => replaced_by(session.transaction, version)?,
        };
        Ok(next.map(OnTheWay::Stored))
    }
}

/// The Patient whom somebody names in this way, if they may. A system says of any that it has come in another's place, as it writes
/// into records of which it may not know.
fn named(session: &mut Session<'_, '_>, id: &str) -> Result<Option<StoredVersion>, ApiError> {
    let head = match session.call.caller.actor {
        Actor::System => {
            let named = session.transaction.named(PATIENT, id, false)?;
            #[expect(clippy::disallowed_methods, reason = "a system names patients of whom it may not know")]
            let there = |head: &Head| {
                Ok::<_, ApiError>((!head.version.deleted).then(|| Permitted::on(Ground::NamesPatients, head)))
            };
            named.evaluated(there)?.map(|(head, ())| head)
        }
        _ => knowledge::referable(session, PATIENT, id)?,
    };
    Ok(head.map(|head| head.version))
}

/// The same as [`survivor`](crate::interact::patient_number::survivor), where `new` is about to be stored, or is what the caller has been shown.
pub(crate) fn survivor_beside<'v>(
    session: &mut Session<'_, '_>,
    patient: OnTheWay<'v>,
    new: &'v Version,
) -> Result<String, ApiError> {
    let mut passed = vec![patient.id().to_owned()];
    let mut last = patient;
    while passed.len() < MOST_HOPS {
        let next = last.next(session, new)?.filter(|next| !passed.iter().any(|passed| passed == next.id()));
        let Some(next) = next else { break };
        passed.push(next.id().to_owned());
        last = next;
    }
    Ok(last.id().to_owned())
}

/// Whether a version of a Patient says that it has been replaced by one that has been replaced by it, so that neither is left.
pub(crate) fn is_in_circle(session: &mut Session<'_, '_>, new: &Version) -> Result<bool, ApiError> {
    let mut at = OnTheWay::Sent(new);
    for _ in 0..MOST_HOPS {
        match at.next(session, new)? {
            None => return Ok(false),
            Some(OnTheWay::Sent(_)) => return Ok(true),
            Some(stored) => at = stored,
        }
    }
    Ok(false)
}
