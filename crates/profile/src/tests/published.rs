//! Published profiles and extensions, as they are meant.

use super::*;

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

/// R4 asks it of all that has the code, whoever claims what: told to who asks, and no matter of a write.
#[test]
fn a_vital_sign_is_one_by_its_code() {
    let library = library(Vec::new());
    let sign = |claim: &str, codings: &str, category: &str| {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final"{claim},"subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2024-01-01",
                "category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}"}}]}}],
                "code":{{"coding":[{codings}]}},
                "valueQuantity":{{"value":37,"unit":"Cel","system":"http://unitsofmeasure.org","code":"Cel"}}}}"#
        );
        let found = |is_whole: bool| {
            let checker = Checker { is_whole, ..whole(&library) };
            let found = checker.check(&value(&text), Asked::default());
            let worst = found.iter().map(|issue| issue.severity).max().filter(|worst| *worst > Severity::Information);
            (worst, found.iter().any(|issue| issue.text.contains("also where it is not claimed")))
        };
        (found(true), found(false))
    };
    let (loinc, snomed) = (
        r#"{"system":"http://loinc.org","code":"8310-5"}"#,
        r#"{"system":"http://snomed.info/sct","code":"276885007"}"#,
    );
    let both = format!("{snomed},{loinc}");
    let nothing = (None, false);
    let (right, wrong) = ((nothing, nothing), ((Some(Severity::Warning), true), nothing));
    assert_eq!(sign("", loinc, "vital-signs"), right);
    assert_eq!(sign("", &both, "vital-signs"), right);
    assert_eq!(sign("", loinc, "exam"), wrong);
    // One that is recorded by another code has R4's beside it.
    assert_eq!(sign("", snomed, "vital-signs"), wrong);
    assert_eq!(sign("", r#"{"system":"http://loinc.org","code":"2345-7"}"#, "exam"), right);
    // What is claimed is not told twice.
    let claim = format!(r#","meta":{{"profile":["{R4}bodytemp"]}}"#);
    let error = (Some(Severity::Error), false);
    assert_eq!(sign(&claim, loinc, "exam"), (error, error));
}
