//! The audit entry of a session while it is being written: made in one place, ended in one place.

use std::sync::Arc;

use concord_consent::decision::Decision;
use concord_fhir::registry::ResourceType;

use crate::error::ApiError;
use crate::interact::Call;
use crate::interact::audit::grounds::{Grounds, LISTED, Told};
use crate::interact::audit::interaction::{Interaction, outcome, outcome_of};
use crate::interact::audit::said::{Act, KEPT};
use concord_store::audit::Record;
use concord_store::rows::Version;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// The reason of an answer about somebody of whom the caller may not know: nothing permits anything.
const NOTHING_KNOWN: &str = "hidden: default";

/// What the log will say of one interaction. The functions on the way say what they know, each about something of its own,
/// and none can read or take back what another has said; what counts is decided where it ends ([`AuditEntry::ended`]).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuditEntry {
    /// Who, what for and what was asked.
    record: Record,
    /// The record that it is about, as far as it is about one: the key of the patient.
    patient: i64,
    /// The version that was looked at first.
    seen: i64,
    /// It is about every version of what it is about, or about more than that.
    of_no_version: bool,
    /// The resource that a condition found, or that was written.
    found: Option<Found>,
    /// Why it was permitted.
    permitted: Grounds,
    /// Why it was not, where that is not told.
    hidden: String,
    /// Why it was done, where it is an act that needs a reason.
    done: String,
    disclosed: Option<Disclosed>,
    /// The keys of all patients in whose records what it is about is, where it is in several.
    also: Vec<i64>,
    /// What was looked at on the way.
    besides: Vec<Record>,
    /// Nothing is to be said of what is done.
    silent: bool,
}

/// A version by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    id: String,
    version: i64,
    patient: i64,
}

/// Whose data an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Disclosed {
    patients: Vec<Told>,
    /// The only patient who was asked about.
    asked: Option<Told>,
    /// Whether the caller may know of whomever they asked about.
    known: bool,
    /// Those of several who were asked about of whose data nothing that they may know of is in the answer, and whether the caller may know of them.
    without: Vec<(Told, bool)>,
}

impl AuditEntry {
    /// The start of an entry about a call.
    pub(crate) fn begin(call: &Call, interaction: Interaction, resource_type: Option<ResourceType>) -> AuditEntry {
        AuditEntry {
            record: call.record(interaction, resource_type),
            patient: 0,
            seen: 0,
            of_no_version: false,
            found: None,
            permitted: Grounds::default(),
            hidden: String::new(),
            done: String::new(),
            disclosed: None,
            also: Vec::new(),
            besides: Vec::new(),
            silent: false,
        }
    }

    /// The same about what was asked for with these words.
    pub(crate) fn asking(mut self, query: String) -> AuditEntry {
        self.record.query = query;
        self
    }

    /// The same about a version that the caller named.
    pub(crate) fn of_version(mut self, version: i64) -> AuditEntry {
        self.record.version = version;
        self
    }

    /// It is about the resource of this id, whether there is one or not.
    pub(crate) fn about(&mut self, id: &str) {
        id.clone_into(&mut self.record.entity);
    }

    /// Whether it is about that version's resource.
    pub(crate) fn is_about(&self, version: &Version) -> bool {
        let is_named = !self.record.entity.is_empty() && self.record.entity == version.id;
        is_named && self.record.resource_type == version.resource_type.number()
    }

    /// Whether it is about a Patient, and another than this one.
    pub(crate) fn is_about_another(&self, patient: &str) -> bool {
        let is_of_one = self.record.resource_type == PATIENT.number() && !self.record.entity.is_empty();
        is_of_one && self.record.entity != patient
    }

    /// Something else was looked at on the way, whatever becomes of this: it is an event of its own.
    pub(crate) fn besides(&mut self, events: Vec<Record>) {
        self.besides.extend(events);
    }

    /// It is about more than one version of it.
    pub(crate) fn of_no_version(&mut self) {
        self.of_no_version = true;
    }

    /// It makes a new resource, whatever it could have done instead.
    pub(crate) fn creates(&mut self) {
        self.record.interaction = Interaction::Create as i16;
    }

    /// It is about something in the record of this patient.
    pub(crate) fn in_record(&mut self, patient: i64) {
        self.patient = patient;
    }

    /// It is about something in the records of these patients, too.
    pub(crate) fn in_records(&mut self, patients: Vec<i64>) {
        self.also.extend(patients);
    }

