//! What the patches among the entries of a transaction make, found in a read before it: all its entries together have SQLite's
//! only writer, for which all others who write wait.

use std::sync::Arc;

use crate::error::ApiError;
use crate::interact::bundle::entry::Entry;
use crate::interact::bundle::placed;
use crate::interact::command::TransactionKind;
use crate::interact::execute::in_transaction;
use crate::interact::foreseen::Foreseen;
use crate::interact::session::Session;
use crate::interact::{Call, Service, patch};
use concord_store::transaction::Transaction;
use concord_store::{Extent, Reply};

/// Applies the patches to the versions of now. All of them have one budget.
///
/// # Errors
/// When they cost too much together, and when the store fails.
pub(super) async fn foresee(service: &Arc<Service>, call: &Call, all: &Arc<Vec<Entry>>) -> Result<Foreseen, ApiError> {
    if !all.iter().any(|entry| entry.command.is_patch()) {
        return Ok(Foreseen::nothing(service));
    }
    match foresee_in(service, call, all, Extent::Little).await {
        Err(ApiError::NotForeseen { .. }) => foresee_in(service, call, all, Extent::Much).await,
        found => found,
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
