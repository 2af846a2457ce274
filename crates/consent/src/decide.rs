//! The one function that decides who may see and do what. Every layer only narrows what the one before leaves, but for
//! breaking the glass and for a privileged role, which say so; without a rule that permits, the answer is no.

use std::sync::Arc;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::actor::Actor;
use crate::asked::{Asked, Reach};
use crate::caller::{App, Proofing};
use crate::comment;
use crate::decision::{Decision, Layer, Obligation, Redaction, each_once};
use crate::facts::Facts;
use crate::label;
use crate::request::{Action, Request};
use crate::scope_limit::scope_limit;
use crate::types;
use crate::{patient_side, professional, proposal, system};

/// Decides. Same inputs, same answer: the order of facts does not matter, and nothing else is looked at.
///
/// `now` is in milliseconds since 1970 UTC. The permit of a question about one type holds for no other type.
#[must_use]
pub fn decide(request: &Request<'_>, facts: &Facts, now: i64) -> Decision {
    let mut asked = Asked::of(request, facts, now);
    let scope_limit = scope_limit(request, now, &mut asked.reasons);
    let reach = match scope_limit {
        Predicate::None => Reach::nothing(),
        _ => reach(&mut asked),
    };
    let comments = comments(&mut asked);
    let of_type = request.resource_type.map_or(Predicate::All, |one| Predicate::Type(vec![one]));
    let redactions = match reach.whole.filter(|whole| *whole != reach.permit) {
        None => Vec::new(),
        Some(whole) => label::redactions()
            .map(|(of, elements)| Redaction { of: of.and(whole.clone().negate()), elements })
            .collect(),
    };
    let permit = of_type.and(scope_limit).and(reach.permit.or(comments));
    let (permit, redactions) = while_labels_come(&mut asked, permit, redactions);
    let unnamed = match facts.labels_on_their_way.as_slice() {
        [] => asked.unnamed,
        coming => label::as_if_borne(asked.unnamed, coming, true),
    };
    Decision {
        action: request.action,
        permit,
        reasons: each_once(asked.reasons),
        obligations: obligations(&request.caller.actor, asked.glass_is_new),
        redactions,
        unnamed: unnamed.into(),
        until: facts.next_change(now),
    }
}

/// What is left while labels are on their way: what inherits anything counts as bearing all of them where that takes
/// something away, and as bearing only what it bears where that gives something.
fn while_labels_come(
    asked: &mut Asked<'_>,
    permit: Predicate,
    redactions: Vec<Redaction>,
) -> (Predicate, Vec<Redaction>) {
    let coming = &asked.facts.labels_on_their_way;
    // What is created has the labels that its writer gives it.
    if coming.is_empty() || asked.request.action == Action::Create {
        return (permit, redactions);
    }
    let narrow = label::as_if_borne(permit.clone(), coming, false);
    let wide = |redaction: Redaction| Redaction { of: label::as_if_borne(redaction.of, coming, true), ..redaction };
    let redactions = redactions.into_iter().map(wide).collect();
    if narrow != permit {
        let text = "the labels of what this is part of are being handed on to it";
        asked.takes(Layer::Label, "label.on-its-way", narrow.clone().negate(), text);
    }
    (narrow, redactions)
}

/// Comments on what the caller may read, for those who do not reach Communications anyway. What a comment speaks about is
/// evaluated like a read of it, the scopes included, and by what is shared of the record that the comment is in.
fn comments(asked: &mut Asked<'_>) -> Predicate {
    let request = asked.request;
    let limited = matches!(request.caller.actor, Actor::RelatedPerson(_));
    let are_asked_about = request.resource_type.is_none_or(|one| one == comment::COMMUNICATION);
    if !limited || !are_asked_about || request.action.writes() {
        return Predicate::None;
    }
    let of_every_type = Request { resource_type: None, ..request.clone() };
    let mut any = Predicate::None;
    for patient in &asked.facts.patients {
        let facts = Facts { patients: vec![Arc::clone(patient)], ..asked.facts.clone() };
        let mut inner = Asked::of(&of_every_type, &facts, asked.now);
        let scope_limit = scope_limit(&of_every_type, asked.now, &mut inner.reasons);
        let reach = reach(&mut inner);
        // A Patient of whom only a part is shown is not one whom all may be told of.
        let readable = scope_limit.and(reach.whole.unwrap_or(reach.permit));
        any = any.or(comment::in_record(&patient.patient, &readable));
    }
    if any == Predicate::None {
        return any;
    }
    let allowed = any.and(asked.denied_comments.clone().negate()).of_type(comment::COMMUNICATION);
    let permit = types::communication(request.resource_type).and(allowed);
    if permit != Predicate::None {
        let text = "comments on what the caller may read";
        asked.gives(Layer::Relationship, "comment.on-readable", permit.clone(), text);
    }
    permit
}

