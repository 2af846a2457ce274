//! A CommunicationRequest prescribes something to read, at the version that was prescribed.

use concord_consent::caller::Actor;
use concord_fhir::json::Value;

use crate::error::ApiError;
use crate::interact::communication::comment;
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks { complete: Some(complete), ..TypeHooks::of("CommunicationRequest") };

fn complete(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    if matches!(session.call.caller.actor, Actor::System) {
        return Ok(());
    }
    comment::at_version(session, draft.resource_type, draft.before, value)
}
