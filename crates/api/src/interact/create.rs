//! create and conditional create (R4 "RESTful API", create).

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::issue::Issue;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::audit::Interaction;
use super::write::{self, Place};
use super::{AUDIT_EVENT, Call, Concord, access, audit, correction, logged, matching, parameters, provenance};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::rows::{Method, Version};
use crate::store::transaction::Transaction;

/// What a write led to.
#[derive(Debug)]
pub(crate) struct Written {
    /// The version that now stands.
    pub(crate) version: Version,
    /// Whether the resource is new.
    pub(crate) created: bool,
    /// What the client should know although the write stands.
    pub(crate) warnings: Vec<Issue>,
}

/// Stores a new resource under an id of the server's. With a condition, only if nothing that the caller may see
/// matches it; if one resource does, that one is answered.
pub(crate) async fn create(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    value: Value<'static>,
    condition: Option<Query>,
) -> Result<Written, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .change(move |transaction| {
            let mut record = call.record(Interaction::Create, Some(resource_type));
            let result = if resource_type == AUDIT_EVENT {
                handed_in(&call, transaction, &value, &mut record)
            } else {
                let id = matching::new_id(transaction.now);
                run(&concord, &call, transaction, resource_type, value.clone(), condition.as_ref(), &id, &mut record)
            };
            if resource_type == AUDIT_EVENT && result.is_ok() {
                // The event handed in is in the log itself.
                return (result, Vec::new());
            }
            logged(result, record)
        })
        .await
}

/// Inside a transaction: answers the only match of the condition, or stores the resource under `id`.
#[expect(clippy::too_many_arguments, reason = "the parts of one write, each of its own kind")]
pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    value: Value<'static>,
    condition: Option<&Query>,
    id: &str,
    record: &mut Record,
) -> Result<Written, Fault> {
    access::require_scope(call, Action::Create, resource_type)?;
    if let Some(query) = condition {
        matching::lock(transaction, resource_type, query)?;
        if let Some(found) = matching::one(concord, call, transaction, query)? {
            record.entity.clone_from(&found.id);
            record.version = found.version;
            record.patient = found.patient;
            return Ok(Written { version: found, created: false, warnings: Vec::new() });
        }
    }
    insert(concord, call, transaction, resource_type, value, id, Method::Post, record)
}

/// Stores the first version of a resource, its Provenance, and says so to whoever remembers facts about access.
#[expect(clippy::too_many_arguments, reason = "the parts of one write, each of its own kind")]
pub(super) fn insert(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    mut value: Value<'_>,
    id: &str,
    method: Method,
    record: &mut Record,
) -> Result<Written, Fault> {
    let key = transaction.next_key();
    let place = Place { key, id, number: 1, updated: transaction.now, method, author: None, previous: None };
    record.entity.clear();
    let opening = correction::begin(concord, call, transaction, resource_type, &mut value)?;
    let together = opening.as_ref().map(|opening| opening.together(call));
    let call = together.as_ref().unwrap_or(call);
    let proposed = write::propose(concord, call, transaction, Action::Create, resource_type, value, &place)?;
    let told = provenance::all(concord, call, transaction, &proposed, "CREATE", None)?;
    let mut rows = vec![(proposed.version.clone(), &proposed.entries)];
    rows.extend(told.iter().map(|(version, entries)| (version.clone(), entries)));
    parameters::define(transaction, &proposed.version)?;
    transaction.insert(&rows)?;
    correction::follow(concord, call, transaction, opening.as_ref(), &proposed.version)?;
    write::note_access_change(transaction, resource_type, &proposed.entries.patients)?;
    record.entity = id.to_owned();
    record.version = 1;
    record.patient = proposed.version.patient;
    Ok(Written { version: proposed.version, created: true, warnings: proposed.warnings })
}

/// An AuditEvent that a system hands in: stored in the log, marked as that system's.
pub(super) fn handed_in(
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &Value<'static>,
    refused: &mut Record,
) -> Result<Written, Fault> {
    let resource_type = AUDIT_EVENT;
    access::require_scope(call, Action::Create, resource_type)?;
    if !matches!(call.caller.actor, Actor::System) {
        refused.reason = "only a system may hand in audit events".to_owned();
        return Err(Fault::denied("only a registered system, with a system/ scope, may hand in audit events"));
    }
    let version = audit::hand_in(call, transaction, value)?;
    Ok(Written { version, created: true, warnings: Vec::new() })
}
