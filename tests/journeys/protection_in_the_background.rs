//! A label on something that more depends on than one write may relabel: what could be meant is kept back at once, and the
//! rest follows in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_tests::client::text;
use concord_tests::people::{blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::{relabel, said};
use crate::protection_is_inherited::{cast, encounter};

/// So few that two levels of what depends on a visit are too many.
const SETTINGS: &[(&str, &str)] = &[("CONCORD_LABEL_STEPS", "3")];

on_both! { with super::SETTINGS; what_is_much_is_kept_back_at_once, two_nodes_hand_on_together }

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so. Each look is a request, so nothing has to be slept through.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
    }
}

fn reading(id: &str, during: &str) -> Value {
    let reference = json!({"reference": format!("Encounter/{during}")});
    with(with(blood_pressure("amina", 120), "encounter", reference), "id", json!(id))
}

/// A visit with readings, of which one is of another visit now, each with a comment; and a reading of another visit.
async fn visits(concord: &Concord) -> Vec<String> {
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    for id in ["visit", "other"] {
        system.store(&encounter(id, json!({}))).await;
    }
    system.store(&reading("of-other", "other")).await;
    let mut places = vec!["Encounter/visit".to_owned()];
    for number in 0..8 {
        let id = format!("of-visit-{number}");
        system.store(&reading(&id, "visit")).await;
        places.push(format!("Observation/{id}"));
        let comment = gp.create(&said(&[&format!("Observation/{id}")], "well")).await;
        places.push(format!("Communication/{comment}"));
    }
    system.store(&reading("moved", "visit")).await;
    system.store(&reading("moved", "other")).await;
    places.push("Observation/moved/_history/1".to_owned());
    places
}

/// Which of these are shown, by every way to them.
async fn shown(app: &App, places: &[String]) -> Vec<String> {
    let mut whole = Value::from(app.entries("Patient/amina/$everything?_count=1000").await).to_string();
    for place in [
        "Observation?patient=amina&_sort=-date&_count=1000",
        "Observation?encounter.status=finished&_count=1000",
        "Encounter?patient=amina&_revinclude=Observation:encounter&_revinclude:iterate=Communication:about&_count=1000",
    ] {
        whole.push_str(&Value::from(app.entries(place).await).to_string());
    }
    let mut shown = Vec::new();
    for place in places {
        if app.get(place).await.status == 200 || whole.contains(&format!("{place}\"")) {
            shown.push(place.clone());
        }
    }
    // One answer, as labels may arrive between two.
    let counted = app.get("Observation?patient=amina&_total=accurate&_count=1000").await.expect(200);
    assert_eq!(counted.json()["total"], counted.matches().len(), "a count tells no more");
    shown
}

/// The label is kept to by the answer after it was given. What has nothing to do with it may be kept back meanwhile, and comes
/// back; and when the label is taken away, all does.
async fn what_is_much_is_kept_back_at_once(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let places = visits(concord).await;
    assert_eq!(shown(&nurse, &places).await, places);
    relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
    assert_eq!(shown(&nurse, &places).await, Vec::<String>::new());
    // What comes meanwhile is of the visit too.
    concord.system().store(&reading("late", "visit")).await;
    nurse.get("Observation/late").await.expect(404);
    until("what the label does not reach is shown", async || nurse.get("Observation/of-other").await.status == 200)
        .await;
    assert_eq!(shown(&nurse, &places).await, Vec::<String>::new());
    nurse.get("Observation/late").await.expect(404);
    nurse.get("Observation/moved").await.expect(200);
    assert_eq!(shown(&amina, &places).await, places, "whoever labelled it");
    let bears = concord.system().get("Observation/of-visit-3").await.expect(200).json();
    assert_eq!(text(&bears, "/meta/security/0/code"), "SEX");
    relabel(&amina, "Encounter/visit", "$meta-delete", "SEX").await;
    until("all is shown again", async || shown(&nurse, &places).await == places).await;
    nurse.get("Observation/late").await.expect(200);
}

/// On two nodes at once: both keep to it, and what is left is done once.
async fn two_nodes_hand_on_together(concord: &Concord) {
    let (amina, _) = cast(concord).await;
    let places = visits(concord).await;
    let node = Concord::start(Arc::clone(&concord.shared_scratch()), concord.clock.clone(), SETTINGS).await;
    let nurses = [concord.user("Practitioner/nurse"), node.user("Practitioner/nurse")];
    for nurse in &nurses {
        assert_eq!(shown(nurse, &places).await, places);
    }
    for round in 0..2 {
        relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
        for nurse in &nurses {
            assert_eq!(shown(nurse, &places).await, Vec::<String>::new(), "{round}");
        }
        for nurse in &nurses {
            until("the rest is shown", async || nurse.get("Observation/of-other").await.status == 200).await;
            assert_eq!(shown(nurse, &places).await, Vec::<String>::new(), "{round}");
        }
        relabel(&amina, "Encounter/visit", "$meta-delete", "SEX").await;
        for nurse in &nurses {
            until("all is shown again", async || shown(nurse, &places).await == places).await;
        }
    }
}
