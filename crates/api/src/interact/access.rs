//! The questions that interactions ask a decision. What is decided is `concord_consent`'s; this file only carries.
//!
//! Decisions are remembered under the access versions that the same transaction reads, so that a revocation holds from
//! the next request on, on every node.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller};
use concord_consent::decision::{Decision, Reason};
use concord_consent::facts::{Facts, PatientFacts};
use concord_consent::purpose::Purpose;
use concord_consent::request::{Action, Request};
use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{RecordClass, ResourceType, record_class};
use concord_fhir::rules::{self, Writer, WriterKind};
use quick_cache::sync::Cache;

use super::{AUDIT_EVENT, Call, Concord, judge, known};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::{Head, Version};
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const RELATED_PERSON: ResourceType = ResourceType::of("RelatedPerson");

/// How many patients may be reached by a request that names none.
const REACH: usize = 200;

/// How many decisions are remembered.
const DECISIONS: usize = 50_000;

/// Decisions that this process has made, with what they were made from.
pub(crate) struct Remembered {
    decisions: Cache<Question, Arc<Answer>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    caller: [u8; 16],
    purpose: &'static str,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
}

struct Answer {
    access: (i64, i64),
    until: Option<i64>,
    decision: Arc<Decision>,
}

impl Remembered {
    pub(crate) fn new() -> Remembered {
        Remembered { decisions: Cache::new(DECISIONS) }
    }
}

/// Whether an actor may reach records of which what is stored says so.
fn reaches_others(actor: &Actor) -> bool {
    !matches!(actor, Actor::System | Actor::Patient(_))
}

/// Whose facts decide about a record: for a patient her own, for a system nobody's, for others those of the record.
fn decided_by(
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: Option<ResourceType>,
    patient: i64,
) -> Result<i64, Fault> {
    let of_nobody = resource_type.is_some_and(|one| one == AUDIT_EVENT || record_class(one) == RecordClass::Shared);
    Ok(match &call.caller.actor {
        Actor::System => 0,
        Actor::Patient(_) if of_nobody => 0,
        Actor::Patient(own) => transaction.patient_key(own)?.unwrap_or(0),
        _ => patient,
    })
}

/// The decision about the record that a current version is part of.
pub(crate) fn decide_on(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    head: &Head,
) -> Result<Arc<Decision>, Fault> {
    let resource_type = head.version.resource_type;
    decide_at(concord, call, transaction, action, Some(resource_type), head.version.patient, Some(head.access))
}

/// The decision about a record, by its key; key 0 for what is about nobody.
pub(crate) fn decide_about(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: ResourceType,
    patient: i64,
) -> Result<Arc<Decision>, Fault> {
    decide_at(concord, call, transaction, action, Some(resource_type), patient, None)
}

/// The decision whether a caller may know of what a resource refers to. The app's scopes bound it, except for the
/// patient whom it is about and for reference data: an app that may write a reading may say whose it is and who took it.
pub(crate) fn decide_reference(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    head: &Head,
) -> Result<Arc<Decision>, Fault> {
    let resource_type = head.version.resource_type;
    let named_freely = resource_type.name() == "Patient" || record_class(resource_type) == RecordClass::Shared;
    if !named_freely {
        return decide_on(concord, call, transaction, Action::Read, head);
    }
    decide_on(concord, &unbounded(call), transaction, Action::Read, head)
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
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
    access: Option<(i64, i64)>,
) -> Result<Arc<Decision>, Fault> {
    let about = transaction.aside(|transaction| decided_by(call, transaction, resource_type, patient))?;
    let is_system = call.caller.actor == Actor::System;
    let access = match access {
        _ if is_system => (0, 0),
        Some(access) if about == patient => access,
        _ => transaction.aside(|transaction| transaction.access_versions(about))?,
    };
    let question = Question {
        caller: call.fingerprint,
        purpose: call.purpose.map_or("", |purpose| purpose.code()),
        action,
        resource_type,
        patient: about,
    };
    if is_remembered(call)
        && let Some(answer) = concord.facts.decisions.get(&question)
        && answer.access == access
        && answer.until.is_none_or(|until| transaction.now < until)
    {
        return Ok(Arc::clone(&answer.decision));
    }
    let facts = if is_system {
        Facts::default()
    } else {
        transaction.aside(|transaction| {
            let mut facts = known::of_caller(concord, call, transaction)?;
            if about != 0 {
                known::add_patient(concord, call, transaction, about, access, &mut facts)?;
            }
            Ok::<Facts, Fault>(facts)
        })?
    };
    let decision = Arc::new(ask(call, action, resource_type, &facts, transaction.now));
    if is_remembered(call) && facts.patients.iter().all(|patient| known::is_versioned(patient)) {
        let answer = Answer { access, until: decision.until, decision: Arc::clone(&decision) };
        concord.facts.decisions.insert(question, Arc::new(answer));
    }
    Ok(decision)
}

