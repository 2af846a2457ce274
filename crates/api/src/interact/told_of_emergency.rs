//! What tells of an emergency, told by what it says and who wrote it, and what that inherits no labels from.

use concord_consent::REVIEW_TASK;
use concord_fhir::json::Value;
use concord_fhir::label::Source;
use concord_fhir::registry::ResourceType;

use crate::interact::PURPOSE_SYSTEM;

pub(super) const COMMUNICATION: ResourceType = ResourceType::of("Communication");
pub(super) const TASK: ResourceType = ResourceType::of("Task");

/// Who may have looked, and for whom.
const WHO: [ResourceType; 3] =
    [ResourceType::of("Organization"), ResourceType::of("Practitioner"), ResourceType::of("PractitionerRole")];

/// What of an emergency a version is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The message to the patient.
    Message,
    /// The review.
    Review,
}

/// What of an emergency it is, by what it says and who has written it.
pub(super) fn told_by(resource_type: ResourceType, author: &str, value: &Value<'_>) -> Option<Told> {
    if !author.is_empty() || ![COMMUNICATION, TASK].contains(&resource_type) {
        return None;
    }
    let has = |concept: &Value<'_>, system: &str, code: &str| {
        concept.list("coding").iter().any(|one| one.text("system") == Some(system) && one.text("code") == Some(code))
    };
    let is_emergency = |one: &Value<'_>| has(one, PURPOSE_SYSTEM, "BTG");
    let (system, review) = REVIEW_TASK;
    match resource_type == TASK {
        true => value.get("code").is_some_and(|code| has(code, system, review)).then_some(Told::Review),
        false => value.list("reasonCode").iter().any(is_emergency).then_some(Told::Message),
    }
}

/// Leaves out of what a resource inherits labels from whom it names, if it tells of an emergency: what a label says of a
/// professional, a role or a service says nothing of the message, and keeps from no patient that they have looked.
pub(crate) fn leave_whom_it_names(
    resource_type: ResourceType,
    author: &str,
    value: &Value<'_>,
    sources: &mut Vec<Source>,
) {
    if !sources.is_empty() && told_by(resource_type, author, value).is_some() {
        sources.retain(|source| !WHO.contains(&source.resource_type));
    }
}
