//! What waits for a connection, in turn by who asks: reads before writes, of whom others than those who ask see to that one has
//! not all connections; of writes one has half of them at most. What may take long is done by threads of its own, which give way.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::fair_queue::{Asker, FairQueue};

/// What kind of task it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A read that takes little.
    Read,
    /// A read that may take long.
    Long,
    /// A write.
    Write,
}

/// Which threads do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Those for which others wait.
    Prompt,
    /// Those that give way.
    GivingWay,
}

/// What waits, the connections that are free, and whose writes are being done.
pub(super) struct Tasks<C, T> {
    state: Mutex<State<C, T>>,
    prompt: Condvar,
    giving_way: Condvar,
    /// How many connections one who asks may write on.
    each: usize,
}

struct State<C, T> {
    free: Vec<C>,
    reads: FairQueue<T>,
    long: FairQueue<T>,
    writes: FairQueue<T>,
    writing: HashMap<Asker, usize>,
    /// Whether what was begun last was long: then it is a write's turn.
    was_long: bool,
    closed: bool,
}

/// A task whose turn it is, with its connection, and whose write it is if it is one.
pub(super) struct Turn<C, T> {
    pub(super) task: T,
    pub(super) connection: C,
    pub(super) writer: Option<Asker>,
}

impl<C, T> Tasks<C, T> {
    /// On these connections.
    pub(super) fn new(free: Vec<C>) -> Tasks<C, T> {
        let each = free.len().div_ceil(2);
        let (reads, long, writes, writing) = (FairQueue::new(), FairQueue::new(), FairQueue::new(), HashMap::new());
        let state = State { free, reads, long, writes, writing, was_long: false, closed: false };
        Tasks { state: Mutex::new(state), prompt: Condvar::new(), giving_way: Condvar::new(), each }
    }

    fn state(&self) -> MutexGuard<'_, State<C, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds somebody's task.
    pub(super) fn add(&self, kind: Kind, asker: Asker, task: T) {
        let mut state = self.state();
        match kind {
            Kind::Read => state.reads.add(asker, task),
            Kind::Long => state.long.add(asker, task),
            Kind::Write => state.writes.add(asker, task),
        }
        self.wake(&state);
    }

    /// Wakes one who does what is due. There are as many of either pace as there are connections, so one has nothing to do
    /// wherever a connection is free.
    fn wake(&self, state: &State<C, T>) {
        match state.due(self.each) {
            Some(Kind::Long) => self.giving_way.notify_one(),
            Some(_) => self.prompt.notify_one(),
            None => {}
        }
    }

    /// Waits for a turn. None when nothing more comes.
    pub(super) fn next(&self, pace: Pace) -> Option<Turn<C, T>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(turn) = state.take(pace, self.each) {
                self.wake(&state);
                return Some(turn);
            }
            let changed = match pace {
                Pace::Prompt => &self.prompt,
                Pace::GivingWay => &self.giving_way,
            };
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes back the connection of a turn that is over.
    pub(super) fn ended(&self, connection: C, writer: Option<Asker>) {
        let mut state = self.state();
        state.free.push(connection);
        if let Some(writer) = writer
            && let Some(writing) = state.writing.get_mut(&writer)
        {
            *writing -= 1;
            if *writing == 0 {
                state.writing.remove(&writer);
            }
        }
        self.wake(&state);
    }

    /// Nothing more comes: what waits is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let State { reads, long, writes, .. } = &mut *state;
        let dropped: Vec<_> = reads.take_all().chain(long.take_all()).chain(writes.take_all()).collect();
        self.prompt.notify_all();
        self.giving_way.notify_all();
        drop(state);
        drop(dropped);
    }
}

impl<C, T> State<C, T> {
    /// What comes next: reads, and then what takes long and writes by turns.
    fn due(&self, each: usize) -> Option<Kind> {
        if self.free.is_empty() {
            return None;
        }
        let writes = || self.writes.askers().any(may(&self.writing, each));
        match (self.reads.is_empty(), self.long.is_empty()) {
            (false, _) => Some(Kind::Read),
            (true, true) => writes().then_some(Kind::Write),
            (true, false) if self.was_long && writes() => Some(Kind::Write),
            (true, false) => Some(Kind::Long),
        }
    }

