use super::super::Patch;
use super::*;
use crate::json::{self, Limits};

const PATIENT: &str = r#"{"resourceType":"Patient","active":true,"name":[{"family":"Hussain","given":["Amina","B"],
    "_given":[null,{"id":"b"}]},{"text":"Mina"}],"deceasedBoolean":false,"birthDate":"1980-01-02",
    "_birthDate":{"extension":[{"url":"urn:t","valueDateTime":"1980-01-02T10:00:00Z"}]},
    "identifier":[{"system":"urn:a","value":"1"}],"contact":[{"name":{"text":"Y"}}]}"#;

fn parsed(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned()
}

/// The patient after one operation, whose parts are `name|member`.
fn patched(fields: &[&str]) -> Result<Value<'static>, String> {
    let part = |field: &&str| {
        let (name, member) = field.split_once('|').expect("a part");
        format!(r#"{{"name":"{name}",{member}}}"#)
    };
    let parts: Vec<String> = fields.iter().map(part).collect();
    let parts = parts.join(",");
    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{parts}]}}]}}"#);
    let patch = Patch::of_parameters(&parsed(&text), &Limits::default()).map_err(|issues| issues[0].text.clone())?;
    patch.apply(parsed(PATIENT)).map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => issue.text,
        Mismatch::Place(issues) => issues[0].text.clone(),
    })
}

