//! What is composed passes the check that clients' resources pass, and the typed model reads it back as the same.

use concord_fhir::codec::{Format, read};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{Limits, Value, parse, to_string};
use concord_model::build::{
    self, AgentParts, AuditEventParts, AuthorParts, CapabilityStatementParts, CommunicationParts, CompositionParts,
    Content, DocumentParts, Link, MatchParts, OperationParts, ProvenanceParts, ResourceParts, SearchParameterParts,
    SectionParts, TableParts, TaskParts, code, parameter,
};

use crate::typed::{from_json, to_json};

const NOW: &str = "2026-12-01T12:00:00.000Z";

/// The text, if it is valid and the typed model agrees with it.
#[expect(clippy::unwrap_used, clippy::panic, reason = "support of tests: what goes wrong here stops the test")]
fn sound(text: String) -> String {
    let limits = Limits::default();
    let found = read(Format::Json, text.as_bytes(), &limits).unwrap_or_else(|issues| panic!("{issues:?}: {text}"));
    let back = to_json(&from_json(&text).unwrap()).unwrap();
    assert!(parse(back.as_bytes(), &limits).unwrap().same(&found.value), "{text}\n{back}");
    text
}

#[expect(clippy::unwrap_used, reason = "support of tests: what goes wrong here stops the test")]
fn value(text: &'static str) -> Value<'static> {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn an_outcome() {
    let issues = [Issue::error(IssueCode::Required, "Goal.subject", "missing"), Issue::plain(IssueCode::Login, "who?")];
    let told = sound(to_string(&build::operation_outcome(&issues)));
    assert!(told.contains(r#""code":"required","diagnostics":"missing","expression":["Goal.subject"]"#), "{told}");
    assert!(sound(to_string(&build::operation_outcome(&[]))).contains(r#""severity":"information""#));
}

#[test]
fn matches_with_their_grades() {
    let found = |id: &str, grade, score| MatchParts {
        address: format!("https://phr.example/fhir/Patient/{id}"),
        resource: Value::object([("resourceType", Value::string("Patient")), ("id", Value::string(id.to_owned()))]),
        grade,
        score,
    };
    let told =
        sound(to_string(&build::matches(vec![found("1", "certain", "1"), found("2", "possible", "0.5")]).unwrap()));
    for part in [r#""total":2"#, r#""valueCode":"certain""#, r#""mode":"match","score":0.5"#] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(sound(to_string(&build::matches(Vec::new()).unwrap())).contains(r#""total":0"#));
}

#[test]
fn parameters_of_every_kind() {
    let goal = r#"{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"walk 1.10 km"},"subject":{"reference":"Patient/1"}}"#;
    let coding = Content::Coding { system: "urn:x".into(), code: "c".into(), display: "d".into() };
    let parts = vec![
        parameter("a", Content::Boolean(true)),
        parameter("b", Content::Code("c".into())),
        parameter("c", coding),
        parameter("d", Content::Date("2026-12-01".into())),
        parameter("e", Content::Decimal("70.50".into())),
        parameter("f", Content::Id("1".into())),
        parameter("g", Content::Identifier("urn:x".into(), "1".into())),
        parameter("h", Content::Instant(NOW.into())),
        parameter("i", Content::Integer(-1)),
        parameter("j", Content::Meta(value(r#"{"versionId":"3","tag":[{"code":"t"}]}"#))),
        parameter("k", Content::Reference(Link::Verbatim(value(r#"{"reference":"Patient/1","display":"Ann"}"#)))),
        parameter("l", Content::String("verbatim-0".into())),
        parameter("m", Content::Resource(value(goal))),
    ];
    let told = sound(to_string(&build::parameters(vec![parameter("all", Content::Parts(parts))]).unwrap()));
    for part in
        [goal, r#""valueMeta":{"versionId":"3""#, r#""display":"Ann""#, r#""valueString":"verbatim-0""#, "70.50"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
    let digits = vec![parameter("e", Content::Decimal("7.1E1".into()))];
    assert!(to_string(&build::parameters(digits).unwrap()).contains(r#""valueDecimal":7.1E1"#));
    assert_eq!(sound(to_string(&build::parameters(Vec::new()).unwrap())), r#"{"resourceType":"Parameters"}"#);
}

#[test]
fn a_provenance() {
    let (app, who) = (Link::Identified(Some("urn:x".into()), "app".into()), Link::To("Patient/1".into()));
    let agent = |role, who, on_behalf_of| AgentParts { role, who, on_behalf_of };
    let parts = ProvenanceParts {
        target: "Goal/1/_history/2".into(),
        recorded: NOW.into(),
        activity: code("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "UPDATE"),
        reason: Some("we have talked".into()),
        agents: vec![agent("author", who, Some("Patient/2".into())), agent("assembler", app, None)],
        entity: Some(("revision", "Goal/1/_history/1".into())),
    };
    sound(to_string(&build::provenance(parts).unwrap()));
}

#[test]
fn a_message_and_a_task() {
    let category = code("http://terminology.hl7.org/CodeSystem/communication-category", "alert");
    let reason = code("http://terminology.hl7.org/CodeSystem/v3-ActReason", "BTG");
    let message = CommunicationParts {
        category,
        priority: "urgent",
        patient: "Patient/1".into(),
        about: ("Practitioner", "Dr Okafor"),
        sent: NOW.into(),
        reason,
        text: "<opened> & \"read\"".into(),
    };
    let message = sound(to_string(&build::communication(message).unwrap()));
    assert!(message.contains(r#""<opened> & \"read\"""#), "{message}");
    let task = TaskParts {
        security: vec![value(r#"{"system":"urn:x","code":"R"}"#)],
        business_status: Some(code("urn:x", "queued")),
        description: Some("look".into()),
        focus: Some(Link::Verbatim(value(r#"{"reference":"Condition/1","display":"asthma"}"#))),
        beneficiary: Some(Link::To("Patient/1".into())),
        last_modified: Some(NOW.into()),
        requester: Some(Link::Identified(None, "ann".into())),
        owner: Some(Link::Verbatim(value(r#"{"display":"Dr Okafor"}"#))),
        reason_code: Some(reason),
        reason_reference: Some("Task/1".into()),
        input: Some((code("urn:x", "said"), "Communication/1".into())),
        ..TaskParts::of("ready", code("urn:x", "do"), NOW.into())
    };
    let told = sound(to_string(&build::task(task).unwrap()));
    assert!(told.contains(r#""focus":{"reference":"Condition/1","display":"asthma"}"#), "{told}");
    sound(to_string(&build::task(TaskParts::of("ready", code("urn:x", "do"), NOW.into())).unwrap()));
}

#[test]
fn a_document() {
    let section = |title, text: &[&str], entries: &[&str]| SectionParts {
        codes: vec![code("http://loinc.org", "8716-3")],
        title,
        table: Some(TableParts { headings: vec!["What"], rows: vec![vec!["a < b & \u{1}c".to_owned()]] }),
        text: text.iter().map(|text| (*text).to_owned()).collect(),
        entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
    };
    let patient = r#"{"resourceType":"Patient","id":"1","multipleBirthInteger":1}"#;
    let document = DocumentParts {
        id: "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0".into(),
        timestamp: NOW,
        profiles: &["http://example.org/bundle"],
        composition_id: "1c3151bd-1cbf-4d64-b04d-cd9187a4c6e0".into(),
        composition: CompositionParts {
            code: code("http://loinc.org", "60591-5"),
            title: "Patient summary",
            profiles: &["http://example.org/composition"],
            subject: "Patient/1".into(),
            date: NOW,
            text: &["some & more"],
            author: AuthorParts {
                id: "2c3151bd-1cbf-4d64-b04d-cd9187a4c6e0".into(),
                address: "http://example.org",
                name: "Concord",
                version: "1",
            },
            sections: vec![
                section("Vital signs", &["one", "two < three"], &["Observation/1"]),
                section("None", &["none"], &[]),
            ],
        },
        entries: vec![("http://example.org/Patient/1".into(), value(patient))],
    };
    let told = sound(to_string(&build::document(document).unwrap()));
    for part in [patient, "<p>one</p><p>two &lt; three</p>", "some &amp; more", "<td>a &lt; b &amp; c</td>"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(told.matches("emptyReason").count(), 1, "{told}");
    assert_eq!(told.matches("2c3151bd-1cbf-4d64-b04d-cd9187a4c6e0").count(), 2, "the author and its entry: {told}");
    // Its first entry is the Composition (bdl-11).
    let composition = r#"{"resourceType":"Composition","id":"c","status":"final","type":{"text":"letter"},
        "subject":{"reference":"http://example.org/Patient/1"},"date":"2026-12-01","author":[{"display":"x"}],"title":"Letter"}"#;
    let entries = vec![
        ("http://example.org/Composition/c".into(), value(composition)),
        ("http://example.org/Patient/1".into(), value(patient)),
    ];
    let told = sound(to_string(&build::stored_document("0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", NOW, entries).unwrap()));
    assert!(told.contains(patient) && told.contains("urn:uuid:0c3151bd"), "{told}");
}

#[test]
fn an_audit_event() {
    let full = AuditEventParts {
        id: "1".into(),
        profile: Some("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead".into()),
        kind: code("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"),
        subtype: code("http://hl7.org/fhir/restful-interaction", "read"),
        action: "R",
        recorded: NOW,
        outcome: "0".into(),
        outcome_description: "care team",
        purpose: Some(code("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT")),
        client: "portal",
        user: "Practitioner/1",
        patient: "1",
        resource: Some("Goal/1/_history/1".into()),
        query: Some(("Goal?status=active".into(), "R29hbD9zdGF0dXM9YWN0aXZl".into())),
        request: "r-1",
    };
    let bare = AuditEventParts {
        profile: None,
        outcome_description: "",
        purpose: None,
        client: "",
        user: "anonymous",
        patient: "",
        resource: None,
        query: None,
        request: "",
        ..full.clone()
    };
    let told = sound(build::audit_event(full).unwrap());
    assert_eq!(told.matches("\"what\"").count(), 3, "the patient, the resource and the request: {told}");
    let told = sound(build::audit_event(bare).unwrap());
    assert!(!told.contains("entity") && told.contains(r#""identifier":{"value":"anonymous"}"#), "{told}");
}

#[test]
fn a_capability_statement() {
    let (parameter, operation) = (
        |name: &str, definition| SearchParameterParts { name: name.to_owned(), definition, kind: "token" },
        OperationParts { name: "validate", definition: "http://example.org/o".into(), documentation: "checks" },
    );
    let resource = ResourceParts {
        name: "Goal",
        documentation: Some("what is wished for"),
        interactions: &["read", "create"],
        versioning: "versioned",
        read_history: true,
        update_create: false,
        conditional_create: true,
        conditional_update: false,
        conditional_delete: "single",
        includes: vec!["*".into()],
        reverse_includes: vec!["*".into()],
        search_parameters: vec![parameter("code", None), parameter("other", Some("http://example.org/p".into()))],
        operations: vec![operation.clone()],
    };
    let parts = CapabilityStatementParts {
        base: "http://example.org/fhir",
        version: "1",
        date: NOW.into(),
        security: "tokens",
        formats: &["json"],
        patch_formats: &["application/json-patch+json"],
        resources: vec![resource],
        interactions: &["batch"],
        search_parameters: vec![parameter("code", None)],
        operations: vec![operation],
        compartments: &["http://hl7.org/fhir/CompartmentDefinition/patient"],
    };
    let told = sound(build::capability_statement(parts).unwrap());
    assert_eq!(told.matches("http://example.org/p").count(), 1, "{told}");
}

#[test]
fn fragments_are_as_the_typed_model_writes_them() {
    let kind = code("urn:x", "said");
    let (text, to) = ("two < three", "Communication/1".to_owned());
    let task = TaskParts { input: Some((kind, to.clone())), ..TaskParts::of("ready", kind, NOW.into()) };
    let task = build::task(task).unwrap();
    let input = task.list("input").first().unwrap();
    assert_eq!(*input, build::fragment::task_input(kind, to.clone()));
    assert_eq!(*input.get("valueReference").unwrap(), build::fragment::reference(to));
    assert_eq!(*task.get("code").unwrap(), build::fragment::codeable_concept(kind));
    assert_eq!(task.get("code").unwrap().list("coding"), [build::fragment::coding(kind)]);
    let narrative = build::fragment::narrative(text);
    let told = format!(r#"{{"resourceType":"Basic","text":{},"code":{{"text":"x"}}}}"#, to_string(&narrative));
    assert!(sound(told).contains("two &lt; three"));
}

#[test]
fn a_panic_is_a_refusal() {
    assert!(from_json(r#"{"resourceType":"Patient","name":[]}"#).is_err());
    assert!(from_json("{").is_err());
}
