//! Each kind of rule that a profile may have: what keeps to it, and where what does not is wrong.

use super::{library, places, profile};

/// Checks observations by a profile of these elements: the members besides status and code, and the places of the errors.
fn observations(elements: &str, cases: &[(&str, &[&str])]) {
    let library = library(vec![profile("urn:p", "Observation", elements)]);
    for (members, wanted) in cases {
        let comma = if members.is_empty() { "" } else { "," };
        let resource =
            format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}}{comma}{members}}}"#);
        assert_eq!(places(&library, "urn:p", &resource), *wanted, "{members} by {elements}");
    }
}

#[test]
fn how_often_something_is_there() {
    observations(
        r#"{"path":"Observation.note","min":1,"max":"1"},{"path":"Observation.value[x]","max":"0"}"#,
        &[
            (r#""note":[{"text":"a"}]"#, &[]),
            ("", &["Observation.note"]),
            (r#""note":[{"text":"a"},{"text":"b"}]"#, &["Observation.note"]),
            (r#""note":[{"text":"a"}],"valueString":"x""#, &["Observation.value"]),
        ],
    );
}

#[test]
fn values() {
    let quantity = |value: &str| format!(r#""valueQuantity":{{"value":{value},"unit":"kg"}}"#);
    observations(
        r#"{"path":"Observation.status","fixedCode":"final"},{"path":"Observation.code","patternCodeableConcept":{"text":"x"}},
           {"path":"Observation.value[x]","type":[{"code":"Quantity"}]},
           {"path":"Observation.value[x].value","minValueDecimal":1.0,"maxValueDecimal":10},
           {"path":"Observation.method.text","maxLength":3}"#,
        &[
            (&quantity("1.00"), &[]),
            (&quantity("0.9"), &["Observation.valueQuantity.value"]),
            (&quantity("11"), &["Observation.valueQuantity.value"]),
            (r#""valueString":"x""#, &["Observation.valueString"]),
            (r#""method":{"text":"abcd"}"#, &["Observation.method.text"]),
        ],
    );
    observations(
        r#"{"path":"Observation.status","fixedCode":"amended"},{"path":"Observation.code","patternCodeableConcept":{"coding":[{"code":"y"}]}}"#,
        &[("", &["Observation.status", "Observation.code"])],
    );
}

#[test]
fn codes_by_what_r4_lists() {
    let bound = |strength: &str| {
        format!(
            r#"{{"path":"Observation.method","binding":{{"strength":"{strength}","valueSet":"http://hl7.org/fhir/ValueSet/days-of-week"}}}}"#
        )
    };
    let coded = |code: &str| {
        format!(r#""method":{{"coding":[{{"system":"http://hl7.org/fhir/days-of-week","code":"{code}"}}]}}"#)
    };
    observations(
        &bound("required"),
        &[
            (&coded("mon"), &[]),
            (&coded("moon"), &["Observation.method"]),
            (r#""method":{"text":"x"}"#, &["Observation.method"]),
        ],
    );
    observations(&bound("extensible"), &[(&coded("moon"), &[]), (r#""method":{"text":"x"}"#, &[])]);
    observations(&bound("preferred"), &[(&coded("moon"), &[])]);
}

#[test]
fn slices_by_value_and_what_stands_besides() {
    let slicing = |rules: &str| {
        format!(
            r#"{{"path":"Observation.component","slicing":{{"discriminator":[{{"type":"value","path":"code.text"}}],"ordered":true,"rules":"{rules}"}}}},
            {{"path":"Observation.component","sliceName":"a","min":1,"max":"1"}},
            {{"path":"Observation.component.code.text","fixedString":"a"}},
            {{"path":"Observation.component.value[x]","min":1}},
            {{"path":"Observation.component","sliceName":"b"}},
            {{"path":"Observation.component.code.text","fixedString":"b"}}"#
        )
    };
    let component = |names: &[&str]| {
        let items: Vec<_> =
            names.iter().map(|name| format!(r#"{{"code":{{"text":"{name}"}},"valueString":"v"}}"#)).collect();
        format!(r#""component":[{}]"#, items.join(","))
    };
    observations(
        &slicing("open"),
        &[
            (&component(&["a", "b", "b", "c"]), &[]),
            (&component(&["c", "a"]), &[]),
            (&component(&["b", "a"]), &["Observation.component[1]"]),
            (&component(&["a", "a"]), &["Observation.component"]),
            (&component(&["b"]), &["Observation.component"]),
            (r#""component":[{"code":{"text":"a"}}]"#, &["Observation.component[0].value"]),
        ],
    );
    observations(&slicing("closed"), &[(&component(&["a", "c"]), &["Observation.component[1]"])]);
    observations(
        &slicing("openAtEnd"),
        &[(&component(&["a", "c"]), &[]), (&component(&["c", "a"]), &["Observation.component[1]"])],
    );
}

#[test]
fn slices_by_what_is_there_by_type_and_by_position() {
    observations(
        r#"{"path":"Observation.component","slicing":{"discriminator":[{"type":"exists","path":"dataAbsentReason"}],"rules":"open"}},
           {"path":"Observation.component","sliceName":"absent"},{"path":"Observation.component.dataAbsentReason","min":1},
           {"path":"Observation.component.interpretation","max":"0"},
           {"path":"Observation.component","sliceName":"present","min":1},{"path":"Observation.component.dataAbsentReason","max":"0"}"#,
        &[
            (r#""component":[{"code":{"text":"a"},"valueString":"x"}]"#, &[]),
            (
                r#""component":[{"code":{"text":"a"},"dataAbsentReason":{"text":"no"},"interpretation":[{"text":"n"}]}]"#,
                &["Observation.component[0].interpretation", "Observation.component"],
            ),
        ],
    );
    observations(
        r#"{"path":"Observation.valueQuantity.unit","min":1},{"id":"Observation.value[x]:valueString","path":"Observation.value[x]","sliceName":"valueString","maxLength":2}"#,
        &[
            (r#""valueQuantity":{"value":1}"#, &["Observation.valueQuantity.unit"]),
            (r#""valueString":"abc""#, &["Observation.valueString"]),
            (r#""valueInteger":1"#, &[]),
        ],
    );
    observations(
        r#"{"path":"Observation.note","slicing":{"discriminator":[{"type":"position","path":"$this"}],"rules":"open"}},
           {"path":"Observation.note","sliceName":"first"},{"path":"Observation.note.text","fixedMarkdown":"a"}"#,
        &[(r#""note":[{"text":"a"},{"text":"b"}]"#, &[]), (r#""note":[{"text":"b"}]"#, &["Observation.note[0].text"])],
    );
}

#[test]
fn slices_of_slices() {
    observations(
        r#"{"id":"Observation.category","path":"Observation.category","slicing":{"discriminator":[{"type":"value","path":"text"}],"rules":"open"}},
           {"id":"Observation.category:a","path":"Observation.category","sliceName":"a",
            "slicing":{"discriminator":[{"type":"value","path":"coding.code"}],"rules":"closed"}},
           {"id":"Observation.category:a.text","path":"Observation.category.text","fixedString":"a"},
           {"id":"Observation.category:a/one","path":"Observation.category","sliceName":"a/one","max":"1"},
           {"id":"Observation.category:a/one.coding.code","path":"Observation.category.coding.code","fixedCode":"one"}"#,
        &[
            (r#""category":[{"text":"a","coding":[{"code":"one"}]},{"text":"b"}]"#, &[]),
            (r#""category":[{"text":"a","coding":[{"code":"two"}]}]"#, &["Observation.category[0]"]),
            (
                r#""category":[{"text":"a","coding":[{"code":"one"}]},{"text":"a","coding":[{"code":"one"}]}]"#,
                &["Observation.category"],
            ),
        ],
    );
}

#[test]
fn slices_in_slices_are_told_by_what_is_said_of_all() {
    observations(
        r#"{"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"value","path":"code.text"}],"rules":"open"}},
           {"id":"Observation.component.code.coding","path":"Observation.component.code.coding","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
           {"id":"Observation.component.code.coding:x","path":"Observation.component.code.coding","sliceName":"x","min":1},
           {"id":"Observation.component.code.coding:x.system","path":"Observation.component.code.coding.system","fixedUri":"urn:x"},
           {"id":"Observation.component:a","path":"Observation.component","sliceName":"a"},
           {"id":"Observation.component:a.code.text","path":"Observation.component.code.text","fixedString":"a"},
           {"id":"Observation.component:a.code.coding:x","path":"Observation.component.code.coding","sliceName":"x","min":1},
           {"id":"Observation.component:a.code.coding:x.code","path":"Observation.component.code.coding.code","fixedCode":"1"}"#,
        &[
            (r#""component":[{"code":{"text":"a","coding":[{"system":"urn:x","code":"1"},{"system":"urn:y"}]}}]"#, &[]),
            (r#""component":[{"code":{"text":"b","coding":[{"system":"urn:x","code":"2"}]}}]"#, &[]),
            (
                r#""component":[{"code":{"text":"a","coding":[{"system":"urn:x","code":"2"}]}}]"#,
                &["Observation.component[0].code.coding[0].code"],
            ),
        ],
    );
}

#[test]
fn references_and_what_they_lead_to() {
    let target = profile("urn:named", "Patient", r#"{"path":"Patient.name","min":1}"#);
    let elements = r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["urn:named"]}]}"#;
    let library = library(vec![target, profile("urn:p", "Observation", elements)]);
    let observation = |subject: &str, contained: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{subject}"}}{contained}}}"#
        )
    };
    let named = r##","contained":[{"resourceType":"Patient","id":"p","name":[{"text":"A"}]}]"##;
    let nameless = r##","contained":[{"resourceType":"Patient","id":"p"}]"##;
    assert_eq!(places(&library, "urn:p", &observation("#p", named)), [""; 0]);
    assert_eq!(places(&library, "urn:p", &observation("#p", nameless)), ["Observation.subject"]);
    assert_eq!(places(&library, "urn:p", &observation("Patient/elsewhere", "")), [""; 0]);
    assert_eq!(places(&library, "urn:p", &observation("Group/elsewhere", "")), ["Observation.subject"]);
}

#[test]
fn profiles_of_types_and_rules_that_recur() {
    let dated = profile("urn:dated", "Period", r#"{"path":"Period.start","min":1}"#);
    let ended = profile("urn:ended", "Period", r#"{"path":"Period.end","min":1}"#);
    let one = r#"{"path":"Encounter.period","type":[{"code":"Period","profile":["urn:dated"]}]}"#;
    let any = r#"{"path":"Encounter.period","type":[{"code":"Period","profile":["urn:dated","urn:ended"]}]}"#;
    let form = r#"{"path":"Questionnaire.item.text","min":1}"#;
    let library = library(vec![
        dated,
        ended,
        profile("urn:one", "Encounter", one),
        profile("urn:any", "Encounter", any),
        profile("urn:form", "Questionnaire", form),
    ]);
    let encounter = |period: &str| {
        format!(r#"{{"resourceType":"Encounter","status":"planned","class":{{"code":"AMB"}},"period":{period}}}"#)
    };
    let (start, end, neither) = (r#"{"start":"2026"}"#, r#"{"end":"2026"}"#, r#"{"id":"p"}"#);
    assert_eq!(places(&library, "urn:one", &encounter(start)), [""; 0]);
    assert_eq!(places(&library, "urn:one", &encounter(end)), ["Encounter.period.start"]);
    for good in [start, end] {
        assert_eq!(places(&library, "urn:any", &encounter(good)), [""; 0]);
    }
    assert_eq!(places(&library, "urn:any", &encounter(neither)), ["Encounter.period"]);
    // What is said of items holds for items in items.
    let nested = r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"group","text":"A","item":[
        {"linkId":"b","type":"group","text":"B","item":[{"linkId":"c","type":"string"}]}]}]}"#;
    assert_eq!(places(&library, "urn:form", nested), ["Questionnaire.item[0].item[0].item[0].text"]);
}

#[test]
fn expressions() {
    observations(
        r#"{"path":"Observation","constraint":[{"key":"x-1","severity":"error","human":"a note needs a method","expression":"note.exists() implies method.exists()"}]},
           {"path":"Observation.component","constraint":[{"key":"x-2","severity":"warning","human":"better","expression":"false"}]}"#,
        &[
            ("", &[]),
            (r#""note":[{"text":"a"}]"#, &["Observation"]),
            (r#""note":[{"text":"a"}],"method":{"text":"m"},"component":[{"code":{"text":"c"}}]"#, &[]),
        ],
    );
}

#[test]
fn extensions_by_their_definitions() {
    observations(
        "",
        &[
            (
                r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"text":"x"}}]"#,
                &["Observation.extension[0]"],
            ),
            (
                r#""modifierExtension":[{"url":"http://example.org/unknown","valueString":"x"}]"#,
                &["Observation.modifierExtension[0]"],
            ),
            (r#""extension":[{"url":"http://example.org/unknown","valueString":"x"}]"#, &[]),
            (r#""extension":[{"url":"relative","valueString":"x"}]"#, &["Observation.extension[0].url"]),
            (
                r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueString":"x"}]"#,
                &["Observation.extension[0].valueString"],
            ),
        ],
    );
}
