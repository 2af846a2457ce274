//! batch and transaction (R4 "RESTful API", batch/transaction). Every entry goes the way of its own interaction; there
//! is no second path.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use base64::Engine;
use concord_fhir::index;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::patch::Patch;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::rules;
use concord_fhir::search::{self, Handling, Query};

use super::audit::Interaction;
use super::create::{self, Written};
use super::history::{Of, Range};
use super::operation::{self, Input, Operation, Output};
use super::update::{self, Precondition, Target};
use super::{Call, Concord, Pairs, delete, history, logged, matching, parameters, read};
use super::{patch as patching, search as searching};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// How many entries a Bundle may have.
pub(crate) const ENTRIES: usize = 5_000;

/// Into how many shares the records are parted for the locks of a transaction: how many locks there can be at most.
const SHARES: u64 = 256;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// One entry, understood.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place in the Bundle.
    place: usize,
    /// Its `fullUrl`, by which others refer to it.
    full_url: Option<String>,
    resource_type: ResourceType,
    what: What,
    value: Option<Value<'static>>,
    precondition: Option<Precondition>,
    /// The parameters of its address that say in what form the answer goes.
    form: Pairs,
}

/// What an entry asks for.
#[derive(Clone, Debug)]
enum What {
    Create(Option<Box<Query>>),
    Update(String),
    UpdateMatch(Box<Query>),
    Patch(String, Patch),
    PatchMatch(Box<Query>, Patch),
    Delete(String),
    DeleteMatch(Box<Query>),
    Read(String),
    Vread(String, i64),
    /// What is searched, and its path below the base.
    Search(Box<Query>, String),
    /// Which versions, with the parameters.
    History(Of, Range, Pairs),
    /// Only in a batch: an operation has a transaction of its own.
    Operation(Box<Called>),
}

/// An operation that an entry calls.
#[derive(Clone, Debug)]
struct Called {
    operation: &'static Operation,
    target: operation::Target,
    input: Input,
    /// Its path below the base.
    path: String,
}

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

impl What {
    /// When it is carried out in a transaction.
    fn rank(&self) -> u8 {
        match self {
            What::Delete(_) => 0,
            What::DeleteMatch(_) => 1,
            What::Create(_) => 2,
            What::Update(_) | What::Patch(..) => 3,
            What::UpdateMatch(_) | What::PatchMatch(..) => 4,
            _ => 5,
        }
    }

    /// Whether it takes something away.
    fn removes(&self) -> bool {
        matches!(self, What::Delete(_) | What::DeleteMatch(_))
    }

    /// The condition on which something is created or changed.
    fn condition(&self) -> Option<&Query> {
        match self {
            What::Create(condition) => condition.as_deref(),
            What::UpdateMatch(query) | What::PatchMatch(query, _) => Some(query),
            _ => None,
        }
    }

    /// The id of what is changed or taken away, if it is known beforehand.
    fn changed(&self) -> Option<&str> {
        match self {
            What::Update(id) | What::Patch(id, _) | What::Delete(id) => Some(id),
            _ => None,
        }
    }

    /// Whether it changes what is there, or may do so.
    fn changes(&self) -> bool {
        self.changed().is_some() || matches!(self, What::UpdateMatch(_) | What::PatchMatch(..) | What::DeleteMatch(_))
    }
}

/// Reads the entries of a checked Bundle.
///
/// # Errors
/// Every entry that is no request that this server takes, with its place.
pub(crate) async fn entries(concord: &Concord, bundle: &Value<'static>) -> Result<Vec<Result<Entry, Fault>>, Fault> {
    let list = bundle.list("entry");
    if list.len() > ENTRIES {
        return Err(Fault::TooLarge(format!("a Bundle may have at most {ENTRIES} entries")));
    }
    let read = |registry: &Registry| -> Vec<Result<Entry, Fault>> {
        list.iter().enumerate().map(|(place, value)| entry(concord, registry, place, value)).collect()
    };
    let known = read(&concord.store.registry());
    if known.iter().all(|entry| entry.as_ref().is_ok_and(Entry::is_settled)) {
        return Ok(known);
    }
    Ok(read(&*concord.store.newest_registry().await?))
}

