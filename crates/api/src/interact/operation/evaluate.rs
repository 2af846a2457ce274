//! `$evaluate`: what a person may see or do of a patient's record, item by item and with reasons, as the sharing choices
//! stand or as a draft would have them.
//!
//! A patient may ask about anybody, and so may a privacy officer or safeguarding lead with a reason and a system that
//! may read Consents. Others ask about themselves, and are told no more than a refusal would tell them. What the asker
//! may not see is answered as if it were not there.

use std::sync::Arc;

use concord_consent::caller::{Actor, Proofing};
use concord_consent::decision::{Decision, ItemDecision, ItemEffect, Layer, Reason, Verdict};
use concord_consent::facts::{ConsentFacts, Facts, GivenBy, Target as Named};
use concord_consent::purpose::Purpose;
use concord_consent::request::{Action, Request};
use concord_fhir::index::Entries;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{instant, local_reference};
use concord_model::build::{self, Content, Link, parameter};
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::{evaluation, facts, knowledge, subject_facts};
use crate::interact::call::AskedAbout;
use crate::interact::operation::evaluated_actor::NamedActor;
use crate::interact::operation::record;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{Call, Service, access};

const CONSENT: ResourceType = ResourceType::of("Consent");

/// The reason that stands for one that nobody has given yet.
const ASKED_BEFOREHAND: &str = "(asked beforehand)";

/// `$evaluate`
pub(super) const OPERATION: Operation = Operation {
    name: "$evaluate",
    levels: &[Level::Type],
    types: &["Consent"],
    conduct: Conduct { echoes: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Says what a person may see or do of a patient's record, item by item, and why.",
    definition: None,
    parameters: &[
        Parameter::required("patient", "Reference", "Whose record"),
        Parameter::required(
            "actor",
            "Reference",
            "Who: a Patient, RelatedPerson, Practitioner, PractitionerRole, Organization or Device, by reference or by \
                          identifier (system|value); an app by urn:concord:client|its client_id",
        ),
        Parameter::optional("purpose", "code", "What for, of v3-ActReason"),
        Parameter::optional(
            "action",
            "code",
            "What: access (unless said otherwise), use, disclose, collect or correct",
        ),
        Parameter::optional("when", "dateTime", "When; now unless said otherwise"),
        Parameter { max: 100, ..Parameter::optional("resource", "Reference", "To which resources") },
        Parameter { max: 150, ..Parameter::optional("type", "code", "To which types") },
        Parameter { max: 10, ..Parameter::optional("consent", "Resource", "Drafts that are to count as if active") },
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    evaluated(session, input)
}

/// What is asked.
struct EvaluateInput {
    patient: String,
    actor: NamedActor,
    purpose: Option<Purpose>,
    action: Action,
    when: Option<i64>,
    resources: Vec<String>,
    types: Vec<ResourceType>,
}

impl EvaluateInput {
    fn read(service: &Service, input: &Input) -> Result<EvaluateInput, ApiError> {
        let local = |name: &'static str| {
            input
                .text(name)
                .and_then(|text| local_reference(&service.base, &text))
                .and_then(|text| text.split_once('/').map(|(kind, id)| (kind.to_owned(), id.to_owned())))
        };
        let patient = match local("patient") {
            Some((kind, id)) if kind == "Patient" => id,
            _ => return Err(ApiError::parameter("patient", "a reference such as Patient/123")),
        };
        let actor = NamedActor::read(service, input)?;
        let purpose = match input.text("purpose") {
            Some(code) => Some(
                Purpose::parse(&code)
                    .ok_or_else(|| ApiError::parameter("purpose", "a purpose of use of v3-ActReason"))?,
            ),
            None => None,
        };
        let action = match input.text("action").as_deref() {
            None | Some("access" | "use" | "disclose") => Action::Read,
            Some("collect") => Action::Create,
            Some("correct") => Action::Update,
            Some(_) => return Err(ApiError::parameter("action", "access, use, disclose, collect or correct")),
        };
        let when = match input.text("when") {
            Some(text) => Some(instant::range(&text).ok_or_else(|| ApiError::parameter("when", "a date and time"))?.0),
            None => None,
        };
        let types = input
            .texts("type")
            .iter()
            .map(|name| ResourceType::parse(name).ok_or_else(|| ApiError::parameter("type", "a resource type of R4")))
            .collect::<Result<Vec<_>, _>>()?;
        let resources = input.texts("resource");
        // Who names neither asks about everything.
        let types = if resources.is_empty() && types.is_empty() { record::types().collect() } else { types };
        Ok(EvaluateInput { patient, actor, purpose, action, when, resources, types })
    }
}

/// What the asker may be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disclosure {
    /// All reasons, as far as they may read the Consents behind them.
    All,
    /// What a refusal would tell.
    AsRefused,
}

