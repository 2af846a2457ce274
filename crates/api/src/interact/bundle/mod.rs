//! batch and transaction (R4 "RESTful API", batch/transaction). Every entry is a command and is carried out as one: by
//! itself in a batch, in one database transaction with the others in a transaction.

mod afterwards;
mod ahead;
mod entry;
mod identity;
mod links;
mod locks;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use concord_fhir::codec::{Requests, place_of_entry};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::search::Handling;

use crate::error::ApiError;
use crate::interact::access::{break_glass, person};
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::audit::interaction::undone;
use crate::interact::bundle::afterwards::Parts;
pub(crate) use crate::interact::bundle::entry::Entry;
use crate::interact::bundle::identity::Named;
use crate::interact::bundle::links::{Name, Renaming, Used, resolve};
use crate::interact::command::{Command, TransactionKind};
use crate::interact::execute::{MOST_TRIES, Outcome, asking_elsewhere, carry_out_within, execute, in_transaction};
use crate::interact::foreseen::Foreseen;
use crate::interact::session::Session;
use crate::interact::slots::Slot;
use crate::interact::time_limits::within;
use crate::interact::write;
use crate::interact::{Budget, Call, Service};
use concord_store::audit::Record;
use concord_store::transaction::Transaction;
use concord_store::{Extent, Reply};

/// The type of a Bundle whose entries are independent of one another.
pub(crate) const BATCH: &str = "batch";

/// Reads the entries of a Bundle of requests.
///
/// # Errors
/// When there are too many. What is wrong with an entry stands in its place.
pub(crate) async fn entries(
    service: &Service,
    bundle: Requests<'static>,
    handling: Handling,
) -> Result<Vec<Result<Entry, ApiError>>, ApiError> {
    let is_batch = bundle.kind == BATCH;
    let mut entries = entry::entries(service, bundle, handling).await?;
    if is_batch {
        links::refuse_between(&mut entries);
    }
    Ok(entries)
}

/// What entries have led to, as it is told.
pub(crate) trait Told {
    /// Whether there is room for what a further entry leads to.
    ///
    /// # Errors
    /// Why there is none.
    fn require_room(&self) -> Result<(), ApiError>;

    /// Adds what the entry at a place led to.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn add(&mut self, place: usize, done: Result<Outcome, ApiError>) -> Result<(), ApiError>;
}

/// Carries out each entry by itself and tells what it led to, in the order of the entries. Once the answer is full, no
/// further entry is carried out: each is told so.
///
/// # Errors
/// When what an entry led to cannot be told.
pub(crate) async fn batch(
    service: &Arc<Service>,
    call: &Call,
    entries: Vec<Result<Entry, ApiError>>,
    told: &mut impl Told,
) -> Result<(), ApiError> {
    if entries.is_empty() || entries.iter().any(Result::is_err) {
        // These lead to no session.
        person::require_acting(service, call).await?;
    }
    let call = Call { left_ids: entry::left_ids(entries.iter().flatten()), ..call.clone() };
    let (mut answer, mut beside) = (service.settings.answer, false);
    for (place, entry) in entries.into_iter().enumerate() {
        let done = match (entry, answer.require_room().and_then(|()| told.require_room())) {
            (Err(fault), _) | (Ok(_), Err(fault)) => Err(fault),
            (Ok(entry), Ok(())) => {
                carry_out_within(service, call.clone(), entry.command, &mut answer, &mut beside).await
            }
        };
        told.add(place, done).await?;
    }
    Ok(())
}

/// A transaction of so many entries keeps others waiting no longer than their own would.
const SHORT: usize = 32;

/// Waits for the place that a Bundle of so many entries needs, no longer than a write may take. Of one caller's so few are
/// carried out at a time that what others write comes between them; those of few entries share commits instead.
///
/// # Errors
/// Those of [`Slots::enter`](crate::interact::slots::Slots::enter), and [`ApiError::Busy`] after that time.
pub(crate) async fn place(
    service: &Service,
    call: &Call,
    is_batch: bool,
    entries: usize,
) -> Result<Option<Slot>, ApiError> {
    let free = if is_batch { 1 } else { SHORT };
    match entries <= free {
        true => Ok(None),
        false => within(service.settings.time.write, false, service.bundles.enter(&call.caller)).await.map(Some),
    }
}

