//! Making the index rows of stored resources: those of parameters that were added, and those of everything again after
//! a change of what resources are found by. Each step is a transaction that remembers how far it came, so that it can be
//! stopped anywhere, and the server may read and write meanwhile.

use std::sync::Arc;

use concord_fhir::index::{Entries, ParameterId};
use concord_fhir::label::{self, Source};
use concord_fhir::registry::{Parameter, Registry};
use concord_store::index_rows::added_rows;
use concord_store::parameters::{Kept, State};
use concord_store::rows;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::Call;
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::labels::{content, definitions};
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_entries;
use crate::interact::told_of_emergency::leave_whom_it_names;
use crate::interact::{Service, write};
use concord_store::Reply;

/// How many resources share a transaction.
const BATCH: i64 = 200;

/// The setting that says how far a run over everything has come.
const PLACE: &str = "reindex";

/// The setting that says how far the effective labels of what was stored before there were any have been worked out.
const LABELS: &str = "effective-labels";

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
pub(crate) async fn parameters(service: &Arc<Service>, url: Option<String>) -> Result<Option<Progress>, ApiError> {
    let (service, store) = (Arc::clone(service), service.store.clone());
    store.write(move |transaction| unlogged(&service, transaction, |session| next(session, url.as_deref()))).await
}

/// Has the rows of the parameter of a url made again, while it is searched by. One whose rows are being made goes on.
///
/// # Errors
/// [`ApiError::NotFound`] if none of that url is in use.
pub(crate) async fn again(service: &Arc<Service>, url: String) -> Result<(), ApiError> {
    service
        .store
        .write(move |transaction| {
            let mut begin = || {
                let of_url: Vec<Kept> =
                    transaction.parameters_in_use()?.into_iter().filter(|kept| kept.url == url).collect();
                for kept in of_url.iter().filter(|kept| kept.state == State::Whole) {
                    transaction.begin_parameter(kept.number, State::Again)?;
                }
                if of_url.is_empty() { Err(ApiError::NotFound) } else { Ok(()) }
            };
            (begin(), Vec::new())
        })
        .await
}

fn next(session: &mut Session<'_, '_>, url: Option<&str>) -> Result<Option<Progress>, ApiError> {
    session.transaction.give_way()?;
    let unfinished = session.transaction.unfinished_parameters(url)?;
    let Some(first) = unfinished.first().cloned() else { return Ok(None) };
    let leaves = first.state == State::Leaving;
    let together: Vec<&Kept> = unfinished
        .iter()
        .filter(|kept| kept.resource_type == first.resource_type && kept.place == first.place)
        .filter(|kept| (kept.state == State::Leaving) == leaves)
        .collect();
    let parameters: Vec<Parameter> = together.iter().filter_map(|kept| kept.parameter()).collect();
    let ids: Vec<ParameterId> = parameters.iter().flat_map(Parameter::row_ids).collect();
    let total = if first.place.is_empty() {
        session.transaction.count_resources(Some(first.resource_type), leaves)?
    } else {
        first.total
    };
    let (done, last) = if leaves {
        without(session.transaction, &first, &ids)?
    } else {
        let registry = Registry::with(0, parameters);
        with(session, &first, &registry, &ids)?
    };
    for kept in &together {
        match &last {
            Some(place) => {
                session.transaction.advance_parameter(kept.number, kept.state, place, kept.done + done, total)?;
            }
            None if leaves => session.transaction.forget_parameter(kept.number)?,
            None => session.transaction.begin_parameter(kept.number, State::Whole)?,
        }
    }
    if last.is_none() && together.iter().any(|kept| kept.state == State::Missing) {
        session.transaction.bump_registry()?;
    }
    let names: Vec<String> = together.iter().map(|kept| format!("{}?{}", kept.resource_type, kept.code())).collect();
    let what = if leaves { format!("{} is taken out", names.join(", ")) } else { names.join(", ") };
    Ok(Some(Progress { what, done: first.done + done, total }))
}

