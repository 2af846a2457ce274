//! Somebody signs out at a login service, which says so (OpenID Connect Back-Channel Logout 1.0); and login services that are
//! known by their issuer alone.

use concord_tests::client::text;
use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::federation::{back, sent};
use super::{Browser, CHOICES, app, asking, authorize, for_code, post, query, token};

on_both! {
    with super::super::SETTINGS;
    who_signs_out_there_is_signed_out_here, only_a_logout_token_signs_out, forged_logout_tokens_are_looked_at_so_often,
    any_login_service_may_be_used,
    who_is_not_known_there_is_nobody_here
}

const NUMBER: &str = "9434765919";

/// A server that people sign in to with a service that is known by its issuer alone.
async fn server(concord: &Concord, service: &LoginService, more: Value) -> Concord {
    people::arrive(concord).await;
    concord
        .system()
        .store(&json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "birthDate": "1985-03-02",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}]}))
        .await;
    let mut provider = service.discovered("surgery", concord.scratch().folder());
    provider.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    // Here it has two clients: the other is asked about first.
    let mut other = service.discovered("ward", concord.scratch().folder());
    other["client_id"] = json!("ward-here");
    let providers = json!([other, provider]).to_string();
    let own = [("CONCORD_SIGN_IN", "{}"), ("CONCORD_PROVIDERS", providers.as_str())];
    concord.another_node_with(&[super::SETTINGS, &own].concat()).await
}

/// What the service says of Amina, and of the session in which she is there.
fn amina(concord: &Concord, service: &LoginService, nonce: &str) -> Value {
    let now_s = concord.clock.now_s();
    json!({"iss": service.origin(), "aud": "phr", "sub": "amina-there", "sid": "session-1", "exp": now_s + 300,
        "iat": now_s, "nonce": nonce, "nhs_number": NUMBER, "birthdate": "1985-03-02", "acr": "strong"})
}

/// Somebody comes back from the service with these claims.
async fn come_back(
    concord: &Concord,
    service: &LoginService,
    (browser, place): (&Browser, &str),
    change: impl FnOnce(&mut Value),
) -> Answer {
    let page = browser.get(place).await.expect(200);
    let asked = sent(browser, &page, "surgery").await;
    let mut claims = amina(concord, service, &asked["nonce"]);
    change(&mut claims);
    let code = service.signed_in(claims, &asked["code_challenge"]);
    back(browser, &asked["state"], &code).await
}

/// Amina lets the app in: its tokens.
async fn let_in(concord: &Concord, service: &LoginService, server: &Concord, scope: &str) -> (Browser, Value) {
    let browser = Browser::new(server);
    let next = come_back(concord, service, (&browser, &authorize(&asking(scope))), |_| {}).await.expect(303);
    let page = browser.get(next.header("location")).await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(server, &for_code(&code)).await.expect(200).json();
    (browser, tokens)
}

fn logout(concord: &Concord, service: &LoginService, id: &str) -> Value {
    let now_s = concord.clock.now_s();
    json!({"iss": service.origin(), "aud": "phr", "iat": now_s, "exp": now_s + 120, "jti": id, "sub": "amina-there",
        "sid": "session-1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}})
}

pub(super) async fn who_signs_out_there_is_signed_out_here(concord: &Concord) {
    let service = LoginService::start(false);
    let server = server(concord, &service, json!({})).await;
    let (browser, online) = let_in(concord, &service, &server, "launch/patient online_access patient/*.rs").await;
    let (_, offline) = let_in(concord, &service, &server, "launch/patient offline_access patient/*.rs").await;
    for tokens in [&online, &offline] {
        app(&server, tokens).get("Patient/amina").await.expect(200);
    }
    let signed = service.logout_token(&logout(concord, &service, "1"));
    let done = post(&server, "/sign-in/logout", &[("logout_token", &signed)], None).await.expect(200);
    assert_eq!(done.header("cache-control"), "no-store");
    assert!(browser.get("/apps").await.expect(200).text().contains("Who are you?"), "she is signed out");
    app(&server, &online).get("Patient/amina").await.expect(401);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&online, "/refresh_token")),
        ("client_id", "heart-diary"),
    ];
    token(&server, &refresh).await.expect(400);
    // What she let do for longer goes on (section 2.7).
    app(&server, &offline).get("Patient/amina").await.expect(200);
    // The same word a second time is nobody's.
    post(&server, "/sign-in/logout", &[("logout_token", &signed)], None).await.expect(400);
}

