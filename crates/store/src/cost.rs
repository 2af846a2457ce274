//! What callers may have the database do: so much for a request in all, and of the only writer next to nothing.

use std::time::Duration;

/// What statements whose shape a caller chose may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How long, all together.
    pub time: Duration,
    /// How many steps of SQLite's machine, all together. PostgreSQL counts none.
    pub steps: u64,
    /// How many steps the condition of a write, or a search beside writes, may take where the only writer matches it.
    pub condition: u64,
}

impl Cost {
    /// As much as each statement may take by itself.
    pub(crate) const UNBOUNDED: Cost = Cost { time: Duration::MAX, steps: u64::MAX, condition: u64::MAX };

    pub(crate) fn less(self, time: Duration, steps: u64) -> Cost {
        Cost { time: self.time.saturating_sub(time), steps: self.steps.saturating_sub(steps), ..self }
    }
}

/// What a read may take the database, as far as can be told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It does not grow with what others have stored.
    Little,
    /// That depends on what there is.
    Unknown,
    /// The same, of somebody who is alone: nobody else asks for anything.
    Alone,
    /// It is many things at once.
    Much,
}
