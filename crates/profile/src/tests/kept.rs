//! A resource that is made to keep to a profile passes, and broken at one place it fails there.

use concord_fhir::issue::Severity;
use concord_fhir::json::Value;
use proptest::prelude::*;

use super::{issues, library, profile, value};
use crate::library::Library;

const ELEMENTS: &str = r#"
    {"id":"Observation.identifier","path":"Observation.identifier","min":1,"max":"2"},
    {"id":"Observation.identifier.system","path":"Observation.identifier.system","fixedUri":"urn:x"},
    {"id":"Observation.status","path":"Observation.status","patternCode":"final"},
    {"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"Quantity"},{"code":"string"}]},
    {"id":"Observation.value[x]:valueString","path":"Observation.value[x]","sliceName":"valueString","maxLength":8},
    {"id":"Observation.note","path":"Observation.note","max":"0"},
    {"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"value","path":"code"}],"rules":"closed"}},
    {"id":"Observation.component:high","path":"Observation.component","sliceName":"high","min":1,"max":"1"},
    {"id":"Observation.component:high.code","path":"Observation.component.code","patternCodeableConcept":{"text":"high"}},
    {"id":"Observation.component:high.valueQuantity","path":"Observation.component.valueQuantity","min":1},
    {"id":"Observation.component:low","path":"Observation.component","sliceName":"low","max":"2"},
    {"id":"Observation.component:low.code","path":"Observation.component.code","patternCodeableConcept":{"text":"low"}}"#;

fn shelf() -> Library {
    library(vec![profile("urn:p", "Observation", ELEMENTS)])
}

prop_compose! {
    /// Identifiers, a value, how many low components there are and where among them the high one stands.
    fn observation()(
        identifiers in prop::collection::vec("[a-z]{1,5}", 1..3),
        text in prop::option::of("[a-z]{1,8}"),
        low in 0_usize..3,
        at in 0_usize..3,
        number in -1000_i32..1000,
    ) -> Value<'static> {
        let identifiers: Vec<_> =
            identifiers.iter().map(|one| format!(r#"{{"system":"urn:x","value":"{one}"}}"#)).collect();
        let mut components = vec![r#"{"code":{"text":"low"},"valueString":"x"}"#.to_owned(); low];
        let high = format!(r#"{{"code":{{"text":"high"}},"valueQuantity":{{"value":{number}}}}}"#);
        components.insert(at.min(low), high);
        let own = text.map_or_else(|| format!(r#""valueQuantity":{{"value":{number}}}"#), |text| format!(r#""valueString":"{text}""#));
        value(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"c"}},"identifier":[{}],{own},"component":[{}]}}"#,
            identifiers.join(","),
            components.join(",")
        ))
    }
}

/// Ways to break it: what is done, and where the first error is then.
type Break = (fn(&mut Value<'static>), &'static str);

fn set(resource: &mut Value<'static>, name: &'static str, to: &str) {
    resource.as_object_mut().unwrap().set(name, value(to));
}

fn without_value(resource: &mut Value<'static>) {
    let object = resource.as_object_mut().unwrap();
    object.remove("valueString");
    object.remove("valueQuantity");
}

const BREAKS: &[Break] = &[
    (|it| drop(it.as_object_mut().unwrap().remove("identifier")), "Observation.identifier"),
    (|it| set(it, "identifier", r#"[{"system":"urn:y"}]"#), "Observation.identifier[0].system"),
    (
        |it| set(it, "identifier", r#"[{"system":"urn:x"},{"system":"urn:x"},{"system":"urn:x"}]"#),
        "Observation.identifier",
    ),
    (|it| set(it, "status", r#""amended""#), "Observation.status"),
    (
        |it| {
            without_value(it);
            set(it, "valueInteger", "1");
        },
        "Observation.valueInteger",
    ),
    (
        |it| {
            without_value(it);
            set(it, "valueString", r#""longer than eight""#);
        },
        "Observation.valueString",
    ),
    (|it| set(it, "note", r#"[{"text":"n"}]"#), "Observation.note"),
    (|it| drop(it.as_object_mut().unwrap().remove("component")), "Observation.component"),
    (|it| set(it, "component", r#"[{"code":{"text":"high"},"valueString":"x"}]"#), "Observation.component[0].value"),
    (
        |it| {
            set(it, "component", r#"[{"code":{"text":"high"},"valueQuantity":{"value":1}},{"code":{"text":"other"}}]"#)
        },
        "Observation.component[1]",
    ),
];

proptest! {
    #[test]
    fn what_keeps_to_a_profile_passes_and_what_is_broken_fails_there(mut made in observation(), which in 0..BREAKS.len()) {
        let library = shelf();
        prop_assert_eq!(issues(&library, "urn:p", &made), []);
        let (destroy, wanted) = BREAKS[which];
        destroy(&mut made);
        let errors: Vec<_> = issues(&library, "urn:p", &made)
            .into_iter()
            .filter(|issue| issue.severity >= Severity::Error)
            .filter_map(|issue| issue.expression)
            .collect();
        prop_assert_eq!(errors, [wanted]);
    }
}