    /// This version was looked at; the first one counts.
    pub(crate) fn saw(&mut self, version: &Version) {
        if self.seen == 0 {
            self.seen = version.version;
        }
    }

    /// This is what a condition found, or what was written.
    pub(crate) fn found(&mut self, version: &Version) {
        self.found = Some(Found { id: version.id.clone(), version: version.version, patient: version.patient });
    }

    /// What permits it.
    pub(crate) fn permitted(&mut self, grounds: Grounds) {
        self.permitted = grounds;
    }

    /// What lets the caller find resources of one type, or of any; beside what lets them find others.
    pub(crate) fn finds(&mut self, of: Option<ResourceType>, decision: Arc<Decision>) {
        self.permitted = std::mem::take(&mut self.permitted).with_found(of, decision);
    }

    /// Whether it depends on the type of what is found by what it is permitted.
    pub(crate) fn is_permitted_by_type(&self) -> bool {
        self.permitted.are_by_type()
    }

    /// The true reason of a refusal, which the caller is not told.
    pub(crate) fn hidden(&mut self, reasons: String) {
        self.hidden = reasons;
    }

    /// Why the caller did what needs a reason, in their words.
    pub(crate) fn done(&mut self, act: Act, words: &str) {
        self.done = act.because(words);
    }

    /// The data of these patients is in the answer. If there are none, the only one who was asked about is told; the caller
    /// finds it in their own log if they may know of that one. Those who were asked about besides, of whom nothing is told, come with
    /// whether the caller may know of them.
    pub(crate) fn disclosed(
        &mut self,
        patients: Vec<Told>,
        asked: Option<Told>,
        known: bool,
        without: Vec<(Told, bool)>,
    ) {
        self.disclosed = Some(Disclosed { patients, asked, known, without });
    }

    /// There is nothing to say of what is done, if it is done: it stands in the log by itself, or is nothing.
    pub(crate) fn says_nothing(&mut self) {
        self.silent = true;
    }

    /// The records to store: with `error`, the refusal.
    pub(crate) fn ended(mut self, error: Option<&ApiError>) -> Vec<Record> {
        let mut events = std::mem::take(&mut self.besides);
        events.extend(self.own(error));
        events
    }

    fn own(self, error: Option<&ApiError>) -> Vec<Record> {
        let mut record = self.record;
        record.patient = self.patient;
        match &self.found {
            Some(found) => {
                record.entity.clone_from(&found.id);
                (record.version, record.patient) = (found.version, found.patient);
            }
            None if record.version == 0 && !self.of_no_version => record.version = self.seen,
            None => {}
        }
        if let Some(error) = error {
            record.outcome = outcome_of(error);
            // What permits something is no reason for refusing something else.
            record.reason = if self.hidden.is_empty() { reason(error) } else { self.hidden };
            return match (error.cause(), self.disclosed) {
                // That it does not fit tells what is there: whose that is is told.
                (ApiError::TooLarge(_), Some(disclosed)) if !self.silent => {
                    let why = Grounds::Same(std::mem::take(&mut record.reason));
                    disclosed.records(&record, &why)
                }
                _ => vec![record],
            };
        }
        let grounds = if self.done.is_empty() { self.permitted } else { Grounds::Same(self.done) };
        match self.disclosed {
            _ if self.silent => Vec::new(),
            Some(disclosed) => disclosed.records(&record, &grounds),
            None => {
                let mut others: Vec<i64> = self.also.into_iter().chain([self.patient]).collect();
                others.sort_unstable();
                others.dedup();
                others.retain(|patient| *patient != 0 && *patient != record.patient);
                let others: Vec<Told> = others.into_iter().map(|key| Told { key, ..Told::nobody() }).collect();
                let of_other = |(one, reason): (&Told, String)| Record { patient: one.key, reason, ..record.clone() };
                let mut all: Vec<Record> = others.iter().zip(grounds.of_records(&others)).map(of_other).collect();
                all.insert(0, Record { reason: grounds.of_event(), ..record });
                all
            }
        }
    }
}