/// Decides. What is asked about one type holds for that type and says no more of types.
fn ask(call: &Call, action: Action, resource_type: Option<ResourceType>, facts: &Facts, now: i64) -> Decision {
    // The glass is broken by `break_glass` and by nothing else: here only one counts that has been.
    let reason = call.reason.as_deref().filter(|_| call.purpose != Some(Purpose::BREAK_GLASS));
    let request = Request { caller: &call.caller, action, resource_type, purpose: call.purpose, reason };
    let mut decision = concord_consent::decide(&request, facts, now);
    if let Some(one) = resource_type {
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

/// Whether an answer serves all requests of this token: not in an emergency and not in an office, where it depends on
/// what is said along with the request.
fn is_remembered(call: &Call) -> bool {
    call.purpose != Some(Purpose::BREAK_GLASS) && call.caller.credentials.offices.is_empty()
}

/// What a caller's rights to a patient's record are decided from; key 0 for what is about nobody.
pub(crate) fn facts(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    patient: i64,
) -> Result<Facts, Fault> {
    let mut facts = known::of_caller(concord, call, transaction)?;
    if patient != 0 {
        let access = transaction.access_versions(patient)?;
        known::add_patient(concord, call, transaction, patient, access, &mut facts)?;
    }
    Ok(facts)
}

/// The decision that would be if the caller broke the glass for a patient with the reason that they give.
pub(crate) fn decide_in_emergency(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: Option<ResourceType>,
    patient: i64,
) -> Result<Decision, Fault> {
    let facts = facts(concord, call, transaction, patient)?;
    let reason = call.reason.as_deref();
    let request = Request { caller: &call.caller, action, resource_type, purpose: call.purpose, reason };
    Ok(concord_consent::decide(&request, &facts, transaction.now))
}

/// The decision for a search or history of a type. With `record` it can only match in that patient's record; without,
/// every patient is asked about whose Consent or CareTeam names the caller.
pub(crate) fn decide_search(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Arc<Decision>, Fault> {
    let shared = matches!(record_class(resource_type), RecordClass::Shared);
    if shared || !reaches_others(&call.caller.actor) {
        return decide_about(concord, call, transaction, action, resource_type, 0);
    }
    match record {
        Some(id) => {
            let key = transaction.patient_key(id)?;
            if key.is_none() && transaction.is_explained() {
                // How a search is run must not tell who has a record here: a patient that there is none of is decided
                // about like one who shares nothing.
                let mut facts = transaction.aside(|transaction| known::of_caller(concord, call, transaction))?;
                let nothing = PatientFacts { patient: id.to_owned(), ..PatientFacts::default() };
                facts.patients.push(Arc::new(nothing));
                return Ok(Arc::new(ask(call, action, Some(resource_type), &facts, transaction.now)));
            }
            decide_about(concord, call, transaction, action, resource_type, key.unwrap_or(0))
        }
        None => decide_reached(concord, call, transaction, action, Some(resource_type)),
    }
}

/// What the caller may find of a type: the permission at the other end of a hop or an include. Nothing of a type that
/// no scope covers. Within `record`, what is found elsewhere is not looked for.
///
/// # Errors
/// When the type cannot be reached like that, and as [`decide_search`].
pub(crate) fn findable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    record: Option<&str>,
) -> Result<Predicate, Fault> {
    if resource_type == AUDIT_EVENT {
        let text = "the audit log is searched by itself only: not through a chain, _has, _include or _revinclude";
        return Err(Fault::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
    }
    if call.caller.scopes.that_permit(Action::Search, Some(resource_type)).next().is_none() {
        return Ok(Predicate::None);
    }
    let decision = decide_search(concord, call, transaction, Action::Search, resource_type, record)?;
    Ok(decision.permit.clone())
}

/// Puts what the caller may find into every hop of a query, so that nothing is learnt about a resource by looking
/// through it that could not be learnt by looking at it.
///
/// # Errors
/// As [`findable`].
pub(crate) fn guard(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    record: Option<&str>,
    predicate: Predicate,
) -> Result<Predicate, Fault> {
    if !predicate.has_hops() {
        return Ok(predicate);
    }
    let mut known: Vec<(ResourceType, Predicate)> = Vec::new();
    predicate.at_hops(&mut |resource_type| {
        if let Some((_, permit)) = known.iter().find(|(one, _)| *one == resource_type) {
            return Ok(permit.clone());
        }
        let permit = findable(concord, call, transaction, resource_type, record)?;
        known.push((resource_type, permit.clone()));
        Ok(permit)
    })
}

/// The decision for the history of everything.
pub(crate) fn decide_everywhere(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
) -> Result<Arc<Decision>, Fault> {
    if reaches_others(&call.caller.actor) {
        decide_reached(concord, call, transaction, action, None)
    } else {
        decide_at(concord, call, transaction, action, None, 0, None)
    }
}

fn decide_reached(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: Option<ResourceType>,
) -> Result<Arc<Decision>, Fault> {
    let facts = transaction.aside(|transaction| reached(concord, call, transaction))?;
    Ok(Arc::new(ask(call, action, resource_type, &facts, transaction.now)))
}

/// The facts about every patient whose Consent or CareTeam names the caller.
fn reached(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>) -> Result<Facts, Fault> {
    let mut facts = known::of_caller(concord, call, transaction)?;
    let mut sql = Sql::new("SELECT DISTINCT e.patient FROM entry e WHERE e.key <> '' AND e.parameter IN (")
        .bind(ParameterId::of("CareTeam.participant").0)
        .sql(", ")
        .bind(ParameterId::of("Consent.actor").0)
        .sql(") AND e.key IN (");
    for (place, name) in names(call, &facts, transaction.now).into_iter().enumerate() {
        if place > 0 {
            sql.push_sql(", ");
        }
        sql.push_bind(name);
    }
    let limit = i64::try_from(REACH).unwrap_or(i64::MAX) + 1;
    let sql = sql.sql(") AND e.patient <> 0 LIMIT +").bind(limit);
    let mut keys: Vec<i64> = transaction.numbers(sql)?;
    if let Actor::RelatedPerson(id) = &call.caller.actor {
        keys.extend(transaction.head(RELATED_PERSON, id, false)?.map(|head| head.version.patient));
    }
    if keys.len() > REACH {
        return Err(Fault::Malformed(vec![Issue::plain(
            IssueCode::TooCostly,
            format!("the caller may see more than {REACH} patients; name one with the parameter patient"),
        )]));
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let access = transaction.access_versions(key)?;
        known::add_patient(concord, call, transaction, key, access, &mut facts)?;
    }
    facts.devices.sort_unstable();
    facts.devices.dedup();
    Ok(facts)
}

/// The references by which Consents and CareTeams may name the caller.
fn names(call: &Call, facts: &Facts, now: i64) -> Vec<String> {
    let mut names = concord_consent::identity::references(&call.caller.actor, &facts.roles, now);
    names.extend(call.caller.actor.reference());
    names.sort_unstable();
    names.dedup();
    names
}

/// The predicate with the type of what is searched put in, which makes it smaller.
pub(crate) fn for_type(predicate: &Predicate, resource_type: ResourceType) -> Predicate {
    predicate.clone().of_type(resource_type)
}

/// The only patient in whose record a resource can be that the predicate means, if it says so.
pub(crate) fn only_record(predicate: &Predicate) -> Option<&str> {
    match predicate {
        Predicate::Record(patient) => Some(patient),
        Predicate::And(parts) => parts.iter().find_map(only_record),
        Predicate::Or(parts) => {
            let first = only_record(parts.first()?)?;
            parts.iter().all(|part| only_record(part) == Some(first)).then_some(first)
        }
        _ => None,
    }
}

/// Refuses what no scope of the token covers, with the reason: the caller knows its own token.
pub(crate) fn require_scope(call: &Call, action: Action, resource_type: ResourceType) -> Result<(), Fault> {
    if call.caller.scopes.that_permit(action, Some(resource_type)).next().is_some() {
        return Ok(());
    }
    Err(Fault::denied(format!("no scope of the token lets the app {} {resource_type}", action.verb())))
}

/// Refuses a change of what somebody else wrote, or that no permission covers. The caller can see the resource, so the
/// reason is told.
pub(crate) fn may_change(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    version: &Version,
) -> Result<(), Fault> {
    let decision = decide_about(concord, call, transaction, action, version.resource_type, version.patient)?;
    let by_office = version.author.is_empty() && !call.caller.credentials.offices.is_empty();
    // What nobody is known to have written (the review of a broken glass) is also for those whose office it is. What
    // several parties write is bounded by the rules of its type; it is deleted by the one who wrote it first.
    let joint = action == Action::Update && is_joint(version)?;
    if !by_office && !joint {
        authored(concord, call, transaction, version)?
            .map_err(|reason| Fault::Denied(concord_consent::explain::refusal(std::slice::from_ref(&*reason))))?;
    }
    if judge::permits(transaction, &decision, Rows::Current, version)? {
        return Ok(());
    }
    Err(Fault::Denied(issues(&decision)))
}

/// Whether the caller wrote the resource first, or why that is not so.
fn authored(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
) -> Result<Result<(), Box<Reason>>, Fault> {
    let author = Some(version.author.as_str()).filter(|author| !author.is_empty());
    let roles = known::of_caller(concord, call, transaction)?.roles;
    Ok(concord_consent::authorship::may_change(&call.caller.actor, author, &roles, transaction.now))
}

/// Whether the caller wrote the resource first.
pub(crate) fn wrote(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
) -> Result<bool, Fault> {
    Ok(authored(concord, call, transaction, version)?.is_ok())
}

/// Whether several parties write what stands in a version, each its part.
fn is_joint(version: &Version) -> Result<bool, Fault> {
    let resource_type = version.resource_type;
    if !rules::may_be_joint(resource_type) || version.deleted {
        return Ok(false);
    }
    Ok(rules::is_joint(resource_type, &stored(version)?))
}

/// The resource of a version that is not a deletion.
pub(crate) fn stored(version: &Version) -> Result<Value<'static>, Fault> {
    known::parsed(version)?.ok_or(Fault::Gone)
}

/// Whether the caller may change what is labelled in a resource: who wrote it, and a system what no patient and no
/// related person wrote. What not, with the reason.
pub(crate) fn owns(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    version: &Version,
) -> Result<Result<(), Vec<Issue>>, Fault> {
    let theirs = ["Patient/", "RelatedPerson/"].iter().any(|kind| version.author.starts_with(kind));
    if call.caller.actor == Actor::System && theirs {
        let text = "the patient or somebody close to the patient wrote this, and decides how it is labelled";
        return Ok(Err(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    // To negotiate a goal is not to own it.
    if is_joint(version)?
        && let Err(reason) = authored(concord, call, transaction, version)?
    {
        return Ok(Err(concord_consent::explain::refusal(std::slice::from_ref(&reason))));
    }
    match may_change(concord, call, transaction, Action::Update, version) {
        Ok(()) => Ok(Ok(())),
        Err(Fault::Denied(issues)) => Ok(Err(issues)),
        Err(fault) => Err(fault),
    }
}

/// Who writes, for the rules of the type.
pub(crate) fn writer(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>) -> Result<Writer, Fault> {
    let actor = &call.caller.actor;
    let mut writer = Writer { kind: WriterKind::System, reference: actor.reference(), also: Vec::new(), patient: None };
    match actor {
        Actor::System => {}
        Actor::Patient(id) => {
            writer.kind = WriterKind::Patient;
            writer.patient = Some(id.clone());
        }
        Actor::RelatedPerson(id) => {
            writer.patient.clone_from(&call.caller.patient);
            if writer.patient.is_none()
                && let Some(head) = transaction.head(RELATED_PERSON, id, false)?
            {
                // Without a patient in context it is the one whom this person is known to be related to.
                writer.patient = Some(transaction.patient_id(head.version.patient)?).filter(|id| !id.is_empty());
            }
            let decides = match &writer.patient {
                Some(patient) => decides_for(concord, call, transaction, patient)?,
                None => false,
            };
            writer.kind = WriterKind::RelatedPerson { decides };
        }
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => {
            writer.kind = WriterKind::Professional;
            let roles = known::of_caller(concord, call, transaction)?.roles;
            writer.also = concord_consent::identity::references(actor, &roles, transaction.now);
        }
    }
    Ok(writer)
}

/// Whether the law lets the caller decide for the patient.
fn decides_for(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    patient: &str,
) -> Result<bool, Fault> {
    let Some(key) = transaction.patient_key(patient)? else { return Ok(false) };
    let facts = facts(concord, call, transaction, key)?;
    Ok(concord_consent::legal_basis(&call.caller, &facts, patient, transaction.now).is_some())
}

/// The same caller with an app that may read everything that they may.
pub(super) fn unbounded(call: &Call) -> Call {
    let caller = Caller { scopes: reference_scopes(&call.caller), ..(*call.caller).clone() };
    // Not the same rights as those of the token, so not the same remembered answers.
    let fingerprint = call.fingerprint.map(|byte| !byte);
    Call { caller: Arc::new(caller), fingerprint, ..call.clone() }
}

/// The decision's reasons for an OperationOutcome.
pub(crate) fn issues(decision: &Decision) -> Vec<Issue> {
    concord_consent::explain::refusal(&decision.reasons)
}
