//! Whatever XML is accepted is written again as XML that means the same.
#![no_main]

use concord_fhir::codec::{Format, read, write_xml};
use concord_fhir::json::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let limits = Limits::default();
    match read(Format::Xml, text, &limits) {
        Ok(resource) => {
            let written = write_xml(&resource.value).expect("what was accepted is written");
            let back = read(Format::Xml, written.as_bytes(), &limits).expect("what was written is accepted");
            assert!(back.value.same(&resource.value), "{written}");
        }
        Err(issues) => assert!(!issues.is_empty()),
    }
});