impl Entry {
    /// The order in which the entries of a transaction are carried out. Those that write to known resources go by their
    /// ids: of two transactions that change the same ones, one then waits for the other, and never each for the other.
    fn order(&self) -> (u8, Option<(ResourceType, &str)>, usize) {
        let known = self.what.changed().map(|id| (self.resource_type, id));
        (self.what.rank(), known, self.place)
    }

    /// The root of its `fullUrl`, if that is the address of a resource on some server.
    fn root(&self) -> Option<&str> {
        let (rest, _) = self.full_url.as_deref()?.rsplit_once('/')?;
        rest.strip_suffix(self.resource_type.name()).filter(|root| root.ends_with('/'))
    }

    /// Whether it would be read the same whatever search parameters have been added.
    fn is_settled(&self) -> bool {
        match &self.what {
            What::Create(Some(query))
            | What::UpdateMatch(query)
            | What::PatchMatch(query, _)
            | What::DeleteMatch(query)
            | What::Search(query, _) => parameters::is_settled(query),
            _ => true,
        }
    }

    /// The parameters of its address that say in what form the answer goes.
    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.form
    }
}

fn entry(concord: &Concord, registry: &Registry, place: usize, value: &Value<'static>) -> Result<Entry, Fault> {
    let at = |text: String| {
        Fault::Malformed(vec![Issue::error(IssueCode::Value, format!("Bundle.entry[{place}].request"), text)])
    };
    let request =
        value.get("request").ok_or_else(|| at("an entry of a batch or transaction has a request".to_owned()))?;
    let url = request.text("url").unwrap_or_default();
    let url = url.strip_prefix(&concord.base).unwrap_or(url).trim_start_matches('/');
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let name = parts.first().copied().unwrap_or_default();
    let resource_type = ResourceType::parse(name)
        .filter(|named| named.name() != "Parameters")
        .ok_or_else(|| at(format!("url does not begin with a resource type: {:?}", shortened(name))))?;
    let now = concord.store.now_ms();
    let condition = |text: &str| {
        let pairs = pairs(text);
        let query = search::parse_with(registry, Some(resource_type), &pairs, Handling::Strict, now, &concord.base)
            .map_err(Fault::Malformed)?;
        if query.predicate == concord_fhir::predicate::Predicate::All {
            return Err(at("the condition names no search parameter".to_owned()));
        }
        Ok(Box::new(query))
    };
    let asked = pairs(query.unwrap_or_default());
    let searched = |within: Option<ResourceType>| {
        let pairs: Vec<_> = asked.iter().filter(|(name, _)| !["_format", "_pretty"].contains(&name.as_str())).collect();
        let pairs: Pairs = pairs.into_iter().cloned().collect();
        search::parse_with(registry, within, &pairs, Handling::Lenient, now, &concord.base).map_err(Fault::Malformed)
    };
    let (form, named): (Vec<_>, Vec<_>) =
        asked.iter().cloned().partition(|(name, _)| super::FORM.contains(&name.as_str()));
    let read_only = named.is_empty();
    let below = || format!("/{path}");
    let range = || Range::read(&asked, concord.page);
    let id_of = |id: &str| match concord_fhir::value::is_id(id) {
        true => Ok(id.to_owned()),
        false => Err(Fault::NotFound),
    };
    let method = request.text("method").unwrap_or_default();
    let resource = value.get("resource").cloned();
    let what = match (method, parts.as_slice(), query) {
        ("POST", [_], None) => match request.text("ifNoneExist") {
            Some(text) => {
                let text = matching::criteria(&concord.base, resource_type, text);
                What::Create(Some(condition(text)?))
            }
            None => What::Create(None),
        },
        ("PUT", [_, id], None) => What::Update((*id).to_owned()),
        ("PUT", [_], Some(query)) => What::UpdateMatch(condition(query)?),
        ("PATCH", [_, id], None) => What::Patch((*id).to_owned(), patch(concord, resource.as_ref()).map_err(at)?),
        ("PATCH", [_], Some(query)) => {
            What::PatchMatch(condition(query)?, patch(concord, resource.as_ref()).map_err(at)?)
        }
        ("DELETE", [_, id], None) => What::Delete((*id).to_owned()),
        ("DELETE", [_], Some(query)) => What::DeleteMatch(condition(query)?),
        ("GET" | "HEAD" | "POST", [.., name], _) if name.starts_with('$') && parts.len() <= 3 => {
            let id = if let [_, id, _] = parts.as_slice() { Some(id_of(id)?) } else { None };
            let target = operation::Target { resource_type: Some(resource_type), id };
            let operation = operation::called(name, &target, method != "POST")?;
            let mut input = Input { pairs: named, ..Input::default() };
            if let Some(body) = resource.clone().filter(|_| method == "POST") {
                input = input.with_body(body);
            }
            input.check(operation)?;
            What::Operation(Box::new(Called { operation, target, input, path: below() }))
        }
        ("GET" | "HEAD", [_, "_history"], _) => What::History(Of::Type(resource_type), range()?, asked),
        ("GET" | "HEAD", [_, id], _) if read_only => What::Read((*id).to_owned()),
        ("GET" | "HEAD", [_, id, "_history"], _) => {
            What::History(Of::Instance(resource_type, id_of(id)?), range()?, asked)
        }
        ("GET" | "HEAD", [_, id, "_history", number], _) if read_only => {
            What::Vread((*id).to_owned(), number.parse().map_err(|_| Fault::NotFound)?)
        }
        ("GET" | "HEAD", [_], _) => What::Search(Box::new(searched(Some(resource_type))?.counted()), below()),
        ("GET" | "HEAD", ["Patient", id, within], _) => {
            let within = match *within {
                "*" => None,
                name => Some(ResourceType::parse(name).ok_or(Fault::NotFound)?),
            };
            let query = searched(within)?.in_compartment(&id_of(id)?);
            let query = query.map_err(|issue| Fault::Malformed(vec![issue]))?;
            What::Search(Box::new(query.counted()), below())
        }
        (method, ..) => {
            return Err(at(format!("{} {:?} is not served in a Bundle", shortened(method), shortened(path))));
        }
    };
    if matches!(what, What::Create(_) | What::Update(_) | What::UpdateMatch(_)) {
        let found = resource.as_ref().and_then(|value| value.text("resourceType"));
        if found != Some(resource_type.name()) {
            return Err(at(format!("the entry needs a resource of type {resource_type}")));
        }
    }
    if let What::Update(id) = &what
        && resource.as_ref().and_then(|value| value.text("id")) != Some(id.as_str())
    {
        return Err(at("the id in the resource must be the one in url".to_owned()));
    }
    let changes = what.changes();
    if changes && (resource_type == super::AUDIT_EVENT || resource_type == super::PROVENANCE) {
        let text = format!("a {resource_type} is never changed or deleted");
        return Err(Fault::NotAllowed { text, allow: "GET, HEAD, POST" });
    }
    let precondition = match (request.text("ifMatch").map(str::trim), request.text("ifNoneMatch")) {
        // Many write the bare version id here.
        (Some(number), None) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().ok().map(|version| Precondition::OneOf(vec![version]))
        }
        // A read is answered whatever the client has.
        (None, Some(_)) if !changes => None,
        (if_match, if_none_match) => {
            Precondition::read(if_match, if_none_match).map_err(|(name, text)| at(format!("{name}: {text}")))?
        }
    };
    Ok(Entry {
        place,
        full_url: value.text("fullUrl").map(str::to_owned),
        resource_type,
        what,
        value: resource,
        precondition,
        form,
    })
}

