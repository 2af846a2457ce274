//! A Goal is negotiated: who agrees to it agrees to the version that they have seen. What else there is about it is
//! `concord_fhir::rules::goal`.

use concord_fhir::json::Value;
use concord_fhir::rules::goal;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::hooks::TypeHooks;
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks { agrees: Some(agrees), ..TypeHooks::of("Goal") };

fn agrees(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<bool, ApiError> {
    let writer = access::writer(session)?;
    Ok(goal::agrees(value, &access::stored(old)?, &writer, &session.service.base))
}
