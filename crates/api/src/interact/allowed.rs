//! Whether the caller may change or delete what is stored: asked where that is done, and by whoever asks whether it might be.

use concord_consent::request::Action;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::session::Session;

/// Refuses a change of what somebody else wrote, unless the type lets the caller change a part of it.
///
/// # Errors
/// Why it is not changed, and when the store fails.
pub(crate) fn update(session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    match by_another(session, old)? {
        true => access::permitted(session, Action::Update, old),
        false => access::may_change(session, Action::Update, old),
    }
}

/// Whether the caller did not write it and may change a part of it all the same.
///
/// # Errors
/// When the store fails.
pub(crate) fn by_another(session: &mut Session<'_, '_>, old: &Version) -> Result<bool, ApiError> {
    match session.service.hooks.of(old.resource_type).also_changed {
        Some(also_changed) if !old.deleted => also_changed(session, old),
        _ => Ok(false),
    }
}

/// Refuses the deletion of what the caller may not delete, or nobody.
///
/// # Errors
/// Why it is not deleted, and when the store fails.
pub(crate) fn deletion(session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    access::may_change(session, Action::Delete, old)?;
    match session.service.hooks.of(old.resource_type).refuse_deletion {
        Some(refuse_deletion) => refuse_deletion(session, old),
        None => Ok(()),
    }
}
