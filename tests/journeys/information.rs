//! Information: what a professional prescribes to be read, and what everybody may read who has signed in.

use concord_tests::client::text;
use concord_tests::people::{self, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::story::arrive_from_fixtures;

on_both! { information_is_prescribed_read_and_asked_about, who_sees_a_prescription, the_patient_pack_is_for_everybody }

fn goal() -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}})
}

fn prescription(about: &str) -> Value {
    json!({"resourceType": "CommunicationRequest", "status": "active", "subject": {"reference": "Patient/amina"},
        "category": [{"coding": [{"system": "urn:concord:communication-category", "code": "information-prescription"}]}],
        "about": [{"reference": about}], "recipient": [{"reference": "Patient/amina"}],
        "payload": [{"contentString": "Nobody knows yet whether mornings or evenings are better: try both"},
            {"contentAttachment": {"url": "https://www.example.org/walking", "title": "Walking"}}]})
}

/// A Communication based on a prescription.
fn about_it(prescription: &str, says: Option<&str>) -> Value {
    let read = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "basedOn": [{"reference": prescription}]});
    match says {
        Some(says) => with(read, "payload", json!([{"contentString": says}])),
        None => read,
    }
}

async fn section(app: &App, title: &str) -> Option<Value> {
    let document = app.get("Patient/amina/$summary").await.expect(200).json();
    let sections = document.pointer("/entry/0/resource/section").and_then(Value::as_array).cloned().unwrap_or_default();
    sections.into_iter().find(|section| text(section, "/title") == title)
}

async fn information_is_prescribed_read_and_asked_about(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let about = format!("Goal/{}", amina.create(&goal()).await);
    let leaflet = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "V2Fsay4=", "title": "Walking"}}]});
    let leaflet = format!("DocumentReference/{}", gp.create(&leaflet).await);
    let mut given = prescription(&about);
    given["payload"][1] = json!({"contentReference": {"reference": leaflet}});
    let stored = gp.post("CommunicationRequest", &given).await.expect(201).json();
    let place = format!("CommunicationRequest/{}", text(&stored, "/id"));
    assert_eq!(text(&stored, "/requester/reference"), "Practitioner/gp");
    assert_eq!(text(&stored, "/about/0/reference"), format!("{about}/_history/1"));
    // She finds it beside her goal, in her summary and in her record.
    let page = amina.get("Goal?patient=amina&_revinclude=CommunicationRequest:about").await.expect(200);
    assert!(page.text().contains("mornings or evenings"), "{page}");
    assert_eq!(
        section(&amina, "Information prescribed").await.expect("it")["entry"][0]["reference"],
        format!("http://concord.test/fhir/{place}")
    );
    amina.get(&leaflet).await.expect(200);
    // She has read it, and asks back.
    let read = amina.post("Communication", &about_it(&place, None)).await.expect(201).json();
    assert_eq!(text(&read, "/category/0/coding/0/code"), "information-read");
    assert!(!text(&read, "/received").is_empty());
    let asks = amina.post("Communication", &about_it(&place, Some("How far?"))).await.expect(201).json();
    assert_eq!(text(&asks, "/category/0/coding/0/code"), "comment");
    let said = gp.get(&format!("Communication?based-on={place}&patient=amina")).await.expect(200).ids();
    assert_eq!(said.len(), 2);
    let answer = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "inResponseTo": [{"reference": format!("Communication/{}", text(&asks, "/id"))}], "payload": [{"contentString": "A mile"}]});
    gp.post("Communication", &answer).await.expect(201);
    let whole =
        amina.get("Patient/amina/$everything?_type=CommunicationRequest,Communication&_count=100").await.expect(200);
    assert_eq!(whole.matches().len(), 4);
    // Bad input: each with its place, and nothing changed.
    let silent = gp.post("CommunicationRequest", &without(given.clone(), "payload")).await.expect(422);
    assert_eq!(silent.issues()[0].1, "CommunicationRequest.payload");
    let of_nothing = gp.post("CommunicationRequest", &without(given.clone(), "about")).await.expect(422);
    assert_eq!(of_nothing.issues()[0].1, "CommunicationRequest.about");
    gp.post("CommunicationRequest", &prescription("Goal/none")).await.expect(404);
    amina.post("CommunicationRequest", &given).await.expect(403);
    let forged = with(given.clone(), "requester", json!({"reference": "Practitioner/gp-elsewhere"}));
    assert_eq!(
        gp.post("CommunicationRequest", &forged).await.expect(422).issues()[0].1,
        "CommunicationRequest.requester"
    );
    let lost = amina.post("Communication", &about_it("CommunicationRequest/none", None)).await.expect(422);
    assert!(lost.issues()[0].1.starts_with("Communication.basedOn[0]"), "{lost}");
    amina.put(&place, &with(stored.clone(), "status", json!("completed"))).await.expect(403);
    // When it has served its purpose it goes from the summary.
    gp.put(&place, &with(stored, "status", json!("completed"))).await.expect(200);
    let left = section(&amina, "Information prescribed").await.expect("what she has read");
    assert!(!left.to_string().contains("CommunicationRequest/"), "{left}");
}

