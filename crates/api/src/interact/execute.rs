//! Carrying a command out: the one way through, for a request, an entry of a batch and an entry of a transaction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ApiError;
use crate::interact::access::break_glass;
use crate::interact::budget::Budget;
use crate::interact::command::{Command, Target, TransactionKind};
use crate::interact::foreseen::Foreseen;
pub(crate) use crate::interact::outcome::{HistoryPage, OperationOutput, Outcome, SearchPage};
use crate::interact::prepared::Readiness;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::time_limits::within;
use crate::interact::{
    Call, Questions, Service, access, create, delete, history, logical_id, patch, profiles, read, search, update,
};
use concord_consent::caller::Caller;
use concord_fhir::issue::{Issue, IssueCode};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;
use concord_store::{Cost, Extent, Reads, Reply};

/// How often what depends on what was found before is tried, where there is other data each time.
pub(crate) const MOST_TRIES: u32 = 6;

/// How many steps a condition may take on the only writer that can be matched before as well, and a point read that can be done
/// beside: less than a millisecond, for one caller may send many.
const AT_FIRST: u64 = 20_000;

/// What a command may cost: where the condition of a write can be matched before, that is done as soon as it takes more than next
/// to nothing, and where a point read is decided on the only writer, it is done beside as soon as that does.
pub(crate) fn at_first(cost: Cost, is_foreseeable: bool, is_point: bool) -> Cost {
    Cost {
        condition: if is_foreseeable { cost.condition.min(AT_FIRST) } else { cost.condition },
        steps: if is_point { cost.steps.min(AT_FIRST) } else { cost.steps },
        ..cost
    }
}

/// Does work in the kind of transaction that it needs. What the log has to say of it is durable before it answers. Reads wait
/// for the caller's turn, and those that may take the database long for a place. SQLite's only writer needs none: it may take
/// next to nothing for what the caller decides. On PostgreSQL a write holds one of the connections meanwhile, of which nobody
/// may have all.
///
/// # Errors
/// Those of the work, and those of [`Slots::enter`](crate::interact::slots::Slots::enter).
pub(crate) async fn in_transaction<T: Send + 'static>(
    service: &Service,
    caller: &Caller,
    access: TransactionKind,
    extent: Extent,
    work: impl Fn(&mut Transaction<'_>) -> Reply<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (store, asker) = (&service.store, service.company.asker(caller));
    service.company.note(asker);
    let place = match access {
        TransactionKind::Change if extent != Extent::Little && store.has_many_writers() => {
            Some(service.slots.enter(caller).await?)
        }
        _ => None,
    };
    let mut turn = match access {
        TransactionKind::Records | TransactionKind::Everything => Some(service.turns.enter(caller).await?),
        TransactionKind::Head(..) | TransactionKind::Change => None,
    };
    // Who is at something long by now begins nothing that may be as long where others are answered, if there are any.
    let is_alone = extent == Extent::Unknown && service.company.alone(asker).is_some();
    let leaves_others_alone = extent == Extent::Unknown && !is_alone && service.slots.is_at_work(caller);
    let extent = match extent {
        Extent::Unknown if is_alone => Extent::Alone,
        Extent::Unknown if leaves_others_alone => Extent::Much,
        extent => extent,
    };
    // It has the turn, which ends with it: whoever waits for a place leaves it to the next, and so does what waits for a commit only.
    let enter = move || {
        drop(turn.take());
        service.slots.enter_for(caller, !leaves_others_alone)
    };
    match access {
        TransactionKind::Head(resource_type, id) => store.read_head(asker, resource_type, &id, work).await,
        TransactionKind::Records => Box::pin(store.read_bounded(asker, Reads::Records, extent, enter, work)).await,
        TransactionKind::Everything => {
            Box::pin(store.read_bounded(asker, Reads::Everything, extent, enter, work)).await
        }
        TransactionKind::Change => {
            // It is kept until the work has ended, also where whoever asked for it has gone away.
            let in_place = move |transaction: &mut Transaction<'_>| {
                let _until_then = &place;
                work(transaction)
            };
            Box::pin(store.change_of(asker, in_place)).await
        }
    }
}

/// Does work, and again each time that a terminology server elsewhere has been asked what it needs, or that definitions have
/// been read anew. No transaction is open meanwhile, and what it was about is decided anew.
///
/// # Errors
/// Those of the work.
pub(crate) async fn asking_elsewhere<T, F: Future<Output = Result<T, ApiError>>>(
    service: &Arc<Service>,
    questions: &Questions,
    mut work: impl FnMut() -> F,
) -> Result<T, ApiError> {
    loop {
        let done = work().await;
        match (done.as_ref().err().and_then(ApiError::questions), &service.terminology_server) {
            (Some([]), _) => Box::pin(profiles::refresh(service)).await?,
            (Some(asked), Some(server)) => {
                if !Box::pin(questions.ask(server, asked)).await {
                    let text = "this needs more answers of the terminology server than one request may ask for";
                    return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, text)]));
                }
            }
            _ => return done,
        }
    }
}

