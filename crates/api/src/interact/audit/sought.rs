//! Which events are looked for, and in which order they are told.

use concord_store::audit::{AuditQuery, Place, Stored};

use super::period_index::{Between, Of};

/// In which order events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// That in which they came.
    Arrival,
    /// That in which they were recorded.
    Recorded,
}

/// Which of the entries in files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All, by their numbers.
    All,
    /// The server's own, by their numbers, which is by when they were recorded.
    Own,
    /// What systems have handed in, by when that was recorded.
    HandedIn,
}

impl Order {
    /// What is looked at to have them in this order.
    pub(super) fn parts(self) -> &'static [Part] {
        match self {
            Order::Arrival => &[Part::All],
            Order::Recorded => &[Part::Own, Part::HandedIn],
        }
    }

    /// Where an event stands in it.
    pub(crate) fn place(self, event: &Stored) -> Place {
        match self {
            Order::Arrival => Place::own(event.pk),
            Order::Recorded => Place::of(event),
        }
    }
}

/// A page of events that is looked for.
pub(crate) struct Sought<'q> {
    /// What holds for them.
    pub(crate) query: &'q AuditQuery,
    /// Those of broken glass, or all others; both if it is not said. The query says it too.
    pub(crate) emergency: Option<bool>,
    /// In which order.
    pub(crate) order: Order,
    /// They come after this one.
    pub(crate) after: Option<Place>,
    /// From the oldest up, and not from the newest down.
    pub(crate) ascending: bool,
    /// How many are wanted.
    pub(crate) most: usize,
}

impl Sought<'_> {
    /// Where those stand that come after, up to one.
    pub(super) fn between(&self, upto: Option<Place>) -> Between {
        let (from, to) = match self.ascending {
            true => (self.after.map(Place::after), upto),
            false => (upto, self.after.map(Place::before)),
        };
        Between { from: from.unwrap_or(Place::FIRST), to: to.unwrap_or(Place::LAST) }
    }

    /// What stands together in an index.
    pub(super) fn groups(&self, records: &[i64], part: Part) -> Vec<Of> {
        let emergencies = match self.emergency {
            Some(one) => &[one][..],
            None => &[true, false],
        };
        let handed_in = part == Part::HandedIn;
        let mut groups = Vec::new();
        for patient in records {
            groups.extend(emergencies.iter().map(|one| Of { patient: *patient, emergency: *one, handed_in }));
        }
        groups
    }
}
