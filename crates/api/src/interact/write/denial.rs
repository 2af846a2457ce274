//! What people are told who would write in a record that is not theirs to write in, or name the patient by what tells nobody whose
//! record it is.

use concord_consent::authorship::writes_somewhere;
use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::stays_in_record;
use crate::error::ApiError;
use crate::interact::session::Session;

/// A denial of a type that the caller does write says at its place what to do. It says the same whether there is such a record, and
/// whoever bears such a number.
pub(super) fn denied(
    session: &Session<'_, '_>,
    (action, resource_type): (Action, ResourceType),
    value: &Value<'_>,
    entries: &Entries,
    mut issues: Vec<Issue>,
) -> ApiError {
    let actor = &session.call.caller.actor;
    if *actor == Actor::System || !writes_somewhere(actor, action, resource_type) {
        return ApiError::Denied(issues);
    }
    let forbidden = |place: String, text: String| Issue::error(IssueCode::Forbidden, place, text);
    let unplaced = index::means_somebody(resource_type, value).filter(|_| entries.patients.is_empty());
    match (actor, unplaced) {
        (Actor::Patient(own), None) if entries.patients.iter().any(|patient| patient != own) => {
            let text = format!("you may write in Patient/{own} only");
            issues = vec![forbidden(stays_in_record::place(resource_type, value), text)];
        }
        (_, None) => {}
        (Actor::Patient(own), Some(place)) => {
            let text = format!(
                "you may write in Patient/{own} only: name it by reference (\"reference\": \"Patient/{own}\"), which alone says whose \
                 record this is"
            );
            issues = vec![forbidden(place, text)];
        }
        (_, Some(place)) => {
            let text =
                "name the patient by reference (\"reference\": \"Patient/id\"), which alone says whose record this is";
            issues.push(forbidden(place, text.to_owned()));
        }
    }
    ApiError::Denied(issues)
}
