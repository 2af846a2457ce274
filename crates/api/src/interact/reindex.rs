//! Making the index rows of stored resources: those of parameters that were added, and those of everything again after
//! a change of what resources are found by. Each step is a transaction that remembers how far it came, so that it can be
//! stopped anywhere, and the server may read and write meanwhile.

use std::sync::Arc;

use concord_fhir::index::{self, ParameterId};
use concord_fhir::json;
use concord_fhir::registry::{Parameter, Registry, ResourceType};

use super::{Concord, PROVENANCE, provenance, write};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::overlay;
use crate::store::parameters::{Kept, State};
use crate::store::rows::{Version, added_rows};
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// How many resources share a transaction.
const BATCH: i64 = 200;

/// The setting that says how far a run over everything has come.
const PLACE: &str = "reindex";

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// What is done, in a few words.
    pub(crate) what: String,
    /// How many resources are done.
    pub(crate) done: i64,
    /// How many there were when it began.
    pub(crate) total: i64,
}

/// Does the next of what there is to do about parameters that were added or taken out of use, of all or of the one of
/// this url; none if there is nothing. Those of a type that began together go on together.
pub(crate) async fn parameters(concord: &Arc<Concord>, url: Option<String>) -> Result<Option<Progress>, Fault> {
    let (concord, store) = (Arc::clone(concord), concord.store.clone());
    store.write(move |transaction| (next(&concord, transaction, url.as_deref()), Vec::new())).await
}

/// Has the rows of the parameter of a url made again, while it is searched by. One whose rows are being made goes on.
///
/// # Errors
/// [`Fault::NotFound`] if none of that url is in use.
pub(crate) async fn again(concord: &Arc<Concord>, url: String) -> Result<(), Fault> {
    concord
        .store
        .write(move |transaction| {
            let mut begin = || {
                let of_url: Vec<Kept> =
                    transaction.parameters_in_use()?.into_iter().filter(|kept| kept.url == url).collect();
                for kept in of_url.iter().filter(|kept| kept.state == State::Whole) {
                    transaction.begin_parameter(kept.number, State::Again)?;
                }
                if of_url.is_empty() { Err(Fault::NotFound) } else { Ok(()) }
            };
            (begin(), Vec::new())
        })
        .await
}

fn next(concord: &Concord, transaction: &mut Transaction<'_>, url: Option<&str>) -> Result<Option<Progress>, Fault> {
    transaction.give_way()?;
    let unfinished = transaction.unfinished_parameters(url)?;
    let Some(first) = unfinished.first().cloned() else { return Ok(None) };
    let leaves = first.state == State::Leaving;
    let together: Vec<&Kept> = unfinished
        .iter()
        .filter(|kept| kept.resource_type == first.resource_type && kept.place == first.place)
        .filter(|kept| (kept.state == State::Leaving) == leaves)
        .collect();
    let parameters: Vec<Parameter> = together.iter().filter_map(|kept| kept.parameter()).collect();
    let ids: Vec<ParameterId> = parameters.iter().flat_map(Parameter::row_ids).collect();
    let total = if first.place.is_empty() { count(transaction, first.resource_type, leaves)? } else { first.total };
    let (done, last) = if leaves {
        without(transaction, &first, &ids)?
    } else {
        let registry = Registry::with(0, parameters);
        with(concord, transaction, &first, &registry, &ids)?
    };
    for kept in &together {
        match &last {
            Some(place) => {
                transaction.advance_parameter(kept.number, kept.state, place, kept.done + done, total)?;
            }
            None if leaves => transaction.forget_parameter(kept.number)?,
            None => transaction.begin_parameter(kept.number, State::Whole)?,
        }
    }
    if last.is_none() && together.iter().any(|kept| kept.state == State::Missing) {
        transaction.bump_registry()?;
    }
    let names: Vec<String> = together.iter().map(|kept| format!("{}?{}", kept.resource_type, kept.code())).collect();
    let what = if leaves { format!("{} is taken out", names.join(", ")) } else { names.join(", ") };
    Ok(Some(Progress { what, done: first.done + done, total }))
}

/// How many resources of a type there are; `all`: deleted ones as well, whose last rows are kept.
fn count(transaction: &mut Transaction<'_>, resource_type: ResourceType, all: bool) -> Result<i64, Fault> {
    let sql = Sql::new("SELECT count(*) FROM resource r WHERE r.type = ").bind(resource_type.number());
    let sql = if all { sql } else { sql.sql(" AND r.deleted = 0") };
    Ok(transaction.numbers(sql)?.first().copied().unwrap_or_default())
}

