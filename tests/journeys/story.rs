//! The story of the README: Amina posts a reading, her GP reads it, strangers do not find it, and she sees all of that.

use std::path::{Path, PathBuf};

use concord_api::command::import::{self, ImportArgs};
use concord_tests::client::text;
use concord_tests::{Concord, on_both};
use serde_json::Value;

on_both! { the_story_of_the_readme }

/// The fixtures' folder.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Loads the synthetic people, as `make run` does.
pub(crate) async fn arrive_from_fixtures(concord: &Concord) {
    let people = ImportArgs { paths: vec![fixtures().join("people")], resume: None, strict: true };
    import::run(&people, &concord.config, concord.clock.clone(), &mut std::io::sink())
        .await
        .expect("the people of the fixtures");
    concord.later(1_000);
}

async fn the_story_of_the_readme(concord: &Concord) {
    arrive_from_fixtures(concord).await;

    let posted = std::fs::read(fixtures().join("requests/home-blood-pressure.json")).expect("the reading");
    let posted: Value = serde_json::from_slice(&posted).expect("the reading is JSON");
    let created = concord.patient("amina").post("Observation", &posted).await.expect(201);
    let location = created.header("location").to_owned();
    let reading = location.split("/_history/").next().expect("a Location").to_owned();
    assert_ne!(reading, location);
    let stored = created.json();
    assert_eq!(text(&stored, "/performer/0/reference"), "Patient/amina");
    assert_eq!(text(&stored, "/meta/security/0/code"), "PATAST");

    let gp = concord.user("Practitioner/dr-okafor");
    assert_eq!(gp.get(&reading).await.expect(200).json(), stored);

    let unused = concord.patient("callum").get("Observation/no-such-reading").await.expect(404);
    for stranger in [concord.user("Practitioner/dr-lindqvist"), concord.patient("callum")] {
        let hidden = stranger.get(&reading).await.expect(404);
        assert_eq!(hidden.body, unused.body);
    }

    let son = concord.user("RelatedPerson/yusuf");
    assert!(!son.get("MedicationStatement?patient=amina").await.expect(200).matches().is_empty());
    assert_eq!(son.get(&reading).await.expect(404).body, unused.body);

    let log = concord.patient("amina").get("AuditEvent?patient=amina&_count=100").await.expect(200).matches();
    let told: Vec<(&str, &str, &str)> =
        log.iter().map(|event| (requestor(event), text(event, "/subtype/0/code"), text(event, "/outcome"))).collect();
    for wanted in [
        ("Patient/amina", "create", "0"),
        ("Practitioner/dr-okafor", "read", "0"),
        ("Practitioner/dr-lindqvist", "read", "4"),
        ("Patient/callum", "read", "4"),
        ("RelatedPerson/yusuf", "search-type", "0"),
        ("RelatedPerson/yusuf", "read", "4"),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} is not in the log: {told:?}");
    }
}

/// Who asked, as an AuditEvent tells it.
fn requestor(event: &Value) -> &str {
    let agents = event.get("agent").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let asked = agents.iter().find(|agent| agent.get("requestor").and_then(Value::as_bool) == Some(true));
    asked.map_or("", |agent| text(agent, "/who/reference"))
}
