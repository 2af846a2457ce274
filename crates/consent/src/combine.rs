//! Several Consents: what remains of what is implied once they have spoken.

use concord_fhir::predicate::Predicate;

use crate::decision::Reason;
use crate::identity::Rank;
use crate::ruling::{Kind, Question, Ruling, rulings};

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
    said.into_iter().fold(implied, |permitted, (permits, denies)| permitted.or(permits).and(denies.negate()))
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
