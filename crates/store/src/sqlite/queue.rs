//! What waits for the embedded database's writer, and what may be done beside it: whoever reads does not wait for more than a
//! moment, whatever holds the writer up (a long write, its commit, or that the log is written back to the database).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::turns::Turns;
use super::{Answer, Job, SHARED_COMMIT};
use crate::audit::Record;
use crate::fair_queue::Asker;

/// How long whoever reads waits for the writer before that is done beside it.
const HELD: Duration = Duration::from_millis(5);

/// After how long what has failed is tried again, if nobody comes before.
const AGAIN: Duration = Duration::from_millis(100);

/// What has been done, but for the commit of its audit records.
#[derive(Default)]
pub(super) struct Done {
    pub(super) records: Vec<Record>,
    pub(super) answers: Vec<Answer>,
}

/// What the writer does next, by one commit.
pub(super) struct Batch {
    /// What is no write.
    pub(super) others: Vec<Job>,
    /// The writes, each with whose it is.
    pub(super) writes: Vec<(Asker, Job)>,
}

/// What is done beside the writer.
pub(super) struct Beside {
    /// What is not begun.
    pub(super) jobs: Vec<Job>,
    /// What was done before, in the commit that is held up.
    pub(super) done: Done,
}

/// What waits, what the writer is at, and what is done beside it.
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something for the writer to do.
    for_writer: Condvar,
    /// There may be something to do beside it.
    for_beside: Condvar,
    held: Duration,
    /// Whether the writer waits for somebody else, another program, who writes.
    kept_out: AtomicBool,
}

struct State {
    waiting: Turns<Job>,
    /// Whether the writer is at work.
    busy: bool,
    /// Whether the writer waits to be woken by whoever comes. To wake a thread is a call of the system, also where none sleeps.
    writer_sleeps: bool,
    /// What it has done that changed nothing, since when, in the commit that it is at.
    done: Done,
    done_since: Option<Instant>,
    /// Whether something is being done beside it.
    beside_at_work: bool,
    /// Whether whoever is beside it waits without an end.
    beside_sleeps: bool,
    /// Whether the writer is at writes that are expected to take long: whoever comes need not wait to find that out.
    at_long_writes: bool,
    /// Whether the writer has begun anything since whoever is beside it looked last.
    goes_on: bool,
    /// When the writer has something to try again.
    again: Option<Instant>,
    /// Nothing more comes.
    closed: bool,
}

impl State {
    /// When what waits has waited long enough for it to be done beside the writer.
    fn due(&self, held: Duration) -> Option<Instant> {
        let since = [self.done_since, self.waiting.waits_since()].into_iter().flatten().min();
        let held = if self.at_long_writes { Duration::ZERO } else { held };
        since.filter(|_| self.busy).map(|since| since + held)
    }

    /// Whether something has been done whose audit records have yet to be committed.
    fn has_done(&self) -> bool {
        !self.done.answers.is_empty()
    }
}

impl Queue {
    /// Nothing waits.
    pub(super) fn new() -> Queue {
        Queue::holding(HELD)
    }

