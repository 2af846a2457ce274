//! A Subscription asks to be told of what happens. This server tells nobody yet, so one that waits to be told is refused: it would
//! be taken for one that works.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;

use crate::error::ApiError;
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks { complete: Some(refuse_waiting), ..TypeHooks::of("Subscription") };

/// The states in which nobody waits.
const ENDED: [&str; 2] = ["error", "off"];

fn refuse_waiting(_session: &mut Session<'_, '_>, _draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    if value.text("status").is_some_and(|status| ENDED.contains(&status)) {
        return Ok(());
    }
    let text = "this server sends no notifications, so nothing would ever come: search with _lastUpdated, or read _history with \
                _since. One with the status off is stored";
    Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::NotSupported, "Subscription.status", text)]))
}
