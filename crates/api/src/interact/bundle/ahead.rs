//! What is found in a read before a transaction, all of whose entries together have SQLite's only writer, for which all others who
//! write wait: what its patches make, and what is stored of its other entries.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::ApiError;
use crate::interact::bundle::entry::Entry;
use crate::interact::bundle::links::{Used, searches};
use crate::interact::bundle::{Failed, SHORT, TransactionBundle, in_order, placed};
use crate::interact::command::{Command, TransactionKind};
use crate::interact::execute::in_transaction;
use crate::interact::foreseen::{Conditions, Foreseen};
use crate::interact::prepared::Readiness;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::{Call, Service, patch};
use concord_store::transaction::Transaction;
use concord_store::{Extent, Reply};

/// Applies the patches to the versions of now, all of which have one budget, and makes ready what is stored of many entries. Where
/// the writer was found to take too long over them, what conditions match is found too.
///
/// # Errors
/// When the patches cost too much together, a condition by itself does, a terminology server elsewhere has to be asked, and when the store
/// fails.
pub(super) async fn foresee(
    service: &Arc<Service>,
    call: &Call,
    all: &Arc<Vec<Entry>>,
    finds_before: bool,
) -> Result<Foreseen, ApiError> {
    let conditions = match finds_before {
        true => Some(Arc::new(conditions(service, call, all).await?)),
        false => None,
    };
    let patched = Foreseen { conditions, ..patched(service, call, all).await? };
    let stores = |entry: &Entry| matches!(entry.command, Command::Create { .. } | Command::Update { .. });
    if service.store.has_many_writers() || all.iter().filter(|entry| stores(entry)).count() <= SHORT {
        return Ok(patched);
    }
    let (own, called, all) = (Arc::clone(service), call.clone(), Arc::clone(all));
    let look = move |transaction: &mut Transaction<'_>| (ready(&own, &called, transaction, &all, &patched), Vec::new());
    in_transaction(service, &call.caller, TransactionKind::Records, Extent::Much, look).await
}

/// What the conditions of all entries match now, and what their references by a search do.
async fn conditions(service: &Arc<Service>, call: &Call, all: &Arc<Vec<Entry>>) -> Result<Conditions, ApiError> {
    let (own, called, all) = (Arc::clone(service), call.clone(), Arc::clone(all));
    let look = move |transaction: &mut Transaction<'_>| {
        let mut found = Conditions { state: transaction.state(), matched: HashMap::new() };
        for entry in all.iter() {
            let audit = entry.command.audit(&called);
            let (done, records) = Session::run(&own, &called, transaction, audit, |session| {
                if let Some(query) = entry.command.decided_by() {
                    conditional::foresee_one(session, query, &mut found)?;
                }
                let named = entry.command.resource().map_or_else(Vec::new, |resource| searches(session, resource));
                for query in named {
                    conditional::foresee_one(session, &query, &mut found)?;
                }
                session.audit.says_nothing();
                Ok(())
            });
            if let Err(fault) = done {
                return (Err(placed(fault, entry.place)), records);
            }
        }
        (Ok(found), Vec::new())
    };
    in_transaction(service, &call.caller, TransactionKind::Records, Extent::Much, look).await
}

/// What the patches make.
async fn patched(service: &Arc<Service>, call: &Call, all: &Arc<Vec<Entry>>) -> Result<Foreseen, ApiError> {
    Ok(match all.iter().any(|entry| entry.command.is_patch()) {
        false => Foreseen::nothing(service),
        true => match foresee_in(service, call, all, Extent::Little).await {
            Err(ApiError::NotForeseen { .. }) => foresee_in(service, call, all, Extent::Much).await?,
            found => found?,
        },
    })
}

