//! Device: what a person has or measures with. Which app a Device stands for is for systems to say.

use super::writer::Writer;
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// The systems of the identifiers of apps (`client_id`, and `issuer|client_id`), by which a Consent that names a Device is about an
/// app.
const CLIENTS: [&str; 2] = ["urn:concord:client", "urn:concord:issued-client"];

/// Nobody but a system makes a Device an app: a Consent that names it would be about another app from then on.
pub(super) fn check(resource: &Value<'_>, writer: &Writer, issues: &mut Vec<Issue>) {
    if writer.kind.is_system() {
        return;
    }
    for (position, identifier) in resource.list("identifier").iter().enumerate() {
        if identifier.text("system").is_some_and(|system| CLIENTS.contains(&system)) {
            let place = format!("Device.identifier[{position}].system");
            let text = "which app a Device stands for is said by a system: name the app in a Consent by its identifier";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
}
