//! Many at once: nothing is lost, nothing is made twice.

use std::collections::BTreeSet;

use concord_tests::client::{Ask, Method, text};
use concord_tests::people::{self, with};
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    one_conditional_create_wins, one_of_two_writers_wins, every_update_without_a_condition_counts, every_patch_counts,
    ids_of_patients,
    transactions_over_the_same_resources, transactions_over_the_same_records, first_versions_under_one_id,
    a_transaction_and_a_write_in_its_way
}

/// How many requests are on their way together.
const MANY: usize = 32;

async fn together(asks: impl IntoIterator<Item = Ask>) -> Vec<Answer> {
    let tasks: Vec<_> = asks.into_iter().map(|ask| tokio::spawn(ask.into_future())).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("a request that does not panic"));
    }
    answers
}

fn goal(number: usize) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": format!("goal {number}")},
        "identifier": [{"system": "urn:app", "value": "one"}], "subject": {"reference": "Patient/amina"}})
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn one_conditional_create_wins(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    let apps = [concord.patient("amina"), node.patient("amina")];
    let posts = (0..MANY)
        .map(|number| apps[number % 2].post("Goal", &goal(number)).header("if-none-exist", "identifier=urn:app|one"));
    let answers = together(posts).await;
    assert_eq!((statuses(&answers, 201), statuses(&answers, 200)), (1, MANY - 1), "{}", answers[0]);
    let bodies: BTreeSet<&[u8]> = answers.iter().map(|answer| answer.body.as_slice()).collect();
    assert_eq!(bodies.len(), 1, "everybody is told of the same resource");
    assert_eq!(apps[0].get("Goal").await.expect(200).ids().len(), 1);

    let puts = (0..MANY).map(|number| {
        apps[number % 2].put("Goal?identifier=urn:app|two", &{
            let mut goal = goal(number);
            goal["identifier"][0]["value"] = json!("two");
            goal
        })
    });
    let answers = together(puts).await;
    assert_eq!((statuses(&answers, 201), statuses(&answers, 200)), (1, MANY - 1), "{}", answers[0]);
    assert_eq!(apps[0].get("Goal?identifier=urn:app|two").await.expect(200).ids().len(), 1);
}

async fn one_of_two_writers_wins(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    let apps = [concord.patient("amina"), node.patient("amina")];
    let id = apps[0].create(&goal(0)).await;
    let place = format!("Goal/{id}");
    for version in 1..=8 {
        let puts = [1, 2].map(|writer| {
            let goal = with(goal(version * 10 + writer), "id", json!(id));
            apps[writer - 1].put(&place, &goal).header("if-match", &format!("W/\"{version}\""))
        });
        let answers = together(puts).await;
        assert_eq!((statuses(&answers, 200), statuses(&answers, 412)), (1, 1), "{} {}", answers[0], answers[1]);
        let winner = answers.iter().find(|answer| answer.status == 200).expect("a winner");
        assert_eq!(winner.header("etag"), format!("W/\"{}\"", version + 1));
        assert_eq!(apps[1].get(&place).await.expect(200).body, winner.body);
    }
}

/// Without If-Match the last one stands, and every one of them is in the history.
async fn every_update_without_a_condition_counts(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal(0)).await;
    let place = format!("Goal/{id}");
    let answers = together((1..=MANY).map(|number| amina.put(&place, &with(goal(number), "id", json!(id))))).await;
    assert_eq!(statuses(&answers, 200), MANY, "{}", answers[0]);
    let versions: BTreeSet<String> =
        answers.iter().map(|answer| text(&answer.json(), "/meta/versionId").to_owned()).collect();
    assert_eq!(versions.len(), MANY);
    let history = amina.entries(&format!("{place}/_history?_count=7")).await;
    assert_eq!(history.len(), MANY + 1);
    let texts: BTreeSet<&str> = history.iter().map(|entry| text(entry, "/resource/description/text")).collect();
    assert_eq!(texts.len(), MANY + 1);
}

/// Patches are applied before their writes. Of many to one resource each is applied to what the one before made of it.
async fn every_patch_counts(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    let apps = [concord.patient("amina"), node.patient("amina")];
    let id = apps[0].create(&goal(0)).await;
    let patches = (0..MANY).map(|number| {
        let add = json!([{"op": "add", "path": "/note/-", "value": {"text": format!("note {number}")}}]);
        let ask = apps[number % 2].ask(Method::PATCH, &format!("Goal/{id}"));
        ask.body("application/json-patch+json", add.to_string())
    });
    let answers = together(patches).await;
    assert_eq!(statuses(&answers, 200), MANY, "{}", answers[0]);
    let stored = apps[0].get(&format!("Goal/{id}")).await.expect(200).json();
    let notes: BTreeSet<&str> =
        stored["note"].as_array().expect("notes").iter().map(|note| text(note, "/text")).collect();
    assert_eq!(notes.len(), MANY);
}

/// Records of patients whom nobody has met before begin at the same moment.
async fn ids_of_patients(concord: &Concord) {
    let system = concord.system();
    let resource = |number: usize| {
        json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/new-{}", number % 3)}})
    };
    let answers = together((0..MANY).map(|number| system.post("Flag", &resource(number)))).await;
    assert_eq!(statuses(&answers, 201), MANY, "{}", answers[0]);
    for patient in 0..3 {
        let wanted = (0..MANY).filter(|number| number % 3 == patient).count();
        assert_eq!(system.get(&format!("Flag?patient=new-{patient}")).await.expect(200).ids().len(), wanted);
    }
}

