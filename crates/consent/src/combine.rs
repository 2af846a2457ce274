//! Several Consents: what remains of what is implied once they have spoken.
//!
//! What they deny is denied with what shows or speaks about it, which tells what it says: content by the document that
//! shows it, a comment by what it is about. A permit gives nothing but what it covers itself.

use concord_fhir::predicate::Predicate;

use crate::decision::{Layer, Reason, Verdict};
use crate::facts::PatientFacts;
use crate::identity::Rank;
use crate::request::Action;
use crate::ruling::{Kind, Question, Ruling, rulings};
use crate::types;

/// What remains of the implied permission once the patient's Consents have spoken: the most specific rule wins, and of
/// equally specific ones a denial.
pub(crate) fn combine(implied: Predicate, question: &Question<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let mut said: [(Vec<Predicate>, Vec<Predicate>); Rank::ALL.len()] = Default::default();
    for ruling in all_rulings(question) {
        let about = ruling.about.unwrap_or_else(|| ruling.scope.clone());
        reasons.push(ruling.reason.about(record.clone().and(about)));
        if let Some((permits, denies)) = said.get_mut(ruling.rank as usize) {
            if ruling.permits { permits } else { denies }.push(ruling.scope);
        }
    }
    let permitted = said.into_iter().fold(implied, |permitted, (permits, denies)| {
        permitted.or(Predicate::any(permits)).and(Predicate::any(denies).negate())
    });
    if permitted == Predicate::None {
        return permitted;
    }
    let speaks = speaks_of_denied(question);
    if speaks != Predicate::None {
        let text = "the patient does not share what this shows or speaks about";
        let reason = Reason::new(Layer::Consent, Verdict::Denies, "consent.deny-of-other", text);
        reasons.push(reason.about(record.and(speaks.clone())));
    }
    permitted.and(speaks.negate())
}

/// What shows or speaks about something in the record that a Consent denies, and that the caller does not keep.
pub(crate) fn speaks_of_denied(question: &Question<'_>) -> Predicate {
    if types::speaking(question.reading.only) == Predicate::None || question.action == Action::Create {
        return Predicate::None;
    }
    let (permits, denials): (Vec<Ruling>, Vec<Ruling>) =
        all_rulings(&question.of_every_type()).into_iter().partition(|ruling| ruling.permits);
    // What names the caller more closely and permits what is denied.
    let stands = |rank: Rank, denied: Vec<Predicate>| {
        let closer = permits.iter().filter(|permit| permit.rank > rank);
        let outdone = Predicate::any(closer.map(|permit| permit.scope.clone()).collect());
        Predicate::any(denied).and(outdone.negate())
    };
    let mut denied = Rank::ALL.map(|rank| (rank, Vec::new()));
    let mut exceptions = Vec::<(Rank, Predicate, Vec<Predicate>)>::new();
    for denial in denials {
        if let Some((_, all)) = denied.get_mut(denial.rank as usize).filter(|_| denial.reaches_further) {
            all.push(denial.scope);
        }
        if let Some((within, of)) = denial.exception {
            match exceptions.iter_mut().find(|(rank, known, _)| *rank == denial.rank && *known == within) {
                Some((_, _, all)) => all.push(of),
                None => exceptions.push((denial.rank, within, vec![of])),
            }
        }
    }
    let denied = Predicate::any(denied.into_iter().map(|(rank, all)| stands(rank, all)).collect());
    let exceptions = exceptions.into_iter().map(|(rank, within, of)| within.and(speaks_of(question, stands(rank, of))));
    speaks_of(question, denied).or(Predicate::any(exceptions.collect()))
}

/// What shows or speaks about something in the record that emergency access is refused to.
pub(crate) fn speaks_of_refused(question: &Question<'_>) -> Predicate {
    let refuses = |ruling: &Ruling| !ruling.permits && ruling.names_break_glass && ruling.reaches_further;
    let refused = all_rulings(&question.of_every_type()).into_iter().filter(refuses);
    speaks_of(question, Predicate::any(refused.map(|ruling| ruling.scope).collect()))
}

/// What shows or speaks about data of the record that is denied.
fn speaks_of(question: &Question<'_>, denied: Predicate) -> Predicate {
    if denied == Predicate::None {
        return denied;
    }
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let then = Box::new(record.and(denied).and(question.kept.clone().negate()));
    let speaking = types::speaking(question.reading.only);
    speaking.and(Predicate::DependsOn { through: types::SPEAKING.clone(), then })
}

/// The most that the Consents of one record may ask of a decision together ([`PatientFacts::asks`]): beyond, what is said
/// cannot be told in time, and is a no to all of the record.
pub(crate) const MOST_ASKED: usize = 2 * concord_fhir::rules::consent::MOST_ASKED;

/// The rule of a record about which more is said than can be evaluated.
pub const TOO_MUCH: &str = "consent.too-much";

/// What all the patient's Consents say, in one order. To an app only what names it.
pub(crate) fn all_rulings(question: &Question<'_>) -> Vec<Ruling> {
    if question.patient.asks() > MOST_ASKED {
        // What cannot be understood at all shuts nobody out of their own record.
        return if question.kind == Kind::OwnApp { Vec::new() } else { vec![too_much(question.patient)] };
    }
    let mut consents: Vec<_> = question.patient.consents.iter().collect();
    consents.sort_by(|a, b| a.name.cmp(&b.name));
    let mut found: Vec<Ruling> = consents.into_iter().flat_map(|consent| rulings(consent, question)).collect();
    match question.kind {
        Kind::Professional | Kind::Related => {}
        Kind::OtherApp => found.retain(|ruling| ruling.rank > Rank::Everybody),
        // What cannot be understood at all shuts nobody out of their own record.
        Kind::OwnApp => found.retain(|ruling| ruling.rank > Rank::Everybody && ruling.reason.provision.is_some()),
    }
    found
}

/// The one rule of a record about which more is said than can be evaluated: a no to everything.
fn too_much(patient: &PatientFacts) -> Ruling {
    let text = format!(
        "the sharing choices of the patient say more than can be evaluated, so they are taken as a no: {} criteria, of at most {MOST_ASKED}",
        patient.asks()
    );
    Ruling {
        rank: Rank::Person,
        scope: Predicate::All,
        permits: false,
        reaches_further: false,
        exception: None,
        about: None,
        names_break_glass: patient.names_break_glass(),
        reason: Reason::new(Layer::Consent, Verdict::Unevaluable, TOO_MUCH, text),
    }
}
