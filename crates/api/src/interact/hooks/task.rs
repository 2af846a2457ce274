//! A Task tells how far a request for correction is: it says when it was moved on, and is never deleted; nor is one by which emergency access is
//! reviewed, which the server makes.

use concord_fhir::json::Value;

use crate::error::ApiError;
use crate::interact::communication::{correction, words};
use crate::interact::emergency_record;
use crate::interact::hooks::communication::{refuse_change, refuse_deletion};
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    complete: Some(complete),
    refuse_change: Some(refuse_change),
    refuse_deletion: Some(refuse_deletion),
    before_store: Some(words::keep_request),
    ..TypeHooks::of("Task")
};

fn complete(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    emergency_record::refuse_made_up(session, draft.old, value)?;
    if let Some(previous) = draft.previous {
        correction::note_time(session.transaction, previous.value, value);
    }
    Ok(())
}
