//! What callers' statements have left of what they may cost in one transaction.

use std::time::{Duration, Instant};

use concord_fhir::predicate::Predicate;

use crate::apart::{is_waited_for, let_others_between};
use crate::cost::Cost;
use crate::deadline::{self, Watch};
use crate::error::StoreError;
use crate::transaction::Transaction;

/// How many times what one condition may take all conditions of a transaction may.
const CONDITIONS: u64 = 20;

/// How many steps the walks along references of one write may take on the embedded database's writer, all together: some
/// milliseconds.
const WALKS: u64 = 400_000;

/// Of what a statement takes that callers' statements may.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payment {
    /// Its shape is ours.
    None,
    /// Of what all may.
    All,
    /// Of what walks along references may besides.
    Walks,
}

/// What callers' statements in one transaction may still take.
pub(crate) struct Left {
    all: Cost,
    /// All conditions, on the embedded database's writer.
    conditions: u64,
    /// The condition that is being matched there.
    condition: u64,
    /// Whether one is.
    in_condition: bool,
    /// Whether it wanted more than it may take.
    exceeded: bool,
    /// All walks along references, on the embedded database's writer.
    walks: u64,
    /// Whether one is being walked.
    in_walk: bool,
    /// Whether what runs now is a statement whose shape a caller chose.
    paid: bool,
}

impl Left {
    /// Nothing but the limit of each statement.
    pub(crate) fn unbounded() -> Left {
        Left {
            all: Cost::UNBOUNDED,
            conditions: u64::MAX,
            condition: 0,
            in_condition: false,
            exceeded: false,
            walks: u64::MAX,
            in_walk: false,
            paid: false,
        }
    }

    /// Whether what runs now is a statement whose shape a caller chose.
    pub(crate) fn is_paid(&self) -> bool {
        self.paid
    }

    /// Of what that takes which runs now.
    pub(crate) fn payment(&self) -> Payment {
        match (self.paid, self.in_walk) {
            (false, _) => Payment::None,
            (true, false) => Payment::All,
            (true, true) => Payment::Walks,
        }
    }

    fn now(&self) -> Cost {
        let mut steps = self.all.steps;
        if self.in_condition {
            steps = steps.min(self.conditions).min(self.condition);
        }
        if self.in_walk {
            steps = steps.min(self.walks);
        }
        Cost { steps, ..self.all }
    }

    fn take(&mut self, time: Duration, steps: u64) {
        self.all = self.all.less(time, steps);
        if self.in_condition {
            self.conditions = self.conditions.saturating_sub(steps);
            self.condition = self.condition.saturating_sub(steps);
            self.exceeded |= self.conditions == 0 || self.condition == 0;
        }
        if self.in_walk {
            self.walks = self.walks.saturating_sub(steps);
        }
    }
}

impl Transaction<'_> {
    /// Bounds what callers' statements may take in all, and of that what conditions may take on the only writer.
    pub fn bound(&mut self, cost: Cost) {
        self.left_to_callers.all = cost;
        self.left_to_callers.conditions = cost.condition.saturating_mul(CONDITIONS);
        self.left_to_callers.walks = if self.only_writer { WALKS } else { u64::MAX };
    }

    /// Lets the next of several that are carried out together take as much as the first: what one takes depends on what its caller
    /// may not see, and must not be told by what becomes of another.
    pub fn bound_anew(&mut self, cost: Cost) {
        self.left_to_callers.all = cost;
    }

    /// Whether callers' statements have taken all the steps that they may.
    #[must_use]
    pub fn has_spent_all(&self) -> bool {
        self.left_to_callers.all.steps == 0
    }

    /// Whether walks along references have taken all the steps that they may on the only writer.
    #[must_use]
    pub fn has_walked_all(&self) -> bool {
        self.left_to_callers.walks == 0
    }

    /// Asks what a predicate means: how far it walks along references is for those to say who wrote them, so on the only writer
    /// that may take little, however often one request asks.
    pub(crate) fn asking<T>(&mut self, predicate: &Predicate, ask: impl FnOnce(&mut Self) -> T) -> T {
        self.left_to_callers.in_walk = predicate.walks();
        let asked = ask(self);
        self.left_to_callers.in_walk = false;
        asked
    }

    /// Runs a statement that takes as much as it did when it was run before.
    pub(crate) fn paying<T>(
        &mut self,
        payment: Payment,
        run: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match payment {
            Payment::None => run(self),
            Payment::All => self.paid(run),
            Payment::Walks => {
                self.left_to_callers.in_walk = true;
                let done = self.paid(run);
                self.left_to_callers.in_walk = false;
                done
            }
        }
    }

    /// Bounds how many index rows it stores for further records of what is in several.
    pub fn bound_copies(&mut self, most: usize) {
        self.copies = most;
    }

    /// Takes so many of them; whether there were so many left.
    #[must_use]
    pub fn take_copies(&mut self, number: usize) -> bool {
        let left = self.copies.checked_sub(number);
        self.copies = left.unwrap_or(self.copies);
        left.is_some()
    }

    /// Says that a condition is being matched. Where that is done by the only writer, for which all others wait, it may take next
    /// to nothing.
    pub fn begin_condition(&mut self) {
        self.left_to_callers.in_condition = self.only_writer;
        self.left_to_callers.exceeded = false;
        self.left_to_callers.condition = self.left_to_callers.all.condition;
    }

    /// Says that it has been; whether it took more than it may.
    pub fn end_condition(&mut self) -> bool {
        self.left_to_callers.in_condition = false;
        self.left_to_callers.exceeded
    }

    /// Counts what has been computed over what was found, about as long as so many steps of the database's machine take. Belongs
    /// between the pieces of what may take long.
    ///
    /// # Errors
    /// When that is more than there was left, or nobody waits for it any more.
    pub fn compute(&mut self, steps: u64) -> Result<(), StoreError> {
        let_others_between();
        if !is_waited_for() {
            return Err(StoreError::Busy(1));
        }
        let left = self.left_to_callers.now();
        self.left_to_callers.take(Duration::ZERO, steps);
        // What may take only a little is begun anew elsewhere.
        let is_over = deadline::take(steps) && self.may_be_stopped;
        if is_over || left.time.is_zero() || left.steps <= steps { Err(StoreError::too_costly()) } else { Ok(()) }
    }

    /// Runs a statement whose shape a caller chose.
    pub(crate) fn paid<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let cost = self.left_to_callers.now();
        if cost.time.is_zero() || cost.steps == 0 {
            return Err(StoreError::too_costly());
        }
        let watch = self.watch(cost);
        let started = Instant::now();
        self.left_to_callers.paid = true;
        let done = run(self);
        self.left_to_callers.paid = false;
        let steps = watch.as_ref().map_or(0, Watch::taken);
        self.left_to_callers.take(started.elapsed(), steps);
        done
    }
}