fn evaluated(session: &mut Session<'_, '_>, input: &Input) -> Result<Output, ApiError> {
    access::require_scope(session.call, Action::Read, CONSENT)?;
    let mut question = EvaluateInput::read(session.service, input)?;
    question.actor.resolve(session)?;
    let told = may_ask(session.call, &question)?;
    let key = record(session, &question)?;
    if told == Disclosure::All {
        access::disclose(session, &[], std::slice::from_ref(&question.patient))?;
    }
    // About themselves: with their own scopes, app and sign-in.
    let (asked, role, device) = match told {
        Disclosure::AsRefused => (session.call.clone(), None, None),
        Disclosure::All => question.actor.call(session, &question.patient)?,
    };
    // Whether the asker still acts is asked where the session ends.
    let has_ended = match &asked.asked_about {
        Some(about) => facts::has_ended(session, &asked.caller.actor, about.own.clone())?,
        None => false,
    };
    let mut known = match has_ended {
        true => Facts::default(),
        false => {
            let when = question.when.unwrap_or(session.transaction.now);
            access::facts_about_at(&mut session.calling(&asked), key, when)?
        }
    };
    if told == Disclosure::All {
        subject_facts::leave_hidden(session, &mut known)?;
    }
    let is_hidden = |about: &Arc<AskedAbout>| about.own.is_none() && asked.caller.actor.resource().is_some();
    if asked.asked_about.as_ref().is_some_and(is_hidden) {
        // What an actor's own resource says is not there for whom it is not.
        (known.roles, known.identities) = (Vec::new(), Vec::new());
    }
    known.roles.extend(role);
    known.devices.extend(device);
    if told == Disclosure::All {
        draft(session, input, &question, &mut known)?;
    }
    let evaluation = Evaluation { question: &question, told, asked: &asked, facts: &known, has_ended };
    let mut decisions = Vec::new();
    for reference in &question.resources {
        decisions.push(evaluation.of_resource(session, reference)?);
    }
    for resource_type in &question.types {
        decisions.push(evaluation.of_type(session, *resource_type)?);
    }
    let answer = decisions.into_iter().map(|parts| parameter("decision", Content::Parts(parts))).collect();
    Ok(Output::Value(build::parameters(answer)?))
}

/// The key of the record that is asked about. A patient of whom the asker may not know is asked about as one of whom there
/// is nothing; whoever may read something in the record knows of the patient.
fn record(session: &mut Session<'_, '_>, question: &EvaluateInput) -> Result<i64, ApiError> {
    if let Some(key) = access::record_known(session, &question.patient)? {
        return Ok(key);
    }
    for text in &question.resources {
        if let Some(local) = local_reference(&session.service.base, text)
            && let Some((name, id)) = local.split_once('/')
            && let Some(resource_type) = ResourceType::parse(name)
            && let Some(head) = knowledge::readable(session, resource_type, id)?
            && session.transaction.patient_id(head.version.patient)? == question.patient
        {
            return Ok(head.version.patient);
        }
    }
    Ok(0)
}

/// Whether the asker may ask this, and what they may be told.
fn may_ask(call: &Call, question: &EvaluateInput) -> Result<Disclosure, ApiError> {
    let caller = &call.caller;
    let about_self = caller.actor.reference() == question.actor.reference();
    match &caller.actor {
        Actor::System => Ok(Disclosure::All),
        Actor::Patient(own) if *own == question.patient && caller.credentials.proofing == Proofing::P9 => {
            Ok(Disclosure::All)
        }
        actor if actor.is_professional() && subject_facts::has_privileged_role(call) => Ok(Disclosure::All),
        _ if about_self => Ok(Disclosure::AsRefused),
        _ => Err(ApiError::denied("you may ask about yourself; about others the patient may ask")),
    }
}

/// Who would make a draft active: the system that asks, else the patient.
fn draft_by(call: &Call) -> GivenBy {
    match access::given_by(call) {
        GivenBy::System => GivenBy::System,
        _ => GivenBy::Patient,
    }
}

