//! delete and conditional delete (R4 "RESTful API", delete). Nothing is physically deleted: the versions stay.

use std::sync::Arc;

use concord_consent::request::Action;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::audit::Interaction;
use super::update::{Precondition, Target, check_version};
use super::{Call, Concord, access, correction, logged, matching, parameters, provenance, read, write};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::rows::{Method, Version};
use crate::store::transaction::Transaction;

/// Puts a deletion in place of the current version; the version id of the deletion, or none if nothing had to be done:
/// it was deleted before, or nothing matches the condition.
pub(crate) async fn delete(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    target: Target,
    precondition: Option<Precondition>,
) -> Result<Option<i64>, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .change(move |transaction| {
            let mut record = call.record(Interaction::Delete, Some(resource_type));
            let precondition = precondition.as_ref();
            let result = match &target {
                Target::Id(id) => run(&concord, &call, transaction, resource_type, id, precondition, &mut record),
                Target::Match(query) => {
                    conditional(&concord, &call, transaction, resource_type, query, precondition, &mut record)
                }
            };
            logged(result, record)
        })
        .await
}

/// Inside a transaction: deletes the only match, if there is one.
pub(super) fn conditional(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    query: &Query,
    precondition: Option<&Precondition>,
    record: &mut Record,
) -> Result<Option<i64>, Fault> {
    record.query = matching::told(query);
    access::require_scope(call, Action::Delete, resource_type)?;
    match matching::one(concord, call, transaction, query)? {
        Some(found) => run(concord, call, transaction, resource_type, &found.id, precondition, record),
        None => Ok(None),
    }
}

/// Inside a transaction: puts a deletion in place of the current version.
pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    precondition: Option<&Precondition>,
    record: &mut Record,
) -> Result<Option<i64>, Fault> {
    record.entity = id.to_owned();
    let old = read::visible(concord, call, transaction, resource_type, id, Action::Delete, record)?.version;
    if old.deleted {
        return Ok(None);
    }
    check_version(precondition, &old)?;
    access::may_change(concord, call, transaction, Action::Delete, &old)?;
    correction::refuse_deletion(&old)?;
    let new = Version {
        version: old.version + 1,
        updated: transaction.now.max(old.updated),
        method: Method::Delete,
        deleted: true,
        body: String::new(),
        ..old.clone()
    };
    parameters::define(transaction, &new)?;
    transaction.replace(&old, &new, None)?;
    let patient = transaction.patient_id(old.patient)?;
    let patients: Vec<String> = Some(patient).filter(|id| !id.is_empty()).into_iter().collect();
    if let Some((version, entries)) = provenance::of_deletion(call, transaction, &new, &patients)? {
        transaction.insert(&[(version, &entries)])?;
    }
    write::note_access_change(transaction, resource_type, &patients)?;
    record.version = new.version;
    Ok(Some(new.version))
}
