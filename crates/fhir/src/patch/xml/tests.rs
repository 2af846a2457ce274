use super::super::Patch;
use super::*;
use crate::json;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"1","text":{"status":"generated","div":
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p title='a'>1 &#160; &lt; 2</p></div>"},"status":"final",
    "code":{"coding":[{"system":"s","code":"c"},{"system":"t","code":"d"}]},"valueQuantity":{"value":1.50},
    "note":[{"text":" a\nb "}]}"#;

fn parsed(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned()
}

fn patched(operations: &str) -> Result<Value<'static>, String> {
    let body = format!("<diff xmlns=\"http://hl7.org/fhir\">{operations}</diff>");
    let patch = Patch::read_xml(body.as_bytes(), &Limits::default()).map_err(|issues| issues[0].text.clone())?;
    patch.apply(parsed(OBSERVATION)).map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => issue.text,
        Mismatch::Place(issues) => issues[0].text.clone(),
    })
}

#[test]
fn what_is_not_named_stays_to_the_letter() {
    let value = patched("<replace sel=\"Observation/status/@value\">amended</replace>").unwrap();
    let wanted = OBSERVATION.replace("\"final\"", "\"amended\"");
    assert_eq!(json::to_string(&value), json::to_string(&parsed(&wanted)));
}

