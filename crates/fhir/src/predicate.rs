//! The one language for "which resources": what a search asks for and what an access decision permits are both
//! predicates, and a query is their conjunction. It has two readings, [`Predicate::holds`] in memory and SQL in the
//! store, over the same [`Entries`].

use crate::index::{Entries, Entry, ParameterId, SEPARATOR};
use crate::registry::ResourceType;

/// Which resources.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Every resource.
    All,
    /// No resource. A denial is this.
    None,
    /// Those that meet every one.
    And(Vec<Predicate>),
    /// Those that meet at least one.
    Or(Vec<Predicate>),
    /// Those that do not meet it.
    Not(Box<Predicate>),
    /// Those of one of these types.
    Type(Vec<ResourceType>),
    /// Those with one of these logical ids.
    Id(Vec<String>),
    /// Those that are part of the record of the patient with this logical id.
    Record(String),
    /// Those that are part of nobody's record.
    NoRecord,
    /// Those last updated at a time that meets the comparison, in milliseconds since 1970 UTC.
    Updated(Comparison, i64),
    /// Those with at least one row of the parameter that meets the test.
    Entry(ParameterId, Test),
}

/// A test of one row of the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Any row will do.
    Present,
    /// The key is this.
    Is(String),
    /// The key starts with this.
    Starts(String),
    /// The key ends with this.
    Ends(String),
    /// The part of the key before the separator has this in it.
    Contains(String),
    /// The lower end compares so. A row without a lower end does not meet it.
    Low(Comparison, f64),
    /// The upper end compares so. A row without an upper end does not meet it.
    High(Comparison, f64),
    /// The same row meets every one.
    Every(Vec<Test>),
    /// The row meets at least one.
    Either(Vec<Test>),
}

/// How a row's number stands to the wanted one: `row OP wanted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `row < wanted`
    Less,
    /// `row <= wanted`
    AtMost,
    /// `row > wanted`
    Greater,
    /// `row >= wanted`
    AtLeast,
}

impl Comparison {
    /// Whether `row OP wanted`.
    #[must_use]
    pub fn holds<T: PartialOrd>(self, row: T, wanted: T) -> bool {
        match self {
            Comparison::Less => row < wanted,
            Comparison::AtMost => row <= wanted,
            Comparison::Greater => row > wanted,
            Comparison::AtLeast => row >= wanted,
        }
    }
}

impl Predicate {
    /// The conjunction, simplified: `All` drops out, `None` wins.
    #[must_use]
    pub fn and(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::None, _) | (_, Predicate::None) => Predicate::None,
            (Predicate::All, rest) | (rest, Predicate::All) => rest,
            (Predicate::And(mut left), Predicate::And(right)) => {
                left.extend(right);
                Predicate::And(left)
            }
            (Predicate::And(mut left), right) => {
                left.push(right);
                Predicate::And(left)
            }
            (left, Predicate::And(mut right)) => {
                right.insert(0, left);
                Predicate::And(right)
            }
            (left, right) => Predicate::And(vec![left, right]),
        }
    }

    /// The disjunction, simplified: `None` drops out, `All` wins.
    #[must_use]
    pub fn or(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::All, _) | (_, Predicate::All) => Predicate::All,
            (Predicate::None, rest) | (rest, Predicate::None) => rest,
            (Predicate::Or(mut left), Predicate::Or(right)) => {
                left.extend(right);
                Predicate::Or(left)
            }
            (Predicate::Or(mut left), right) => {
                left.push(right);
                Predicate::Or(left)
            }
            (left, Predicate::Or(mut right)) => {
                right.insert(0, left);
                Predicate::Or(right)
            }
            (left, right) => Predicate::Or(vec![left, right]),
        }
    }

    /// The complement, simplified.
    #[must_use]
    pub fn negate(self) -> Predicate {
        match self {
            Predicate::All => Predicate::None,
            Predicate::None => Predicate::All,
            Predicate::Not(inner) => *inner,
            other => Predicate::Not(Box::new(other)),
        }
    }

    /// Whether a resource with these entries is one of those meant.
    #[must_use]
    pub fn holds(&self, entries: &Entries) -> bool {
        match self {
            Predicate::All => true,
            Predicate::None => false,
            Predicate::And(parts) => parts.iter().all(|part| part.holds(entries)),
            Predicate::Or(parts) => parts.iter().any(|part| part.holds(entries)),
            Predicate::Not(part) => !part.holds(entries),
            Predicate::Type(types) => types.contains(&entries.resource_type),
            Predicate::Id(ids) => ids.contains(&entries.id),
            Predicate::Record(patient) => entries.patients.contains(patient),
            Predicate::NoRecord => entries.patients.is_empty(),
            Predicate::Updated(comparison, wanted) => comparison.holds(entries.updated, *wanted),
            Predicate::Entry(parameter, test) => {
                entries.rows.iter().any(|row| row.parameter == *parameter && test.holds(row))
            }
        }
    }
}

impl Test {
    /// Whether the row meets the test.
    #[must_use]
    pub fn holds(&self, row: &Entry) -> bool {
        match self {
            Test::Present => true,
            Test::Is(wanted) => row.key == *wanted,
            Test::Starts(wanted) => row.key.starts_with(wanted.as_str()),
            Test::Ends(wanted) => row.key.ends_with(wanted.as_str()),
            Test::Contains(wanted) => {
                row.key.split(SEPARATOR).next().is_some_and(|first| first.contains(wanted.as_str()))
            }
            Test::Low(comparison, wanted) => row.low.is_some_and(|low| comparison.holds(low, *wanted)),
            Test::High(comparison, wanted) => row.high.is_some_and(|high| comparison.holds(high, *wanted)),
            Test::Every(tests) => tests.iter().all(|test| test.holds(row)),
            Test::Either(tests) => tests.iter().any(|test| test.holds(row)),
        }
    }
}