/// Puts drafts among the Consents, each in place of the one of its id if the asker may read that one. What a draft names is
/// looked into as far as the asker may read it.
fn draft(
    session: &mut Session<'_, '_>,
    input: &Input,
    question: &EvaluateInput,
    known: &mut Facts,
) -> Result<(), ApiError> {
    for (position, value) in input.resources("consent").enumerate() {
        if value.text("resourceType") != Some("Consent") {
            return Err(ApiError::parameter("consent", "a Consent"));
        }
        let replaced = match value.text("id") {
            Some(id) if knowledge::readable(session, CONSENT, id)?.is_some() => Some(id.to_owned()),
            _ => None,
        };
        let id = replaced.clone().unwrap_or_else(|| format!("draft-{}", position + 1));
        let draft = ConsentFacts::from_draft(&id, value, &session.service.base).given_by(draft_by(session.call));
        if draft.patient != Some(Named::Local(format!("Patient/{}", question.patient))) {
            return Err(ApiError::parameter("consent", "it is not about the patient"));
        }
        if let Some(patient) = known.patients.first_mut() {
            let patient = Arc::make_mut(patient);
            if replaced.is_some() {
                let versions = format!("Consent/{id}/");
                patient.consents.retain(|one| !one.name.starts_with(&versions));
            }
            patient.consents.push(draft);
            knowledge::add_readable_links(session, patient)?;
        }
    }
    Ok(())
}

struct Evaluation<'a> {
    question: &'a EvaluateInput,
    told: Disclosure,
    asked: &'a Call,
    facts: &'a Facts,
    /// Whether whom it is asked about acts no more, and may do nothing.
    has_ended: bool,
}

impl Evaluation<'_> {
    fn decision(&self, session: &mut Session<'_, '_>, resource_type: ResourceType) -> Result<Decision, ApiError> {
        session.transaction.compute(access::steps_of_decision(self.facts))?;
        let caller = &self.asked.caller;
        // To be asked about, an emergency needs no reason yet; to a professional who asks about herself it gives nothing
        // that she does not see already.
        let reason = if self.told == Disclosure::All { Some(ASKED_BEFOREHAND) } else { session.call.reason.as_deref() };
        let request = Request {
            caller,
            action: self.question.action,
            resource_type: Some(resource_type),
            purpose: self.question.purpose,
            reason,
        };
        let mut decision =
            concord_consent::decide(&request, self.facts, self.question.when.unwrap_or(session.transaction.now));
        if self.has_ended {
            (decision.permit, decision.reasons, decision.obligations) = (Predicate::None, Vec::new(), Vec::new());
        }
        Ok(decision)
    }

    fn of_resource(&self, session: &mut Session<'_, '_>, text: &str) -> Result<Vec<build::Parameter>, ApiError> {
        let mut parts = vec![parameter("resource", Content::Reference(Link::To(text.to_owned())))];
        let known = match local_reference(&session.service.base, text) {
            Some(local) => self.known(session, &local)?,
            None => None,
        };
        let Some((entries, version)) = known else {
            let text = "there is no such resource, or none that you may know of";
            parts.extend([effect("deny"), plain("relationship", "not-known", text)]);
            return Ok(parts);
        };
        let decision = self.decision(session, entries.resource_type)?;
        let mut item = on_stored(session, &decision, &entries, &version)?;
        if self.question.action == Action::Update && item.effect != ItemEffect::Deny {
            let author = Some(version.author.as_str()).filter(|author| !author.is_empty());
            let actor = &self.asked.caller.actor;
            if let Err(reason) = concord_consent::may_change(actor, author, &self.facts.roles, session.transaction.now)
            {
                item.effect = ItemEffect::Deny;
                item.reasons = vec![*reason];
            }
        }
        parts.push(effect(item.effect.code()));
        let reasons = self.reason_parts(session, item.reasons, item.effect)?;
        parts.extend(reasons);
        Ok(parts)
    }

    fn of_type(
        &self,
        session: &mut Session<'_, '_>,
        resource_type: ResourceType,
    ) -> Result<Vec<build::Parameter>, ApiError> {
        let decision = self.decision(session, resource_type)?;
        let answer = decision.on_type(resource_type, &self.question.patient);
        let about = |reason: &Reason| reason.about.clone().of_type(resource_type);
        let outcome = if answer == Some(false) { ItemEffect::Deny } else { ItemEffect::Permit };
        let said = |reason: &Reason| outcome == ItemEffect::Permit || reason.verdict != Verdict::Permits;
        let mut reasons: Vec<Reason> =
            decision.reasons.into_iter().filter(|reason| about(reason) != Predicate::None && said(reason)).collect();
        if answer.is_some() {
            // What is only about some of it, as labelled data is, decided nothing.
            reasons.retain(|reason| Decision::decided_on_type(reason, resource_type, &self.question.patient));
        }
        let mut parts = vec![parameter("type", Content::Code(resource_type.name().to_owned())), effect(outcome.code())];
        if answer.is_none() {
            parts.push(plain("obligation", "depends", "it depends on the item: ask about it by its reference"));
        }
        parts.extend(self.reason_parts(session, reasons, outcome)?);
        Ok(parts)
    }

    /// What a resource is evaluated by, and who wrote it, if the asker may see it.
    fn known(&self, session: &mut Session<'_, '_>, local: &str) -> Result<Option<(Entries, Version)>, ApiError> {
        let Some((resource_type, id)) =
            local.split_once('/').and_then(|(name, id)| Some((ResourceType::parse(name)?, id)))
        else {
            return Ok(None);
        };
        let Some(head) = knowledge::readable(session, resource_type, id)? else { return Ok(None) };
        let entries = subject_facts::entries(session, &head.version)?;
        Ok(Some((entries, head.version.into_version())))
    }

    /// The reasons as the asker may know them.
    fn reason_parts(
        &self,
        session: &mut Session<'_, '_>,
        reasons: Vec<Reason>,
        effect: ItemEffect,
    ) -> Result<Vec<build::Parameter>, ApiError> {
        let mut parts = Vec::new();
        for reason in reasons {
            if self.told == Disclosure::AsRefused && reason.verdict != Verdict::Permits && !is_open(&reason) {
                continue;
            }
            let known = subject_facts::knows_consent(session, reason.consent.as_deref())?;
            parts.push(reason_part("reason", &reason, known));
        }
        if parts.is_empty() {
            let text = match (effect, self.told) {
                (ItemEffect::Deny, Disclosure::All) => "nothing lets them do this",
                (ItemEffect::Deny, Disclosure::AsRefused) => "nothing lets you do this",
                (_, Disclosure::All) => "they may do this",
                (_, Disclosure::AsRefused) => "you may do this",
            };
            parts.push(plain("relationship", "default", text));
        }
        Ok(parts)
    }
}

