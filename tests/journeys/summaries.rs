//! A patient's summary as an International Patient Summary 2.0, in JSON, XML and as a page; and documents that somebody else
//! has composed.

use concord_fhir::document::unresolved;
use concord_fhir::json::{self, Limits};
use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_summary_is_an_international_patient_summary,
    what_is_missing_is_told_to_be_unknown,
    a_summary_holds_nothing_that_is_hidden,
    a_summary_is_a_page_too,
    what_is_old_is_left_out,
    a_composition_makes_a_document,
    a_stored_document_is_shown_as_it_is
}

const IPS: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition";

/// The sections of the IPS by their LOINC codes, with the types of entries that each allows; any, where none is named.
const SECTIONS: &[(&str, &[&str])] = &[
    ("11450-4", &["Condition", "DocumentReference"]),
    ("48765-2", &["AllergyIntolerance", "DocumentReference"]),
    (
        "10160-0",
        &[
            "MedicationStatement",
            "MedicationRequest",
            "MedicationAdministration",
            "MedicationDispense",
            "DocumentReference",
        ],
    ),
    ("11369-6", &["Immunization", "DocumentReference"]),
    ("30954-2", &["Observation", "DiagnosticReport", "DocumentReference"]),
    ("47519-4", &["Procedure", "DocumentReference"]),
    ("46264-8", &["DeviceUseStatement", "DocumentReference"]),
    ("42348-3", &["Consent", "DocumentReference"]),
    ("104605-1", &["Flag", "DocumentReference"]),
    ("47420-5", &["Condition", "ClinicalImpression", "DocumentReference"]),
    ("11348-0", &["Condition", "DocumentReference"]),
    ("10162-6", &["Observation", "DocumentReference"]),
    ("81338-6", &[]),
    ("18776-5", &["CarePlan", "ImmunizationRecommendation", "DocumentReference"]),
    ("29762-2", &["Observation", "DocumentReference"]),
    ("8716-3", &["Observation", "DocumentReference"]),
];

/// The sections that must be there once.
const REQUIRED: [&str; 3] = ["11450-4", "48765-2", "10160-0"];

/// What must be in resources of a type: one of these elements, as it is or with what stands beside it.
const ELEMENTS: &[(&str, &[&str])] = &[
    ("Patient", &["name"]),
    ("Patient", &["birthDate"]),
    ("AllergyIntolerance", &["code"]),
    ("Condition", &["code"]),
    ("MedicationStatement", &["effectiveDateTime", "effectivePeriod"]),
    ("DeviceUseStatement", &["timingDateTime", "timingPeriod"]),
    ("Procedure", &["code"]),
    ("Procedure", &["performedDateTime", "performedPeriod", "performedString", "performedAge", "performedRange"]),
    ("DiagnosticReport", &["effectiveDateTime", "effectivePeriod"]),
    ("Immunization", &["occurrenceDateTime", "occurrenceString"]),
    ("Organization", &["name"]),
    ("Practitioner", &["name"]),
    ("Medication", &["code"]),
];

