//! Composites (R4 "Search", composite): two parameters whose values belong together, `code$value`.
//!
//! A row has the key of the first value, the joint and the key of the second, and the ends of whichever is a range.

use super::key;
use crate::entry::Entry;
use crate::predicate::Test;

/// Stands between the keys of the two values. No FHIR string may contain it.
pub(crate) const JOINT: char = '\u{1e}';

/// The most rows that the values of one element may give.
const MOST_ROWS: usize = 64;

/// The longest key of a composite, in bytes.
pub const LONGEST_COMPOSITE: usize = 2 * key::LONGEST_KEY + 1;

/// The rows of every pair of values: `firsts` and `seconds` have the rows of the two parameters.
pub(crate) fn rows(
    firsts: &[Entry],
    seconds: &[Entry],
    make: impl Fn(&Entry) -> crate::entry::ParameterId,
) -> Vec<Entry> {
    let pairs = firsts.iter().flat_map(|first| seconds.iter().map(move |second| (first, second)));
    pairs
        .take(MOST_ROWS)
        .map(|(first, second)| {
            let ends = if second.low.is_some() { second } else { first };
            let key = format!("{}{JOINT}{}", clean(&first.key), clean(&second.key));
            Entry { parameter: make(second), key, low: ends.low, high: ends.high }
        })
        .collect()
}

fn clean(key: &str) -> String {
    key.replace(JOINT, "\u{fffd}")
}

/// The test of a row of the composite whose first value meets the one and whose second meets the other.
pub(crate) fn test(first: Test, second: Test) -> Test {
    Test::Every(vec![of_first(first), of_second(second)])
}

/// The rows of a token with a span: the numbers at its two ends are the ends of the row.
pub(crate) fn spans(
    parameter: crate::entry::ParameterId,
    tokens: &[Entry],
    starts: &[Entry],
    ends: &[Entry],
) -> Vec<Entry> {
    let pairs = starts.iter().flat_map(|start| ends.iter().map(move |end| (start.low, end.low)));
    let all = tokens.iter().flat_map(|token| pairs.clone().map(move |(low, high)| (token, low, high)));
    all.take(MOST_ROWS).map(|(token, low, high)| Entry { parameter, key: token.key.clone(), low, high }).collect()
}

/// The test of such a row. A number is a point, so that whatever is asked of it is asked of one end.
pub(crate) fn span(token: Test, start: Test, end: Test) -> Test {
    let low = |comparison, wanted| Test::Low(comparison, wanted);
    let high = |comparison, wanted| Test::High(comparison, wanted);
    Test::Every(vec![token, of_end(start, &low), of_end(end, &high)])
}

fn of_end(test: Test, end: &impl Fn(crate::predicate::Comparison, f64) -> Test) -> Test {
    match test {
        Test::Low(comparison, wanted) | Test::High(comparison, wanted) => end(comparison, wanted),
        Test::Every(tests) => Test::Every(tests.into_iter().map(|test| of_end(test, end)).collect()),
        Test::Either(tests) => Test::Either(tests.iter().map(|test| of_end(test.clone(), end)).collect()),
        other => other,
    }
}

fn of_first(test: Test) -> Test {
    match test {
        Test::Is(key) => Test::Starts(format!("{key}{JOINT}")),
        Test::Ends(end) => Test::Has(format!("{end}{JOINT}")),
        Test::Every(tests) => Test::Every(tests.into_iter().map(of_first).collect()),
        Test::Either(tests) => Test::Either(tests.iter().cloned().map(of_first).collect()),
        other => other,
    }
}

fn of_second(test: Test) -> Test {
    match test {
        Test::Is(key) => Test::Ends(format!("{JOINT}{key}")),
        Test::Starts(start) => Test::Has(format!("{JOINT}{start}")),
        Test::Every(tests) => Test::Every(tests.into_iter().map(of_second).collect()),
        Test::Either(tests) => Test::Either(tests.iter().cloned().map(of_second).collect()),
        other => other,
    }
}
