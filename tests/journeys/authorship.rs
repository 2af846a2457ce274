//! What people write: in whose name, in whose record, how it is marked, and who may change it afterwards.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

/// The app whose name is a URL, as one of those who keep the record.
const SETTINGS: &[(&str, &str)] =
    &[("CONCORD_CLIENTS", r#"[{"client": "https://readings.example.org/app", "kind": "own"}]"#)];

on_both! {
    with super::SETTINGS;
    what_a_patient_writes_is_marked, nobody_writes_in_anothers_name, nobody_writes_in_anothers_record, provenance_goes_with_it,
    only_the_author_changes_it, what_people_may_not_write, related_persons_write_what_they_may
}

fn goal(subject: &str) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": format!("Patient/{subject}")}})
}

fn labels(resource: &Value) -> Vec<&str> {
    let labels = resource.pointer("/meta/security").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    labels.iter().map(|label| text(label, "/code")).collect()
}

async fn what_a_patient_writes_is_marked(concord: &Concord) {
    people::arrive(concord).await;
    let app = concord.app(&TokenRequest {
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        client_id: "https://readings.example.org/app".to_owned(),
        ..TokenRequest::default()
    });
    let claimed = json!({
        "versionId": "99", "lastUpdated": "1999-01-01T00:00:00Z", "source": "https://somebody.else",
        "security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "CLINAST"},
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        ],
        "tag": [{"system": "urn:app", "code": "morning"}]
    });
    let created =
        app.post("Observation", &with(blood_pressure("amina", 120), "meta", claimed)).await.expect(201).json();
    assert_eq!(text(&created, "/meta/versionId"), "1");
    assert_eq!(text(&created, "/meta/lastUpdated"), "2026-12-01T12:00:00.000Z");
    assert_eq!(text(&created, "/meta/source"), "https://readings.example.org/app");
    assert_eq!(text(&created, "/meta/tag/0/code"), "morning");
    assert_eq!(labels(&created), ["R", "PATAST"], "a claim of a clinician is not the patient's to make");
    assert_eq!(text(&created, "/performer/0/reference"), "Patient/amina");

    let plain = concord.patient("amina").post("Goal", &goal("amina")).await.expect(201).json();
    assert_eq!(text(&plain, "/meta/source"), "urn:concord:client:phr-app");
    assert_eq!(text(&plain, "/expressedBy/reference"), "Patient/amina");
    let gp = concord.user("Practitioner/gp").post("Goal", &goal("amina")).await.expect(201).json();
    assert_eq!((labels(&gp), text(&gp, "/expressedBy/reference")), (vec!["CLINAST"], "Practitioner/gp"));
    let son = concord.user("RelatedPerson/yusuf").post("Observation", &blood_pressure("amina", 119)).await.expect(201);
    assert_eq!(
        (labels(&son.json()), text(&son.json(), "/performer/0/reference")),
        (vec!["PACQAST"], "RelatedPerson/yusuf")
    );
    // A system hands in what others have written and labelled.
    let system = concord.system().post("Goal", &goal("amina")).await.expect(201).json();
    assert!(labels(&system).is_empty() && text(&system, "/meta/source").is_empty(), "{system}");
}

async fn nobody_writes_in_anothers_name(concord: &Concord) {
    people::arrive(concord).await;
    let names = |reference: &str| json!({"reference": reference});
    for (app, other) in [
        (concord.patient("amina"), "Practitioner/gp"),
        (concord.patient("amina"), "RelatedPerson/yusuf"),
        (concord.user("Practitioner/gp"), "Patient/amina"),
        (concord.user("RelatedPerson/yusuf"), "Practitioner/gp"),
    ] {
        let reading = with(blood_pressure("amina", 120), "performer", json!([names(other)]));
        let refused = app.post("Observation", &reading).await.expect(422).issues();
        assert!(refused.iter().any(|(_, place, _)| place == "Observation.performer[0]"), "{other}: {refused:?}");
    }
    let refused =
        concord.patient("amina").post("Goal", &with(goal("amina"), "expressedBy", names("Practitioner/gp"))).await;
    assert_eq!(refused.expect(422).issues()[0].1, "Goal.expressedBy");
    // Nor by a change afterwards.
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina")).await;
    let forged = with(with(goal("amina"), "expressedBy", names("Practitioner/gp")), "id", json!(id));
    amina.put(&format!("Goal/{id}"), &forged).await.expect(422).issues();
    assert_eq!(amina.get(&format!("Goal/{id}")).await.expect(200).header("etag"), "W/\"1\"");
}

