//! No two entries of a transaction are for the same resource, also where a condition says which one it is.

use base64::Engine;
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { overlaps_are_refused_whatever_the_methods, what_does_not_overlap_is_done, what_is_hidden_overlaps_with_nothing }

fn goal(subject: &str, value: &str) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "identifier": [{"system": "urn:app", "value": value}, {"system": "urn:other", "value": value}],
        "subject": {"reference": format!("Patient/{subject}")}})
}

fn entry(method: &str, url: &str, id: Option<&str>, value: &str) -> Value {
    let resource = match method {
        "DELETE" => return json!({"request": {"method": method, "url": url}}),
        "PATCH" => {
            let patch = json!([{"op": "replace", "path": "/description/text", "value": "run"}]).to_string();
            json!({"resourceType": "Binary", "contentType": "application/json-patch+json",
                "data": base64::engine::general_purpose::STANDARD.encode(patch)})
        }
        _ => id.map_or_else(|| goal("amina", value), |id| with(goal("amina", value), "id", json!(id))),
    };
    json!({"request": {"method": method, "url": url}, "resource": resource})
}

async fn send(app: &App, entries: &[Value]) -> u16 {
    app.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await.status
}

/// Every two ways to name one resource for a change, by every method.
async fn overlaps_are_refused_whatever_the_methods(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina", "s")).await;
    let by_id = format!("Goal/{id}");
    let by_condition =
        ["Goal?identifier=urn:app|s", "Goal?identifier=urn:other|s", "Goal?identifier=s&subject=Patient/amina"];
    let ways: Vec<&str> = std::iter::once(by_id.as_str()).chain(by_condition).collect();
    for first in ["PUT", "PATCH", "DELETE"] {
        for second in ["PUT", "PATCH", "DELETE"] {
            for one in &ways {
                for other in &ways {
                    let own = |url: &str| (url == by_id).then_some(id.as_str());
                    let entries = [entry(first, one, own(one), "s"), entry(second, other, own(other), "s")];
                    assert_eq!(send(&amina, &entries).await, 400, "{first} {one}, {second} {other}");
                }
            }
        }
    }
    let found = amina.get(&by_id).await.expect(200).json();
    assert_eq!(found["meta"]["versionId"], "1");
    // What one entry creates another may not change, whether by the same condition or because it comes to meet it.
    let new = "Goal?identifier=urn:app|new";
    let mut create = entry("POST", "Goal", None, "new");
    let plain = create.clone();
    create["request"]["ifNoneExist"] = json!("identifier=urn:app|new");
    for other in ["PUT", "PATCH"] {
        for first in [&create, &plain] {
            let status = send(&amina, &[first.clone(), entry(other, new, None, "new")]).await;
            assert_eq!(status, 400, "{other} {first}");
        }
    }
    assert_eq!(send(&amina, &[entry("PUT", new, None, "new"), entry("PUT", new, None, "new")]).await, 400);
    assert!(amina.get("Goal?identifier=urn:app|new").await.expect(200).ids().is_empty());
}

async fn what_does_not_overlap_is_done(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for value in ["a", "b", "c"] {
        amina.create(&goal("amina", value)).await;
    }
    let url = |value: &str| format!("Goal?identifier=urn:app|{value}");
    let entries = [
        entry("DELETE", &url("a"), None, "a"),
        entry("PUT", &url("b"), None, "b2"),
        entry("PATCH", &url("c"), None, "c"),
        entry("DELETE", &url("nothing"), None, ""),
        entry("PUT", &url("new"), None, "new"),
    ];
    assert_eq!(send(&amina, &entries).await, 200);
    for (value, count) in [("a", 0), ("b2", 1), ("c", 1), ("new", 1)] {
        assert_eq!(amina.get(&url(value)).await.expect(200).ids().len(), count, "{value}");
    }
}

/// Whoever may not see a resource does not learn by an overlap that it is there.
async fn what_is_hidden_overlaps_with_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let hidden = concord.system().create(&goal("callum", "s")).await;
    let amina = concord.patient("amina");
    let mut told = Vec::new();
    for id in [hidden.as_str(), "01900000-0000-7000-8000-000000000000"] {
        let entries =
            [entry("DELETE", &format!("Goal?_id={id}"), None, ""), entry("PUT", &format!("Goal/{id}"), Some(id), "s")];
        told.push(send(&amina, &entries).await);
    }
    assert_eq!(told, [404, 404]);
    concord.system().get(&format!("Goal/{hidden}")).await.expect(200);
}
