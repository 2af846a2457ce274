use super::*;
use crate::issue::IssueCode;

fn from_json(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
}

fn xml(text: &str) -> Result<Value<'static>, Vec<Issue>> {
    read(Format::Xml, text.as_bytes(), &Limits::default()).map(|resource| resource.value.into_owned())
}

fn places(text: &str) -> Vec<(IssueCode, String)> {
    let issues = xml(text).expect_err(text);
    issues.into_iter().map(|issue| (issue.code, issue.expression.unwrap_or(issue.text))).collect()
}

/// A resource with everything that is easily lost.
const DELICATE: &str = r##"{
    "resourceType": "Observation", "id": "a",
    "meta": {"tag": [{"code": "x"}]},
    "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id='p'>a &amp; b\r\n<br/></p></div>"},
    "contained": [{"resourceType": "Patient", "id": "p", "name": [
        {"given": ["A", null, "C"], "_given": [null, {"extension": [{"url": "http://x", "valueCode": "y"}]}, {"id": "g"}]}
    ]}],
    "extension": [{"id": "e", "url": "http://x/y", "extension": [{"url": "z", "valueDecimal": 1e2}]}],
    "status": "final",
    "code": {"id": "c", "text": "tab\tline\nreturn\rquote\" < & > 'é😀"},
    "subject": {"reference": "#p"},
    "effectiveDateTime": "2024-02-29T10:00:00.120+01:00",
    "_effectiveDateTime": {"id": "t", "extension": [{"url": "http://x", "valueBoolean": true}]},
    "_issued": {"extension": [{"url": "http://x", "valueInstant": "2024-02-29T10:00:00Z"}]},
    "valueQuantity": {"value": 1.10, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
    "component": [
        {"code": {"text": "a"}, "valueQuantity": {"value": -0.0E-10}},
        {"code": {"text": "b"}, "valueInteger": 3}
    ]
}"##;

#[test]
fn nothing_is_lost_between_json_and_xml() {
    let value = from_json(DELICATE);
    let written = write_xml(&value).unwrap();
    assert!(written.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Observation xmlns=\"http://hl7.org/fhir\"><id value=\"a\"/>"
    ));
    assert!(written.contains("<value value=\"1.10\"/>") && written.contains("<valueDecimal value=\"1e2\"/>"));
    assert!(
        written.contains("<given/>")
            || written.contains("<given><extension url=\"http://x\"><valueCode value=\"y\"/></extension></given>")
    );
    let back = xml(&written).unwrap();
    assert!(back.same(&value), "{}\n{}", json::to_string(&back), written);
    assert_eq!(write_xml(&back).unwrap(), written);
}

