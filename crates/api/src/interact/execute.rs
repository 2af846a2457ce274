//! Carrying a command out: the one way through, for a request, an entry of a batch and an entry of a transaction.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ApiError;
use crate::interact::access::break_glass;
use crate::interact::budget::{Budget, Weight};
use crate::interact::command::{Command, Target, TransactionKind, Unless};
use crate::interact::foreseen::Foreseen;
use crate::interact::history::Of;
use crate::interact::operation::Output;
use crate::interact::prepared::Readiness;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::time_limits::within;
use crate::interact::written::Written;
use crate::interact::{
    Call, Pairs, Questions, Service, access, create, delete, history, logical_id, patch, profiles, read, search, update,
};
use concord_consent::caller::Caller;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Value};
use concord_fhir::search::Query;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;
use concord_store::{Cost, Extent, Reads, Reply};

/// What a command led to: small, for it passes through many hands.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A read.
    Found(Box<Version>),
    /// A read of what the client has already.
    Unchanged(Box<Version>),
    /// A create, update or patch.
    Written(Box<Written>),
    /// A delete: the version id of the deletion, or none if nothing had to be done.
    Deleted(Option<i64>),
    /// A search, at its path below the base.
    Page(Box<SearchPage>),
    /// A history.
    Versions(Box<HistoryPage>),
    /// What an operation answers.
    Output(Box<OperationOutput>),
    /// What the server can do, which is composed where it is told.
    Capabilities,
}

impl Outcome {
    /// What a version leads to that was read, unless the client has it already.
    fn read(version: Version, unless: Option<&Unless>) -> Outcome {
        let led_to =
            if unless.is_some_and(|unless| unless.has(&version)) { Outcome::Unchanged } else { Outcome::Found };
        led_to(Box::new(version))
    }

    /// What a write leads to.
    fn written(written: Written) -> Outcome {
        Outcome::Written(Box::new(written))
    }

    /// Whether something may be another since: whoever did it is told in any case.
    pub(crate) fn may_have_changed(&self) -> bool {
        matches!(self, Outcome::Written(_) | Outcome::Deleted(_) | Outcome::Output(_))
    }

    /// What it shows: of what is stored, and composed for it.
    fn shown(&mut self) -> (Vec<&mut Version>, Option<&mut Value<'static>>) {
        match self {
            Outcome::Found(version) => (vec![version], None),
            Outcome::Written(written) => (vec![&mut written.version], None),
            Outcome::Unchanged(_) | Outcome::Deleted(_) | Outcome::Capabilities => (Vec::new(), None),
            Outcome::Page(found) => (found.page.shown(), None),
            Outcome::Versions(found) => (found.page.versions.iter_mut().collect(), None),
            Outcome::Output(found) => match &mut found.output {
                Output::Page(page) => (page.shown(), None),
                Output::Value(value) => (Vec::new(), Some(value)),
            },
        }
    }

    /// What it takes of an answer.
    pub(crate) fn weight(&self) -> Weight {
        let versions = |all: &mut dyn Iterator<Item = &Version>| {
            all.fold(Weight::default(), |sum, version| Weight {
                bytes: sum.bytes.saturating_add(version.body.len()),
                resources: sum.resources + 1,
            })
        };
        match self {
            Outcome::Found(version) => versions(&mut std::iter::once(&**version)),
            Outcome::Written(written) => versions(&mut std::iter::once(&written.version)),
            Outcome::Unchanged(_) | Outcome::Deleted(_) | Outcome::Capabilities => Weight::default(),
            Outcome::Page(found) => versions(&mut found.page.versions.iter().chain(&found.page.included)),
            Outcome::Versions(found) => versions(&mut found.page.versions.iter()),
            Outcome::Output(found) => match &found.output {
                Output::Page(page) => versions(&mut page.versions.iter().chain(&page.included)),
                Output::Value(value) => Weight { bytes: json::to_string(value).len(), resources: 1 },
            },
        }
    }
}

/// A page of a search.
#[derive(Debug)]
pub(crate) struct SearchPage {
    /// The path below the base.
    pub(crate) path: String,
    /// What was searched for.
    pub(crate) query: Query,
    /// What was found.
    pub(crate) page: search::Page,
}

