//! What a system sends whose patient cannot be told waits for the Patient where the operator says so.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { with &[("CONCORD_UNFILED", "keep")]; it_waits_for_its_patient, an_office_files_it, nobody_learns_whom_there_is,
nothing_is_left_waiting }

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
const NUMBER: &str = "9434765919";

fn numbered(number: &str) -> Value {
    json!({"identifier": {"system": NHS, "value": number}})
}

fn reading() -> Value {
    with(blood_pressure("amina", 120), "subject", numbered(NUMBER))
}

fn bearing(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": NHS, "value": NUMBER}]})
}

/// The status of each Task that tells of a resource.
async fn tasks(concord: &Concord, about: &str) -> Vec<String> {
    let found = concord.system().get(&format!("Task?code=urn:concord:task|file-in-record&focus={about}")).await;
    found.expect(200).matches().iter().map(|task| text(task, "/status").to_owned()).collect()
}

async fn it_waits_for_its_patient(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let kept = system.post("Observation", &reading()).header("prefer", "return=OperationOutcome").await.expect(201);
    let told = kept.issues();
    assert!(told.iter().any(|(_, place, words)| place == "Observation.subject" && words.contains("Task")), "{told:?}");
    let id = system.get("Observation?subject:identifier=https://fhir.nhs.uk/Id/nhs-number|9434765919").await.ids();
    let place = format!("Observation/{}", id[0]);
    assert_eq!(tasks(concord, &place).await, ["requested"]);
    // A change in the meantime makes no second Task.
    let stored = with(reading(), "id", json!(id[0]));
    system.put(&place, &with(stored, "status", json!("amended"))).await.expect(200);
    assert_eq!(tasks(concord, &place).await, ["requested"]);
    let both = json!({"resourceType": "Appointment", "status": "proposed", "participant": [
        {"status": "accepted", "actor": {"reference": "Patient/amina"}}, {"status": "accepted", "actor": numbered(NUMBER)}]});
    let meeting = format!("Appointment/{}", system.create(&both).await);
    concord.patient("amina").get(&meeting).await.expect(200);
    // The Patient comes.
    system.store(&bearing("late")).await;
    let late = concord.patient("late");
    let filed = late.get(&place).await.expect(200).json();
    assert_eq!((&filed["subject"], text(&filed, "/status")), (&numbered(NUMBER), "amended"));
    assert_eq!(late.get("Observation?patient=late").await.expect(200).ids(), id);
    late.get(&meeting).await.expect(200);
    concord.patient("amina").get(&meeting).await.expect(200);
    for about in [&place, &meeting] {
        assert_eq!(tasks(concord, about).await, ["completed"], "{about}");
    }
    // What is said once is not said again.
    system.store(&with(bearing("late"), "gender", json!("female"))).await;
    assert_eq!(text(&late.get(&place).await.json(), "/meta/versionId"), text(&filed, "/meta/versionId"));
}

async fn an_office_files_it(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let [by_hand, deleted] = [system.create(&reading()).await, system.create(&reading()).await];
    let [by_hand, deleted] = [by_hand, deleted].map(|id| format!("Observation/{id}"));
    let filed = with(blood_pressure("amina", 120), "id", json!(by_hand.trim_start_matches("Observation/")));
    system.put(&by_hand, &filed).await.expect(200);
    concord.patient("amina").get(&by_hand).await.expect(200);
    system.delete(&deleted).await.expect(204);
    for about in [&by_hand, &deleted] {
        assert_eq!(tasks(concord, about).await, ["completed"], "{about}");
    }
    // So is what waits for one of several, when that one is left out.
    let actor = |who: Value| json!({"status": "accepted", "actor": who});
    let amina = actor(json!({"reference": "Patient/amina"}));
    let meeting =
        json!({"resourceType": "Appointment", "status": "proposed", "participant": [amina, actor(numbered(NUMBER))]});
    let id = system.create(&meeting).await;
    let alone = with(with(meeting, "participant", json!([amina])), "id", json!(id));
    system.put(&format!("Appointment/{id}"), &alone).await.expect(200);
    assert_eq!(tasks(concord, &format!("Appointment/{id}")).await, ["completed"]);
    // Neither is touched when a Patient with that number comes.
    system.store(&bearing("late")).await;
    concord.patient("late").get(&by_hand).await.expect(404);
    system.get(&deleted).await.expect(410);
    let stays = system.get(&format!("Appointment/{id}")).await.json();
    assert_eq!(text(&stays, "/meta/versionId"), "2");
}

/// A system that may not read Patients is answered alike for a number that is here and one that is not.
async fn nobody_learns_whom_there_is(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let blind = concord.system_with("system/Observation.cruds");
    let mut told = Vec::new();
    for _ in 0..2 {
        let kept = blind.post("Observation", &reading()).header("prefer", "return=OperationOutcome").await.expect(201);
        told.push(kept.issues());
        let id = kept.header("location").split('/').rev().nth(2).expect("an id").to_owned();
        assert_eq!(tasks(concord, &format!("Observation/{id}")).await, ["requested"]);
        system.store(&bearing("here")).await;
    }
    assert_eq!(told[0], told[1]);
    // What has happened in between is filed when the Patient is stored again.
    system.store(&with(bearing("here"), "gender", json!("female"))).await;
    assert_eq!(concord.patient("here").get("Observation?patient=here").await.expect(200).ids().len(), 2);
}

/// What comes at the same time as its Patient is filed, whichever is first.
async fn nothing_is_left_waiting(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let mut asked = Vec::new();
    for place in 0..12 {
        let app = system.clone();
        let resource = if place == 6 { bearing("late") } else { reading() };
        asked.push(tokio::spawn(async move {
            let name = text(&resource, "/resourceType").to_owned();
            match name.as_str() {
                "Patient" => app.put("Patient/late", &resource).await.status,
                _ => app.post(&name, &resource).await.status,
            }
        }));
    }
    for one in asked {
        assert_eq!(one.await.expect("an answer"), 201);
    }
    let found = concord.patient("late").get("Observation?patient=late&_count=50").await.expect(200).ids();
    assert_eq!(found.len(), 11);
    let open = system.get("Task?code=urn:concord:task|file-in-record&status=requested").await.expect(200).ids();
    assert!(open.is_empty(), "{open:?}");
}