#[test]
fn operations_change_what_their_selectors_lead_to() {
    for (operation, at, wanted) in [
        (
            "<add sel=\"f:Observation\"><issued value=\"2026-01-01T00:00:00Z\"/></add>",
            "issued",
            "\"2026-01-01T00:00:00Z\"",
        ),
        (
            "<add sel=\"Observation/note\" pos=\"before\"><note><text value=\"x\"/></note></add>",
            "note",
            r#"[{"text":"x"},{"text":" a\nb "}]"#,
        ),
        (
            "<add sel=\"Observation/code\" pos=\"prepend\"><coding><code value=\"b\"/></coding></add>",
            "code",
            r#"{"coding":[{"code":"b"},{"system":"s","code":"c"},{"system":"t","code":"d"}]}"#,
        ),
        ("<remove sel=\"/Observation/code/coding[2]\"/>", "code", r#"{"coding":[{"system":"s","code":"c"}]}"#),
        (
            "<replace sel=\"Observation/code/coding[system/@value='t']/code/@value\">e</replace>",
            "code",
            r#"{"coding":[{"system":"s","code":"c"},{"system":"t","code":"e"}]}"#,
        ),
        ("<add sel=\"Observation/*[1]\" type=\"@id\" /><remove sel=\"Observation/note\"/>", "note", "-"),
        (
            "<replace sel=\"Observation/text/h:div\"><div xmlns=\"http://www.w3.org/1999/xhtml\">x</div></replace>",
            "text",
            r#"{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#,
        ),
        (
            "<replace sel=\"Observation/valueQuantity/value/@value\">2.00</replace>",
            "valueQuantity",
            r#"{"value":2.00}"#,
        ),
    ] {
        let value = patched(operation).unwrap_or_else(|why| panic!("{operation}: {why}"));
        assert_eq!(value.get(at).map_or("-".to_owned(), json::to_string), wanted, "{operation}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    for (operation, wanted) in [
        ("", "no operation"),
        ("<shake sel=\"Observation\"/>", "add, replace or remove"),
        ("<remove/>", "no sel"),
        ("<remove sel=\"Observation/code/coding\"/>", "several"),
        ("<remove sel=\"Observation/issued\"/>", "nothing at this place"),
        ("<remove sel=\"Observation\"/>", "the root"),
        ("<remove sel=\"x:Observation\"/>", "not declared"),
        ("<remove sel=\"//coding\"/>", "a selector is"),
        ("<remove sel=\"Observation/coding[position()=1]\"/>", "a selector is"),
        ("<remove sel=\"Observation/coding[0]\"/>", "from 1"),
        ("<remove sel=\"Observation/coding[1\"/>", "a selector is"),
        ("<remove sel=\"Observation/ancestor::x\"/>", "not declared"),
        ("<add sel=\"Observation\" pos=\"middle\"><issued/></add>", "pos is"),
        ("<add sel=\"Observation\"><colour value=\"red\"/></add>", "'colour' is not an element"),
        ("<add sel=\"Observation\">text</add>", "text between elements"),
        ("<replace sel=\"Observation/status\">x</replace>", "of its kind"),
        ("<replace sel=\"Observation/status/@value\"><a/></replace>", "is text"),
        ("<add sel=\"Observation/status/@value\">x</add>", "to an attribute"),
        ("<add sel=\"Observation/status\" type=\"@value\">x</add>", "already"),
        ("<add sel=\"Observation/text/h:div\"><p xmlns=\"http://www.w3.org/1999/xhtml\"/></add>", "in a narrative"),
    ] {
        let told = patched(operation).expect_err(operation);
        assert!(told.contains(wanted), "{operation}: {told}");
    }
    for body in ["", "<diff", "<Patient xmlns=\"http://hl7.org/fhir\"/>", "<!DOCTYPE a><diff/>"] {
        Patch::read_xml(body.as_bytes(), &Limits::default()).expect_err(body);
    }
}

/// Whoever leaves out the namespace is told where, and how it is written.
#[test]
fn what_is_in_no_namespace_is_told() {
    let add = |open: &str, inside: &str| format!("{open}<add sel=\"Observation\">{inside}</add></diff>");
    let fhir = "xmlns=\"http://hl7.org/fhir\"";
    for (body, wanted) in [
        (add("<diff>", "<issued value=\"2026\"/>"), vec!["operation 0", "'issued'", fhir]),
        (add("<diff xmlns=\"urn:x\">", "<issued value=\"2026\"/>"), vec!["operation 0", "'issued'", fhir]),
        (
            add(&format!("<diff {fhir}>"), "<note><text xmlns=\"\" value=\"x\"/></note>"),
            vec!["operation 0", "'text'", fhir],
        ),
        (add("<diff>", "<f:issued value=\"2026\"/>"), vec!["line 1", "'f'", "<diff xmlns:f=\"http://hl7.org/fhir\">"]),
        (add("<diff>", "<note xmlns=\"http://hl7.org/fhir\">\n<q:text value=\"x\"/></note>"), vec!["line 2", "'q'"]),
        (add("<diff>", "<h:div/>"), vec!["'h'", "<diff xmlns:h=\"http://www.w3.org/1999/xhtml\">"]),
        ("<p:diff><remove sel=\"Observation/note\"/></p:diff>".to_owned(), vec!["'p'"]),
        ("<diff><remove sel=\"p:Observation\"/></diff>".to_owned(), vec!["operation 0", "<diff xmlns:p="]),
    ] {
        let issues = Patch::read_xml(body.as_bytes(), &Limits::default()).expect_err(&body);
        let told = &issues[0].text;
        assert!(wanted.iter().all(|part| told.contains(part)), "{body}: {told}");
    }
    // So it is written, and what adds no element needs none.
    for body in [
        add("<diff xmlns=\"http://hl7.org/fhir\">", "<issued value=\"2026\"/>"),
        add("<diff xmlns:f=\"http://hl7.org/fhir\">", "<f:issued value=\"2026\"/>"),
        "<diff><replace sel=\"f:Observation/f:status/@value\">final</replace></diff>".to_owned(),
    ] {
        Patch::read_xml(body.as_bytes(), &Limits::default()).unwrap_or_else(|why| panic!("{body}: {}", why[0].text));
    }
}

#[test]
fn a_patch_makes_nothing_larger_than_what_could_be_sent() {
    let long = format!("<add sel=\"Observation\"><note><text value=\"{}\"/></note></add>", "x".repeat(2_000));
    let body = format!("<diff xmlns=\"http://hl7.org/fhir\">{}</diff>", long.repeat(3));
    let patch = Patch::read_xml(body.as_bytes(), &Limits { bytes: 7_000, ..Limits::default() }).unwrap();
    assert!(patch.apply(parsed(OBSERVATION)).is_ok());
    let patch = Patch { limits: Limits { bytes: 5_000, ..Limits::default() }, ..patch };
    assert!(
        matches!(patch.apply(parsed(OBSERVATION)), Err(Mismatch::Place(issues)) if issues[0].text.contains("large"))
    );
}
