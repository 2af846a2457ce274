//! The locks of a transaction, taken before anything is changed and in an order that is the same for every one, so that
//! no two of them wait for each other.

use std::collections::{BTreeSet, HashSet};

use concord_fhir::registry::{ResourceType, is_own_record, patient_named};
use concord_fhir::search::Query;
use concord_fhir::{index, rules};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::bundle::entry::Entry;
use crate::interact::search::conditional;
use crate::interact::{Service, patient_number};

/// Into how many shares the records are parted: how many locks there can be at most.
const SHARES: u64 = 256;

/// Takes all of them.
pub(super) fn take(service: &Service, transaction: &mut Transaction<'_>, entries: &[&Entry]) -> Result<(), ApiError> {
    if !transaction.has_other_writers() {
        return Ok(());
    }
    conditions(transaction, entries)?;
    records(service, transaction, entries)?;
    patient_number::lock_all(transaction, entries.iter().filter_map(|entry| entry.command.resource()))?;
    resources(transaction, entries)
}

/// Takes the locks of all conditions, in an order that is the same for every transaction.
fn conditions(transaction: &mut Transaction<'_>, entries: &[&Entry]) -> Result<(), ApiError> {
    let mut conditions: Vec<(ResourceType, &Query)> =
        entries.iter().filter_map(|entry| Some((entry.command.resource_type()?, entry.command.condition()?))).collect();
    conditions.sort_by(|(one, query), (other, other_query)| (one, &query.used).cmp(&(other, &other_query.used)));
    conditions.iter().try_for_each(|(resource_type, query)| conditional::lock(transaction, *resource_type, query))
}

/// Of a transaction that writes into several records, takes locks for all of them, in an order that is the same for every
/// transaction: what is kept for each record would else be waited for in the order of the entries.
fn records(service: &Service, transaction: &mut Transaction<'_>, entries: &[&Entry]) -> Result<(), ApiError> {
    let mut patients: HashSet<String> = HashSet::new();
    for entry in entries {
        if let Some((_, id)) = entry.command.changed().filter(|(changed, _)| is_own_record(*changed)) {
            patients.insert(id.to_owned());
        }
        let references = entry.command.resource().into_iter().flat_map(index::references);
        let local = references.filter_map(|(_, text)| rules::local_reference(&service.base, &text));
        patients.extend(local.filter_map(|text| patient_named(&text).map(str::to_owned)));
    }
    if patients.len() < 2 {
        return Ok(());
    }
    let shares: BTreeSet<u64> = patients.iter().map(|id| conditional::hash(id) % SHARES).collect();
    for share in &shares {
        transaction.lock(conditional::hash(("record", share)).cast_signed())?;
    }
    Ok(())
}

/// Locks what is replaced or deleted before anything is changed: a record is changed after the resource, as a write alone
/// does it.
fn resources(transaction: &mut Transaction<'_>, entries: &[&Entry]) -> Result<(), ApiError> {
    if entries.len() < 2 {
        return Ok(());
    }
    let named = |entry: &&Entry| entry.command.changed().map(|(named, id)| (named, id.to_owned()));
    let wanted: Vec<_> = entries.iter().filter_map(named).collect();
    Ok(transaction.lock_resources(&wanted)?)
}
