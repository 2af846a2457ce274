//! What patches may cost: all operations of one, and all patches of one request.

use crate::check;
use crate::issue::Issue;
use crate::json::{Limits, Value};
use crate::pieces;
use crate::resource_type::ResourceType;

/// The most values that the copies of the patches of one request may make: a few lines could double a resource over and over.
const MOST_COPIED: usize = 50_000;

/// The most values and elements that they may look at or move, together with those of the resources that they are about.
const MOST_VISITS: usize = 5_000_000;

/// The most steps that their paths may take together: about a tenth of a second.
const MOST_STEPS: usize = 500_000;

/// How many bytes take next to nothing.
const SMALL: usize = 16 * 1024;

/// What may still be done: it is counted by whoever does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    left: usize,
    is_spent: bool,
}

impl Budget {
    pub(super) fn new(left: usize) -> Budget {
        Budget { left, is_spent: false }
    }

    /// Takes so much of it; nothing once there is not so much left.
    pub(super) fn take(&mut self, count: usize) -> Option<()> {
        pieces::did(count);
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or_default();
        self.is_spent |= left.is_none();
        left.map(|_| ())
    }

    /// What is left of it.
    pub(super) fn left(&self) -> usize {
        self.left
    }
}

/// What all patches of one request may cost together, with the check of what comes of them: hundreds that each keep to bounds
/// of their own would cost hundreds of times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchBudget {
    /// Values and elements that are looked at or moved.
    pub(super) visits: Budget,
    /// Steps of paths.
    pub(super) steps: Budget,
    /// Values that copies make.
    pub(super) copied: Budget,
    /// Bytes that copies make.
    pub(super) copied_bytes: Budget,
    /// Bytes of the resources before and after.
    bytes: Budget,
    /// Steps of R4's rules in the check.
    pub(super) rules: Budget,
}

impl PatchBudget {
    /// That of a request.
    #[must_use]
    pub fn of_request(limits: &Limits) -> PatchBudget {
        PatchBudget::part(limits, 1)
    }

    /// What takes no longer than the other requests of a thread can wait for.
    #[must_use]
    pub fn small(limits: &Limits) -> PatchBudget {
        PatchBudget::part(limits, 100)
    }

    /// What takes next to nothing, so that everybody can wait for it.
    #[must_use]
    pub fn least(limits: &Limits) -> PatchBudget {
        PatchBudget::part(limits, 1_000)
    }

    fn part(limits: &Limits, parts: usize) -> PatchBudget {
        let bytes = (limits.bytes / parts).max(SMALL);
        PatchBudget {
            visits: Budget::new(MOST_VISITS / parts),
            steps: Budget::new(MOST_STEPS / parts),
            copied: Budget::new(MOST_COPIED / parts),
            copied_bytes: Budget::new(limits.bytes / parts),
            bytes: Budget::new(bytes.saturating_mul(2)),
            rules: Budget::new(check::MOST_STEPS / parts),
        }
    }

    /// Whether something was not done because it would have cost too much.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        let all = [self.visits, self.steps, self.copied, self.copied_bytes, self.bytes, self.rules];
        all.iter().any(|one| one.is_spent)
    }

    /// Takes a resource of so many bytes, before or after its patch.
    pub fn take_bytes(&mut self, bytes: usize) -> Option<()> {
        self.bytes.take(bytes)
    }

    /// Takes a look at all of a resource.
    pub(super) fn take_all(&mut self, resource: &Value<'_>) -> Option<()> {
        self.visits.take(resource.count())
    }

    /// The check of what a patch has made, as one of what a client sends.
    ///
    /// # Errors
    /// Those of [`check()`](crate::check::check()).
    pub fn check(&mut self, made: &Value<'_>, limits: &Limits) -> Result<ResourceType, Vec<Issue>> {
        let (checked, left) = check::check_within(made, limits, self.rules.left);
        self.rules = Budget { left: left.unwrap_or_default(), is_spent: self.rules.is_spent || left.is_none() };
        checked
    }
}
