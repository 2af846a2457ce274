//! What is found before the writes that depend on it: the only writer may spend next to nothing on what the caller decides.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use concord_fhir::json::Value;
use concord_fhir::patch::PatchBudget;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;
use concord_store::transaction::walks::Walks;

use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::prepared::Readiness;

/// What a patch makes of one version.
#[derive(Clone, Debug)]
pub(crate) struct Patched {
    /// That version.
    pub(crate) version: i64,
    /// What is made of it, or why nothing is.
    pub(crate) made: Result<Value<'static>, ApiError>,
}

/// What a condition has been found to match before the write that depends on it, where that takes longer than the only
/// writer may spend.
#[derive(Clone, Debug)]
pub(crate) struct ConditionMatch {
    /// The state of the data in which it was found; none where nobody can tell whether it is still the same.
    pub(crate) state: Option<u64>,
    /// What that was.
    pub(crate) met: Met,
}

/// What a condition meets.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    /// The first matches.
    pub(crate) found: Vec<Version>,
    /// Whose data they are found through, with the types of that, where that is not in whose records they are.
    pub(crate) led: Vec<(i64, ResourceType)>,
}

/// What the conditions of all entries of a transaction match, and what references by a search do, before any of it is done: where the only
/// writer would take too long to find that.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// The state of the data in which it was found; none where nobody can tell whether it is still the same.
    pub(crate) state: Option<u64>,
    /// What each has come to.
    pub(crate) matched: HashMap<ConditionKey, Matched>,
}

/// What a condition of a transaction has come to before any of it is done.
#[derive(Debug)]
pub(crate) enum Matched {
    /// Some do.
    Ids {
        /// The ids of the first.
        ids: Vec<String>,
        /// Whether there are more.
        are_more: bool,
        /// Whose data the first are found through, as of [`Met`].
        led: Vec<(i64, ResourceType)>,
    },
    /// It was refused before anything was looked for, whatever there is.
    Refused,
}

/// A condition: the type, and the criteria as they were sent.
pub(crate) type ConditionKey = (Option<ResourceType>, Vec<(String, String)>);

/// What has been found before the writes that depend on it, because the only writer may spend next to nothing on it.
#[derive(Clone, Debug)]
pub(crate) struct Foreseen {
    /// What the condition matches, where that takes long.
    pub(crate) condition: Option<ConditionMatch>,
    /// What the conditions of a transaction match, where that takes long.
    pub(crate) conditions: Option<Arc<Conditions>>,
    /// What walks along references have come to, where these lead far.
    pub(crate) walks: Option<Arc<Walks>>,
    /// What patches make, by the keys of the resources.
    pub(crate) patched: HashMap<i64, Patched>,
    /// What patches may still cost on the writer, of resources that another write has come to before.
    pub(crate) at_once: Cell<PatchBudget>,
    /// What checks by profiles and Questionnaires may still cost there.
    pub(crate) checks: Checks,
    /// What has been made ready to be stored.
    pub(crate) ready: Readiness,
    /// The ids of what entries create of that, by the places of the entries.
    pub(crate) ids: HashMap<usize, String>,
}

/// How many steps the checks by profiles and Questionnaires of all entries of a transaction may take on the writer, where single
/// ones are bounded as well: some tenths of a second.
#[derive(Clone, Debug)]
pub(crate) struct Checks {
    /// Those by profiles.
    pub(crate) profiles: Cell<usize>,
    /// Those of answers.
    pub(crate) answers: Cell<usize>,
}

/// How many steps those by profiles may take.
const MOST_OF_PROFILES: usize = 500_000;

/// How many steps those of answers may take.
const MOST_OF_ANSWERS: usize = 2_000_000;

impl Checks {
    pub(crate) fn new() -> Checks {
        Checks { profiles: Cell::new(MOST_OF_PROFILES), answers: Cell::new(MOST_OF_ANSWERS) }
    }
}

impl Foreseen {
    /// Nothing yet.
    pub(crate) fn nothing(service: &Service) -> Foreseen {
        let at_once = Cell::new(PatchBudget::least(&service.settings.limits));
        let (ready, ids) = (Readiness::default(), HashMap::new());
        let (condition, conditions, walks, patched) = (None, None, None, HashMap::new());
        Foreseen { condition, conditions, walks, patched, at_once, checks: Checks::new(), ready, ids }
    }

    /// Nothing has been spent: the work is begun, perhaps once more.
    pub(crate) fn begin(&self, service: &Service) {
        let fresh = Foreseen::nothing(service);
        self.at_once.set(fresh.at_once.get());
        self.checks.profiles.set(fresh.checks.profiles.get());
        self.checks.answers.set(fresh.checks.answers.get());
    }
}
