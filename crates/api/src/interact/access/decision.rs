//! The questions that interactions ask a decision. What is decided is `concord_consent`'s; this file only carries.
//!
//! Decisions are remembered under the access versions that the same transaction reads, so that a revocation holds from
//! the next request on, on every node.

use std::sync::Arc;

use concord_consent::TOO_MUCH;
use concord_consent::caller::{Actor, Caller};
use concord_consent::decision::Decision;
use concord_consent::facts::{Facts, GivenBy, PatientFacts};
use concord_consent::purpose::Purpose;
use concord_consent::request::{Action, Request};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{PatientCompartment, ResourceType, is_own_record, patient_compartment};
use concord_store::rows::Head;

use crate::error::ApiError;
use crate::interact::access::decision_cache::{Answer, Question};
use crate::interact::access::{facts, reached};
use crate::interact::session::Session;
use crate::interact::{Call, is_event};

/// As which patient's what is asked of all records is remembered: no key is less than nobody's.
const EVERY_RECORD: i64 = -1;

/// Whether an actor may reach records of which what is stored says so.
fn reaches_others(actor: &Actor) -> bool {
    !matches!(actor, Actor::System | Actor::Patient(_))
}

/// Whose facts decide about a record: for a patient her own, for a system those of no patient, for others those of the record.
fn decided_by(
    session: &mut Session<'_, '_>,
    resource_type: Option<ResourceType>,
    patient: i64,
) -> Result<i64, ApiError> {
    let of_nobody = resource_type.is_some_and(|one| patient_compartment(one) == PatientCompartment::Shared);
    Ok(match &session.call.caller.actor {
        Actor::System => 0,
        Actor::Patient(_) if of_nobody => 0,
        Actor::Patient(_) => facts::own_record(session)?.unwrap_or(0),
        _ => patient,
    })
}

/// The decision about the record that a current version is part of.
pub(crate) fn decide_on(session: &mut Session<'_, '_>, action: Action, head: &Head) -> Result<Arc<Decision>, ApiError> {
    let resource_type = head.version.resource_type;
    decide_at(session, action, Some(resource_type), head.version.patient, Some(head.access))
}

/// Has the database do for what is not there, and for what a patient may not see of her own record, what the decision takes about
/// what is in another's: a patient is decided on by her own record, wherever something is. `record` is the key of the one that it is
/// in.
pub(crate) fn as_if_elsewhere(session: &mut Session<'_, '_>, record: Option<i64>) -> Result<(), ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_)) {
        return Ok(());
    }
    let own = facts::own_record(session)?.unwrap_or(0);
    if record.is_none_or(|record| record == own) {
        session.without_explain(|session| session.transaction.access_versions(own))?;
    }
    Ok(())
}

/// The decision about a record, by its key; key 0 for what is about nobody.
pub(crate) fn decide_about(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    patient: i64,
) -> Result<Arc<Decision>, ApiError> {
    decide_at(session, action, Some(resource_type), patient, None)
}

/// The decision whether a caller may know of what a resource refers to. The app's scopes bound it, except for the
/// patient whom it is about and for reference data: an app that may write a reading may say whose it is and who took it.
pub(crate) fn decide_reference(session: &mut Session<'_, '_>, head: &Head) -> Result<Arc<Decision>, ApiError> {
    let resource_type = head.version.resource_type;
    let named_freely = is_own_record(resource_type) || patient_compartment(resource_type) == PatientCompartment::Shared;
    if !named_freely {
        return decide_on(session, Action::Read, head);
    }
    let call = unbounded(session.call);
    decide_on(&mut session.calling(&call), Action::Read, head)
}

/// Reading of everything in the contexts that the caller's scopes have.
fn reference_scopes(caller: &Caller) -> concord_consent::scope::Scopes {
    use concord_consent::scope::{Context, Scopes};
    let mut text = Vec::new();
    for (context, scope) in [(Context::Patient, "patient/*.rs"), (Context::User, "user/*.rs")] {
        if caller.scopes.has(context) {
            text.push(scope);
        }
    }
    Scopes::parse(&text.join(" "))
}

