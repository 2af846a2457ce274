//! The checks of Inferno's suite for SMART App Launch 2.2 (`inferno-framework/smart-app-launch-test-kit`, "SMART App Launch STU2.2"),
//! in the order of its groups: what a server is tested by that wants to be called a SMART server. TLS alone is left out, which is the
//! proxy's.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::systems::System;
use super::{
    BACK, Browser, CHOICES, ISSUER, app, asking, authorize, error, for_code, form, launch, post, query, token, with,
};

on_both! {
    with super::super::SETTINGS;
    a_server_is_discovered, a_standalone_launch, a_launch_from_an_ehr, backend_services, tokens_are_introspected,
    who_asks_about_tokens_with_a_token
}

/// The origin of the app: what its redirect URI begins with.
const ORIGIN: &str = "https://diary.example";
const STANDALONE: &str = "launch/patient openid fhirUser offline_access patient/*.rs";

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("an array").iter().map(|one| one.as_str().expect("a string")).collect()
}

/// Group "SMART on FHIR Discovery".
pub(super) async fn a_server_is_discovered(concord: &Concord) {
    let nobody = concord.nobody();
    for accept in ["application/json", "text/html", "application/fhir+xml", "image/png", "*/*"] {
        let ask = nobody.get("/fhir/.well-known/smart-configuration").header("accept", accept);
        let told = ask.header("origin", ORIGIN).await.expect(200);
        assert!(told.header("content-type").starts_with("application/json"), "{accept}: {told}");
        assert!(matches!(told.header("access-control-allow-origin"), "*" | ORIGIN), "{told}");
        let config = told.json();
        for name in ["authorization_endpoint", "token_endpoint", "issuer", "jwks_uri", "introspection_endpoint"] {
            assert!(text(&config, &format!("/{name}")).starts_with("http"), "{name}: {told}");
        }
        assert!(strings(&config["grant_types_supported"]).contains(&"authorization_code"));
        assert!(strings(&config["grant_types_supported"]).contains(&"client_credentials"));
        let methods = strings(&config["code_challenge_methods_supported"]);
        assert!(methods.contains(&"S256") && !methods.contains(&"plain"));
        assert!(strings(&config["capabilities"]).contains(&"sso-openid-connect"));
    }
    let metadata = nobody.get("/fhir/metadata").header("origin", ORIGIN).await.expect(200);
    assert!(matches!(metadata.header("access-control-allow-origin"), "*" | ORIGIN));
}

/// Group "Standalone Launch", with OpenID Connect and both refreshes.
pub(super) async fn a_standalone_launch(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(STANDALONE))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let back = browser.decide(&page, CHOICES).await;
    let tokens = exchanged(concord, &back).await;
    assert_eq!(tokens["patient"], "amina");
    is_openid(concord, &tokens, "Patient/amina").await;
    is_refreshed(concord, &tokens).await;
}

/// Group "EHR Launch".
pub(super) async fn a_launch_from_an_ehr(concord: &Concord) {
    let server = launch::server(concord).await;
    let (browser, portal) = launch::portal(&server, "Practitioner/gp").await;
    let launched = launch::launched(&server, &portal).await;
    let mut asked = asking("launch openid fhirUser offline_access user/*.rs patient/*.rs");
    asked.push(("launch", &launched));
    let page = browser.get(&authorize(&asked)).await.expect(200);
    let kinds = page.text();
    let kinds = kinds.split("name=\"kind\" value=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    let all: Vec<_> = kinds.map(|kind| ("kind", kind)).chain([("lasts", "month"), ("decision", "allow")]).collect();
    let tokens = exchanged(&server, &browser.decide(&page, &all).await).await;
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("amina"), &json!("visit")));
    is_openid(&server, &tokens, "Practitioner/gp").await;
    is_refreshed(&server, &tokens).await;
}

/// The redirect, the exchange of the code by a public client in a page, and what is answered.
async fn exchanged(concord: &Concord, back: &str) -> Value {
    assert!(back.starts_with(&format!("{BACK}?")), "{back}");
    let told = query(back);
    assert_eq!((told["state"].as_str(), told.get("error")), ("a state & more", None));
    let ask = concord.nobody().ask(Method::POST, "/oauth/token").header("origin", ORIGIN);
    let answer = ask.body("application/x-www-form-urlencoded", form(&for_code(&told["code"]))).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let tokens = answer.json();
    has_what_a_token_response_has(&tokens);
    assert!(!text(&tokens, "/id_token").is_empty() && !text(&tokens, "/refresh_token").is_empty(), "{tokens}");
    tokens
}