/// Carries out all entries or none: deletes, then creates, updates and reads. References to other entries are to their
/// `fullUrl`, or a search that matches one resource. One that only reads is done as reads are, away from the writer. What searches and the
/// like come to beside writes may be told when these have been done ([`afterwards`]).
///
/// # Errors
/// The error of the first entry that fails, with the entry's place.
pub(crate) async fn transaction(
    service: &Arc<Service>,
    call: Call,
    entries: Vec<Result<Entry, ApiError>>,
) -> Result<Vec<Result<Outcome, ApiError>>, ApiError> {
    let all = understood(entries)?;
    distinct(&all)?;
    let call = Call { left_ids: entry::left_ids(all.iter()), ..call };
    if all.is_empty() {
        person::require_acting(service, &call).await?;
    }
    let kinds = all.iter().map(|entry| entry.command.transaction_kind());
    let kind = match kinds.reduce(TransactionKind::and) {
        // It may be large, which nobody else waits for.
        Some(TransactionKind::Head(..)) | None => TransactionKind::Records,
        Some(kind) => kind,
    };
    let writes = kind == TransactionKind::Change;
    let limit = service.settings.time.transaction;
    let until = Instant::now() + limit;
    let parts = match writes {
        true => afterwards::parts(service, all)?,
        false => Parts { together: all, afterwards: Vec::new() },
    };
    let mut places: Vec<usize> = parts.together.iter().map(|entry| entry.place).collect();
    places.sort_unstable();
    let done = within(limit, writes, all_or_nothing(service, call.clone(), parts.together, kind)).await?;
    Ok(afterwards::carried_out(service, &call, (places, done), parts.afterwards, until).await)
}

/// Carries entries out in one transaction; again, if the versions by which they refer to one another have become others (which
/// those are depends on whether an update changes anything, and is known when it is done), or those that they patch.
async fn all_or_nothing(
    service: &Arc<Service>,
    call: Call,
    all: Vec<Entry>,
    kind: TransactionKind,
) -> Result<Vec<Outcome>, ApiError> {
    for entry in &all {
        break_glass::declare(service, &call, break_glass::GlassTarget::of(&entry.command)).await?;
    }
    let mut foreseen = Arc::new(HashMap::new());
    let extent = match all.as_slice() {
        [only] if !only.command.reads_one() => only.command.extent(&call),
        _ => Extent::Much,
    };
    let all = Arc::new(all);
    let mut finds_before = false;
    let mut fault = ApiError::Conflict("entries refer to one another by versions that keep changing".to_owned());
    for _ in 0..MOST_TRIES {
        let done = asking_elsewhere(service, &call.questions, async || {
            let ahead = ahead::foresee(service, &call, &all, finds_before).await?;
            let (own, called, all, expected) =
                (Arc::clone(service), call.clone(), Arc::clone(&all), Arc::clone(&foreseen));
            let work = move |transaction: &mut Transaction<'_>| {
                together(&own, &called, transaction, &all, (&expected, &ahead))
            };
            in_transaction(service, &call.caller, kind.clone(), extent, work).await
        });
        match done.await {
            Err(ApiError::OtherVersions(versions)) => foreseen = Arc::new(versions),
            Err(costly) if matches!(costly.cause(), ApiError::CostlyCondition) && is_tried_again(&costly, &all) => {
                (finds_before, fault) = (true, ApiError::Busy(1));
            }
            Err(changed) if matches!(changed.cause(), ApiError::NotForeseen { .. }) => fault = changed,
            done => return done,
        }
    }
    let told = AuditEntry::begin(&call, Interaction::Update, None).ended(Some(&fault));
    service.store.append_of(service.company.asker(&call.caller), told).await?;
    Err(fault)
}

/// Whether nothing has been decided yet, so that it is tried again and nothing is told. The log goes on meanwhile: what a condition
/// on it matches cannot be found before.
fn is_tried_again(fault: &ApiError, entries: &[Entry]) -> bool {
    let is_foreseeable = || entries.iter().all(|entry| entry.command.is_foreseeable());
    fault.is_undecided() && (!matches!(fault.cause(), ApiError::CostlyCondition) || is_foreseeable())
}