fn pairs(text: &str) -> Pairs {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The JSON Patch in the Binary of an entry (R4 "RESTful API", transaction: the body of a patch).
fn patch(concord: &Concord, resource: Option<&Value<'_>>) -> Result<Patch, String> {
    const MEDIA: &str = "application/json-patch+json";
    let binary = resource.filter(|value| value.text("resourceType") == Some("Binary"));
    let binary = binary.filter(|value| value.text("contentType") == Some(MEDIA));
    let data = binary.and_then(|value| value.text("data"));
    let data = data.ok_or_else(|| format!("a patch comes in a Binary with the contentType {MEDIA}"))?;
    let plain: String = data.split_ascii_whitespace().collect();
    let body = base64::engine::general_purpose::STANDARD.decode(plain).map_err(|_| "data: not base64".to_owned())?;
    Patch::read(&body, &concord.limits).map_err(|issues| {
        let texts: Vec<String> = issues.into_iter().map(|issue| issue.text).collect();
        texts.join("; ")
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
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
    lock_conditions(transaction, &entries)
        .and_then(|()| lock_records(concord, transaction, &entries))
        .and_then(|()| lock_resources(transaction, &entries))
        .map_err(|fault| failed(call, fault, None))?;
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

/// Takes the locks of all conditions, in an order that is the same for every transaction.
fn lock_conditions(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
    let mut conditions: Vec<(ResourceType, String, &Query)> = entries
        .iter()
        .filter_map(|entry| entry.what.condition().map(|query| (entry.resource_type, matching::told(query), query)))
        .collect();
    conditions.sort_by(|(one, text, _), (other, other_text, _)| (one, text).cmp(&(other, other_text)));
    conditions.iter().try_for_each(|(resource_type, _, query)| matching::lock(transaction, *resource_type, query))
}

/// Of a transaction that writes into several records, takes locks for all of them, in an order that is the same for every
/// transaction: what is kept for each record would else be waited for in the order of the entries.
fn lock_records(concord: &Concord, transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
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
fn lock_resources(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Fault> {
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

/// The addresses of the new resources, to be put in place of the `fullUrl`s by which the entries refer to one another
/// (R4 "Resolving references in Bundles").
struct Renaming<'n> {
    /// `Type/id` by `fullUrl`.
    names: &'n HashMap<String, String>,
    /// What relative references of the entry are relative to, with the slash.
    root: Option<&'n str>,
}

impl Renaming<'_> {
    /// Renames in references, in links of the narrative, and wherever else a URN of another entry stands. The
    /// `fullUrl`s that were met are `used`.
    fn apply(&self, value: &mut Value<'static>, used: &mut HashSet<String>) {
        match value {
            Value::Object(object) => {
                for (member, child) in &mut object.0 {
                    match child {
                        Value::String(text) if member == "reference" || text.starts_with("urn:") => {
                            if let Some(name) = self.name(text, used) {
                                *child = Value::string(name);
                            }
                        }
                        Value::String(div) if member == "div" && div.contains("\"urn:") => {
                            let parts = div.split('"').map(|part| self.name(part, used).unwrap_or(part));
                            *child = Value::string(parts.collect::<Vec<_>>().join("\""));
                        }
                        other => self.apply(other, used),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item, used)),
            _ => {}
        }
    }

    fn name(&self, text: &str, used: &mut HashSet<String>) -> Option<&str> {
        let absolute = self.root.map(|root| format!("{root}{text}"));
        let (url, name) = [Some(text), absolute.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|url| Some((url, self.names.get(url)?)))?;
        used.insert(url.to_owned());
        Some(name)
    }
}

/// Puts `Type/id` in place of conditional references, `Type?search`, which must match one visible resource.
fn resolve(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &mut Value<'static>,
) -> Result<(), Fault> {
    match value {
        Value::Object(object) => {
            for (member, child) in &mut object.0 {
                let found = match &mut *child {
                    Value::String(text) if member == "reference" => matched(concord, call, transaction, text)?,
                    other => {
                        resolve(concord, call, transaction, other)?;
                        None
                    }
                };
                if let Some(found) = found {
                    *child = Value::string(found);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                resolve(concord, call, transaction, item)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn matched(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    reference: &str,
) -> Result<Option<String>, Fault> {
    let Some((name, text)) = reference.split_once('?') else { return Ok(None) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
    let pairs: Pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let now = transaction.now;
    let read = |registry: &Registry| {
        search::parse_with(registry, Some(resource_type), &pairs, Handling::Strict, now, &concord.base)
    };
    // Most name nothing but what R4 has.
    let query = match read(Registry::r4()) {
        Ok(query) => query,
        Err(_) => read(&*transaction.registry()?).map_err(Fault::Malformed)?,
    };
    match matching::one(concord, call, transaction, &query)? {
        Some(found) => Ok(Some(format!("{resource_type}/{}", found.id))),
        None => Err(Fault::PreconditionFailed(Issue::plain(
            IssueCode::NotFound,
            format!("the reference {name}?... matches no resource that the caller may read"),
        ))),
    }
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