fn fields<'a>(kind: &'a str, path: &'a str) -> Vec<String> {
    vec![format!(r#"type|"valueCode":"{kind}""#), format!(r#"path|"valueString":"{path}""#)]
}

fn run(kind: &str, path: &str, more: &[&str]) -> Result<Value<'static>, String> {
    let mut all = fields(kind, path);
    all.extend(more.iter().map(|field| (*field).to_owned()));
    patched(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn operations_change_what_their_paths_lead_to() {
    for (kind, path, more, at, wanted) in [
        ("replace", "Patient.birthDate", &[r#"value|"valueDate":"1981-01-01""#][..], "birthDate", r#""1981-01-01""#),
        ("replace", "birthDate", &[r#"value|"valueDate":"1981-01-01""#], "_birthDate", "-"),
        ("replace", "Patient.deceased", &[r#"value|"valueDateTime":"2020""#], "deceasedDateTime", r#""2020""#),
        ("replace", "Patient.deceased", &[r#"value|"valueDateTime":"2020""#], "deceasedBoolean", "-"),
        (
            "replace",
            "Patient.name[0].given[1]",
            &[r#"value|"valueString":"C""#],
            "name",
            r#"[{"family":"Hussain","given":["Amina","C"]},{"text":"Mina"}]"#,
        ),
        (
            "replace",
            "Patient.name.where(family = 'Hussain').family",
            &[r#"value|"valueString":"H""#],
            "name",
            r#"[{"family":"H","given":["Amina","B"],"_given":[null,{"id":"b"}]},{"text":"Mina"}]"#,
        ),
        (
            "delete",
            "Patient.name[0].given[0]",
            &[],
            "name",
            r#"[{"family":"Hussain","given":["B"],"_given":[{"id":"b"}]},{"text":"Mina"}]"#,
        ),
        ("delete", "Patient.contact[0].name.text", &[], "contact", "-"),
        ("delete", "Patient.birthDate.extension('urn:t')", &[], "_birthDate", "-"),
        ("delete", "Patient.photo", &[], "active", "true"),
        (
            "add",
            "Patient.birthDate",
            &[r#"name|"valueString":"id""#, r#"value|"valueString":"x""#],
            "_birthDate",
            r#"{"extension":[{"url":"urn:t","valueDateTime":"1980-01-02T10:00:00Z"}],"id":"x"}"#,
        ),
        (
            "add",
            "Patient.name[0]",
            &[r#"name|"valueString":"given""#, r#"value|"valueString":"C""#],
            "name",
            r#"[{"family":"Hussain","given":["Amina","B","C"],"_given":[null,{"id":"b"},null]},{"text":"Mina"}]"#,
        ),
        (
            "insert",
            "Patient.name[0].given",
            &[r#"index|"valueInteger":1"#, r#"value|"valueString":"C""#],
            "name",
            r#"[{"family":"Hussain","given":["Amina","C","B"],"_given":[null,null,{"id":"b"}]},{"text":"Mina"}]"#,
        ),
        (
            "insert",
            "Patient.photo",
            &[r#"index|"valueInteger":0"#, r#"value|"valueAttachment":{"title":"x"}"#],
            "photo",
            r#"[{"title":"x"}]"#,
        ),
        (
            "move",
            "Patient.name[0].given",
            &[r#"source|"valueInteger":1"#, r#"destination|"valueInteger":0"#],
            "name",
            r#"[{"family":"Hussain","given":["B","Amina"],"_given":[{"id":"b"},null]},{"text":"Mina"}]"#,
        ),
    ] {
        let value = run(kind, path, more).unwrap_or_else(|why| panic!("{kind} {path}: {why}"));
        let found = value.get(at).map_or("-".to_owned(), json::to_string);
        assert_eq!(found, wanted, "{kind} {path}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let name = r#"name|"valueString":"gender""#;
    let code = r#"value|"valueCode":"female""#;
    for (kind, path, more, wanted) in [
        ("replace", "Patient.gender", &[code][..], "nothing at this place"),
        ("replace", "Patient.name", &[code], "several"),
        ("replace", "Patient", &[code], "whole resource"),
        ("replace", "Observation.status", &[code], "nothing at this place"),
        ("delete", "Patient", &[], "whole resource"),
        ("delete", "Patient.name", &[], "several"),
        ("add", "Patient.photo", &[name, code], "nothing at this place"),
        ("add", "Patient", &[r#"name|"valueString":"colour""#, code], "'colour' is not an element of Patient"),
        ("add", "Patient", &[r#"name|"valueString":"active""#, r#"value|"valueBoolean":true"#], "already"),
        ("add", "Patient", &[r#"name|"valueString":"deceased""#, r#"value|"valueCode":"x""#], "cannot be a Code"),
        ("add", "Patient", &[name], "it has no value"),
        ("add", "Patient", &[code], "it has no name"),
        ("insert", "Patient.name", &[r#"index|"valueInteger":3"#, code], "not within the list"),
        ("insert", "Patient.photo", &[r#"index|"valueInteger":1"#, code], "not within the list"),
        ("insert", "Patient.gender", &[r#"index|"valueInteger":0"#, code], "not that of a list"),
        ("insert", "Patient.birthDate", &[r#"index|"valueInteger":0"#, code], "not that of a list"),
        ("insert", "Patient.name[0]", &[r#"index|"valueInteger":0"#, code], "not that of a list"),
        ("insert", "Patient.name", &[r#"index|"valueInteger":-1"#, code], "no number from 0"),
        ("move", "Patient.name", &[r#"source|"valueInteger":0"#, r#"destination|"valueInteger":2"#], "within the list"),
        ("shake", "Patient", &[], "type is one of"),
        ("delete", "Patient.name..family", &[], "no FHIRPath"),
        ("delete", "Patient.name.where(family", &[], "no FHIRPath"),
        ("delete", "%resource.name", &[], "several"),
        ("delete", "1 + 1", &[], "no element of the resource"),
        ("delete", "Patient.name.family.upper()", &[], "no element of the resource"),
        ("delete", "Patient.name", &[r#"speed|"valueInteger":1"#], "no part"),
        ("delete", "Patient.name", &[r#"path|"valueString":"Patient""#], "stands twice"),
    ] {
        let told = run(kind, path, more).expect_err(path);
        assert!(told.contains(wanted), "{kind} {path}: {told}");
    }
}
