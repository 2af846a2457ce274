//! What the entries of a transaction read that writes. On the embedded database everybody's writes wait for it, so searches, histories
//! and operations that change nothing are carried out as soon as it has been committed: they see what it has written (R4 "RESTful
//! API", transaction: reads come last), take as long as they would alone, and tell no other entry how long that was. What one
//! of them may not have is told in its place, as of an entry of a batch; what has been written stays written.

use std::sync::Arc;
use std::time::Instant;

use crate::error::ApiError;
use crate::interact::bundle::entry::Entry;
use crate::interact::execute::{Outcome, carry_out_within};
use crate::interact::{Budget, Call, Service};
use concord_fhir::issue::{Issue, IssueCode};

/// How many reads of a resource by its id there may be beside writes where everybody's writes wait for them.
const MOST_READS: usize = 100;

/// The entries of a transaction, as they are carried out.
pub(super) struct Parts {
    /// In the transaction.
    pub(super) together: Vec<Entry>,
    /// Once that has been committed.
    pub(super) afterwards: Vec<Entry>,
}

/// Which entries of one that writes are carried out when.
///
/// # Errors
/// When there are more reads by id than there may be.
pub(super) fn parts(service: &Service, all: Vec<Entry>) -> Result<Parts, ApiError> {
    if service.store.has_many_writers() {
        return Ok(Parts { together: all, afterwards: Vec::new() });
    }
    let (afterwards, together): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(|entry| entry.command.gathers());
    let reads = together.iter().filter(|entry| entry.command.reads_one()).count();
    if reads > MOST_READS {
        let text = format!(
            "a transaction that writes may have {MOST_READS} reads of a resource by its id, and this has {reads}: send the others by \
             themselves, or in a batch"
        );
        return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, text)]));
    }
    Ok(Parts { together, afterwards })
}

/// What all entries have led to, in their order. `places` are those of what is done.
pub(super) async fn carried_out(
    service: &Arc<Service>,
    call: &Call,
    (places, done): (Vec<usize>, Vec<Outcome>),
    afterwards: Vec<Entry>,
    until: Instant,
) -> Vec<Result<Outcome, ApiError>> {
    let mut answer = left(service.settings.answer, &done);
    let mut all: Vec<(usize, Result<Outcome, ApiError>)> = places.into_iter().zip(done.into_iter().map(Ok)).collect();
    let mut beside = false;
    for entry in afterwards {
        let done = match answer.require_room() {
            Err(fault) => Err(fault),
            Ok(()) if Instant::now() >= until => Err(ApiError::Busy(1)),
            Ok(()) => carry_out_within(service, call.clone(), entry.command, &mut answer, &mut beside).await,
        };
        all.push((entry.place, done));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, done)| done).collect()
}

/// What is left of an answer that tells of all that was done, whether it has room for that or not.
fn left(mut answer: Budget, done: &[Outcome]) -> Budget {
    for one in done {
        // What was written is told in any case.
        let _beyond = answer.spend(one.weight());
    }
    answer
}
