//! The one function that decides who may see and do what. Every layer only narrows what the one before leaves; without
//! a rule that permits, the answer is no.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::caller::Actor;
use crate::ceiling::ceiling;
use crate::comment;
use crate::decision::{Decision, Layer, Obligation, Reason, Verdict};
use crate::facts::Facts;
use crate::identity::{Identity, Rank};
use crate::label::{self, Named};
use crate::purpose::Purpose;
use crate::request::{Action, Request};
use crate::ruling::{Question, Ruling, rulings};
use crate::tri::Tri;
use crate::types;

/// The parameters that tell who wrote a resource that only its author's team may see.
const AUTHORS: [&str; 17] = [
    "AllergyIntolerance.recorder",
    "ClinicalImpression.assessor",
    "Communication.sender",
    "CommunicationRequest.requester",
    "Composition.author",
    "Condition.asserter",
    "DetectedIssue.author",
    "DiagnosticReport.performer",
    "DocumentReference.author",
    "Flag.author",
    "List.source",
    "Observation.performer",
    "Procedure.performer",
    "QuestionnaireResponse.author",
    "RequestGroup.author",
    "RiskAssessment.performer",
    "ServiceRequest.requester",
];

/// Decides. Same inputs, same answer: the order of facts does not matter, and nothing else is looked at.
///
/// `now` is in milliseconds since 1970 UTC. The permit of a question about one type holds for no other type.
#[must_use]
pub fn decide(request: &Request<'_>, facts: &Facts, now: i64) -> Decision {
    let mut reasons = Vec::new();
    let ceiling = ceiling(request, now, &mut reasons);
    let reach = match ceiling {
        Predicate::None => Predicate::None,
        _ => reach(request, facts, now, &mut reasons),
    };
    let reach = reach.or(comments(request, facts, now, &mut reasons));
    let of_type = request.resource_type.map_or(Predicate::All, |one| Predicate::Type(vec![one]));
    reasons.sort();
    reasons.dedup();
    Decision {
        action: request.action,
        permit: of_type.and(ceiling).and(reach),
        reasons,
        obligations: obligations(&request.caller.actor),
        until: facts.next_change(now),
    }
}

/// Comments on what the caller may read, for those who do not reach Communications anyway. What the comment is about is
/// judged like a read of it, the scopes included.
fn comments(request: &Request<'_>, facts: &Facts, now: i64, reasons: &mut Vec<Reason>) -> Predicate {
    let limited = matches!(request.caller.actor, Actor::RelatedPerson(_));
    if !limited || request.resource_type != Some(comment::COMMUNICATION) || request.action.writes() {
        return Predicate::None;
    }
    let mut any = Predicate::None;
    for one in comment::types() {
        let of_type = Request { resource_type: Some(one), ..request.clone() };
        let mut unsaid = Vec::new();
        let readable = ceiling(&of_type, now, &mut unsaid).and(reach(&of_type, facts, now, &mut unsaid));
        any = any.or(comment::about(one, readable));
    }
    if any != Predicate::None {
        let text = "comments on what the caller may read";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Permits, "comment.on-readable", text));
    }
    comment::plain().and(any)
}

fn obligations(actor: &Actor) -> Vec<Obligation> {
    match actor {
        Actor::System => vec![Obligation::Audit],
        Actor::Patient(_) | Actor::RelatedPerson(_) => {
            vec![Obligation::Audit, Obligation::NoRedisclosure, Obligation::SayMayBeWithheld]
        }
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => vec![Obligation::Audit, Obligation::SayMayBeWithheld],
    }
}

