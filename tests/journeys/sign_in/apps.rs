//! What is connected, and ending it.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, app, asking, authorize, error, field, for_code, query, token, tokens};

on_both! {
    with super::super::SETTINGS;
    a_patient_sees_and_ends_what_is_connected, a_page_lists_and_ends_it, ending_the_consent_ends_the_app,
    what_is_connected_is_told_to_nobody_else, sign_in_needs_few_rights, two_apps_of_one_id_are_two,
    exceptions_outlive_letting_in_again, an_app_ends_although_its_consent_stays
}

const SCOPE: &str = "launch/patient offline_access patient/*.rs";

fn parts(parameter: &Value, name: &str) -> Vec<Value> {
    let parts = parameter["part"].as_array().expect("parts").iter();
    parts.filter(|part| text(part, "/name") == name).cloned().collect()
}

pub(super) async fn a_patient_sees_and_ends_what_is_connected(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    assert_eq!(amina.get("Patient/amina/$connected-apps").await.expect(200).json().get("parameter"), None);
    let tokens = tokens(concord, SCOPE, CHOICES).await;
    let told = amina.get("Patient/amina/$connected-apps").await.expect(200).json();
    let apps = told["parameter"].as_array().expect("apps");
    assert_eq!(apps.len(), 1);
    assert_eq!(text(&parts(&apps[0], "client")[0], "/valueString"), "heart-diary");
    assert_eq!(text(&parts(&apps[0], "since")[0], "/valueInstant"), "2026-12-01T12:00:00.000Z");
    assert_eq!(text(&parts(&apps[0], "until")[0], "/valueInstant"), "2026-12-31T12:00:00.000Z");
    assert_eq!(text(&parts(&apps[0], "lastUsed")[0], "/valueInstant"), "2026-12-01T12:00:00.000Z");
    let consent = text(&parts(&apps[0], "consent")[0], "/valueReference/reference").to_owned();
    assert_eq!(amina.get(&consent).await.expect(200).json()["status"], "active");
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "client", "valueString": "heart-diary"}]});
    let ended = amina.post("Patient/amina/$end-app-access", &end).await.expect(200).json();
    assert_eq!(ended["parameter"][0]["valueBoolean"], true);
    app(concord, &tokens).get("Patient/amina").await.expect(401);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "/refresh_token")),
        ("client_id", "heart-diary"),
    ];
    assert_eq!(error(&token(concord, &refresh).await.expect(400)), "invalid_grant");
    assert_eq!(amina.get(&consent).await.expect(200).json()["status"], "inactive");
    let again = amina.post("Patient/amina/$end-app-access", &end).await.expect(200).json();
    assert_eq!(again["parameter"][0]["valueBoolean"], false);
    // She may let it in again, and it is the same Consent.
    let back = super::tokens(concord, SCOPE, CHOICES).await;
    app(concord, &back).get("Patient/amina").await.expect(200);
    assert_eq!(amina.get(&consent).await.expect(200).json()["status"], "active");
}

pub(super) async fn a_page_lists_and_ends_it(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(SCOPE))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(concord, &for_code(&code)).await.expect(200).json();
    let page = browser.get("/apps").await.expect(200);
    assert!(page.text().contains("Heart &lt;Diary&gt;") && page.text().contains("31 December 2026"), "{page}");
    let sent = [("form_token", field(&page, "form_token")), ("client", field(&page, "client"))];
    let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit("/apps/end", &sent).await.expect(303);
    assert!(browser.get("/apps").await.expect(200).text().contains("No app is connected"));
    app(concord, &tokens).get("Patient/amina").await.expect(401);
}

