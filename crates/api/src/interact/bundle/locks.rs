//! The locks of a transaction, taken before anything is changed and in an order that is the same for every one, so that
//! no two of them wait for each other.

use std::collections::{BTreeSet, HashSet};

use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_fhir::{index, rules};

use super::entry::Entry;
use crate::fault::Fault;
use crate::interact::{Concord, matching};
use crate::store::transaction::Transaction;

/// Into how many shares the records are parted: how many locks there can be at most.
const SHARES: u64 = 256;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// Takes all of them.
pub(super) fn take(concord: &Concord, transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
    conditions(transaction, entries)?;
    records(concord, transaction, entries)?;
    resources(transaction, entries)
}

/// Takes the locks of all conditions, in an order that is the same for every transaction.
fn conditions(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
    let mut conditions: Vec<(ResourceType, String, &Query)> = entries
        .iter()
        .filter_map(|entry| entry.what.condition().map(|query| (entry.resource_type, matching::told(query), query)))
        .collect();
    conditions.sort_by(|(one, text, _), (other, other_text, _)| (one, text).cmp(&(other, other_text)));
    conditions.iter().try_for_each(|(resource_type, _, query)| matching::lock(transaction, *resource_type, query))
}

/// Of a transaction that writes into several records, takes locks for all of them, in an order that is the same for every
/// transaction: what is kept for each record would else be waited for in the order of the entries.
fn records(concord: &Concord, transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
    let mut patients: HashSet<String> = HashSet::new();
    for entry in entries {
        if let Some(id) = entry.what.changed()
            && entry.resource_type == PATIENT
        {
            patients.insert(id.to_owned());
        }
        let references = entry.value.iter().flat_map(index::references);
        let local = references.filter_map(|(_, text)| rules::local_reference(&concord.base, &text));
        patients.extend(local.filter_map(|text| text.strip_prefix("Patient/").map(str::to_owned)));
    }
    if patients.len() < 2 {
        return Ok(());
    }
    let shares: BTreeSet<u64> = patients.iter().map(|id| matching::hash(id) % SHARES).collect();
    shares.iter().try_for_each(|share| transaction.lock(matching::hash(("record", share)).cast_signed()))
}

/// Locks what is replaced or deleted before anything is changed: a record is changed after the resource, as a write alone
/// does it.
fn resources(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
    if entries.len() < 2 || !transaction.is_postgres() {
        return Ok(());
    }
    let named = |entry: &Entry| entry.what.changed().map(|id| (entry.resource_type, id.to_owned()));
    let wanted: Vec<_> = entries.iter().filter_map(named).collect();
    if !wanted.is_empty() {
        transaction.heads_locked(&wanted)?;
    }
    Ok(())
}
