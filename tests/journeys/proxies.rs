//! Proxies and carers write as themselves: in their own name, on behalf of the patient, who sees the difference.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_carer_and_an_attorney_write_as_themselves, what_others_wrote_is_commented_on, an_attorney_talks_agrees_and_looks
}

/// Amina's Consent to an attorney, as the national proxy service has it.
pub(crate) fn attorney(who: &str, status: &str) -> Value {
    let basis = json!({"coding": [{"system": "https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis",
        "code": "health-and-welfare-lasting-power-of-attorney"}]});
    let consent = with(people::consent(status, who, &["access"], &["Observation"]), "policyRule", basis);
    let mut consent = with(consent, "id", json!("amina-attorney"));
    let provision = consent["provision"].as_object_mut().expect("a provision");
    provision.shift_remove("action");
    provision["class"] =
        json!([{"system": "https://fhir.nhs.uk/CodeSystem/Proxy-Placeholder-RequestedAccess", "code": "RECRD"}]);
    consent
}

fn note(says: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "payload": [{"contentString": says}]})
}

fn vouches(resource: &Value) -> Vec<&str> {
    let labels = resource["meta"]["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    labels.iter().map(|label| text(label, "/code")).collect()
}

async fn a_carer_and_an_attorney_write_as_themselves(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.store(&attorney("RelatedPerson/neighbour", "active")).await;
    let (son, attorney_app) = (concord.user("RelatedPerson/yusuf"), concord.user("RelatedPerson/neighbour"));
    let own = amina.post("Observation", &blood_pressure("amina", 118)).await.expect(201).json();
    let cared = son.post("Observation", &blood_pressure("amina", 119)).await.expect(201).json();
    let decided = attorney_app.post("Observation", &blood_pressure("amina", 120)).await.expect(201).json();
    for (stored, label, who) in [
        (&own, "PATAST", "Patient/amina"),
        (&cared, "PACQAST", "RelatedPerson/yusuf"),
        (&decided, "SDMAST", "RelatedPerson/neighbour"),
    ] {
        assert_eq!((vouches(stored), text(stored, "/performer/0/reference")), (vec![label], who));
        // She sees who wrote, and on whose behalf.
        let place = format!("Observation/{}", text(stored, "/id"));
        let told = amina.get(&format!("Provenance?target={place}")).await.expect(200).matches();
        assert_eq!(text(&told[0], "/agent/0/who/reference"), who);
        let behalf = if label == "PATAST" { "" } else { "Patient/amina" };
        assert_eq!(text(&told[0], "/agent/0/onBehalfOf/reference"), behalf);
        let found = amina.get(&format!("Observation?patient=amina&_security={label}")).await.expect(200).ids();
        assert_eq!(found, [text(stored, "/id")]);
    }
    // An attorney tells her story with her, as the one who wrote it down.
    let story = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-11-30T10:00:00Z",
        "questionnaire": "https://concord.example/Questionnaire/about-me", "subject": {"reference": "Patient/amina"},
        "source": {"reference": "Patient/amina"}, "item": [{"linkId": "most-important", "answer": [{"valueString": "Friday dinners"}]}]});
    let story = attorney_app.post("QuestionnaireResponse", &story).await.expect(201).json();
    assert_eq!(
        (text(&story, "/author/reference"), text(&story, "/source/reference")),
        ("RelatedPerson/neighbour", "Patient/amina")
    );
    assert!(
        concord
            .user("Practitioner/gp")
            .get("Patient/amina/$summary")
            .await
            .expect(200)
            .text()
            .contains("Friday dinners")
    );
    attorney_app.post("Communication", &note("She sleeps badly")).await.expect(201);
    // Neither says that it was she, or somebody else, nor writes for somebody else.
    for app in [&son, &attorney_app] {
        let forged = with(blood_pressure("amina", 121), "performer", json!([{"reference": "Patient/amina"}]));
        assert_eq!(app.post("Observation", &forged).await.expect(422).issues()[0].1, "Observation.performer[0]");
        let elsewhere = app.post("Observation", &blood_pressure("callum", 121)).await;
        assert!([403, 404, 422].contains(&elsewhere.status), "{elsewhere}");
    }
    son.post("Communication", &note("not what he was let do")).await.expect(403);
    for stranger in [concord.patient("callum"), concord.user("Practitioner/former")] {
        stranger.get(&format!("Observation/{}", text(&decided, "/id"))).await.expect(404);
    }
    concord
        .user_with("RelatedPerson/neighbour", "user/*.rs")
        .post("Observation", &blood_pressure("amina", 1))
        .await
        .expect(403);
    assert!(system.get("Observation?patient=callum").await.expect(200).ids().is_empty());
    // When the role ends, so does the writing, from the next request on; what was written stays.
    system.store(&attorney("RelatedPerson/neighbour", "inactive")).await;
    attorney_app.post("Observation", &blood_pressure("amina", 122)).await.expect(403);
    amina.get(&format!("Observation/{}", text(&decided, "/id"))).await.expect(200);
}