/// Everything in a document that breaks a rule of IPS 2.0.0 for the Bundle, the Composition and what its entries are.
fn problems(bundle: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            found.push(text);
        }
    };
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    must(bundle["type"] == "document", "it is a document".into());
    must(bundle["identifier"]["value"].is_string() && bundle["identifier"]["system"].is_string(), "identifier".into());
    must(bundle["timestamp"].is_string(), "timestamp".into());
    must(entries.len() >= 2, "two entries".into());
    let urls: Vec<&str> = entries.iter().map(|entry| text(entry, "/fullUrl")).collect();
    must(urls.iter().all(|url| !url.is_empty()), "each entry has a fullUrl".into());
    must((1..urls.len()).all(|at| !urls[at..].contains(&urls[at - 1])), "each fullUrl is there once".into());
    let of_type = |named: &str| entries.iter().filter(|entry| entry["resource"]["resourceType"] == named).count();
    must(of_type("Composition") == 1 && entries[0]["resource"]["resourceType"] == "Composition", "bdl-ips-1".into());
    must(of_type("Patient") == 1, "one Patient".into());
    for entry in &entries {
        let forbidden = ["search", "request", "response"].iter().any(|name| entry.get(name).is_some());
        must(!forbidden, format!("entry {} is of a document", text(entry, "/fullUrl")));
        let resource = &entry["resource"];
        for (_, elements) in ELEMENTS.iter().filter(|(named, _)| resource["resourceType"] == *named) {
            let has = |name: &&str| resource.get(name).is_some() || resource.get(format!("_{name}")).is_some();
            must(elements.iter().any(has), format!("{} has {elements:?}", text(entry, "/fullUrl")));
        }
        for (named, subject) in [("Condition", "subject"), ("AllergyIntolerance", "patient"), ("Procedure", "subject")]
        {
            let names = resource[subject]["reference"].is_string();
            must(resource["resourceType"] != named || names, format!("{named}.{subject}.reference"));
        }
    }
    let composition = &entries[0]["resource"];
    must(text(composition, "/type/coding/0/code") == "60591-5", "type".into());
    for element in ["status", "date", "title", "author", "subject", "identifier", "text"] {
        must(composition.get(element).is_some(), format!("Composition.{element}"));
    }
    must(composition["subject"]["reference"].is_string(), "subject.reference".into());
    let sections = composition["section"].as_array().cloned().unwrap_or_default();
    for code in REQUIRED {
        must(sections.iter().filter(|section| codes(section).contains(&code)).count() == 1, format!("one {code}"));
    }
    for (code, types) in SECTIONS {
        let own: Vec<&Value> = sections.iter().filter(|section| codes(section).contains(code)).collect();
        must(own.len() <= 1, format!("at most one {code}"));
        for entry in own.iter().flat_map(|section| section["entry"].as_array().into_iter().flatten()) {
            let target = entries.iter().find(|other| other["fullUrl"] == entry["reference"]);
            let named = target.map(|target| text(target, "/resource/resourceType")).unwrap_or_default();
            must(types.is_empty() || types.contains(&named), format!("{code} has a {named}: {entry}"));
        }
    }
    for section in &sections {
        let title = text(section, "/title").to_owned();
        must(!title.is_empty() && !codes(section).is_empty(), format!("title and code of {title}"));
        must(text(section, "/text/div").starts_with("<div"), format!("text of {title}"));
        must(section.get("section").is_none(), format!("no sections in {title}"));
        let has_entry = section["entry"].as_array().is_some_and(|entries| !entries.is_empty());
        must(has_entry != section.get("emptyReason").is_some(), format!("ips-comp-1 in {title}"));
    }
    found.extend(lacking(bundle));
    found
}

/// What a document refers to and does not hold.
fn lacking(bundle: &Value) -> Vec<String> {
    let body = bundle.to_string();
    let value = json::parse(body.as_bytes(), &Limits::default()).expect("JSON");
    unresolved(&value).into_iter().map(|issue| issue.text).collect()
}

/// Whether the server itself has nothing against a document.
async fn is_valid(concord: &Concord, document: &Value) {
    let validated = concord.system().post("Bundle/$validate", document).await.expect(200);
    assert!(!validated.text().contains("\"severity\":\"error\""), "{validated}");
}

fn codes(section: &Value) -> Vec<&str> {
    section["code"]["coding"].as_array().into_iter().flatten().map(|coding| text(coding, "/code")).collect()
}

async fn summary(app: &App) -> Value {
    app.get("Patient/amina/$summary").await.expect(200).json()
}

fn section<'s>(document: &'s Value, code: &str) -> &'s Value {
    let sections = document.pointer("/entry/0/resource/section").and_then(Value::as_array).expect("sections");
    sections.iter().find(|section| codes(section).contains(&code)).unwrap_or(&Value::Null)
}

