//! What is a patient's to decide stays hers, whoever stored it and however it names her; and what protects something is not lost by
//! deleting it.

use concord_tests::client::Method;
use concord_tests::people::{self, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::{ACT, cast};

on_both! { she_ends_what_a_system_stored, she_negotiates_what_names_her_by_a_number, a_label_outlasts_a_deletion }

const AMINA: &str = "Patient/amina";
const ELSEWHERE: &str = "Practitioner/gp-elsewhere";
const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

async fn becomes(app: &App, place: &str, path: &str, value: &str) -> u16 {
    let patch = json!([{"op": "replace", "path": path, "value": value}]).to_string();
    app.ask(Method::PATCH, place).body("application/json-patch+json", patch).await.status
}

async fn numbered(concord: &Concord) {
    people::arrive(concord).await;
    let amina = json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}],
        "identifier": [{"system": NUMBER, "value": "9000000009"}]});
    concord.system().store(&amina).await;
}

/// Access that a registered system has recorded ends when the patient says so in her own app. By what right of the law somebody acts, and
/// who is suspended, is not hers to say.
async fn she_ends_what_a_system_stored(concord: &Concord) {
    numbered(concord).await;
    let (amina, system, elsewhere) = (concord.patient("amina"), concord.system(), concord.user(ELSEWHERE));
    let reading = format!("Observation/{}", amina.create(&people::blood_pressure("amina", 120)).await);
    let plain = without(people::consent("active", ELSEWHERE, &["access"], &["Observation"]), "id");
    let by_number = with(plain.clone(), "patient", json!({"identifier": {"system": NUMBER, "value": "9000000009"}}));
    let hers = with(plain.clone(), "performer", json!([{"reference": AMINA}]));
    for choice in [&plain, &by_number, &hers] {
        for status in ["inactive", "rejected"] {
            let place = format!("Consent/{}", system.create(choice).await);
            elsewhere.get(&reading).await.expect(200);
            let narrowed = with(amina.get(&place).await.expect(200).json(), "dateTime", json!("2026-01-02"));
            let app = concord.user("Practitioner/gp");
            assert_ne!(becomes(&app, &place, "/status", status).await, 200);
            if *choice != hers {
                amina.put(&place, &with(narrowed, "status", json!("inactive"))).await.expect(422);
                amina.delete(&place).await.expect(403);
            }
            assert_eq!(becomes(&amina, &place, "/status", status).await, 200, "{status}");
            elsewhere.get(&reading).await.expect(404);
        }
    }
    let basis = json!({"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/England-NHSProxyLegalBasis",
        "code": "parental-responsibility"}]});
    let mut proxy = without(people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]), "id");
    proxy["policyRule"] = basis;
    let proxy = format!("Consent/{}", system.create(&proxy).await);
    assert_eq!(becomes(&amina, &proxy, "/status", "inactive").await, 403);
}

/// What a system filed by her NHS number is hers as what names her by a reference is.
async fn she_negotiates_what_names_her_by_a_number(concord: &Concord) {
    numbered(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let by = |number: &str| json!({"identifier": {"system": NUMBER, "value": number}});
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": by("9000000009")});
    let place = format!("Goal/{}", system.create(&goal).await);
    assert_eq!(becomes(&amina, &place, "/lifecycleStatus", "on-hold").await, 200);
    assert_eq!(system.get(&place).await.expect(200).json()["subject"], goal["subject"]);
    amina.get(&place).await.expect(200);
    assert_eq!(becomes(&amina, &place, "/subject/identifier/value", "9000000017").await, 422);
    // What she wrote, as a system says, is hers to take back.
    let reading = with(people::blood_pressure("amina", 120), "subject", by("9000000009"));
    let reading = with(reading, "performer", json!([{"reference": AMINA}]));
    let reading = format!("Observation/{}", system.create(&reading).await);
    assert_eq!(becomes(&amina, &reading, "/status", "entered-in-error").await, 200);
    // Of what nobody has filed a number tells nothing.
    amina.post("Goal", &goal).await.expect(403);
    amina
        .post("Observation", &with(people::blood_pressure("amina", 120), "subject", by("9000000009")))
        .await
        .expect(403);
}

fn labelled(resource: &Value, code: &str) -> Value {
    with(resource.clone(), "meta", json!({"security": [{"system": ACT, "code": code}]}))
}

/// What a professional kept from the patient, and what she labelled herself, is no less protected when a system writes it anew after a
/// deletion than when it changes it.
async fn a_label_outlasts_a_deletion(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (gp, system) = (concord.user("Practitioner/gp"), concord.system());
    let reading = people::blood_pressure("amina", 120);
    for (writer, code, kept_from) in [(&gp, "NOPAT", &amina), (&amina, "SEX", &nurse)] {
        let place = format!("Observation/{}", writer.create(&labelled(&reading, code)).await);
        let anew = with(reading.clone(), "id", json!(place.trim_start_matches("Observation/")));
        kept_from.get(&place).await.expect(404);
        writer.delete(&place).await.expect(204);
        let told = system.put(&place, &anew).header("prefer", "return=OperationOutcome").await.expect(201);
        assert!(told.text().contains(&format!("the label {code} was kept")), "{told}");
        for place in [place.clone(), format!("{place}/_history/1"), format!("{place}/_history/3")] {
            kept_from.get(&place).await.expect(404);
        }
        // And once more.
        system.delete(&place).await.expect(204);
        system.put(&place, &anew).await.expect(201);
        kept_from.get(&place).await.expect(404);
    }
    // What nobody labelled is as before, and a system takes away what it may.
    let place = format!("Observation/{}", gp.create(&labelled(&reading, "NOPAT")).await);
    gp.delete(&place).await.expect(204);
    let anew = with(reading.clone(), "id", json!(place.trim_start_matches("Observation/")));
    system.put(&place, &anew).await.expect(201);
    relabel(&system, &place, "$meta-delete", "NOPAT").await;
    amina.get(&place).await.expect(200);
    let open = with(reading, "id", json!("open-again"));
    system.store(&open).await;
    system.delete("Observation/open-again").await.expect(204);
    system.put("Observation/open-again", &open).await.expect(201);
    amina.get("Observation/open-again").await.expect(200);
}
