//! Apps and systems: what they may do is what their registration and the patient's Consent for them leave of what their
//! user may.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::Method;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[
    (
        "CONCORD_ISSUERS",
        r#"[{"issuer": "https://login.example", "audience": "a", "jwks": "keys.json",
            "token_endpoint": "https://login.example/token"}]"#,
    ),
    (
        "CONCORD_CLIENTS",
        r#"[{"client": "heart-diary", "kind": "third-party", "issuer": "urn:concord:development"},
            {"client": "letters", "purposes": ["TREAT"]},
            {"client": "diary-of-others", "kind": "own", "issuer": "https://elsewhere.example"}]"#,
    ),
    ("CONCORD_SUGGEST_LABELS", "true"),
];

on_both! {
    with super::SETTINGS;
    an_app_of_others_needs_the_patient, whose_device_it_is_is_asked_each_time, systems_act_for_what_they_are_registered_for,
    codes_suggest_labels, an_app_of_others_in_a_conversation, an_app_of_others_labels_nothing_beside,
    nobody_but_a_system_makes_a_device_an_app, a_denial_that_misnames_an_app_denies_it, apps_learn_where_to_get_tokens
}

fn app(concord: &Concord, client: &str) -> App {
    concord.app(&TokenRequest {
        client_id: client.to_owned(),
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        ..TokenRequest::default()
    })
}

/// Amina's Consent about an app, with that type.
fn consent(effect: &str, actor: Value) -> Value {
    let mut consent = people::consent("active", "Device/x", &["access"], &["Observation"]);
    consent["id"] = json!("amina-apps");
    consent["provision"]["type"] = json!(effect);
    consent["provision"]["actor"][0]["reference"] = actor;
    consent
}

/// Somebody else's app neither puts a label beside what others wrote nor takes the patient's away, whatever it may read.
async fn an_app_of_others_labels_nothing_beside(concord: &Concord) {
    people::arrive(concord).await;
    let (own, others, system) = (app(concord, "phr-app"), app(concord, "heart-diary"), concord.system());
    let mut shared = consent("permit", json!("Device/x"));
    shared["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    shared["provision"]["class"] = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"},
        {"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]);
    system.store(&shared).await;
    shared["id"] = json!("amina-apps-sensitive");
    shared["provision"]["securityLabel"] =
        json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]);
    system.store(&shared).await;
    let reading = format!("Observation/{}", system.create(&blood_pressure("amina", 120)).await);
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]}}]});
    others.get("Patient/amina").await.expect(200);
    for place in [reading.as_str(), "Patient/amina"] {
        others.post(&format!("{place}/$meta-add"), &label).await.expect(403);
    }
    own.post(&format!("{reading}/$meta-add"), &label).await.expect(200);
    others.get(&reading).await.expect(200);
    others.post(&format!("{reading}/$meta-delete"), &label).await.expect(403);
    let labels = system.get(&format!("{reading}/$meta")).await.expect(200);
    assert!(labels.json().to_string().contains("\"SEX\""), "{labels}");
    own.post(&format!("{reading}/$meta-delete"), &label).await.expect(200);
}

/// A Consent that names a Device is about the app that the Device stands for: no person says which one that is.
async fn nobody_but_a_system_makes_a_device_an_app(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let client = |value: &str| json!([{"system": "urn:concord:client", "value": value}]);
    let mut scales = json!({"resourceType": "Device", "patient": {"reference": "Patient/amina"},
        "deviceName": [{"name": "scales", "type": "user-friendly-name"}]});
    let own = format!("Device/{}", amina.create(&scales).await);
    scales["identifier"] = client("heart-diary");
    amina.post("Device", &scales).await.expect(422);
    let mut stored = amina.get(&own).await.expect(200).json();
    stored["identifier"] = client("heart-diary");
    assert_eq!(amina.put(&own, &stored).await.expect(422).issues()[0].1, "Device.identifier[0].system");
    let patch = json!([{"op": "add", "path": "/identifier", "value": client("heart-diary")}]).to_string();
    amina.ask(Method::PATCH, &own).body("application/json-patch+json", patch).await.expect(422);
    system.create(&scales).await;
}

