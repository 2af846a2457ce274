//! Whatever way something is written by, it is protected as what it names, and stays so.

use concord_tests::client::Method;
use concord_tests::people::{blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::{cast, encounter, hidden_from_both};

on_both! { by_every_way_of_writing, what_is_written_again_keeps_its_protection }

fn reading(id: &str, during: &str) -> Value {
    with(with(blood_pressure("amina", 120), "encounter", json!({"reference": during})), "id", json!(id))
}

fn put(resource: &Value, url: &str) -> Value {
    json!({"resource": resource, "request": {"method": "PUT", "url": url}})
}

/// A link to a hidden visit by a patch, in a transaction by `urn:uuid` and by a search, in a batch, by a conditional update,
/// and in a resource that is contained.
async fn by_every_way_of_writing(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let hidden = with(
        encounter("named", json!({"meta": hidden_from_both()})),
        "identifier",
        json!([{"system": "urn:x", "value": "1"}]),
    );
    system.store(&hidden).await;

    system.store(&with(blood_pressure("amina", 120), "id", json!("patched"))).await;
    nurse.get("Observation/patched").await.expect(200);
    let patch = json!([{"op": "add", "path": "/encounter", "value": {"reference": "Encounter/named"}}]);
    let patched = system.ask(Method::PATCH, "Observation/patched");
    patched.body("application/json-patch+json", patch.to_string()).await.expect(200);

    let visit = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let new = json!({"fullUrl": visit, "resource": new_visit(), "request": {"method": "POST", "url": "Encounter"}});
    let entries = [
        new,
        put(&reading("by-urn", visit), "Observation/by-urn"),
        put(&reading("by-search", "Encounter?identifier=urn:x|1"), "Observation/by-search"),
    ];
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    system.post("", &bundle).await.expect(200);
    let batched = [put(&reading("batched", "Encounter/named"), "Observation/batched")];
    system.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": batched})).await.expect(200);

    let inner = json!({"resourceType": "Procedure", "id": "inner", "status": "completed", "subject": {"reference": "Patient/amina"},
        "encounter": {"reference": "Encounter/named"}});
    let outer = with(blood_pressure("amina", 120), "partOf", json!([{"reference": "#inner"}]));
    system.store(&with(with(outer, "contained", json!([inner])), "id", json!("contains"))).await;

    for id in ["patched", "by-urn", "by-search", "batched", "contains"] {
        for app in [&amina, &nurse] {
            assert_eq!(app.get(&format!("Observation/{id}")).await.status, 404, "{id}");
        }
        system.get(&format!("Observation/{id}")).await.expect(200);
    }
    let told = nurse.get("Observation?patient=amina&_count=1000").await.expect(200).text();
    for id in ["patched", "by-urn", "by-search", "batched", "contains"] {
        assert!(!told.contains(&format!("Observation/{id}\"")), "{id}");
    }
    // As it was before the patch it names nothing hidden, but nobody sees the past of what they may not see.
    nurse.get("Observation/patched/_history/1").await.expect(404);
}

/// A hidden visit that has no id yet.
fn new_visit() -> Value {
    concord_tests::people::without(encounter("x", json!({"meta": hidden_from_both()})), "id")
}

/// A visit that is deleted and written again, and what was recorded in it too.
async fn what_is_written_again_keeps_its_protection(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    system.store(&encounter("visit", json!({}))).await;
    system.store(&reading("again", "Encounter/visit")).await;
    relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
    nurse.get("Observation/again").await.expect(404);
    system.delete("Observation/again").await.expect(204);
    nurse.get("Observation/again").await.expect(404);
    nurse.get("Observation/again/_history/1").await.expect(404);
    system.store(&with(blood_pressure("amina", 120), "id", json!("again"))).await;
    nurse.get("Observation/again").await.expect(200);
    nurse.get("Observation/again/_history/1").await.expect(404);
    nurse.get("Observation/again/_history/2").await.expect(404);
    assert_eq!(nurse.entries("Observation/again/_history").await.len(), 1);

    system.store(&reading("stays", "Encounter/visit")).await;
    system.delete("Encounter/visit").await.expect(204);
    nurse.get("Observation/stays").await.expect(404);
    system.store(&encounter("visit", json!({}))).await;
    nurse.get("Encounter/visit").await.expect(404);
    nurse.get("Observation/stays").await.expect(404);
    nurse.get("Observation/again/_history/1").await.expect(404);
}
