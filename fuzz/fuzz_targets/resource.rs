//! Whatever JSON is accepted goes to XML and back without loss, and every part of it is a resource too.
#![no_main]

use concord_fhir::codec::{Format, read, write_xml};
use concord_fhir::json::Limits;
use concord_fhir::check::check;
use concord_fhir::schema::{Summary, summarize};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let limits = Limits::default();
    match read(Format::Json, text, &limits) {
        Ok(resource) => {
            let written = write_xml(&resource.value).expect("what was accepted is written");
            let back = read(Format::Xml, written.as_bytes(), &limits).expect("what was written is accepted");
            // A list of nothing but nulls beside extensions is the one thing that XML says with less.
            assert_eq!(write_xml(&back.value).expect("what was accepted is written"), written);
            for summary in [Summary::Text, Summary::Data] {
                let _ = check(&summarize(&resource.value, summary), &limits);
            }
        }
        Err(issues) => assert!(!issues.is_empty()),
    }
});