/// What the caller may reach, whatever the token's scopes are.
fn reach(request: &Request<'_>, facts: &Facts, now: i64, reasons: &mut Vec<Reason>) -> Predicate {
    let only = request.resource_type;
    if request.caller.actor == Actor::System {
        let text = "a registered system, within its scopes";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Permits, "system", text));
        return match request.action {
            Action::Update | Action::Delete => types::changed_by_systems(only),
            _ => Predicate::All,
        };
    }
    let records = match &request.caller.actor {
        Actor::System => Predicate::None,
        Actor::Patient(own) => of_patient(own, request, reasons),
        Actor::RelatedPerson(own) => of_related_person(own, request, facts, now, reasons),
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => of_professional(request, facts, now, reasons),
    };
    if request.action.writes() {
        if records == Predicate::None && only.is_some() {
            let text = format!("you may not {} this type of resource here", request.action.verb());
            reasons.push(Reason::new(Layer::Writing, Verdict::Denies, "write.not-yours", text));
        }
        return records;
    }
    let shared = types::shared(only);
    if shared != Predicate::None {
        let text = "reference data that is about no patient";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Permits, "shared-reference", text));
    }
    records.or(shared)
}

/// A patient reaches her own record, but for what is hidden from patients.
fn of_patient(own: &str, request: &Request<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let text = "the patient's own record";
    reasons.push(Reason::new(Layer::Relationship, Verdict::Permits, "own-record", text));
    say_hidden(reasons);
    let record = Predicate::Record(own.to_owned()).and(label::hidden_from_patients().negate());
    if request.action.writes() { types::written_by_patients(request.resource_type).and(record) } else { record }
}

fn say_hidden(reasons: &mut Vec<Reason>) {
    let text = "data labelled as not for patients stays hidden";
    reasons.push(Reason::new(Layer::Label, Verdict::Denies, "label.not-for-patients", text));
}

/// A related person reaches what the patient's Consents name them for, and their own RelatedPerson.
fn of_related_person(
    own: &str,
    request: &Request<'_>,
    facts: &Facts,
    now: i64,
    reasons: &mut Vec<Reason>,
) -> Predicate {
    let only = request.resource_type;
    say_hidden(reasons);
    let identity = Identity::of(request.caller, facts, now);
    let purpose = request.purpose.unwrap_or(Purpose::FAMILY_REQUEST);
    let mut records = Records::default();
    for patient in &facts.patients {
        let related =
            patient.related_persons.iter().any(|one| one.id == own && one.is_related_to(&patient.patient, now));
        if !related {
            let text = "the caller is not known as an active related person of the patient";
            reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "not-related", text));
            continue;
        }
        let question = Question {
            action: request.action,
            purpose,
            resource_type: only,
            identity: &identity,
            professional: false,
            in_care_team: false,
            patient,
            now,
        };
        let permitted = combine(Predicate::None, &question, reasons);
        records.add(&patient.patient, permitted.and(label::hidden_from_patients().negate()));
    }
    if request.action.writes() {
        return types::written_by_related_persons(only).and(records.predicate());
    }
    let itself = types::related_person(only).and(Predicate::Id(vec![own.to_owned()]));
    types::seen_by_related_persons(only).and(records.predicate()).or(itself)
}

/// A professional reaches the patients who have them in a care team or whose Consents name them.
fn of_professional(request: &Request<'_>, facts: &Facts, now: i64, reasons: &mut Vec<Reason>) -> Predicate {
    let only = request.resource_type;
    let identity = Identity::of(request.caller, facts, now);
    if identity.role_not_held {
        let text = "the role of the caller is not known or not held at this time";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "role-not-held", text));
        return Predicate::None;
    }
    let purpose = request.purpose.unwrap_or(Purpose::TREATMENT);
    let authored = authored_by(&identity, only);
    let mut records = Records::default();
    for patient in &facts.patients {
        let in_care_team =
            patient.care_teams.iter().any(|team| identity.is_in(team, &patient.patient, now) == Tri::Yes);
        let question = Question {
            action: request.action,
            purpose,
            resource_type: only,
            identity: &identity,
            professional: true,
            in_care_team,
            patient,
            now,
        };
        let implied = implied_by_care_team(&question, &authored, reasons);
        let permitted = combine(implied, &question, reasons);
        if permitted == Predicate::None {
            let text = "neither the care team nor a sharing choice of the patient lets the caller in";
            reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "no-relationship", text));
        }
        records.add(&patient.patient, permitted);
    }
    if facts.patients.is_empty() {
        let text = "the caller has no relationship to any patient in question";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "no-relationship", text));
    }
    let for_authors = match request.action {
        Action::Create => Predicate::All,
        _ => label::for_authors_only().negate().or(authored),
    };
    let types = match request.action.writes() {
        true => types::written_by_professionals(only),
        false => types::seen_by_professionals(only),
    };
    types.and(records.predicate()).and(for_authors)
}