    fn take(&mut self, pace: Pace, each: usize) -> Option<Turn<C, T>> {
        let kind = self.due(each)?;
        if (kind == Kind::Long) != (pace == Pace::GivingWay) {
            return None;
        }
        let (asker, task) = match kind {
            Kind::Read => self.reads.next_of(|_| true),
            Kind::Long => self.long.next_of(|_| true),
            Kind::Write => self.writes.next_of(may(&self.writing, each)),
        }?;
        if kind != Kind::Read {
            self.was_long = kind == Kind::Long;
        }
        let connection = self.free.pop()?;
        let writer = (kind == Kind::Write).then_some(asker);
        if let Some(writer) = writer {
            *self.writing.entry(writer).or_default() += 1;
        }
        Some(Turn { task, connection, writer })
    }
}

/// Who may write on another connection.
fn may(writing: &HashMap<Asker, usize>, each: usize) -> impl Fn(Asker) -> bool + '_ {
    move |asker| asker == Asker::SERVER || writing.get(&asker).is_none_or(|writing| *writing < each)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Asker = Asker::of(1);
    const OTHER: Asker = Asker::of(2);

    /// Takes what is due, whichever threads do it; it is at work until its connection is given back.
    fn next(tasks: &Tasks<usize, &'static str>) -> Option<Turn<usize, &'static str>> {
        let mut state = tasks.state();
        let prompt = state.take(Pace::Prompt, tasks.each);
        prompt.or_else(|| state.take(Pace::GivingWay, tasks.each))
    }

    fn names(tasks: &Tasks<usize, &'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| next(tasks)).map(|turn| turn.task).collect()
    }

    #[test]
    fn one_writes_on_half_of_the_connections_and_others_on_the_rest() {
        let tasks = Tasks::new((0..8).collect());
        ["a", "b", "c", "d", "e"].into_iter().for_each(|name| tasks.add(Kind::Write, ONE, name));
        tasks.add(Kind::Write, OTHER, "another's");
        tasks.add(Kind::Read, ONE, "read");
        assert_eq!(names(&tasks), ["read", "a", "another's", "b", "c", "d"], "the fifth of one's waits");
        tasks.ended(9, Some(ONE));
        let turn = next(&tasks).unwrap();
        assert_eq!((turn.task, turn.connection, turn.writer), ("e", 9, Some(ONE)));
        tasks.ended(turn.connection, turn.writer);
        ["f", "g"].into_iter().for_each(|name| tasks.add(Kind::Write, Asker::SERVER, name));
        assert_eq!(names(&tasks), ["f", "g"], "the server is not bounded");
    }

    #[test]
    fn all_come_in_turn_by_who_asks() {
        for kind in [Kind::Read, Kind::Long, Kind::Write] {
            let tasks = Tasks::new(vec![0]);
            ["one", "one more", "and one more"].into_iter().for_each(|name| tasks.add(kind, ONE, name));
            tasks.add(kind, OTHER, "another's");
            let one_by_one = || {
                next(&tasks).map(|turn| {
                    tasks.ended(turn.connection, turn.writer);
                    turn.task
                })
            };
            let order: Vec<_> = std::iter::from_fn(one_by_one).collect();
            assert_eq!(order, ["one", "another's", "one more", "and one more"], "{kind:?}");
        }
    }

    #[test]
    fn what_may_take_long_and_writes_come_by_turns_and_reads_before_both() {
        let tasks = Tasks::new((0..9).collect());
        for (kind, name) in [
            (Kind::Long, "long 1"),
            (Kind::Long, "long 2"),
            (Kind::Long, "long 3"),
            (Kind::Write, "write 1"),
            (Kind::Write, "write 2"),
            (Kind::Read, "read"),
        ] {
            tasks.add(kind, Asker::SERVER, name);
        }
        assert_eq!(names(&tasks), ["read", "long 1", "write 1", "long 2", "write 2", "long 3"]);
    }

    #[test]
    fn what_may_take_long_is_done_by_those_who_give_way() {
        let tasks = Tasks::new(vec![0, 1]);
        tasks.add(Kind::Long, ONE, "long");
        assert!(tasks.state().take(Pace::Prompt, 1).is_none());
        assert_eq!(tasks.next(Pace::GivingWay).map(|turn| turn.task), Some("long"));
        tasks.add(Kind::Write, ONE, "write");
        assert!(tasks.state().take(Pace::GivingWay, 1).is_none());
        assert_eq!(tasks.next(Pace::Prompt).map(|turn| turn.task), Some("write"));
        tasks.add(Kind::Read, ONE, "dropped");
        tasks.close();
        assert!(tasks.next(Pace::Prompt).is_none() && tasks.next(Pace::GivingWay).is_none());
    }
}
