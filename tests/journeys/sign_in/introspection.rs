//! Who is told of tokens, and of which of them.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, with as element};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, app, asking, authorize, for_code, form, post, query, tokens, with};

on_both! {
    with super::super::SETTINGS;
    a_users_token_does_not_let_its_app_ask_about_all, tokens_of_who_acts_no_more_work_nowhere
}

const BACK: &str = "https://portal.example/back";

/// The surgery's own app, let in by somebody: its tokens.
async fn portal(server: &Concord, person: &str, scope: &str) -> Value {
    // A professional would be asked first whose record it is about.
    let of_a_record = |one: &&str| one.starts_with("launch/") || one.starts_with("patient/");
    let is_professional = person.starts_with("Practitioner/");
    let scope = scope.split(' ').filter(|one| !(is_professional && of_a_record(one))).collect::<Vec<_>>().join(" ");
    let asked = with(&with(&asking(&scope), "client_id", Some("portal")), "redirect_uri", Some(BACK));
    let browser = Browser::new(server);
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, person).await.expect(200);
    let back = browser.decide(&page, CHOICES).await;
    let code = query(&back)["code"].clone();
    let asked = with(&with(&for_code(&code), "redirect_uri", Some(BACK)), "client_id", None);
    post(server, "/oauth/token", &asked, Some("portal")).await.expect(200).json()
}

/// Whoever uses an app has its token of them, and is not the app.
pub(super) async fn a_users_token_does_not_let_its_app_ask_about_all(concord: &Concord) {
    people::arrive(concord).await;
    let others = tokens(concord, "launch/patient patient/*.rs", CHOICES).await;
    let mut clients: Vec<Value> = serde_json::from_str(super::CLIENTS).expect("clients");
    for client in &mut clients {
        client["introspects"] = json!(client["client"] != "heart-diary");
    }
    let clients = json!(clients).to_string();
    let server = concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await;
    for person in ["Patient/callum", "Practitioner/gp"] {
        let own = portal(&server, person, "openid launch/patient patient/*.rs user/*.rs").await;
        for asked_about in [&others, &own] {
            let asked = [("token", text(asked_about, "/access_token"))];
            let ask = server.nobody().ask(Method::POST, "/oauth/introspect");
            let ask = ask.header("authorization", &format!("Bearer {}", text(&own, "/access_token")));
            let refused = ask.body("application/x-www-form-urlencoded", form(&asked)).await.expect(401);
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused}");
            assert!(!refused.text().contains("active"), "{refused}");
            // The app itself, which proves who it is, is told.
            let told = post(&server, "/oauth/introspect", &asked, Some("portal")).await.expect(200).json();
            assert_eq!(told["active"], true, "{told}");
        }
    }
}

/// What is told of tokens is what they are good for.
pub(super) async fn tokens_of_who_acts_no_more_work_nowhere(concord: &Concord) {
    people::arrive(concord).await;
    let scope = "openid fhirUser offline_access user/*.rs launch/patient patient/*.rs";
    let told = async |tokens: &Value, name: &str| {
        let asked = [("token", text(tokens, name))];
        post(concord, "/oauth/introspect", &asked, Some("checker")).await.expect(200).json()
    };
    for (person, change) in [
        ("Practitioner/gp", Some(json!({"resourceType": "Practitioner", "id": "gp", "active": false}))),
        ("Practitioner/former", None),
        (
            "RelatedPerson/yusuf",
            Some(json!({"resourceType": "RelatedPerson", "id": "yusuf", "active": false,
                "patient": {"reference": "Patient/amina"}})),
        ),
    ] {
        let tokens = portal(concord, person, scope).await;
        for name in ["/access_token", "/refresh_token"] {
            let known = told(&tokens, name).await;
            assert_eq!((&known["active"], text(&known, "/sub")), (&json!(true), person), "{name}");
        }
        let user = app(concord, &tokens);
        user.get("/oauth/userinfo").await.expect(200);
        match &change {
            Some(ended) => drop(concord.system().store(ended).await),
            None => drop(concord.system().delete(person).await.expect(204)),
        }
        for name in ["/access_token", "/refresh_token"] {
            assert_eq!(told(&tokens, name).await, json!({"active": false}), "{person} {name}");
        }
        user.get("/oauth/userinfo").await.expect(401);
        // Whoever is in use again has what they had.
        if let Some(ended) = change {
            concord.system().store(&element(ended, "active", json!(true))).await;
            assert_eq!(told(&tokens, "/access_token").await["active"], true, "{person}");
            user.get("/oauth/userinfo").await.expect(200);
        }
    }
}