/// What membership of the care team gives when no Consent says otherwise: for direct care, data that has no label which
/// needs naming, and what the caller or one of their roles wrote.
fn implied_by_care_team(question: &Question<'_>, authored: &Predicate, reasons: &mut Vec<Reason>) -> Predicate {
    if !question.in_care_team {
        return Predicate::None;
    }
    if !question.purpose.is_direct_care() {
        let text = "being in the care team is no reason for this purpose";
        reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "care-team.purpose", text));
        return Predicate::None;
    }
    let text = "the caller is in the patient's care team";
    reasons.push(Reason::new(Layer::Relationship, Verdict::Permits, "care-team", text));
    if question.action == Action::Create {
        return Predicate::All;
    }
    let text = "sensitive data needs a sharing choice of the patient that names its label";
    reasons.push(Reason::new(Layer::Label, Verdict::Denies, "label.needs-naming", text));
    Named::default().covers().or(authored.clone())
}

/// What remains of the implied permission once the patient's Consents have spoken: the most specific rule wins, and of
/// equally specific ones a denial.
fn combine(implied: Predicate, question: &Question<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let mut consents: Vec<_> = question.patient.consents.iter().collect();
    consents.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<Ruling> = consents.into_iter().flat_map(|consent| rulings(consent, question)).collect();
    reasons.extend(found.iter().map(|ruling| ruling.reason.clone()));
    let mut permitted = implied;
    for rank in Rank::ALL {
        let of_rank = |permits: bool| {
            let same = found.iter().filter(move |ruling| ruling.rank == rank && ruling.permits == permits);
            same.fold(Predicate::None, |all, ruling| all.or(ruling.region.clone()))
        };
        permitted = permitted.or(of_rank(true)).and(of_rank(false).negate());
    }
    permitted
}

/// What the caller, one of their roles or organizations wrote.
fn authored_by(identity: &Identity<'_>, only: Option<ResourceType>) -> Predicate {
    let names: Vec<Test> = identity.references().map(|reference| Test::Is(reference.to_owned())).collect();
    let about = |name: &&&str| only.is_none_or(|only| name.split('.').next() == Some(only.name()));
    AUTHORS
        .iter()
        .filter(about)
        .fold(Predicate::None, |all, name| all.or(Predicate::Entry(ParameterId::of(name), Test::Either(names.clone()))))
}

/// What is permitted of each record; patients with the same rule are named together, so that the predicate of a
/// professional with many patients stays small.
#[derive(Default)]
struct Records(Vec<(Predicate, Vec<String>)>);

impl Records {
    fn add(&mut self, patient: &str, permitted: Predicate) {
        if permitted == Predicate::None {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == permitted) {
            Some((_, patients)) => patients.push(patient.to_owned()),
            None => self.0.push((permitted, vec![patient.to_owned()])),
        }
    }

    fn predicate(self) -> Predicate {
        self.0.into_iter().fold(Predicate::None, |all, (permitted, mut patients)| {
            patients.sort();
            patients.dedup();
            let record = patients.into_iter().fold(Predicate::None, |any, one| any.or(Predicate::Record(one)));
            all.or(record.and(permitted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::registry::{Kind, parameter};

    #[test]
    fn the_parameters_that_name_an_author_are_reference_parameters() {
        for name in AUTHORS {
            let (resource_type, code) = name.split_once('.').unwrap();
            let found = parameter(ResourceType::parse(resource_type).unwrap(), code);
            assert_eq!(found.map(|found| found.kind), Some(Kind::Reference), "{name}");
        }
    }
}
