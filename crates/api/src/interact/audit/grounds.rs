//! By what an answer was permitted, as the log of each record tells it: rules and Consents by name, and only those that are
//! about something in that record. What lets the caller into others is not hers to read.

use std::collections::HashMap;
use std::sync::Arc;

use concord_consent::decision::{Decision, Layer, Reason, Verdict};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::interact::audit::said;

/// How long the reason of an audit record may grow, in bytes, by what a caller gave as theirs.
const LONGEST_REASON: usize = 1_000;

/// How many rules and Consents an audit record names, of each type of resource that was found.
const MOST_NAMED: usize = 5;

/// How many it names of all types together.
const MOST_NAMED_IN_ALL: usize = 20;

/// What stands between two rules.
pub(crate) const LISTED: &str = ", ";

/// Somebody whose data an answer holds, or about whom was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The key of the patient.
    pub(crate) key: i64,
    /// The logical id.
    pub(crate) id: String,
    /// Nothing is in the answer but what is kept from the patient, or is there only by that.
    pub(crate) kept: bool,
    /// Of which types that in the answer is hers to know of, where it is there only by what is kept from her: she is told of it as if it
    /// had been looked for by itself.
    pub(crate) open: Vec<ResourceType>,
    /// Of which types what is hers in the answer is, where that tells by what it was found.
    pub(crate) types: Vec<ResourceType>,
}

impl Told {
    pub(crate) fn nobody() -> Told {
        Told { key: 0, id: String::new(), kept: false, open: Vec::new(), types: Vec::new() }
    }
}

/// By what an answer was permitted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Grounds {
    /// In these words, whosever record it is: they name nobody.
    Same(String),
    /// By what lets one version be seen: in the record that the version is in, and in any other.
    OfVersion { record: i64, there: String, decision: Arc<Decision> },
    /// By what lets the caller find something: resources of one type, or of any.
    Found(Vec<(Option<ResourceType>, Arc<Decision>)>),
}

impl Default for Grounds {
    fn default() -> Grounds {
        Grounds::Same(String::new())
    }
}

impl Grounds {
    /// For an event about one thing, or about nobody: what is about no record in particular where it was a search.
    pub(crate) fn of_event(&self) -> String {
        match self {
            Grounds::Same(text) => text.clone(),
            Grounds::OfVersion { there, .. } => there.clone(),
            Grounds::Found(all) => Found::by(all).told("", &[]),
        }
    }

    /// For the record of each of these.
    pub(crate) fn of_records(&self, records: &[Told]) -> Vec<String> {
        match self {
            Grounds::Same(text) => records.iter().map(|_| text.clone()).collect(),
            Grounds::OfVersion { record, there, decision } => {
                let elsewhere = || Named::all(told_anywhere(decision));
                records.iter().map(|one| if one.key == *record { there.clone() } else { elsewhere() }).collect()
            }
            Grounds::Found(all) => {
                let found = Found::by(all);
                records.iter().map(|one| found.told(&one.id, &one.types)).collect()
            }
        }
    }

    /// The same, with what lets the caller find resources of one type besides, or of any.
    pub(crate) fn with_found(self, of: Option<ResourceType>, decision: Arc<Decision>) -> Grounds {
        match self {
            Grounds::Found(mut all) if all.iter().all(|(known, _)| *known != of) => {
                all.push((of, decision));
                Grounds::Found(all)
            }
            known @ Grounds::Found(_) => known,
            _ => Grounds::Found(vec![(of, decision)]),
        }
    }

    /// Whether they differ by the type of what was found.
    pub(crate) fn are_by_type(&self) -> bool {
        matches!(self, Grounds::Found(all) if !matches!(all.as_slice(), [(Some(_), _)]))
    }
}

/// What lets a caller find resources, type by type.
struct Found<'a>(Vec<(Option<ResourceType>, ByRecord<'a>)>);

impl<'a> Found<'a> {
    /// By the reasons that tell what a caller may find, with the labels that bound it.
    fn by(all: &'a [(Option<ResourceType>, Arc<Decision>)]) -> Found<'a> {
        let tells = |reason: &&Reason| reason.verdict == Verdict::Permits || reason.layer == Layer::Label;
        let of_decision = |decision: &'a Decision| ByRecord::of(decision.reasons.iter().filter(tells));
        Found(all.iter().map(|(of, decision)| (*of, of_decision(decision))).collect())
    }

    /// What the log of this patient says, of whose data what is of these types was found; of no type, nothing was. The names, and the
    /// reasons that the caller gave with what it opened of her record.
    fn told(&self, patient: &str, types: &[ResourceType]) -> String {
        let (mut names, mut given): (Vec<String>, Vec<&Reason>) = (Vec::new(), Vec::new());
        for (of, by_record) in &self.0 {
            let is_meant = types.is_empty() || of.is_none_or(|of| types.contains(&of));
            if !is_meant {
                continue;
            }
            let mut reasons = by_record.reasons(patient);
            if of.is_none() && !types.is_empty() {
                reasons.retain(|reason| types.iter().any(|one| reason.about.clone().of_type(*one) != Predicate::None));
            }
            for name in Named::of(reasons.iter().copied()).names {
                if names.len() < MOST_NAMED_IN_ALL && !names.contains(&name) {
                    names.push(name);
                }
            }
            given.extend(reasons.into_iter().filter(|reason| is_given(reason)));
        }
        let mut said: Vec<&str> = Vec::new();
        given.retain(|reason| {
            let is_new = !said.contains(&reason.text.as_str());
            said.push(&reason.text);
            is_new
        });
        with_given(names.join(LISTED), given.into_iter())
    }
}

/// Reasons by the records that they are about.
pub(crate) struct ByRecord<'a> {
    /// Those that say nothing of whose record it is, by their place.
    anywhere: Vec<(usize, &'a Reason)>,
    /// Those about something in the record of these patients alone. Nobody's is that of no id.
    within: HashMap<&'a str, Vec<(usize, &'a Reason)>>,
}

