//! What has been found out of resources by profiles: resources that refer to one another are checked once for each profile, and
//! not once for each way that leads to them.
//!
//! What is being found out already is taken to hold, so that a circle breaks nothing by itself. What was found with the help of
//! that holds for as long as it is not known better: it is kept with the outermost that it depends on, and dropped if that does
//! not hold after all. That something does not hold is so whatever else does.

use std::collections::BTreeMap;

use concord_fhir::issue::Issue;
use concord_fhir::terminology::Membership;

/// A resource and a profile.
pub(super) type Key = (usize, usize);

/// Nothing that is being found out was needed.
const NOTHING: usize = usize::MAX;

/// What was found of one, and how far outside the outermost is that was taken to hold for it.
#[derive(Debug)]
struct Known {
    answer: Membership,
    why: Option<Issue>,
    depends_on: usize,
}

/// What has been found out, and what is being.
#[derive(Debug, Default)]
pub(super) struct Found {
    under_way: Vec<Begun>,
    known: BTreeMap<Key, Known>,
    /// What is known with the help of what is under way, in the order in which it was found.
    open: Vec<Key>,
}

/// One that is being found out.
#[derive(Clone, Copy, Debug)]
struct Begun {
    key: Key,
    /// The outermost that was taken to hold for it so far.
    depends_on: usize,
    /// How much was open when it was begun.
    open: usize,
}

impl Found {
    /// The same as far as it is under way: for what is found out beside it.
    pub(super) fn begun(&self) -> Found {
        Found { under_way: self.under_way.clone(), ..Found::default() }
    }

    /// How many are being found out, each for the one before it.
    pub(super) fn depth(&self) -> usize {
        self.under_way.len()
    }

    /// Whether one is being found out, so that it is taken to hold.
    pub(super) fn is_under_way(&mut self, key: Key) -> bool {
        let at = self.under_way.iter().position(|begun| begun.key == key);
        at.into_iter().for_each(|at| self.needs(at));
        at.is_some()
    }

    /// What is known of one, and why it does not hold.
    pub(super) fn of(&mut self, key: Key) -> Option<(Membership, Option<Issue>)> {
        if self.is_under_way(key) {
            return Some((Membership::Yes, None));
        }
        let known = self.known.get(&key)?;
        let (answer, why, depends_on) = (known.answer, known.why.clone(), known.depends_on);
        self.needs(depends_on);
        Some((answer, why))
    }

    /// Says that what is being found out is not looked at to its end: what that leads to is not kept.
    pub(super) fn is_left_open(&mut self) {
        self.needs(0);
    }

    fn needs(&mut self, at: usize) {
        if let Some(last) = self.under_way.last_mut() {
            last.depends_on = last.depends_on.min(at);
        }
    }

    /// Begins to find out about one.
    pub(super) fn begin(&mut self, key: Key) {
        self.under_way.push(Begun { key, depends_on: NOTHING, open: self.open.len() });
    }

    /// Ends what was begun last, of which nothing is to be kept.
    pub(super) fn drop_last(&mut self) {
        if let Some(begun) = self.under_way.pop() {
            self.forget(begun.open);
            self.needs_outside(begun.depends_on);
        }
    }

    /// Ends what was begun last with what was found.
    pub(super) fn end(&mut self, answer: Membership, why: Option<Issue>) {
        let Some(Begun { key, depends_on, open }) = self.under_way.pop() else { return };
        let at = self.under_way.len();
        if answer == Membership::No {
            // Whatever took it to hold is to be found out anew.
            self.forget(open);
            self.known.insert(key, Known { answer, why, depends_on: NOTHING });
            return;
        }
        let depends_on = if depends_on >= at { NOTHING } else { depends_on };
        for inner in self.open.get(open..).unwrap_or_default() {
            if let Some(known) = self.known.get_mut(inner).filter(|known| known.depends_on >= at) {
                known.depends_on = depends_on;
            }
        }
        self.known.insert(key, Known { answer, why, depends_on });
        match depends_on {
            NOTHING => {
                let known = &self.known;
                let is_open = |key: &Key| known.get(key).is_some_and(|known| known.depends_on != NOTHING);
                let still: Vec<Key> = self.open.split_off(open).into_iter().filter(is_open).collect();
                self.open.extend(still);
            }
            outer => {
                self.open.push(key);
                self.needs_outside(outer);
            }
        }
    }

    /// What was needed for an inner one is needed for the one that it was found out for, if that is not the one itself.
    fn needs_outside(&mut self, depends_on: usize) {
        if depends_on < self.under_way.len() {
            self.needs(depends_on);
        }
    }

    fn forget(&mut self, since: usize) {
        for key in self.open.split_off(since.min(self.open.len())) {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Key; 4] = [(1, 0), (2, 0), (3, 0), (4, 0)];

    fn answer(found: &mut Found, key: Key) -> Option<Membership> {
        found.of(key).map(|(answer, _)| answer)
    }

    #[test]
    fn what_was_taken_to_hold_is_found_out_anew_when_it_does_not() {
        let [a, b, c, _] = KEYS;
        for (end, kept) in [(Membership::Yes, Some(Membership::Yes)), (Membership::No, None)] {
            let mut found = Found::default();
            found.begin(a);
            found.begin(b);
            assert_eq!(answer(&mut found, a), Some(Membership::Yes), "it is being found out");
            found.end(Membership::Yes, None);
            // By what is known only as long as the first is.
            found.begin(c);
            assert_eq!(answer(&mut found, b), Some(Membership::Yes));
            found.end(Membership::Yes, None);
            found.end(end, None);
            assert_eq!(answer(&mut found, a), Some(end));
            assert_eq!([answer(&mut found, b), answer(&mut found, c)], [kept, kept], "{end:?}");
        }
    }

    #[test]
    fn what_needs_nothing_that_is_under_way_is_kept_in_any_case() {
        let [a, b, c, d] = KEYS;
        let mut found = Found::default();
        found.begin(a);
        found.begin(b);
        found.begin(c);
        assert_eq!(answer(&mut found, b), Some(Membership::Yes));
        found.end(Membership::Yes, None);
        found.end(Membership::Yes, None);
        found.begin(d);
        found.end(Membership::No, None);
        found.end(Membership::No, None);
        let told = [a, b, c, d].map(|key| answer(&mut found, key));
        let (yes, no) = (Some(Membership::Yes), Some(Membership::No));
        assert_eq!(told, [no, yes, yes, no]);
    }

    #[test]
    fn what_was_left_open_is_not_kept_beyond_the_outermost() {
        let [a, b, ..] = KEYS;
        let mut found = Found::default();
        found.begin(a);
        found.begin(b);
        found.is_left_open();
        found.end(Membership::Yes, None);
        assert_eq!(answer(&mut found, b), Some(Membership::Yes), "for as long as the outermost is found out");
        found.drop_last();
        assert_eq!([answer(&mut found, a), answer(&mut found, b)], [None, None]);
    }
}
