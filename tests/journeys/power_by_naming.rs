//! Nobody gains power, or gives it, by writing who somebody is: the patient and registered systems do.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, with, without};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_professional_makes_nobody_a_carer, an_app_is_named_by_systems, one_carer_has_one_nhs_number
}

const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";
const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

fn carer() -> Value {
    json!({"resourceType": "RelatedPerson", "active": true, "patient": {"reference": AMINA}, "name": [{"text": "Kin"}]})
}

fn numbered(number: &str) -> Value {
    with(carer(), "identifier", json!([{"system": NUMBER, "value": number}]))
}

/// A next of kin is written down; as whom somebody signs in, or a sharing choice finds them, is not the professional's to say.
async fn a_professional_makes_nobody_a_carer(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let mut choice = without(people::consent("active", AMINA, &["access"], &["Observation"]), "id");
    choice["provision"]["actor"][0]["reference"] = json!({"identifier": {"system": NUMBER, "value": "9434765919"}});
    amina.create(&choice).await;
    let reading = format!("Observation/{}", amina.create(&people::blood_pressure("amina", 120)).await);
    let issue = gp.post("RelatedPerson", &numbered("9434765919")).await.expect(403).json();
    assert_eq!(text(&issue, "/issue/0/expression/0"), "RelatedPerson.identifier");
    assert!(issue.to_string().contains("the patient in her own app"), "{issue}");
    let kin = gp.create(&carer()).await;
    let place = format!("RelatedPerson/{kin}");
    let own = with(carer(), "id", json!(kin));
    for (changed, element) in [
        (
            with(own.clone(), "identifier", json!([{"system": "https://login.example", "value": "mallory"}])),
            "identifier",
        ),
        (with(own.clone(), "identifier", json!([{"value": "mallory"}])), "identifier"),
        (with(own.clone(), "active", json!(false)), "active"),
        (without(own.clone(), "active"), "active"),
        (with(own.clone(), "period", json!({"end": "2099-01-01"})), "period"),
    ] {
        let told = gp.put(&place, &changed).await.expect(403).json();
        assert_eq!(text(&told, "/issue/0/expression/0"), format!("RelatedPerson.{element}"));
        let entry = json!({"resource": changed, "request": {"method": "PUT", "url": place}});
        gp.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).await.expect(403);
        gp.put(&format!("RelatedPerson?_id={kin}"), &changed).await.expect(403);
    }
    let patch = json!([{"op": "add", "path": "/identifier", "value": [{"system": NUMBER, "value": "9434765919"}]}]);
    gp.ask(Method::PATCH, &place).body("application/json-patch+json", patch.to_string()).await.expect(403);
    // Nor when a system has said it: no part of it may become another.
    let identified =
        with(own.clone(), "identifier", json!([{"use": "official", "system": NUMBER, "value": "9990011176"}]));
    concord.system().put(&place, &identified).await.expect(200);
    for (path, value) in [
        ("/identifier/0/value", json!("9434765919")),
        ("/identifier/0/system", json!("https://login.example")),
        ("/identifier/0/use", json!("old")),
        ("/identifier/0/period", json!({"end": "2099-01-01"})),
        ("/identifier/0", json!({"system": NUMBER, "value": "9434765919"})),
        ("/identifier/1", json!({"system": NUMBER, "value": "9434765919"})),
        ("/identifier", json!([{"system": NUMBER, "value": "9434765919"}])),
    ] {
        let op = if path.ends_with('1') || path.ends_with("period") { "add" } else { "replace" };
        let patch = json!([{"op": op, "path": path, "value": value}]).to_string();
        let told = gp.ask(Method::PATCH, &place).body("application/json-patch+json", patch).await;
        assert_eq!(told.expect(403).issues()[0].1, "RelatedPerson.identifier", "{path}");
    }
    let stored = concord.system().get(&place).await.expect(200).json();
    assert_eq!(stored["identifier"], identified["identifier"]);
    // What says nothing of that is theirs to change, and to take back.
    gp.put(&place, &with(own, "name", json!([{"text": "Next of kin"}]))).await.expect(200);
    concord.user(&place).get(&reading).await.expect(404);
    gp.delete(&place).await.expect(204);
    // She names her carer herself.
    let named = format!("RelatedPerson/{}", amina.create(&numbered("9434765919")).await);
    concord.user(&named).get(&reading).await.expect(200);
}

/// A Device stands for an app by its identifier, so that whoever writes that says which app a sharing choice means.
async fn an_app_is_named_by_systems(concord: &Concord) {
    people::arrive(concord).await;
    let watch = |system: &str| {
        json!({"resourceType": "Device", "patient": {"reference": AMINA},
            "identifier": [{"system": system, "value": "diary"}]})
    };
    for app in [concord.user(GP), concord.patient("amina")] {
        let plain = app.create(&watch("urn:serial")).await;
        for system in ["urn:concord:client", "urn:concord:issued-client"] {
            app.post("Device", &watch(system)).await.expect(422);
            app.put(&format!("Device/{plain}"), &with(watch(system), "id", json!(plain))).await.expect(422);
        }
    }
}

async fn one_carer_has_one_nhs_number(concord: &Concord) {
    people::arrive(concord).await;
    let two = with(
        carer(),
        "identifier",
        json!([{"system": NUMBER, "value": "9434765919"}, {"system": NUMBER, "value": "9000000009"}]),
    );
    for app in [concord.patient("amina"), concord.system()] {
        let told = app.post("RelatedPerson", &two).await.expect(422).json();
        assert_eq!(text(&told, "/issue/0/expression/0"), "RelatedPerson.identifier");
        app.create(&numbered("9000000009")).await;
    }
}
