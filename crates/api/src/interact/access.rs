//! The facts that a decision needs, loaded and remembered, and the questions that interactions ask it. What is decided
//! is `concord_consent`'s; this file only fetches and carries.
//!
//! Facts and decisions are remembered under the access versions that the same transaction reads, so that a revocation
//! holds from the next request on, on every node.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller};
use concord_consent::decision::{Decision, Reason};
use concord_consent::facts::{
    CareTeamFacts, ConsentFacts, Facts, IdentityFacts, PatientFacts, RelatedPersonFacts, RoleFacts,
};
use concord_consent::request::{Action, Request};
use concord_fhir::index::{Entry, ParameterId, SEPARATOR};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Value};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{RecordClass, ResourceType, record_class};
use concord_fhir::rules::{self, Writer, WriterKind};
use quick_cache::sync::Cache;

use super::{AUDIT_EVENT, Call, Concord, SECURITY};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::rows::{Head, Version};
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const CARE_TEAM: ResourceType = ResourceType::of("CareTeam");
const CONSENT: ResourceType = ResourceType::of("Consent");
const PRACTITIONER_ROLE: ResourceType = ResourceType::of("PractitionerRole");
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

/// Whether what an actor may do depends on anything stored.
fn needs_facts(actor: &Actor) -> bool {
    !matches!(actor, Actor::System | Actor::Patient(_))
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
    let caller = Caller { scopes: reference_scopes(&call.caller), ..(*call.caller).clone() };
    // Not the same rights as those of the token, so not the same remembered answers.
    let fingerprint = call.fingerprint.map(|byte| !byte);
    let call = Call { caller: Arc::new(caller), fingerprint, ..call.clone() };
    decide_on(concord, &call, transaction, Action::Read, head)
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
    // A patient's or system's own rights are the same for every record, so one answer serves all.
    let facts_matter = needs_facts(&call.caller.actor);
    let patient = if facts_matter { patient } else { 0 };
    let access = match (facts_matter, access) {
        (false, _) => (0, 0),
        (true, Some(access)) => access,
        (true, None) => transaction.access_versions(patient)?,
    };
    let question = Question {
        caller: call.fingerprint,
        purpose: call.purpose.map_or("", |purpose| purpose.code()),
        action,
        resource_type,
        patient,
    };
    if let Some(answer) = concord.facts.decisions.get(&question)
        && answer.access == access
        && answer.until.is_none_or(|until| transaction.now < until)
    {
        return Ok(Arc::clone(&answer.decision));
    }
    let facts = if facts_matter {
        let mut facts = about_caller(concord, call, transaction)?;
        if patient != 0 {
            facts.patients.push(about_patient(concord, transaction, patient)?);
        }
        facts
    } else {
        Facts::default()
    };
    let decision = Arc::new(ask(call, action, resource_type, &facts, transaction.now));
    let answer = Answer { access, until: decision.until, decision: Arc::clone(&decision) };
    concord.facts.decisions.insert(question, Arc::new(answer));
    Ok(decision)
}

