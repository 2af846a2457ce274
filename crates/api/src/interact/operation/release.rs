//! `$release`: what was kept from the patient is shown to her, by one act with a reason, from the next request on.

use std::sync::Arc;

use concord_consent::request::{Action, SHORTEST_REASON};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, access, judge, labels, logged, provenance, read, review, write};
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// How long a reason may be, in characters.
const LONGEST_REASON: usize = 500;

/// `$release`
pub(super) const OPERATION: Operation = Operation {
    name: "$release",
    levels: &[Level::Instance],
    types: &[],
    changes: true,
    takes_invalid: false,
    told: "Shows the patient what was kept from her: takes away the labels that hide it, at once. For the author, the \
           author's team, the safeguarding lead and the privacy officer.",
    definition: None,
    parameters: &[Parameter {
        name: "reason",
        of: "string",
        min: 1,
        max: 1,
        told: "Why it is shown now, in words that the patient may read",
    }],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let (Some(resource_type), Some(id)) = (target.resource_type, target.id) else { return Err(Fault::NotFound) };
        let reason = input.text("reason").map(|text| text.trim().to_owned()).unwrap_or_default();
        let length = reason.chars().count();
        if !(SHORTEST_REASON..=LONGEST_REASON).contains(&length) || reason.chars().any(char::is_control) {
            let text = format!("{SHORTEST_REASON} to {LONGEST_REASON} characters that say why");
            return Err(Fault::parameter("reason", text));
        }
        let store = concord.store.clone();
        store
            .change(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(resource_type));
                record.query = OPERATION.name.to_owned();
                record.entity.clone_from(&id);
                let done = released(&concord, &call, transaction, resource_type, &id, &reason, &mut record);
                logged(done.map(Output::Value), record)
            })
            .await
    })
}

fn released(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    reason: &str,
    record: &mut Record,
) -> Result<Value<'static>, Fault> {
    let (head, decision) = read::seen(concord, call, transaction, resource_type, id, Action::Update, record)?;
    let old = head.version;
    if old.deleted {
        return Err(Fault::Gone);
    }
    // Whoever would still see it if only its author's team did: the author, the team, and those in an office.
    let labels = format!("{}\n{}", review::author_team(), old.labels);
    let kept = Version { labels, ..old.clone() };
    if !judge::permits(transaction, &decision, Rows::Current, &kept)? {
        return Err(Fault::denied("only who wrote this, their team or an office releases it"));
    }
    if !review::is_hidden(&old) {
        let text = "no label of its own keeps this from the patient: what it inherits is released where it stands";
        return Err(Fault::rule(format!("{resource_type}.meta.security"), text));
    }
    let value = review::released(access::stored(&old)?);
    let proposed = write::next_by_server(concord, transaction, &old, value);
    transaction.replace(&old, &proposed.version, Some(&proposed.entries))?;
    if let Some((version, entries)) = provenance::of_release(call, transaction, &proposed, old.version, reason)? {
        transaction.insert(&[(version, &entries)])?;
    }
    labels::follow(concord, transaction, &proposed.version)?;
    write::note_access_change(transaction, resource_type, &proposed.entries.patients)?;
    record.version = proposed.version.version;
    record.reason = format!("released to the patient: {reason}");
    access::stored(&proposed.version)
}
