//! An app that is started from another one, with what its user looks at.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure};
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, CLIENTS, asking, authorize, error, for_code, form, post, query, token, with};

on_both! {
    with super::super::SETTINGS;
    an_app_starts_with_what_its_user_looks_at, a_start_is_for_one_app_one_person_and_once, who_may_start_an_app,
    a_patient_starts_an_app_from_the_portal, an_app_is_told_what_else_its_user_looks_at,
    what_its_user_looks_at_is_in_the_patients_record
}

const SCOPE: &str = "launch launch/patient launch/encounter patient/*.rs user/*.rs";

/// A server whose app of others may be started, with an encounter of Amina's.
pub(super) async fn server(concord: &Concord) -> Concord {
    people::arrive(concord).await;
    concord
        .system()
        .store(&json!({"resourceType": "Encounter", "id": "visit", "status": "in-progress",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/amina"}}))
        .await;
    let mut clients: Vec<Value> = serde_json::from_str(CLIENTS).expect("clients");
    for client in &mut clients {
        client["scope"] = json!(format!("{} launch launch/encounter user/*.rs", text(client, "/scope")));
    }
    let clients = json!(clients).to_string();
    concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await
}

/// The browser of somebody who uses the surgery's portal, and its access token.
pub(super) async fn portal(server: &Concord, person: &str) -> (Browser, String) {
    let browser = Browser::new(server);
    let asked = with(&asking("patient/*.rs user/*.rs"), "client_id", Some("portal"));
    let asked = with(&asked, "redirect_uri", Some("https://portal.example/back"));
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, person).await.expect(200);
    let all: Vec<_> = [CHOICES, &[("kind", "visits"), ("kind", "other")]].concat();
    let back = browser.decide(&page, &all).await;
    let code = query(&back)["code"].clone();
    let asked = with(&with(&for_code(&code), "redirect_uri", Some("https://portal.example/back")), "client_id", None);
    let tokens = post(server, "/oauth/token", &asked, Some("portal")).await.expect(200).json();
    (browser, text(&tokens, "/access_token").to_owned())
}

async fn start(server: &Concord, token: &str, pairs: &[(&str, &str)]) -> Answer {
    let app = server.nobody().with_token(token);
    let ask = app.ask(concord_tests::client::Method::POST, "/oauth/launch");
    ask.body("application/x-www-form-urlencoded", form(pairs)).await
}

const AMINA: &[(&str, &str)] = &[("client_id", "heart-diary"), ("patient", "amina"), ("encounter", "visit")];

pub(super) async fn launched(server: &Concord, token: &str) -> String {
    text(&start(server, token, AMINA).await.expect(200).json(), "/launch").to_owned()
}

pub(super) async fn an_app_starts_with_what_its_user_looks_at(concord: &Concord) {
    let server = server(concord).await;
    let (browser, portal) = portal(&server, "Practitioner/gp").await;
    let told = start(&server, &portal, AMINA).await.expect(200).json();
    assert_eq!((text(&told, "/iss"), told["expires_in"].as_i64()), ("http://localhost:8080/fhir", Some(300)));
    let mut asked = asking(SCOPE);
    asked.push(("launch", text(&told, "/launch")));
    let page = browser.get(&authorize(&asked)).await.expect(200);
    assert!(page.text().contains("the record that you are looking at"), "{page}");
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(&server, &for_code(&code)).await.expect(200).json();
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("amina"), &json!("visit")));
    assert_eq!(tokens["need_patient_banner"], true);
    let asked = [("token", text(&tokens, "/access_token"))];
    let told = post(&server, "/oauth/introspect", &asked, Some("checker")).await.expect(200).json();
    for name in ["patient", "encounter", "need_patient_banner", "scope"] {
        assert_eq!(told[name], tokens[name], "{name}");
    }
    // What the app of others sees is still for the patient to say.
    let reading = format!("Observation/{}", concord.patient("amina").create(&blood_pressure("amina", 120)).await);
    concord.user("Practitioner/gp").get(&reading).await.expect(200);
    super::app(&server, &tokens).get(&reading).await.expect(404);
}

