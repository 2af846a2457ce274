//! Several Consents: what remains of what is implied once they have spoken.
//!
//! What they deny is denied with what shows or speaks about it, which tells what it says: content by the document that
//! shows it, a comment by what it is about. A permit gives nothing but what it covers itself.

use concord_fhir::predicate::Predicate;

use crate::decision::{Layer, Reason, Verdict, consents_of};
use crate::identity::Rank;
use crate::request::Action;
use crate::ruling::{Kind, Question, Ruling, rulings};
use crate::types;

/// What remains of the implied permission once the patient's Consents have spoken: the most specific rule wins, and of
/// equally specific ones a denial.
pub(crate) fn combine(implied: Predicate, question: &Question<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let mut said: [(Predicate, Predicate); Rank::ALL.len()] =
        std::array::from_fn(|_| (Predicate::None, Predicate::None));
    for ruling in all_rulings(question) {
        let about = ruling.about.unwrap_or_else(|| ruling.scope.clone());
        reasons.push(ruling.reason.about(record.clone().and(about)));
        if let Some((permits, denies)) = said.get_mut(ruling.rank as usize) {
            let same = if ruling.permits { permits } else { denies };
            *same = std::mem::replace(same, Predicate::None).or(ruling.scope);
        }
    }
    let permitted =
        said.into_iter().fold(implied, |permitted, (permits, denies)| permitted.or(permits).and(denies.negate()));
    if permitted == Predicate::None {
        return permitted;
    }
    let speaks = speaks_of_denied(question);
    if speaks != Predicate::None {
        let text = "the patient does not share what this shows or speaks about";
        let reason = Reason::new(Layer::Consent, Verdict::Denies, "consent.deny-of-other", text);
        let denials = consents_of(denials_that_reach(question).iter());
        reasons.push(reason.about(record.and(speaks.clone())).resting_on(denials));
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
    let outdone = |rank: Rank| {
        let closer = permits.iter().filter(|permit| permit.rank > rank);
        closer.fold(Predicate::None, |all, permit| all.or(permit.scope.clone()))
    };
    let (mut denied, mut exceptions) = (Predicate::None, Predicate::None);
    for denial in denials {
        let stands = outdone(denial.rank).negate();
        if denial.reaches_further {
            denied = denied.or(denial.scope.and(stands.clone()));
        }
        if let Some((within, of)) = denial.exception {
            exceptions = exceptions.or(within.and(speaks_of(question, of.and(stands))));
        }
    }
    speaks_of(question, denied).or(exceptions)
}

/// Why what is denied reaches what shows or speaks about it.
pub(crate) fn denials_that_reach(question: &Question<'_>) -> Vec<Reason> {
    let rulings = all_rulings(&question.of_every_type()).into_iter();
    let reaches = |ruling: &Ruling| !ruling.permits && (ruling.reaches_further || ruling.exception.is_some());
    rulings.filter(reaches).map(|ruling| ruling.reason).collect()
}

/// What shows or speaks about something in the record that emergency access is refused to.
pub(crate) fn speaks_of_refused(question: &Question<'_>) -> Predicate {
    let refuses = |ruling: &Ruling| !ruling.permits && ruling.names_break_glass && ruling.reaches_further;
    let refused = all_rulings(&question.of_every_type()).into_iter().filter(refuses);
    speaks_of(question, refused.fold(Predicate::None, |all, ruling| all.or(ruling.scope)))
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

/// What all the patient's Consents say, in one order. To an app only what names it.
pub(crate) fn all_rulings(question: &Question<'_>) -> Vec<Ruling> {
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
