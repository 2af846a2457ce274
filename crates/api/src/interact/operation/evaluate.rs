//! `$evaluate`: what a person may see or do of a patient's record, item by item and with reasons, as the sharing choices
//! stand or as a draft would have them.
//!
//! A patient may ask about anybody, and so may a privacy officer or safeguarding lead with a reason and a system that
//! may read Consents. Others ask about themselves, and are told no more than a refusal would tell them. What the asker
//! may not see is answered as if it were not there.

use std::sync::Arc;

use concord_consent::caller::{Actor, App, Caller, Credentials, Proofing};
use concord_consent::decision::{Decision, ItemEffect, Layer, Reason, Verdict};
use concord_consent::facts::{ConsentFacts, Facts, Period, RoleFacts, Target as Named};
use concord_consent::purpose::Purpose;
use concord_consent::request::{Action, Request};
use concord_consent::scope::Scopes;
use concord_fhir::index::Entries;

use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{instant, local_reference};

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, access, facts, judge, logged};
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::transaction::Transaction;

const CONSENT: ResourceType = ResourceType::of("Consent");

/// The reason that stands for one that nobody has given yet.
const ASKED_BEFOREHAND: &str = "(asked beforehand)";

/// `$evaluate`
pub(super) const OPERATION: Operation = Operation {
    name: "$evaluate",
    levels: &[Level::Type],
    types: &["Consent"],
    changes: false,
    takes_invalid: false,
    told: "Says what a person may see or do of a patient's record, item by item, and why.",
    definition: None,
    parameters: &[
        Parameter { name: "patient", of: "Reference", min: 1, max: 1, told: "Whose record" },
        Parameter {
            name: "actor",
            of: "Reference",
            min: 1,
            max: 1,
            told: "Who: a Patient, RelatedPerson, Practitioner, PractitionerRole, Organization or Device",
        },
        Parameter { name: "purpose", of: "code", min: 0, max: 1, told: "What for, of v3-ActReason" },
        Parameter {
            name: "action",
            of: "code",
            min: 0,
            max: 1,
            told: "What: access (unless said otherwise), use, disclose, collect or correct",
        },
        Parameter { name: "when", of: "dateTime", min: 0, max: 1, told: "When; now unless said otherwise" },
        Parameter { name: "resource", of: "Reference", min: 0, max: 100, told: "To which resources" },
        Parameter { name: "type", of: "code", min: 0, max: 150, told: "To which types" },
        Parameter { name: "consent", of: "Resource", min: 0, max: 10, told: "Drafts that are to count as if active" },
    ],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, target.resource_type);
                record.query = OPERATION.name.to_owned();
                logged(evaluated(&concord, &call, transaction, &input, &mut record), record)
            })
            .await
    })
}

/// What is asked.
struct Question {
    patient: String,
    actor: (String, String),
    purpose: Option<Purpose>,
    action: Action,
    when: Option<i64>,
    resources: Vec<String>,
    types: Vec<ResourceType>,
}

impl Question {
    fn read(concord: &Concord, input: &Input) -> Result<Question, Fault> {
        let local = |name: &'static str| {
            input
                .text(name)
                .and_then(|text| local_reference(&concord.base, &text))
                .and_then(|text| text.split_once('/').map(|(kind, id)| (kind.to_owned(), id.to_owned())))
        };
        let patient = match local("patient") {
            Some((kind, id)) if kind == "Patient" => id,
            _ => return Err(Fault::parameter("patient", "a reference such as Patient/123")),
        };
        let actor = local("actor").ok_or_else(|| Fault::parameter("actor", "a reference such as RelatedPerson/123"))?;
        let purpose = match input.text("purpose") {
            Some(code) => Some(
                Purpose::parse(&code).ok_or_else(|| Fault::parameter("purpose", "a purpose of use of v3-ActReason"))?,
            ),
            None => None,
        };
        let action = match input.text("action").as_deref() {
            None | Some("access" | "use" | "disclose") => Action::Read,
            Some("collect") => Action::Create,
            Some("correct") => Action::Update,
            Some(_) => return Err(Fault::parameter("action", "access, use, disclose, collect or correct")),
        };
        let when = match input.text("when") {
            Some(text) => Some(instant::range(&text).ok_or_else(|| Fault::parameter("when", "a date and time"))?.0),
            None => None,
        };
        let types = input
            .texts("type")
            .iter()
            .map(|name| ResourceType::parse(name).ok_or_else(|| Fault::parameter("type", "a resource type of R4")))
            .collect::<Result<Vec<_>, _>>()?;
        let resources = input.texts("resource");
        if resources.is_empty() && types.is_empty() {
            return Err(Fault::parameter("resource", "name a resource or a type"));
        }
        Ok(Question { patient, actor, purpose, action, when, resources, types })
    }
}