pub(super) async fn only_a_logout_token_signs_out(concord: &Concord) {
    let (service, stranger) = (LoginService::start(false), LoginService::start(false));
    let server = server(concord, &service, json!({})).await;
    let (browser, online) = let_in(concord, &service, &server, "launch/patient online_access patient/*.rs").await;
    let good = logout(concord, &service, "1");
    for (name, value) in [
        ("events", json!({})),
        ("nonce", json!("n")),
        ("aud", json!("another")),
        ("iss", json!(stranger.origin())),
        ("exp", json!(concord.clock.now_s() - 31)),
        ("jti", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let signed = service.logout_token(&claims);
        post(&server, "/sign-in/logout", &[("logout_token", &signed)], None).await.expect(400);
    }
    let forged = stranger.logout_token(&good);
    post(&server, "/sign-in/logout", &[("logout_token", &forged)], None).await.expect(400);
    let id_token = service.id_token(&amina(concord, &service, "n"));
    post(&server, "/sign-in/logout", &[("logout_token", &id_token)], None).await.expect(400);
    post(&server, "/sign-in/logout", &[], None).await.expect(400);
    // Somebody else's session, and somebody else.
    for (id, name, value) in [("2", "sid", "session-2"), ("3", "sub", "somebody-else")] {
        let mut claims = logout(concord, &service, id);
        claims[name] = json!(value);
        let signed = service.logout_token(&claims);
        post(&server, "/sign-in/logout", &[("logout_token", &signed)], None).await.expect(200);
    }
    app(&server, &online).get("Patient/amina").await.expect(200);
    assert!(browser.get("/apps").await.expect(200).text().contains("Connected apps"));
}

pub(super) async fn forged_logout_tokens_are_looked_at_so_often(concord: &Concord) {
    let (service, stranger) = (LoginService::start(false), LoginService::start(false));
    let server = server(concord, &service, json!({})).await;
    let send = async |signed: &str| post(&server, "/sign-in/logout", &[("logout_token", signed)], None).await;
    let right = async |id: &str| send(&service.logout_token(&logout(concord, &service, id))).await;
    let forged = stranger.logout_token(&logout(concord, &service, "forged"));
    for number in 0..300 {
        // What is right is not counted, and not refused for what was wrong.
        if number % 100 == 50 {
            right(&format!("{number}")).await.expect(200);
        }
        send(&forged).await.expect(400);
    }
    let refused = send(&forged).await.expect(429);
    assert!(!refused.header("retry-after").is_empty(), "{refused}");
    right("late").await.expect(429);
    concord.later(60_000);
    right("late").await.expect(200);
    send(&forged).await.expect(400);
}

pub(super) async fn any_login_service_may_be_used(concord: &Concord) {
    let service = LoginService::start(false);
    let server = server(concord, &service, json!({"acr": ["strong"], "scope": "openid nhs"})).await;
    let browser = Browser::new(&server);
    let page = browser.get("/sign-in").await.expect(200);
    assert!(page.header("content-security-policy").contains(&service.origin()), "{page}");
    let asked = sent(&browser, &page, "surgery").await;
    assert_eq!((asked["scope"].as_str(), asked.get("vtr")), ("openid nhs", None));
    let (_, tokens) = let_in(concord, &service, &server, "launch/patient patient/*.rs").await;
    assert_eq!(tokens["patient"], "amina");
    app(&server, &tokens).get("Patient/amina").await.expect(200);
}

pub(super) async fn who_is_not_known_there_is_nobody_here(concord: &Concord) {
    let service = LoginService::start(false);
    let server = server(concord, &service, json!({"acr": ["strong"]})).await;
    for (claim, value) in [
        ("nhs_number", json!("9434765918")),
        ("nhs_number", json!("9000000009")),
        ("nhs_number", Value::Null),
        ("birthdate", json!("1985-03-03")),
        ("birthdate", Value::Null),
        ("acr", json!("weak")),
        ("acr", Value::Null),
        ("iss", json!("https://else.example")),
        ("nonce", json!("another")),
        ("aud", json!("another")),
        ("azp", json!("another")),
    ] {
        let browser = Browser::new(&server);
        let refused =
            come_back(concord, &service, (&browser, "/sign-in"), |claims| claims[claim] = value.clone()).await;
        refused.expect(400);
    }
}
