//! Loading many resources in one transaction, as a system writes them: by update under their own ids, by create without.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use concord_fhir::full_url::{self, Meant, comparable};
use concord_fhir::json::Value;
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_fhir::schema::{LinkKind, relink};
use concord_store::transaction::Transaction;
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::interact::command::{Command, Target};
use crate::interact::execute::execute;
use crate::interact::session::Session;
use crate::interact::{Budget, Call, Service, is_event, patient_number};
use concord_store::audit::Record;

/// Stores each resource; one that is refused does not stop the others. The audit log tells of every one.
///
/// # Errors
/// When the transaction as a whole fails.
pub(crate) async fn load(
    service: &Arc<Service>,
    call: Call,
    values: Vec<Value<'static>>,
) -> Result<Vec<Result<(), ApiError>>, ApiError> {
    let values = Arc::new(values);
    match attempt(service, &call, &values, false).await? {
        Some(results) => Ok(results),
        // A resource was refused after it had changed something: once more, each so that it can be undone alone.
        None => attempt(service, &call, &values, true)
            .await?
            .ok_or_else(|| ApiError::Internal("a load that could not be undone".to_owned())),
    }
}

/// Loads in one transaction. To be able to undo a resource alone costs as much again as to store it, and hardly any is
/// refused after its first change: unless `undoable`, the answer is then none and nothing is stored.
pub(crate) async fn attempt(
    service: &Arc<Service>,
    call: &Call,
    values: &Arc<Vec<Value<'static>>>,
    undoable: bool,
) -> Result<Option<Vec<Result<(), ApiError>>>, ApiError> {
    let (service, call, values) = (Arc::clone(service), call.clone(), Arc::clone(values));
    let store = service.store.clone();
    let (report, halfway) = oneshot::channel();
    let loaded = store
        .write(move |transaction| {
            let mut records = Vec::with_capacity(values.len());
            let mut results = Vec::with_capacity(values.len());
            if let Err(error) = patient_number::lock_all(transaction, values.iter()) {
                return (Err(error), Vec::new());
            }
            if !undoable {
                let begun = transaction.begin_buffering(values.iter().filter_map(name).collect());
                if let Err(error) = begun {
                    return (Err(ApiError::from(error)), Vec::new());
                }
            }
            for (place, value) in in_order(&values) {
                let before = transaction.changes;
                let result = if undoable {
                    transaction.savepoint(|transaction| one(&service, &call, transaction, value, &mut records))
                } else {
                    one(&service, &call, transaction, value, &mut records)
                };
                match result {
                    Err(fault) if !undoable && transaction.changes != before => {
                        let _gone = report.send(());
                        return (Err(fault), Vec::new());
                    }
                    Err(fault @ (ApiError::Internal(_) | ApiError::Busy(_))) => return (Err(fault), Vec::new()),
                    other => results.push((place, other)),
                }
            }
            if let Err(fault) = transaction.finish_buffering() {
                let _gone = report.send(());
                return (Err(fault.into()), Vec::new());
            }
            results.sort_by_key(|(place, _)| *place);
            (Ok(results.into_iter().map(|(_, result)| result).collect()), records)
        })
        .await;
    match loaded {
        Ok(results) => Ok(Some(results)),
        Err(_) if halfway.await.is_ok() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The resources of a Bundle with their places. Where they refer to one another by `fullUrl` they do so by the ids under which they
/// are stored: by the other name nobody would find them.
pub(crate) fn unpacked(bundle: &Value<'_>) -> Vec<(usize, Value<'static>)> {
    let entries = bundle.list("entry");
    let address = |entry: &Value<'_>| {
        let (url, (resource_type, id)) = (entry.text("fullUrl")?, name(entry.get("resource")?)?);
        Some((comparable(url).into_owned(), format!("{resource_type}/{id}")))
    };
    let addresses: HashMap<String, String> = entries.iter().filter_map(address).collect();
    let linked = |(place, entry): (usize, &Value<'_>)| {
        let mut value = entry.get("resource")?.clone().into_owned();
        let full_url = entry.text("fullUrl").map(comparable);
        let root =
            full_url.as_deref().zip(value.text("resourceType")).and_then(|(url, named)| full_url::root(url, named));
        // Versions are numbered anew here, and the one that is loaded is the one there is.
        let mut link = |kind: LinkKind, text: &str| {
            let meant = Meant::of(text);
            let address = full_url::names(root, meant.bare).find_map(|url| addresses.get(&url));
            let part = meant.behind(kind == LinkKind::Reference);
            Ok::<_, Infallible>(address.zip(part).map(|(address, part)| format!("{address}{part}")))
        };
        let Ok(()) = relink(&mut value, &mut link);
        Some((place, value))
    };
    entries.iter().enumerate().filter_map(linked).collect()
}

/// The resources with their places, in the order in which they are stored: whose record there is comes before what is filed in
/// it by a number.
fn in_order<'v>(values: &'v [Value<'static>]) -> Vec<(usize, &'v Value<'static>)> {
    let is_record =
        |value: &Value<'_>| value.text("resourceType").and_then(ResourceType::parse).is_some_and(is_own_record);
    let (first, rest): (Vec<_>, Vec<_>) = values.iter().enumerate().partition(|(_, value)| is_record(value));
    first.into_iter().chain(rest).collect()
}

/// The type and the logical id of a resource that has one.
fn name(value: &Value<'_>) -> Option<(ResourceType, String)> {
    Some((ResourceType::parse(value.text("resourceType")?)?, value.text("id")?.to_owned()))
}

/// Stores one resource: by update under its own id, by create without.
fn one(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &Value<'static>,
    records: &mut Vec<Record>,
) -> Result<(), ApiError> {
    let resource_type = value
        .text("resourceType")
        .and_then(ResourceType::parse)
        .ok_or_else(|| ApiError::Internal("an unchecked resource".to_owned()))?;
    let id = value.text("id").map(str::to_owned);
    if let Some(id) = id.as_deref().filter(|_| service.hooks.of(resource_type).is_append_only)
        && transaction.named(resource_type, id, false)?.has_been()
    {
        // Whoever has the database may know of everything in it. What happened does not change; loading it again is no new version of it.
        return Ok(());
    }
    let resource = value.clone();
    let command = match id.filter(|_| !is_event(resource_type)) {
        Some(id) => Command::Update { resource_type, target: Target::Id(id), resource, precondition: None, id: None },
        None => Command::Create { resource_type, resource, condition: None, id: None },
    };
    let audit = command.audit(call);
    let (result, told) =
        Session::run(service, call, transaction, audit, |session| execute(session, command, &mut Budget::unbounded()));
    records.extend(told);
    result.map(|_| ())
}

#[cfg(test)]
mod tests {
    use concord_fhir::json::{self, Limits};

    use super::*;

    /// As Synthea and exports of other servers write it: each resource has its id, and is referred to by the name of its entry.
    #[test]
    fn what_a_bundle_calls_by_another_name_is_called_by_its_id() {
        let text = r##"{"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:5CBC121B-CD71-4428-B8B7-31E53EBA8184","resource":{"resourceType":"Patient","id":"p"}},
            {"fullUrl":"urn:uuid:x","resource":{"resourceType":"Patient"}},
            {"fullUrl":"https://a.example/r/Binary/b","resource":{"resourceType":"Binary","id":"b"}},
            {"request":{"method":"GET","url":"x"}},
            {"resource":{"resourceType":"DocumentReference","subject":{"reference":"URN:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184"},
                "author":[{"reference":"urn:uuid:x"},{"reference":"urn:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184#x"},
                    {"reference":"Patient/p"},{"reference":"#p"},{"reference":"HTTPS://a.example/r/Binary/b/_history/3"},
                    {"reference":"https://a.example/r/Binary/c/_history/3"}],
                "description":"https://a.example/r/Binary/b",
                "content":[{"attachment":{"url":"https://a.example/r/Binary/b"}},
                    {"attachment":{"url":"https://a.example/r/Binary/b/_history/3#page=2"}}]}},
            {"fullUrl":"https://a.example/r/Media/m","resource":{"resourceType":"Media","id":"m2","content":{"url":"Binary/b2#t=3"}}},
            {"fullUrl":"https://a.example/r/Binary/b2","resource":{"resourceType":"Binary","id":"other"}}]}"##;
        let bundle = json::parse(text.as_bytes(), &Limits::default()).expect("JSON");
        let found = unpacked(&bundle);
        assert_eq!(found.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
        let document = json::to_string(&found[3].1);
        assert_eq!(
            document,
            r##"{"resourceType":"DocumentReference","subject":{"reference":"Patient/p"},"author":[{"reference":"urn:uuid:x"},{"reference":"urn:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184#x"},{"reference":"Patient/p"},{"reference":"#p"},{"reference":"Binary/b"},{"reference":"https://a.example/r/Binary/c/_history/3"}],"description":"https://a.example/r/Binary/b","content":[{"attachment":{"url":"Binary/b"}},{"attachment":{"url":"Binary/b#page=2"}}]}"##
        );
        assert_eq!(
            json::to_string(&found[4].1),
            r##"{"resourceType":"Media","id":"m2","content":{"url":"Binary/other#t=3"}}"##
        );
    }
}
