//! A question while it is being answered, and what is answered to it: what all layers of a decision work on.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::combine::{speaks_of_denied, unnamed, unnamed_in_emergency};
use crate::comment;
use crate::decision::{Layer, Reason, Verdict};
use crate::facts::Facts;
use crate::label;
use crate::request::{Action, Request};
use crate::ruling::Question;

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
    /// Comments that Consents deny because of what they are about: of one about several things, each counts.
    pub(crate) speaks_of_denied: Predicate,
    /// What no resource may name to the caller.
    pub(crate) unnamed: Predicate,
    /// Whether the glass breaks with this question.
    pub(crate) glass_is_new: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(request: &'a Request<'a>, facts: &'a Facts, now: i64) -> Asked<'a> {
        let (speaks_of_denied, unnamed) = (Predicate::None, Predicate::None);
        Asked { request, facts, now, reasons: Vec::new(), speaks_of_denied, unnamed, glass_is_new: false }
    }
}

impl Asked<'_> {
    /// Notes which comments the Consents deny because of what they are about.
    pub(crate) fn note_speaking(&mut self, question: &Question<'_>) {
        if self.only() != Some(comment::COMMUNICATION) {
            return;
        }
        let record = Predicate::PatientCompartment(question.patient.patient.clone());
        let known = std::mem::replace(&mut self.speaks_of_denied, Predicate::None);
        self.speaks_of_denied = known.or(record.and(speaks_of_denied(question)));
    }

    /// Notes what the Consents deny, which no resource may name to the caller: in an emergency what is refused then, where the glass
    /// opens anything, and nothing to an office that is given anything.
    pub(crate) fn note_unnamed(&mut self, question: &Question<'_>, glass: &Predicate, office: &Predicate) {
        let more = match (glass, office) {
            (Predicate::None, Predicate::None) => unnamed(question),
            (_, Predicate::None) => unnamed_in_emergency(question),
            _ => return,
        };
        self.unnamed = std::mem::replace(&mut self.unnamed, Predicate::None).or(more);
    }

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
            let record =
                patients.into_iter().fold(Predicate::None, |any, one| any.or(Predicate::PatientCompartment(one)));
            all.or(record.and(permitted))
        })
    }
}
