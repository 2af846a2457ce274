//! An AuditEvent is an entry of the log and no resource of its own: a registered system hands it in, and nobody changes it.

use concord_consent::authorship::speaks_for_itself_only;
use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::search::Query;

use crate::error::ApiError;
use crate::interact::hooks::TypeHooks;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::written::Written;
use crate::interact::{AUDIT_EVENT, access, audit};

pub(super) const HOOKS: TypeHooks =
    TypeHooks { is_append_only: true, create: Some(hand_in), ..TypeHooks::of("AuditEvent") };

/// Stores an event that a system hands in in the log, marked as that system's.
fn hand_in(
    session: &mut Session<'_, '_>,
    value: &Value<'static>,
    condition: Option<&Query>,
) -> Result<Written, ApiError> {
    access::require_scope(session.call, Action::Create, AUDIT_EVENT)?;
    let caller = &session.call.caller;
    if caller.actor != Actor::System || speaks_for_itself_only(caller) {
        session.audit.hidden("only a registered system may hand in audit events".to_owned());
        return Err(ApiError::denied("only a registered system, with a system/ scope, may hand in audit events"));
    }
    if let Some(version) = conditional::met(session, AUDIT_EVENT, condition)? {
        return Ok(Written { version, created: false, warnings: Vec::new() });
    }
    let version = audit::hand_in(session, value)?;
    // The event handed in is in the log itself.
    session.audit.says_nothing();
    Ok(Written { version, created: true, warnings: Vec::new() })
}