/// The entries, if each is understood. Of several whose content is not valid each is told.
fn understood(entries: Vec<Result<Entry, ApiError>>) -> Result<Vec<Entry>, ApiError> {
    let mut all = Vec::with_capacity(entries.len());
    let mut refused = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        match entry {
            Ok(entry) => all.push(entry),
            Err(fault) => refused.push(placed(fault, place)),
        }
    }
    let is_content = |fault: &ApiError| matches!(fault.cause(), ApiError::Malformed(_) | ApiError::Unprocessable(_));
    match refused.iter().position(|fault| !is_content(fault)).unwrap_or(refused.len()) {
        0 if refused.is_empty() => Ok(all),
        0 => Err(refused.swap_remove(0)),
        several => {
            refused.truncate(several);
            Err(ApiError::InEntries(refused))
        }
    }
}

/// Two entries may not be for the same resource (R4 "Transaction Integrity"), nor be referred to by the same `fullUrl`.
fn distinct(entries: &[Entry]) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    let mut urls = HashSet::new();
    for entry in entries {
        if let Some(changed) = entry.command.changed()
            && !seen.insert(changed)
        {
            return Err(same(entry.place));
        }
        if let (Some(url), true) = (&entry.full_url, entry.command.is_named())
            && !urls.insert(url)
        {
            return Err(ApiError::Malformed(vec![Issue::error(
                IssueCode::Invalid,
                format!("{}.fullUrl", place_of_entry(entry.place)),
                "another entry of the transaction has the same fullUrl",
            )]));
        }
    }
    Ok(())
}

fn same(place: usize) -> ApiError {
    let text = "another entry of the transaction is for the same resource";
    ApiError::Malformed(vec![Issue::error(IssueCode::Invalid, place_of_entry(place), text)])
}

/// An error of an entry, with the place of the entry.
fn placed(fault: ApiError, place: usize) -> ApiError {
    ApiError::InEntry { place, fault: Box::new(fault) }
}

/// Why a transaction ended, and what the log has to say of the entry that it ended with.
type Failed = (ApiError, Vec<Record>);

fn together(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction<'_>,
    entries: &[Entry],
    (foreseen, ahead): (&HashMap<usize, i64>, &Foreseen),
) -> Reply<Vec<Outcome>, ApiError> {
    transaction.bound(service.settings.cost);
    transaction.bound_copies(write::MOST_COPIES);
    ahead.begin(service);
    let answer = service.settings.answer;
    let (call, records, looked_up) = (call.clone(), Vec::new(), Vec::new());
    let met = BTreeMap::new();
    let mut whole = TransactionBundle { service, call, transaction, records, met, looked_up, answer, foreseen, ahead };
    let done = whole.carry_out(entries);
    let (records, met, looked_up) = (whole.records, whole.met, whole.looked_up);
    match done {
        Ok(done) => (Ok(done), records.into_iter().chain(looked_up).collect()),
        // It has not been decided yet.
        Err((fault, _)) if is_tried_again(&fault, entries) => (Err(fault), Vec::new()),
        Err((fault, refused)) => {
            let met = met.into_values().flatten();
            (Err(fault), records.into_iter().map(undone).chain(met).chain(refused).chain(looked_up).collect())
        }
    }
}

/// The entries in the order in which they are carried out.
fn in_order(entries: &[Entry]) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by(|one, other| one.order().cmp(&other.order()));
    entries
}

/// A transaction Bundle at work.
struct TransactionBundle<'s, 't> {
    service: &'s Service,
    call: Call,
    transaction: &'s mut Transaction<'t>,
    /// What the log has to say of the entries that have been carried out.
    records: Vec<Record>,
    /// What it has to say of what the conditions of the others have met, by their places, if these are not carried out.
    met: BTreeMap<usize, Vec<Record>>,
    /// What it has to say of what references by a search have found, whatever becomes of the rest.
    looked_up: Vec<Record>,
    /// What the answer has room for.
    answer: Budget,
    /// Which version entries lead to, by their places, as far as that has been found before.
    foreseen: &'s HashMap<usize, i64>,
    /// What has been found before.
    ahead: &'s Foreseen,
}

