//! What the tests of this crate share.

mod stored;

use concord_fhir::json::{Limits, Value, parse};

/// The same as our own tree.
pub(crate) fn from_json(value: &serde_json::Value) -> Value<'static> {
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    parse(value.to_string().as_bytes(), &limits).unwrap().into_owned()
}

/// The folder of the official R4 definitions, where CONCORD_FHIR_EXAMPLES names it; without it a test says so and passes.
#[expect(clippy::print_stdout, reason = "whoever runs the tests is told what was not tested")]
pub(crate) fn official_definitions() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("CONCORD_FHIR_EXAMPLES").map(std::path::PathBuf::from);
    if folder.is_none() {
        println!("skipped: CONCORD_FHIR_EXAMPLES names no folder of the official definitions");
    }
    folder
}