/// A page of a history.
#[derive(Debug)]
pub(crate) struct HistoryPage {
    /// Of what.
    pub(crate) of: Of,
    /// The parameters.
    pub(crate) asked: Pairs,
    /// What was found.
    pub(crate) page: history::Page,
    /// How many versions a page has.
    pub(crate) limit: u32,
}

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct OperationOutput {
    /// The answer.
    pub(crate) output: Output,
    /// The path below the base at which it was called.
    pub(crate) path: String,
    /// The parameters of the address.
    pub(crate) asked: Pairs,
}

/// How often a write is tried that depends on what was found before, and found other data then.
pub(crate) const MOST_TRIES: u32 = 5;

/// How many steps a condition may take on the only writer that can be matched before as well: less than a millisecond, for one
/// caller may send many.
const AT_FIRST: u64 = 20_000;

/// What the write with a condition may cost: where it can be matched before, that is done as soon as it takes more than next to
/// nothing.
fn at_first(cost: Cost, is_foreseeable: bool) -> Cost {
    if is_foreseeable { Cost { condition: cost.condition.min(AT_FIRST), ..cost } } else { cost }
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
    let store = &service.store;
    // Who is at something long already begins nothing that may be as long where others are answered.
    let extent = match extent {
        Extent::Unknown if service.slots.is_at_work(caller) => Extent::Much,
        extent => extent,
    };
    let _place = match access {
        TransactionKind::Change if extent != Extent::Little && store.has_many_writers() => {
            Some(service.slots.enter(caller).await?)
        }
        _ => None,
    };
    let turn = match access {
        TransactionKind::Records | TransactionKind::Everything => Some(service.turns.enter(caller).await?),
        TransactionKind::Head(..) | TransactionKind::Change => None,
    };
    // Whoever waits for a place leaves the turn to the next.
    let place = async move {
        drop(turn);
        service.slots.enter(caller).await
    };
    let asker = service.slots.asker(caller);
    match access {
        TransactionKind::Head(resource_type, id) => store.read_head(asker, resource_type, &id, work).await,
        TransactionKind::Records => Box::pin(store.read_bounded(asker, Reads::Records, extent, place, work)).await,
        TransactionKind::Everything => {
            Box::pin(store.read_bounded(asker, Reads::Everything, extent, place, work)).await
        }
        TransactionKind::Change => Box::pin(store.change_of(asker, work)).await,
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
    carry_out_within(service, call, command, &mut answer).await
}

/// Carries a command out by itself, whose answer is a part of one that has so much room.
///
/// # Errors
/// Those of the interaction, and [`ApiError::TooLarge`] when what it found does not fit.
pub(crate) async fn carry_out_within(
    service: &Arc<Service>,
    call: Call,
    command: Command,
    answer: &mut Budget,
) -> Result<Outcome, ApiError> {
    let (kind, extent) = (command.transaction_kind(), command.extent(&call));
    let writes = kind == TransactionKind::Change;
    let limit = if writes { service.settings.time.write } else { service.settings.time.read };
    // On the heap, as whatever it is handed to holds it twice.
    let work = Box::pin(async {
        break_glass::declare(service, &call, break_glass::GlassTarget::of(&command)).await?;
        let left = Mutex::new(*answer);
        let asked = Arc::new(Invocation { service: Arc::clone(service), call, command, answer: *answer, left });
        let carried = || Arc::clone(&asked).carry_out(kind.clone(), extent);
        let done = asking_elsewhere(service, &asked.call.questions, carried).await;
        *answer = *asked.left.lock().unwrap_or_else(PoisonError::into_inner);
        done
    });
    within(limit, writes, work).await
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
}

impl Invocation {
    /// Carries the command out. What the writer may not find is found in a read before, and holds if nothing of what it
    /// depends on has changed when it is the write's turn; else it is found again.
    async fn carry_out(self: Arc<Self>, kind: TransactionKind, extent: Extent) -> Result<Outcome, ApiError> {
        let (store, caller) = (&self.service.store, &self.call.caller);
        let mut matches_before = false;
        let is_made_ready = self.is_made_ready();
        for _ in 0..=MOST_TRIES {
            let foreseen = match matches_before || is_made_ready || self.command.is_patch() {
                true => Some(Box::new(Box::pin(self.foresee(matches_before)).await?)),
                false => None,
            };
            match in_transaction(&self.service, caller, kind.clone(), extent, self.work(foreseen)).await {
                Err(ApiError::CostlyCondition) if self.command.is_foreseeable() => matches_before = true,
                Err(ApiError::NotForeseen { .. }) => {}
                Err(fault @ ApiError::CostlyCondition) => {
                    let told = self.command.audit(&self.call).ended(Some(&fault));
                    Box::pin(store.append_of(self.service.slots.asker(caller), told)).await?;
                    return Err(fault);
                }
                done => return done,
            }
        }
        let fault = ApiError::Busy(1);
        let told = self.command.audit(&self.call).ended(Some(&fault));
        Box::pin(store.append_of(self.service.slots.asker(caller), told)).await?;
        Err(fault)
    }

    /// What there is to do inside a transaction; small, for what waits for its turn holds it many times.
    fn work(
        self: &Arc<Self>,
        foreseen: Option<Box<Foreseen>>,
    ) -> impl Fn(&mut Transaction<'_>) -> Reply<Outcome, ApiError> + Send + 'static {
        let asked = Arc::clone(self);
        move |transaction| {
            let Invocation { service, call, command, .. } = &*asked;
            transaction.bound(at_first(service.settings.cost, command.is_foreseeable()));
            if let Some(foreseen) = &foreseen {
                foreseen.begin(service);
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

    /// Finds in a read what the write depends on: what a patch makes, what is stored of what is large, and with `matches` what a
    /// condition matches that has been found to take long. What takes little is found where it is asked for.
    async fn foresee(self: &Arc<Self>, matches: bool) -> Result<Foreseen, ApiError> {
        if !matches && !self.is_made_ready() {
            match self.foresee_in(Extent::Little, false).await {
                Err(ApiError::NotForeseen { .. }) => {}
                found => return found,
            }
        }
        self.foresee_in(Extent::Much, matches).await
    }

    async fn foresee_in(self: &Arc<Self>, extent: Extent, matches: bool) -> Result<Foreseen, ApiError> {
        let asked = Arc::clone(self);
        let look = move |transaction: &mut Transaction<'_>| asked.look_ahead(transaction, extent, matches);
        in_transaction(&self.service, &self.call.caller, TransactionKind::Records, extent, look).await
    }

    /// Matches the condition, and applies the patch. Only a refusal of the condition is told: what becomes of it otherwise, the
    /// write tells.
    fn look_ahead(
        &self,
        transaction: &mut Transaction<'_>,
        extent: Extent,
        matches: bool,
    ) -> Reply<Foreseen, ApiError> {
        let Invocation { service, call, command, .. } = self;
        transaction.bound(service.settings.cost);
        let reply = Session::run(service, call, transaction, command.audit(call), |session| {
            let mut foreseen = Foreseen::nothing(service);
            if let Some(query) = command.decided_by().filter(|_| matches) {
                foreseen.condition = Some(conditional::foresee(session, query)?);
            }
            let mut budget = patch::budget(&service.settings.limits, extent);
            let found = patch::foresee(session, command, &mut foreseen, &mut budget);
            if extent == Extent::Little && budget.is_spent() {
                return Err(ApiError::NotForeseen { id: String::new() });
            }
            found?;
            if self.is_made_ready() {
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
/// nobody, nor does the log say so; of what was written whoever wrote it learns in any case, and nothing fits after it.
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
    let carried = outcome(session, command);
    if session.transaction.unbound_bodies() {
        // Nothing smaller fits after that.
        answer.bytes = 0;
    }
    let mut outcome = carried?;
    if session.cache.leaves_names_out() {
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
            let output = (operation.run)(session, &target, &input)?;
            Ok(Outcome::Output(Box::new(OperationOutput { output, path, asked: input.pairs })))
        }
    }
}
