//! Published profiles and extensions, as they are meant.

use super::{library, places};

const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

#[test]
fn only_a_time_of_a_vital_sign_must_be_precise_to_the_day() {
    let library = library(Vec::new());
    let sign = |effective: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","subject":{{"reference":"Patient/p"}},{effective},
                "category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],
                "code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},
                "valueQuantity":{{"value":60,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}}}"#
        )
    };
    for profile in ["vitalsigns", "heartrate"] {
        for (effective, is_right) in [
            (r#""effectiveDateTime":"2024-01-01""#, true),
            (r#""effectivePeriod":{"start":"2024-01-01","end":"2024-01-02"}"#, true),
            (r#""effectiveDateTime":"2024-01""#, false),
        ] {
            let found = places(&library, &format!("{R4}{profile}"), &sign(effective));
            assert_eq!(found.is_empty(), is_right, "{profile} {effective}: {found:?}");
        }
    }
}

#[test]
fn an_extension_has_the_parts_that_its_definition_has() {
    let library = library(Vec::new());
    let of = |part: &str| {
        let text = format!(
            r#"{{"resourceType":"Patient","extension":[{{"url":"{R4}patient-nationality","extension":[
                {{"url":"code","valueCodeableConcept":{{"text":"x"}}}},{part}]}}]}}"#
        );
        places(&library, &format!("{R4}Patient"), &text)
    };
    assert_eq!(of(r#"{"url":"period","valuePeriod":{"start":"2020"}}"#), [""; 0]);
    assert_eq!(of(r#"{"url":"perod","valuePeriod":{"start":"2020"}}"#), ["Patient.extension[0].extension[1].url"]);
    assert_eq!(of(r#"{"url":"http://example.org/own","valueString":"x"}"#), [""; 0]);
}