fn decide_at(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
    access: Option<(i64, i64)>,
) -> Result<Arc<Decision>, ApiError> {
    let about = session.without_explain(|session| decided_by(session, resource_type, patient))?;
    let is_system = session.call.caller.actor == Actor::System;
    let access = match access {
        // Nothing that is stored decides about one from which no label keeps anything.
        _ if is_system && session.call.caller.knows_everything() => (0, 0),
        Some((_, nobody)) if is_system => session.cache.under((0, nobody)),
        Some(access) if about == patient => session.cache.under(access),
        _ => session.without_explain(|session| facts::access_versions(session, about))?,
    };
    let question = asked(session.call, action, resource_type, about);
    if is_remembered(session.call)
        && let Some(answer) = session.service.decisions.decisions.get(&question)
        && answer.access == access
        && answer.until.is_none_or(|until| session.transaction.now < until)
    {
        // Whoever acts no more has none under these versions.
        session.cache.acts(&session.call.caller.actor);
        note_unnamed(session, &answer.decision);
        return Ok(session.service.decisions.count(Arc::clone(&answer.decision)));
    }
    let facts = session.without_explain(|session| {
        let mut facts = if is_system { Facts::default() } else { facts::of_caller(session)? };
        if about != 0 {
            facts::add_patient(session, about, access, &mut facts)?;
        }
        if !is_system || !session.call.caller.knows_everything() {
            facts::add_labels(session, &mut facts)?;
        }
        Ok::<Facts, ApiError>(facts)
    })?;
    let decision = Arc::new(ask(session.call, action, resource_type, &facts, session.transaction.now));
    if is_remembered(session.call) && facts.patients.iter().all(|patient| facts::is_versioned(patient)) {
        let answer = Answer { access, until: decision.until, decision: Arc::clone(&decision) };
        session.service.decisions.decisions.insert(question, Arc::new(answer));
    }
    note_unnamed(session, &decision);
    Ok(session.service.decisions.count(decision))
}

/// About how many steps of the database's machine it takes as long as to decide about one resource or type: by itself, and for
/// each Consent.
const STEPS_OF_DECISION: u64 = 300;
const STEPS_OF_CONSENT: u64 = 20;

/// How many steps a decision from these facts takes.
pub(crate) fn steps_of_decision(facts: &Facts) -> u64 {
    let consents: usize = facts.patients.iter().map(|patient| patient.consents.len()).sum();
    let of_consents = STEPS_OF_CONSENT.saturating_mul(u64::try_from(consents).unwrap_or(u64::MAX));
    STEPS_OF_DECISION.saturating_add(of_consents)
}

/// What is asked about the record of a patient, by key.
fn asked(call: &Call, action: Action, resource_type: Option<ResourceType>, patient: i64) -> Question {
    let purpose = call.purpose.map_or("", |purpose| purpose.code());
    Question { caller: call.caller.rights(), purpose, action, resource_type, patient }
}

/// Notes what nothing may name that the caller is shown. Whoever asks what somebody else would be shown is shown it nevertheless.
fn note_unnamed(session: &Session<'_, '_>, decision: &Decision) {
    if session.call.asked_about.is_none() {
        session.cache.note_unnamed(&decision.unnamed);
    }
}

/// Decides about one record, or about what is of nobody. What is asked about one type holds for that type and says no more of
/// types.
fn ask(call: &Call, action: Action, resource_type: Option<ResourceType>, facts: &Facts, now: i64) -> Decision {
    // The glass is broken by `break_glass` and by nothing else: here only one counts that has been.
    let request = call.request(action, resource_type);
    let reason = request.reason.filter(|_| call.purpose != Some(Purpose::BREAK_GLASS));
    decide_for_type(&Request { reason, ..request }, facts, now)
}

/// Decides, and says of a type that is asked about no more than holds for it.
fn decide_for_type(request: &Request<'_>, facts: &Facts, now: i64) -> Decision {
    let mut decision = concord_consent::decide(request, facts, now);
    for reason in decision.reasons.iter().filter(|reason| reason.rule == TOO_MUCH) {
        tracing::warn!(target: "concord", "a record is hidden from who asks: {}", reason.text);
    }
    if let Some(one) = request.resource_type {
        // Once, for all the times that it is remembered.
        decision.permit = decision.permit.of_type(one);
        for redaction in &mut decision.redactions {
            redaction.of = for_type(&redaction.of, one);
        }
        for reason in &mut decision.reasons {
            reason.about = for_type(&reason.about, one);
        }
    }
    decision
}