fn has_what_a_token_response_has(tokens: &Value) {
    for name in ["access_token", "token_type", "scope"] {
        assert!(!text(tokens, &format!("/{name}")).is_empty(), "{name}: {tokens}");
    }
    assert!(text(tokens, "/token_type").eq_ignore_ascii_case("bearer"));
    assert!(tokens["expires_in"].is_number(), "{tokens}");
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(visible(text(tokens, "/access_token")), "RFC 6750 section 2.1");
}

/// Group "OpenID Connect": the document that the issuer leads to, its keys, the token's header, signature and claims, and whom it names.
async fn is_openid(concord: &Concord, tokens: &Value, user: &str) {
    let parts: Vec<&str> = text(tokens, "/id_token").split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("no JWT: {tokens}") };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).expect("JSON");
    let (claims, head) = (read(payload), read(header));
    let place = |address: &str| address.strip_prefix(ISSUER).expect("an address of the issuer").to_owned();
    let issuer = place(text(&claims, "/iss"));
    let config = concord.nobody().get(&format!("{issuer}/.well-known/openid-configuration")).await.expect(200);
    assert!(config.header("content-type").starts_with("application/json"));
    let config = config.json();
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(config[name].is_string(), "{name}");
    }
    for name in ["response_types_supported", "subject_types_supported"] {
        assert!(!strings(&config[name]).is_empty(), "{name}");
    }
    assert!(strings(&config["id_token_signing_alg_values_supported"]).contains(&"RS256"));
    let keys = concord.nobody().get(&place(text(&config, "/jwks_uri"))).await.expect(200).json();
    let keys = keys["keys"].as_array().expect("keys").clone();
    let key = keys.iter().find(|key| key["kty"] == "RSA" && key["kid"] == head["kid"]).expect("the key of the token");
    assert_eq!(head["alg"], "RS256");
    let components = RsaPublicKeyComponents { n: decoded(text(key, "/n")), e: decoded(text(key, "/e")) };
    let message = format!("{header}.{payload}");
    components
        .verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &decoded(signature))
        .expect("a signature of the key");
    assert_eq!((&claims["iss"], &claims["aud"]), (&config["issuer"], &json!("heart-diary")));
    assert!(claims["exp"].as_i64() > Some(concord.clock.now_s()) && claims["iat"].is_number(), "{claims}");
    assert!((1..256).contains(&text(&claims, "/sub").len()));
    assert_eq!(text(&claims, "/fhirUser"), format!("{ISSUER}/fhir/{user}"));
    let ask = app(concord, tokens).get(user).header("origin", ORIGIN);
    let read = ask.await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(text(&read.json(), "/resourceType"), user.split('/').next().expect("a type"));
}

/// Groups "SMART Token Refresh Without Scopes" and "With Scopes".
async fn is_refreshed(concord: &Concord, tokens: &Value) {
    let mut last = tokens.clone();
    for with_scopes in [false, true] {
        let granted = text(&last, "/scope").to_owned();
        let asked = [
            ("grant_type", "refresh_token"),
            ("refresh_token", text(&last, "/refresh_token")),
            ("client_id", "heart-diary"),
        ];
        let asked = with(&asked, "scope", with_scopes.then_some(granted.as_str()));
        let answer = token(concord, &asked).await.expect(200);
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let fresh = answer.json();
        has_what_a_token_response_has(&fresh);
        let of = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(text(&fresh, "/scope")), of(&granted));
        last = fresh;
    }
}

