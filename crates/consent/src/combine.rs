//! Several Consents: what remains of what is implied once they have spoken.

use concord_fhir::predicate::Predicate;

use crate::decision::Reason;
use crate::identity::Rank;
use crate::ruling::{Kind, Question, Ruling, rulings};

/// What remains of the implied permission once the patient's Consents have spoken: the most specific rule wins, and of
/// equally specific ones a denial.
pub(crate) fn combine(implied: Predicate, question: &Question<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let found = all_rulings(question);
    let record = Predicate::Record(question.patient.patient.clone());
    reasons.extend(found.iter().map(|ruling| ruling.reason.clone().about(record.clone().and(ruling.about.clone()))));
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