/// Who the caller is when they write what decides about access.
pub(crate) fn given_by(call: &Call) -> GivenBy {
    GivenBy::of(&call.request(Action::Update, None))
}

/// Whether an answer serves all requests of whoever has these rights: not in an emergency and not in an office, where it depends on
/// what is said along with the request, nor where somebody asks about others, of whom they know only a part.
fn is_remembered(call: &Call) -> bool {
    call.purpose != Some(Purpose::BREAK_GLASS)
        && call.caller.credentials.privileged_roles.is_empty()
        && call.asked_about.is_none()
}

/// What a caller's rights to a patient's record are decided from; key 0 for what is about nobody.
pub(crate) fn facts_about(session: &mut Session<'_, '_>, patient: i64) -> Result<Facts, ApiError> {
    let now = session.transaction.now;
    facts_about_at(session, patient, now)
}

/// The same for a decision as of another time.
pub(crate) fn facts_about_at(session: &mut Session<'_, '_>, patient: i64, when: i64) -> Result<Facts, ApiError> {
    let access = facts::access_versions(session, patient)?;
    let mut facts = facts::of_caller(session)?;
    if patient != 0 {
        facts::add_patient_at(session, patient, access, when, &mut facts)?;
    }
    facts::add_labels(session, &mut facts)?;
    Ok(facts)
}

/// The decision that would be if the caller broke the glass for a patient with the reason that they give.
pub(crate) fn decide_in_emergency(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
) -> Result<Decision, ApiError> {
    let facts = facts_about(session, patient)?;
    Ok(concord_consent::decide(&session.call.request(action, resource_type), &facts, session.transaction.now))
}