pub(super) async fn ending_the_consent_ends_the_app(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for deletes in [false, true] {
        let tokens = tokens(concord, SCOPE, CHOICES).await;
        let told = amina.get("Patient/amina/$connected-apps").await.expect(200).json();
        let consent = text(&parts(&told["parameter"][0], "consent")[0], "/valueReference/reference").to_owned();
        app(concord, &tokens).get("Patient/amina").await.expect(200);
        if deletes {
            amina.delete(&consent).await.expect(204);
        } else {
            let stored = amina.get(&consent).await.expect(200).json();
            amina.put(&consent, &people::with(stored, "status", json!("inactive"))).await.expect(200);
        }
        app(concord, &tokens).get("Patient/amina").await.expect(401);
    }
    let _reading = amina.create(&blood_pressure("amina", 120)).await;
    let after = tokens(concord, SCOPE, CHOICES).await;
    app(concord, &after).get("Patient/amina").await.expect(200);
}

pub(super) async fn what_is_connected_is_told_to_nobody_else(concord: &Concord) {
    people::arrive(concord).await;
    let all: Vec<_> = [CHOICES, &[("kind", "sharing")]].concat();
    let tokens = tokens(concord, "launch/patient patient/*.cruds", &all).await;
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "client", "valueString": "heart-diary"}]});
    app(concord, &tokens).get("Patient/amina/$connected-apps").await.expect(403);
    app(concord, &tokens).post("Patient/amina/$end-app-access", &end).await.expect(403);
    concord.user("Practitioner/gp").get("Patient/amina/$connected-apps").await.expect(403);
    concord.patient("callum").get("Patient/amina/$connected-apps").await.expect(404);
    concord.system().get("Patient/amina/$connected-apps").await.expect(200);
    concord.system().post("Patient/amina/$end-app-access", &end).await.expect(403);
}

