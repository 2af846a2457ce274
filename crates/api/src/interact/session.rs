//! One call at work: everything that the functions of an interaction share.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::error::ApiError;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::audit::interaction::Interaction;
use crate::interact::foreseen::Foreseen;
use crate::interact::labels::review::is_kept;
use crate::interact::{Call, Service};
use concord_consent::authorship::speaks_for_itself_only;
use concord_consent::caller::Actor;
use concord_consent::facts::Facts;
use concord_fhir::predicate::Predicate;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;
use concord_store::transaction::effective_label::MayLeave;
use concord_store::{Reply, WorkError};

/// A call inside a transaction, with the audit entry that is being written of it.
///
/// A request alone is one session; a batch is a session for each entry; a transaction Bundle is one database transaction
/// with a session for each entry, so that each has an audit entry of its own.
pub(crate) struct Session<'s, 't> {
    /// Settings, caches and keys.
    pub(crate) service: &'s Service,
    /// Who calls, what for and why.
    pub(crate) call: &'s Call,
    /// Where it is read and written.
    pub(crate) transaction: &'s mut Transaction<'t>,
    /// What the log will say of it.
    pub(crate) audit: &'s mut AuditEntry,
    /// What has been found before it.
    pub(crate) foreseen: Option<&'s Foreseen>,
    /// What has been found of the caller.
    pub(crate) cache: &'s SessionCache,
}

/// Refuses a caller who acts no more. It looks into the store by a session, so a session is given it.
pub(crate) type RequireActing = fn(&mut Session<'_, '_>) -> Result<(), ApiError>;

/// What a session has found of its caller, so that it is read once.
#[derive(Default)]
pub(crate) struct SessionCache {
    /// Of whom it is certain that they still act: a session asks for others too, of whom it says nothing of the caller.
    acting: RefCell<Vec<Actor>>,
    /// Who they are, once that has been read.
    pub(crate) facts: RefCell<Option<(Actor, Facts)>>,
    /// What the decisions deny that nothing may name which is shown; none where they deny nothing.
    unnamed: RefCell<Option<Arc<Predicate>>>,
    /// The access version of what is about nobody as it was read last: whatever is read afterwards is no older.
    pub(crate) access_of_nobody: Cell<Option<i64>>,
}

impl SessionCache {
    /// Whether it is certain that this one still acts. Every decision finds that of whom it is about.
    pub(crate) fn is_certain(&self, actor: &Actor) -> bool {
        self.acting.borrow().contains(actor)
    }

    /// The access versions of a record and of what is about nobody, which have been read.
    pub(crate) fn under(&self, access: (i64, i64)) -> (i64, i64) {
        self.access_of_nobody.set(Some(access.1));
        access
    }

    /// Notes that nothing was found that the caller may know of: whether they still act is asked then, also where a decision about
    /// what is hidden has found that, as it is where there is nothing to decide about.
    pub(crate) fn found_nothing(&self) {
        self.acting.borrow_mut().clear();
        // So has what is known of a caller whose decisions are not remembered: an office.
        *self.facts.borrow_mut() = None;
        // What is hidden has been read with the version by which it is asked, what is missing has not.
        self.access_of_nobody.set(None);
    }

    /// Notes what a decision denies that nothing may name which is shown.
    pub(crate) fn note_unnamed(&self, more: &Arc<Predicate>) {
        if **more == Predicate::None {
            return;
        }
        let mut unnamed = self.unnamed.borrow_mut();
        *unnamed = Some(match unnamed.take() {
            Some(known) if Arc::ptr_eq(&known, more) || known == *more => known,
            Some(known) => Arc::new((*known).clone().or((**more).clone())),
            None => more.clone(),
        });
    }

    /// Whether there is anything that nothing may name which is shown.
    pub(crate) fn leaves_names_out(&self) -> bool {
        self.unnamed.borrow().is_some()
    }

    /// What nothing may name that is shown.
    pub(crate) fn unnamed(&self) -> Option<Arc<Predicate>> {
        self.unnamed.borrow().clone()
    }

    /// Notes that this one still acts.
    pub(crate) fn acts(&self, actor: &Actor) {
        if actor.is_professional() && !self.is_certain(actor) {
            self.acting.borrow_mut().push(actor.clone());
        }
    }
}

