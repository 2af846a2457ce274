//! A question while it is being answered, and what is answered to it: what all layers of a decision work on.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::combine::{TOO_MUCH, denied_with_others, unnamed, unnamed_in_emergency};
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
    /// Comments that Consents deny, by themselves or because of what they speak about: of several things, each counts.
    pub(crate) denied_comments: Predicate,
    /// What no resource may name to the caller.
    pub(crate) unnamed: Predicate,
    /// Whether the glass breaks with this question.
    pub(crate) glass_is_new: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(request: &'a Request<'a>, facts: &'a Facts, now: i64) -> Asked<'a> {
        let (denied_comments, unnamed) = (Predicate::None, Predicate::None);
        Asked { request, facts, now, reasons: Vec::new(), denied_comments, unnamed, glass_is_new: false }
    }
}

impl Asked<'_> {
    /// Notes which comments the Consents deny, where comments are asked about.
    pub(crate) fn note_comments(&mut self, question: &Question<'_>) {
        if self.only().is_some_and(|only| only != comment::COMMUNICATION) {
            return;
        }
        let record = Predicate::PatientCompartment(question.patient.patient.clone());
        let known = std::mem::replace(&mut self.denied_comments, Predicate::None);
        self.denied_comments = known.or(record.and(denied_with_others(question)));
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

/// How much a decision may ask of a database for all records together ([`Predicate::weight`]).
const HEAVIEST: usize = 8_000;

impl Records {
    /// The same without the records of which more is said than all together may ask, the heaviest first, so that nothing
    /// that is said of one record shuts anybody out of the others. Says so.
    pub(crate) fn bounded(mut self, asked: &mut Asked<'_>) -> Records {
        let weights = || self.0.iter().map(|(permitted, _)| permitted.weight());
        if weights().sum::<usize>() <= HEAVIEST {
            return self;
        }
        self.0.sort_by_key(|(permitted, _)| permitted.weight());
        let mut all = 0_usize;
        let (within, beyond) = self.0.into_iter().partition(|(permitted, _)| {
            all = all.saturating_add(permitted.weight());
            all <= HEAVIEST
        });
        let beyond: Vec<(Predicate, Vec<String>)> = beyond;
        let hidden = beyond.into_iter().flat_map(|(_, patients)| patients).map(Predicate::PatientCompartment);
        let text = "the sharing choices of this patient and of others say more than can be evaluated at once, so they are \
                    taken as a no";
        asked.takes(Layer::Consent, TOO_MUCH, Predicate::any(hidden.collect()), text);
        Records(within)
    }

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
