//! What is stored of a version, made ready in a read before the write: the only writer, for which all others wait, compares what
//! was read for it then with what is there now, and stores it.

use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::prepared::{Made, Ready};
use crate::interact::session::Session;

/// For how long what has been made ready may be stored, in milliseconds: it was decided on by the time of then.
const FRESH: i64 = 10_000;

/// What `make` makes of a resource, in the place of `old`: as it has been made ready, where all that was read for it then would be
/// found the same now.
///
/// # Errors
/// Those of `make`, and before the write [`ApiError::NotForeseen`] once it is ready: nothing is stored then.
pub(crate) fn made<'t>(
    session: &mut Session<'_, 't>,
    (resource_type, id): (ResourceType, &str),
    old: Option<&Version>,
    make: impl FnOnce(&mut Session<'_, 't>) -> Result<Made, ApiError>,
) -> Result<Made, ApiError> {
    let Some(readiness) = session.foreseen.map(|foreseen| &foreseen.ready) else { return make(session) };
    if readiness.is_before() {
        let (now, before) = (session.transaction.now, session.audit.clone());
        session.transaction.begin_recall();
        let made = make(session);
        let recall = session.transaction.end_recall();
        let ready = Ready { made: made?, now, old: old.cloned(), audit: (before, session.audit.clone()), recall };
        readiness.keep((resource_type, id), ready);
        return Err(ApiError::NotForeseen { id: String::new() });
    }
    match readiness.take((resource_type, id)) {
        Some(ready) if holds(&ready, session, old)? => {
            *session.audit = ready.audit.1;
            Ok(ready.made)
        }
        _ => make(session),
    }
}

/// Whether it would be made the same now.
fn holds(ready: &Ready, session: &mut Session<'_, '_>, old: Option<&Version>) -> Result<bool, ApiError> {
    let is_fresh = session.transaction.now.abs_diff(ready.now) < FRESH.unsigned_abs();
    if !is_fresh || ready.old.as_ref() != old || ready.audit.0 != *session.audit {
        return Ok(false);
    }
    Ok(session.transaction.finds_the_same(&ready.recall)?)
}