/// What the asker may be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// All reasons, as far as they may read the Consents behind them.
    All,
    /// What a refusal would tell.
    AsRefused,
}

fn evaluated(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    input: &Input,
    record: &mut Record,
) -> Result<Output, Fault> {
    access::require_scope(call, Action::Read, CONSENT)?;
    let question = Question::read(concord, input)?;
    let told = may_ask(call, &question)?;
    let key = transaction.patient_key(&question.patient)?.unwrap_or(0);
    record.patient = if told == Told::All { key } else { 0 };
    let (asked, role, device) = actor(call, &question, told)?;
    let mut known = access::facts(concord, &asked, transaction, key)?;
    known.roles.extend(role);
    known.devices.extend(device);
    if told == Told::All {
        draft(concord, transaction, input, &question, &mut known)?;
    }
    let mut evaluation = Evaluation { concord, call, question: &question, told, asked: &asked, facts: &known };
    let mut decisions = Vec::new();
    for reference in &question.resources {
        decisions.push(evaluation.of_resource(transaction, reference)?);
    }
    for resource_type in &question.types {
        decisions.push(evaluation.of_type(transaction, *resource_type)?);
    }
    let parameters = decisions
        .into_iter()
        .map(|parts| Value::object([("name", Value::string("decision")), ("part", Value::Array(parts))]));
    Ok(Output::Value(Value::object([
        ("resourceType", Value::string("Parameters")),
        ("parameter", Value::Array(parameters.collect())),
    ])))
}

/// Whether the asker may ask this, and what they may be told.
fn may_ask(call: &Call, question: &Question) -> Result<Told, Fault> {
    let caller = &call.caller;
    let (kind, id) = &question.actor;
    let about_self = caller.actor.reference().is_some_and(|own| own == format!("{kind}/{id}"));
    match &caller.actor {
        Actor::System => Ok(Told::All),
        Actor::Patient(own) if *own == question.patient && caller.credentials.proofing == Proofing::P9 => Ok(Told::All),
        actor if actor.is_professional() && facts::in_office(call) => Ok(Told::All),
        _ if about_self => Ok(Told::AsRefused),
        _ => Err(Fault::denied("you may ask about yourself; about others the patient may ask")),
    }
}

/// The call that the actor would make, and what stands for an organization or an app.
fn actor(call: &Call, question: &Question, told: Told) -> Result<(Call, Option<RoleFacts>, Option<String>), Fault> {
    if told == Told::AsRefused {
        // As themselves: with their own scopes, app and sign-in.
        return Ok((call.clone(), None, None));
    }
    let (kind, id) = (question.actor.0.as_str(), question.actor.1.clone());
    let name = format!("{kind}/{id}");
    let (actor, role, device) = match kind {
        "Patient" => (Actor::Patient(id), None, None),
        "RelatedPerson" => (Actor::RelatedPerson(id), None, None),
        "Practitioner" => (Actor::Practitioner(id), None, None),
        "PractitionerRole" => (Actor::PractitionerRole(id), None, None),
        "Organization" => {
            // Somebody who works there and is nobody else.
            let role = RoleFacts {
                id: String::new(),
                practitioner: None,
                organization: Some(Named::Local(name)),
                active: true,
                period: Period::Always,
            };
            (Actor::PractitionerRole(String::new()), Some(role), None)
        }
        "Device" => (Actor::Patient(question.patient.clone()), None, Some(name)),
        _ => {
            let text = "a Patient, RelatedPerson, Practitioner, PractitionerRole, Organization or Device";
            return Err(Fault::parameter("actor", text));
        }
    };
    let app = if device.is_some() { App::ThirdParty } else { App::Own };
    let caller = Caller {
        actor,
        subject: String::new(),
        issuer: String::new(),
        client: String::new(),
        scopes: Scopes::parse("user/*.cruds patient/*.cruds"),
        patient: Some(question.patient.clone()),
        credentials: Credentials { app, ..Credentials::default() },
    };
    Ok((Call { caller: Arc::new(caller), purpose: None, reason: None, ..call.clone() }, role, device))
}

