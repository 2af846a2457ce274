//! Systems get tokens of their own by their keys (SMART App Launch 2.2, "Backend Services").

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord_tests::client::text;
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::{ISSUER, app, error, token};

on_both! {
    with super::super::SETTINGS;
    a_system_gets_a_token_by_its_key, an_assertion_is_believed_once, an_assertion_that_is_not_believed,
    a_system_is_told_nothing_of_people
}

/// A system with a key.
struct System {
    key: EcdsaKeyPair,
}

impl System {
    /// A server to which it is registered, in the settings, with its keys in a file.
    async fn registered(concord: &Concord) -> (System, Concord) {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        let point = key.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-384", "kid": "k1", "alg": "ES384",
            "x": URL_SAFE_NO_PAD.encode(&point[1..49]), "y": URL_SAFE_NO_PAD.encode(&point[49..])});
        let file = concord.scratch().folder().join("letters.json");
        std::fs::write(&file, json!({ "keys": [jwk] }).to_string()).expect("a file of keys");
        let clients =
            json!([{"client": "letters", "keys": file, "scope": "system/Observation.cruds system/Patient.rs"}]);
        let clients = clients.to_string();
        let settings = [super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat();
        (System { key }, concord.another_node_with(&settings).await)
    }

    fn assertion(&self, concord: &Concord, id: &str) -> Value {
        let now_s = concord.clock.now_s();
        json!({"iss": "letters", "sub": "letters", "aud": format!("{ISSUER}/oauth/token"), "exp": now_s + 300, "jti": id})
    }

    fn signed(&self, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    async fn ask(&self, concord: &Concord, assertion: &str, scope: &str) -> Answer {
        let asked = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        token(concord, &asked).await
    }
}

async fn a_system_gets_a_token_by_its_key(concord: &Concord) {
    people::arrive(concord).await;
    let (system, server) = System::registered(concord).await;
    let assertion = system.signed(&system.assertion(concord, "1"));
    let told = system.ask(&server, &assertion, "system/*.rs").await.expect(200).json();
    assert_eq!((text(&told, "/token_type"), told["expires_in"].as_i64()), ("Bearer", Some(300)));
    assert_eq!(told["scope"], "system/Observation.rs system/Patient.rs", "no more than is registered");
    assert_eq!((told.get("refresh_token"), told.get("id_token"), told.get("patient")), (None, None, None));
    let app = app(&server, &told);
    app.get("Patient/amina").await.expect(200);
    app.get("Goal").await.expect(403);
    app.post("Observation", &people::blood_pressure("amina", 120)).await.expect(403);
    let log = concord.patient("amina").get("AuditEvent?patient=amina&_count=50").await.expect(200);
    assert!(log.text().contains("letters"), "{log}");
}

async fn an_assertion_is_believed_once(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let assertion = system.signed(&system.assertion(concord, "1"));
    system.ask(&server, &assertion, "system/*.rs").await.expect(200);
    assert_eq!(error(&system.ask(&server, &assertion, "system/*.rs").await.expect(401)), "invalid_client");
    let again = system.signed(&system.assertion(concord, "1"));
    assert_eq!(error(&system.ask(&server, &again, "system/*.rs").await.expect(401)), "invalid_client");
    let another = system.signed(&system.assertion(concord, "2"));
    system.ask(&server, &another, "system/*.rs").await.expect(200);
}

async fn an_assertion_that_is_not_believed(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let now_s = concord.clock.now_s();
    for (name, value) in [
        ("exp", json!(now_s - 31)),
        ("exp", json!(now_s + 331)),
        ("aud", json!(ISSUER)),
        ("aud", json!("https://else.example/oauth/token")),
        ("sub", json!("another")),
        ("iss", json!("another")),
    ] {
        let mut claims = system.assertion(concord, "1");
        claims[name] = value;
        let refused = system.ask(&server, &system.signed(&claims), "system/*.rs").await.expect(401);
        assert_eq!(error(&refused), "invalid_client", "{claims}");
    }
    let (stranger, _) = System::registered(concord).await;
    let forged = stranger.signed(&system.assertion(concord, "1"));
    assert_eq!(error(&system.ask(&server, &forged, "system/*.rs").await.expect(401)), "invalid_client");
    // None of these has used the jti up.
    let good = system.signed(&system.assertion(concord, "1"));
    assert_eq!(error(&system.ask(&server, &good, "patient/*.rs").await.expect(400)), "invalid_scope");
}

async fn a_system_is_told_nothing_of_people(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let assertion = system.signed(&system.assertion(concord, "1"));
    let told = system.ask(&server, &assertion, "system/*.rs openid").await.expect(200).json();
    assert!(!text(&told, "/scope").contains("openid"), "{told}");
    app(&server, &told).get("/oauth/userinfo").await.expect(401);
}