/// Carries a command out by itself.
///
/// # Errors
/// Those of the interaction.
pub(crate) async fn carry_out(service: &Arc<Service>, call: Call, command: Command) -> Result<Outcome, ApiError> {
    let mut answer = service.settings.answer;
    carry_out_within(service, call, command, &mut answer, &mut false).await
}

/// Carries a command out by itself, whose answer is a part of one that has so much room. What is only read is read beside the
/// writer if one of these was found to take it too long: a batch of them spends that once.
///
/// # Errors
/// Those of the interaction, and [`ApiError::TooLarge`] when what it found does not fit.
pub(crate) async fn carry_out_within(
    service: &Arc<Service>,
    call: Call,
    command: Command,
    answer: &mut Budget,
    beside: &mut bool,
) -> Result<Outcome, ApiError> {
    let (kind, extent) = (command.transaction_kind(), command.extent(&call));
    let writes = kind == TransactionKind::Change;
    let limit = if writes { service.settings.time.write } else { service.settings.time.read };
    // On the heap, as whatever it is handed to holds it twice.
    let work = Box::pin(async {
        break_glass::declare(service, &call, break_glass::GlassTarget::of(&command)).await?;
        let left = Mutex::new(*answer);
        let is_costly = AtomicBool::new(*beside);
        let own = Arc::clone(service);
        let is_large = AtomicBool::new(false);
        let asked = Arc::new(Invocation { service: own, call, command, answer: *answer, left, is_costly, is_large });
        let carried = || Arc::clone(&asked).carry_out(kind.clone(), extent);
        let done = asking_elsewhere(service, &asked.call.questions, carried).await;
        *answer = *asked.left.lock().unwrap_or_else(PoisonError::into_inner);
        *beside = asked.is_costly.load(Ordering::Relaxed);
        done
    });
    within(limit, writes, work).await
}

/// What has been found to take the only writer too long, so that it is found before the write.
#[derive(Clone, Copy)]
struct Before {
    /// What a condition matches.
    matches: bool,
    /// What walks along references come to.
    walks: bool,
}

impl Before {
    fn any(self) -> bool {
        self.matches || self.walks
    }
}

/// Who asks for what.
struct Invocation {
    service: Arc<Service>,
    call: Call,
    command: Command,
    /// What its answer has room for.
    answer: Budget,
    /// What of that is left when it has been carried out.
    left: Mutex<Budget>,
    /// Whether a read is not begun on the only writer: that, or one before it, was found to take it too long.
    is_costly: AtomicBool,
    /// The same of what it reads: it takes long in any case.
    is_large: AtomicBool,
}

impl Invocation {
    /// Carries the command out. What the writer may not find is found in a read before, and holds if nothing of what it
    /// depends on has changed when it is the write's turn; else it is found again.
    async fn carry_out(self: Arc<Self>, kind: TransactionKind, extent: Extent) -> Result<Outcome, ApiError> {
        let (store, caller) = (&self.service.store, &self.call.caller);
        let mut before = Before { matches: false, walks: false };
        let is_made_ready = self.is_made_ready();
        for _ in 0..MOST_TRIES {
            let foreseen = match before.any() || is_made_ready || self.command.is_patch() {
                true => Some(Box::new(Box::pin(self.foresee(before)).await?)),
                false => None,
            };
            let (kind, extent) = self.beside(kind.clone(), extent);
            let work = self.work(foreseen, matches!(kind, TransactionKind::Head(..)));
            match in_transaction(&self.service, caller, kind, extent, work).await {
                Err(ApiError::CostlyRead(Extent::Much)) => self.is_large.store(true, Ordering::Relaxed),
                Err(ApiError::CostlyRead(_)) => self.is_costly.store(true, Ordering::Relaxed),
                Err(ApiError::CostlyCondition) if self.command.is_foreseeable() => before.matches = true,
                Err(ApiError::CostlyWalks) => before.walks = true,
                Err(ApiError::NotForeseen { .. }) => {}
                Err(fault @ ApiError::CostlyCondition) => {
                    let told = self.command.audit(&self.call).ended(Some(&fault));
                    Box::pin(store.append_of(self.service.company.asker(caller), told)).await?;
                    return Err(fault);
                }
                done => return done,
            }
        }
        let fault = ApiError::Busy(1);
        let told = self.command.audit(&self.call).ended(Some(&fault));
        Box::pin(store.append_of(self.service.company.asker(caller), told)).await?;
        Err(fault)
    }

