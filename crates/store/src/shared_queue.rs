//! What callers hand to threads of the store, which take what waits together, in turn by who asks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::fair_queue::{Asker, FairQueue};

/// What waits for the threads that do it.
pub(crate) struct SharedQueue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: FairQueue<T>,
    workers: usize,
    /// Whether one of them is gathering what it takes.
    gathering: bool,
    /// Nothing more comes.
    closed: bool,
}

/// A thread that does what waits. When the last one has ended, whoever waits is told so by what is dropped.
pub(crate) struct Worker<T>(Arc<SharedQueue<T>>);

impl<T> SharedQueue<T> {
    /// Nothing waits, and nobody is there yet to do it.
    pub(crate) fn new() -> Arc<SharedQueue<T>> {
        let state = State { waiting: FairQueue::new(), workers: 0, gathering: false, closed: false };
        Arc::new(SharedQueue { state: Mutex::new(state), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something of somebody's.
    ///
    /// # Errors
    /// What was to be added, when nobody is there to do it.
    pub(crate) fn add(&self, asker: Asker, one: T) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(one);
        }
        state.waiting.add(asker, one);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Another one who does what waits.
    pub(crate) fn worker(self: &Arc<Self>) -> Worker<T> {
        self.state().workers += 1;
        Worker(Arc::clone(self))
    }

    /// Nothing more comes: what waits is done yet.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

impl<T> Worker<T> {
    /// Waits for something, and takes it with what waits besides, so much at most. None when nothing more comes. Where the
    /// processors are busy, whoever is about to add something gets to run before: to do many at once costs little more than to
    /// do a few. Where they are not, this takes no time.
    pub(crate) fn next(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.0.state();
        while state.waiting.is_empty() || state.gathering {
            if state.closed && state.waiting.is_empty() {
                return None;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.gathering = true;
        let mut before = state.waiting.len();
        while before < most {
            drop(state);
            std::thread::yield_now();
            state = self.0.state();
            if std::mem::replace(&mut before, state.waiting.len()) == state.waiting.len() {
                break;
            }
        }
        state.gathering = false;
        let next = state.waiting.next(most);
        let (is_more, closed) = (!state.waiting.is_empty(), state.closed);
        drop(state);
        match (closed, is_more) {
            // The others end when nothing is left.
            (true, _) => self.0.changed.notify_all(),
            (false, true) => self.0.changed.notify_one(),
            (false, false) => {}
        }
        Some(next)
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.workers -= 1;
        if state.workers == 0 {
            state.closed = true;
            let dropped: Vec<_> = state.waiting.take_all().collect();
            drop(state);
            drop(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_taken_together_in_turn_and_to_the_end() {
        let line = SharedQueue::new();
        let worker = line.worker();
        (0..4).for_each(|number| line.add(Asker::of(1), number).unwrap());
        line.add(Asker::of(2), 200).unwrap();
        assert_eq!(worker.next(3), Some(vec![0, 200, 1]));
        line.close();
        assert_eq!(line.add(Asker::of(2), 201), Err(201), "nobody will be there to do it");
        assert_eq!(worker.next(9), Some(vec![2, 3]));
        assert_eq!(worker.next(9), None);
    }

    #[test]
    fn all_who_do_it_end_when_nothing_more_comes() {
        let line = SharedQueue::new();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let worker = line.worker();
                std::thread::spawn(move || std::iter::from_fn(|| worker.next(2)).map(|some| some.len()).sum::<usize>())
            })
            .collect();
        (0..1_000).for_each(|number| line.add(Asker::of(number % 3), number).unwrap());
        line.close();
        let done: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(done, 1_000);
    }

    #[test]
    fn when_the_last_who_does_it_has_ended_nothing_waits() {
        let line = SharedQueue::new();
        let (one, other) = (line.worker(), line.worker());
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        line.add(Asker::SERVER, done).unwrap();
        drop(one);
        assert!(!line.state().waiting.is_empty(), "there is another one");
        drop(other);
        assert!(wait.blocking_recv().is_err(), "whoever waits is told");
        assert!(line.add(Asker::SERVER, tokio::sync::oneshot::channel().0).is_err());
    }
}
