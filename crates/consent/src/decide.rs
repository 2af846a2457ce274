//! The one function that decides who may see and do what. Every layer only narrows what the one before leaves, but for
//! breaking the glass and for an office, which say so; without a rule that permits, the answer is no.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::caller::Actor;
use crate::ceiling::ceiling;
use crate::comment;
use crate::decision::{Decision, Layer, Obligation, Reason, Redaction, Verdict, each_once};
use crate::facts::Facts;
use crate::label;
use crate::request::{Action, Request};
use crate::types;
use crate::{citizen, professional, system};

/// Decides. Same inputs, same answer: the order of facts does not matter, and nothing else is looked at.
///
/// `now` is in milliseconds since 1970 UTC. The permit of a question about one type holds for no other type.
#[must_use]
pub fn decide(request: &Request<'_>, facts: &Facts, now: i64) -> Decision {
    let mut asked = Asked { request, facts, now, reasons: Vec::new(), glass_is_new: false };
    let ceiling = ceiling(request, now, &mut asked.reasons);
    let reach = match ceiling {
        Predicate::None => Reach::nothing(),
        _ => asked.reach(),
    };
    let comments = comments(&mut asked);
    let of_type = request.resource_type.map_or(Predicate::All, |one| Predicate::Type(vec![one]));
    let redactions = match reach.whole.filter(|whole| *whole != reach.permit) {
        None => Vec::new(),
        Some(whole) => label::redactions()
            .map(|(of, elements)| Redaction { of: of.and(whole.clone().negate()), elements })
            .collect(),
    };
    let permit = of_type.and(ceiling).and(reach.permit.or(comments));
    Decision {
        action: request.action,
        permit,
        reasons: each_once(asked.reasons),
        obligations: obligations(&request.caller.actor, asked.glass_is_new),
        redactions,
        until: facts.next_change(now),
    }
}

/// Comments on what the caller may read, for those who do not reach Communications anyway. What the comment is about is
/// judged like a read of it, the scopes included.
fn comments(asked: &mut Asked<'_>) -> Predicate {
    let request = asked.request;
    let limited = matches!(request.caller.actor, Actor::RelatedPerson(_));
    if !limited || request.resource_type != Some(comment::COMMUNICATION) || request.action.writes() {
        return Predicate::None;
    }
    let mut any = Predicate::None;
    for one in comment::types() {
        let of_type = Request { resource_type: Some(one), ..request.clone() };
        let (facts, now) = (asked.facts, asked.now);
        let mut inner = Asked { request: &of_type, facts, now, reasons: Vec::new(), glass_is_new: false };
        let ceiling = ceiling(&of_type, now, &mut inner.reasons);
        let readable = ceiling.and(inner.reach().permit);
        any = any.or(comment::about(one, readable));
    }
    if any == Predicate::None {
        return any;
    }
    let inherited: Vec<_> = asked.facts.patients.iter().flat_map(|patient| patient.labelled.iter().cloned()).collect();
    let permit = comment::plain(&inherited).and(any);
    if permit != Predicate::None {
        let text = "comments on what the caller may read";
        asked.gives(Layer::Relationship, "comment.on-readable", permit.clone(), text);
    }
    permit
}

/// What the caller may reach.
pub(crate) struct Reach {
    pub(crate) permit: Predicate,
    /// What of it may be seen with all its elements; none when all may.
    pub(crate) whole: Option<Predicate>,
}

impl Reach {
    pub(crate) fn nothing() -> Reach {
        Reach::wholly(Predicate::None)
    }

    pub(crate) fn wholly(permit: Predicate) -> Reach {
        Reach { permit, whole: None }
    }

    /// Both, of each what the function makes of it.
    pub(crate) fn map(self, each: impl Fn(Predicate) -> Predicate) -> Reach {
        Reach { permit: each(self.permit), whole: self.whole.map(each) }
    }
}

/// A question while it is being answered.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) facts: &'a Facts,
    pub(crate) now: i64,
    pub(crate) reasons: Vec<Reason>,
    /// Whether the glass breaks with this question.
    pub(crate) glass_is_new: bool,
}

impl Asked<'_> {
    pub(crate) fn only(&self) -> Option<ResourceType> {
        self.request.resource_type
    }

    /// Whether a Patient may be shown without some elements: where it is named and read, not where it is looked for,
    /// because what is looked for tells what it holds.
    pub(crate) fn in_part(&self) -> bool {
        let reads = matches!(self.request.action, Action::Read | Action::History | Action::TypeHistory);
        reads && label::may_redact(self.only())
    }

    pub(crate) fn gives(&mut self, layer: Layer, rule: &'static str, about: Predicate, text: &str) {
        self.reasons.push(Reason::new(layer, Verdict::Permits, rule, text).about(about));
    }

    pub(crate) fn takes(&mut self, layer: Layer, rule: &'static str, about: Predicate, text: &str) {
        self.reasons.push(Reason::new(layer, Verdict::Denies, rule, text).about(about));
    }

    /// Whatever the token's scopes are.
    fn reach(&mut self) -> Reach {
        let records = match &self.request.caller.actor {
            Actor::System => return Reach::wholly(system::reach(self)),
            Actor::Patient(own) => citizen::patient(self, own),
            Actor::RelatedPerson(own) => citizen::related_person(self, own),
            Actor::Practitioner(_) | Actor::PractitionerRole(_) => professional::reach(self),
        };
        let only = self.only();
        if self.request.action.writes() {
            if records.permit == Predicate::None && only.is_some() {
                let text = format!("you may not {} this type of resource here", self.request.action.verb());
                self.takes(Layer::Writing, "write.not-yours", Predicate::All, &text);
            }
            return records;
        }
        let shared = types::shared(only);
        if shared != Predicate::None {
            let text = "this is reference data that is about no patient";
            self.gives(Layer::Relationship, "shared-reference", shared.clone(), text);
        }
        records.map(|permit| permit.or(shared.clone()))
    }
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

/// What is permitted of each record; patients with the same rule are named together, so that the predicate of a
/// professional with many patients stays small.
#[derive(Default)]
pub(crate) struct Records(Vec<(Predicate, Vec<String>)>);

impl Records {
    pub(crate) fn add(&mut self, patient: &str, permitted: Predicate) {
        if permitted == Predicate::None {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == permitted) {
            Some((_, patients)) => patients.push(patient.to_owned()),
            None => self.0.push((permitted, vec![patient.to_owned()])),
        }
    }

    pub(crate) fn predicate(self) -> Predicate {
        self.0.into_iter().fold(Predicate::None, |all, (permitted, mut patients)| {
            patients.sort();
            patients.dedup();
            let record = patients.into_iter().fold(Predicate::None, |any, one| any.or(Predicate::Record(one)));
            all.or(record.and(permitted))
        })
    }
}