/// Puts drafts among the Consents, each in place of the one of its id.
fn draft(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    input: &Input,
    question: &Question,
    facts: &mut Facts,
) -> Result<(), Fault> {
    for (position, value) in input.resources("consent").enumerate() {
        if value.text("resourceType") != Some("Consent") {
            return Err(Fault::parameter("consent", "a Consent"));
        }
        let id = value.text("id").map_or_else(|| format!("draft-{}", position + 1), str::to_owned);
        let draft = ConsentFacts::from_draft(&id, value, &concord.base);
        if draft.patient != Some(Named::Local(format!("Patient/{}", question.patient))) {
            return Err(Fault::parameter("consent", "it is not about the patient"));
        }
        if let Some(patient) = facts.patients.first_mut() {
            let patient = Arc::make_mut(patient);
            let versions = format!("Consent/{id}/");
            patient.consents.retain(|one| !one.name.starts_with(&versions));
            patient.consents.push(draft);
            crate::interact::known::add_links(concord, transaction, patient)?;
        }
    }
    Ok(())
}

struct Evaluation<'a> {
    concord: &'a Concord,
    call: &'a Call,
    question: &'a Question,
    told: Told,
    asked: &'a Call,
    facts: &'a Facts,
}

impl Evaluation<'_> {
    fn decision(&self, transaction: &Transaction<'_>, resource_type: ResourceType) -> Decision {
        let caller = &self.asked.caller;
        // To be asked about, an emergency needs no reason yet; to a professional who asks about herself it gives nothing
        // that she does not see already.
        let reason = if self.told == Told::All { Some(ASKED_BEFOREHAND) } else { self.call.reason.as_deref() };
        let request = Request {
            caller,
            action: self.question.action,
            resource_type: Some(resource_type),
            purpose: self.question.purpose,
            reason,
        };
        concord_consent::decide(&request, self.facts, self.question.when.unwrap_or(transaction.now))
    }

    fn of_resource(&mut self, transaction: &mut Transaction<'_>, text: &str) -> Result<Vec<Value<'static>>, Fault> {
        let mut parts = vec![Value::object([
            ("name", Value::string("resource")),
            ("valueReference", Value::object([("reference", Value::string(text))])),
        ])];
        let known = match local_reference(&self.concord.base, text) {
            Some(local) => self.known(transaction, &local)?,
            None => None,
        };
        let Some((entries, author)) = known else {
            let text = "there is no such resource, or none that you may know of";
            parts.extend([effect("deny"), plain("relationship", "not-known", text)]);
            return Ok(parts);
        };
        let decision = self.decision(transaction, entries.resource_type);
        let mut item = decision.on(&entries);
        if self.question.action == Action::Update && item.effect != ItemEffect::Deny {
            let author = Some(author.as_str()).filter(|author| !author.is_empty());
            let actor = &self.asked.caller.actor;
            if let Err(reason) = concord_consent::may_change(actor, author, &self.facts.roles, transaction.now) {
                item.effect = ItemEffect::Deny;
                item.reasons = vec![*reason];
            }
        }
        parts.push(effect(item.effect.code()));
        let reasons = self.told(transaction, item.reasons, item.effect)?;
        parts.extend(reasons);
        Ok(parts)
    }

    fn of_type(
        &mut self,
        transaction: &mut Transaction<'_>,
        resource_type: ResourceType,
    ) -> Result<Vec<Value<'static>>, Fault> {
        let decision = self.decision(transaction, resource_type);
        let answer = decision.on_type(resource_type, &self.question.patient);
        let concerns = |reason: &Reason| reason.about.clone().of_type(resource_type) != Predicate::None;
        let outcome = if answer == Some(false) { ItemEffect::Deny } else { ItemEffect::Permit };
        let reasons: Vec<Reason> = decision
            .reasons
            .into_iter()
            .filter(|reason| concerns(reason) && (outcome == ItemEffect::Permit || reason.verdict != Verdict::Permits))
            .collect();
        let mut parts = vec![
            Value::object([("name", Value::string("type")), ("valueCode", Value::string(resource_type.name()))]),
            effect(outcome.code()),
        ];
        if answer.is_none() {
            parts.push(plain("obligation", "depends", "it depends on the item: ask about it by its reference"));
        }
        parts.extend(self.told(transaction, reasons, outcome)?);
        Ok(parts)
    }

    /// What a resource is judged by, and who wrote it, if the asker may see it.
    fn known(&self, transaction: &mut Transaction<'_>, local: &str) -> Result<Option<(Entries, String)>, Fault> {
        let Some((resource_type, id)) =
            local.split_once('/').and_then(|(name, id)| Some((ResourceType::parse(name)?, id)))
        else {
            return Ok(None);
        };
        let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(None) };
        let decision = access::decide_on(self.concord, self.call, transaction, Action::Read, &head)?;
        if head.version.deleted || !judge::permits(transaction, &decision, Rows::Current, &head.version)? {
            return Ok(None);
        }
        let entries = facts::entries(self.concord, transaction, &head.version)?;
        Ok(Some((entries, head.version.author)))
    }

    /// The reasons as the asker may know them.
    fn told(
        &self,
        transaction: &mut Transaction<'_>,
        reasons: Vec<Reason>,
        effect: ItemEffect,
    ) -> Result<Vec<Value<'static>>, Fault> {
        let mut parts = Vec::new();
        for reason in reasons {
            if self.told == Told::AsRefused && reason.verdict != Verdict::Permits && !is_open(&reason) {
                continue;
            }
            let known = facts::knows_consent(self.concord, self.call, transaction, reason.consent.as_deref())?;
            parts.push(reason_part(&reason, known));
        }
        if parts.is_empty() {
            let text = match effect {
                ItemEffect::Deny => "nothing lets you do this",
                _ => "you may do this",
            };
            parts.push(plain("relationship", "default", text));
        }
        Ok(parts)
    }
}

