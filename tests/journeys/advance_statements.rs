//! A story told once, and words for the time when somebody cannot speak: About Me, advance statements and decisions.

use concord_tests::client::text;
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::story::arrive_from_fixtures;

on_both! { a_story_is_told_once, what_was_said_in_advance_is_found_in_an_emergency, a_decision_is_kept_and_looked_at_again }

fn answers(questionnaire: &str, subject: &str, items: &[(&str, Value)]) -> Value {
    let items: Vec<Value> = items.iter().map(|(link, answer)| json!({"linkId": link, "answer": [answer]})).collect();
    json!({"resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-11-30T10:00:00Z",
        "questionnaire": format!("https://concord.example/Questionnaire/{questionnaire}"),
        "subject": {"reference": format!("Patient/{subject}")}, "item": items})
}

async fn summary(app: &App, patient: &str) -> Vec<Value> {
    let document = app.get(&format!("Patient/{patient}/$summary")).await.expect(200).json();
    document.pointer("/entry/0/resource/section").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn entries(section: &Value) -> Vec<&str> {
    let address = |entry| text(entry, "/reference").trim_start_matches("http://concord.test/fhir/");
    section["entry"].as_array().into_iter().flatten().map(address).collect()
}

async fn a_story_is_told_once(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    // The questions, with the codes of the PRSB's standard, are there for every app.
    let form = concord.patient("amina").get("Questionnaire?url=https://concord.example/Questionnaire/about-me").await;
    let form = form.expect(200).matches();
    assert_eq!(text(&form[0], "/code/0/code"), "1515851000000101");
    let codes: Vec<&str> = (0..7).map(|at| text(&form[0], &format!("/item/{at}/code/0/code"))).collect();
    assert_eq!(codes[0], "1515861000000103");
    assert_eq!(codes[6], "1515921000000101");
    // Any app of hers writes the answers; everybody who may finds them first.
    let app = concord.patient_with("grace", "patient/QuestionnaireResponse.crus");
    let told = app.post(
        "QuestionnaireResponse",
        &answers("about-me", "grace", &[("most-important", json!({"valueString": "My choir"}))]),
    );
    let told = told.await.expect(201).json();
    assert_eq!(
        (text(&told, "/author/reference"), text(&told, "/source/reference")),
        ("Patient/grace", "Patient/grace")
    );
    let place = format!("QuestionnaireResponse/{}", text(&told, "/id"));
    for reader in [concord.patient("grace"), concord.user("Practitioner/dr-okafor")] {
        let sections = summary(&reader, "grace").await;
        assert_eq!((text(&sections[0], "/title"), entries(&sections[0])), ("About Me", vec![place.as_str()]));
        let whole = reader.get("Patient/grace/$everything").await.expect(200).matches();
        assert_eq!(text(&whole[1], "/id"), text(&told, "/id"), "right after the Patient");
    }
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/dr-lindqvist"), concord.user("RelatedPerson/yusuf")]
    {
        stranger.get(&place).await.expect(404);
        stranger.get("Patient/grace/$summary").await.expect(404);
    }
    // A professional does not put words into her mouth, and comments.
    let changed =
        with(told.clone(), "item", json!([{"linkId": "most-important", "answer": [{"valueString": "My tablets"}]}]));
    let refused = concord.user("Practitioner/dr-okafor").put(&place, &changed).await.expect(403);
    assert!(refused.text().contains("`about`"), "{refused}");
    // Her daughter, who is let see everything, reads what Eleanor wants known.
    let ruth = concord.user("RelatedPerson/ruth").get("QuestionnaireResponse/eleanor-about-me").await.expect(200);
    assert!(ruth.text().contains("My garden"));
}

/// Where what was said in advance stands in a summary, right after About Me.
const ADVANCE: [&str; 3] = ["Advance statements", "Advance decisions", "Alerts"];

async fn what_was_said_in_advance_is_found_in_an_emergency(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let places = [
        "Consent/eleanor-refuses-ventilation",
        "QuestionnaireResponse/eleanor-advance-statement",
        "DocumentReference/eleanor-advance-decision",
        "Flag/eleanor-advance-decision",
    ];
    // Whoever looks after her finds it in the summary, right after About Me.
    let sections = summary(&concord.user("Practitioner/dr-okafor"), "eleanor").await;
    let titles: Vec<&str> = sections[1..4].iter().map(|section| text(section, "/title")).collect();
    assert_eq!(titles, ADVANCE);
    let mut found: Vec<&str> = sections[1..4].iter().flat_map(entries).collect();
    found.sort_unstable();
    let mut wanted = places.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    // It decides nothing about who may see the record.
    let who = concord.patient("eleanor").get("Patient/eleanor/$who-can-see").await.expect(200).text();
    assert!(!who.contains("eleanor-refuses-ventilation"), "{who}");
    // Somebody else finds nothing, until it is an emergency; then all of it, and Eleanor is told.
    let stranger = concord.user("Practitioner/dr-lindqvist");
    for place in places {
        stranger.get(place).await.expect(404);
    }
    let emergency = async |place: &str| {
        let ask = stranger.get(place).header("X-Purpose-Of-Use", "BTG");
        ask.header("X-Purpose-Reason", "found unconscious in the garden").await
    };
    for place in places {
        emergency(place).await.expect(200);
    }
    let read = emergency("Patient/eleanor/$summary").await.expect(200).text();
    assert!(read.contains("To be out of doors every day") && read.contains("Tell her that she has done enough"));
    let told = concord.patient("eleanor").get("Communication?patient=eleanor").await.expect(200).text();
    assert!(told.contains("found unconscious in the garden"), "{told}");
    // Without a reason, as another patient, or as a carer of somebody else it stays closed.
    stranger.get(places[0]).header("X-Purpose-Of-Use", "BTG").await.expect(400);
    concord.patient("callum").get(places[0]).await.expect(404);
    concord.user("RelatedPerson/yusuf").get(places[1]).await.expect(404);
}

async fn a_decision_is_kept_and_looked_at_again(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let says = |matters: &str, review: &str| {
        answers(
            "advance-statement",
            "amina",
            &[("matters", json!({"valueString": matters})), ("review-date", json!({"valueDate": review}))],
        )
    };
    let first =
        amina.post("QuestionnaireResponse", &says("My children are told first", "2026-12-31")).await.expect(201).json();
    let place = format!("QuestionnaireResponse/{}", text(&first, "/id"));
    // The document is signed, in the Provenance that comes along with it.
    let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "type": {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings",
            "code": "advance-decision-to-refuse-treatment"}]},
        "content": [{"attachment": {"contentType": "text/plain", "data": "SSByZWZ1c2U="}}],
        "context": {"period": {"end": "2027-06-01"}}});
    let signed = json!({"resourceType": "Provenance", "recorded": "2026-12-01T12:00:00Z",
        "agent": [{"who": {"reference": "Patient/amina"}}],
        "signature": [{"type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}],
            "when": "2026-12-01T12:00:00Z", "who": {"reference": "Patient/amina"}, "sigFormat": "image/png", "data": "c2lnbmVk"}]});
    let stored =
        amina.post("DocumentReference", &document).header("X-Provenance", &signed.to_string()).await.expect(201).json();
    let paper = format!("DocumentReference/{}", text(&stored, "/id"));
    let told = gp.get(&format!("Provenance?target={paper}")).await.expect(200).text();
    assert!(told.contains("1.2.840.10065.1.12.1.1"), "{told}");
    let said = async || {
        let mut sections = summary(&concord.user("Practitioner/gp"), "amina").await;
        sections.retain(|one| ADVANCE.contains(&text(one, "/title")));
        Value::Array(sections)
    };
    let found: Vec<usize> = said().await.as_array().expect("sections").iter().map(|one| entries(one).len()).collect();
    assert_eq!(found, [1, 1]);
    assert!(!said().await.to_string().contains("still holds"));
    // Every version is kept, and only she changes it.
    let second = with(
        with(first.clone(), "item", says("My children, and my sister", "2026-12-31")["item"].clone()),
        "status",
        json!("amended"),
    );
    amina.put(&place, &second).await.expect(200);
    gp.put(&place, &first).await.expect(403);
    assert_eq!(gp.get(&format!("{place}/_history")).await.expect(200).entries().len(), 2);
    assert!(gp.get(&format!("{place}/_history/1")).await.expect(200).text().contains("told first"));
    // After the day of its review the summary says so, to whoever may read it.
    concord.later(60 * 24 * 60 * 60 * 1000);
    let late = said().await.to_string();
    assert!(late.contains(&format!("{place} was to be looked at again by 2026-12-31")), "{late}");
    assert!(!late.contains(&paper) || !late.contains("by 2027-06-01"), "{late}");
}
