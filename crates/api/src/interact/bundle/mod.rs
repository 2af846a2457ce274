//! batch and transaction (R4 "RESTful API", batch/transaction). Every entry goes the way of its own interaction; there
//! is no second path.

mod entry;
mod links;
mod locks;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use self::entry::{Called, What};
pub(crate) use self::entry::{Entry, entries};
use self::links::{Renaming, resolve};
use super::audit::Interaction;
use super::create::{self, Written};
use super::history::Of;
use super::operation::Output;
use super::update::{self, Target};
use super::{Call, Concord, Pairs, delete, history, logged, matching, read};
use super::{patch as patching, search as searching};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// What an entry led to.
#[derive(Debug)]
pub(crate) enum Done {
    /// A create or update.
    Written(Written),
    /// A delete.
    Deleted(Option<i64>),
    /// A read.
    Found(Version),
    /// A search at a path below the base.
    Page(Box<(String, Query, searching::Page)>),
    /// A history: of what, by which parameters, and how many versions a page has.
    Versions(Box<(Of, Pairs, history::Page, u32)>),
    /// An operation, called at a path below the base with these parameters.
    Output(Box<(Output, String, Pairs)>),
}

/// Carries out each entry by itself; the answers are in the order of the entries.
pub(crate) async fn batch(
    concord: &Arc<Concord>,
    call: &Call,
    entries: Vec<Result<Entry, Fault>>,
) -> Vec<Result<Done, Fault>> {
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        let answer = match entry {
            Ok(entry) => alone(concord, call.clone(), entry).await,
            Err(fault) => Err(fault),
        };
        answers.push(answer);
    }
    answers
}

async fn alone(concord: &Arc<Concord>, call: Call, entry: Entry) -> Result<Done, Fault> {
    let Entry { resource_type, what, value, precondition, .. } = entry;
    let value = || value.ok_or_else(|| Fault::Internal("an entry without its resource".to_owned()));
    match what {
        What::Create(condition) => {
            create::create(concord, call, resource_type, value()?, condition.map(|query| *query))
                .await
                .map(Done::Written)
        }
        What::Update(id) => update::update(concord, call, resource_type, Target::Id(id), value()?, precondition)
            .await
            .map(Done::Written),
        What::UpdateMatch(query) => {
            update::update(concord, call, resource_type, Target::Match(query), value()?, precondition)
                .await
                .map(Done::Written)
        }
        What::Patch(id, patch) => {
            patching::patch(concord, call, resource_type, Target::Id(id), patch, precondition).await.map(Done::Written)
        }
        What::PatchMatch(query, patch) => {
            patching::patch(concord, call, resource_type, Target::Match(query), patch, precondition)
                .await
                .map(Done::Written)
        }
        What::Delete(id) => {
            delete::delete(concord, call, resource_type, Target::Id(id), precondition).await.map(Done::Deleted)
        }
        What::DeleteMatch(query) => {
            delete::delete(concord, call, resource_type, Target::Match(query), precondition).await.map(Done::Deleted)
        }
        What::Read(id) => read::read(concord, call, resource_type, id).await.map(Done::Found),
        What::Vread(id, number) => read::vread(concord, call, resource_type, id, number).await.map(Done::Found),
        What::Search(query, path) => {
            let page = searching::search(concord, call, (*query).clone()).await?;
            Ok(Done::Page(Box::new((path, *query, page))))
        }
        What::History(of, range, pairs) => {
            let limit = range.limit;
            let page = history::history(concord, call, of.clone(), range).await?;
            Ok(Done::Versions(Box::new((of, pairs, page, limit))))
        }
        What::Operation(called) => {
            let Called { operation, target, input, path } = *called;
            let pairs = input.pairs.clone();
            let output = (operation.run)(Arc::clone(concord), call, target, input).await?;
            Ok(Done::Output(Box::new((output, path, pairs))))
        }
    }
}