    /// Where it is carried out: a point read that takes what others wait for too long goes the way of other reads.
    fn beside(&self, kind: TransactionKind, extent: Extent) -> (TransactionKind, Extent) {
        match kind {
            TransactionKind::Head(..) if self.is_large.load(Ordering::Relaxed) => {
                (TransactionKind::Records, Extent::Much)
            }
            TransactionKind::Head(..) if self.is_costly.load(Ordering::Relaxed) => {
                (TransactionKind::Records, Extent::Unknown)
            }
            kind => (kind, extent),
        }
    }

    /// What there is to do inside a transaction; small, for what waits for its turn holds it many times.
    fn work(
        self: &Arc<Self>,
        foreseen: Option<Box<Foreseen>>,
        is_point: bool,
    ) -> impl Fn(&mut Transaction<'_>) -> Reply<Outcome, ApiError> + Send + 'static {
        let asked = Arc::clone(self);
        move |transaction| {
            let Invocation { service, call, command, .. } = &*asked;
            transaction.bound(at_first(service.settings.cost, command.is_foreseeable(), is_point));
            if is_point {
                transaction.leave_large_bodies();
            }
            if let Some(foreseen) = &foreseen {
                foreseen.begin(service);
                if let Some(walks) = &foreseen.walks {
                    transaction.know_walks(Arc::clone(walks));
                }
            }
            // It may be tried more than once.
            let mut left = asked.answer;
            let mut command = command.clone();
            if let Some(id) = foreseen.as_ref().and_then(|foreseen| foreseen.ids.get(&ALONE)) {
                command.announce(id.clone());
            }
            let reply = Session::run(service, call, transaction, command.audit(call), |session| {
                execute(&mut session.foreseeing(foreseen.as_deref()), command, &mut left)
            });
            *asked.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
            match reply {
                (Err(_), _) if transaction.has_walked_all() => (Err(ApiError::CostlyWalks), Vec::new()),
                _ if is_point && transaction.has_spent_all() => {
                    (Err(ApiError::CostlyRead(Extent::Unknown)), Vec::new())
                }
                (Ok(Outcome::Found(_)) | Err(ApiError::Internal(_)), _) if transaction.has_left_bodies() => {
                    (Err(ApiError::CostlyRead(Extent::Much)), Vec::new())
                }
                // It has not been decided yet.
                (Err(fault), _) if fault.is_undecided() => (Err(fault), Vec::new()),
                reply => reply,
            }
        }
    }

    /// Whether what it stores is made ready before: what is large, where others wait for the only writer.
    fn is_made_ready(&self) -> bool {
        !self.service.store.has_many_writers() && self.command.is_large()
    }

    /// Finds in a read what the write depends on: what a patch makes, what is stored of what is large, and what has been found to
    /// take long. What takes little is found where it is asked for.
    async fn foresee(self: &Arc<Self>, before: Before) -> Result<Foreseen, ApiError> {
        if !before.any() && !self.is_made_ready() {
            match self.foresee_in(Extent::Little, before).await {
                Err(ApiError::NotForeseen { .. }) => {}
                found => return found,
            }
        }
        self.foresee_in(Extent::Much, before).await
    }

    async fn foresee_in(self: &Arc<Self>, extent: Extent, before: Before) -> Result<Foreseen, ApiError> {
        let asked = Arc::clone(self);
        let look = move |transaction: &mut Transaction<'_>| asked.look_ahead(transaction, extent, before);
        in_transaction(&self.service, &self.call.caller, TransactionKind::Records, extent, look).await
    }

    /// Matches the condition, applies the patch, and walks where the write would. Only a refusal of the condition is told: what
    /// becomes of it otherwise, the write tells.
    fn look_ahead(
        &self,
        transaction: &mut Transaction<'_>,
        extent: Extent,
        before: Before,
    ) -> Reply<Foreseen, ApiError> {
        let Invocation { service, call, command, .. } = self;
        transaction.bound(service.settings.cost);
        let reply = Session::run(service, call, transaction, command.audit(call), |session| {
            let mut foreseen = Foreseen::nothing(service);
            if let Some(query) = command.decided_by().filter(|_| before.matches) {
                foreseen.condition = Some(conditional::foresee(session, query)?);
            }
            let mut budget = patch::budget(&service.settings.limits, extent);
            let found = patch::foresee(session, command, &mut foreseen, &mut budget);
            if extent == Extent::Little && budget.is_spent() {
                return Err(ApiError::NotForeseen { id: String::new() });
            }
            found?;
            if before.walks {
                session.transaction.begin_walks();
                make_ready(session, command.clone(), foreseen.clone())?;
                foreseen.walks = Some(Arc::new(session.transaction.end_walks()));
            } else if self.is_made_ready() {
                foreseen = make_ready(session, command.clone(), foreseen)?;
            }
            session.audit.says_nothing();
            Ok(foreseen)
        });
        match reply {
            (Err(fault), _) if fault.is_undecided() => (Err(fault), Vec::new()),
            reply => reply,
        }
    }
}

/// The place of what is no entry of a transaction.
const ALONE: usize = 0;

/// Makes ready what a command stores, and stores nothing. Whatever goes wrong goes wrong in the write as well, which tells.
///
/// # Errors
/// When a terminology server elsewhere has to be asked first.
pub(crate) fn make_ready(
    session: &mut Session<'_, '_>,
    mut command: Command,
    foreseen: Foreseen,
) -> Result<Foreseen, ApiError> {
    let (named, id) = (command.resource_type(), logical_id::new_id(session.transaction.now));
    command.announce(id.clone());
    session.transaction.store_nothing();
    let mut foreseen = Foreseen { ready: Readiness::before(), ..foreseen };
    let done = execute(&mut session.foreseeing(Some(&foreseen)), command, &mut Budget::unbounded());
    if let Err(fault) = done
        && fault.questions().is_some()
    {
        return Err(fault);
    }
    foreseen.ready = foreseen.ready.for_write();
    if named.is_some_and(|named| foreseen.ready.has_new(named, &id)) {
        foreseen.ids.insert(ALONE, id);
    }
    Ok(foreseen)
}

/// Carries a command out inside a session and takes what it led to into the answer. What was found and does not fit is told to
/// nobody, but those whose it is learn by the log that it was too much; of what was written whoever wrote it learns in any case, and
/// nothing fits after it.
///
/// # Errors
/// Those of the interaction, and [`ApiError::TooLarge`] for what does not fit.
pub(crate) fn execute(
    session: &mut Session<'_, '_>,
    command: Command,
    answer: &mut Budget,
) -> Result<Outcome, ApiError> {
    if command.gathers() {
        session.transaction.bound_bodies(answer.bytes);
    }
    let echoes = matches!(&command, Command::Operation { operation, .. } if operation.conduct.echoes);
    let carried = outcome(session, command);
    if session.transaction.unbound_bodies() {
        // Nothing smaller fits after that.
        answer.bytes = 0;
    }
    let mut outcome = carried?;
    if session.cache.leaves_names_out() && !echoes {
        let (versions, composed) = outcome.shown();
        access::unnamed::leave_out(session, versions, composed)?;
    }
    match answer.spend(outcome.weight()) {
        Err(fault) if !matches!(outcome, Outcome::Written(_)) => Err(fault),
        _ => Ok(outcome),
    }
}

/// What a command leads to.
fn outcome(session: &mut Session<'_, '_>, command: Command) -> Result<Outcome, ApiError> {
    match command {
        Command::Capabilities => {
            // It is the same for everybody, and open to those without a token.
            session.audit.says_nothing();
            Ok(Outcome::Capabilities)
        }
        Command::Read { resource_type, id, unless } => {
            let has = |version: &Version| unless.as_ref().is_some_and(|unless| unless.has(version));
            read::current_unless(session, resource_type, &id, &has)
                .map(|version| Outcome::read(version, unless.as_ref()))
        }
        Command::Vread { resource_type, id, version, unless } => {
            read::version(session, resource_type, &id, version).map(|version| Outcome::read(version, unless.as_ref()))
        }
        Command::History { of, range, asked } => {
            let page = history::history(session, &of, &range)?;
            let limit = range.limit;
            Ok(Outcome::Versions(Box::new(HistoryPage { of, asked, page, limit })))
        }
        Command::Search { query, path } => {
            let page = search::search(session, &query)?;
            Ok(Outcome::Page(Box::new(SearchPage { path, query: *query, page })))
        }
        Command::Create { resource_type, resource, condition, id } => {
            create::create(session, resource_type, resource, condition.as_deref(), id).map(Outcome::written)
        }
        Command::Update { resource_type, target, resource, precondition, id } => {
            let precondition = precondition.as_ref();
            match &target {
                Target::Id(own) => update::update(session, resource_type, own, resource, precondition),
                Target::Match(query) => update::conditional(session, resource_type, query, resource, precondition, id),
            }
            .map(Outcome::written)
        }
        Command::Patch { resource_type, target, patch, precondition } => {
            patch::patch(session, resource_type, &target, &patch, precondition.as_ref()).map(Outcome::written)
        }
        Command::Delete { resource_type, target, precondition } => {
            delete::delete(session, resource_type, &target, precondition.as_ref()).map(Outcome::Deleted)
        }
        Command::Operation { operation, target, input, path } => {
            let output = operation.carry_out(session, &target, &input)?;
            Ok(Outcome::Output(Box::new(OperationOutput { output, path, asked: input.pairs })))
        }
    }
}