impl<'a> ByRecord<'a> {
    pub(crate) fn of(reasons: impl Iterator<Item = &'a Reason>) -> ByRecord<'a> {
        let mut all = ByRecord { anywhere: Vec::new(), within: HashMap::new() };
        for one in reasons.enumerate() {
            match records(&one.1.about) {
                None => all.anywhere.push(one),
                Some(mut patients) => {
                    patients.sort_unstable();
                    patients.dedup();
                    patients.into_iter().for_each(|patient| all.within.entry(patient).or_default().push(one));
                }
            }
        }
        all
    }

    /// Those that can be about something in the record of this patient, in their order.
    fn reasons(&self, patient: &str) -> Vec<&'a Reason> {
        let within = self.within.get(patient).map_or(&[][..], Vec::as_slice);
        let mut reasons: Vec<_> = self.anywhere.iter().chain(within).copied().collect();
        reasons.sort_unstable_by_key(|(place, _)| *place);
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }
}

/// Only these patients' records have what a predicate means, if it says so.
fn records(about: &Predicate) -> Option<Vec<&str>> {
    match about {
        Predicate::PatientCompartment(patient) => Some(vec![patient]),
        Predicate::NoPatientCompartment => Some(vec![""]),
        Predicate::None => Some(Vec::new()),
        Predicate::And(parts) => parts.iter().find_map(records),
        Predicate::Or(parts) => {
            let mut any = Vec::new();
            for part in parts {
                any.extend(records(part)?);
            }
            Some(any)
        }
        _ => None,
    }
}

/// Whether a reason can be about something in the record of a patient.
pub(crate) fn concerns(reason: &Reason, patient: &str) -> bool {
    records(&reason.about).is_none_or(|records| records.contains(&patient))
}

/// The rules that permit something whosever record it is in.
fn told_anywhere(decision: &Decision) -> impl Iterator<Item = &Reason> {
    let permits = decision.reasons.iter().filter(|reason| reason.verdict == Verdict::Permits);
    permits.filter(|reason| is_of_no_record(reason))
}

/// Whether a reason says nothing of whose record it is about.
fn is_of_no_record(reason: &Reason) -> bool {
    reason.consent.is_none() && reason.rests_on.is_empty() && records(&reason.about).is_none()
}

/// Whether a reason is one that the caller gave, with what it opened.
pub(crate) fn is_given(reason: &Reason) -> bool {
    matches!(reason.layer, Layer::BreakGlass | Layer::PrivilegedRole) && reason.verdict == Verdict::Permits
}

/// The text with the reasons that the caller gave with what it opened.
pub(crate) fn with_given<'a>(mut text: String, reasons: impl Iterator<Item = &'a Reason>) -> String {
    for reason in reasons {
        if is_given(reason) && text.len() < LONGEST_REASON {
            text = said::with_given(&text, &reason.text);
        }
    }
    text
}

/// What stands between a rule and what of the record it rests on, and between two such.
pub(crate) const RESTS_ON: char = '@';
pub(crate) const AND: char = '+';

/// Rules and Consents in one line, each once, with what they rest on.
#[derive(Default)]
pub(crate) struct Named {
    names: Vec<String>,
}

impl Named {
    pub(crate) fn all<'a>(reasons: impl Iterator<Item = &'a Reason>) -> String {
        Named::of(reasons).into_text()
    }

    fn of<'a>(reasons: impl Iterator<Item = &'a Reason>) -> Named {
        let mut named = Named::default();
        reasons.for_each(|reason| named.add(reason));
        named
    }

    pub(crate) fn add(&mut self, reason: &Reason) {
        let mut name = reason.consent.as_deref().unwrap_or(reason.rule).to_owned();
        for (place, reference) in reason.rests_on.iter().take(MOST_NAMED).enumerate() {
            name.push(if place == 0 { RESTS_ON } else { AND });
            name.push_str(reference);
        }
        if !self.is_full() && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.names.len() == MOST_NAMED
    }

    pub(crate) fn into_text(self) -> String {
        self.names.join(LISTED)
    }
}