pub(super) async fn a_start_is_for_one_app_one_person_and_once(concord: &Concord) {
    let server = server(concord).await;
    let (browser, portal) = portal(&server, "Practitioner/gp").await;
    let ask = async |browser: &Browser, launch: &str| {
        let mut asked = asking(SCOPE);
        asked.push(("launch", launch));
        browser.get(&authorize(&asked)).await
    };
    let refused = |answer: Answer| query(answer.expect(303).header("location"))["error"].clone();
    let launch = launched(&server, &portal).await;
    let page = ask(&browser, &launch).await.expect(200);
    assert!(browser.decide(&page, CHOICES).await.contains("code="));
    assert_eq!(refused(ask(&browser, &launch).await), "invalid_request", "once");
    assert_eq!(query(&browser.decide(&page, CHOICES).await)["error"], "invalid_request", "once");
    assert_eq!(refused(ask(&browser, "made-up").await), "invalid_request");
    let launch = launched(&server, &portal).await;
    let (other, _) = super::launch::portal(&server, "Practitioner/former").await;
    assert_eq!(refused(ask(&other, &launch).await), "invalid_request", "another person");
    let asked = with(&asking(SCOPE), "client_id", Some("portal"));
    let mut asked = with(&asked, "redirect_uri", Some("https://portal.example/back"));
    asked.push(("launch", &launch));
    assert_eq!(refused(browser.get(&authorize(&asked)).await), "invalid_request", "another app");
    concord.later(300_000);
    assert_eq!(refused(ask(&browser, &launch).await), "invalid_request", "too old");
    // One without the other is refused: the app would not know whose record it is in.
    assert_eq!(refused(browser.get(&authorize(&asking(SCOPE))).await), "invalid_request");
    let mut asked = asking("launch/patient patient/*.rs");
    asked.push(("launch", &launch));
    assert_eq!(refused(browser.get(&authorize(&asked)).await), "invalid_request");
}

pub(super) async fn who_may_start_an_app(concord: &Concord) {
    let server = server(concord).await;
    let (_, portal) = portal(&server, "Practitioner/gp").await;
    concord
        .system()
        .store(&json!({"resourceType": "Encounter", "id": "theirs", "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/callum"}}))
        .await;
    for (name, value) in [
        ("client_id", Some("nobody")),
        ("client_id", Some("checker")),
        ("client_id", None),
        ("patient", Some("callum")),
        ("patient", Some("absent")),
        ("patient", Some("no id!")),
        ("patient", None),
        ("encounter", Some("theirs")),
        ("encounter", Some("absent")),
    ] {
        let refused = start(&server, &portal, &with(AMINA, name, value)).await.expect(400);
        assert_eq!(error(&refused), "invalid_request", "{name} {value:?}");
    }
    let others = super::tokens(&server, "launch/patient patient/*.rs", CHOICES).await;
    let refused = start(&server, text(&others, "/access_token"), AMINA).await.expect(400);
    assert_eq!(error(&refused), "unauthorized_client", "an app of others starts none");
    start(&server, "concord_at_unknown", AMINA).await.expect(401);
    start(&server, concord.user("Practitioner/gp").token(), AMINA).await.expect(401);
    post(&server, "/oauth/launch", AMINA, None).await.expect(401);
}

pub(super) async fn a_patient_starts_an_app_from_the_portal(concord: &Concord) {
    let server = server(concord).await;
    let (browser, portal) = portal(&server, "Patient/amina").await;
    let mut asked = asking(SCOPE);
    let launch = launched(&server, &portal).await;
    asked.push(("launch", &launch));
    let page = browser.get(&authorize(&asked)).await.expect(200);
    assert!(page.text().contains("wants to use your record"), "{page}");
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(&server, &for_code(&code)).await.expect(200).json();
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("amina"), &json!("visit")));
    super::app(&server, &tokens).get("Patient/amina").await.expect(200);
}