impl<'t> TransactionBundle<'_, 't> {
    fn carry_out(&mut self, entries: &[Entry]) -> Result<Vec<Outcome>, Failed> {
        let mut entries = in_order(entries);
        let mut done: Vec<(usize, Outcome)> = Vec::with_capacity(entries.len());
        locks::take(self.service, self.transaction, &entries).map_err(|fault| self.failed(fault))?;
        let mut identities = self.identities(&entries)?;
        // What is deleted meets no condition on which something is created.
        let rest = entries.split_off(entries.partition_point(|entry| entry.command.removes()));
        for entry in entries {
            done.push((entry.place, self.step(entry, entry.command.clone())?));
        }
        let named = self.name(&rest, &mut identities)?;
        self.announce(&rest, &named);
        let hooks = self.service.hooks;
        let mut used = Used::default();
        let (mut written, mut to_confirm) = (Vec::new(), Vec::new());
        for entry in rest {
            let mut command = self.linked(entry, &named.names, &mut used)?;
            if let Some(id) = named.ids.get(&entry.place) {
                command.announce(id.clone());
            }
            let one = self.step(entry, command).map_err(|failed| self.instead(&named, entry, failed))?;
            if let Outcome::Written(stored) = &one {
                let version = &stored.version;
                written.push(named.led_to(entry, version));
                if let Some(confirm) = hooks.of(version.resource_type).confirm {
                    to_confirm.push((confirm, version.clone(), entry));
                }
            }
            done.push((entry.place, one));
        }
        for (confirm, version, entry) in to_confirm {
            self.within(entry, |session| confirm(session, &version))?;
        }
        self.confirm(&written, &used)?;
        done.sort_by_key(|(place, _)| *place);
        Ok(done.into_iter().map(|(_, one)| one).collect())
    }

    /// Lets every entry name what the others store.
    fn announce(&mut self, entries: &[&Entry], named: &Named) {
        self.call.together = named.names.values().map(|name| name.address.clone()).collect();
        let hooks = self.service.hooks;
        // What is replaced is stored like what is new, and some of what is patched is looked at when all is stored.
        let is_stored = |entry: &&&Entry| {
            let is_seen_whole = |named| hooks.of(named).confirm.is_some();
            entry.command.resource().is_some() || entry.command.resource_type().is_some_and(is_seen_whole)
        };
        let changed = entries.iter().filter(is_stored).filter_map(|entry| entry.command.changed());
        self.call.together.extend(changed.map(|(resource_type, id)| format!("{resource_type}/{id}")));
    }

    /// Carries one entry out by its command, which is linked to what the others are for, as a session of its own.
    fn step(&mut self, entry: &Entry, command: Command) -> Result<Outcome, Failed> {
        let mut left = self.answer;
        self.met.remove(&entry.place);
        let (outcome, records) = self.within(entry, |session| {
            left.require_room()?;
            session.transaction.bound_anew(session.service.settings.cost);
            execute(session, command, &mut left)
        })?;
        self.answer = left;
        self.records.extend(records);
        Ok(outcome)
    }

    /// Runs something about an entry in a session of the entry's.
    fn within<T>(
        &mut self,
        entry: &Entry,
        work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
    ) -> Result<(T, Vec<Record>), Failed> {
        let audit = entry.command.audit(&self.call);
        let ahead = self.ahead;
        let (result, records) = Session::run(self.service, &self.call, self.transaction, audit, |session| {
            work(&mut session.foreseeing(Some(ahead)))
        });
        match result {
            Ok(done) => Ok((done, records)),
            Err(fault) => Err((placed(fault, entry.place), records)),
        }
    }

    /// What to tell of a patch for whose condition there was another resource before the entries that come before it.
    fn instead(&self, named: &Named, entry: &Entry, failed: Failed) -> Failed {
        match failed.0.cause() {
            ApiError::NotForeseen { id } if named.ids.get(&entry.place) != Some(id) => self.failed(same(entry.place)),
            _ => failed,
        }
    }

    /// The end of a transaction that no single entry is the reason of.
    fn failed(&self, fault: ApiError) -> Failed {
        let refused = AuditEntry::begin(&self.call, Interaction::Update, None).ended(Some(&fault));
        (fault, refused)
    }

    /// The command of an entry, with the addresses of other entries, and of what references by a search match, in its resource.
    fn linked(&mut self, entry: &Entry, names: &HashMap<String, Name>, used: &mut Used) -> Result<Command, Failed> {
        let mut command = entry.command.clone();
        let is_as_sent = command.resource_type().is_some_and(|named| self.service.hooks.of(named).is_kept_as_sent);
        if let Some(resource) = command.resource_mut() {
            let renaming = Renaming { names, root: entry.root() };
            renaming.apply(resource, used);
            let mut looked_up = Vec::new();
            let resolved = self.within(entry, |session| {
                if !is_as_sent {
                    renaming.refuse_mistaken(resource)?;
                }
                resolve(session, resource, &mut looked_up)
            });
            self.looked_up.extend(looked_up);
            resolved?;
        }
        Ok(command)
    }
}