/// Makes the rows of the next resources: how many, and the id of the last one if there may be more. Whoever writes one
/// of them meanwhile waits and then makes the rows themselves.
fn with(
    session: &mut Session<'_, '_>,
    kept: &Kept,
    registry: &Registry,
    ids: &[ParameterId],
) -> Result<(i64, Option<String>), ApiError> {
    let versions = session.transaction.lock_next_of_type(kept.resource_type, &kept.place, false, BATCH)?;
    for version in &versions {
        let rows = added_rows(registry, &session.service.base, version)?;
        session.transaction.reindex_for(version, ids, &rows)?;
    }
    Ok(reached(versions.len(), versions.last().map(|version| version.id.clone())))
}

/// Takes the rows of the next resources away, in the same way.
fn without(
    transaction: &mut Transaction<'_>,
    kept: &Kept,
    ids: &[ParameterId],
) -> Result<(i64, Option<String>), ApiError> {
    let versions = transaction.lock_next_of_type(kept.resource_type, &kept.place, true, BATCH)?;
    let keys: Vec<i64> = versions.iter().map(|version| version.key).collect();
    transaction.take_rows(&keys, ids)?;
    Ok(reached(versions.len(), versions.last().map(|version| version.id.clone())))
}

/// A batch that is not full is the last one.
fn reached(count: usize, last: Option<String>) -> (i64, Option<String>) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    (count, last.filter(|_| count >= BATCH))
}

/// Makes the rows of the next resources of all again; none if all are done. What was true of a resource stays true while
/// this runs: its old rows go and its new ones come in one transaction.
pub(crate) async fn everything(service: &Arc<Service>) -> Result<Option<Progress>, ApiError> {
    let (service, store) = (Arc::clone(service), service.store.clone());
    store.write(move |transaction| unlogged(&service, transaction, run)).await
}

/// Works out the effective labels of the next resources that were stored before these were kept; none if all are done.
/// Until then nobody is answered.
pub(crate) async fn effective_labels(service: &Arc<Service>) -> Result<Option<Progress>, ApiError> {
    let (service, store) = (Arc::clone(service), service.store.clone());
    store.write(move |transaction| unlogged(&service, transaction, label_next)).await
}

fn label_next(session: &mut Session<'_, '_>) -> Result<Option<Progress>, ApiError> {
    if session.transaction.known_setting(LABELS)?.is_none() {
        return Ok(None);
    }
    go_on(session, LABELS, "effective labels", relabel)
}

/// Says what a resource inherits from: a deleted one keeps what it had.
fn relabel(session: &mut Session<'_, '_>, version: Version) -> Result<(), ApiError> {
    relabel_as(session, &version, false)
}

/// The same; where it `is_known` which definitions it follows, it goes on to follow these.
fn relabel_as(session: &mut Session<'_, '_>, version: &Version, is_known: bool) -> Result<(), ApiError> {
    let stood = match version.deleted {
        true => session.transaction.superseded(version.key, version.version - 1)?,
        false => Some(version.clone()),
    };
    let shown = label_superseded(session, version, is_known)?;
    let Some(stood) = stood.filter(|stood| !stood.deleted) else { return Ok(()) };
    let value = stood.resource()?;
    let mut entries = stored_entries(session, &stood, &value)?;
    entries.shown.extend(shown);
    content::bind_stored(session, version, &mut entries)?;
    if is_known {
        definitions::bind_stored(session, version.key, &mut entries)?;
    }
    // Definitions are a system's to write.
    entries.name = label::canonical_name(&value);
    Ok(session.transaction.reindex_sources(version, &entries)?)
}