/// Group "Backend Services".
pub(super) async fn backend_services(concord: &Concord) {
    people::arrive(concord).await;
    let (system, server) = System::registered(concord).await;
    let asked = |assertion: &str| {
        vec![
            ("grant_type".to_owned(), "client_credentials".to_owned()),
            ("scope".to_owned(), "system/*.rs".to_owned()),
            ("client_assertion_type".to_owned(), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion".to_owned(), assertion.to_owned()),
        ]
    };
    let send = async |pairs: &[(String, String)], name: &str, value: &str| -> Answer {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pairs = if name.is_empty() { pairs } else { with(&pairs, name, Some(value)) };
        token(&server, &pairs).await
    };
    let signed = |id: &str| system.signed(&system.assertion(concord, id));
    let refused = send(&asked(&signed("1")), "grant_type", "not_a_grant_type").await.expect(400);
    assert_eq!(error(&refused), "unsupported_grant_type");
    let refused = send(&asked(&signed("2")), "client_assertion_type", "not_an_assertion_type").await.expect(401);
    assert_eq!(error(&refused), "invalid_client");
    for (name, value) in [("iss", "not_a_iss"), ("sub", "not_a_sub"), ("aud", "not_an_aud")] {
        let mut claims = system.assertion(concord, "3");
        claims[name] = json!(value);
        assert_eq!(error(&send(&asked(&system.signed(&claims)), "", "").await.expect(401)), "invalid_client", "{name}");
    }
    let told = send(&asked(&signed("4")), "", "").await.expect(200);
    assert_eq!((told.header("cache-control"), told.header("pragma")), ("no-store", "no-cache"));
    has_what_a_token_response_has(&told.json());
    assert!(told.json()["expires_in"].as_i64() <= Some(300), "short-lived");
    app(&server, &told.json()).get("Patient/amina").await.expect(200);
}

/// Group "Token Introspection".
pub(super) async fn tokens_are_introspected(concord: &Concord) {
    people::arrive(concord).await;
    let tokens = super::tokens(concord, STANDALONE, CHOICES).await;
    concord.later(7_000);
    let ask = async |token: &str| {
        post(concord, "/oauth/introspect", &[("token", token)], Some("checker")).await.expect(200).json()
    };
    is_told(concord, &tokens, &ask(text(&tokens, "/access_token")).await);
    assert_eq!(ask("invalid_token_value").await, json!({"active": false}));
}

/// What is told of an access token that was given out seven seconds ago is what its answer said.
fn is_told(concord: &Concord, tokens: &Value, told: &Value) {
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("heart-diary")));
    for name in ["scope", "patient"] {
        assert_eq!(told[name], tokens[name], "{name}");
    }
    let expires = told["exp"].as_i64().expect("a time");
    assert_eq!(Some(expires - concord.clock.now_s() + 7), tokens["expires_in"].as_i64());
    let claims = text(tokens, "/id_token").split('.').nth(1).expect("a payload");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
    for name in ["iss", "sub", "fhirUser"] {
        assert_eq!(told[name], claims[name], "{name}");
    }
}

/// A client that may ask about all tokens may do so with an access token of its own (SMART App Launch 2.2, "Token Introspection").
pub(super) async fn who_asks_about_tokens_with_a_token(concord: &Concord) {
    people::arrive(concord).await;
    let tokens = super::tokens(concord, STANDALONE, CHOICES).await;
    concord.later(7_000);
    let access = text(&tokens, "/access_token");
    // What is registered of the system lies in a file of its keys.
    let (system, _) = System::registered(concord).await;
    let keys = concord.scratch().folder().join("letters.json");
    let own = async |introspects: bool| {
        let mut clients: Vec<Value> = serde_json::from_str(super::CLIENTS).expect("clients");
        let letters =
            json!({"client": "letters", "scope": "system/Patient.rs", "keys": keys, "introspects": introspects});
        clients.push(letters);
        let clients = json!(clients).to_string();
        let server =
            concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await;
        let unique = format!("introspects-{introspects}");
        let assertion = system.signed(&system.assertion(concord, &unique));
        let told = system.ask(&server, &assertion, "system/*.rs").await.expect(200).json();
        (server, text(&told, "/access_token").to_owned())
    };
    let (server, bearer) = own(true).await;
    let ask = async |server: &Concord, header: &str, pairs: &[(&str, &str)]| {
        let ask = server.nobody().ask(Method::POST, "/oauth/introspect").header("authorization", header);
        ask.body("application/x-www-form-urlencoded", form(pairs)).await
    };
    for header in [format!("Bearer {bearer}"), format!("bearer {bearer}")] {
        let told = ask(&server, &header, &[("token", access)]).await.expect(200);
        assert_eq!(told.header("cache-control"), "no-store");
        is_told(concord, &tokens, &told.json());
        let none = ask(&server, &header, &[("token", "invalid_token_value")]).await.expect(200).json();
        assert_eq!(none, json!({"active": false}));
    }
    let header = format!("Bearer {bearer}");
    for wrong in [vec![], vec![("token", access), ("client_id", "checker")]] {
        assert_eq!(error(&ask(&server, &header, &wrong).await.expect(400)), "invalid_request", "{wrong:?}");
    }
    // Neither a token that is none, nor that of an app or a system which may not ask about all.
    let (other, may_not) = own(false).await;
    for (server, header) in [
        (&server, "Bearer concord_at_unknown".to_owned()),
        (&server, "Bearer".to_owned()),
        (&server, "Bearer ".to_owned()),
        (&server, format!("Bearer {access}")),
        (&other, format!("Bearer {may_not}")),
    ] {
        let refused = ask(server, &header, &[("token", access)]).await.expect(401);
        assert!(!refused.header("www-authenticate").is_empty(), "{header}");
        assert!(!refused.text().contains("active"), "{refused}");
    }
    // It ends with the token.
    concord.later(300_000);
    let refused = ask(&server, &header, &[("token", access)]).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused}");
}
