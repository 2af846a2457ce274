//! StructureDefinitions: whatever one says, it is refused or used, and a resource is checked by it to the end.
#![no_main]

use concord_fhir::json::{Limits, parse};
use concord_profile::check::{Asked, Checker};
use concord_profile::definition::{Definition, stripped};
use concord_profile::library::Library;
use concord_terminology::Tables;
use libfuzzer_sys::fuzz_target;

const OBSERVATION: &[u8] = br##"{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"a"}],"text":"x"},
"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"},"valueQuantity":{"value":1.0,"unit":"g"},
"component":[{"code":{"text":"a"},"valueString":"v"},{"code":{"text":"b"},"_valueString":{"extension":[{"url":"urn:x","valueCode":"y"}]}}]}"##;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 1024 * 1024, ..Limits::default() };
    let Ok(value) = parse(data, &limits) else { return };
    let read = Definition::read(&value);
    // What is kept of a definition says the same as all of it.
    let bare = Definition::read(&stripped(&value));
    assert_eq!(read.is_ok(), bare.is_ok());
    let (Ok(definition), Ok(observation)) = (read, parse(OBSERVATION, &Limits::default())) else { return };
    let asked = [definition.url.clone()];
    let mut library = Library::over_shipped();
    let _ = library.add(definition);
    let checker = Checker { library: &library, terminology: &Tables, stored: None, is_whole: true, now: None, together: None };
    let _ = checker.check(&observation, Asked { profiles: &asked, claimed: None });
});
