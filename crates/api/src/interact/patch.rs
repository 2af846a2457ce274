//! patch and conditional patch with JSON Patch (R4 "RESTful API", patch). What comes of it goes the way of an update:
//! the same rules, the same versions, the same provenance.

use std::sync::Arc;

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::patch::{Mismatch, Patch};
use concord_fhir::registry::ResourceType;
use concord_fhir::schema;

use super::audit::Interaction;
use super::create::Written;
use super::update::{self, Precondition, Target};
use super::{Call, Concord, access, labels, logged, matching, read, redact};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::transaction::Transaction;

/// Changes parts of the current version.
pub(crate) async fn patch(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    target: Target,
    patch: Patch,
    precondition: Option<Precondition>,
) -> Result<Written, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .change(move |transaction| {
            let mut record = call.record(Interaction::Patch, Some(resource_type));
            let precondition = precondition.as_ref();
            let id = self::target(&concord, &call, transaction, resource_type, &target);
            let result = id.and_then(|id| {
                run(&concord, &call, transaction, resource_type, &id, &patch, precondition, &mut record)
            });
            logged(result, record)
        })
        .await
}

/// The id of what is to be patched.
pub(super) fn target(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    target: &Target,
) -> Result<String, Fault> {
    match target {
        Target::Id(id) => Ok(id.clone()),
        Target::Match(query) => {
            access::require_scope(call, Action::Update, resource_type)?;
            matching::lock(transaction, resource_type, query)?;
            let found = matching::one(concord, call, transaction, query)?;
            found.map(|version| version.id).ok_or(Fault::NotFound)
        }
    }
}

/// Inside a transaction: changes parts of the current version.
#[expect(clippy::too_many_arguments, reason = "the parts of one write, each of its own kind")]
pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    patch: &Patch,
    precondition: Option<&Precondition>,
    record: &mut Record,
) -> Result<Written, Fault> {
    id.clone_into(&mut record.entity);
    let (head, seen) = read::seen(concord, call, transaction, resource_type, id, Action::Update, record)?;
    let old = head.version;
    if old.deleted {
        return Err(Fault::Gone);
    }
    update::check_version(precondition, &old)?;
    access::may_change(concord, call, transaction, Action::Update, &old)?;
    let stored = labels::stored(&old)?;
    // Before the patch is tried: whoever does not see an element cannot test it.
    redact::refuse_part(transaction, &seen, &old, &stored)?;
    let mut value = patch.apply(stored.into_owned()).map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => Fault::Conflict(issue.text),
        Mismatch::Place(issue) => Fault::RuleBroken(vec![issue]),
    })?;
    if value.text("resourceType") != Some(resource_type.name()) || value.text("id") != Some(id) {
        let text = "a patch changes neither the type nor the id of a resource";
        return Err(Fault::RuleBroken(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    schema::check(&value, &concord.limits).map_err(Fault::RuleBroken)?;
    let kept = labels::keep(call, &old, &mut value)?;
    update::put(concord, call, transaction, old, value, kept, record)
}
