//! Loading many resources in one transaction, as a system writes them: by update under their own ids, by create without.

use std::sync::Arc;

use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use tokio::sync::oneshot;

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
    let values = Arc::new(values);
    match attempt(concord, &call, &values, false).await? {
        Some(results) => Ok(results),
        // A resource was refused after it had changed something: once more, each so that it can be undone alone.
        None => attempt(concord, &call, &values, true)
            .await?
            .ok_or_else(|| Fault::Internal("a load that could not be undone".to_owned())),
    }
}

/// Loads in one transaction. To be able to undo a resource alone costs as much again as to store it, and hardly any is
/// refused after its first change: unless `undoable`, the answer is then none and nothing is stored.
pub(super) async fn attempt(
    concord: &Arc<Concord>,
    call: &Call,
    values: &Arc<Vec<Value<'static>>>,
    undoable: bool,
) -> Result<Option<Vec<Result<(), Fault>>>, Fault> {
    let (concord, call, values) = (Arc::clone(concord), call.clone(), Arc::clone(values));
    let store = concord.store.clone();
    let (report, halfway) = oneshot::channel();
    let loaded = store
        .write(move |transaction| {
            let mut records = Vec::with_capacity(values.len());
            let mut results = Vec::with_capacity(values.len());
            if !undoable {
                let held = transaction.hold(values.iter().filter_map(place).collect());
                if let Err(fault) = held {
                    return (Err(fault), Vec::new());
                }
            }
            for value in values.iter() {
                let value = value.clone();
                let before = transaction.changes;
                let result = if undoable {
                    transaction.alone(|transaction| one(&concord, &call, transaction, value, &mut records))
                } else {
                    one(&concord, &call, transaction, value, &mut records)
                };
                match result {
                    Err(fault) if !undoable && transaction.changes != before => {
                        let _gone = report.send(());
                        return (Err(fault), Vec::new());
                    }
                    Err(fault @ (Fault::Internal(_) | Fault::Busy(_))) => return (Err(fault), Vec::new()),
                    other => results.push(other),
                }
            }
            if let Err(fault) = transaction.let_go() {
                let _gone = report.send(());
                return (Err(fault), Vec::new());
            }
            (Ok(results), records)
        })
        .await;
    match loaded {
        Ok(results) => Ok(Some(results)),
        Err(_) if halfway.await.is_ok() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The type and the logical id of a resource that has one.
fn place(value: &Value<'static>) -> Option<(ResourceType, String)> {
    Some((ResourceType::parse(value.text("resourceType")?)?, value.text("id")?.to_owned()))
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
