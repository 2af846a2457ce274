//! Systems get tokens of their own by their keys (SMART App Launch 2.2, "Backend Services").

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord_api::command::client::{self, Action, AddArgs, ClientArgs};
use concord_tests::client::text;
use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::stub;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::{ISSUER, app, error, token};

on_both! {
    with super::super::SETTINGS;
    a_system_gets_a_token_by_its_key, an_assertion_is_believed_once, an_assertion_that_is_not_believed,
    a_system_is_told_nothing_of_people, keys_may_be_at_a_url, keys_at_a_url_are_kept_no_longer_than_is_said,
    keys_are_not_fetched_from_where_a_url_leads, signatures_are_looked_at_so_often, a_client_is_registered_by_command_beside_the_server
}

/// A system with a key.
pub(super) struct System {
    key: EcdsaKeyPair,
}

impl System {
    /// A server to which it is registered, in the settings, with its keys in a file.
    pub(super) async fn registered(concord: &Concord) -> (System, Concord) {
        System::registered_for(concord, "system/Observation.cruds system/Patient.rs").await
    }

    /// The same for these scopes.
    pub(super) async fn registered_for(concord: &Concord, scope: &str) -> (System, Concord) {
        System::registered_as(concord, json!({ "scope": scope }), json!({"development_provider": true})).await
    }

    /// The same as these settings say of it and of sign-in.
    pub(super) async fn registered_as(concord: &Concord, said: Value, sign_in: Value) -> (System, Concord) {
        let system = System { key: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key") };
        let server = system.server(concord, said, sign_in).await;
        (system, server)
    }

    /// A server, or another node of one, to which it is registered in the settings.
    pub(super) async fn server(&self, concord: &Concord, said: Value, sign_in: Value) -> Concord {
        let file = concord.scratch().folder().join("letters.json");
        std::fs::write(&file, self.keys().to_string()).expect("a file of keys");
        let mut client = json!({"client": "letters", "keys": file});
        client.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
        let (clients, sign_in) = (json!([client]).to_string(), sign_in.to_string());
        let own = [("CONCORD_CLIENTS", clients.as_str()), ("CONCORD_SIGN_IN", sign_in.as_str())];
        concord.another_node_with(&[super::SETTINGS, &own].concat()).await
    }

    /// Its public keys.
    pub(super) fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "k1", "alg": "ES384",
            "x": URL_SAFE_NO_PAD.encode(&point[1..49]), "y": URL_SAFE_NO_PAD.encode(&point[49..])}]})
    }

    pub(super) fn assertion(&self, concord: &Concord, id: &str) -> Value {
        let now_s = concord.clock.now_s();
        json!({"iss": "letters", "sub": "letters", "aud": format!("{ISSUER}/oauth/token"), "exp": now_s + 300, "jti": id})
    }

    pub(super) fn signed(&self, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    pub(super) async fn ask(&self, concord: &Concord, assertion: &str, scope: &str) -> Answer {
        let asked = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        token(concord, &asked).await
    }
}

