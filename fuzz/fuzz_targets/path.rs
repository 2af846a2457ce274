//! Whatever an expression says is compiled or refused, and what is compiled has a result or a fault of any resource.
#![no_main]

use concord_fhir::json::{Limits, parse};
use concord_fhir::path::{Context, Expression};
use libfuzzer_sys::fuzz_target;

const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Organization","id":"o"}],
"name":[{"family":"Khan","given":["Amina"]}],"birthDate":"1980-02","managingOrganization":{"reference":"#o"},
"extension":[{"url":"urn:x","valueQuantity":{"value":1.50,"system":"http://unitsofmeasure.org","code":"kg"}}]}"##;

// The expression, and after a line of its own with `%%` the resource.
fuzz_target!(|text: &str| {
    let (expression, resource) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let Ok(compiled) = Expression::compile(expression) else { return };
    let written = if resource.is_empty() { PATIENT } else { resource.as_bytes() };
    let Ok(resource) = parse(written, &Limits::default()) else { return };
    let context = Context::of(&resource).now("2026-01-01T00:00:00Z").steps(100_000);
    if let Ok(found) = compiled.evaluate(&context) {
        for position in 0..found.items().len() {
            let _ = found.place(position);
        }
    }
});