fn concept(system: &str, code: &str, words: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}], "text": words})
}

/// A record in which every section of the summary has something, of a system; and what refers beyond it.
async fn a_full_record(concord: &Concord) {
    people::arrive(concord).await;
    let loinc = |code: &str, words: &str| concept("http://loinc.org", code, words);
    let subject = json!({"reference": "Patient/amina"});
    let clinical = |code: &str| concept("http://terminology.hl7.org/CodeSystem/condition-clinical", code, code);
    let category =
        |code: &str| json!([concept("http://terminology.hl7.org/CodeSystem/observation-category", code, code)]);
    let observation = |id: &str, kind: &str, code: Value| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "category": category(kind), "code": code,
            "subject": subject, "effectiveDateTime": "2026-11-20", "valueQuantity": {"value": 5, "unit": "mmol/L"}})
    };
    let condition = |id: &str, status: &str, words: &str| {
        json!({"resourceType": "Condition", "id": id, "clinicalStatus": clinical(status), "code": {"text": words},
            "subject": subject})
    };
    let system = concord.system();
    for resource in [
        json!({"resourceType": "Organization", "id": "surgery", "name": "The Surgery"}),
        json!({"resourceType": "PractitionerRole", "id": "gp-there", "practitioner": {"reference": "Practitioner/gp"},
            "organization": {"reference": "Organization/surgery"}}),
        json!({"resourceType": "Medication", "id": "tablet", "code": {"text": "Ramipril <5 mg>"}}),
        json!({"resourceType": "Device", "id": "pacemaker", "patient": subject, "deviceName": [{"name": "Pacer", "type": "model-name"}]}),
        json!({"resourceType": "Encounter", "id": "visit", "status": "finished", "subject": subject,
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}),
        json!({"resourceType": "AllergyIntolerance", "id": "nuts", "patient": subject, "code": {"text": "Nuts & seeds"},
            "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "active"),
            "recorder": {"reference": "PractitionerRole/gp-there"}, "encounter": {"reference": "Encounter/visit"},
            "reaction": [{"manifestation": [{"text": "Wheeze"}], "severity": "severe"}]}),
        json!({"resourceType": "MedicationStatement", "id": "ramipril", "status": "active", "subject": subject,
            "medicationReference": {"reference": "Medication/tablet"}, "dosage": [{"text": "one in the morning"}]}),
        with(condition("asthma", "active", "Asthma"), "encounter", json!({"reference": "Encounter/visit"})),
        condition("measles", "resolved", "Measles"),
        with(condition("walks", "active", "Walks with a frame"), "category", json!([loinc("47420-5", "function")])),
        json!({"resourceType": "Immunization", "id": "flu", "status": "completed", "vaccineCode": {"text": "Influenza"},
            "patient": subject, "occurrenceString": "last autumn"}),
        observation("sugar", "laboratory", loinc("15074-8", "Glucose")),
        json!({"resourceType": "DiagnosticReport", "id": "bloods", "status": "final", "code": {"text": "Bloods"},
            "subject": subject, "result": [{"reference": "Observation/sugar"}, {"reference": "Observation/part"}],
            "performer": [{"reference": "http://elsewhere.example/fhir/Organization/lab"}]}),
        observation("part", "exam", loinc("2093-3", "Cholesterol")),
        observation("smokes", "social-history", loinc("72166-2", "Smoking")),
        observation("pregnant", "exam", loinc("82810-3", "Pregnancy status")),
        json!({"resourceType": "Procedure", "id": "hip", "status": "completed", "code": {"text": "Hip replacement"},
            "subject": subject, "basedOn": [{"reference": "ServiceRequest/none", "display": "the referral"}]}),
        json!({"resourceType": "DeviceUseStatement", "id": "uses", "status": "active", "subject": subject,
            "device": {"reference": "Device/pacemaker"}}),
        json!({"resourceType": "Flag", "id": "steps", "status": "active", "subject": subject,
            "code": {"text": "Falls"}}),
        json!({"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "title": "Stay well",
            "subject": subject, "category": [{"text": "support"}]}),
        json!({"resourceType": "Consent", "id": "adr", "status": "active", "patient": subject, "dateTime": "2026-01-01",
            "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "adr", "advance decision"),
            "category": [loinc("42348-3", "Advance decision")], "policyRule": {"text": "no ventilation"}}),
        json!({"resourceType": "QuestionnaireResponse", "id": "me", "status": "completed", "subject": subject,
            "questionnaire": "https://concord.example/Questionnaire/about-me", "authored": "2026-11-01",
            "item": [{"linkId": "most-important", "answer": [{"valueString": "My garden"}]}]}),
    ] {
        system.store(&resource).await;
    }
    system.store(&with(blood_pressure("amina", 120), "id", json!("bp"))).await;
}