async fn what_others_wrote_is_commented_on(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.store(&attorney("RelatedPerson/neighbour", "active")).await;
    let proxy = concord.user("RelatedPerson/neighbour");
    let theirs = proxy.post("Observation", &blood_pressure("amina", 150)).await.expect(201).json();
    let hers = amina.post("Observation", &blood_pressure("amina", 151)).await.expect(201).json();
    let place = |stored: &Value| format!("Observation/{}", text(stored, "/id"));
    for (app, other) in [(&amina, &theirs), (&proxy, &hers)] {
        let refused = app.put(&place(other), &with(other.clone(), "note", json!([{"text": "no"}]))).await.expect(403);
        assert!(refused.text().contains("`about`"), "{refused}");
        app.delete(&place(other)).await.expect(403);
        app.post("Communication", &with(note("Not so"), "about", json!([{"reference": place(other)}])))
            .await
            .expect(201);
    }
    proxy.put(&place(&theirs), &with(theirs.clone(), "note", json!([{"text": "after lunch"}]))).await.expect(200);
    // What she hides from everybody else by a label is not the attorney's to read.
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]}}]});
    amina.post(&format!("{}/$meta-add", place(&hers)), &label).await.expect(200);
    proxy.get(&place(&hers)).await.expect(404);
}

async fn an_attorney_talks_agrees_and_looks(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    concord.system().store(&attorney("RelatedPerson/neighbour", "active")).await;
    let (proxy, son) = (concord.user("RelatedPerson/neighbour"), concord.user("RelatedPerson/yusuf"));
    // Comments, in a thread with the professional.
    let id = gp.create(&blood_pressure("amina", 150)).await;
    let reading = format!("Observation/{id}");
    let comment = with(note("She was upset"), "about", json!([{"reference": reading}]));
    let comment = format!("Communication/{}", proxy.create(&comment).await);
    let answer = with(
        with(note("I see"), "about", json!([{"reference": reading}])),
        "inResponseTo",
        json!([{"reference": comment}]),
    );
    gp.create(&answer).await;
    let beside = format!("Observation?_id={id}&_revinclude=Communication:about");
    for (app, comments) in [(&amina, 2), (&proxy, 2), (&son, 2), (&concord.patient("callum"), 0)] {
        let found = app.get(&beside).await.expect(200).entries();
        let talk = found.iter().filter(|one| one["resource"]["resourceType"] == "Communication").count();
        assert_eq!(talk, comments);
    }
    // A goal: the proxy sees what was agreed and gives nobody's word but their own.
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", amina.create(&goal).await);
    proxy.get(&format!("{goal}/$agreement")).await.expect(200);
    let stored = proxy.get(&goal).await.expect(200).json();
    let word = json!([{"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
        {"url": "individual", "valueReference": {"reference": "Patient/amina"}}, {"url": "status", "valueCode": "disagree"}]}]);
    let forged = proxy.put(&goal, &with(stored, "extension", word)).await;
    assert!([403, 422].contains(&forged.status), "{forged}");
    assert_eq!(amina.get(&goal).await.expect(200).json()["meta"]["versionId"], "1");
    // Readings over time, and who looked: the proxy's own looking is in her log, in their name.
    let series = "Observation/$lastn?patient=amina";
    assert_eq!(
        proxy.get(series).await.expect(200).entries().len(),
        amina.get(series).await.expect(200).entries().len()
    );
    let told = Value::from(amina.entries("Patient/amina/$access-log").await).to_string();
    assert!(told.contains("RelatedPerson/neighbour"), "{told}");
}