async fn an_app_of_others_needs_the_patient(concord: &Concord) {
    people::arrive(concord).await;
    let (own, others) = (app(concord, "phr-app"), app(concord, "heart-diary"));
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", own.create(&goal).await);
    let check = async |permitted: bool| {
        others.get(&reading).await.expect(if permitted { 200 } else { 404 });
        assert_eq!(others.get("Observation").await.expect(200).ids().len(), usize::from(permitted));
        others.get(&goal).await.expect(404);
        assert!(others.get("Goal").await.expect(200).ids().is_empty());
        own.get(&goal).await.expect(200);
    };
    check(false).await;
    others.post("Observation", &blood_pressure("amina", 121)).await.expect(403);
    // An app that is known by the word of another issuer is not by this one's.
    app(concord, "diary-of-others").get(&reading).await.expect(404);
    let actor = json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    let place = format!("Consent/{}", own.create(&people::without(consent("permit", actor), "id")).await);
    check(true).await;
    let stored = own.get(&place).await.expect(200).json();
    own.put(&place, &with(stored, "status", json!("inactive"))).await.expect(200);
    check(false).await;
}

async fn a_denial_that_misnames_an_app_denies_it(concord: &Concord) {
    people::arrive(concord).await;
    let (own, others) = (app(concord, "phr-app"), app(concord, "heart-diary"));
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let issued = |value: &str| json!({"identifier": {"system": "urn:concord:issued-client", "value": value}});
    let permit = consent("permit", issued("urn:concord:development|heart-diary"));
    own.create(&people::without(permit, "id")).await;
    others.get(&reading).await.expect(200);
    for (actor, denies, warns) in [
        (issued("heart-diary"), true, true),
        (issued("|heart-diary"), true, true),
        (issued("urn:concord:development/|heart-diary"), true, true),
        (json!({"identifier": {"value": "heart-diary"}}), true, true),
        (json!({"identifier": {"system": "urn:concord:client", "value": "x|heart-diary"}}), true, true),
        (issued("another-diary"), false, true),
        (issued("https://login.example|heart-diary"), false, false),
        (issued("https://login.exmaple|heart-diary"), false, true),
    ] {
        let denial = people::without(consent("deny", actor.clone()), "id");
        let told = own.post("Consent", &denial).header("prefer", "return=OperationOutcome").await.expect(201);
        assert_eq!(told.text().contains("actor[0].reference.identifier"), warns, "{actor}: {told}");
        others.get(&reading).await.expect(if denies { 404 } else { 200 });
        assert_eq!(others.get("Observation").await.expect(200).ids().is_empty(), denies, "{actor}");
        own.get(&reading).await.expect(200);
        let location = told.header("location").to_owned();
        let (place, _) = location.split_once("/_history").expect("a version");
        own.delete(place.split_once("/fhir/").expect("an address").1).await.expect(204);
        others.get(&reading).await.expect(200);
    }
}

async fn whose_device_it_is_is_asked_each_time(concord: &Concord) {
    people::arrive(concord).await;
    let (own, system) = (app(concord, "phr-app"), concord.system());
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let device = |client: &str| {
        json!({"resourceType": "Device", "id": "tablet",
            "identifier": [{"system": "urn:concord:client", "value": client}]})
    };
    system.store(&device("another")).await;
    system.store(&consent("deny", json!({"reference": "Device/tablet"}))).await;
    for (client, status) in [("another", 200), ("phr-app", 404), ("another", 200)] {
        system.store(&device(client)).await;
        own.get(&reading).await.expect(status);
        own.get(&reading).await.expect(status);
        assert_eq!(own.get("Observation").await.expect(200).ids().len(), usize::from(status == 200), "{client}");
    }
}

