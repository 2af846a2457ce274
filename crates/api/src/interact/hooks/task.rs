//! A Task tells how far a request for correction is: it says when it was moved on, and is never deleted.

use concord_fhir::json::Value;

use crate::error::ApiError;
use crate::interact::communication::correction;
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks =
    TypeHooks { complete: Some(complete), refuse_deletion: Some(correction::refuse_deletion), ..TypeHooks::of("Task") };

fn complete(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    if let Some(previous) = draft.previous {
        correction::note_time(session.transaction, previous.value, value);
    }
    Ok(())
}