#[test]
fn members_are_written_in_the_order_of_the_definitions() {
    let value = from_json(r#"{"code":{"text":"c"},"status":"final","id":"i","resourceType":"Observation"}"#);
    let written = write_xml(&value).unwrap();
    let inside = "<id value=\"i\"/><status value=\"final\"/><code><text value=\"c\"/></code></Observation>";
    assert!(written.ends_with(inside), "{written}");
}

#[test]
fn json_is_read_and_checked() {
    let resource = read(Format::Json, DELICATE.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(resource.resource_type.name(), "Observation");
    let issues = read(Format::Json, b"{\"resourceType\":\"Observation\"}", &Limits::default()).unwrap_err();
    assert_eq!(issues.len(), 2);
    assert!(read(Format::Json, b"{", &Limits::default()).is_err());
}

#[test]
fn xml_with_space_comments_and_a_schema_location_is_read() {
    let value = xml("\u{FEFF}<?xml version=\"1.0\"?>\n<!-- c -->\n<Patient xmlns=\"http://hl7.org/fhir\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\">\n  <!-- c -->\n  \
         <active value='true' ></active>\n <name ><given value=\"a&#13;&lt;\"/> </name></Patient>\n<!-- c -->")
    .unwrap();
    assert!(value.same(&from_json(r#"{"resourceType":"Patient","active":true,"name":[{"given":["a\r<"]}]}"#)));
}

/// As Python's ElementTree and gateways write it.
#[test]
fn names_with_prefixes_are_read_by_their_namespaces() {
    let wanted = from_json(
        r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x y'>a &amp; b<br/></p></div>"},"gender":"male","name":[{"given":[" b "],"family":"a"}]}"#,
    );
    let gender = "<f:gender value=' male\n'/><!-- c --><?php x?>";
    let text = |div: &str| format!("<f:text><f:status value=\"generated\"/>{div}</f:text>");
    let name = "<f:name><f:family value='a '/><f:given value='&#32;b&#32;'/></f:name>";
    let div = "<h:div xmlns:h=\"http://www.w3.org/1999/xhtml\"><h:p class='x y'>a &amp; b<h:br/></h:p></h:div>";
    for body in [
        format!("<f:Patient xmlns:f=\"http://hl7.org/fhir\">{}{name}{gender}</f:Patient>", text(div)),
        format!(
            "<?xml-stylesheet href='x'?><f:Patient xmlns:f=\"http://hl7.org/fhir\" \
             xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns:x=\"urn:x\">{}{name}{gender}</f:Patient>",
            text(&div.replace(" xmlns:h=\"http://www.w3.org/1999/xhtml\"", "")),
        ),
        format!(
            "<f:Patient xmlns:f=\"http://hl7.org/fhir\" xmlns=\"http://www.w3.org/1999/xhtml\">{}{name}{gender}</f:Patient>",
            text("<div><p class='x y'>a &amp; b<br/></p></div>"),
        ),
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\">{}{name}{gender}</Patient>",
            text("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x y'>a &amp; b<br/></p></div>"),
        )
        .replace("f:", ""),
    ] {
        let read = xml(&body).unwrap_or_else(|issues| panic!("{body}: {issues:?}"));
        assert!(read.same(&wanted), "{body}\n{}", json::to_string(&read));
        let written = write_xml(&read).unwrap();
        assert!(xml(&written).unwrap().same(&wanted), "{written}");
    }
    // An element that is in no namespace, or in another one, is none of FHIR's.
    for inside in ["<gender value='male'/>", "<x:gender xmlns:x='urn:x' value='male'/>", "<y:gender value='male'/>"] {
        let body = format!("<f:Patient xmlns:f=\"http://hl7.org/fhir\">{inside}</f:Patient>");
        assert_eq!(places(&body)[0].1, "Patient.gender", "{body}");
    }
    // What ends with its element is not known after it.
    let body = "<f:Patient xmlns:f=\"http://hl7.org/fhir\"><f:name xmlns:x=\"http://hl7.org/fhir\"><x:family value=\"a\"/>\
                </f:name><x:gender value=\"male\"/></f:Patient>";
    assert_eq!(places(body)[0].1, "Patient.gender");
    let many: String = (0..100).map(|number| format!(" xmlns:n{number}='urn:n'")).collect();
    assert!(xml(&format!("<Patient xmlns=\"http://hl7.org/fhir\"{many}/>")).is_err());
}

#[test]
fn every_problem_of_xml_has_its_place() {
    use IssueCode::{Invalid, Invariant, Required, Structure, Value};
    let found = places(
        "<Observation xmlns=\"http://hl7.org/fhir\" x=\"1\">\
         <status value=\"final\"/><status value=\"final\"/>\
         <code y=\"1\">text<coding><code value=\"a  b\"/><system value=\"s\"/></coding><coding/></code>\
         <identifier><value value=\"late\"/></identifier>\
         <unknown value=\"1\"><deep/></unknown>\
         <issued/>\
         <valueQuantity><value value=\"1,5\"/></valueQuantity>\
         <component><extension url=\"http://x\" valueString=\"1\"/><url value=\"x\"/></component>\
         </Observation>",
    );
    let wanted = [
        (Invalid, "Observation"),
        (Invalid, "Observation.code"),
        (Structure, "Observation.code"),
        (Structure, "Observation.code.coding[0].system"),
        (Structure, "Observation.identifier"),
        (Invalid, "Observation.unknown"),
        (Invariant, "Observation.issued"),
        (Invalid, "Observation.component[0].extension[0]"),
        (Invalid, "Observation.component[0].url"),
        (Structure, "Observation.status"),
        (Value, "Observation.code.coding[0].code"),
        (Structure, "Observation.code.coding[1]"),
        (Structure, "Observation.valueQuantity.value"),
        (Invariant, "Observation.component[0].extension[0]"),
        (Required, "Observation.component[0].code"),
    ];
    let wanted: Vec<_> = wanted.into_iter().map(|(code, place)| (code, place.to_owned())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn hostile_and_foreign_xml_is_refused() {
    for (text, reason) in [
        (
            "<!DOCTYPE Patient [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Patient xmlns=\"http://hl7.org/fhir\"/>",
            "document type",
        ),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&e;\"/></Patient>", "&e;"),
        ("<Patient/>", "must have xmlns"),
        ("<Patient xmlns=\"urn:hl7-org:v3\"/>", "must have xmlns"),
        ("<f:Patient xmlns:f=\"urn:hl7-org:v3\"/>", "must have xmlns"),
        ("<f:Patient xmlns=\"http://hl7.org/fhir\"/>", "must have xmlns"),
        ("<Nothing xmlns=\"http://hl7.org/fhir\"/>", "not a resource type"),
        ("<Patient xmlns=\"http://hl7.org/fhir\">", "not closed"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/><Patient/>", "more than one root"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"\u{1}\"/></Patient>", "control character"),
        ("{}", "outside the root"),
        ("", "it is empty"),
        (" ", "no element"),
    ] {
        let issues = xml(text).expect_err(text);
        assert!(issues[0].text.contains(reason), "{text}: {issues:?}");
    }
    assert!(read(Format::Xml, b"<Patient xmlns=\"http://hl7.org/fhir\">\xFF</Patient>", &Limits::default()).is_err());
    let deep = format!("<Basic xmlns=\"http://hl7.org/fhir\">{}", "<extension url='x'>".repeat(100_000));
    assert_eq!(xml(&deep).unwrap_err()[0].code, IssueCode::TooLong);
    let small = Limits { bytes: 10, ..Limits::default() };
    assert_eq!(read(Format::Xml, b"<Patient xmlns=''/>", &small).unwrap_err()[0].code, IssueCode::TooLong);
}

#[test]
fn nested_resources_are_read_and_judged() {
    let found = places(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/>\
         <entry><resource><Patient xmlns=\"http://hl7.org/fhir\"/><Patient/></resource></entry>\
         <entry><resource><Nothing><a/></Nothing></resource></entry>\
         <entry><resource/></entry>\
         <entry><resource a=\"b\"><Patient xmlns=\"urn:x\"/></resource></entry></Bundle>",
    );
    let wanted = [
        "Bundle.entry[0].resource",
        "Bundle.entry[2].resource",
        "Bundle.entry[3].resource",
        "Bundle.entry[3].resource",
        "Bundle.entry[1].resource",
        "Bundle.entry[2]",
    ];
    let found: Vec<&str> = found.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(found[..5], wanted[..5], "{found:?}");
}

#[test]
fn what_the_check_has_not_passed_is_not_written() {
    for text in [
        r#"{"resourceType":"Nothing"}"#,
        "[]",
        r#"{"resourceType":"Patient","x":1}"#,
        r#"{"resourceType":"Patient","name":[1]}"#,
    ] {
        assert!(write_xml(&from_json(text)).is_err(), "{text}");
    }
}