/// Whether a denial may be told to whom it denies: what the token lacks, who may write what, how they signed in.
fn is_open(reason: &Reason) -> bool {
    matches!(reason.layer, Layer::Assurance | Layer::Scope | Layer::Writing | Layer::Authorship)
        || matches!(reason.rule, "role-not-held" | "break-glass.sign-in" | "break-glass.reason" | "office.reason")
}

fn effect(code: &'static str) -> Value<'static> {
    Value::object([("name", Value::string("effect")), ("valueCode", Value::string(code))])
}

fn plain(layer: &'static str, rule: &'static str, text: &'static str) -> Value<'static> {
    let part = |name: &'static str, of: &'static str, value: &'static str| {
        Value::object([("name", Value::string(name)), (of, Value::string(value))])
    };
    let parts =
        vec![part("layer", "valueCode", layer), part("rule", "valueCode", rule), part("text", "valueString", text)];
    Value::object([("name", Value::string("reason")), ("part", Value::Array(parts))])
}

/// A reason as a part of an answer; `consent` says whether the Consent that it stands in is named.
pub(super) fn reason_part(reason: &Reason, consent: bool) -> Value<'static> {
    let part = |name: &'static str, of: &'static str, value: Value<'static>| {
        Value::object([("name", Value::string(name)), (of, value)])
    };
    let mut parts = vec![
        part("layer", "valueCode", Value::string(reason.layer.code())),
        part("rule", "valueCode", Value::string(reason.rule)),
    ];
    if let (Some(name), true) = (&reason.consent, consent) {
        let reference = Value::object([("reference", Value::string(name.as_str()))]);
        parts.push(part("consent", "valueReference", reference));
        if let Some(provision) = &reason.provision {
            parts.push(part("provision", "valueString", Value::string(provision.as_str())));
        }
    }
    parts.push(part("text", "valueString", Value::string(reason.text.as_str())));
    Value::object([("name", Value::string("reason")), ("part", Value::Array(parts))])
}
