//! How much may wait for a database: beyond that it is better to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::StoreError;

/// How much may wait.
const MOST_WAITING: usize = 2_000;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Line(Arc<AtomicUsize>);

/// That something waits. It no longer does when this is dropped.
#[derive(Debug)]
pub(crate) struct Waits(Arc<AtomicUsize>);

impl Line {
    /// Lets one more wait.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there are too many.
    pub(crate) fn enter(&self) -> Result<Waits, StoreError> {
        let waits = Waits(Arc::clone(&self.0));
        if self.0.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING { Err(StoreError::Busy(1)) } else { Ok(waits) }
    }

    /// How many wait.
    pub(crate) fn length(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_when_there_are_too_many_is_told_to_come_again() {
        let line = Line::default();
        let mut all: Vec<Waits> = (0..MOST_WAITING).map(|_| line.enter().unwrap()).collect();
        assert!(matches!(line.enter(), Err(StoreError::Busy(_))));
        assert_eq!(line.length(), MOST_WAITING, "whoever was refused does not wait");
        all.pop();
        drop(line.enter().unwrap());
        drop(all);
        assert_eq!(line.length(), 0);
    }
}
