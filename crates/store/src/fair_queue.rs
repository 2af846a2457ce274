//! What waits, each with whose it is: it comes in turn by who asks, so that however much one has waiting, another's comes after
//! one of theirs.

use std::collections::{HashMap, VecDeque};

/// Of how many who have had a turn it is known when.
const REMEMBERED: usize = 4_096;

/// Who asks, as far as they have to be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Asker(u64);

impl Asker {
    /// The server itself.
    pub const SERVER: Asker = Asker(0);

    /// The one of that number.
    #[must_use]
    pub const fn of(number: u64) -> Asker {
        Asker(number)
    }

    /// Which number that is.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What waits, in the order in which it came.
pub(crate) struct FairQueue<T> {
    waiting: VecDeque<(Asker, T)>,
    /// After how many others' each had a turn last.
    served: HashMap<Asker, u64>,
    turns: u64,
}

impl<T> FairQueue<T> {
    /// Nothing waits.
    pub(crate) fn new() -> FairQueue<T> {
        FairQueue { waiting: VecDeque::new(), served: HashMap::new(), turns: 0 }
    }

    /// Adds something of somebody's.
    pub(crate) fn add(&mut self, asker: Asker, one: T) {
        self.waiting.push_back((asker, one));
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing does.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What has waited longest.
    pub(crate) fn oldest(&self) -> Option<&T> {
        self.waiting.front().map(|(_, one)| one)
    }

    /// Of whom something waits.
    pub(crate) fn askers(&self) -> impl Iterator<Item = Asker> + '_ {
        self.waiting.iter().map(|(asker, _)| *asker)
    }

    /// Takes all of it.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (Asker, T)> + use<T> {
        std::mem::take(&mut self.waiting).into_iter()
    }

    /// Takes so many at most, of those who may have a turn: the first of each, of whom had a turn longest ago first, then the
    /// second of each, and so on. It is theirs to say who has had one.
    pub(crate) fn take(&mut self, most: usize, may: impl Fn(Asker) -> bool) -> Vec<(Asker, T)> {
        let mut before: HashMap<Asker, usize> = HashMap::new();
        let mut due: Vec<(usize, u64, usize)> = Vec::new();
        for (place, (asker, _)) in self.waiting.iter().enumerate() {
            if may(*asker) {
                let own = before.entry(*asker).or_default();
                due.push((*own, self.served(*asker), place));
                *own += 1;
            }
        }
        if due.len() == self.waiting.len() && before.len() <= 1 {
            return self.waiting.drain(..self.waiting.len().min(most)).collect();
        }
        if due.len() > most {
            due.select_nth_unstable(most);
            due.truncate(most);
        }
        due.sort_unstable();
        let mut all: Vec<Option<(Asker, T)>> = std::mem::take(&mut self.waiting).into_iter().map(Some).collect();
        let next = due.iter().filter_map(|(.., place)| all.get_mut(*place)?.take()).collect();
        self.waiting = all.into_iter().flatten().collect();
        next
    }

    /// Takes so many at most, each of which is a turn. While all that waits is taken, nobody stands behind another.
    pub(crate) fn next(&mut self, most: usize) -> Vec<T> {
        if self.waiting.len() <= most {
            self.served.clear();
            return self.take_all().map(|(_, one)| one).collect();
        }
        let next = self.take(most, |_| true);
        next.into_iter()
            .map(|(asker, one)| {
                self.had_turn(asker);
                one
            })
            .collect()
    }

    /// Takes the one whose turn it is, of those who may have one.
    pub(crate) fn next_of(&mut self, may: impl Fn(Asker) -> bool) -> Option<(Asker, T)> {
        let due = self.waiting.iter().enumerate().filter(|(_, (asker, _))| may(*asker));
        let (place, _) = due.min_by_key(|(place, (asker, _))| (self.served(*asker), *place))?;
        let next = self.waiting.remove(place)?;
        self.had_turn(next.0);
        Some(next)
    }

    /// Leaves for the next time what was taken and not begun.
    pub(crate) fn put_back(&mut self, left: Vec<(Asker, T)>) {
        left.into_iter().rev().for_each(|one| self.waiting.push_front(one));
    }

    /// Says that somebody had a turn.
    pub(crate) fn had_turn(&mut self, asker: Asker) {
        self.turns += 1;
        if self.served.len() >= REMEMBERED {
            let waiting: std::collections::HashSet<Asker> = self.askers().collect();
            self.served.retain(|asker, _| waiting.contains(asker));
        }
        self.served.insert(asker, self.turns);
    }

    fn served(&self, asker: Asker) -> u64 {
        self.served.get(&asker).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_one_has_waiting_anothers_comes_after_one_of_theirs() {
        let (one, two, three) = (Asker::of(1), Asker::of(2), Asker::of(3));
        let mut line = FairQueue::new();
        (0..100).for_each(|number| line.add(one, number));
        line.add(two, 200);
        line.add(three, 300);
        line.add(two, 201);
        assert_eq!(line.oldest(), Some(&0));
        assert_eq!(line.next(4), [0, 200, 300, 1]);
        line.add(three, 301);
        // Who has had no turn for longest is first.
        assert_eq!(line.next(3), [201, 301, 2]);
        assert_eq!((line.len(), line.oldest()), (97, Some(&3)));
        assert_eq!(line.next(97), (3..100).collect::<Vec<_>>(), "none is lost, nor out of its order");
        assert!(line.is_empty() && line.served.is_empty(), "nobody is remembered where nobody waits");
    }

    #[test]
    fn one_at_a_time_each_has_their_turn() {
        let (one, two) = (Asker::of(1), Asker::of(2));
        let mut line = FairQueue::new();
        (0..3).for_each(|number| line.add(one, number));
        line.add(two, 200);
        let order: Vec<i32> = std::iter::from_fn(|| line.next_of(|_| true)).map(|(_, number)| number).collect();
        assert_eq!(order, [0, 200, 1, 2]);
        line.add(one, 3);
        line.add(two, 201);
        assert_eq!(line.next_of(|asker| asker == two), Some((two, 201)), "the other may not");
        assert_eq!(line.next_of(|asker| asker == two), None);
    }

    #[test]
    fn of_those_who_had_a_turn_so_many_are_remembered() {
        let mut line = FairQueue::new();
        line.add(Asker::of(7), ());
        (0..10_000).for_each(|number| line.had_turn(Asker::of(number)));
        assert!(line.served.len() <= REMEMBERED);
        assert!(line.served.contains_key(&Asker::of(7)), "whoever waits is");
    }
}