pub(super) async fn a_system_gets_a_token_by_its_key(concord: &Concord) {
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

pub(super) async fn an_assertion_is_believed_once(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let assertion = system.signed(&system.assertion(concord, "1"));
    system.ask(&server, &assertion, "system/*.rs").await.expect(200);
    assert_eq!(error(&system.ask(&server, &assertion, "system/*.rs").await.expect(401)), "invalid_client");
    let again = system.signed(&system.assertion(concord, "1"));
    assert_eq!(error(&system.ask(&server, &again, "system/*.rs").await.expect(401)), "invalid_client");
    let another = system.signed(&system.assertion(concord, "2"));
    system.ask(&server, &another, "system/*.rs").await.expect(200);
}

pub(super) async fn an_assertion_that_is_not_believed(concord: &Concord) {
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

pub(super) async fn a_system_is_told_nothing_of_people(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let assertion = system.signed(&system.assertion(concord, "1"));
    let told = system.ask(&server, &assertion, "system/*.rs openid").await.expect(200).json();
    assert!(!text(&told, "/scope").contains("openid"), "{told}");
    app(&server, &told).get("/oauth/userinfo").await.expect(401);
}

pub(super) async fn a_client_is_registered_by_command_beside_the_server(concord: &Concord) {
    people::arrive(concord).await;
    let run = async |action: Action| {
        let mut out = Vec::new();
        let args = ClientArgs { action };
        let done = client::run(&args, &concord.config, concord.clock.clone(), &mut out).await;
        done.map(|()| String::from_utf8(out).expect("UTF-8").trim().to_owned())
    };
    let args = AddArgs {
        id: "kiosk".to_owned(),
        name: "Kiosk".to_owned(),
        about: None,
        own: true,
        scope: "launch/patient patient/*.rs".to_owned(),
        redirect_uri: vec!["https://kiosk.example/back".to_owned()],
        secret: true,
        keys: None,
        keys_url: None,
        purpose: Vec::new(),
        introspects: false,
    };
    let first = run(Action::Add(Box::new(args))).await.expect("a secret");
    let browser = super::Browser::new(concord);
    let asked = super::asking("launch/patient patient/*.rs");
    let asked = super::with(
        &super::with(&asked, "client_id", Some("kiosk")),
        "redirect_uri",
        Some("https://kiosk.example/back"),
    );
    let list = browser.get(&super::authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = super::query(&browser.decide(&page, super::CHOICES).await)["code"].clone();
    let second = run(Action::Rotate { id: "kiosk".to_owned(), keys: None }).await.expect("another secret");
    let ask = async |secret: &str| {
        use base64::engine::general_purpose::STANDARD;
        let form = super::with(&super::for_code(&code), "client_id", None);
        let form = super::with(&form, "redirect_uri", Some("https://kiosk.example/back"));
        let ask = concord.nobody().ask(concord_tests::client::Method::POST, "/oauth/token");
        let ask = ask.header("authorization", &format!("Basic {}", STANDARD.encode(format!("kiosk:{secret}"))));
        ask.body("application/x-www-form-urlencoded", super::form(&form))
            .header("origin", "https://kiosk.example")
            .await
    };
    assert_eq!(error(&ask(&first).await.expect(401)), "invalid_client");
    let told = ask(&second).await.expect(200);
    // A page of its own address may call; one of another may not.
    assert_eq!(told.header("access-control-allow-origin"), "https://kiosk.example");
    let elsewhere =
        concord.nobody().get("/fhir/Patient/amina").header("origin", "https://else.example").await.expect(401);
    assert_eq!(elsewhere.header("access-control-allow-origin"), "");
    let app = app(concord, &told.json());
    app.get("Patient/amina").await.expect(200);
    run(Action::Revoke { id: "kiosk".to_owned() }).await.expect("a client to revoke");
    app.get("Patient/amina").await.expect(401);
    browser.get(&super::authorize(&asked)).await.expect(400);
}

pub(super) async fn keys_may_be_at_a_url(concord: &Concord) {
    let keys = LoginService::start(true);
    let url = format!("{}/jwks", keys.origin());
    let clients = json!([{"client": "letters", "keys": url, "scope": "system/*.rs"}]).to_string();
    let server = concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await;
    let ask = async |assertion: &str| {
        let asked = [
            ("grant_type", "client_credentials"),
            ("scope", "system/*.rs"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        token(&server, &asked).await
    };
    let claims = json!({"iss": "letters", "sub": "letters", "aud": format!("{ISSUER}/oauth/token"), "jti": "1",
        "exp": concord.clock.now_s() + 300});
    ask(&keys.assertion(&claims)).await.expect(200);
    let another = LoginService::start(true);
    let forged = another.assertion(&claims);
    assert_eq!(error(&ask(&forged).await.expect(401)), "invalid_client");
    // RS512 is not one of those that SMART names.
    assert_eq!(error(&ask(&keys.id_token(&claims)).await.expect(401)), "invalid_client");
}

pub(super) async fn keys_at_a_url_are_kept_no_longer_than_is_said(concord: &Concord) {
    let made = || System { key: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key") };
    let (first, second) = (made(), made());
    let (sets, fetched) = ([first.keys(), second.keys()], Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&fetched);
    let address = stub::start(move |_| {
        let before = count.fetch_add(1, Ordering::SeqCst);
        ("200 OK\r\ncache-control: max-age=20", sets[before.min(1)].clone())
    });
    let clients = json!([{"client": "letters", "keys": format!("http://{address}/keys"), "scope": "system/*.rs"}]);
    let clients = clients.to_string();
    let server = concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await;
    let ask = async |system: &System, id: &str| {
        system.ask(&server, &system.signed(&system.assertion(concord, id)), "system/*.rs").await
    };
    ask(&first, "1").await.expect(200);
    ask(&first, "2").await.expect(200);
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    concord.later(20_000);
    ask(&first, "3").await.expect(401);
    ask(&second, "4").await.expect(200);
}

pub(super) async fn keys_are_not_fetched_from_where_a_url_leads(concord: &Concord) {
    let system = System { key: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key") };
    let (keys, fetched) = (system.keys(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&fetched);
    let elsewhere = stub::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        ("200 OK", keys.clone())
    });
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"] {
        let leads: &'static str = format!("{status}\r\nlocation: http://{elsewhere}/keys").leak();
        let address = stub::start(move |_| (leads, json!({})));
        let clients = json!([{"client": "letters", "keys": format!("http://{address}/keys"), "scope": "system/*.rs"}]);
        let clients = clients.to_string();
        let own = [("CONCORD_CLIENTS", clients.as_str())];
        let server = concord.another_node_with(&[super::SETTINGS, &own].concat()).await;
        let assertion = system.signed(&system.assertion(concord, status));
        let refused = system.ask(&server, &assertion, "system/*.rs").await.expect(401);
        assert_eq!(error(&refused), "invalid_client", "{status}");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 0);
}

pub(super) async fn signatures_are_looked_at_so_often(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let ask = async |assertion: String| system.ask(&server, &assertion, "system/*.rs").await;
    let right = async |unique: &str| ask(system.signed(&system.assertion(concord, unique))).await;
    let mut wrong = system.assertion(concord, "wrong");
    wrong["aud"] = json!(ISSUER);
    let wrong = system.signed(&wrong);
    for number in 0..300 {
        let refused = ask(wrong.clone()).await;
        assert_eq!(refused.status, if number < 30 { 401 } else { 429 }, "{number}: {refused}");
        if number % 50 == 49 {
            // Who is wrong keeps nobody out, until it costs too much to look.
            let told = right(&format!("{number}")).await;
            assert_eq!(told.status, if number == 299 { 429 } else { 200 }, "{number}: {told}");
        }
    }
    assert!(!right("late").await.expect(429).header("retry-after").is_empty());
    concord.later(60_000);
    right("next").await.expect(200);
}
