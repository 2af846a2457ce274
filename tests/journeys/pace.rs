//! How many requests a minute an app may make for one person.

use concord_tests::people;
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { with &[("CONCORD_REQUESTS_PER_MINUTE", "6")]; apps_that_ask_too_often_wait }

async fn asked(app: &App, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(app.get("Observation").await.status);
    }
    statuses
}

async fn apps_that_ask_too_often_wait(concord: &Concord) {
    // A system is not bounded.
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    assert_eq!(asked(&amina, 7).await, [200, 200, 200, 200, 200, 200, 429]);
    let refused = amina.get("Patient/amina").await.expect(429);
    assert_eq!(refused.header("retry-after"), "10");
    assert_eq!(refused.issues()[0].0, "throttled");
    // A new token of the same app for the same person changes nothing; another person does not wait.
    assert_eq!(asked(&concord.patient_with("amina", "patient/*.rs"), 1).await, [429]);
    assert_eq!(asked(&concord.patient("callum"), 1).await, [200]);
    concord.later(10_000);
    assert_eq!(asked(&amina, 2).await, [200, 429]);
    // The entries of a Bundle count, and what is refused changes nothing.
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/callum"}});
    let entry = json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal});
    let bundle = |entries: usize| -> Value {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry.clone(); entries]})
    };
    let callum = concord.patient("callum");
    callum.post("/fhir", &bundle(3)).await.expect(200);
    callum.post("/fhir", &bundle(4)).await.expect(429);
    concord.later(60_000);
    assert_eq!(callum.get("Goal").await.expect(200).ids().len(), 3);
}