pub(super) async fn an_app_is_told_what_else_its_user_looks_at(concord: &Concord) {
    let server = server(concord).await;
    let (browser, portal) = portal(&server, "Practitioner/gp").await;
    let reading = concord.patient("amina").create(&blood_pressure("amina", 120)).await;
    let theirs = concord.patient("callum").create(&blood_pressure("callum", 120)).await;
    let role = "https://portal.example/roles/shown";
    let context = json!([{"reference": format!("Observation/{reading}"), "role": role},
        {"reference": "Encounter/visit", "type": "Encounter", "role": role}]);
    let started = async |context: &str| {
        let mut pairs = AMINA.to_vec();
        pairs.push(("fhirContext", context));
        start(&server, &portal, &pairs).await
    };
    for bad in [
        json!([{"reference": format!("Observation/{theirs}")}]),
        json!([{"reference": "Observation/absent"}]),
        json!([{"reference": "Patient/amina"}]),
        json!([{"reference": "Encounter/visit"}]),
        json!([{"canonical": "https://x.example/q"}]),
        json!({"reference": "Observation/absent"}),
    ] {
        let refused = started(&bad.to_string()).await.expect(400);
        assert_eq!(error(&refused), "invalid_request", "{bad}");
    }
    let told = started(&context.to_string()).await.expect(200).json();
    let mut asked = asking(SCOPE);
    asked.push(("launch", text(&told, "/launch")));
    let page = browser.get(&authorize(&asked)).await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(&server, &for_code(&code)).await.expect(200).json();
    let shown = json!([{"reference": format!("Observation/{reading}"), "role": role},
        {"reference": "Encounter/visit", "role": role}]);
    assert_eq!(tokens["fhirContext"], shown);
    let asked = [("token", text(&tokens, "/access_token"))];
    let told = post(&server, "/oauth/introspect", &asked, Some("checker")).await.expect(200).json();
    assert_eq!(told["fhirContext"], shown);
}

pub(super) async fn what_its_user_looks_at_is_in_the_patients_record(concord: &Concord) {
    let server = server(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    let number = |value: &str| json!([{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": value}]);
    let mut team = people::care_team(&["Practitioner/gp"]);
    (team["id"], team["subject"]) = (json!("callum-team"), json!({"reference": "Patient/callum"}));
    system.store(&team).await;
    let (_, portal) = portal(&server, "Practitioner/gp").await;
    for (whose, nhs_number, status) in [("callum", "9000000009", 400), ("amina", "9434765919", 200)] {
        system.store(&json!({"resourceType": "Patient", "id": whose, "identifier": number(nhs_number)})).await;
        let (local, absolute) = (format!("Patient/{whose}"), format!("http://localhost:8080/fhir/Patient/{whose}"));
        let reading = |subject: Value| people::with(blood_pressure(whose, 120), "subject", subject);
        let class = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"});
        let visit = json!({"resourceType": "Encounter", "status": "finished", "class": class,
            "subject": {"reference": absolute}});
        let visit = system.create(&visit).await;
        for resource in [
            json!({"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": local},
                "payor": [{"reference": "Organization/surgery"}]}),
            json!({"resourceType": "Appointment", "status": "proposed",
                "participant": [{"actor": {"reference": local}, "status": "accepted"}]}),
            reading(json!({"reference": absolute})),
            reading(json!({"identifier": number(nhs_number)[0]})),
        ] {
            let name = text(&resource, "/resourceType").to_owned();
            let place = format!("{name}/{}", system.create(&resource).await);
            gp.get(&place).await.expect(200);
            let context = json!([{"reference": place}]).to_string();
            let pairs = [AMINA, &[("fhirContext", context.as_str())]].concat();
            start(&server, &portal, &pairs).await.expect(status);
        }
        start(&server, &portal, &with(AMINA, "encounter", Some(&visit))).await.expect(status);
    }
    // What is in no patient's record is about nobody else.
    let context = json!([{"reference": "Organization/surgery"}]).to_string();
    let pairs = [AMINA, &[("fhirContext", context.as_str())]].concat();
    start(&server, &portal, &pairs).await.expect(200);
}
