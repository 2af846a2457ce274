//! What was found out already of resources and values by profiles, so that what refers to one another in many ways is looked
//! at once.

use std::cell::Cell;
use std::collections::HashMap;

use concord_fhir::issue::{Issue, Severity};
use concord_fhir::terminology::Membership;

/// A resource or value, and a profile, by where they are.
pub(super) type Key = (usize, usize);

/// How much of what is wrong is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    All,
    First,
}

/// Nothing was taken to hold that is still being found out.
const FOR_CERTAIN: usize = usize::MAX;

/// What was found out, and what the work that is under way has taken to hold: how deep that is among what is being found out.
#[derive(Debug)]
pub(super) struct Kept {
    found: HashMap<Key, Found>,
    /// How many of these depend on what is still being found out.
    open: usize,
    /// The outermost that was taken to hold since the innermost began.
    assumed: Cell<usize>,
}

#[derive(Debug)]
struct Found {
    answer: Membership,
    /// The first error, where it does not keep to the profile.
    why: Option<Issue>,
    /// Whether there is nothing else to say of it.
    is_all: bool,
    /// On what it depends that is still being found out.
    assumed: usize,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { found: HashMap::new(), open: 0, assumed: Cell::new(FOR_CERTAIN) }
    }
}

impl Kept {
    /// What is being found out at that depth is taken to hold.
    pub(super) fn assume(&self, depth: usize) {
        self.assumed.set(self.assumed.get().min(depth));
    }

    /// The same as others have assumed.
    pub(super) fn assume_as(&self, others: &Kept) {
        self.assume(others.assumed.get());
    }

    /// What is known, as far as that is enough.
    pub(super) fn known(&self, key: &Key, tells: Tells) -> Option<(Membership, Vec<Issue>)> {
        let found = self.found.get(key).filter(|found| tells == Tells::First || found.is_all)?;
        self.assume(found.assumed);
        Some((found.answer, found.why.iter().cloned().collect()))
    }

    /// Something begins to be found out; what is to be handed back when it ends.
    pub(super) fn begin(&self) -> usize {
        self.assumed.replace(FOR_CERTAIN)
    }

    /// It has been found out, at that depth, and is kept under a key. What was found by taking it to hold is as certain as it
    /// is, or is to be found out again if it does not hold. Answers how much was looked through.
    pub(super) fn end(
        &mut self,
        depth: usize,
        key: Option<Key>,
        (answer, issues): (Membership, &[Issue]),
        outside: usize,
    ) -> usize {
        // What is wrong although more is taken to hold than may is wrong for certain.
        let is_open = |assumed: &usize| *assumed < depth && answer == Membership::Yes;
        let own = Some(self.assumed.get()).filter(is_open).unwrap_or(FOR_CERTAIN);
        self.assumed.set(outside.min(own));
        let looked_through = if self.open > 0 { self.found.len() } else { 0 };
        if self.open > 0 {
            match answer {
                Membership::Yes => {
                    self.found.values_mut().filter(|one| one.assumed == depth).for_each(|one| one.assumed = own);
                }
                _ => self.found.retain(|_, one| one.assumed == FOR_CERTAIN),
            }
        }
        if let Some(key) = key {
            let why = issues.iter().find(|issue| issue.severity >= Severity::Error).cloned();
            self.found.insert(key, Found { answer, why, is_all: issues.is_empty(), assumed: own });
        }
        if self.open > 0 || own != FOR_CERTAIN {
            self.open = self.found.values().filter(|one| one.assumed != FOR_CERTAIN).count();
        }
        looked_through
    }
}