    fn holding(held: Duration) -> Queue {
        let state = State {
            waiting: Turns::new(),
            busy: false,
            writer_sleeps: false,
            done: Done::default(),
            done_since: None,
            beside_at_work: false,
            beside_sleeps: false,
            at_long_writes: false,
            goes_on: false,
            again: None,
            closed: false,
        };
        Queue {
            state: Mutex::new(state),
            for_writer: Condvar::new(),
            for_beside: Condvar::new(),
            held,
            kept_out: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something; whether there is anybody to do it.
    pub(super) fn add(&self, job: Job) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let asker = job.asker();
        match job {
            Job::Write(..) => state.waiting.add_write(asker, job),
            Job::Read(..) | Job::Append(..) => state.waiting.add(asker, Instant::now(), job),
        }
        if std::mem::take(&mut state.writer_sleeps) {
            // It takes the lock first of all.
            drop(state);
            self.for_writer.notify_one();
        } else if state.busy {
            self.wake_beside(&mut state);
        }
        true
    }

    fn wake_beside(&self, state: &mut State) {
        if (state.beside_sleeps || state.at_long_writes) && state.due(self.held).is_some() {
            state.beside_sleeps = false;
            self.for_beside.notify_one();
        }
    }

    /// Begins a transaction of the writer's, and says while it lasts that the writer may be kept out.
    pub(super) fn begins<T>(&self, begin: impl FnOnce() -> T) -> T {
        self.kept_out.store(true, Ordering::Relaxed);
        let begun = begin();
        self.kept_out.store(false, Ordering::Relaxed);
        begun
    }

    /// Whether the writer is about to begin, which lasts for as long as somebody else writes. Whoever reads is answered meanwhile.
    pub(super) fn may_be_kept_out(&self) -> bool {
        self.kept_out.load(Ordering::Relaxed)
    }

    /// Takes what the writer does next, once there is something. None when nothing more comes.
    pub(super) fn next(&self) -> Option<Batch> {
        loop {
            self.wait_for_something()?;
            self.gather();
            let mut state = self.state();
            let (others, writes) = state.waiting.next(Instant::now(), SHARED_COMMIT);
            let is_due = state.again.is_some_and(|again| again <= Instant::now());
            if !others.is_empty() || !writes.is_empty() || state.has_done() || is_due {
                state.busy = true;
                state.at_long_writes = false;
                state.goes_on = true;
                state.again = None;
                return Some(Batch { others, writes });
            }
        }
    }

    /// None when there is nothing, and nothing more comes.
    fn wait_for_something(&self) -> Option<()> {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let again = state.again.filter(|_| !state.closed);
            state = match state.waiting.due(now).into_iter().chain(again).min() {
                // What could not be done beside the writer is not left until somebody else comes.
                _ if state.has_done() => return Some(()),
                Some(due) if due <= now => return Some(()),
                Some(due) => {
                    let time = due.saturating_duration_since(now);
                    state.writer_sleeps = true;
                    self.for_writer.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None if state.closed => return None,
                None => {
                    state.writer_sleeps = true;
                    self.for_writer.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
            state.writer_sleeps = false;
        }
    }

    /// Where the processors are busy, whoever is about to send another job gets to run before: a commit for many costs little
    /// more than one for a few. Where they are not, this takes no time.
    fn gather(&self) {
        let mut before = self.state().waiting.len();
        while (1..SHARED_COMMIT).contains(&before) {
            std::thread::yield_now();
            let now = self.state().waiting.len();
            if now == before {
                break;
            }
            before = now;
        }
    }

    /// Has the writer come again in a moment, also when nobody asks for anything.
    pub(super) fn come_again(&self) {
        self.state().again = Some(Instant::now() + AGAIN);
    }

    /// Has the writer come now, if it has to come again: somebody waits for it.
    pub(super) fn come_now(&self) {
        let mut state = self.state();
        if state.again.is_some() {
            state.again = Some(Instant::now());
            if std::mem::take(&mut state.writer_sleeps) {
                self.for_writer.notify_one();
            }
        }
    }

    /// Takes in what the writer has done that changes nothing.
    pub(super) fn is_done(&self, records: Vec<Record>, answer: Answer) {
        let mut state = self.state();
        state.done.records.extend(records);
        state.done.answers.push(answer);
        state.done_since.get_or_insert_with(Instant::now);
    }

    /// Says that writes of these begin, behind which what has been done waits now: where one of theirs took long before, no
    /// longer.
    pub(super) fn writes_begin(&self, mut askers: impl Iterator<Item = Asker>) {
        let mut state = self.state();
        state.at_long_writes = askers.any(|asker| state.waiting.is_slow(asker));
        self.wake_beside(&mut state);
    }

    /// What of that is to be committed with the rest.
    pub(super) fn take_done(&self) -> Done {
        let mut state = self.state();
        state.done_since = None;
        std::mem::take(&mut state.done)
    }

    /// Leaves writes for the next commit that were not begun in this one.
    pub(super) fn put_back(&self, jobs: Vec<(Asker, Job)>) {
        self.state().waiting.put_back(jobs);
    }

    /// Says how long a write took.
    pub(super) fn took(&self, asker: Asker, time: Duration) {
        self.state().waiting.took(asker, time, Instant::now());
    }

    /// Says that the writer is at work no more, and waits until what is done beside it is answered.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.busy = false;
        state.at_long_writes = false;
        while state.beside_at_work {
            state = self.for_writer.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until something has waited for the writer too long, and takes it to be done beside it. None when the writer has
    /// ended.
    pub(super) fn next_beside(&self) -> Option<Beside> {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            state = match state.due(self.held) {
                Some(due) if due <= now => {
                    state.done_since = None;
                    state.beside_at_work = true;
                    let (jobs, done) = (state.waiting.take_others(), std::mem::take(&mut state.done));
                    return Some(Beside { jobs, done });
                }
                Some(due) => {
                    let time = due.saturating_duration_since(now);
                    self.for_beside.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None if state.closed => return None,
                // What comes meanwhile is due at the end of this time at the earliest, so nobody has to wake this thread.
                None if std::mem::take(&mut state.goes_on) => {
                    self.for_beside.wait_timeout(state, self.held).unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    state.beside_sleeps = true;
                    self.for_beside.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Says that what was taken to be done beside the writer is answered.
    pub(super) fn beside_is_done(&self) {
        self.state().beside_at_work = false;
        self.for_writer.notify_one();
    }

    /// Says that it cannot be done beside it: it waits for the writer after all, and so does all that comes.
    pub(super) fn beside_ends(&self, beside: Beside) {
        let mut state = self.state();
        let now = Instant::now();
        // Nor is it tried again at once.
        state.at_long_writes = false;
        beside.jobs.into_iter().for_each(|job| state.waiting.add(job.asker(), now, job));
        // Whoever has been done before is before whoever has been since.
        let since = std::mem::replace(&mut state.done, beside.done);
        state.done.records.extend(since.records);
        state.done.answers.extend(since.answers);
        state.beside_at_work = false;
        self.for_writer.notify_one();
    }

    /// Nothing more comes: what waits is done yet, and then the threads end.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.end_rests();
        state.beside_sleeps = false;
        self.for_writer.notify_all();
        self.for_beside.notify_all();
    }

    /// Says that the writer has ended, however that came: whoever waits is told that the store is closed.
    pub(super) fn writer_ended(&self) {
        self.close();
        let mut state = self.state();
        state.busy = false;
        let dropped = (std::mem::replace(&mut state.waiting, Turns::new()), std::mem::take(&mut state.done));
        drop(state);
        self.for_beside.notify_all();
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Append;
    use super::*;
    use crate::line::Line;
    use crate::reply;

    fn append() -> Job {
        let waits = Line::default().enter_of(Asker::SERVER).unwrap();
        Job::Append(Asker::SERVER, Append { records: Vec::new(), done: reply::channel().0, waits })
    }

    #[test]
    fn what_waits_for_a_busy_writer_is_done_beside_it_after_a_moment() {
        let queue = Arc::new(Queue::holding(Duration::from_millis(1)));
        assert!(queue.add(append()));
        let batch = queue.next().unwrap();
        assert_eq!((batch.others.len(), batch.writes.len()), (1, 0));
        // The writer has done it and is held up; another one comes.
        queue.is_done(Vec::new(), Box::new(|_| {}));
        queue.writes_begin(std::iter::once(Asker::SERVER));
        assert!(queue.add(append()));
        let beside = queue.next_beside().unwrap();
        assert_eq!((beside.jobs.len(), beside.done.answers.len()), (1, 1));
        assert!(queue.take_done().answers.is_empty(), "it is not answered twice");
        // The writer does not go on before that is answered.
        let own = Arc::clone(&queue);
        let writer = std::thread::spawn(move || own.settle());
        queue.beside_is_done();
        writer.join().unwrap();
    }

    #[test]
    fn behind_whose_writes_take_long_nobody_waits_to_find_that_out() {
        let queue = Arc::new(Queue::holding(Duration::from_secs(3_600)));
        let asker = Asker::of(1);
        queue.took(asker, Duration::from_secs(1));
        assert!(queue.add(append()));
        queue.next().unwrap();
        queue.is_done(Vec::new(), Box::new(|_| {}));
        // What is beside the writer has looked and waits, and hears of what comes.
        let own = Arc::clone(&queue);
        let beside = std::thread::spawn(move || own.next_beside().map(|beside| beside.done.answers.len()));
        queue.writes_begin([Asker::of(2), asker].into_iter());
        assert_eq!(beside.join().unwrap(), Some(1));
        queue.beside_is_done();
        let own = Arc::clone(&queue);
        let beside = std::thread::spawn(move || own.next_beside().map(|beside| beside.jobs.len()));
        assert!(queue.add(append()));
        assert_eq!(beside.join().unwrap(), Some(1));
    }

    #[test]
    fn what_cannot_be_done_beside_long_writes_is_not_tried_again_at_once() {
        let queue = Queue::holding(Duration::from_secs(3_600));
        let asker = Asker::of(1);
        queue.took(asker, Duration::from_secs(1));
        queue.add(append());
        queue.next().unwrap();
        queue.is_done(Vec::new(), Box::new(|_| {}));
        queue.writes_begin(std::iter::once(asker));
        queue.add(append());
        let beside = queue.next_beside().unwrap();
        assert_eq!(beside.jobs.len(), 1);
        queue.beside_ends(beside);
        let state = queue.state();
        assert!(state.has_done());
        assert!(state.due(queue.held).unwrap() > Instant::now() + Duration::from_secs(600));
    }

    #[test]
    fn where_nothing_can_be_done_beside_the_writer_it_is_done_by_it() {
        let queue = Queue::holding(Duration::ZERO);
        queue.add(append());
        queue.next().unwrap();
        queue.is_done(Vec::new(), Box::new(|_| {}));
        queue.add(append());
        let beside = queue.next_beside().unwrap();
        queue.beside_ends(beside);
        assert_eq!(queue.take_done().answers.len(), 1);
        queue.settle();
        assert_eq!(queue.next().unwrap().others.len(), 1);
    }

    #[test]
    fn what_could_not_be_done_beside_the_writer_after_its_commit_is_not_left() {
        let queue = Queue::holding(Duration::ZERO);
        queue.add(append());
        queue.next().unwrap();
        queue.is_done(Vec::new(), Box::new(|_| {}));
        let beside = queue.next_beside().unwrap();
        // The writer commits meanwhile, and nobody else comes.
        assert!(queue.take_done().answers.is_empty());
        queue.beside_ends(beside);
        queue.settle();
        let batch = queue.next().unwrap();
        assert!(batch.others.is_empty() && batch.writes.is_empty());
        assert_eq!(queue.take_done().answers.len(), 1);
    }

    #[test]
    fn the_writer_comes_again_though_nobody_asks() {
        let queue = Queue::new();
        queue.come_again();
        let batch = queue.next().unwrap();
        assert!(batch.others.is_empty() && batch.writes.is_empty());
        queue.settle();
        // Not when all is at an end.
        queue.come_again();
        queue.close();
        assert!(queue.next().is_none());
    }

    #[test]
    fn the_writer_comes_at_once_where_somebody_waits_for_what_it_left() {
        let queue = Arc::new(Queue::new());
        // Nothing was left.
        queue.come_now();
        assert_eq!(queue.state().again, None);
        let own = Arc::clone(&queue);
        let writer = std::thread::spawn(move || own.next().is_some());
        queue.state().again = Some(Instant::now() + Duration::from_secs(3_600));
        queue.come_now();
        assert!(writer.join().unwrap());
    }

    #[test]
    fn it_ends_when_nothing_more_comes_and_all_is_done() {
        let queue = Queue::new();
        queue.add(append());
        queue.close();
        assert!(!queue.add(append()), "nobody is there to do it");
        assert!(queue.next().is_some());
        queue.settle();
        assert!(queue.next().is_none());
        queue.writer_ended();
        assert!(queue.next_beside().is_none());
    }
}