/// The decision for a search or history of a type. With `record` it can only match in that patient's record; without,
/// every patient is asked about whose Consent or CareTeam names the caller. Where a system asks on behalf of a person, what the
/// system may find is bounded to what the person would.
pub(crate) fn decide_search(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Arc<Decision>, ApiError> {
    let decision = decide_own_search(session, action, resource_type, record)?;
    let Some(person) = session.call.on_behalf_of.clone() else { return Ok(decision) };
    let theirs = decide_own_search(&mut session.calling(&person), action, resource_type, record)?;
    let mut both = (*decision).clone();
    both.permit = both.permit.and(theirs.permit.clone());
    both.reasons.extend(theirs.reasons.iter().cloned());
    both.redactions.extend(theirs.redactions.iter().cloned());
    both.unnamed = Arc::new((*both.unnamed).clone().or((*theirs.unnamed).clone()));
    both.until = both.until.into_iter().chain(theirs.until).min();
    Ok(Arc::new(both))
}

fn decide_own_search(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Arc<Decision>, ApiError> {
    let shared = matches!(patient_compartment(resource_type), PatientCompartment::Shared);
    if shared || !reaches_others(&session.call.caller.actor) {
        return decide_about(session, action, resource_type, 0);
    }
    match record {
        Some(id) => {
            let named = session.transaction.named_record(id)?;
            let of_nobody = session.transaction.is_explained_of_nobody();
            if of_nobody || (named.is_unused() && session.transaction.is_explained()) {
                // How a search is run must not tell who has a record here: a patient that there is none of is decided
                // about like one who shares nothing.
                let mut facts = session.without_explain(|session| {
                    let mut facts = facts::of_caller(session)?;
                    facts::add_labels(session, &mut facts)?;
                    Ok::<Facts, ApiError>(facts)
                })?;
                let nothing = PatientFacts { patient: id.to_owned(), ..PatientFacts::default() };
                facts.patients.push(Arc::new(nothing));
                return Ok(Arc::new(ask(session.call, action, Some(resource_type), &facts, session.transaction.now)));
            }
            #[expect(clippy::disallowed_methods, reason = "what may be found in it is decided next")]
            let key = named.deciding();
            decide_about(session, action, resource_type, key)
        }
        None => decide_reached(session, action, Some(resource_type)),
    }
}

/// What the caller may find of a type: the permission at the other end of a chain or an include. Nothing of a type that
/// no scope covers. Within `record`, what is found elsewhere is not looked for.
///
/// # Errors
/// When the type cannot be reached like that, and as [`decide_search`].
pub(crate) fn findable(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Predicate, ApiError> {
    let found = finding(session, resource_type, record)?;
    Ok(found.map_or(Predicate::None, |decision| decision.permit.clone()))
}

/// The same with the reasons; none where no scope covers the type.
///
/// # Errors
/// As [`findable`].
pub(crate) fn finding(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Option<Arc<Decision>>, ApiError> {
    if is_event(resource_type) {
        let text = "the audit log is searched by itself only: not through a chain, _has, _include or _revinclude";
        return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
    }
    if session.call.caller.scopes.that_permit(Action::Search, Some(resource_type)).next().is_none() {
        return Ok(None);
    }
    decide_search(session, Action::Search, resource_type, record).map(Some)
}

/// Puts what the caller may find into every chain of a query, so that nothing is learnt about a resource by looking
/// through it that could not be learnt by looking at it.
///
/// # Errors
/// As [`findable`].
pub(crate) fn guard(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    predicate: Predicate,
) -> Result<Predicate, ApiError> {
    if !predicate.has_chains() {
        return Ok(predicate);
    }
    let mut known: Vec<(ResourceType, Predicate)> = Vec::new();
    predicate.at_chains(&mut |resource_type| {
        if let Some((_, permit)) = known.iter().find(|(one, _)| *one == resource_type) {
            return Ok(permit.clone());
        }
        let permit = findable(session, resource_type, record)?;
        known.push((resource_type, permit.clone()));
        Ok(permit)
    })
}

/// The decision for the history of everything.
pub(crate) fn decide_everywhere(session: &mut Session<'_, '_>, action: Action) -> Result<Arc<Decision>, ApiError> {
    if reaches_others(&session.call.caller.actor) {
        decide_reached(session, action, None)
    } else {
        decide_at(session, action, None, 0, None)
    }
}

/// A decision about all records that the caller may know. It is remembered as one about a single record is, for a professional who sees
/// by hundreds of rules asks for page after page.
fn decide_reached(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: Option<ResourceType>,
) -> Result<Arc<Decision>, ApiError> {
    let (facts, under) = session.without_explain(|session| reached::reached(session))?;
    let cache = &session.service.decisions;
    let question = asked(session.call, action, resource_type, EVERY_RECORD);
    let may_be_remembered = is_remembered(session.call) && under.is_certain();
    if may_be_remembered && let Some(decision) = cache.known_of_all(&question, &under, session.transaction.now) {
        note_unnamed(session, &decision);
        return Ok(cache.count(decision));
    }
    // A reason is one for the record of a patient who is named: for whomever else the caller may know it opens nothing.
    let request = Request { reason: None, ..session.call.request(action, resource_type) };
    let decision = Arc::new(decide_for_type(&request, &facts, session.transaction.now));
    cache.made_about_all(question, may_be_remembered.then_some(under), &decision);
    note_unnamed(session, &decision);
    Ok(cache.count(decision))
}

/// The predicate with the type of what is searched put in, which makes it smaller.
pub(crate) fn for_type(predicate: &Predicate, resource_type: ResourceType) -> Predicate {
    predicate.clone().of_type(resource_type)
}

/// The only patient in whose record a resource can be that the predicate means, if it says so.
pub(crate) fn only_record(predicate: &Predicate) -> Option<&str> {
    match predicate {
        Predicate::PatientCompartment(patient) => Some(patient),
        Predicate::And(parts) => parts.iter().find_map(only_record),
        Predicate::Or(parts) => {
            let first = only_record(parts.first()?)?;
            parts.iter().all(|part| only_record(part) == Some(first)).then_some(first)
        }
        _ => None,
    }
}

/// Refuses what no scope of the token covers, with the reason: the caller knows its own token.
pub(crate) fn require_scope(call: &Call, action: Action, resource_type: ResourceType) -> Result<(), ApiError> {
    if call.caller.scopes.that_permit(action, Some(resource_type)).next().is_some() {
        return Ok(());
    }
    Err(ApiError::denied(format!("no scope of the token lets the app {} {resource_type}", action.verb())))
}

/// The same caller with an app that may read everything that they may.
pub(crate) fn unbounded(call: &Call) -> Call {
    let caller = Caller { scopes: reference_scopes(&call.caller), ..Caller::clone(&call.caller) };
    Call { caller: Arc::new(caller.into()), ..call.clone() }
}

/// The decision's reasons for an OperationOutcome.
pub(crate) fn issues(decision: &Decision) -> Vec<Issue> {
    concord_consent::explain::refusal(&decision.reasons)
}
