//! A whole record at once: `$everything` and `$summary`, with About Me at the top of both.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { everything_begins_with_the_person, everything_for_whom, everything_by_time, a_summary_begins_with_the_person, a_summary_for_whom }

fn about_me(says: &str) -> Value {
    json!({"resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "https://concord.example/Questionnaire/about-me|1.0.0",
        "subject": {"reference": "Patient/amina"}, "authored": "2026-11-01T10:00:00Z",
        "item": [{"linkId": "important", "answer": [{"valueString": says}]}]})
}

fn condition(id: &str, labels: &[(&str, &str)]) -> Value {
    let labels: Vec<Value> = labels.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    let meta = if labels.is_empty() { json!({"tag": [{"code": "plain"}]}) } else { json!({"security": labels}) };
    json!({"resourceType": "Condition", "id": id, "meta": meta, "subject": {"reference": "Patient/amina"},
        "code": {"text": id}, "asserter": {"reference": "Practitioner/gp"},
        "clinicalStatus": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}})
}

/// What Amina and those around her have written: three readings, About Me, a plain condition, one that the patient is not to
/// see and one about her sexual health.
async fn written(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for systolic in [118, 119, 120] {
        amina.create(&blood_pressure("amina", systolic)).await;
    }
    amina.create(&about_me("My garden")).await;
    let system = concord.system();
    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    system.store(&condition("asthma", &[])).await;
    system.store(&condition("withheld", &[(ACT, "NOPAT")])).await;
    system.store(&condition("private", &[(ACT, "SEX")])).await;
}

fn named(resource: &Value) -> String {
    format!("{}/{}", text(resource, "/resourceType"), text(resource, "/id"))
}

/// The matches of all pages, and how many pages there were.
async fn all(app: &App, place: &str) -> (Vec<Value>, usize) {
    let (mut found, mut pages, mut next) = (Vec::new(), 0, Some(place.to_owned()));
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        assert!(pages == 0 || !page.matches().is_empty(), "an empty page: {page}");
        found.extend(page.matches());
        pages += 1;
        next = page.link("next");
    }
    (found, pages)
}