/// Carries out all entries or none: deletes, then creates, updates and reads. References to other entries are to their
/// `fullUrl`, or a search that matches one resource.
///
/// # Errors
/// The fault of the first entry that fails, with the entry's place.
pub(crate) async fn transaction(
    concord: &Arc<Concord>,
    call: Call,
    entries: Vec<Result<Entry, Fault>>,
) -> Result<Vec<Done>, Fault> {
    let mut all = Vec::with_capacity(entries.len());
    for (place, entry) in entries.into_iter().enumerate() {
        all.push(entry.map_err(|fault| placed(fault, place))?);
    }
    distinct(&all)?;
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .change(move |transaction| {
            let mut records = Vec::new();
            match together(&concord, &call, transaction, all.clone(), &mut records) {
                Ok(done) => (Ok(done), records),
                // What was done is undone, so only the refusal is told.
                Err((fault, record)) => logged(Err(fault), *record),
            }
        })
        .await
}

/// Two entries may not be for the same resource (R4 "Transaction Integrity"), nor be referred to by the same `fullUrl`.
fn distinct(entries: &[Entry]) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let mut urls = HashSet::new();
    for entry in entries {
        if let Some(id) = entry.what.changed()
            && !seen.insert((entry.resource_type, id))
        {
            return Err(same(entry.place));
        }
        if let (Some(url), Some(_)) = (&entry.full_url, &entry.value)
            && !urls.insert(url)
        {
            return Err(Fault::Malformed(vec![Issue::error(
                IssueCode::Invalid,
                format!("Bundle.entry[{}].fullUrl", entry.place),
                "another entry of the transaction has the same fullUrl",
            )]));
        }
    }
    Ok(())
}

fn same(place: usize) -> Fault {
    let text = "another entry of the transaction is for the same resource";
    Fault::Malformed(vec![Issue::error(IssueCode::Invalid, format!("Bundle.entry[{place}]"), text)])
}

/// A fault with the place of its entry before its own places.
fn placed(fault: Fault, place: usize) -> Fault {
    let at = format!("Bundle.entry[{place}]");
    let moved = |issues: Vec<Issue>| {
        let under = |issue: Issue| {
            let expression = match &issue.expression {
                Some(own) if own.starts_with("Bundle.") => own.clone(),
                Some(own) => match own.split_once('.') {
                    Some((_, rest)) => format!("{at}.resource.{rest}"),
                    None => format!("{at}.resource"),
                },
                None => at.clone(),
            };
            Issue { expression: Some(expression), ..issue }
        };
        issues.into_iter().map(under).collect()
    };
    match fault {
        Fault::Malformed(issues) => Fault::Malformed(moved(issues)),
        Fault::RuleBroken(issues) => Fault::RuleBroken(moved(issues)),
        Fault::Denied(issues) => Fault::Denied(moved(issues)),
        Fault::PreconditionFailed(issue) => Fault::PreconditionFailed(Issue { expression: Some(at), ..issue }),
        other => other,
    }
}

type Failed = (Fault, Box<Record>);

