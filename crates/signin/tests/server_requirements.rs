//! Every statement that SMART App Launch 2.2 makes to servers with SHALL stands in docs/CONFORMANCE.md, and each test that is named
//! there is there.
//!
//! HL7's list of statements is not part of the tree: it is taken from the file that `CONCORD_SMART_REQUIREMENTS` names, or
//! `../shared/data/smart/server_requirements.csv` beside the tree. Where it is missing the test says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that goes wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Statements on brands, of which there is no bundle: what stands before the table says so.
const BRANDS: std::ops::RangeInclusive<u32> = 396..=436;
/// What stands among the names of tests and is none.
const NO_TESTS: [&str; 1] = ["public_url"];

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of the table: which statements, and what shows them.
fn rows() -> Vec<(BTreeSet<u32>, String)> {
    let page = std::fs::read_to_string(tree().join("docs/CONFORMANCE.md")).unwrap();
    let part = page.split("\n## ").find(|part| part.starts_with("SMART App Launch 2.2")).unwrap().to_owned();
    let lines = part.lines().filter(|line| line.starts_with("| ")).skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [numbers, _, shown] = cells.as_slice() else { panic!("a row of other than three cells: {line}") };
            (statements(numbers), (*shown).to_owned())
        })
        .collect()
}

fn statements(text: &str) -> BTreeSet<u32> {
    let number = |text: &str| text.trim().parse::<u32>().unwrap_or_else(|_| panic!("no statement: {text}"));
    let each = text.split(',').map(|one| one.split_once(" to ").unwrap_or((one, one)));
    each.flat_map(|(first, last)| number(first)..=number(last)).collect()
}

/// The names of all tests and modules below a folder.
fn names(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && name != "target" {
            found.insert(name.replace('-', "_"));
            names(&path, found);
        } else if let Some(module) = name.strip_suffix(".rs") {
            found.insert(module.to_owned());
            tests(&std::fs::read_to_string(&path).unwrap(), found);
        }
    }
}

/// The tests of a file: functions that say that they are one, and those that a macro makes some of.
fn tests(text: &str, found: &mut BTreeSet<String>) {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let said = ["#[test]", "#[tokio::test]", "#[actix_web::test]"].into_iter();
    for rest in said.flat_map(|mark| text.split(mark).skip(1)) {
        let name =
            rest.split_once("fn ").map(|(_, rest)| rest.chars().take_while(|letter| is_of_name(*letter)).collect());
        found.extend(name.into_iter().filter(|name: &String| !name.is_empty()));
    }
    for list in ["on_both! {", "on_two_nodes! {"].into_iter().flat_map(|start| text.split(start).skip(1)) {
        let list = list.split_once('}').map_or("", |(list, _)| list);
        found.extend(list.split(|letter| !is_of_name(letter)).filter(|name| !name.is_empty()).map(str::to_owned));
    }
}

#[test]
fn each_test_that_is_named_is_there() {
    let mut there = BTreeSet::new();
    names(&tree().join("tests"), &mut there);
    names(&tree().join("crates"), &mut there);
    let mut named = 0;
    for (numbers, shown) in rows() {
        // What names no test says why none is needed.
        assert!(shown.contains('`') || shown.split(' ').count() > 3, "{numbers:?} are shown by nothing: {shown:?}");
        for name in shown.split('`').skip(1).step_by(2).filter(|name| !NO_TESTS.contains(name)) {
            let last = name.rsplit("::").next().unwrap();
            assert!(there.contains(last), "{name}, of {numbers:?}, is no test or module of the tree");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}

/// The rows of a list, in which a cell may be quoted.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    for letter in text.trim_start_matches('\u{feff}').chars() {
        match (letter, quoted) {
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\n', false) => {
                row.push(std::mem::take(&mut cell));
                all.push(std::mem::take(&mut row));
            }
            _ => cell.push(letter),
        }
    }
    all
}

#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration to take a file from")]
fn list() -> Option<String> {
    let named = std::env::var("CONCORD_SMART_REQUIREMENTS").map(PathBuf::from).ok();
    let beside = tree().join("../shared/data/smart/server_requirements.csv");
    let list = std::fs::read_to_string(named.unwrap_or(beside)).ok();
    if list.is_none() {
        eprintln!("HL7's list is not there: name it by CONCORD_SMART_REQUIREMENTS");
    }
    list
}

#[test]
fn each_statement_with_shall_is_in_one_row() {
    let Some(list) = list() else { return };
    let all = cells(&list);
    let place = |name: &str| all.first().unwrap().iter().position(|cell| cell == name).unwrap();
    let (id, conformance) = (place("ID"), place("Conformance"));
    let shall = all.iter().skip(1).filter(|row| row.get(conformance).is_some_and(|cell| cell.starts_with("SHALL")));
    let shall: BTreeSet<u32> = shall.map(|row| row.get(id).unwrap().parse().unwrap()).collect();
    assert_eq!(shall.len(), 172, "the page says so");
    let mut shown: BTreeMap<u32, usize> = BTreeMap::new();
    for (numbers, _) in rows() {
        for number in numbers {
            *shown.entry(number).or_default() += 1;
        }
    }
    let missing: Vec<_> = shall.iter().filter(|one| !BRANDS.contains(one) && !shown.contains_key(one)).collect();
    assert!(missing.is_empty(), "in no row: {missing:?}");
    let twice: Vec<_> = shown.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "in more than one row: {twice:?}");
}
