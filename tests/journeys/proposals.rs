//! What a proposal of a Consent names. No label hides one from the patient to whom it is made, so none names what is kept from her: she would
//! learn by it that there is such a thing.

use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::power_by_consent::place_of;

on_both! { wherever_in_it, what_it_names_may_be_kept_later, what_was_kept_until_it_was_deleted, what_a_transaction_stores_with_it, what_is_released_names_none }

const PLACE: &str = "provision.data[0].reference";

/// A label that keeps something from her.
fn kept() -> Value {
    json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]})
}

fn meta() -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": kept()}]})
}

fn reading() -> Value {
    without(blood_pressure("amina", 120), "id")
}

fn proposal() -> Value {
    without(people::consent("proposed", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id")
}

fn data(reference: &str) -> Value {
    json!([{"meaning": "instance", "reference": {"reference": reference}}])
}

/// One about something.
fn about(reference: &str) -> Value {
    let mut one = proposal();
    one["provision"]["data"] = data(reference);
    one
}

async fn arrive(concord: &Concord) -> (App, App, App) {
    people::arrive(concord).await;
    let system = concord.system();
    let encounter = json!({"resourceType": "Encounter", "id": "kept", "status": "finished", "meta": kept(),
        "class": {"code": "AMB"}, "subject": {"reference": "Patient/amina"}});
    system.store(&encounter).await;
    (concord.patient("amina"), concord.user("Practitioner/gp"), system)
}

/// Also where it says of itself that it is not for her, and where what it names is kept by what that is part of.
async fn wherever_in_it(concord: &Concord) {
    let (amina, gp, system) = arrive(concord).await;
    let inside = with(reading(), "encounter", json!({"reference": "Encounter/kept"}));
    let inherits = format!("Observation/{}", system.create(&inside).await);
    let open = format!("Observation/{}", system.create(&reading()).await);
    let extension = |reference: &str| {
        with(proposal(), "extension", json!([{"url": "urn:x", "valueReference": {"reference": reference}}]))
    };
    let deeper = |reference: &str| {
        let mut one = proposal();
        one["provision"]["provision"] = json!([{"type": "deny", "data": data(reference)}]);
        one
    };
    let source = |reference: &str| with(proposal(), "sourceReference", json!({"reference": reference}));
    for (make, element) in [
        (&about as &dyn Fn(&str) -> Value, PLACE),
        (&extension, "Consent.extension[0].value"),
        (&deeper, "Consent.provision.provision[0].data[0].reference"),
        (&source, "Consent.source"),
    ] {
        for named in ["Encounter/kept", inherits.as_str(), &format!("{inherits}/_history/1")] {
            for one in [make(named), with(make(named), "meta", kept())] {
                gp.get(named).await.expect(200);
                let refused = gp.post("Consent", &one).await.expect(422);
                assert!(refused.text().contains(element), "{refused}");
            }
        }
        let place = place_of(&gp.post("Consent", &make(&open)).await.expect(201));
        let stored = gp.get(&place).await.expect(200).json();
        let changed = with(make("Encounter/kept"), "id", stored["id"].clone());
        gp.put(&place, &changed).await.expect(422);
        gp.put(&place, &with(stored, "status", json!("draft"))).await.expect(200);
        amina.get(&place).await.expect(200);
        // The same from a system may be kept from her, and is for that system to say.
        system.post("Consent", &with(make("Encounter/kept"), "meta", kept())).await.expect(201);
    }
}

/// What it names already stays, and its writer may go on with it.
async fn what_it_names_may_be_kept_later(concord: &Concord) {
    let (_, gp, system) = arrive(concord).await;
    let open = format!("Observation/{}", system.create(&reading()).await);
    let place = place_of(&gp.post("Consent", &about(&open)).await.expect(201));
    system.post(&format!("{open}/$meta-add"), &meta()).await.expect(200);
    let stands = gp.get(&place).await.expect(200).json();
    gp.put(&place, &with(stands, "status", json!("draft"))).await.expect(200);
}

async fn what_was_kept_until_it_was_deleted(concord: &Concord) {
    let (_, gp, _) = arrive(concord).await;
    let gone = format!("Observation/{}", gp.create(&with(reading(), "meta", kept())).await);
    gp.delete(&gone).await.expect(204);
    let refused = gp.post("Consent", &about(&gone)).await.expect(422);
    assert!(refused.text().contains("is kept from the patient"), "{refused}");
}

/// In whichever order, and what it hides by what that is part of.
async fn what_a_transaction_stores_with_it(concord: &Concord) {
    let (_, gp, _) = arrive(concord).await;
    let send = async |entries: &Value| {
        gp.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await
    };
    let entry = |name: &str, resource: Value| {
        let kind = resource["resourceType"].clone();
        json!({"fullUrl": name, "resource": resource, "request": {"method": "POST", "url": kind}})
    };
    let (item, consent) =
        ("urn:uuid:9f6f2b7e-5f6c-4a0e-9a52-0d8f6a0f6a11", "urn:uuid:9f6f2b7e-5f6c-4a0e-9a52-0d8f6a0f6a12");
    let (hidden, proposed) = (entry(item, with(reading(), "meta", kept())), entry(consent, about(item)));
    for entries in [json!([proposed, hidden]), json!([hidden, proposed])] {
        let refused = send(&entries).await.expect(422);
        assert!(refused.text().contains(PLACE), "{refused}");
    }
    send(&json!([proposed, entry(item, reading())])).await.expect(200);

    let visit = json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/amina"}});
    let visit = format!("Encounter/{}", gp.create(&visit).await);
    let part = gp.create(&with(reading(), "encounter", json!({"reference": visit}))).await;
    let stored = gp.get(&visit).await.expect(200).json();
    let hiding = json!({"resource": meta(), "request": {"method": "POST", "url": format!("{visit}/$meta-add")}});
    let refused = send(&json!([entry(consent, about(&format!("Observation/{part}"))), hiding])).await.expect(422);
    assert!(refused.text().contains(PLACE), "{refused}");
    assert_eq!(gp.get(&visit).await.expect(200).json(), stored);
}

/// Whoever releases a Consent that was kept from her releases no such name.
async fn what_is_released_names_none(concord: &Concord) {
    let (amina, _, system) = arrive(concord).await;
    let held = place_of(&system.post("Consent", &with(about("Encounter/kept"), "meta", kept())).await.expect(201));
    let because =
        json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "the review is over"}]});
    let safeguarding = concord.officer("Practitioner/gp", "safeguarding-lead");
    let release = safeguarding.post(&format!("{held}/$release"), &because);
    let refused = release.header("X-Purpose-Reason", "the review is over").await.expect(422);
    assert!(refused.text().contains(PLACE), "{refused}");
    amina.get(&held).await.expect(404);
}
