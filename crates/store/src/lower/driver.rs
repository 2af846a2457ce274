//! Which part of a predicate leads its query: the one that leaves the fewest rows.

use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{naming_patient, refers_by_url};
use concord_fhir::search::compartments_of;

use super::{Lowering, parts_of};

impl Lowering<'_> {
    /// The place among the parts of a predicate of the one that leads the query, if one does.
    pub(crate) fn driver(&self, predicate: &Predicate, records: &[i64]) -> Option<usize> {
        let own: Vec<String> = compartments_of(predicate).iter().map(|id| naming_patient(id)).collect();
        let ranked = |(place, part)| Some((selectivity(part, &own, records.is_empty())?, place));
        let driver = parts_of(predicate).iter().enumerate().filter_map(ranked).min();
        // A chain leads where nothing else does; within one record it is looked up for each candidate.
        driver.filter(|(rank, _)| *rank < CHAIN || records.is_empty()).map(|(_, place)| place)
    }

    /// The part of a predicate that leads a search in all records, if one does.
    pub(crate) fn leading<'p>(&self, predicate: &'p Predicate) -> Option<&'p Predicate> {
        self.driver(predicate, &self.records(predicate)).and_then(|place| parts_of(predicate).get(place))
    }
}

/// The rank of a clause that looks at other resources: it leads only where nothing else does.
const CHAIN: usize = 5_000;

/// The rank of a reference to the patient whose record it is.
const OWN: usize = 3_500;

/// How few rows a clause is likely to leave, smaller is fewer; none for one that cannot drive a query through the
/// index of keys. A token without a system may lead anywhere, so an exact key comes first; status and category
/// values are few and common, which is why a key with more text is preferred among equals.
///
/// `own` are the references to those in whose records all matches are: within a record they leave nearly all of it. What
/// leads within a record are rows that bear its key, which the resource itself does not: ids lead among all records only.
fn selectivity(predicate: &Predicate, own: &[String], among_all: bool) -> Option<usize> {
    fn rank(test: &Test, own: &[String]) -> Option<usize> {
        match test {
            Test::Is(key) if own.contains(key) => Some(OWN),
            // The index of keys leaves out the rows that have none.
            Test::Is(key) if !key.is_empty() => Some(1_000 - key.len().min(900)),
            Test::OneOf(keys) if !keys.iter().any(String::is_empty) => Some(1_500),
            Test::Starts(key) if !key.is_empty() => Some(2_000 - key.len().min(900)),
            Test::Either(tests) if !tests.is_empty() => {
                tests.iter().map(|test| rank(test, own)).try_fold(0, |most, each| Some(most.max(each?)))
            }
            Test::Every(tests) => tests.iter().filter_map(|test| rank(test, own)).min(),
            _ => None,
        }
    }
    match predicate {
        Predicate::Entry(_, test) => rank(test, own),
        // Several parameters with a row each, as in a compartment.
        Predicate::Or(parts) if !parts.is_empty() => parts.iter().try_fold(0, |most: usize, part| match part {
            Predicate::Entry(_, test) => Some(most.max(rank(test, own)? + 1_000)),
            Predicate::Id(_) if among_all => Some(most),
            _ => None,
        }),
        Predicate::Chain { .. } | Predicate::ReverseChain { .. } if can_start_from(predicate) => Some(CHAIN),
        _ => None,
    }
}

/// Whether a chain can drive a query: one by `Type/id` alone can.
fn can_start_from(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Chain { parameter, types, .. } => types.len() == 1 && !refers_by_url(*parameter),
        Predicate::ReverseChain { parameter, .. } => !refers_by_url(*parameter),
        _ => false,
    }
}