impl Disclosed {
    /// One record for each patient whose data is in the answer, so that each can see it, with what lets the caller see that;
    /// one for an answer about nobody. A query that names others than that patient is told by the names of its parameters only. What
    /// is hers to know of and is in the answer by what is not is told her as if each type of it had been looked for by itself: that it was
    /// seen, and not how it was found. Whoever is asked about with others and of whom there is nothing is told that, and not of whom else.
    fn records(mut self, record: &Record, grounds: &Grounds) -> Vec<Record> {
        let asked = self.asked.as_ref().map(|asked| asked.key);
        let refused = self.patients.is_empty() && !self.known;
        if self.patients.is_empty() {
            // Nothing was disclosed but that there is nothing: told to the patient who was asked about, or in whose record it is what
            // was asked about.
            let whose = || Told { key: record.patient, ..Told::nobody() };
            self.patients.push(self.asked.unwrap_or_else(whose));
        }
        let reasons = grounds.of_records(&self.patients);
        let names = without_values(&record.query);
        let by_types = |one: &Told| match one.key == 0 || asked == Some(one.key) {
            true => Vec::new(),
            false => one.open.iter().map(|of| Told { types: vec![*of], ..one.clone() }).collect::<Vec<Told>>(),
        };
        let openly: Vec<Told> = self.patients.iter().flat_map(by_types).collect();
        let seen = openly.iter().zip(grounds.of_records(&openly)).map(|(one, reason)| Record {
            interaction: Interaction::Search as i16,
            resource_type: one.types.first().map_or(-1, |of| of.number()),
            patient: one.key,
            entity: String::new(),
            version: 0,
            query: String::new(),
            reason,
            ..record.clone()
        });
        let is_kept = |one: &Told| one.kept && asked != Some(one.key);
        let about = |(one, reason): (&Told, String)| {
            let query = if one.key == 0 || asked == Some(one.key) { &record.query } else { &names };
            let (outcome, reason) = match (refused, is_kept(one)) {
                (true, _) => (outcome::REFUSED, NOTHING_KNOWN.to_owned()),
                (false, true) => (record.outcome, format!("{KEPT}{reason}")),
                (false, false) => (record.outcome, reason),
            };
            Record { patient: one.key, query: query.clone(), outcome, reason, ..record.clone() }
        };
        // Those of whom the caller may know come first, for the same reason.
        self.without.sort_by_key(|(_, known)| !known);
        let (without, known): (Vec<Told>, Vec<bool>) = self.without.into_iter().unzip();
        let nothing = without.iter().zip(grounds.of_records(&without)).zip(known).map(|((one, reason), known)| {
            let (outcome, reason) = match known {
                true => (record.outcome, reason),
                false => (outcome::REFUSED, NOTHING_KNOWN.to_owned()),
            };
            Record { patient: one.key, query: names.clone(), outcome, reason, ..record.clone() }
        });
        // Numbers tell the order: what is not shown to all whom it is about comes last, so that nobody sees a gap before their own.
        let (kept, told): (Vec<_>, Vec<_>) = self.patients.iter().zip(reasons).partition(|(one, _)| is_kept(one));
        told.into_iter().map(about).chain(seen).chain(nothing).chain(kept.into_iter().map(about)).collect()
    }
}

/// An error in one line for the log: the rules of a refusal, where it is by rules. It repeats nothing that the client sent.
fn reason(error: &ApiError) -> String {
    match error {
        ApiError::Malformed(_) => "malformed".to_owned(),
        ApiError::Unprocessable(_) => "not valid".to_owned(),
        ApiError::Denied(issues) => {
            let mut rules: Vec<&str> = issues.iter().filter_map(|issue| issue.rule).collect();
            rules.dedup();
            let text = || issues.first().map_or_else(|| "denied".to_owned(), |issue| issue.text.clone());
            if rules.is_empty() { text() } else { rules.join(LISTED) }
        }
        ApiError::NotFound => "not found".to_owned(),
        ApiError::Gone => "deleted".to_owned(),
        ApiError::TooLarge(_) => "too large".to_owned(),
        ApiError::NotAllowed { .. } => "not allowed".to_owned(),
        ApiError::Conflict(_) => "conflict".to_owned(),
        ApiError::LabelsOnTheirWay(_) => "labels are still being handed on from there".to_owned(),
        ApiError::PreconditionFailed(_) => "precondition failed".to_owned(),
        ApiError::PreconditionRequired(_) => "precondition required".to_owned(),
        _ => "failed".to_owned(),
    }
}

/// The names of a query's parameters.
pub(crate) fn without_values(query: &str) -> String {
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect::<Vec<_>>().join("&")
}

/// Those of them by which nothing else is looked at.
pub(crate) fn without_chains(names: &str) -> String {
    let is_chain = |name: &str| name.contains('.') || name.starts_with("_has:") || name == "_list";
    names.split('&').filter(|name| !is_chain(name)).collect::<Vec<_>>().join("&")
}