async fn a_summary_is_an_international_patient_summary(concord: &Concord) {
    a_full_record(concord).await;
    let amina = concord.patient("amina");
    let document = summary(&amina).await;
    assert_eq!(problems(&document), [] as [String; 0], "{document:#}");
    assert_eq!(text(&document, "/meta/profile/0"), format!("{IPS}/Bundle-uv-ips"));
    // So say the profiles of the IPS, of what it claims and of all that is in it; R4 would rather have narratives everywhere.
    let judged = concord.system().post("Bundle/$validate", &document).await.expect(200);
    let is_advice = |told: &str| told.contains("(dom-6)") || told.contains("unless no code of that fits");
    let told: Vec<_> = judged.issues().into_iter().filter(|(_, _, told)| !is_advice(told)).collect();
    assert!(told.iter().all(|(code, _, _)| code == "informational"), "{told:?}");
    assert_eq!(text(&document, "/entry/0/resource/meta/profile/0"), format!("{IPS}/Composition-uv-ips"));
    for (code, _) in SECTIONS {
        let own = section(&document, code);
        let div = text(own, "/text/div");
        assert!(own["entry"].is_array() && div.contains("<table><thead>"), "{code}: {own}");
    }
    for (code, told) in [
        ("48765-2", "<td>Nuts &amp; seeds</td><td>Wheeze</td><td>severe</td>"),
        ("10160-0", "<td>Ramipril &lt;5 mg&gt;</td><td>one in the morning</td>"),
        ("46264-8", "<td>Pacer</td>"),
        ("81338-6", "<td>most important</td><td>My garden</td>"),
        ("8716-3", "120"),
        ("30954-2", "5 mmol/L</td><td>20 November 2026</td>"),
    ] {
        let own = section(&document, code);
        assert!(text(own, "/text/div").contains(told), "{code}: {own}");
    }
    assert_eq!(section(&document, "11450-4")["entry"].as_array().map(Vec::len), Some(1), "past problems stand apart");
    // Who has made it is in it.
    let author = text(&document, "/entry/0/resource/author/0/reference");
    let entries = document["entry"].as_array().expect("entries");
    let device = entries.iter().find(|entry| text(entry, "/fullUrl") == author).expect("the author");
    assert_eq!(text(device, "/resource/deviceName/0/name"), "Concord");
    // What is referred to comes along: who, where, with what. Of the rest the address remains.
    let resource = |place: &str| {
        let entry = entries.iter().find(|entry| text(entry, "/fullUrl").ends_with(place));
        entry.unwrap_or_else(|| panic!("{place} in {document:#}"))["resource"].clone()
    };
    for along in ["Organization/surgery", "PractitionerRole/gp-there", "Medication/tablet", "Observation/part"] {
        resource(along);
    }
    let condition = resource("Condition/asthma");
    assert!(condition["encounter"].get("reference").is_none());
    assert!(text(&condition, "/encounter/identifier/value").ends_with("/fhir/Encounter/visit"), "{condition}");
    let procedure = resource("Procedure/hip");
    assert_eq!(text(&procedure, "/basedOn/0/display"), "the referral");
    assert!(procedure["basedOn"][0].get("reference").is_none(), "what is not there is told like what is not shown");
    assert_eq!(
        text(&resource("DiagnosticReport/bloods"), "/performer/0/identifier/value"),
        "http://elsewhere.example/fhir/Organization/lab"
    );
    // It is valid, and the same in XML and by POST.
    is_valid(concord, &document).await;
    let xml = amina.get("Patient/amina/$summary").header("accept", "application/fhir+xml").await.expect(200);
    assert!(xml.text().contains("<code value=\"60591-5\"/>") && xml.text().contains("Ramipril &lt;5 mg&gt;"), "{xml}");
    let nothing = json!({"resourceType": "Parameters"});
    let posted = amina.post("Patient/amina/$summary", &nothing).await.expect(200).json();
    assert_eq!(posted["entry"][0]["resource"]["section"], document["entry"][0]["resource"]["section"]);
    assert_ne!(posted["identifier"], document["identifier"], "each is one of its own");
}

