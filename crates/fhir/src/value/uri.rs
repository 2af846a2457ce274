//! URIs (R4 "Search", uri): compared as they are written, or by the beginning of their path.

use super::key;
use crate::entry::{Entry, ParameterId};
use crate::json::Value;
use crate::predicate::Test;
use crate::registry::path::DataType;

/// The row of a uri; a canonical with a version has one row with it and one without.
pub(crate) fn rows(parameter: ParameterId, data_type: DataType, value: &Value<'_>, rows: &mut Vec<Entry>) {
    let Some(uri) = value.as_str() else { return };
    let mut push = |uri: &str| rows.push(Entry { parameter, key: key::single(uri), low: None, high: None });
    push(uri);
    if data_type == DataType::Canonical
        && let Some((unversioned, _)) = uri.split_once('|')
    {
        push(unversioned);
    }
}

/// The row is this uri.
pub(crate) fn is(wanted: &str) -> Test {
    Test::Is(key::single(wanted))
}

/// The row is this uri or lies below it: `:below`.
pub(crate) fn below(wanted: &str) -> Test {
    let beginning = format!("{}/", wanted.trim_end_matches('/'));
    let cut = beginning.get(..beginning.floor_char_boundary(key::LONGEST_KEY / 2)).unwrap_or_default();
    Test::Either([is(wanted), Test::Starts(cut.to_owned())].into())
}

/// The row is this uri or lies above it: `:above`. A URN has nothing above it.
pub(crate) fn above(wanted: &str) -> Test {
    let mut tests = vec![is(wanted)];
    let host = wanted.find("://").map_or(wanted.len(), |at| at + 3);
    let mut rest = wanted;
    while let Some((parent, _)) = rest.rsplit_once('/') {
        if parent.len() < host {
            break;
        }
        tests.push(is(parent));
        tests.push(is(&format!("{parent}/")));
        rest = parent;
    }
    Test::Either(tests.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(uri: &str) -> Entry {
        Entry { parameter: ParameterId(1), key: key::single(uri), low: None, high: None }
    }

    #[test]
    fn a_canonical_is_found_with_and_without_its_version() {
        let mut found = Vec::new();
        rows(ParameterId(1), DataType::Canonical, &Value::string("http://example.org/q|1.0"), &mut found);
        assert!(found.iter().any(|row| is("http://example.org/q").holds(row)));
        assert!(found.iter().any(|row| is("http://example.org/q|1.0").holds(row)));
        assert!(!found.iter().any(|row| is("http://example.org/q|2.0").holds(row)));
    }

    #[test]
    fn below_and_above_follow_the_path() {
        let base = "http://acme.org/fhir";
        assert!(below(base).holds(&row("http://acme.org/fhir/ValueSet/1")));
        assert!(below(base).holds(&row(base)));
        assert!(!below(base).holds(&row("http://acme.org/fhir2")));
        assert!(above("http://acme.org/fhir/ValueSet/1").holds(&row(base)));
        assert!(above("http://acme.org/fhir/ValueSet/1").holds(&row("http://acme.org/")));
        assert!(!above("http://acme.org/fhir").holds(&row("http://")));
        assert!(!above("urn:oid:1.2.3").holds(&row("urn:oid:1.2")));
    }
}
