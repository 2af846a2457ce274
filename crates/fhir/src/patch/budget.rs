//! What all operations of one patch may cost together.

/// What may still be done: it is counted by whoever does the work, in values and elements that are looked at.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) fn new(left: usize) -> Budget {
        Budget { left }
    }

    /// Takes so much of it; nothing once there is not so much left.
    pub(super) fn take(&mut self, count: usize) -> Option<()> {
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or_default();
        left.map(|_| ())
    }

    /// What is left of it.
    pub(super) fn left(&self) -> usize {
        self.left
    }
}