async fn what_is_missing_is_told_to_be_unknown(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let number = json!({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990011176"});
    system.store(&json!({"resourceType": "Patient", "id": "amina", "identifier": [number]})).await;
    let subject = json!({"identifier": number});
    for resource in [
        json!({"resourceType": "Condition", "id": "c", "subject": subject}),
        json!({"resourceType": "Procedure", "id": "p", "status": "completed", "subject": subject}),
        json!({"resourceType": "MedicationStatement", "id": "m", "status": "active", "subject": subject,
            "medicationCodeableConcept": {"text": "x"}}),
        json!({"resourceType": "DiagnosticReport", "id": "d", "status": "final", "subject": subject,
            "code": {"text": "x"}}),
    ] {
        system.store(&resource).await;
    }
    let document = summary(&concord.patient("amina")).await;
    assert_eq!(problems(&document), [] as [String; 0], "{document:#}");
    assert!(document.to_string().matches("data-absent-reason").count() >= 6, "{document:#}");
    is_valid(concord, &document).await;
    // Nothing at all is a summary too.
    let document = concord.patient("callum").get("Patient/$summary").await.expect(200).json();
    assert_eq!(problems(&document), [] as [String; 0], "{document:#}");
}

/// Whoever sees less is told the same of what is hidden as of what is not there.
async fn a_summary_holds_nothing_that_is_hidden(concord: &Concord) {
    a_full_record(concord).await;
    let system = concord.system();
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let hidden = json!({"resourceType": "Condition", "id": "hidden", "code": {"text": "hidden words"},
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "active"),
        "subject": {"reference": "Patient/amina"}, "meta": label});
    system.store(&hidden).await;
    let amina = concord.patient("amina");
    let document = summary(&amina).await;
    assert!(!document.to_string().contains("hidden words") && !document.to_string().contains("Condition/hidden"));
    // What an app may not read is referred to like what is not there.
    let reader = concord.patient_with("amina", "patient/Patient.rs patient/DiagnosticReport.rs");
    let told = async |result: &str| {
        let report = json!({"resourceType": "DiagnosticReport", "id": "bloods", "status": "final",
            "code": {"text": "Bloods"}, "subject": {"reference": "Patient/amina"}, "result": [{"reference": result}]});
        system.store(&report).await;
        let document = summary(&reader).await;
        assert_eq!(problems(&document), [] as [String; 0], "{document:#}");
        let entries = document["entry"].as_array().expect("entries").clone();
        let report = entries.iter().find(|entry| text(entry, "/fullUrl").ends_with("DiagnosticReport/bloods"));
        let cut = report.expect("it")["resource"]["result"].to_string();
        assert!(!cut.contains("\"reference\"") && !document.to_string().contains("mmol"), "{document:#}");
        cut.replace(result, "(that)")
    };
    assert_eq!(told("Observation/sugar").await, told("Observation/none-such").await);
    let says = "Some information may be withheld";
    for app in [&amina, &concord.user("Practitioner/gp")] {
        assert!(text(&summary(app).await, "/entry/0/resource/text/div").contains(says));
    }
    // An app sees what its scopes cover, in the tables too.
    let app = concord.patient_with("amina", "patient/Patient.rs patient/MedicationStatement.rs");
    let document = summary(&app).await;
    assert_eq!(problems(&document), [] as [String; 0], "{document:#}");
    let all = document.to_string();
    assert!(all.contains("one in the morning") && !all.contains("Ramipril") && !all.contains("Asthma"), "{document:#}");
    assert_eq!(text(section(&document, "11450-4"), "/emptyReason/coding/0/code"), "unavailable");
}

async fn a_summary_is_a_page_too(concord: &Concord) {
    a_full_record(concord).await;
    let amina = concord.patient("amina");
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let place = "Patient/amina/$summary";
    for ask in [
        amina.get(place).header("accept", browser),
        amina.get(place).header("accept", "text/html"),
        amina.get("Patient/amina/$summary?_format=html"),
        amina.ask(Method::POST, place).header("accept", browser),
    ] {
        let page = ask.await.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        let html = page.text();
        for told in
            ["<!doctype html>", "width=device-width", "Patient summary", "<td>Nuts &amp; seeds</td>", "withheld"]
        {
            assert!(html.contains(told), "{told} in {html}");
        }
        assert!(!html.contains("<script") && !html.contains(" src="), "{html}");
    }
    // All else is a resource as ever: what has no page, and what is in a Bundle.
    let read = amina.get("Patient/amina").header("accept", browser).await.expect(200);
    assert!(read.header("content-type").starts_with("application/fhir+json"));
    amina.get("Patient/amina?_format=html").await.expect(406).issues();
    let missing = concord.patient("callum").get(place).header("accept", browser).await.expect(404);
    assert!(missing.header("content-type").starts_with("text/html") && !missing.text().contains("amina"), "{missing}");
    let batch = json!({"resourceType": "Bundle", "type": "batch",
        "entry": [{"request": {"method": "GET", "url": place}}]});
    let answer = amina.post("", &batch).header("accept", browser).await.expect(200).json();
    assert_eq!(text(&answer, "/entry/0/resource/type"), "document");
}

async fn what_is_old_is_left_out(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let category = concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "lab");
    for (number, day) in
        ["2020-01-01", "2020-02-01", "2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05"]
            .iter()
            .enumerate()
    {
        let result = json!({"resourceType": "Observation", "id": format!("lab-{number}"), "status": "final",
            "category": [category], "code": {"text": "Sodium"}, "effectiveDateTime": day,
            "subject": {"reference": "Patient/amina"}});
        system.store(&result).await;
        let reading = with(blood_pressure("amina", 120), "id", json!(format!("bp-{number}")));
        system.store(&with(reading, "effectiveDateTime", json!(format!("{day}T08:00:00Z")))).await;
        let statement = json!({"resourceType": "MedicationStatement", "id": format!("m-{number}"), "status": "stopped",
            "medicationCodeableConcept": {"text": format!("medicine {number}")}, "effectivePeriod": {"end": day},
            "subject": {"reference": "Patient/amina"}});
        system.store(&statement).await;
    }
    let document = summary(&concord.patient("amina")).await;
    let count = |code: &str| section(&document, code)["entry"].as_array().map_or(0, Vec::len);
    assert_eq!((count("30954-2"), count("8716-3"), count("10160-0")), (5, 5, 5), "{document:#}");
    assert!(text(section(&document, "30954-2"), "/text/div").contains("There are more"));
    assert!(!document.to_string().contains("medicine 1"), "{document:#}");
}