async fn who_sees_a_prescription(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let about = format!("Goal/{}", amina.create(&goal()).await);
    let place = format!("CommunicationRequest/{}", gp.create(&prescription(&about)).await);
    let read = about_it(&place, None);
    let unused = concord.patient("callum").get("CommunicationRequest/none").await.expect(404);
    for stranger in [
        concord.patient("callum"),
        concord.user("Practitioner/former"),
        concord.user("Practitioner/gp-elsewhere"),
        concord.user("RelatedPerson/yusuf"),
        concord.user("RelatedPerson/neighbour"),
    ] {
        assert_eq!(stranger.get(&place).await.expect(404).body, unused.body);
        assert!(stranger.get("CommunicationRequest?patient=amina").await.expect(200).ids().is_empty());
        assert_ne!(stranger.post("Communication", &read).await.status, 201);
    }
    concord.nobody().get(&place).await.expect(401);
    concord.patient_with("amina", "patient/Goal.rs").get(&place).await.expect(403);
    // Her son, when she lets him see such things, tells that he has read it to her.
    let types = ["CommunicationRequest", "Communication"];
    system.store(&people::consent("active", "RelatedPerson/yusuf", &["access", "collect"], &types)).await;
    let said = concord.user("RelatedPerson/yusuf").post("Communication", &read).await.expect(201).json();
    assert_eq!(text(&said, "/sender/reference"), "RelatedPerson/yusuf");
    // What is about something private is as private.
    let private = json!({"resourceType": "Condition", "id": "private", "code": {"text": "x"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]},
        "subject": {"reference": "Patient/amina"}, "asserter": {"reference": "Practitioner/gp"}});
    system.store(&private).await;
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/former"])).await;
    let kept = gp.post("CommunicationRequest", &prescription("Condition/private")).await.expect(201).json();
    assert!(kept["meta"]["security"].to_string().contains("\"SEX\""), "{kept}");
    let kept = format!("CommunicationRequest/{}", text(&kept, "/id"));
    concord.user("Practitioner/former").get(&kept).await.expect(404);
    let read = amina.post("Communication", &about_it(&kept, None)).await.expect(201).json();
    concord.user("Practitioner/former").get(&format!("Communication/{}", text(&read, "/id"))).await.expect(404);
    concord.user("Practitioner/former").get(&place).await.expect(200);
}

async fn the_patient_pack_is_for_everybody(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let readers = [
        concord.patient("amina"),
        concord.patient("somebody-new"),
        concord.user("Practitioner/dr-lindqvist"),
        concord.user("RelatedPerson/yusuf"),
        concord.user("RelatedPerson/of-nobody"),
        concord.system(),
    ];
    for reader in &readers {
        let pack = reader.get("Library?topic=urn:concord:information|patient-pack&_sort=title").await.expect(200);
        let titles: Vec<String> = pack.matches().iter().map(|one| text(one, "/title").to_owned()).collect();
        assert_eq!(titles, ["Questions to ask", "What to expect", "Your rights"]);
        let carers = reader.get("Library?topic=carer-information").await.expect(200);
        assert_eq!(carers.ids(), ["carers-information"]);
        let one = reader.get("Library/carers-information").await.expect(200).json();
        assert!(!text(&one, "/content/0/data").is_empty());
    }
    concord.nobody().get("Library/carers-information").await.expect(401);
    // It gives nobody anything of anybody's record, and is nobody's to change.
    let carer = concord.user("RelatedPerson/of-nobody");
    assert!(carer.get("Condition?patient=amina").await.expect(200).ids().is_empty());
    carer.get("Patient/amina").await.expect(404);
    let pack = readers[0].get("Library/pack-your-rights").await.expect(200).json();
    for reader in &readers[..5] {
        reader.put("Library/pack-your-rights", &with(pack.clone(), "title", json!("Yours"))).await.expect(403);
    }
    // What is prescribed may point at it.
    let goal = "Goal/amina-walk";
    let mut given = prescription(goal);
    given["payload"] = json!([{"contentReference": {"reference": "Library/pack-questions-to-ask"}}]);
    concord.user("Practitioner/dr-okafor").post("CommunicationRequest", &given).await.expect(201);
}
