use super::*;
use crate::entry::SEPARATOR;
use crate::json::{Limits, parse};

fn found(text: &str) -> Vec<String> {
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    let all = sources(&value, "own", "https://phr.example/fhir");
    all.into_iter().map(|source| format!("{}/{}", source.resource_type, source.id)).collect()
}

/// For the reason that is there, and no other: what is none of that protects.
#[test]
fn what_spares_spares_nothing_else() {
    let consent = |more: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"c","provision":{{"data":[{{"meaning":"instance",
            "reference":{{"reference":"Encounter/e"}}}}]}}{more}}}"#
        )
    };
    assert!(found(&consent("")).is_empty());
    let inside = format!(r#"{{"resourceType":"Observation","contained":[{}]}}"#, consent(""));
    assert_eq!(found(&inside), ["Encounter/e"]);
    let with = |members: &str| found(&format!(r#"{{"resourceType":"Observation","id":"own",{members}}}"#));
    for members in [
        r#""meta":{"profile":["Encounter/e"]}"#,
        r#""meta":{"profile":["https://phr.example/fhir/Encounter/e|1"]}"#,
        r#""extension":[{"url":"x","valueMeta":{"profile":["Encounter/e"]}}]"#,
        r#""extension":[{"url":"x","valueDataRequirement":{"type":"Observation","profile":["Encounter/e"]}}]"#,
        r#""extension":[{"url":"x","valueDataRequirement":{"type":"Observation","codeFilter":[{"valueSet":"Encounter/e"}]}}]"#,
        r#""extension":[{"url":"x","valueParameterDefinition":{"use":"in","type":"x","profile":"Encounter/e"}}]"#,
        r#""contained":[{"resourceType":"ActivityDefinition","id":"a","profile":"Encounter/e"}]"#,
        r#""contained":[{"resourceType":"Questionnaire","id":"q","item":[{"linkId":"1","type":"choice","answerValueSet":"Encounter/e"}]}]"#,
    ] {
        assert_eq!(with(members), ["Encounter/e"], "{members}");
    }
    assert!(with(r#""meta":{"profile":["StructureDefinition/s"]}"#).is_empty());
    assert!(with(r#""identifier":[{"assigner":{"reference":"Organization/o"}}]"#).is_empty());
    assert_eq!(with(r#""identifier":[{"assigner":{"reference":"CareTeam/t"}}]"#), ["CareTeam/t"]);
}

#[test]
fn what_a_resource_names_is_found_wherever_it_stands() {
    let extension = r#"[{"url":"x","extension":[{"url":"y","valueReference":{"reference":"Encounter/e"}}]}]"#;
    for members in [
        r#""encounter":{"reference":"Encounter/e"}"#.to_owned(),
        r#""encounter":{"reference":"Encounter/e/_history/3"}"#.to_owned(),
        r#""encounter":{"reference":"https://phr.example/fhir/Encounter/e"}"#.to_owned(),
        r#""focus":[{"display":"x"},{"reference":"Encounter/e"},{"reference":"Encounter/e"}]"#.to_owned(),
        format!(r#""extension":{extension}"#),
        format!(r#""meta":{{"extension":{extension}}}"#),
        format!(r#""_status":{{"extension":{extension}}}"#),
        format!(r#""_instantiates":[null,{{"extension":{extension}}}],"instantiates":["a","b"]"#),
        format!(r#""subject":{{"reference":"Patient/p","extension":{extension}}}"#),
        format!(r#""component":[{{"code":{{"text":"x","extension":{extension}}}}}]"#),
        r#""contained":[{"resourceType":"Condition","id":"c","encounter":{"reference":"Encounter/e"}}]"#.to_owned(),
        r#""extension":[{"url":"x","valueUri":"Encounter/e"}]"#.to_owned(),
        r#""extension":[{"url":"x","valueUrl":"https://phr.example/fhir/Encounter/e"}]"#.to_owned(),
        r#""meta":{"source":"Encounter/e"}"#.to_owned(),
        r##""meta":{"source":"Encounter/e#request-3"}"##.to_owned(),
        r##""extension":[{"url":"x","valueUri":"https://phr.example/fhir/Encounter/e/_history/2#x"}]"##.to_owned(),
        r##""extension":[{"url":"x","valueCanonical":"Encounter/e|2#x"}]"##.to_owned(),
        r##""text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><img src='Encounter/e#x'/></div>"}"##
            .to_owned(),
        r#""text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><a href='Encounter/e'>it</a></div>"}"#
            .to_owned(),
    ] {
        let members = members.replace("_instantiates", "_implicitRules");
        let text = format!(r#"{{"resourceType":"Observation",{members}}}"#);
        assert_eq!(found(&text), ["Encounter/e"], "{text}");
    }
}

/// Every element that may be another party's than the first writer's hands nothing on, whatever form the reference has;
/// the extensions in it and the same in any other resource do.
#[test]
fn what_a_party_names_hands_nothing_on() {
    let named = r#"{"reference":"Encounter/e"}"#;
    let extension = format!(r#"[{{"url":"x","valueReference":{named}}}]"#);
    let word = format!(
        r#""extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/goal-acceptance","extension":[{{"url":"individual","valueReference":{named}}}]}}]"#
    );
    let correction = r#""code":{"coding":[{"code":"medRecCxReq"}]}"#;
    let output = |kind: &str, value: &str| format!(r#"{correction},"output":[{{"{kind}":{value}}}]"#);
    for (resource_type, members) in [
        ("Goal", word.clone()),
        ("Goal", format!(r#""note":[{{"authorReference":{named}}}]"#)),
        ("Task", format!(r#"{correction},"owner":{named}"#)),
        ("Task", format!(r#"{correction},"note":[{{"authorReference":{named}}}]"#)),
        ("Task", output("valueReference", named)),
        ("Task", output("valueUri", r#""Encounter/e""#)),
        ("Task", output("valueAnnotation", &format!(r#"{{"authorReference":{named}}}"#))),
        ("Task", output("valueAttachment", r#"{"url":"Encounter/e"}"#)),
        ("Task", output("valueMeta", r#"{"source":"Encounter/e"}"#)),
        ("Task", output("valueCanonical", r#""http://x.example/q""#)),
    ] {
        let text = format!(r#"{{"resourceType":"{resource_type}",{members}}}"#);
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let found = links(&value, "own", "");
        assert_eq!((found.sources.len(), found.canonicals.len()), (0, 0), "{text}");
        let by_parties = named_by_parties(&value, "own", "");
        assert_eq!(by_parties.len(), usize::from(!text.contains("valueCanonical")), "{text}");
        // Of a task that several do not write, all is its writer's.
        let other = text.replace("medRecCxReq", "other");
        let value = parse(other.as_bytes(), &Limits::default()).unwrap();
        let found = links(&value, "own", "");
        assert_eq!(found.sources.len() + found.canonicals.len(), usize::from(resource_type == "Task"), "{other}");
    }
    for members in [
        format!(r#""extension":{extension}"#),
        format!(r#""note":[{{"text":"x","extension":{extension}}}]"#),
        format!(r#""_lifecycleStatus":{{"extension":{extension}}}"#),
        format!(r#""addresses":[{named}]"#),
    ] {
        assert_eq!(found(&format!(r#"{{"resourceType":"Goal",{members}}}"#)), ["Encounter/e"], "{members}");
    }
}

#[test]
fn people_places_elsewhere_and_the_resource_itself_are_none() {
    let text = r##"{"resourceType":"Observation","subject":{"reference":"Patient/p"},
        "performer":[{"reference":"Practitioner/x"},{"reference":"Organization/o"}],
        "hasMember":[{"reference":"Observation/own"},{"reference":"Observation/other"},{"reference":"#inner"}],
        "encounter":{"reference":"https://other.example/fhir/Encounter/e"},
        "specimen":{"display":"blood"},"derivedFrom":[{"reference":"urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"}]}"##;
    assert_eq!(found(text), ["Observation/other", "Organization/o"]);
}

#[test]
fn a_version_is_told_where_something_is_said_of_it() {
    let text = r#"{"resourceType":"Provenance","target":[{"reference":"Observation/a/_history/2"},{"reference":"Observation/a"}],
        "entity":[{"what":{"reference":"Observation/b/_history/1"}}]}"#;
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    let all = sources(&value, "own", "");
    let told: Vec<(&str, i64)> = all.iter().map(|source| (source.id.as_str(), source.version)).collect();
    assert_eq!(told, [("a", 0), ("a", 2), ("b", 0)]);
}

#[test]
fn content_is_found_wherever_it_is_attached() {
    let text = r##"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"Binary/a#page=2"}},
        {"attachment":{"url":"https://phr.example/fhir/Binary/b/_history/2"}},{"attachment":{"url":"https://x.example/Binary/c"}},
        {"attachment":{"url":"Media/d"}},{"attachment":{"url":"DocumentReference/own#x"}}],
        "extension":[{"url":"x","valueAttachment":{"url":"Binary/e"}},{"url":"x","valueUri":"Binary/uri"}],
        "contained":[{"resourceType":"Patient","photo":[{"url":"Binary/f"}]}]}"##;
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    let found = links(&value, "own", "https://phr.example/fhir");
    let names = |all: &[Source]| all.iter().map(|one| format!("{}/{}", one.resource_type, one.id)).collect::<Vec<_>>();
    let mut contents = names(&found.contents);
    contents.sort();
    assert_eq!(contents, ["Binary/a", "Binary/b", "Binary/e", "Binary/f", "Binary/uri", "Media/d"]);
    assert_eq!(names(&found.sources), ["Binary/uri", "Media/d"], "where it is not known to be content, it protects");
}

#[test]
fn labels_of_what_is_inside_count_at_any_depth() {
    let labels = |text: &str| {
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        links(&value, "own", "").labels.iter().map(|key| key.replace(SEPARATOR, "|")).collect::<Vec<_>>()
    };
    let labelled = r#"{"resourceType":"Condition","meta":{"security":[{"system":"s","code":"SEX"},{"code":"N"},
        {"system":"s","code":"PATAST"},{"system":"urn:concord:label"}]}}"#;
    let entry =
        |inner: &str| format!(r#"{{"resourceType":"Bundle","entry":[{{"fullUrl":"x"}},{{"resource":{inner}}}]}}"#);
    let wanted = ["SEX|s"];
    assert_eq!(labels(&entry(labelled)), wanted);
    assert_eq!(labels(&entry(&entry(labelled))), wanted);
    let part = r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":@}]}]}"#;
    assert_eq!(labels(&part.replace('@', labelled)), wanted);
    let outcome = r#"{"resourceType":"Bundle","entry":[{"response":{"status":"200","outcome":@}}]}"#;
    assert_eq!(labels(&outcome.replace('@', &labelled.replace("Condition", "OperationOutcome"))), wanted);
    let contains = r#"{"resourceType":"List","contained":[@]}"#;
    assert_eq!(labels(&contains.replace('@', labelled)), wanted);
    assert!(labels(labelled).is_empty(), "its own are read by their search parameter");
}

#[test]
fn a_label_that_is_not_understood_hides() {
    let of = |label: &str, inside: bool| {
        let text = format!(r#"{{"resourceType":"Observation","meta":{{"security":[{label}]}}}}"#);
        let text =
            if inside { format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{text}}}]}}"#) } else { text };
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        links(&value, "own", "").labels
    };
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    for inside in [false, true] {
        for code in [r#""display":"Sexual health""#, r#""code":"sex""#, r#""code":"XYZZY""#, r#""_code":{"id":"x"}"#] {
            let found = of(&format!(r#"{{"system":"{act}",{code}}}"#), inside);
            assert!(found.contains(&not_understood()), "{code}");
            assert!(inherit::hands_on(&not_understood()));
        }
        let found = of(&format!(r#"{{"system":"{act}","code":"SEX"}}"#), inside);
        assert!(!found.contains(&not_understood()));
    }
}

#[test]
fn definitions_are_found_by_their_urls() {
    let text = r##"{"resourceType":"QuestionnaireResponse","meta":{"profile":["http://x.example/no"]},
        "questionnaire":"http://x.example/q|2","extension":[{"url":"x","valueCanonical":"Questionnaire/here"}],
        "contained":[{"resourceType":"ServiceRequest","instantiatesCanonical":["http://x.example/p#f","#inner"]}]}"##;
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    let found = links(&value, "own", "https://phr.example/fhir");
    assert_eq!(found.canonicals, ["Questionnaire/here", "http://x.example/p", "http://x.example/q"]);
    assert_eq!(found.sources.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["here"]);
    let name = |text: &str| canonical_name(&parse(text.as_bytes(), &Limits::default()).unwrap());
    assert_eq!(
        name(r#"{"resourceType":"Questionnaire","url":"http://x.example/q"}"#).as_deref(),
        Some("http://x.example/q")
    );
    assert_eq!(name(r#"{"resourceType":"Questionnaire"}"#), None);
    assert_eq!(name(r#"{"resourceType":"Observation","url":"http://x.example/q"}"#), None);
}