/// A foreign subject is refused, whoever it is and whether or not there is such a patient, in the same words.
async fn nobody_writes_in_anothers_record(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let refused = |subject: &'static str| {
        let amina = amina.clone();
        async move {
            let refused = amina.post("Observation", &blood_pressure(subject, 120)).await.expect(403);
            refused.issues();
            refused.text()
        }
    };
    assert_eq!(refused("callum").await, refused("nobody").await);
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let moved = with(blood_pressure("callum", 120), "id", json!(id));
    let moving = amina.put(&format!("Observation/{id}"), &moved).await;
    assert_eq!(moving.status, 422, "{moving}");
    for (app, subject) in [
        (concord.user("Practitioner/gp"), "callum"),
        (concord.user("Practitioner/gp"), "nobody"),
        (concord.user("Practitioner/gp-elsewhere"), "amina"),
        (concord.user("Practitioner/former"), "amina"),
        (concord.user("RelatedPerson/neighbour"), "amina"),
        (concord.user("RelatedPerson/yusuf"), "callum"),
    ] {
        app.post("Observation", &blood_pressure(subject, 120)).await.expect(403).issues();
    }
    assert!(concord.patient("callum").get("Observation").await.expect(200).ids().is_empty());
    assert_eq!(amina.get("Observation").await.expect(200).ids().len(), 1);
    // Without a subject it would be in no patient compartment.
    let nobodys = concord_tests::people::without(blood_pressure("amina", 120), "subject");
    amina.post("Observation", &nobodys).await.expect(422).issues();
}

async fn provenance_goes_with_it(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    concord.later(1_000);
    amina.put(&place, &with(blood_pressure("amina", 121), "id", json!(id))).await.expect(200);
    concord.later(1_000);
    amina.delete(&place).await.expect(204);
    // What was refused leaves none.
    amina.post("Observation", &blood_pressure("callum", 120)).await;
    let told = amina.get("Provenance?_sort=_lastUpdated").await.expect(200).matches();
    let activities: Vec<(&str, String)> = told
        .iter()
        .map(|one| (text(one, "/activity/coding/0/code"), text(one, "/target/0/reference").to_owned()))
        .collect();
    let version = |number: u8| format!("{place}/_history/{number}");
    assert_eq!(activities, [("CREATE", version(1)), ("UPDATE", version(2)), ("DELETE", version(3))]);
    for one in &told {
        assert_eq!(text(one, "/agent/0/type/coding/0/code"), "author");
        assert_eq!(text(one, "/agent/0/who/reference"), "Patient/amina");
        assert_eq!(text(one, "/agent/1/type/coding/0/code"), "assembler");
        assert_eq!(text(one, "/agent/1/who/identifier/value"), "phr-app");
    }
    assert_eq!(text(&told[1], "/entity/0/what/reference"), version(1));
    let found = amina.get(&format!("Provenance?target={place}")).await.expect(200).ids();
    assert_eq!(found.len(), 3);
    let son = concord.user("RelatedPerson/yusuf").create(&blood_pressure("amina", 118)).await;
    let told = amina.get(&format!("Provenance?target=Observation/{son}")).await.expect(200).matches();
    assert_eq!(text(&told[0], "/agent/0/onBehalfOf/reference"), "Patient/amina");
    for stranger in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        assert!(stranger.get("Provenance").await.expect(200).ids().is_empty());
    }
    assert!(concord.system().get("Provenance?agent=Patient/callum").await.expect(200).ids().is_empty());
}

