//! Tests over the whole crate.

mod broken;
mod costly;
mod definitions;
mod kept;
mod kinds;
mod made;
mod outside;
mod published;
mod versions;

use concord_fhir::issue::{Issue, Severity};
use concord_fhir::json::{Limits, Value, parse};
use concord_terminology::Tables;

use crate::check::{Asked, Checker};
use crate::definition::Definition;
use crate::library::Library;

/// A value from text.
fn value(text: &str) -> Value<'static> {
    parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|issues| panic!("{issues:?}: {text}")).into_owned()
}

/// The text of a profile of that type and url, with these elements.
fn profile_text(url: &str, of_type: &str, base: &str, elements: &str) -> String {
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"{url}","type":"{of_type}","derivation":"constraint",
            "baseDefinition":"{base}","differential":{{"element":[{elements}]}}}}"#
    )
}

/// A profile of that type over the type itself.
fn profile(url: &str, of_type: &str, elements: &str) -> Definition {
    let base = format!("http://hl7.org/fhir/StructureDefinition/{of_type}");
    Definition::read(&value(&profile_text(url, of_type, &base, elements))).unwrap()
}

/// What ships, and these.
fn library(definitions: Vec<Definition>) -> Library {
    let mut library = Library::over_shipped();
    for definition in definitions {
        library.add(definition).unwrap();
    }
    library
}

/// A check of whole resources, with nothing stored.
fn whole(library: &Library) -> Checker<'_> {
    Checker { library, terminology: &Tables, stored: None, is_whole: true, now: None, together: None }
}

/// What a check by one profile says.
fn issues(library: &Library, url: &str, resource: &Value<'_>) -> Vec<Issue> {
    let checker = Checker { library, terminology: &Tables, stored: None, is_whole: false, now: None, together: None };
    checker.check(resource, Asked { profiles: &[url.to_owned()], claimed: Some(&[]) })
}

/// The places of the errors.
fn places(library: &Library, url: &str, resource: &str) -> Vec<String> {
    issues(library, url, &value(resource))
        .into_iter()
        .filter(|issue| issue.severity >= Severity::Error)
        .filter_map(|issue| issue.expression)
        .collect()
}