/// What a caller's write may leave to be labelled in the background, which keeps data below back until it is done: a system that is
/// registered here answers for that, and nobody else does. Whoever has the database is not told to come again.
fn may_leave(call: &Call) -> MayLeave {
    match call.caller.actor {
        Actor::System if call.is_operator() => MayLeave::Anything,
        Actor::System if !speaks_for_itself_only(&call.caller) => MayLeave::Further,
        _ => MayLeave::Nothing,
    }
}

/// What is kept from a caller whatever the Consents say, if that can be told by labels.
fn hidden_from(call: &Call) -> Option<fn(&Version) -> bool> {
    match call.caller.actor {
        Actor::System => None,
        _ if call.caller.actor.is_professional() => None,
        _ => Some(is_kept),
    }
}

impl<'s, 't> Session<'s, 't> {
    /// Runs one session inside a transaction: the result, and what must be in the log before it is given out. Whatever it led to, a
    /// professional who acts no more is told that and nothing else.
    pub(crate) fn run<T>(
        service: &'s Service,
        call: &'s Call,
        transaction: &'s mut Transaction<'t>,
        mut audit: AuditEntry,
        work: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
    ) -> Reply<T, ApiError> {
        transaction.let_leave(may_leave(call));
        transaction.does_not_see(hidden_from(call));
        let cache = SessionCache::default();
        let mut session = Session { service, call, transaction, audit: &mut audit, foreseen: None, cache: &cache };
        let result = work(&mut session);
        let result = session.told_to_whoever_acts(result);
        let records = audit.ended(result.as_ref().err());
        (result, records)
    }

    /// What it led to, success and fault alike, if its caller may be told.
    fn told_to_whoever_acts<T>(&mut self, done: Result<T, ApiError>) -> Result<T, ApiError> {
        if matches!(done, Err(ApiError::NotFound)) {
            self.cache.found_nothing();
        }
        match ((self.service.require_acting)(self), done) {
            (Ok(()), done) => done,
            (Err(ended @ ApiError::Denied(_)), _) => Err(ended),
            // Where the store has failed, it cannot be asked for more; what is undecided is asked again.
            (Err(_), Err(own)) if own.is_failure() || own.is_undecided() => Err(own),
            (Err(fault), _) => Err(fault),
        }
    }

    /// The same session by another call of the same caller: with other scopes, or with more that is about to be stored.
    pub(crate) fn calling<'a>(&'a mut self, call: &'a Call) -> Session<'a, 't> {
        Session {
            service: self.service,
            call,
            transaction: self.transaction,
            audit: self.audit,
            foreseen: self.foreseen,
            cache: self.cache,
        }
    }

    /// The same session with what has been found before it.
    pub(crate) fn foreseeing<'a>(&'a mut self, foreseen: Option<&'a Foreseen>) -> Session<'a, 't> {
        Session { foreseen, ..self.calling(self.call) }
    }

    /// Does what the log tells of otherwise, or not at all: what is looked at on the way to something else.
    pub(crate) fn unlogged<T>(&mut self, part: impl FnOnce(&mut Session<'_, 't>) -> T) -> T {
        let mut unlogged = AuditEntry::begin(self.call, Interaction::Read, None);
        self.telling(&mut unlogged, part)
    }

    /// Does what has an event of its own.
    pub(crate) fn telling<T>(&mut self, audit: &mut AuditEntry, part: impl FnOnce(&mut Session<'_, 't>) -> T) -> T {
        let Session { service, call, foreseen, cache, .. } = *self;
        part(&mut Session { service, call, transaction: self.transaction, audit, foreseen, cache })
    }

    /// The same of a part that is undone alone if it fails.
    pub(crate) fn undone_alone<T>(
        &mut self,
        part: impl FnOnce(&mut Session<'_, 't>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let (service, call, foreseen, cache) = (self.service, self.call, self.foreseen, self.cache);
        let mut unlogged = AuditEntry::begin(call, Interaction::Read, None);
        self.transaction.savepoint(|transaction| {
            part(&mut Session { service, call, transaction, audit: &mut unlogged, foreseen, cache })
        })
    }

    /// Runs what depends on what this process happens to remember, and so is no part of how a search is run.
    pub(crate) fn without_explain<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.transaction.begin_without_explain();
        let done = part(self);
        self.transaction.end_without_explain(before);
        done
    }
}
