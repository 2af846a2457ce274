//! `$who-can-see`: everybody who has access to a patient's record, to what, by which Consent or rule, and until when.
//! For the patient, and for those who may ask about anybody (`$evaluate`).

use concord_consent::caller::{Actor, Proofing};
use concord_consent::request::{Action, BREAK_GLASS_MS};
use concord_consent::who::Access;
use concord_fhir::registry::ResourceType;
use concord_model::build::{Content, Link, Parameter, parameter, parameters};

use crate::error::ApiError;
use crate::interact::access::{facts, subject_facts};
use crate::interact::operation::evaluate::reason_part;
use crate::interact::operation::evaluated_actor;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output};
use crate::interact::session::Session;
use crate::interact::{access, instant, read};

const CONSENT: ResourceType = ResourceType::of("Consent");
const PATIENT: ResourceType = ResourceType::of("Patient");

/// What holds for everybody's record, beside what names somebody.
const GENERAL: [(&str, &str); 5] = [
    ("author", "professionals and their organisations keep access to what they wrote"),
    ("break-glass", "in an emergency a professional may open the record for an hour; the patient is told at once"),
    ("office", "a safeguarding lead and a privacy officer may look, with a reason that is kept"),
    ("system", "registered systems may do what their registration says"),
    (
        "hidden",
        "what is labelled as not for patients, as private to a team, as of a third party or as safeguarding is not in this list",
    ),
];

/// `$who-can-see`
pub(super) const OPERATION: Operation = Operation {
    name: "$who-can-see",
    levels: &[Level::Instance],
    types: &["Patient"],
    conduct: Conduct::READS,
    computing: Computing::OverConsents,
    description: "Says who can see a patient's record: what of it, by which Consent or rule, and until when.",
    definition: None,
    parameters: &[],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, _input: &Input) -> Result<Output, ApiError> {
    seen(session, target.id.as_deref().unwrap_or_default())
}

fn seen(session: &mut Session<'_, '_>, id: &str) -> Result<Output, ApiError> {
    session.audit.about(id);
    access::require_scope(session.call, Action::Read, CONSENT)?;
    let head = read::visible(session, PATIENT, id, Action::Read)?;
    let may = match &session.call.caller.actor {
        Actor::System => true,
        Actor::Patient(own) => own == id && session.call.caller.credentials.proofing == Proofing::P9,
        actor => actor.is_professional() && subject_facts::has_privileged_role(session.call),
    };
    if !may {
        return Err(ApiError::denied("who can see a record is told to the patient"));
    }
    if head.version.deleted {
        return Err(ApiError::Gone);
    }
    let known = subject_facts::everybody(session, head.version.patient)?;
    let mut answer = Vec::new();
    let now = session.transaction.now;
    for one in concord_consent::who_can_see(&known, now, |steps| session.transaction.compute(steps))? {
        if has_ended(session, &one.who)? {
            continue;
        }
        answer.push(access_parameter(session, &one)?);
    }
    for patient in &known.patients {
        for glass in &patient.break_glass {
            if has_ended(session, &glass.who)? {
                continue;
            }
            let until = glass.since.saturating_add(BREAK_GLASS_MS);
            let because = vec![
                parameter("layer", Content::Code("break-glass".to_owned())),
                parameter("rule", Content::Code("break-glass".to_owned())),
                parameter("text", Content::String(format!("emergency access; the reason given was: {}", glass.reason))),
            ];
            let parts = vec![
                who(&glass.who),
                parameter("because", Content::Parts(because)),
                parameter("until", Content::Instant(instant(until))),
            ];
            answer.push(parameter("access", Content::Parts(parts)));
        }
    }
    for (rule, text) in GENERAL {
        let parts = vec![
            parameter("rule", Content::Code(rule.to_owned())),
            parameter("text", Content::String(text.to_owned())),
        ];
        answer.push(parameter("general", Content::Parts(parts)));
    }
    Ok(Output::Value(parameters(answer)?))
}

/// Whether whom a reference names is a professional who acts no more, and so sees nothing whatever names them.
fn has_ended(session: &mut Session<'_, '_>, who: &str) -> Result<bool, ApiError> {
    let Some(actor) = Actor::of_reference(who).filter(Actor::is_professional) else { return Ok(false) };
    let own = evaluated_actor::known(session, &actor)?;
    facts::has_ended(session, &actor, own)
}

fn who(name: &str) -> Parameter {
    let content = match name.split_once('|') {
        Some((system, value)) => Content::Identifier(system.to_owned(), value.to_owned()),
        None => Content::Reference(Link::To(name.to_owned())),
    };
    parameter("actor", content)
}

/// One who has access.
fn access_parameter(session: &mut Session<'_, '_>, one: &Access) -> Result<Parameter, ApiError> {
    let mut parts = vec![who(&one.who)];
    for sight in &one.sees {
        let types = sight.types.iter().map(|named| parameter("type", Content::Code(named.name().to_owned())));
        let labels = sight.labels.iter().map(|label| parameter("label", Content::Code((*label).to_owned())));
        let mut inner: Vec<Parameter> = types.chain(labels).collect();
        inner.push(parameter("inPart", Content::Boolean(sight.in_part)));
        parts.push(parameter("sees", Content::Parts(inner)));
    }
    for reason in &one.because {
        let known = subject_facts::knows_consent(session, reason.consent.as_deref())?;
        parts.push(reason_part("because", reason, known));
    }
    if let Some(until) = one.until {
        parts.push(parameter("until", Content::Instant(instant(until))));
    }
    Ok(parameter("access", Content::Parts(parts)))
}