fn composition(entries: &[&str]) -> Value {
    let entries: Vec<Value> = entries.iter().map(|entry| json!({"reference": entry})).collect();
    json!({"resourceType": "Composition", "id": "letter", "status": "final", "type": {"text": "Letter"},
        "date": "2026-11-01", "title": "A letter", "subject": {"reference": "Patient/amina"},
        "author": [{"reference": "Practitioner/gp"}],
        "section": [{"title": "What we found", "entry": entries,
            "text": {"status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">words of a doctor</div>"}}]})
}

async fn a_composition_makes_a_document(concord: &Concord) {
    a_full_record(concord).await;
    let system = concord.system();
    system.store(&composition(&["Condition/asthma", "Observation/none-such"])).await;
    let amina = concord.patient("amina");
    for place in [
        "Composition/letter/$document",
        "Composition/$document?id=letter",
        "Composition/$document?id=Composition/letter",
    ] {
        let document = amina.get(place).await.expect(200).json();
        assert_eq!((text(&document, "/type"), text(&document, "/entry/0/resource/id")), ("document", "letter"));
        assert_eq!(lacking(&document), [] as [String; 0], "{document:#}");
        let urls: Vec<&str> =
            document["entry"].as_array().expect("entries").iter().map(|entry| text(entry, "/fullUrl")).collect();
        for there in ["Patient/amina", "Practitioner/gp", "Condition/asthma"] {
            assert!(urls.iter().any(|url| url.ends_with(there)), "{there} in {urls:?}");
        }
        assert_eq!(text(&document, "/entry/0/resource/section/0/entry/1/type"), "Observation");
        is_valid(concord, &document).await;
    }
    let page = amina.get("Composition/letter/$document").header("accept", "text/html").await.expect(200).text();
    assert!(page.contains("words of a doctor") && page.contains("What we found"), "{page}");
    let missing = amina.get("Composition/none/$document").await.expect(404);
    let hidden = concord.patient("callum").get("Composition/letter/$document").await.expect(404);
    assert_eq!(hidden.body, missing.body);
    for wrong in [
        "Composition/$document",
        "Composition/$document?id=Goal/1",
        "Composition/letter/$document?id=letter",
        "Composition/letter/$document?persist=true",
        "Composition/letter/$document?graph=x",
    ] {
        amina.get(wrong).await.expect(400).issues();
    }
    // An app gets what its scopes cover, and the log tells of it.
    let app = concord.patient_with("amina", "patient/Composition.rs");
    let document = app.get("Composition/letter/$document").await.expect(200).json();
    assert_eq!(document["entry"].as_array().map(Vec::len), Some(1), "{document:#}");
    let log = amina.get("AuditEvent?entity=Composition/letter&action=E").await.expect(200);
    assert!(log.ids().len() >= 4, "{log}");
}

async fn a_stored_document_is_shown_as_it_is(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let letter = without(composition(&[]), "section");
    let bundle = json!({"resourceType": "Bundle", "type": "document", "timestamp": "2026-11-01T00:00:00Z",
        "identifier": {"system": "urn:x", "value": "1"}, "entry": [
            {"fullUrl": "http://elsewhere.example/fhir/Composition/letter", "resource": letter}]});
    let id = system.create(&bundle).await;
    let place = format!("Bundle/{id}/$document");
    let document = system.get(&place).await.expect(200).json();
    assert_eq!(document["entry"], bundle["entry"]);
    let page = system.get(&place).header("accept", "text/html").await.expect(200).text();
    assert!(page.contains("<h1>A letter</h1>"), "{page}");
    let other = system.create(&json!({"resourceType": "Bundle", "type": "collection"})).await;
    system.get(&format!("Bundle/{other}/$document")).await.expect(422).issues();
    let hidden = concord.patient("callum").get(&place).await;
    assert!([403, 404].contains(&hidden.status), "{hidden}");
}