/// What the caller may reach, whatever the token's scopes are.
fn reach(asked: &mut Asked<'_>) -> Reach {
    let records = match &asked.request.caller.actor {
        Actor::System => {
            let reach = system::reach(asked);
            return Reach::wholly(reach.and(proposal::limit(asked)));
        }
        Actor::Patient(own) => patient_side::patient(asked, own),
        Actor::RelatedPerson(own) => patient_side::related_person(asked, own),
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => professional::reach(asked),
    };
    let only = asked.only();
    if asked.request.action.writes() {
        if records.permit == Predicate::None && only.is_some() {
            let text = not_yours(asked.request, only);
            asked.takes(Layer::Writing, "write.not-yours", Predicate::All, &text);
        }
        let limit = proposal::limit(asked);
        return records.map(|permit| permit.and(limit.clone()));
    }
    let records = match own_accesses(asked) {
        Predicate::None => records,
        own => records.map(|permit| permit.or(own.clone())),
    };
    let shared = types::shared(only);
    if shared != Predicate::None {
        let text = "this is reference data that is about no patient";
        asked.gives(Layer::Relationship, "shared-reference", shared.clone(), text);
    }
    records.map(|permit| permit.or(shared.clone()))
}

/// Why somebody may write nothing of a type here: for the type, which nobody like them writes, or for whose record it is. The
/// latter says nothing of any record.
pub(crate) fn not_yours(request: &Request<'_>, only: Option<ResourceType>) -> String {
    let (action, verb) = (request.action, request.action.verb());
    let where_they_may = match &request.caller.actor {
        Actor::Patient(_) => "in your own record",
        Actor::RelatedPerson(_) => "in the record of a patient who lets you, or for whom the law does",
        _ => "in the record of a patient in whose care you are, or who lets you",
    };
    match types::written_by(&request.caller.actor, action, only) {
        Predicate::None => format!("you may not {verb} resources of this type"),
        _ => format!("nothing lets you {verb} this here: you may {where_they_may}"),
    }
}

/// What the log says of what somebody who is not the patient did themselves and was let do, so that a refusal tells
/// nobody whose record a hidden id belongs to. Not in an app of somebody else, which no patient lets see it.
fn own_accesses(asked: &mut Asked<'_>) -> Predicate {
    let caller = &asked.request.caller;
    let is_known = match &caller.actor {
        Actor::RelatedPerson(_) => caller.credentials.proofing == Proofing::P9,
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => true,
        Actor::Patient(_) | Actor::System => false,
    };
    let (Some(own), true) = (caller.actor.reference(), is_known && asked.only() == Some(types::AUDIT_EVENT)) else {
        return Predicate::None;
    };
    if caller.credentials.app == App::ThirdParty {
        let text = "the log of what somebody did themselves is not for an app of somebody else";
        asked.takes(Layer::Relationship, "log.app", Predicate::All, text);
        return Predicate::None;
    }
    let done = Test::Starts(format!("0{SEPARATOR}"));
    let accesses = Predicate::Entry(ParameterId::of("AuditEvent.agent"), Test::Is(own))
        .and(Predicate::Entry(ParameterId::of("AuditEvent.outcome"), done));
    let text = "this is what the caller did themselves";
    asked.gives(Layer::Relationship, "log.own-accesses", accesses.clone(), text);
    accesses
}

fn obligations(actor: &Actor, glass_is_new: bool) -> Vec<Obligation> {
    let mut obligations = match actor {
        Actor::System => vec![Obligation::Audit],
        Actor::Patient(_) | Actor::RelatedPerson(_) => {
            vec![Obligation::Audit, Obligation::NoRedisclosure, Obligation::SayMayBeWithheld]
        }
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => vec![Obligation::Audit, Obligation::SayMayBeWithheld],
    };
    if glass_is_new {
        obligations.extend([Obligation::NotifyPatient, Obligation::QueueReview]);
    }
    obligations
}