/// Transactions that name the same resources in different orders wait for one another, and none is turned away.
async fn transactions_over_the_same_resources(concord: &Concord) {
    let system = concord.system();
    let ids: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    for id in &ids {
        system.store(&json!({"resourceType": "Patient", "id": id})).await;
    }
    let node = concord.another_node().await;
    let apps = [concord.system(), node.system()];
    let bundles = (0..MANY).map(|number| {
        let put = |id: &String| {
            let patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": format!("f{number}")}]});
            json!({"request": {"method": "PUT", "url": format!("Patient/{id}")}, "resource": patient})
        };
        let entries: Vec<Value> =
            if number % 3 == 0 { ids.iter().rev().map(put).collect() } else { ids.iter().map(put).collect() };
        apps[number % 2].post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    });
    let answers = together(bundles).await;
    assert_eq!(statuses(&answers, 200), MANY, "{:?}", answers.iter().find(|answer| answer.status != 200));
    let mut families = BTreeSet::new();
    for id in &ids {
        let stored = system.get(&format!("Patient/{id}")).await.expect(200).json();
        families.insert(text(&stored, "/name/0/family").to_owned());
        assert_eq!(text(&stored, "/meta/versionId"), (MANY + 1).to_string());
    }
    assert_eq!(families.len(), 1, "one of them was the last for all");
}

/// So do transactions that write into the same records: the first there is of them, and Consents.
async fn transactions_over_the_same_records(concord: &Concord) {
    let node = concord.another_node().await;
    let apps = [concord.system(), node.system()];
    let ids: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
    let bundles = (0..MANY).map(|number| {
        let write = |id: &String| {
            let subject = json!({"reference": format!("Patient/{id}")});
            let resource = if number % 4 < 2 {
                let mut consent = people::consent("active", "Practitioner/gp", &["access"], &["Goal"]);
                consent["patient"] = subject;
                consent
            } else {
                with(goal(number), "subject", subject)
            };
            let kind = text(&resource, "/resourceType").to_owned();
            json!({"request": {"method": "POST", "url": kind}, "resource": resource})
        };
        let entries: Vec<Value> =
            if number % 3 == 0 { ids.iter().rev().map(write).collect() } else { ids.iter().map(write).collect() };
        apps[number % 2].post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    });
    let answers = together(bundles).await;
    assert_eq!(statuses(&answers, 200), MANY, "{:?}", answers.iter().find(|answer| answer.status != 200));
    for id in &ids {
        let goals = apps[0].get(&format!("Goal?patient={id}&_summary=count")).await.expect(200).json();
        let consents = apps[0].get(&format!("Consent?patient={id}&_summary=count")).await.expect(200).json();
        assert_eq!((goals["total"].as_u64(), consents["total"].as_u64()), (Some(16), Some(16)), "{id}");
    }
}

/// Of many that store the first version under one id, one does and the others update it.
async fn first_versions_under_one_id(concord: &Concord) {
    let node = concord.another_node().await;
    let apps = [concord.system(), node.system()];
    for id in ["one", "two", "three"] {
        let place = format!("Goal/{id}");
        let put = |number: usize| apps[number % 2].put(&place, &with(goal(number), "id", json!(id)));
        let answers = together((0..MANY).map(put)).await;
        let other = answers.iter().find(|answer| ![200, 201].contains(&answer.status));
        assert_eq!((statuses(&answers, 201), statuses(&answers, 200)), (1, MANY - 1), "{other:?}");
        let versions: BTreeSet<String> =
            answers.iter().map(|answer| text(&answer.json(), "/meta/versionId").to_owned()).collect();
        assert_eq!(versions.len(), MANY);
    }
}

/// A transaction that changes a record and then a resource in it, and a write that changes the resource and then the
/// record, both come through.
async fn a_transaction_and_a_write_in_its_way(concord: &Concord) {
    let system = concord.system();
    system.store(&json!({"resourceType": "Patient", "id": "amina"})).await;
    let sharing = |number: usize| {
        let consent = people::consent("active", "Practitioner/gp", &["access"], &["Goal"]);
        with(consent, "dateTime", json!(format!("2026-01-{:02}", number + 1)))
    };
    system.store(&sharing(0)).await;
    let place = "Consent/amina-sharing";
    let asks = (1..=8).map(|number| {
        if number % 2 == 0 {
            return system.put(place, &sharing(number));
        }
        let entry = |method: &str, url: &str, resource: Value| {
            json!({"request": {"method": method, "url": url}, "resource": resource})
        };
        let entries = [
            entry("POST", "Consent", people::without(sharing(number), "id")),
            entry("PUT", place, sharing(number)),
        ];
        system.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    });
    let answers = together(asks).await;
    assert_eq!(statuses(&answers, 200), 8, "{:?}", answers.iter().find(|answer| answer.status != 200));
    let count = system.get("Consent?patient=amina&_summary=count").await.expect(200).json();
    assert_eq!(count["total"].as_u64(), Some(5));
    assert_eq!(text(&system.get(place).await.expect(200).json(), "/meta/versionId"), "9");
}
