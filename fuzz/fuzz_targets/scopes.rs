//! Whatever the scopes of a token say, and whatever path a search parameter that is added is of, is read or ignored.
#![no_main]

use concord_consent::scope::{Scope, Scopes};
use concord_fhir::registry::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let all = Scopes::parse(text);
    assert!(all.0.len() <= text.split_ascii_whitespace().count());
    let _ = (Scope::parse(text), all.are_granular(), Path::parse(text));
});