/// Says what the superseded versions of a resource inherit from: a deletion among them from what the version before did.
/// What they show. Where that `is_known` already, they go on to follow the definitions that they follow.
fn label_superseded(session: &mut Session<'_, '_>, current: &Version, is_known: bool) -> Result<Vec<Source>, ApiError> {
    let mut links = Entries::none(current.resource_type, current.id.clone(), current.updated);
    let mut shown = Vec::new();
    for number in 1..current.version {
        let Some(version) = session.transaction.superseded(current.key, number)? else { continue };
        if !version.deleted {
            let value = version.resource()?;
            let mut found = label::links(&value, &version.id, &session.service.base);
            leave_whom_it_names(version.resource_type, &version.author, &value, &mut found.sources);
            (links.sources, links.canonicals) = (found.sources, found.canonicals);
            shown.extend(found.contents);
        }
        if is_known {
            definitions::bind_stored(session, version.key, &mut links)?;
        }
        session.transaction.reindex_superseded(&version, &links)?;
    }
    Ok(shown)
}

/// Runs a part of which the log says nothing: it discloses nothing and changes nothing that can be seen.
fn unlogged<T>(
    service: &Service,
    transaction: &mut Transaction<'_>,
    part: impl FnOnce(&mut Session<'_, '_>) -> Result<T, ApiError>,
) -> Reply<T, ApiError> {
    let call = Call::reindex();
    let audit = AuditEntry::begin(&call, Interaction::Operation, None);
    let (result, _) = Session::run(service, &call, transaction, audit, part);
    (result, Vec::new())
}

fn run(session: &mut Session<'_, '_>) -> Result<Option<Progress>, ApiError> {
    go_on(session, PLACE, "all rows", remake)
}

/// Does something with the next resources of all; none if all are done. How far it came is remembered in a setting.
fn go_on(
    session: &mut Session<'_, '_>,
    place: &'static str,
    what: &str,
    each: fn(&mut Session<'_, '_>, Version) -> Result<(), ApiError>,
) -> Result<Option<Progress>, ApiError> {
    session.transaction.give_way()?;
    let reached = session.transaction.setting(place, "0 0 0")?;
    let mut numbers = reached.split(' ').map(|number| number.parse::<i64>().unwrap_or_default());
    let mut number = || numbers.next().unwrap_or_default();
    let (after, done, total) = (number(), number(), number());
    let total = if done > 0 { total } else { session.transaction.count_resources(None, true)? };
    let versions = session.transaction.lock_next(after, BATCH)?;
    let Some(last) = versions.last().map(|version| version.key) else {
        session.transaction.forget_setting(place)?;
        return Ok(None);
    };
    let done = done + i64::try_from(versions.len()).unwrap_or_default();
    for version in versions {
        each(session, version)?;
    }
    session.transaction.set_setting(place, format!("{last} {done} {total}"))?;
    Ok(Some(Progress { what: what.to_owned(), done, total }))
}

fn remake(session: &mut Session<'_, '_>, mut version: Version) -> Result<(), ApiError> {
    if version.deleted {
        return relabel_as(session, &version, true);
    }
    label_superseded(session, &version, true)?;
    let value = version.resource()?.into_owned();
    let mut entries = stored_entries(session, &version, &value)?;
    definitions::bind_stored(session, version.key, &mut entries)?;
    if let Some(records) = session.service.hooks.of(version.resource_type).records {
        // What it points at may have been deleted; it stays part of the records that it was part of.
        let mut patients = entries.patients.clone();
        patients.extend(records(session, &value)?);
        entries = entries.part_of(patients);
    }
    let beside: Vec<String> = version.added_labels().map(str::to_owned).collect();
    let inherited: Vec<String> = version.inherited_labels().map(str::to_owned).collect();
    version.labels = rows::joined(&write::own_labels(&entries), &beside, &inherited);
    version.patient = match entries.patients.first() {
        Some(id) => session.transaction.make_patient_key(id)?,
        None => 0,
    };
    version.patients = i16::try_from(entries.patients.len()).unwrap_or(i16::MAX);
    Ok(session.transaction.reindex(&version, &entries)?)
}
