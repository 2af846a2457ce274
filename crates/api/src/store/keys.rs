//! Numbers for rows that any node can make without asking: time-ordered, 63 bits.

use std::sync::atomic::{AtomicI64, Ordering};

/// 2024-01-01T00:00:00Z in milliseconds: numbers last until the year 2093.
const EPOCH: i64 = 1_704_067_200_000;

/// Makes row numbers: 41 bits of milliseconds, 10 bits of node, 12 bits of sequence. Two nodes that drew the same node
/// number can only collide within one millisecond, and then the primary key refuses the second.
#[derive(Debug)]
pub(crate) struct Keys {
    node: i64,
    last: AtomicI64,
}

impl Keys {
    /// A maker for the node of that number, of which ten bits are used.
    pub(crate) fn new(node: u16) -> Keys {
        Keys { node: i64::from(node & 0x3ff), last: AtomicI64::new(0) }
    }

    /// The least number that is made at that time or later, by a node whose clock is right.
    pub(crate) fn from(now_ms: i64) -> i64 {
        (now_ms - EPOCH).max(0) << 22
    }

    /// The next number at that time; always greater than the one before, also when the clock steps back.
    pub(crate) fn next(&self, now_ms: i64) -> i64 {
        let wanted = ((now_ms - EPOCH).max(1) << 22) | (self.node << 12);
        let step = |last: i64| Some(wanted.max(last + 1));
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(last) | Err(last) => wanted.max(last + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_even_when_the_clock_steps_back() {
        let keys = Keys::new(5);
        let mut last = 0;
        for now in [EPOCH + 10, EPOCH + 10, EPOCH + 9, EPOCH + 11, 0] {
            let next = keys.next(now);
            assert!(next > last);
            last = next;
        }
    }
}
