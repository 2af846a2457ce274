//! The JSON reader takes what serde_json takes, and nothing else; what it reads it writes back.
#![no_main]

use concord_fhir::json::{Limits, parse, to_pretty, to_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let limits = Limits::default();
    let theirs = serde_json::from_slice::<serde_json::Value>(text);
    match parse(text, &limits) {
        Ok(value) => {
            // serde_json has no numbers beyond f64.
            assert!(theirs.is_ok() || theirs.is_err_and(|error| error.to_string().contains("out of range")));
            for written in [to_string(&value), to_pretty(&value)] {
                assert_eq!(parse(written.as_bytes(), &limits).expect("what was written is read"), value);
            }
        }
        Err(issues) => {
            assert!(!issues.is_empty());
            // Duplicates and depth are refused by us alone.
            let ours_alone = issues
                .iter()
                .all(|issue| issue.text.contains("more than once") || issue.text.contains("beyond a limit"));
            assert!(theirs.is_err() || ours_alone, "{issues:?}");
        }
    }
});
