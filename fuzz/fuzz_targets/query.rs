//! Whatever a query string says is read or refused, and what was read finds something or nothing.
#![no_main]

use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, parse};
use libfuzzer_sys::fuzz_target;

const BASE: &str = "https://phr.example/fhir";

fuzz_target!(|text: &str| {
    let (kind, query) = text.split_once('?').unwrap_or(("Observation", text));
    let pairs: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for handling in [Handling::Strict, Handling::Lenient] {
        match parse(ResourceType::parse(kind), &pairs, handling, 1_700_000_000_000, BASE) {
            Ok(query) => {
                let _ = (query.records(), query.searched_types(), query.predicate.to_string());
            }
            Err(issues) => assert!(!issues.is_empty()),
        }
    }
});
