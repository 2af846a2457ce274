//! The table is whole, every expression can be compiled, and what stands beside it is about rules that there are.

use std::collections::BTreeSet;

use super::corrected::CORRECTED;
use super::*;

fn rows() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.splitn(4, ' ');
            let mut next = || cells.next().unwrap();
            (next(), next(), next(), next())
        })
        .collect()
}

#[test]
fn every_rule_of_r4_is_in_the_table_and_can_be_evaluated() {
    let rows = rows();
    let count = |wanted: &str| rows.iter().filter(|row| row.2 == wanted).count();
    assert_eq!((count("error"), count("warning")), (206, 34));
    for (place, key, _, expression) in &rows {
        assert!(Expression::compile(expression).is_ok(), "{place} {key}: {expression}");
    }
    let compiled: BTreeSet<&str> =
        RULES.iter().flat_map(|rules| rules.errors.iter().chain(&rules.warnings)).map(|rule| rule.key).collect();
    let wanted: BTreeSet<&str> = rows.iter().map(|row| row.1).filter(|key| !SEEN.contains(key)).collect();
    assert_eq!(compiled, wanted, "each has its place among the shapes");
}

#[test]
fn corrections_and_words_are_about_rules_that_there_are() {
    let rows = rows();
    for row in CORRECTED {
        let published = rows.iter().find(|(_, key, ..)| *key == row.key).unwrap_or_else(|| panic!("{}", row.key));
        assert_ne!(published.3, row.expression, "{}", row.key);
        assert!(Expression::compile(row.expression).is_ok() && !row.why.is_empty(), "{}", row.key);
    }
    for (key, place) in texts::keys() {
        assert!(rows.iter().any(|row| row.1 == key && (place.is_empty() || row.0 == place)), "{key} {place}");
    }
}

/// Most rules are decided by which elements are there, without being evaluated.
#[test]
fn what_is_not_given_costs_nothing() {
    use crate::path::Truth;
    let all: Vec<&Rule> = RULES.iter().flat_map(|rules| &rules.errors).collect();
    let open = all.iter().filter(|rule| rule.presence.given(0) == Truth::Open).map(|rule| rule.key);
    let open: BTreeSet<&str> = open.collect();
    println!("of an empty element {} of the keys have to be evaluated: {open:?}", open.len());
    for key in ["obs-6", "obs-7", "obs-3", "qty-3", "per-1", "dom-3", "rng-2", "tim-4", "cpt-2", "att-1"] {
        assert!(!open.contains(key), "{key}");
    }
}