async fn only_the_author_changes_it(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, son) =
        (concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf"));
    let refuse = async |app: &App, place: &str| {
        let current = app.get(place).await.expect(200).json();
        let changed = with(current, "note", json!([{"text": "changed"}]));
        for refused in [app.put(place, &changed).await, app.delete(place).await] {
            let issues = refused.expect(403).issues();
            assert!(
                issues.iter().any(|(.., said)| said.contains("Communication") && said.contains("`about`")),
                "{issues:?}"
            );
        }
        assert_eq!(app.get(place).await.expect(200).header("etag"), "W/\"1\"");
    };
    let by_gp = format!("Observation/{}", gp.create(&blood_pressure("amina", 130)).await);
    let by_amina = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let by_son = format!("Observation/{}", son.create(&blood_pressure("amina", 125)).await);
    for (app, places) in [(&amina, [&by_gp, &by_son]), (&gp, [&by_amina, &by_son]), (&son, [&by_gp, &by_amina])] {
        for place in places {
            refuse(app, place).await;
        }
    }
    // The route that the refusal names is open.
    let comment = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": by_gp}], "payload": [{"contentString": "I was upset that morning"}]});
    let comment = amina.create(&comment).await;
    gp.get(&format!("Communication/{comment}")).await.expect(200);
    assert_eq!(
        gp.get(&format!("Communication?patient=amina&_id={comment}")).await.expect(200).ids(),
        [comment.as_str()]
    );
    for (app, place) in [(&amina, &by_amina), (&gp, &by_gp), (&son, &by_son)] {
        let changed = with(app.get(place).await.expect(200).json(), "note", json!([{"text": "changed"}]));
        app.put(place, &changed).await.expect(200);
        app.delete(place).await.expect(204);
    }
}

async fn what_people_may_not_write(concord: &Concord) {
    people::arrive(concord).await;
    let subject = json!({"reference": "Patient/amina"});
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let team = people::without(people::care_team(&["Practitioner/gp-elsewhere"]), "id");
    let condition = json!({"resourceType": "Condition", "subject": subject, "code": {"text": "flu"}});
    for (app, resource) in [
        (&amina, condition.clone()),
        (&amina, json!({"resourceType": "Practitioner", "name": [{"family": "Me"}]})),
        (&amina, json!({"resourceType": "Patient", "name": [{"family": "Another"}]})),
        (&amina, team.clone()),
        (&gp, team),
        (&gp, json!({"resourceType": "Patient", "name": [{"family": "Another"}]})),
        (&gp, people::without(people::consent("active", "Practitioner/gp", &["access"], &["Observation"]), "id")),
        (&concord.user("RelatedPerson/yusuf"), goal("amina")),
    ] {
        let place = text(&resource, "/resourceType").to_owned();
        app.post(&place, &resource).await.expect(403).issues();
    }
    let diagnosis = gp.create(&condition).await;
    amina.get(&format!("Condition/{diagnosis}")).await.expect(200);
    let future = with(blood_pressure("amina", 120), "effectiveDateTime", json!("2027-06-01"));
    amina.post("Observation", &future).await.expect(422).issues();
}

async fn related_persons_write_what_they_may(concord: &Concord) {
    people::arrive(concord).await;
    let son = concord.user("RelatedPerson/yusuf");
    let id = son.create(&blood_pressure("amina", 120)).await;
    concord.patient("amina").get(&format!("Observation/{id}")).await.expect(200);
    // Only what the Consent names: reading stays, writing goes.
    concord.system().store(&people::consent("active", "RelatedPerson/yusuf", &["access"], &["Observation"])).await;
    son.get(&format!("Observation/{id}")).await.expect(200);
    let refused = son.post("Observation", &blood_pressure("amina", 120)).await.expect(403);
    refused.issues();
    son.delete(&format!("Observation/{id}")).await.expect(403).issues();
}