/// Makes ready what is stored. Whatever goes wrong goes wrong in the write as well, which tells.
fn ready(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction<'_>,
    all: &[Entry],
    patched: &Foreseen,
) -> Result<Foreseen, ApiError> {
    transaction.bound(service.settings.cost);
    transaction.store_nothing();
    let mut foreseen = Foreseen { ready: Readiness::before(), ..patched.clone() };
    foreseen.begin(service);
    let (call, records) = (call.clone(), Vec::new());
    let (answer, none) = (service.settings.answer, HashMap::new());
    let mut whole = TransactionBundle {
        service,
        call,
        transaction,
        records,
        met: BTreeMap::new(),
        looked_up: Vec::new(),
        answer,
        foreseen: &none,
        ahead: &foreseen,
    };
    let named = match whole.make_ready(all) {
        Ok(named) => named,
        Err((fault, _)) if fault.questions().is_some() => return Err(fault),
        Err(_) => HashMap::new(),
    };
    let has = |entry: &&Entry| {
        let id = named.get(&entry.place);
        entry.command.resource_type().zip(id).is_some_and(|(named, id)| foreseen.ready.has_new(named, id))
    };
    foreseen.ids =
        all.iter().filter(has).filter_map(|entry| Some((entry.place, named.get(&entry.place)?.clone()))).collect();
    Ok(Foreseen { ready: foreseen.ready.for_write(), ..foreseen })
}

impl TransactionBundle<'_, '_> {
    /// Makes ready what is stored of each entry, as far as that goes without what the others store; the ids of the entries.
    fn make_ready(&mut self, entries: &[Entry]) -> Result<HashMap<usize, String>, Failed> {
        let mut entries = in_order(entries);
        let mut identities = self.identities(&entries)?;
        let rest = entries.split_off(entries.partition_point(|entry| entry.command.removes()));
        let named = self.name(&rest, &mut identities)?;
        self.announce(&rest, &named);
        for entry in rest {
            if entry.command.resource().is_none() {
                continue;
            }
            let mut command = self.linked(entry, &named.names, &mut Used::default())?;
            if let Some(id) = named.ids.get(&entry.place) {
                command.announce(id.clone());
            }
            match self.step(entry, command) {
                Err((fault, _)) if !matches!(fault.cause(), ApiError::NotForeseen { .. } | ApiError::Conflict(_)) => {
                    return if fault.questions().is_some() { Err((fault, Vec::new())) } else { Ok(named.ids) };
                }
                _ => {}
            }
        }
        Ok(named.ids)
    }
}

async fn foresee_in(
    service: &Arc<Service>,
    call: &Call,
    all: &Arc<Vec<Entry>>,
    extent: Extent,
) -> Result<Foreseen, ApiError> {
    let (own, called, all) = (Arc::clone(service), call.clone(), Arc::clone(all));
    let look = move |transaction: &mut Transaction<'_>| look_ahead(&own, &called, transaction, &all, extent);
    in_transaction(service, &call.caller, TransactionKind::Records, extent, look).await
}

fn look_ahead(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction<'_>,
    all: &[Entry],
    extent: Extent,
) -> Reply<Foreseen, ApiError> {
    transaction.bound(service.settings.cost);
    let mut budget = patch::budget(&service.settings.limits, extent);
    let mut foreseen = Foreseen::nothing(service);
    for entry in all.iter().filter(|entry| entry.command.is_patch()) {
        let (found, records) = Session::run(service, call, transaction, entry.command.audit(call), |session| {
            let found = patch::foresee(session, &entry.command, &mut foreseen, &mut budget);
            if extent == Extent::Little && budget.is_spent() {
                return Err(ApiError::NotForeseen { id: String::new() });
            }
            found?;
            session.audit.says_nothing();
            Ok(())
        });
        match found {
            Ok(()) => {}
            Err(fault) if fault.is_undecided() => return (Err(fault), Vec::new()),
            Err(fault) => return (Err(placed(fault, entry.place)), records),
        }
    }
    (Ok(foreseen), Vec::new())
}