async fn everything_begins_with_the_person(concord: &Concord) {
    written(concord).await;
    let amina = concord.patient("amina");
    let (whole, pages) = all(&amina, "Patient/amina/$everything?_count=1000").await;
    assert_eq!(pages, 1);
    assert_eq!(named(&whole[0]), "Patient/amina");
    assert_eq!(text(&whole[1], "/item/0/answer/0/valueString"), "My garden");
    let mut names: Vec<String> = whole.iter().map(named).collect();
    for size in [1, 2, 3, 7] {
        let (paged, pages) = all(&amina, &format!("Patient/amina/$everything?_count={size}")).await;
        assert_eq!(paged.iter().map(named).collect::<Vec<_>>(), names, "pages of {size}");
        assert_eq!(pages, names.len().div_ceil(size), "pages of {size}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), whole.len(), "nothing comes twice");
    assert!(names.contains(&"Condition/asthma".to_owned()) && names.contains(&"Consent/amina-sharing".to_owned()));
    assert!(names.iter().any(|name| name.starts_with("Provenance/")));
    // Whom the record names comes along.
    let page = amina.get("Patient/amina/$everything?_type=Condition").await.expect(200);
    assert!(page.text().contains("\"Okafor\""), "{page}");
    assert_eq!(page.matches().len(), 2);
    // On the type, it is the caller's own.
    let (own, _) = all(&amina, "Patient/$everything?_count=1000").await;
    assert_eq!(own.len(), whole.len());
    amina.get("Patient/$everything?_count=0").await.expect(400);
    amina.get("Patient/amina/$everything?_type=Organization").await.expect(400);
    let cursor = amina.get("Patient/amina/$everything?_count=2").await.expect(200).link("next").expect("more");
    concord.patient("callum").get(&cursor).await.expect(400);
    concord.user("Practitioner/gp").get(&cursor).await.expect(400);
}

async fn everything_for_whom(concord: &Concord) {
    written(concord).await;
    let place = "Patient/amina/$everything?_count=1000";
    let names = async |app: App| -> Vec<String> {
        let mut names: Vec<String> = all(&app, place).await.0.iter().map(named).collect();
        names.retain(|name| name.starts_with("Condition/") || name.starts_with("Patient/"));
        names.sort();
        names
    };
    assert_eq!(names(concord.patient("amina")).await, ["Condition/asthma", "Condition/private", "Patient/amina"]);
    assert_eq!(
        names(concord.user("Practitioner/gp")).await,
        ["Condition/asthma", "Condition/private", "Condition/withheld", "Patient/amina"],
        "what the GP wrote is not hidden from the GP"
    );
    // Her son is let see Observations; an app is let see goals.
    let son = all(&concord.user("RelatedPerson/yusuf"), place).await.0;
    assert!(son.iter().filter(|one| text(one, "/resourceType") == "Observation").count() == 3, "{son:?}");
    assert!(son.iter().all(|one| ["Observation", "RelatedPerson"].contains(&text(one, "/resourceType"))), "{son:?}");
    let app = all(&concord.patient_with("amina", "patient/Goal.rs patient/Observation.rs"), place).await.0;
    assert_eq!(app.len(), 3);
    let unused = concord.patient("callum").get("Patient/nobody/$everything").await.expect(404);
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("Practitioner/gp-elsewhere")]
    {
        assert_eq!(stranger.get(place).await.expect(404).body, unused.body);
    }
    // Amina is told, also of the strangers.
    let log = concord.patient("amina").get("AuditEvent?subtype=operation&_count=100").await.expect(200).matches();
    let told = |who: &str, outcome: &str| {
        log.iter().any(|event| event.to_string().contains(who) && text(event, "/outcome") == outcome)
    };
    for (who, outcome) in
        [("Practitioner/gp", "0"), ("RelatedPerson/yusuf", "0"), ("Practitioner/former", "4"), ("Patient/callum", "4")]
    {
        assert!(told(who, outcome), "{who} {outcome}: {log:?}");
    }
}

async fn everything_by_time(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for day in ["2024-01-01", "2024-06-01", "2025-01-01"] {
        let reading = with(blood_pressure("amina", 120), "effectiveDateTime", json!(format!("{day}T08:00:00Z")));
        amina.create(&reading).await;
        concord.later(60_000);
    }
    let days = async |query: &str| -> Vec<String> {
        let (found, _) = all(&amina, &format!("Patient/amina/$everything?_type=Observation,Goal&{query}")).await;
        found.iter().map(|one| text(one, "/effectiveDateTime").chars().take(10).collect()).collect()
    };
    assert_eq!(days("start=2024-03-01").await, ["2024-06-01", "2025-01-01"]);
    assert_eq!(days("end=2024-06-01").await, ["2024-01-01", "2024-06-01"]);
    assert_eq!(days("start=2024-02&end=2024-12").await, ["2024-06-01"]);
    assert_eq!(days("_since=2026-12-01T12:01:00Z").await, ["2024-06-01", "2025-01-01"]);
    // What says nothing of when care was given is not left out.
    let (found, _) = all(&amina, "Patient/amina/$everything?start=2030-01-01&_count=100").await;
    assert!(found.iter().map(named).any(|name| name == "Patient/amina"), "{found:?}");
    for wrong in ["start=yesterday", "start=2025&end=2024", "_since=x"] {
        let refused = amina.get(&format!("Patient/amina/$everything?{wrong}")).await.expect(400);
        assert!(refused.issues()[0].2.starts_with("parameter "), "{refused}");
    }
}

async fn a_summary_begins_with_the_person(concord: &Concord) {
    written(concord).await;
    let amina = concord.patient("amina");
    let statement = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "https://concord.example/Questionnaire/advance-statement", "authored": "2026-11-02",
        "subject": {"reference": "Patient/amina"},
        "item": [{"linkId": "matters", "answer": [{"valueString": "My children are told first"}]}]});
    amina.create(&statement).await;
    let document = amina.get("Patient/amina/$summary").await.expect(200).json();
    assert_eq!((text(&document, "/type"), text(&document, "/resourceType")), ("document", "Bundle"));
    let composition = document.pointer("/entry/0/resource").expect("a Composition");
    assert_eq!(text(composition, "/type/coding/0/code"), "60591-5");
    let sections = composition["section"].as_array().expect("sections");
    let titles: Vec<&str> = sections.iter().map(|section| text(section, "/title")).collect();
    assert_eq!(&titles[..2], ["About Me", "Advance statements"]);
    for required in ["48765-2", "10160-0", "11450-4"] {
        assert!(sections.iter().any(|section| text(section, "/code/coding/0/code") == required), "{required}");
    }
    let allergies = sections.iter().find(|section| text(section, "/code/coding/0/code") == "48765-2").expect("it");
    assert_eq!(text(allergies, "/emptyReason/coding/0/code"), "unavailable");
    // Every entry that a section names is in the document, and the document is valid.
    let urls: Vec<&str> =
        document["entry"].as_array().expect("entries").iter().map(|entry| text(entry, "/fullUrl")).collect();
    for section in sections {
        for entry in section["entry"].as_array().into_iter().flatten() {
            assert!(urls.iter().any(|url| url.ends_with(text(entry, "/reference"))), "{entry}");
        }
    }
    assert!(document.to_string().contains("My garden") && document.to_string().contains("told first"));
    let validated = concord.system().post("Bundle/$validate", &document).await.expect(200);
    // What it was made from may have no narrative, which R4 advises.
    let is_advice = |(code, _, told): &(String, String, String)| code == "informational" || told.contains("(dom-6)");
    assert!(validated.issues().iter().all(is_advice), "{validated}");
    let own = amina.get("Patient/$summary").await.expect(200).json();
    assert_eq!(own["entry"][0]["resource"]["section"], composition["section"]);
}

async fn a_summary_for_whom(concord: &Concord) {
    written(concord).await;
    let place = "Patient/amina/$summary";
    let of = async |app: App| app.get(place).await.expect(200).text();
    let (patient, gp) = (of(concord.patient("amina")).await, of(concord.user("Practitioner/gp")).await);
    assert!(patient.contains("\"private\"") && !patient.contains("withheld\"") && gp.contains("My garden"));
    let app = of(concord.patient_with("amina", "patient/Patient.rs patient/Observation.rs")).await;
    assert!(!app.contains("My garden") && !app.contains("asthma") && app.contains("8480-6"), "{app}");
    let unused = concord.patient("callum").get("Patient/nobody/$summary").await.expect(404);
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("RelatedPerson/yusuf")]
    {
        assert_eq!(stranger.get(place).await.expect(404).body, unused.body);
    }
    // By identifier, as the International Patient Summary has it.
    let number = json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990011176"}]});
    concord.system().store(&number).await;
    let by = "Patient/$summary?identifier=https://fhir.nhs.uk/Id/nhs-number|9990011176";
    assert!(concord.user("Practitioner/gp").get(by).await.expect(200).text().contains("My garden"));
    concord.user("Practitioner/gp-elsewhere").get(by).await.expect(404);
    concord.user("Practitioner/gp").get("Patient/$summary").await.expect(400);
}