/// Makes the rows of the next resources: how many, and the id of the last one if there may be more. Whoever writes one
/// of them meanwhile waits and then makes the rows themselves.
fn with(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    kept: &Kept,
    registry: &Registry,
    ids: &[ParameterId],
) -> Result<(i64, Option<String>), Fault> {
    let condition = after(kept).sql(" AND r.deleted = 0 ORDER BY r.id ASC LIMIT ").bind(BATCH);
    let versions = locked(transaction, condition)?;
    for version in &versions {
        let rows = added_rows(registry, &concord.base, version)?;
        transaction.reindex_for(version, ids, &rows)?;
    }
    Ok(reached(versions.len(), versions.last().map(|version| version.id.clone())))
}

/// Takes the rows of the next resources away, in the same way.
fn without(
    transaction: &mut Transaction<'_>,
    kept: &Kept,
    ids: &[ParameterId],
) -> Result<(i64, Option<String>), Fault> {
    let condition = after(kept).sql(" ORDER BY r.id ASC LIMIT ").bind(BATCH);
    let versions = locked(transaction, condition)?;
    let keys: Vec<i64> = versions.iter().map(|version| version.key).collect();
    transaction.take_rows(&keys, ids)?;
    Ok(reached(versions.len(), versions.last().map(|version| version.id.clone())))
}

fn after(kept: &Kept) -> Sql {
    Sql::new("r.type = ").bind(kept.resource_type.number()).sql(" AND r.id > ").bind(kept.place.as_str())
}

/// A batch that is not full is the last one.
fn reached(count: usize, last: Option<String>) -> (i64, Option<String>) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    (count, last.filter(|_| count >= BATCH))
}

/// Current versions that nobody else replaces until the transaction ends.
fn locked(transaction: &mut Transaction<'_>, condition: Sql) -> Result<Vec<Version>, Fault> {
    let condition = if transaction.is_postgres() { condition.sql(" FOR UPDATE OF r") } else { condition };
    transaction.versions(Rows::Current, condition)
}

/// Makes the rows of the next resources of all again; none if all are done. What was true of a resource stays true while
/// this runs: its old rows go and its new ones come in one transaction.
pub(crate) async fn everything(concord: &Arc<Concord>) -> Result<Option<Progress>, Fault> {
    let (concord, store) = (Arc::clone(concord), concord.store.clone());
    store.write(move |transaction| (run(&concord, transaction), Vec::new())).await
}

fn run(concord: &Concord, transaction: &mut Transaction<'_>) -> Result<Option<Progress>, Fault> {
    transaction.give_way()?;
    let place = transaction.setting(PLACE, "0 0 0")?;
    let mut numbers = place.split(' ').map(|number| number.parse::<i64>().unwrap_or_default());
    let mut number = || numbers.next().unwrap_or_default();
    let (after, done, total) = (number(), number(), number());
    let total = if done > 0 {
        total
    } else {
        let sql = Sql::new("SELECT count(*) FROM resource r WHERE r.deleted = 0");
        transaction.numbers(sql)?.first().copied().unwrap_or_default()
    };
    let condition = Sql::new("r.deleted = 0 AND r.rid > ").bind(after).sql(" ORDER BY r.rid ASC LIMIT +").bind(BATCH);
    let versions = locked(transaction, condition)?;
    let Some(last) = versions.last().map(|version| version.key) else {
        transaction.run(Sql::new("DELETE FROM setting WHERE name = ").bind(PLACE))?;
        return Ok(None);
    };
    let done = done + i64::try_from(versions.len()).unwrap_or_default();
    for version in versions {
        remake(concord, transaction, version)?;
    }
    let sql = Sql::new("UPDATE setting SET value = ").bind(format!("{last} {done} {total}")).sql(" WHERE name = ");
    transaction.run(sql.bind(PLACE))?;
    Ok(Some(Progress { what: "all rows".to_owned(), done, total }))
}

fn remake(concord: &Concord, transaction: &mut Transaction<'_>, mut version: Version) -> Result<(), Fault> {
    let value = json::parse(version.body.as_bytes(), &json::Limits::default())
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?
        .into_owned();
    let mut entries = index::extract_under(&concord.base, version.resource_type, &version.id, version.updated, &value);
    if version.resource_type == PROVENANCE {
        let mut patients = provenance::patients(concord, transaction, &value)?;
        // What it points at may have been deleted; it stays part of the records that it was part of.
        for key in transaction.patients_of(Rows::Current, &version)? {
            patients.push(transaction.patient_id(key)?);
        }
        entries = entries.part_of(patients);
    }
    let beside: Vec<String> = version.labels_beside().map(str::to_owned).collect();
    version.labels = overlay::joined(&write::own_labels(&entries), &beside);
    version.patient = match entries.patients.first() {
        Some(id) => transaction.make_patient_key(id)?,
        None => 0,
    };
    version.patients = i16::try_from(entries.patients.len()).unwrap_or(i16::MAX);
    transaction.reindex(&version, &entries)
}