/// The answer for a stored version. What a decision asks of other resources, the store looks up.
fn on_stored(
    session: &mut Session<'_, '_>,
    decision: &Decision,
    entries: &Entries,
    version: &Version,
) -> Result<ItemDecision, ApiError> {
    let is_allowed = match decision.permit.has_chains() {
        true if decision.action.writes() && !decision.allows(&entries.clone().by_itself()) => false,
        true => evaluation::permits(session.transaction, decision, Rows::Current, version)?,
        false => decision.allows(entries),
    };
    let mut failed = None;
    let item = decision.on_among_others(entries, is_allowed, &mut |about| {
        if !about.has_chains() {
            return about.holds(entries);
        }
        let holds = session.transaction.holds(about, Rows::Current, version);
        holds.unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    });
    failed.map_or(Ok(item), |fault| Err(fault.into()))
}

/// Whether a denial may be told to whom it denies: what the token lacks, who may write what, how they signed in.
fn is_open(reason: &Reason) -> bool {
    matches!(reason.layer, Layer::Assurance | Layer::Scope | Layer::Writing | Layer::Authorship)
        || matches!(reason.rule, "role-not-held" | "break-glass.sign-in" | "break-glass.reason" | "office.reason")
}

fn effect(code: &'static str) -> build::Parameter {
    parameter("effect", Content::Code(code.to_owned()))
}

fn plain(layer: &'static str, rule: &'static str, text: &'static str) -> build::Parameter {
    let parts = vec![
        parameter("layer", Content::Code(layer.to_owned())),
        parameter("rule", Content::Code(rule.to_owned())),
        parameter("text", Content::String(text.to_owned())),
    ];
    parameter("reason", Content::Parts(parts))
}

/// A reason as a part of an answer; `consent` says whether the Consent that it stands in is named.
pub(super) fn reason_part(name: &'static str, reason: &Reason, consent: bool) -> build::Parameter {
    let mut parts = vec![
        parameter("layer", Content::Code(reason.layer.code().to_owned())),
        parameter("rule", Content::Code(reason.rule.to_owned())),
    ];
    if let (Some(name), true) = (&reason.consent, consent) {
        parts.push(parameter("consent", Content::Reference(Link::To(name.clone()))));
        if let Some(provision) = &reason.provision {
            parts.push(parameter("provision", Content::String(provision.clone())));
        }
    }
    parts.push(parameter("text", Content::String(reason.text.clone())));
    parameter(name, Content::Parts(parts))
}
