//! Each kind of rule that a profile may have: what keeps to it, and where what does not is wrong.

use concord_fhir::issue::Severity;
use concord_terminology::Tables;

use super::{library, places, profile};
use crate::check::{Asked, Checker};

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

/// The places of the errors, and whether something is said that cannot be told.
fn told(elements: &str, resource: &str, now: &str) -> (Vec<String>, bool) {
    let of_type = super::value(resource).text("resourceType").unwrap().to_owned();
    let library = library(vec![profile("urn:p", &of_type, elements)]);
    let checker = Checker {
        library: &library,
        terminology: &Tables,
        stored: None,
        is_whole: false,
        now: Some(now),
        together: None,
    };
    let issues = checker.check(&super::value(resource), Asked { profiles: &["urn:p".to_owned()], claimed: Some(&[]) });
    let is_open =
        issues.iter().any(|issue| issue.text.contains("cannot be told") || issue.text.contains("not evaluated"));
    let errors = issues.into_iter().filter(|issue| issue.severity >= Severity::Error);
    (errors.filter_map(|issue| issue.expression).collect(), is_open)
}

/// Bounds of every type that they may have (R4 `ElementDefinition.minValue[x]`).
#[test]
fn bounds() {
    let now = "2026-11-29T12:00:00.000Z";
    let observed =
        |member: &str| format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{member}}}"#);
    let quantity = |value: &str, code: &str| {
        format!(r#"Quantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#)
    };
    let (metres, days) = (quantity("1.5", "m"), quantity("7", "d"));
    for (path, bound, member, wrong, open) in [
        ("value[x]", "minValueInteger\":3", r#""valueInteger":2"#, true, false),
        ("value[x]", "maxValueInteger\":3", r#""valueInteger":3"#, false, false),
        ("value[x]", "minValueTime\":\"10:00:00\"", r#""valueTime":"09:59:59""#, true, false),
        (
            "value[x]",
            "maxValueDateTime\":\"2026-01-01T10:00:00Z\"",
            r#""valueDateTime":"2026-01-01T10:00:00+01:00""#,
            false,
            false,
        ),
        (
            "value[x]",
            "maxValueDateTime\":\"2026-01-01T10:00:00Z\"",
            r#""valueDateTime":"2026-01-01T10:00:00-01:00""#,
            true,
            false,
        ),
        ("value[x]", "maxValueDateTime\":\"2026-01-05\"", r#""valueDateTime":"2026-01""#, false, true),
        ("issued", "minValueInstant\":\"2026-01-01T00:00:00Z\"", r#""issued":"2025-12-31T23:59:59Z""#, true, false),
        (
            "value[x]",
            &format!("minValue{metres}"),
            r#""valueQuantity":{"value":149,"system":"http://unitsofmeasure.org","code":"cm"}"#,
            true,
            false,
        ),
        (
            "value[x]",
            &format!("minValue{metres}"),
            r#""valueQuantity":{"value":150,"system":"http://unitsofmeasure.org","code":"cm"}"#,
            false,
            false,
        ),
        (
            "value[x]",
            &format!("minValue{metres}"),
            r#""valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"kg"}"#,
            false,
            true,
        ),
        ("value[x]", &format!("minValue{metres}"), r#""valueQuantity":{"value":1,"unit":"hands"}"#, false, true),
        (
            "value[x]",
            &format!("minValue{metres}"),
            r#""valueQuantity":{"value":1,"comparator":"<","system":"http://unitsofmeasure.org","code":"m"}"#,
            false,
            true,
        ),
        // Of days and times a length is one before now, or after it.
        ("effective[x]", &format!("minValue{days}"), r#""effectiveDateTime":"2026-11-22""#, false, false),
        ("effective[x]", &format!("minValue{days}"), r#""effectiveDateTime":"2026-11-21""#, true, false),
        ("effective[x]", &format!("maxValue{days}"), r#""effectiveDateTime":"2026-12-06T11:59:59Z""#, false, false),
        ("effective[x]", &format!("maxValue{days}"), r#""effectiveDateTime":"2026-12-06T12:00:01Z""#, true, false),
    ] {
        let elements = format!(r#"{{"path":"Observation.{path}","{bound}}}"#);
        let (places, is_open) = told(&elements, &observed(member), now);
        assert_eq!((!places.is_empty(), is_open), (wrong, open), "{elements} {member}: {places:?}");
    }
    let patient = r#"{"resourceType":"Patient","birthDate":"2027-01-01"}"#;
    let (places, _) = told(r#"{"path":"Patient.birthDate","maxValueDate":"2026-11-29"}"#, patient, now);
    assert_eq!(places, ["Patient.birthDate"]);
}

#[test]
fn expressions_may_ask_what_time_it_is() {
    let born = |day: &str| {
        format!(r#"{{"resourceType":"Patient","birthDate":"{day}","deceasedDateTime":"2026-11-29T11:00:00Z"}}"#)
    };
    let elements = r#"{"path":"Patient","constraint":[
        {"key":"x-1","severity":"error","human":"born","expression":"birthDate <= today()"},
        {"key":"x-2","severity":"error","human":"dead","expression":"deceased.ofType(dateTime) <= now()"}]}"#;
    for (day, now, errors) in [
        ("2026-11-29", "2026-11-29T12:00:00.000Z", 0),
        ("2026-11-30", "2026-11-29T12:00:00.000Z", 1),
        ("2026-11-28", "2026-11-29T10:00:00.000Z", 1),
    ] {
        let (places, is_open) = told(elements, &born(day), now);
        assert_eq!((places.len(), is_open), (errors, false), "{day} {now}");
    }
}

/// What a profile asks holds beside what it starts from asks.
#[test]
fn patterns_and_bounds_of_both_profiles_hold() {
    let base = profile(
        "urn:base",
        "Observation",
        r#"{"path":"Observation.code","patternCodeableConcept":{"coding":[{"system":"urn:s"}]}},{"path":"Observation.value[x]","minValueInteger":3}"#,
    );
    let elements = r#"{"path":"Observation.code","patternCodeableConcept":{"text":"x"}},{"path":"Observation.value[x]","minValueInteger":1}"#;
    let own = crate::definition::Definition::read(&super::value(&super::profile_text(
        "urn:p",
        "Observation",
        "urn:base",
        elements,
    )));
    let library = library(vec![base, own.unwrap()]);
    let observed = |code: &str, value: u32| {
        format!(r#"{{"resourceType":"Observation","status":"final","code":{code},"valueInteger":{value}}}"#)
    };
    let coded = r#"{"text":"x","coding":[{"system":"urn:s","code":"1"}]}"#;
    assert_eq!(places(&library, "urn:p", &observed(coded, 3)), [""; 0]);
    assert_eq!(places(&library, "urn:p", &observed(coded, 2)), ["Observation.valueInteger"]);
    assert_eq!(places(&library, "urn:p", &observed(r#"{"text":"x"}"#, 3)), ["Observation.code"]);
}

#[test]
fn slices_by_profile() {
    let of = |url: &str, element: &str| profile(url, "Patient", &format!(r#"{{"path":"Patient.{element}","min":1}}"#));
    let elements = r#"{"path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"}],"rules":"closed"}},
        {"path":"Bundle.entry","sliceName":"named","min":1,"max":"1"},
        {"path":"Bundle.entry.resource","type":[{"code":"Patient","profile":["urn:named"]}]},
        {"path":"Bundle.entry","sliceName":"born"},
        {"path":"Bundle.entry.resource","type":[{"code":"Patient","profile":["urn:born"]}]}"#;
    let library =
        library(vec![of("urn:named", "name"), of("urn:born", "birthDate"), profile("urn:p", "Bundle", elements)]);
    let bundle = |all: &[&str]| {
        let entry = |(at, one): (usize, &&str)| {
            format!(
                r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-00000000000{at}","resource":{{"resourceType":"Patient"{one}}}}}"#
            )
        };
        let entries: Vec<_> = all.iter().enumerate().map(entry).collect();
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","))
    };
    let (named, born) = (r#","name":[{"text":"A"}]"#, r#","birthDate":"2000""#);
    assert_eq!(places(&library, "urn:p", &bundle(&[named, born])), [""; 0]);
    assert_eq!(places(&library, "urn:p", &bundle(&[born])), ["Bundle.entry"]);
    assert_eq!(places(&library, "urn:p", &bundle(&[named, named])), ["Bundle.entry"]);
    assert_eq!(places(&library, "urn:p", &bundle(&[named, ""])), ["Bundle.entry[1]"]);
}

#[test]
fn extensions_of_primitives() {
    let elements = r#"{"id":"Patient.birthDate.extension","path":"Patient.birthDate.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
        {"id":"Patient.birthDate.extension:time","path":"Patient.birthDate.extension","sliceName":"time","min":1,
         "type":[{"code":"Extension","profile":["http://hl7.org/fhir/StructureDefinition/patient-birthTime"]}]}"#;
    let library = library(vec![profile("urn:p", "Patient", elements)]);
    let patient = |beside: &str| format!(r#"{{"resourceType":"Patient","birthDate":"2000-01-01"{beside}}}"#);
    let time = |value: &str| {
        patient(&format!(
            r#","_birthDate":{{"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime",{value}}}]}}"#
        ))
    };
    assert_eq!(places(&library, "urn:p", &time(r#""valueDateTime":"2000-01-01T10:00:00Z""#)), [""; 0]);
    assert_eq!(
        places(&library, "urn:p", &time(r#""valueString":"ten""#)),
        ["Patient.birthDate.extension[0].valueString"]
    );
    assert_eq!(places(&library, "urn:p", &patient("")), ["Patient.birthDate.extension"]);
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

/// R4's own profile of blood pressures tells its components by the kinds of codings that they must have.
#[test]
fn slices_told_by_slices() {
    let library = library(Vec::new());
    let component = |code: &str, unit: &str| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"1"}},{{"system":"http://loinc.org","code":"{code}"}}]}},
            "valueQuantity":{{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#
        )
    };
    let reading = |components: &[String]| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","subject":{{"reference":"Patient/a"}},"effectiveDateTime":"2026-01-01",
            "category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],
            "code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"component":[{}]}}"#,
            components.join(",")
        )
    };
    let found =
        |components: &[String]| places(&library, "http://hl7.org/fhir/StructureDefinition/bp", &reading(components));
    let (high, low) = (component("8480-6", "mm[Hg]"), component("8462-4", "mm[Hg]"));
    assert_eq!(found(&[high.clone(), low.clone()]), [""; 0]);
    assert_eq!(found(&[low.clone(), high.clone()]), [""; 0]);
    assert_eq!(found(&[high.clone(), high.clone()]), ["Observation.component", "Observation.component"]);
    assert_eq!(
        found(&[high, component("8462-4", "kPa")]),
        ["Observation.component[1].valueQuantity", "Observation.component[1].valueQuantity.code"]
    );
    assert_eq!(found(&[low, component("9279-1", "mm[Hg]")]), ["Observation.component"]);
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
