//! A label on something that more depends on than one write may relabel: what could be meant is kept back at once, and the
//! rest follows in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_tests::client::{Answer, text};
use concord_tests::people::{blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::{ACT, relabel, said};
use crate::protection_is_inherited::{cast, encounter};

/// So few that two levels of what depends on a visit are too many.
const SETTINGS: &[(&str, &str)] = &[("CONCORD_LABEL_STEPS", "3")];

on_both! { with super::SETTINGS;
    what_is_much_is_kept_back_at_once, two_nodes_hand_on_together, who_labels_what_reaches_far, others_see_what_they_saw
}

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so. Each look is a request, so nothing has to be slept through.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
    }
}

/// Labels the visit, or takes the label away: when what it handed on before has arrived.
async fn label(app: &App, operation: &str) {
    until("what was handed on before has arrived", async || {
        let answer = labelled(app, operation).await;
        assert!(matches!(answer.status, 200 | 429), "{answer}");
        answer.status == 200
    })
    .await;
}

async fn labelled(app: &App, operation: &str) -> Answer {
    let meta = json!({"name": "meta", "valueMeta": {"security": [{"system": ACT, "code": "SEX"}]}});
    app.post(&format!("Encounter/visit/{operation}"), &json!({"resourceType": "Parameters", "parameter": [meta]})).await
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

/// The label is kept to by the answer after it was given, and nothing else is kept back. When the label is taken away, all is shown.
async fn what_is_much_is_kept_back_at_once(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let places = visits(concord).await;
    assert_eq!(shown(&nurse, &places).await, places);
    label(&concord.system(), "$meta-add").await;
    assert_eq!(nurse.get("Observation/of-other").await.status, 200, "what the label does not reach");
    assert_eq!(shown(&nurse, &places).await, Vec::<String>::new());
    // What comes meanwhile is of the visit too.
    concord.system().store(&reading("late", "visit")).await;
    nurse.get("Observation/late").await.expect(404);
    assert_eq!(shown(&nurse, &places).await, Vec::<String>::new());
    nurse.get("Observation/late").await.expect(404);
    nurse.get("Observation/moved").await.expect(200);
    assert_eq!(shown(&amina, &places).await, places, "whose it is");
    let bears = async || concord.system().get("Observation/of-visit-3").await.expect(200).json();
    until("it has arrived", async || text(&bears().await, "/meta/security/0/code") == "SEX").await;
    label(&concord.system(), "$meta-delete").await;
    until("all is shown again", async || shown(&nurse, &places).await == places).await;
    nurse.get("Observation/late").await.expect(200);
}

/// On two nodes at once: both keep to it, and what is left is done once.
async fn two_nodes_hand_on_together(concord: &Concord) {
    cast(concord).await;
    let places = visits(concord).await;
    let node = Concord::start(Arc::clone(&concord.shared_scratch()), concord.clock.clone(), SETTINGS).await;
    let nurses = [concord.user("Practitioner/nurse"), node.user("Practitioner/nurse")];
    for nurse in &nurses {
        assert_eq!(shown(nurse, &places).await, places);
    }
    for round in 0..2 {
        label(&concord.system(), "$meta-add").await;
        for nurse in &nurses {
            assert_eq!(shown(nurse, &places).await, Vec::<String>::new(), "{round}");
            assert_eq!(nurse.get("Observation/of-other").await.status, 200, "{round}");
        }
        label(&concord.system(), "$meta-delete").await;
        for nurse in &nurses {
            until("all is shown again", async || shown(nurse, &places).await == places).await;
        }
    }
}

/// People label what they write and what is theirs, as far as one write reaches; what reaches further is a system's to label, that is
/// registered here, and not again before the last has arrived. What is refused has done nothing.
async fn who_labels_what_reaches_far(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let places = visits(concord).await;
    let refused = labelled(&amina, "$meta-add").await.expect(422);
    assert!(refused.text().contains("more than 3 resources"), "{refused}");
    assert_eq!(shown(&nurse, &places).await, places);
    relabel(&amina, "Observation/of-visit-3", "$meta-add", "SEX").await;
    nurse.get("Observation/of-visit-3").await.expect(404);
    relabel(&amina, "Observation/of-visit-3", "$meta-delete", "SEX").await;
    let system = concord.system();
    // Putting it there and taking it away again: once it is on its way, it is not put there again.
    let mut again = 0;
    for _ in 0..5 {
        labelled(&system, "$meta-delete").await.expect(200);
        let answer = labelled(&system, "$meta-add").await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer}");
            again += 1;
        }
    }
    assert!(again > 0, "each is handed on before the next comes");
    labelled(&system, "$meta-delete").await.expect(200);
    until("all is shown again", async || shown(&nurse, &places).await == places).await;
}

/// Others' data, in their own record and all that they find of others', is what it was before: while the label is on its way, and after.
async fn others_see_what_they_saw(concord: &Concord) {
    cast(concord).await;
    let places = visits(concord).await;
    let system = concord.system();
    let visit = with(encounter("of-callum", json!({})), "subject", json!({"reference": "Patient/callum"}));
    system.store(&visit).await;
    let during = json!({"reference": "Encounter/of-callum"});
    for number in 0..8 {
        let reading =
            with(with(blood_pressure("callum", 120), "encounter", during.clone()), "id", json!(format!("c{number}")));
        system.store(&reading).await;
    }
    let callum = concord.patient("callum");
    let own = callum.create(&with(blood_pressure("callum", 120), "encounter", during.clone())).await;
    let count = async || callum.get("Observation?_total=accurate&_count=100").await.expect(200).json()["total"].clone();
    let before = count().await;
    assert_eq!(before, 9);
    label(&system, "$meta-add").await;
    let mut looks = 0;
    until("it has arrived", async || {
        looks += 1;
        assert_eq!(count().await, before);
        callum.get("Observation/c3").await.expect(200);
        callum.get("Encounter/of-callum").await.expect(200);
        let changed = with(blood_pressure("callum", 100 + looks), "id", json!(own));
        let changed = with(changed, "encounter", during.clone());
        callum.put(&format!("Observation/{own}"), &changed).await.expect(200);
        let bears = system.get("Communication?_security=SEX&_count=100").await.expect(200).matches();
        bears.len() == 8
    })
    .await;
    assert_eq!(count().await, before);
    assert!(places.len() > 16);
}
