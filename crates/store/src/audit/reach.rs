//! What a query of the log says of its events to whoever looks for them elsewhere than in the database: in the files of
//! closed periods.

use std::collections::BTreeSet;

use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{EVENT_DATE, EVENT_PATIENT, patient_named};

/// How far a system's clock may be ahead whose events are taken in, in milliseconds.
pub const RECORDED_AHEAD_MS: i64 = 300_000;

/// How much later the last millisecond may be of the second that an event says, in milliseconds.
const SAID_MS: i64 = 999;

/// The least and the greatest that something may be; nothing is between where the least is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub from: i64,
    /// The greatest.
    pub to: i64,
}

impl Span {
    const ALL: Span = Span { from: i64::MIN, to: i64::MAX };
    const NONE: Span = Span { from: i64::MAX, to: i64::MIN };

    /// What is in both.
    #[must_use]
    pub fn within(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// When events came into the log that were recorded then: no earlier, but for what clocks differ by, and however much later
    /// where a system has handed them in.
    fn came(self) -> Span {
        let is_nothing = self.from > self.to;
        let from = self.from.saturating_sub(RECORDED_AHEAD_MS + SAID_MS);
        Span { from, to: if is_nothing { self.to } else { i64::MAX } }
    }

    /// What is in one of them, and what is between.
    fn around(self, other: Span) -> Span {
        Span { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// Whether it is in there.
    #[must_use]
    pub fn has(self, value: i64) -> bool {
        (self.from..=self.to).contains(&value)
    }
}

/// Where the events of a query can be. There may be others there, but none anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The ids of the patients in whose records they all are, as they are named, whether there are such patients or not; none
    /// if it does not say.
    pub patients: Option<BTreeSet<String>>,
    /// Their numbers.
    pub numbers: Span,
    /// When they were recorded, in milliseconds since 1970 UTC.
    pub times: Span,
}

impl Reach {
    /// Anywhere.
    pub(crate) const ALL: Reach = Reach { patients: None, numbers: Span::ALL, times: Span::ALL };

    /// Where the events can be that a predicate means.
    pub(super) fn of(predicate: &Predicate) -> Reach {
        let Bounds { numbers, times } = Bounds::of(predicate);
        Reach { patients: patients(predicate), numbers, times }
    }
}

fn patients(predicate: &Predicate) -> Option<BTreeSet<String>> {
    match predicate {
        Predicate::None => Some(BTreeSet::new()),
        Predicate::PatientCompartment(patient) => Some(BTreeSet::from([patient.clone()])),
        Predicate::And(parts) => in_all(parts.iter().map(patients)),
        Predicate::Or(parts) => in_any(parts.iter().map(patients)),
        Predicate::Entry(EVENT_PATIENT, test) => named(test),
        _ => None,
    }
}

/// The patients that a test of `patient` names.
fn named(test: &Test) -> Option<BTreeSet<String>> {
    match test {
        Test::Every(tests) => in_all(tests.iter().map(named)),
        Test::Either(tests) => in_any(tests.iter().map(named)),
        Test::Is(key) | Test::Starts(key) => Some(patient_named(key).map(str::to_owned).into_iter().collect()),
        _ => None,
    }
}

fn in_all(each: impl Iterator<Item = Option<BTreeSet<String>>>) -> Option<BTreeSet<String>> {
    each.flatten().reduce(|all, more| all.intersection(&more).cloned().collect())
}

fn in_any(mut each: impl Iterator<Item = Option<BTreeSet<String>>>) -> Option<BTreeSet<String>> {
    each.try_fold(BTreeSet::new(), |mut all, more| {
        all.extend(more?);
        Some(all)
    })
}

#[derive(Clone, Copy)]
struct Bounds {
    numbers: Span,
    times: Span,
}

impl Bounds {
    const ALL: Bounds = Bounds { numbers: Span::ALL, times: Span::ALL };
    const NONE: Bounds = Bounds { numbers: Span::NONE, times: Span::NONE };

    fn of(predicate: &Predicate) -> Bounds {
        match predicate {
            Predicate::None => Bounds::NONE,
            Predicate::And(parts) => parts.iter().map(Bounds::of).fold(Bounds::ALL, Bounds::within),
            Predicate::Or(parts) => parts.iter().map(Bounds::of).fold(Bounds::NONE, Bounds::around),
            Predicate::Id(ids) => {
                let named = ids.iter().filter_map(|id| id.parse().ok()).map(|number| Span { from: number, to: number });
                Bounds { numbers: named.fold(Span::NONE, Span::around), ..Bounds::ALL }
            }
            Predicate::Updated(comparison, wanted) => Bounds { times: at(*comparison, *wanted), ..Bounds::ALL },
            Predicate::Entry(EVENT_DATE, test) => Bounds { times: tested(test).came(), ..Bounds::ALL },
            _ => Bounds::ALL,
        }
    }

    fn within(self, other: Bounds) -> Bounds {
        Bounds { numbers: self.numbers.within(other.numbers), times: self.times.within(other.times) }
    }

    fn around(self, other: Bounds) -> Bounds {
        Bounds { numbers: self.numbers.around(other.numbers), times: self.times.around(other.times) }
    }
}

fn tested(test: &Test) -> Span {
    match test {
        #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds; an infinite one saturates")]
        Test::Low(comparison, wanted) | Test::High(comparison, wanted) => at(*comparison, *wanted as i64),
        Test::Every(tests) => tests.iter().map(tested).fold(Span::ALL, Span::within),
        Test::Either(tests) => tests.iter().map(tested).fold(Span::NONE, Span::around),
        _ => Span::ALL,
    }
}

fn at(comparison: Comparison, wanted: i64) -> Span {
    match comparison {
        Comparison::Less | Comparison::AtMost => Span { to: wanted, ..Span::ALL },
        Comparison::Greater | Comparison::AtLeast => Span { from: wanted, ..Span::ALL },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_narrow_and_what_one_holds_is_wide() {
        let since = |at: i64| Predicate::Updated(Comparison::AtLeast, at);
        let date = |from: f64, to: f64| {
            let tests = vec![Test::Low(Comparison::AtLeast, from), Test::High(Comparison::AtMost, to)];
            Predicate::Entry(EVENT_DATE, Test::Every(tests))
        };
        let ids = |ids: &[&str]| Predicate::Id(ids.iter().map(|id| (*id).to_owned()).collect());
        let of = Reach::of;
        assert_eq!(of(&Predicate::All), Reach::ALL);
        let until = |at: i64| Predicate::Updated(Comparison::AtMost, at);
        assert_eq!(of(&Predicate::And(vec![since(5), until(9)])).times, Span { from: 5, to: 9 });
        let between = |from: i64, to: i64| Predicate::And(vec![since(from), until(to)]);
        assert_eq!(of(&Predicate::Or(vec![between(3, 4), between(8, 9)])).times, Span { from: 3, to: 9 });
        // What was recorded then may have been handed in later, or by a clock that is ahead.
        let recorded = of(&date(900_000.0, 950_000.0)).times;
        assert_eq!(recorded, Span { from: 900_000 - RECORDED_AHEAD_MS - 999, to: i64::MAX });
        assert_eq!(of(&Predicate::Or(vec![since(5), Predicate::All])).times, Span::ALL);
        assert_eq!(of(&Predicate::Not(Box::new(since(5)))).times, Span::ALL);
        assert_eq!(of(&ids(&["7", "5", "x"])).numbers, Span { from: 5, to: 7 });
        let nothing = of(&Predicate::And(vec![ids(&["x"]), since(5)]));
        assert!(!nothing.numbers.has(5) && nothing.times.has(5));
    }
    #[test]
    fn whose_records_they_are_in_is_told_by_their_names() {
        let own = |id: &str| Predicate::PatientCompartment(id.to_owned());
        let named = |ids: &[&str]| {
            let tests = ids.iter().map(|id| Test::Is(format!("Patient/{id}"))).collect();
            Predicate::Entry(EVENT_PATIENT, Test::Either(tests))
        };
        let of = |predicate: Predicate| Reach::of(&predicate).patients;
        let these = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>());
        assert_eq!(of(Predicate::All), None);
        assert_eq!(of(Predicate::And(vec![Predicate::All, named(&["a", "b"])])), these(&["a", "b"]));
        assert_eq!(of(Predicate::And(vec![named(&["a", "b"]), own("b")])), these(&["b"]));
        assert_eq!(of(Predicate::And(vec![named(&["a"]), own("b")])), these(&[]));
        assert_eq!(of(Predicate::Or(vec![named(&["a"]), own("b")])), these(&["a", "b"]));
        assert_eq!(of(Predicate::Or(vec![named(&["a"]), Predicate::NoPatientCompartment])), None);
        assert_eq!(of(Predicate::None), these(&[]));
    }
}
