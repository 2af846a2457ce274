//! `$release`: what was kept from the patient is shown to her, by one act with a reason, from the next request on.

use concord_consent::caller::Actor;
use concord_consent::request::{Action, LONGEST_REASON, SHORTEST_REASON, is_reason};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::evaluation;
use crate::interact::audit::said::Act;
use crate::interact::labels::review;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{access, labels, provenance, read, write};

/// `$release`
pub(super) const OPERATION: Operation = Operation {
    name: "$release",
    levels: &[Level::Instance],
    types: &[],
    conduct: Conduct { changes: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Shows the patient what was kept from her: takes away the labels that hide it, at once. For the author, the \
           author's team, the safeguarding lead and the privacy officer.",
    definition: None,
    parameters: &[Parameter::required("reason", "string", "Why it is shown now, in words that the patient may read")],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let (Some(resource_type), Some(id)) = (target.resource_type, &target.id) else { return Err(ApiError::NotFound) };
    let reason = input.text("reason").map(|text| text.trim().to_owned()).unwrap_or_default();
    if !is_reason(&reason) {
        let text = format!("{SHORTEST_REASON} to {LONGEST_REASON} characters that say why");
        return Err(ApiError::parameter("reason", text));
    }
    released(session, resource_type, id, &reason).map(Output::Value)
}

fn released(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    reason: &str,
) -> Result<Value<'static>, ApiError> {
    let (head, decision) = read::seen(session, resource_type, id, Action::Update)?;
    let old = head.version.into_version();
    if old.deleted {
        return Err(ApiError::Gone);
    }
    // Whoever would still see it if only its author's team did: the author, the team, and those in an office.
    let labels = format!("{}\n{}", review::author_team(), old.labels);
    let kept = Version { labels, ..old.clone() };
    if !evaluation::permits(session.transaction, &decision, Rows::Current, &kept)? {
        return Err(ApiError::denied("only who wrote this, their team or an office releases it"));
    }
    if session.call.caller.actor == Actor::System {
        labels::refuse_lowering(session.call)?;
    }
    if !review::is_hidden(&old) {
        let text = "no label of its own keeps this from the patient: what it inherits is released where it stands";
        return Err(ApiError::rule(format!("{resource_type}.meta.security"), text));
    }
    let value = review::released(access::stored(&old)?);
    let proposed = write::next_by_server(session, &old, value)?;
    let told = provenance::of_release(session, &proposed, old.version, reason)?;
    write::store(session, &proposed, Some(&old), told.as_slice())?;
    write::note(session, &proposed.version)?;
    session.audit.done(Act::Release, reason);
    access::stored(&proposed.version)
}
