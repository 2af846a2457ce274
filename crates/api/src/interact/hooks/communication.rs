//! A Communication is a comment, an answer, or a part of a correction: see `comment` and `correction`. The server writes one that
//! tells the patient of emergency access, which stays.

use concord_fhir::json::Value;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::communication::{comment, correction, words};
use crate::interact::emergency_record;
use crate::interact::hooks::TypeHooks;
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    accompany: Some(correction::open),
    complete: Some(comment::complete),
    refuse_change: Some(refuse_change),
    refuse_deletion: Some(refuse_deletion),
    before_store: Some(words::keep),
    after_create: Some(correction::follow),
    ..TypeHooks::of("Communication")
};

/// What tells of an emergency or of a correction stays, as a Communication or as a Task.
pub(super) fn refuse_change(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<(), ApiError> {
    emergency_record::refuse_change(session, old, value)?;
    correction::refuse_change(session, old, value)
}

pub(super) fn refuse_deletion(session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    emergency_record::refuse_deletion(session, old)?;
    correction::refuse_deletion(session, old)
}
