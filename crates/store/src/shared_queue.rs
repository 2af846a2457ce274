//! What callers hand to threads of the store, which take what waits together, in turn by who asks.
//!
//! Of several threads that have nothing to do the one is woken that had something last: what it works with, its connection and the
//! session of the database behind it, is warm yet. Where they came by turns, a read by itself took twice as long.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::fair_queue::{Asker, FairQueue};

/// What waits for the threads that do it.
pub(crate) struct SharedQueue<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: FairQueue<T>,
    workers: usize,
    /// Those that have nothing to do, the one last that had something last.
    idle: Vec<Arc<Condvar>>,
    /// Whether one of them is gathering what it takes.
    gathering: bool,
    /// Nothing more comes.
    closed: bool,
}

/// A thread that does what waits. When the last one has ended, whoever waits is told so by what is dropped.
pub(crate) struct Worker<T> {
    queue: Arc<SharedQueue<T>>,
    woken: Arc<Condvar>,
}

/// Has those look at what there is who were idle; to be called without the lock, which they want.
fn wake(idle: impl IntoIterator<Item = Arc<Condvar>>) {
    idle.into_iter().for_each(|one| one.notify_one());
}

impl<T> SharedQueue<T> {
    /// Nothing waits, and nobody is there yet to do it.
    pub(crate) fn new() -> Arc<SharedQueue<T>> {
        let state = State { waiting: FairQueue::new(), workers: 0, idle: Vec::new(), gathering: false, closed: false };
        Arc::new(SharedQueue { state: Mutex::new(state) })
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
        let idle = state.idle.pop();
        drop(state);
        wake(idle);
        Ok(())
    }

    /// Another one who does what waits.
    pub(crate) fn worker(self: &Arc<Self>) -> Worker<T> {
        self.state().workers += 1;
        Worker { queue: Arc::clone(self), woken: Arc::default() }
    }

    /// Nothing more comes: what waits is done yet.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        wake(idle);
    }
}

impl<T> Worker<T> {
    /// Waits for something, and takes it with what waits besides, so much at most. None when nothing more comes. Where the
    /// processors are busy, whoever is about to add something gets to run before: to do many at once costs little more than to
    /// do a few. Where they are not, this takes no time.
    pub(crate) fn next(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.queue.state();
        while state.waiting.is_empty() || state.gathering {
            if state.closed && state.waiting.is_empty() {
                return None;
            }
            // It may be there yet where it has woken by itself.
            state.idle.retain(|one| !Arc::ptr_eq(one, &self.woken));
            state.idle.push(Arc::clone(&self.woken));
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle.retain(|one| !Arc::ptr_eq(one, &self.woken));
        state.gathering = true;
        let mut before = state.waiting.len();
        while before < most {
            drop(state);
            std::thread::yield_now();
            state = self.queue.state();
            if std::mem::replace(&mut before, state.waiting.len()) == state.waiting.len() {
                break;
            }
        }
        state.gathering = false;
        let next = state.waiting.next(most);
        let idle = match (state.closed, state.waiting.is_empty()) {
            // The others end when nothing is left.
            (true, _) => std::mem::take(&mut state.idle),
            (false, false) => state.idle.pop().into_iter().collect(),
            (false, true) => Vec::new(),
        };
        drop(state);
        wake(idle);
        Some(next)
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
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
    fn who_had_something_last_has_the_next() {
        let line = SharedQueue::new();
        let (done, taken) = std::sync::mpsc::channel();
        for thread in 0..3 {
            let (worker, done) = (line.worker(), done.clone());
            std::thread::spawn(move || while worker.next(1).is_some_and(|_| done.send(thread).is_ok()) {});
        }
        let one_after_the_other = |number: u64| {
            // All of them have nothing to do.
            while line.state().idle.len() < 3 {
                std::thread::yield_now();
            }
            line.add(Asker::of(number), number).unwrap();
            taken.recv().unwrap()
        };
        let first = one_after_the_other(0);
        assert!((1..100).all(|number| one_after_the_other(number) == first));
        line.close();
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