/// Under the role that docs/OPERATIONS.md gives a server on PostgreSQL.
pub(super) async fn sign_in_needs_few_rights(concord: &Concord) {
    if !concord.is_postgres() {
        return;
    }
    people::arrive(concord).await;
    let role = format!("concord_{}", uuid::Uuid::new_v4().simple());
    concord.scratch().tamper(&crate::roles::grants(&role));
    let url = crate::roles::address_of(concord.scratch().url(), &role);
    let own = [("CONCORD_DATABASE_URL", url.as_str()), ("CONCORD_MIGRATE_AT_START", "false")];
    let server = concord.another_node_with(&[super::SETTINGS, &own].concat()).await;
    let first = tokens(&server, SCOPE, CHOICES).await;
    let asked = |token: &str| {
        vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token.to_owned()),
            ("client_id", "heart-diary".to_owned()),
        ]
    };
    let refresh = async |token: &str| {
        let asked = asked(token);
        let pairs: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        super::token(&server, &pairs).await
    };
    let second = refresh(text(&first, "/refresh_token")).await.expect(200).json();
    app(&server, &second).get("Patient/amina").await.expect(200);
    let revoke = [("token", text(&second, "/access_token")), ("client_id", "heart-diary")];
    super::post(&server, "/oauth/revoke", &revoke, None).await.expect(200);
    app(&server, &second).get("Patient/amina").await.expect(401);
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "client", "valueString": "heart-diary"}]});
    server.patient("amina").post("Patient/amina/$end-app-access", &end).await.expect(200);
    assert_eq!(error(&refresh(text(&second, "/refresh_token")).await.expect(400)), "invalid_grant");
    drop(server);
    concord.scratch().tamper(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

pub(super) async fn two_apps_of_one_id_are_two(concord: &Concord) {
    people::arrive(concord).await;
    let reading = format!("Observation/{}", concord.patient("amina").create(&blood_pressure("amina", 120)).await);
    let here = app(concord, &tokens(concord, SCOPE, CHOICES).await);
    here.get(&reading).await.expect(200);
    // An app of another issuer that has the same id is not the one that she let in.
    let there = concord.app(&TokenRequest {
        client_id: "heart-diary".to_owned(),
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    there.get(&reading).await.expect(404);
    let about = |effect: &str, system: &str, value: &str| {
        let mut consent = people::consent("active", "Device/x", &["access"], &["Observation"]);
        consent["id"] = json!("amina-app");
        consent["provision"]["type"] = json!(effect);
        consent["provision"]["actor"][0]["reference"] = json!({"identifier": {"system": system, "value": value}});
        consent
    };
    let system = concord.system();
    // Its id alone permits neither, for nobody knows which is meant; but it denies both.
    system.store(&about("permit", "urn:concord:client", "heart-diary")).await;
    there.get(&reading).await.expect(404);
    system.store(&about("permit", "urn:concord:issued-client", "urn:concord:development|heart-diary")).await;
    there.get(&reading).await.expect(200);
    system.store(&about("deny", "urn:concord:issued-client", "urn:concord:development|heart-diary")).await;
    there.get(&reading).await.expect(404);
    here.get(&reading).await.expect(200);
    system.store(&about("deny", "urn:concord:client", "heart-diary")).await;
    here.get(&reading).await.expect(404);
}

/// The Consent about the app, with an exception for one reading in its first permit, and the reading.
async fn with_exception(concord: &Concord) -> (String, String) {
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let told = amina.get("Patient/amina/$connected-apps").await.expect(200).json();
    let consent = text(&parts(&told["parameter"][0], "consent")[0], "/valueReference/reference").to_owned();
    let mut stored = amina.get(&consent).await.expect(200).json();
    stored["provision"]["provision"][0]["provision"] = json!([{"type": "deny",
        "data": [{"meaning": "instance", "reference": {"reference": reading}}]}]);
    amina.put(&consent, &stored).await.expect(200);
    (consent, reading)
}

/// What a patient has written into an app's Consent as an exception stays when she lets the app in again.
pub(super) async fn exceptions_outlive_letting_in_again(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let first = tokens(concord, SCOPE, CHOICES).await;
    let (consent, reading) = with_exception(concord).await;
    app(concord, &first).get(&reading).await.expect(404);
    let other = format!("Observation/{}", amina.create(&blood_pressure("amina", 130)).await);
    for _ in 0..2 {
        let again = tokens(concord, SCOPE, CHOICES).await;
        app(concord, &again).get(&reading).await.expect(404);
        app(concord, &again).get(&other).await.expect(200);
    }
    let stored = amina.get(&consent).await.expect(200).json();
    let permits = stored["provision"]["provision"].as_array().expect("permits");
    for permit in permits {
        assert_eq!(permit["provision"].as_array().map(Vec::len), Some(1), "{permit}");
    }
    // After it was ended as well.
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "client", "valueString": "heart-diary"}]});
    amina.post("Patient/amina/$end-app-access", &end).await.expect(200);
    let back = tokens(concord, SCOPE, CHOICES).await;
    app(concord, &back).get(&reading).await.expect(404);
    app(concord, &back).get(&other).await.expect(200);
}

/// An app's access ends whatever becomes of the Consent about it, and she is told what to do with that.
pub(super) async fn an_app_ends_although_its_consent_stays(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(SCOPE))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let first = token(concord, &for_code(&code)).await.expect(200).json();
    let (consent, reading) = with_exception(concord).await;
    amina.delete(&reading).await.expect(204);
    let page = browser.get("/apps").await.expect(200);
    let sent = [("form_token", field(&page, "form_token")), ("client", field(&page, "client"))];
    let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ended = browser.submit("/apps/end", &sent).await;
    let is_left = amina.get(&consent).await.expect(200).json()["status"] == "active";
    match is_left {
        true => assert!(ended.expect(200).text().contains(&consent)),
        false => drop(ended.expect(303)),
    }
    app(concord, &first).get("Patient/amina").await.expect(401);
    assert!(browser.get("/apps").await.expect(200).text().contains("No app is connected"));
    // By the operation as well.
    let again = tokens(concord, SCOPE, CHOICES).await;
    let _exception = with_exception(concord).await;
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "client", "valueString": "heart-diary"}]});
    let told = amina.post("Patient/amina/$end-app-access", &end).await.expect(200).json();
    assert_eq!(told["parameter"][0]["valueBoolean"], true);
    app(concord, &again).get("Patient/amina").await.expect(401);
}