fn ask(call: &Call, action: Action, resource_type: Option<ResourceType>, facts: &Facts, now: i64) -> Decision {
    let request = Request { caller: &call.caller, action, resource_type, purpose: call.purpose };
    concord_consent::decide(&request, facts, now)
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
    if shared || !needs_facts(&call.caller.actor) {
        return decide_about(concord, call, transaction, action, resource_type, 0);
    }
    match record {
        Some(id) => {
            let key = transaction.patient_key(id)?.unwrap_or(0);
            decide_about(concord, call, transaction, action, resource_type, key)
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
    Ok(for_type(&decision.permit, resource_type))
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
    if needs_facts(&call.caller.actor) {
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
    let mut facts = about_caller(concord, call, transaction)?;
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
        facts.patients.push(about_patient(concord, transaction, key)?);
    }
    Ok(Arc::new(ask(call, action, resource_type, &facts, transaction.now)))
}

/// What the store knows about the caller.
fn about_caller(concord: &Concord, call: &Call, transaction: &mut Transaction<'_>) -> Result<Facts, Fault> {
    let mut facts = Facts::default();
    let now = transaction.now;
    let condition = match &call.caller.actor {
        Actor::Practitioner(id) => {
            Sql::new("r.deleted = 0 AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
                .bind(ParameterId::of("PractitionerRole.practitioner").0)
                .sql(" AND e.key = ")
                .bind(format!("Practitioner/{id}"))
                .sql(") LIMIT 100")
        }
        Actor::PractitionerRole(id) => Sql::new("r.deleted = 0 AND r.type = ")
            .bind(PRACTITIONER_ROLE.number())
            .sql(" AND r.id = ")
            .bind(id.as_str()),
        _ => Sql::new("1 = 0"),
    };
    for version in transaction.versions(Rows::Current, condition)? {
        if let Some(value) = parsed(&version)? {
            facts.roles.push(RoleFacts::from_resource(&version.id, &value, &concord.base));
        }
    }
    for name in concord_consent::identity::references(&call.caller.actor, &facts.roles, now) {
        let Some((resource_type, id)) = name.split_once('/') else { continue };
        let Some(resource_type) = ResourceType::parse(resource_type) else { continue };
        if let Some(head) = transaction.head(resource_type, id, false)?
            && let Some(value) = parsed(&head.version)?
        {
            facts.identities.push(IdentityFacts::from_resource(resource_type, &head.version.id, &value));
        }
    }
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

/// What the store knows about a patient that access is decided by.
fn about_patient(concord: &Concord, transaction: &mut Transaction<'_>, key: i64) -> Result<PatientFacts, Fault> {
    let mut facts = PatientFacts { patient: transaction.patient_id(key)?, ..PatientFacts::default() };
    let mut condition = Sql::new("r.deleted = 0 AND r.patient = ").bind(key).sql(" AND r.type IN (");
    for (place, named) in [CONSENT, CARE_TEAM, RELATED_PERSON].into_iter().enumerate() {
        if place > 0 {
            condition.push_sql(", ");
        }
        condition.push_bind(named.number());
    }
    condition.push_sql(")");
    for version in transaction.versions(Rows::Current, condition)? {
        let Some(value) = parsed(&version)? else { continue };
        let (id, base) = (version.id.as_str(), concord.base.as_str());
        match version.resource_type {
            CONSENT => facts.consents.push(ConsentFacts::from_resource(id, version.version, &value, base)),
            CARE_TEAM => facts.care_teams.push(CareTeamFacts::from_resource(id, &value, base)),
            _ => facts.related_persons.push(RelatedPersonFacts::from_resource(id, &value, base)),
        }
    }
    Ok(facts)
}

/// The resource of a version; none for a deletion. A stored body that cannot be read stops the request: a fact that
/// is missing might be a denial.
fn parsed(version: &Version) -> Result<Option<Value<'static>>, Fault> {
    if version.deleted {
        return Ok(None);
    }
    json::parse(version.body.as_bytes(), &json::Limits::default())
        .map(|value| Some(value.into_owned()))
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))
}

/// Whether a decision permits a version: from its row alone where that is enough, else from its index rows.
pub(crate) fn permits(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<bool, Fault> {
    let patient = transaction.patient_id(version.patient)?;
    match known(&decision.permit, version, &patient) {
        Predicate::All => Ok(true),
        Predicate::None => Ok(false),
        rest => transaction.meets(rows, version.key, &rest),
    }
}

/// The predicate with what a version's row says put in.
fn known(predicate: &Predicate, version: &Version, patient: &str) -> Predicate {
    let settled = |holds: bool| if holds { Predicate::All } else { Predicate::None };
    match predicate {
        Predicate::Type(types) => settled(types.contains(&version.resource_type)),
        Predicate::Id(ids) => settled(ids.contains(&version.id)),
        Predicate::NoRecord => settled(version.patient == 0),
        Predicate::Record(wanted) if version.patients <= 1 => settled(version.patient != 0 && wanted == patient),
        Predicate::Entry(parameter, test) if *parameter == SECURITY => settled(labelled(&version.labels, test)),
        Predicate::And(parts) => parts.iter().fold(Predicate::All, |all, part| {
            if all == Predicate::None { all } else { all.and(known(part, version, patient)) }
        }),
        Predicate::Or(parts) => parts.iter().fold(Predicate::None, |any, part| {
            if any == Predicate::All { any } else { any.or(known(part, version, patient)) }
        }),
        Predicate::Not(part) => known(part, version, patient).negate(),
        other => other.clone(),
    }
}

/// Whether one of a row's labels meets a test: the same rows that the index has.
fn labelled(labels: &str, test: &Test) -> bool {
    let keys = labels.split('\n').filter(|key| !key.is_empty());
    keys.map(|key| Entry { parameter: SECURITY, key: key.to_owned(), low: None, high: None })
        .any(|row| test.holds(&row))
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
    // What several parties write is bounded by the rules of its type; it is deleted by the one who wrote it first.
    if !(rules::is_joint(version.resource_type) && action == Action::Update) {
        authored(concord, call, transaction, version)?
            .map_err(|reason| Fault::Denied(concord_consent::explain::refusal(std::slice::from_ref(&reason))))?;
    }
    if permits(transaction, &decision, Rows::Current, version)? {
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
) -> Result<Result<(), Reason>, Fault> {
    let author = Some(version.author.as_str()).filter(|author| !author.is_empty());
    let roles = about_caller(concord, call, transaction)?.roles;
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

/// The resource of a version that is not a deletion.
pub(crate) fn stored(version: &Version) -> Result<Value<'static>, Fault> {
    parsed(version)?.ok_or(Fault::Gone)
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
        Actor::RelatedPerson(_) => {
            writer.kind = WriterKind::RelatedPerson { decides: false };
            writer.patient.clone_from(&call.caller.patient);
        }
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => {
            writer.kind = WriterKind::Professional;
            let roles = about_caller(concord, call, transaction)?.roles;
            writer.also = concord_consent::identity::references(actor, &roles, transaction.now);
        }
    }
    Ok(writer)
}

/// Which events of the log the caller may see: a patient those about her record, anybody else what they did
/// themselves and were let do, so that a refusal tells nobody whose record a hidden id belongs to; a system as far as
/// its scopes go.
pub(crate) fn log_permission(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
) -> Result<Predicate, Fault> {
    let resource_type = AUDIT_EVENT;
    match (&call.caller.actor, call.caller.actor.reference()) {
        (Actor::System | Actor::Patient(_), _) | (_, None) => {
            let decision = decide_at(concord, call, transaction, action, Some(resource_type), 0, None)?;
            Ok(for_type(&decision.permit, resource_type))
        }
        (_, Some(own)) => Ok(Predicate::Entry(ParameterId::of("AuditEvent.agent"), Test::Is(own))
            .and(Predicate::Entry(ParameterId::of("AuditEvent.outcome"), Test::Starts(format!("0{SEPARATOR}"))))),
    }
}

/// The decision's reasons for an OperationOutcome.
pub(crate) fn issues(decision: &Decision) -> Vec<Issue> {
    concord_consent::explain::refusal(&decision.reasons)
}

/// Puts the Consent or rule that permitted into the record.
pub(crate) fn log_permit(record: &mut Record, decision: &Decision) {
    record.reason = brief(decision);
}

/// Puts the rule that refused into the record.
pub(crate) fn log_denial(record: &mut Record, decision: &Decision) {
    record.reason = format!("hidden: {}", brief(decision));
}

/// The rules and Consents of a decision in one line.
fn brief(decision: &Decision) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for reason in &decision.reasons {
        let told = reason.consent.as_deref().unwrap_or(reason.rule);
        if !parts.contains(&told) && parts.len() < 5 {
            parts.push(told);
        }
    }
    parts.join(", ")
}
