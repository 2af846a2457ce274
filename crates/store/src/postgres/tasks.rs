//! What waits for a connection: reads before writes, of whom others than those who ask see to that one has not all of them; writes
//! in turn by who asks for them, of whom one has half of the connections at most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Task;
use crate::turns::{Asker, Turns};

/// What waits, and whose writes are being done.
pub(super) struct Tasks {
    state: Mutex<State>,
    changed: Condvar,
    /// How many connections one who asks may write on.
    each: usize,
}

struct State {
    reads: VecDeque<Task>,
    writes: Turns<Task>,
    writing: HashMap<Asker, usize>,
    closed: bool,
}

/// A task whose turn it is, and whose write it is if it is one.
pub(super) struct Turn {
    pub(super) task: Task,
    asker: Option<Asker>,
}

impl Tasks {
    /// For so many connections.
    pub(super) fn new(connections: usize) -> Tasks {
        let (reads, writes, writing) = (VecDeque::new(), Turns::new(), HashMap::new());
        let state = Mutex::new(State { reads, writes, writing, closed: false });
        Tasks { state, changed: Condvar::new(), each: connections.div_ceil(2) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a read, or somebody's write.
    pub(super) fn add(&self, asker: Option<Asker>, task: Task) {
        let mut state = self.state();
        match asker {
            Some(asker) => state.writes.add_write(asker, task),
            None => state.reads.push_back(task),
        }
        self.changed.notify_one();
    }

    /// Waits for a turn. None when nothing more comes.
    pub(super) fn next(&self) -> Option<Turn> {
        let mut state = self.state();
        loop {
            if let Some(turn) = state.take(self.each) {
                return Some(turn);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that a turn is over.
    pub(super) fn ended(&self, asker: Option<Asker>) {
        let Some(asker) = asker else { return };
        let mut state = self.state();
        if let Some(writing) = state.writing.get_mut(&asker) {
            *writing -= 1;
            if *writing == 0 {
                state.writing.remove(&asker);
            }
        }
        self.changed.notify_one();
    }

    /// Nothing more comes: what waits is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let dropped = (std::mem::take(&mut state.reads), std::mem::replace(&mut state.writes, Turns::new()));
        self.changed.notify_all();
        drop(state);
        drop(dropped);
    }
}

impl State {
    fn take(&mut self, each: usize) -> Option<Turn> {
        if let Some(task) = self.reads.pop_front() {
            return Some(Turn { task, asker: None });
        }
        let writing = &self.writing;
        let may = |asker| asker == Asker::SERVER || writing.get(&asker).is_none_or(|writing| *writing < each);
        let (asker, task) = self.writes.next_of(may)?;
        self.writes.took(asker, Duration::ZERO, Instant::now());
        *self.writing.entry(asker).or_default() += 1;
        Some(Turn { task, asker: Some(asker) })
    }
}

impl Turn {
    /// Whose write it is.
    pub(super) fn asker(&self) -> Option<Asker> {
        self.asker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Box::new(|_, _| {})
    }

    #[test]
    fn one_writes_on_half_of_the_connections_and_others_on_the_rest() {
        let tasks = Tasks::new(4);
        let (one, other) = (Asker::of(1), Asker::of(2));
        (0..5).for_each(|_| tasks.add(Some(one), task()));
        tasks.add(Some(other), task());
        tasks.add(None, task());
        let askers: Vec<Option<Asker>> = (0..4).map(|_| tasks.next().unwrap().asker()).collect();
        assert_eq!(askers, [None, Some(one), Some(other), Some(one)]);
        assert!(tasks.state().take(2).is_none(), "the third of one's waits");
        tasks.ended(Some(one));
        assert_eq!(tasks.next().unwrap().asker(), Some(one));
        (0..3).for_each(|_| tasks.add(Some(Asker::SERVER), task()));
        assert!((0..3).all(|_| tasks.next().unwrap().asker() == Some(Asker::SERVER)), "the server is not bounded");
        tasks.close();
        assert!(tasks.next().is_none());
    }
}
