//! Whatever a patch of any kind says is read or refused, and applied or refused without a panic.
#![no_main]

use concord_fhir::json::{self, Limits};
use concord_fhir::patch::Patch;
use libfuzzer_sys::fuzz_target;

const RESOURCE: &[u8] = br#"{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"system":"s",
    "code":"c"},{"code":"d"}],"text":"t"},"valueQuantity":{"value":1.50,"unit":"kg"},"note":[{"text":"a/b~c"}]}"#;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let parameters = json::parse(body, &limits).and_then(|value| Patch::of_parameters(&value, &limits));
    let all = [Patch::read(body, &limits), Patch::read_merge(body, &limits), Patch::read_xml(body, &limits), parameters];
    for read in all {
        match read {
            Ok(patch) => {
                let resource = json::parse(RESOURCE, &limits).expect("a resource").into_owned();
                let _ = patch.apply(resource);
            }
            Err(issues) => assert!(!issues.is_empty()),
        }
    }
});