async fn systems_act_for_what_they_are_registered_for(concord: &Concord) {
    people::arrive(concord).await;
    let all = concord.system();
    let letters = concord.app(&TokenRequest {
        client_id: "letters".to_owned(),
        scope: "system/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MH"}]});
    all.store(&with(blood_pressure("amina", 120), "id", json!("plain"))).await;
    all.store(&with(with(blood_pressure("amina", 121), "id", json!("sensitive")), "meta", label)).await;
    letters.get("Observation/plain").await.expect(200);
    letters.get("Observation/sensitive").await.expect(404);
    assert_eq!(letters.get("Observation?patient=amina").await.expect(200).ids(), ["plain"]);
    assert_eq!(all.get("Observation?patient=amina&_sort=_id").await.expect(200).ids(), ["plain", "sensitive"]);
    letters.get("Observation/plain").header("x-purpose-of-use", "TREAT").await.expect(200);
    letters.get("Observation/plain").header("x-purpose-of-use", "HRESCH").await.expect(404);
    all.get("Observation/sensitive").header("x-purpose-of-use", "TREAT").await.expect(200);
}

async fn codes_suggest_labels(concord: &Concord) {
    people::arrive(concord).await;
    let coding = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let condition = json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"},
        "code": coding("http://snomed.info/sct", "86406008")});
    let labelled = with(
        condition.clone(),
        "meta",
        json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}),
    );
    let harmless = with(condition.clone(), "code", coding("http://snomed.info/sct", "44054006"));
    let gp = concord.user("Practitioner/gp");
    let plain = Concord::start(concord.shared_scratch(), concord.clock.clone(), &[]).await;
    for (app, resource, suggested) in [
        (&gp, &condition, true),
        (&gp, &labelled, false),
        (&gp, &harmless, false),
        (&plain.user("Practitioner/gp"), &condition, false),
    ] {
        let told = app.post("Condition", resource).header("prefer", "return=OperationOutcome").await.expect(201).text();
        assert_eq!(told.contains("suggest the sensitivity HIV"), suggested, "{resource}: {told}");
    }
}

async fn apps_learn_where_to_get_tokens(concord: &Concord) {
    let place = "/fhir/.well-known/smart-configuration";
    let told = concord.nobody().get(place).await.expect(200);
    assert!(told.header("content-type").starts_with("application/json"));
    assert_eq!(told.json()["token_endpoint"], "https://login.example/token");
    concord.nobody().post(place, &json!({})).await.expect(405);
    let plain = Concord::start(concord.shared_scratch(), concord.clock.clone(), &[]).await;
    plain.nobody().get(place).await.expect(404).issues();
}

async fn an_app_of_others_in_a_conversation(concord: &Concord) {
    people::arrive(concord).await;
    let (own, others) = (app(concord, "phr-app"), app(concord, "heart-diary"));
    let reading =
        format!("Observation/{}", concord.user("Practitioner/gp").create(&blood_pressure("amina", 150)).await);
    let comment = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": reading}], "payload": [{"contentString": "I was upset"}]});
    own.create(&comment).await;
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    own.create(&goal).await;
    let check = async |readings: usize| {
        for unshared in ["Communication?patient=amina", "Goal?patient=amina", "AuditEvent?patient=amina"] {
            assert!(others.get(unshared).await.expect(200).matches().is_empty(), "{unshared}");
        }
        let last = others.get("Observation/$lastn?patient=amina").await.expect(200).entries();
        let last = last.iter().filter(|one| one["resource"]["resourceType"] == "Observation").count();
        assert_eq!(last, readings);
        let refused = others.post("Communication", &comment).await;
        assert!([403, 404].contains(&refused.status), "{refused}");
        others.post("Goal", &goal).await.expect(403);
    };
    check(0).await;
    let actor = json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    own.create(&people::without(consent("permit", actor), "id")).await;
    check(1).await;
    assert_eq!(own.get("Communication?patient=amina").await.expect(200).ids().len(), 1, "nothing was added");
}
