//! The decisions that this process remembers, under the access versions of what they were made from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use concord_consent::decision::Decision;
use concord_consent::request::Action;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::caller::Rights;
use crate::interact::access::reached::Under;

/// How many decisions are remembered.
const DECISIONS: usize = 50_000;

/// How much the decisions about many records ask that are remembered, all together: some tens of megabytes.
const WEIGHT_OF_ALL: u64 = 500_000;

/// Decisions that this process has made, with what they were made from.
pub(crate) struct DecisionCache {
    pub(super) decisions: Cache<Question, Arc<Answer>>,
    /// Those about all records that somebody may know, with what they were made from.
    of_all: Cache<Question, Arc<OfAll>, Weight>,
    /// How many of these have been made.
    made: AtomicU64,
    /// How many decisions permitted all that was asked, some of it, and none.
    counts: [AtomicU64; 3],
}

/// What a decision is asked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) caller: Rights,
    pub(super) purpose: &'static str,
    pub(super) action: Action,
    pub(super) resource_type: Option<ResourceType>,
    pub(super) patient: i64,
}

/// A decision about all records that somebody may know.
struct OfAll {
    under: Under,
    decision: Arc<Decision>,
    /// How much it takes to remember: what it permits, and what each of its reasons is about.
    weight: u64,
}

impl OfAll {
    fn new(under: Under, decision: Arc<Decision>) -> OfAll {
        let reasons: usize = decision.reasons.iter().map(|reason| 1 + reason.about.weight()).sum();
        let weight = decision.permit.weight() + decision.unnamed.weight() + reasons;
        OfAll { under, decision, weight: u64::try_from(weight).unwrap_or(u64::MAX) }
    }
}

/// What it takes to remember one.
#[derive(Clone)]
struct Weight;

impl Weighter<Question, Arc<OfAll>> for Weight {
    fn weight(&self, _question: &Question, answer: &Arc<OfAll>) -> u64 {
        answer.weight
    }
}

/// A decision about one record, with what it was made from.
pub(super) struct Answer {
    pub(super) access: (i64, i64),
    pub(super) until: Option<i64>,
    pub(super) decision: Arc<Decision>,
}

impl DecisionCache {
    pub(crate) fn new() -> DecisionCache {
        let of_all = Cache::with_weighter(DECISIONS, WEIGHT_OF_ALL, Weight);
        DecisionCache { decisions: Cache::new(DECISIONS), of_all, made: AtomicU64::new(0), counts: Default::default() }
    }

    /// How many decisions about all records that somebody may know have been made, and not been remembered.
    #[cfg(test)]
    pub(crate) fn made_of_all(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// The decision about all records that was made from the same.
    pub(super) fn known_of_all(&self, question: &Question, under: &Under, now: i64) -> Option<Arc<Decision>> {
        let known = self.of_all.get(question)?;
        let stands = known.under == *under && known.decision.until.is_none_or(|until| now < until);
        stands.then(|| Arc::clone(&known.decision))
    }

    /// Counts that a decision about all records has been made, and remembers it where all that it was made from stands under versions.
    pub(super) fn made_about_all(&self, question: Question, under: Option<Under>, decision: &Arc<Decision>) {
        self.made.fetch_add(1, Ordering::Relaxed);
        if let Some(under) = under {
            self.of_all.insert(question, Arc::new(OfAll::new(under, Arc::clone(decision))));
        }
    }

    /// How many decisions permitted all that was asked, some of it, and none.
    pub(crate) fn counted(&self) -> [u64; 3] {
        self.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The decision, counted.
    pub(super) fn count(&self, decision: Arc<Decision>) -> Arc<Decision> {
        let [all, some, none] = &self.counts;
        let count = match &decision.permit {
            Predicate::All => all,
            Predicate::None => none,
            _ => some,
        };
        count.fetch_add(1, Ordering::Relaxed);
        decision
    }
}
