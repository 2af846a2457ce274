//! The official R4 examples, indexed: every row that they give is found again by a query written from it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at the first example that fails")]

use concord_fhir::index::{Entries, Entry, SEPARATOR, extract, references};
use concord_fhir::json::{Limits, parse};
use concord_fhir::registry::{Kind, Parameter, ResourceType, parameter as parameter_of, parameter_by_id};
use concord_fhir::search::{self, Handling, LONGEST_VALUE};
use concord_fhir::value::{LONGEST_COMPOSITE, LONGEST_KEY};
use std::collections::BTreeSet;
use std::path::PathBuf;

#[test]
fn every_row_of_the_examples_is_found_by_a_query_written_from_it() {
    let mut seen = BTreeSet::new();
    let mut examples = 0;
    for path in example_files() {
        let text = std::fs::read(&path).expect("a readable example");
        let value = parse(&text, &Limits::default()).expect("an example is JSON");
        let Some(resource_type) = value.text("resourceType").and_then(ResourceType::parse) else { continue };
        let entries = extract(resource_type, value.text("id").unwrap_or("none"), 0, &value);
        examples += 1;
        for row in &entries.rows {
            let composite = row.key.contains('\u{1e}');
            let longest = if composite { LONGEST_COMPOSITE } else { LONGEST_KEY };
            assert!(row.key.len() <= longest, "{}: {row:?}", path.display());
            check(&entries, row);
            seen.insert(row.parameter);
        }
        for (expression, _) in references(&value) {
            assert!(expression.starts_with(resource_type.name()), "{expression}");
        }
    }
    assert!(examples > 5_000, "{examples} examples");
    // The examples fill most elements that parameters read: far fewer would mean that a kind is not read at all.
    assert!(seen.len() > 1_000, "{} parameters have rows", seen.len());
}

/// The row is found by what it says.
fn check(entries: &Entries, row: &Entry) {
    let Some(parameter) = parameter_by_id(row.parameter) else { return };
    let Some((name, value)) = query_for(parameter, row) else { return };
    if value.len() > LONGEST_VALUE {
        return;
    }
    let pairs = [(name.clone(), value.clone())];
    let query = search::parse(Some(entries.resource_type), &pairs, Handling::Strict, 0, "")
        .unwrap_or_else(|issues| panic!("{} {name}={value}: {issues:?}", entries.resource_type));
    assert!(query.predicate.holds(entries), "{} {name}={value} from {row:?}", entries.resource_type);
}

/// The name and value that ask for the row.
fn query_for(parameter: &Parameter, row: &Entry) -> Option<(String, String)> {
    let code = parameter.code.to_string();
    let escape = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace(',', "\\,");
        escaped.replace('|', "\\|").replace('$', "\\$")
    };
    let (first, second) = row.key.split_once(SEPARATOR).unwrap_or((&row.key, ""));
    // A cut key does not say what it was cut from.
    if row.key.chars().any(char::is_control) && (first.len() > 200 || second.len() > 200 || second.contains('\n')) {
        return None;
    }
    let point = row.low.filter(|low| low.is_finite() && row.high == Some(*low));
    match parameter.kind {
        Kind::Token => {
            let value = match (first, second) {
                ("", system) => format!("{}|", escape(system)),
                (code, "") => format!("|{}", escape(code)),
                (code, system) => format!("{}|{}", escape(system), escape(code)),
            };
            Some((code, value))
        }
        Kind::String if second.chars().any(char::is_control) => None,
        Kind::String => Some((format!("{code}:exact"), escape(second))),
        Kind::Uri => Some((code, escape(&row.key))),
        // Some examples have references in forms that are no url.
        Kind::Reference if !row.key.contains(['/', ':']) => None,
        Kind::Reference => Some((code, escape(&row.key))),
        Kind::Number => point.map(|value| (code, format!("{value}"))),
        Kind::Quantity if first.is_empty() && second.is_empty() => point.map(|value| (code, format!("{value}"))),
        Kind::Quantity => point.map(|value| (code, format!("{value}|{}|{}", escape(second), escape(first)))),
        Kind::Date => {
            assert!(row.low <= row.high, "{row:?}");
            Some((code, "ge0001-01-01,lt0001-01-01".to_owned()))
        }
        Kind::Composite => {
            let parts = parameter.parts()?;
            let (one, other) = row.key.split_once('\u{1e}')?;
            let half = |code: &str, key: &str| {
                let part = parameter_of(parameter.resource_type?, code)?;
                let (low, high) = if part.kind == Kind::Token { (None, None) } else { (row.low, row.high) };
                let row = Entry { parameter: part.id, key: key.to_owned(), low, high };
                match part.kind {
                    Kind::Token | Kind::Quantity | Kind::Reference => query_for(part, &row).map(|(_, value)| value),
                    _ => None,
                }
            };
            Some((code, format!("{}${}", half(parts[0], one)?, half(parts[1], other)?)))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test finds the examples through the environment")]
fn example_files() -> Vec<PathBuf> {
    let cached =
        || Some(PathBuf::from(std::env::var("HOME").ok()?).join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package"));
    let folder = std::env::var("CONCORD_FHIR_EXAMPLES").ok().map(PathBuf::from).or_else(cached);
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.expect("set CONCORD_FHIR_EXAMPLES to the folder `package` of npm hl7.fhir.r4.examples 4.0.1");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a folder that can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}