fn together(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    mut entries: Vec<Entry>,
    records: &mut Vec<Record>,
) -> Result<Vec<Done>, Failed> {
    entries.sort_by(|one, other| one.order().cmp(&other.order()));
    let mut done: Vec<(usize, Done)> = Vec::with_capacity(entries.len());
    let mut run = |call: &Call,
                   transaction: &mut Transaction<'_>,
                   entry: &Entry,
                   value: Option<Value<'static>>,
                   id: Option<String>| {
        let mut record = call.record(Interaction::Update, Some(entry.resource_type));
        step(concord, call, transaction, entry, value, id, &mut record, records)
            .map_err(|fault| (placed(fault, entry.place), Box::new(record)))
    };
    locks::take(concord, transaction, &entries).map_err(|fault| failed(call, fault, None))?;
    // What is deleted meets no condition.
    let rest = entries.split_off(entries.partition_point(|entry| entry.what.removes()));
    for entry in entries {
        let one = run(call, transaction, &entry, None, None)?;
        done.push((entry.place, one));
    }
    let Named { mut ids, names } = name(concord, call, transaction, &rest)?;
    let call = &Call { together: names.values().cloned().collect(), ..call.clone() };
    let mut used = HashSet::new();
    let mut elsewhere: Vec<(usize, String)> = Vec::new();
    for mut entry in rest {
        let mut value = entry.value.take();
        if let Some(value) = &mut value {
            let renaming = Renaming { names: &names, root: entry.root() };
            renaming.apply(value, &mut used);
            resolve(concord, call, transaction, value).map_err(|fault| failed(call, fault, Some(&entry)))?;
        }
        let id = ids.remove(&entry.place);
        let one = run(call, transaction, &entry, value, id.clone())?;
        if let (Done::Written(written), Some(id), Some(url)) = (&one, id, entry.full_url)
            && written.version.id != id
        {
            elsewhere.push((entry.place, url));
        }
        done.push((entry.place, one));
    }
    // A condition that an earlier entry came to meet led to another resource than the references to this entry.
    if let Some((place, _)) = elsewhere.iter().find(|(_, url)| used.contains(url)) {
        return Err(failed(call, same(*place), None));
    }
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

fn failed(call: &Call, fault: Fault, entry: Option<&Entry>) -> Failed {
    let record = call.record(Interaction::Update, entry.map(|entry| entry.resource_type));
    let fault = match entry {
        Some(entry) => placed(fault, entry.place),
        None => fault,
    };
    (fault, Box::new(record))
}

/// The ids of what the entries create or replace.
struct Named {
    /// By the place of the entry.
    ids: HashMap<usize, String>,
    /// `Type/id` by the `fullUrl` of the entry.
    names: HashMap<String, String>,
}

/// Gives every new resource its id, so that each can be referred to before it is stored.
fn name(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<Named, Failed> {
    let mut named = Named { ids: HashMap::new(), names: HashMap::new() };
    let mut met: HashMap<(ResourceType, String), String> = HashMap::new();
    let mut replaced: HashSet<(ResourceType, String)> = HashSet::new();
    for entry in entries {
        let id = match &entry.what {
            What::Update(id) => id.clone(),
            What::Create(None) => matching::new_id(transaction.now),
            What::Create(Some(query)) | What::UpdateMatch(query) => {
                let condition = (entry.resource_type, matching::told(query));
                if let Some(id) = met.get(&condition) {
                    id.clone()
                } else {
                    let found = matching::one(concord, call, transaction, query)
                        .map_err(|fault| failed(call, fault, Some(entry)))?;
                    let own = || match &entry.what {
                        What::UpdateMatch(_) => entry.value.as_ref()?.text("id").map(str::to_owned),
                        _ => None,
                    };
                    let id = found.map(|found| found.id).or_else(own);
                    let id = id.unwrap_or_else(|| matching::new_id(transaction.now));
                    met.insert(condition, id.clone());
                    id
                }
            }
            _ => continue,
        };
        let replaces = matches!(entry.what, What::Update(_) | What::UpdateMatch(_));
        if replaces && !replaced.insert((entry.resource_type, id.clone())) {
            return Err(failed(call, same(entry.place), None));
        }
        if let Some(url) = &entry.full_url {
            named.names.insert(url.clone(), format!("{}/{id}", entry.resource_type));
        }
        named.ids.insert(entry.place, id);
    }
    Ok(named)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one entry, each of its own kind")]
fn step(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    entry: &Entry,
    value: Option<Value<'static>>,
    id: Option<String>,
    record: &mut Record,
    records: &mut Vec<Record>,
) -> Result<Done, Fault> {
    let resource_type = entry.resource_type;
    let value = || value.ok_or_else(|| Fault::Internal("an entry without its resource".to_owned()));
    let done = match &entry.what {
        What::Create(condition) => {
            record.interaction = Interaction::Create as i16;
            let id = id.unwrap_or_else(|| matching::new_id(transaction.now));
            if resource_type == super::AUDIT_EVENT {
                let written = create::handed_in(call, transaction, &value()?, record)?;
                return Ok(Done::Written(written));
            }
            create::run(concord, call, transaction, resource_type, value()?, condition.as_deref(), &id, record)
                .map(Done::Written)
        }
        What::Update(id) => {
            update::run(concord, call, transaction, resource_type, id, value()?, entry.precondition.as_ref(), record)
                .map(Done::Written)
        }
        What::UpdateMatch(query) => update::conditional(
            concord,
            call,
            transaction,
            resource_type,
            query,
            value()?,
            entry.precondition.as_ref(),
            record,
            id.unwrap_or_else(|| matching::new_id(transaction.now)),
        )
        .map(Done::Written),
        What::Patch(..) | What::PatchMatch(..) => {
            record.interaction = Interaction::Patch as i16;
            let (target, patch) = match &entry.what {
                What::PatchMatch(query, patch) => (Target::Match(query.clone()), patch),
                What::Patch(id, patch) => (Target::Id(id.clone()), patch),
                _ => return Err(Fault::NotFound),
            };
            let precondition = entry.precondition.as_ref();
            patching::target(concord, call, transaction, resource_type, &target)
                .and_then(|id| {
                    patching::run(concord, call, transaction, resource_type, &id, patch, precondition, record)
                })
                .map(Done::Written)
        }
        What::Delete(id) => {
            record.interaction = Interaction::Delete as i16;
            delete::run(concord, call, transaction, resource_type, id, entry.precondition.as_ref(), record)
                .map(Done::Deleted)
        }
        What::DeleteMatch(query) => {
            record.interaction = Interaction::Delete as i16;
            delete::conditional(concord, call, transaction, resource_type, query, entry.precondition.as_ref(), record)
                .map(Done::Deleted)
        }
        What::Read(id) => {
            record.interaction = Interaction::Read as i16;
            record.entity.clone_from(id);
            read::current(concord, call, transaction, resource_type, id, record).map(Done::Found)
        }
        What::Vread(id, number) => {
            record.interaction = Interaction::Vread as i16;
            record.entity.clone_from(id);
            record.version = *number;
            read::version(concord, call, transaction, resource_type, id, *number, record).map(Done::Found)
        }
        What::History(of, range, pairs) => {
            record.interaction = of.interaction() as i16;
            let (next, found) = history::run(concord, call, transaction, of, range, record)?;
            let disclosed: Vec<_> = found.iter().map(|(rows, version)| (*rows, version)).collect();
            records.extend(history::per_patient(transaction, record.clone(), &disclosed, &[])?);
            let page = history::Page { versions: found.into_iter().map(|(_, version)| version).collect(), next };
            return Ok(Done::Versions(Box::new((of.clone(), pairs.clone(), page, range.limit))));
        }
        What::Operation(_) => {
            let text = "an operation is carried out in a batch and not in a transaction";
            return Err(Fault::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
        }
        What::Search(query, path) => {
            record.interaction = Interaction::Search as i16;
            record.query = matching::told(query);
            let page = searching::run(concord, call, transaction, query, record)?;
            records.extend(history::per_patient(transaction, record.clone(), &page.disclosed(), &query.records())?);
            return Ok(Done::Page(Box::new((path.clone(), (**query).clone(), page))));
        }
    }?;
    records.push(record.clone());
    Ok(done)
}

impl Done {
    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Done::Written(written) if written.created => "201 Created",
            Done::Written(_) | Done::Found(_) | Done::Page(_) | Done::Versions(_) | Done::Output(_) => "200 OK",
            Done::Deleted(_) => "204 No Content",
        }
    }
}
