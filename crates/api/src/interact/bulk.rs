//! Loading many resources in one transaction, as a system writes them: by update under their own ids, by create without.

use std::sync::Arc;

use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::audit::Interaction;
use super::{AUDIT_EVENT, Call, Concord, PROVENANCE, audit, create, matching, update};
use crate::fault::Fault;
use crate::store::rows::Method;
use crate::store::transaction::Transaction;

/// Stores each resource; one that is refused does not stop the others. The audit log tells of every one.
///
/// # Errors
/// When the transaction as a whole fails.
pub(crate) async fn load(
    concord: &Arc<Concord>,
    call: Call,
    values: Vec<Value<'static>>,
) -> Result<Vec<Result<(), Fault>>, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .write(move |transaction| {
            let mut records = Vec::with_capacity(values.len());
            let mut results = Vec::with_capacity(values.len());
            for value in values {
                let result = transaction.alone(|transaction| one(&concord, &call, transaction, value, &mut records));
                match result {
                    Err(fault @ (Fault::Internal(_) | Fault::Busy(_))) => return (Err(fault), Vec::new()),
                    other => results.push(other),
                }
            }
            (Ok(results), records)
        })
        .await
}

fn one(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: Value<'static>,
    records: &mut Vec<crate::store::audit::Record>,
) -> Result<(), Fault> {
    let resource_type = value
        .text("resourceType")
        .and_then(ResourceType::parse)
        .ok_or_else(|| Fault::Internal("an unchecked resource".to_owned()))?;
    let id = value.text("id").map(str::to_owned);
    let mut record = call.record(Interaction::Update, Some(resource_type));
    if resource_type == AUDIT_EVENT {
        return audit::hand_in(call, transaction, &value).map(|_| ());
    }
    match id {
        Some(id) if resource_type == PROVENANCE && transaction.head(resource_type, &id, false)?.is_some() => {
            // What happened does not change; loading it again is no new version of it.
            return Ok(());
        }
        Some(id) => {
            update::run(concord, call, transaction, resource_type, &id, value, None, &mut record)?;
        }
        None => {
            record.interaction = Interaction::Create as i16;
            let id = matching::new_id(transaction.now);
            create::insert(concord, call, transaction, resource_type, value, &id, Method::Post, &mut record)?;
        }
    }
    records.push(record);
    Ok(())
}
