//! Apps register themselves over HTTP where the settings let them, and systems register others (RFC 7591, RFC 7592).

use concord_api::command::client::{self, Action, ClientArgs};
use concord_tests::client::{Method, text};
use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::systems::System;
use super::{Browser, CHOICES, app, asking, authorize, error, for_code, query, token, with};

on_both! {
    with super::super::SETTINGS;
    nobody_registers_where_nobody_may, an_app_registers_itself_and_a_person_lets_it_in, who_registers_itself_gets_no_more,
    a_registration_is_its_own_to_change, an_invitation_is_good_for_one, a_statement_is_believed_of_whom_the_operator_trusts,
    a_system_registers_clients, keys_are_where_it_says_itself_if_that_is_let, few_register_at_once, clients_behind_a_trusted_proxy_are_told_apart
}

/// A server with these settings of registration.
pub(super) async fn server(concord: &Concord, settings: Value) -> Concord {
    let mut sign_in = json!({"development_provider": true});
    sign_in.as_object_mut().expect("an object").extend(settings.as_object().expect("an object").clone());
    let sign_in = sign_in.to_string();
    concord.another_node_with(&[super::SETTINGS, &[("CONCORD_SIGN_IN", sign_in.as_str())]].concat()).await
}

pub(super) fn diary() -> Value {
    json!({"client_name": "My Diary", "redirect_uris": ["https://my.example/back"], "token_endpoint_auth_method": "none",
        "scope": "launch/patient patient/*.cruds"})
}

pub(super) async fn call(
    server: &Concord,
    method: Method,
    place: &str,
    token: Option<&str>,
    said: Option<&Value>,
) -> Answer {
    let mut ask = server.nobody().ask(method, place);
    if let Some(token) = token {
        ask = ask.header("authorization", &format!("Bearer {token}"));
    }
    match said {
        Some(said) => ask.body("application/json", said.to_string()).await,
        None => ask.await,
    }
}

pub(super) async fn register(server: &Concord, token: Option<&str>, said: &Value) -> Answer {
    call(server, Method::POST, "/oauth/register", token, Some(said)).await
}

pub(super) async fn nobody_registers_where_nobody_may(concord: &Concord) {
    let refused = register(concord, None, &diary()).await.expect(401);
    assert_eq!(error(&refused), "invalid_token");
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused}");
    register(concord, Some("concord_in_made-up"), &diary()).await.expect(401);
    call(concord, Method::GET, "/oauth/register", None, None).await.expect(401);
    call(concord, Method::GET, "/oauth/register/heart-diary", Some("x"), None).await.expect(401);
    let told = concord.nobody().get("/fhir/.well-known/smart-configuration").await.expect(200).json();
    assert_eq!(told.get("registration_endpoint"), None);
}

pub(super) async fn an_app_registers_itself_and_a_person_lets_it_in(concord: &Concord) {
    people::arrive(concord).await;
    let server = server(concord, json!({"registration": "open"})).await;
    let told = server.nobody().get("/fhir/.well-known/smart-configuration").await.expect(200).json();
    assert_eq!(told["registration_endpoint"], "http://localhost:8080/oauth/register");
    let answer = register(&server, None, &diary()).await.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let told = answer.json();
    assert_eq!((text(&told, "/scope"), text(&told, "/concord_kind")), ("launch/patient patient/*.rs", "third-party"));
    let id = text(&told, "/client_id");
    let browser = Browser::new(&server);
    let asked = with(&asking("launch/patient patient/*.cruds"), "client_id", Some(id));
    let asked = with(&asked, "redirect_uri", Some("https://my.example/back"));
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    for said in ["Nobody has checked who makes this app", "<strong>my.example</strong>", "My Diary"] {
        assert!(page.text().contains(said), "{said}: {page}");
    }
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let asked = with(&with(&for_code(&code), "client_id", Some(id)), "redirect_uri", Some("https://my.example/back"));
    let tokens = token(&server, &asked).await.expect(200).json();
    let app = app(&server, &tokens);
    app.get("Patient/amina").await.expect(200);
    app.post("Observation", &people::blood_pressure("amina", 120)).await.expect(403);
    // When it goes, what it was let do goes with it.
    let (place, own) = (format!("/oauth/register/{id}"), text(&told, "/registration_access_token"));
    call(&server, Method::DELETE, &place, Some(own), None).await.expect(204);
    app.get("Patient/amina").await.expect(401);
    call(&server, Method::GET, &place, Some(own), None).await.expect(401);
    let gone = Browser::new(&server).get(&authorize(&asked)).await.expect(400);
    assert!(gone.text().contains("The app&#39;s link does not work"), "{gone}");
}

pub(super) async fn who_registers_itself_gets_no_more(concord: &Concord) {
    let server = server(concord, json!({"registration": "open", "registration_limit": 1})).await;
    for (name, value, refused) in [
        ("client_name", json!("heart, DIARY!"), "invalid_client_metadata"),
        ("client_name", json!("Surgery Portal"), "invalid_client_metadata"),
        ("redirect_uris", json!(["http://my.example/back"]), "invalid_redirect_uri"),
        ("scope", json!("system/*.rs"), "invalid_client_metadata"),
        ("concord_kind", json!("own"), "invalid_client_metadata"),
        ("jwks_uri", json!("http://169.254.169.254/latest"), "invalid_client_metadata"),
        ("software_statement", json!("a.b.c"), "invalid_software_statement"),
    ] {
        let mut said = diary();
        said[name] = value.clone();
        assert_eq!(error(&register(&server, None, &said).await.expect(400)), refused, "{name} {value}");
    }
    // It does not choose how it is called by others.
    let mut said = diary();
    said["client_id"] = json!("portal");
    let told = register(&server, None, &said).await.expect(201).json();
    assert_ne!(told["client_id"], "portal");
    let full = register(&server, None, &diary()).await.expect(503);
    assert_eq!(error(&full), "temporarily_unavailable");
}

pub(super) async fn a_registration_is_its_own_to_change(concord: &Concord) {
    let server = server(concord, json!({"registration": "open"})).await;
    let mut said = diary();
    said["token_endpoint_auth_method"] = json!("client_secret_basic");
    let first = register(&server, None, &said).await.expect(201).json();
    let second = register(&server, None, &diary()).await.expect(201).json();
    assert!(text(&first, "/client_secret").starts_with("concord_cs_"), "{first}");
    let place = text(&first, "/registration_client_uri").strip_prefix(super::ISSUER).expect("here").to_owned();
    let own = text(&first, "/registration_access_token");
    let other = text(&second, "/registration_access_token");
    for bad in [Some(other), Some("x"), None] {
        call(&server, Method::GET, &place, bad, None).await.expect(401);
        call(&server, Method::DELETE, &place, bad, None).await.expect(401);
        call(&server, Method::PUT, &place, bad, Some(&said)).await.expect(401);
    }
    call(&server, Method::GET, "/oauth/register/portal", Some(own), None).await.expect(401);
    let told = call(&server, Method::GET, &place, Some(own), None).await.expect(200).json();
    assert_eq!((told.get("client_secret"), &told["client_name"]), (None, &json!("My Diary")));
    let refused = call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(400);
    assert_eq!(error(&refused), "invalid_client_metadata", "the client_id has to be said");
    said["client_id"] = first["client_id"].clone();
    said["client_name"] = json!("My new diary");
    said["scope"] = json!("patient/*.cruds system/*.rs");
    let told = call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(200).json();
    assert_eq!((&told["client_name"], &told["scope"]), (&json!("My new diary"), &json!("patient/*.rs")));
    assert_eq!(told.get("client_secret"), None, "it is the same as before");
    said["client_name"] = json!("Surgery portal");
    call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(400);
}

pub(super) async fn an_invitation_is_good_for_one(concord: &Concord) {
    let server = server(concord, json!({"registration": "invitation"})).await;
    let invite = async || {
        let mut out = Vec::new();
        let args = ClientArgs { action: Action::Invite };
        client::run(&args, &concord.config, concord.clock.clone(), &mut out).await.expect("an invitation");
        String::from_utf8(out).expect("UTF-8").trim().to_owned()
    };
    register(&server, None, &diary()).await.expect(401);
    let invitation = invite().await;
    // What cannot be registered does not use it up.
    register(&server, Some(&invitation), &json!({})).await.expect(400);
    register(&server, Some(&invitation), &diary()).await.expect(201);
    register(&server, Some(&invitation), &diary()).await.expect(401);
    let old = invite().await;
    concord.later(7 * 86_400_000);
    register(&server, Some(&old), &diary()).await.expect(401);
}

pub(super) async fn a_statement_is_believed_of_whom_the_operator_trusts(concord: &Concord) {
    let (trust, stranger) = (LoginService::start(true), LoginService::start(true));
    let keys = format!("{}/jwks", trust.origin());
    let settings =
        json!({"registration": "statement", "statement_issuer": "https://trust.example", "statement_keys": keys});
    let server = server(concord, settings).await;
    assert_eq!(error(&register(&server, None, &diary()).await.expect(400)), "invalid_software_statement");
    let claims = json!({"iss": "https://trust.example", "client_name": "Checked Diary", "software_id": "1"});
    let mut said = diary();
    said["software_statement"] = json!(stranger.assertion(&claims));
    assert_eq!(error(&register(&server, None, &said).await.expect(400)), "invalid_software_statement");
    said["software_statement"] = json!(trust.assertion(&claims));
    let told = register(&server, None, &said).await.expect(201).json();
    assert_eq!((&told["client_name"], &told["concord_kind"]), (&json!("Checked Diary"), &json!("third-party")));
}

pub(super) async fn a_system_registers_clients(concord: &Concord) {
    let (system, server) =
        System::registered_for(concord, "system/clients system/Observation.rs openid user/*.cruds").await;
    let admin = async |id: &str, scope: &str| {
        let assertion = system.signed(&system.assertion(concord, id));
        system.ask(&server, &assertion, scope).await
    };
    let told = admin("1", "system/clients openid").await.expect(200).json();
    assert_eq!(told["scope"], "system/clients");
    let token = text(&told, "/access_token");
    let mut said = diary();
    said["client_id"] = json!("ward");
    said["scope"] = json!("openid user/*.cruds");
    said["concord_kind"] = json!("own");
    let told = register(&server, Some(token), &said).await.expect(201).json();
    assert_eq!((&told["client_id"], &told["concord_kind"]), (&json!("ward"), &json!("own")));
    assert_eq!(told.get("registration_access_token"), None);
    assert_eq!(error(&register(&server, Some(token), &said).await.expect(400)), "invalid_client_metadata", "twice");
    for scope in ["system/*.rs", "system/clients", "system/Observation.cruds"] {
        let mut more = said.clone();
        more["client_id"] = json!("more");
        more["scope"] = json!(scope);
        assert_eq!(
            error(&register(&server, Some(token), &more).await.expect(400)),
            "invalid_client_metadata",
            "{scope}"
        );
    }
    let all = call(&server, Method::GET, "/oauth/register", Some(token), None).await.expect(200).json();
    assert_eq!(all["clients"].as_array().map(Vec::len), Some(1));
    // A client of the settings, or one that nobody but a command has registered, is not its own.
    call(&server, Method::DELETE, "/oauth/register/letters", Some(token), None).await.expect(401);
    // Another scope lets nobody register.
    let other = admin("2", "system/Observation.rs").await.expect(200).json();
    register(&server, Some(text(&other, "/access_token")), &diary()).await.expect(401);
    call(&server, Method::DELETE, "/oauth/register/ward", Some(token), None).await.expect(204);
    call(&server, Method::GET, "/oauth/register/ward", Some(token), None).await.expect(401);
}

pub(super) async fn few_register_at_once(concord: &Concord) {
    let server = server(concord, json!({"registration": "open"})).await;
    for _ in 0..10 {
        register(&server, None, &json!({})).await.expect(400);
    }
    let refused = register(&server, None, &diary()).await.expect(429);
    assert!(!refused.header("retry-after").is_empty(), "{refused}");
}

pub(super) async fn clients_behind_a_trusted_proxy_are_told_apart(concord: &Concord) {
    let own = [("CONCORD_SIGN_IN", r#"{"development_provider": true, "registration": "open"}"#)];
    let trusting = [super::SETTINGS, &own, &[("CONCORD_TRUSTED_PROXIES", "127.0.0.0/8, ::1")]].concat();
    let other = [super::SETTINGS, &own].concat();
    for (settings, trusts) in [(trusting, true), (other, false)] {
        let server = concord.another_node_with(&settings).await;
        let from = async |client: &str| {
            let ask = server.nobody().ask(Method::POST, "/oauth/register").header("x-forwarded-for", client);
            ask.body("application/json", "{}").await.status
        };
        for number in 0..10 {
            // What a client writes itself does not count.
            assert_eq!(from(&format!("203.0.113.{number}, 192.0.2.1")).await, 400);
        }
        assert_eq!(from("192.0.2.1").await, 429);
        assert_eq!(from("192.0.2.2").await, if trusts { 400 } else { 429 });
    }
}

pub(super) async fn keys_are_where_it_says_itself_if_that_is_let(concord: &Concord) {
    let said = |url: &str| {
        let mut said = diary();
        said["jwks_uri"] = json!(url);
        said["token_endpoint_auth_method"] = json!("private_key_jwt");
        said
    };
    let closed = server(concord, json!({"registration": "open"})).await;
    register(&closed, None, &said("https://localhost/keys")).await.expect(400);
    let open = server(concord, json!({"registration": "open", "registration_keys_url": true})).await;
    for inside in [
        "https://127.0.0.1/keys",
        "https://[::1]/keys",
        "https://0x7f.1/",
        "https://localhost:8443/keys",
        "https://localhost/keys",
        "https://keys/",
        "https:keys.example.com",
    ] {
        let refused = register(&open, None, &said(inside)).await.expect(400);
        assert_eq!(error(&refused), "invalid_client_metadata", "{inside}");
    }
    let told = register(&open, None, &said("https://keys.invalid/keys")).await.expect(201).json();
    assert_eq!(told["jwks_uri"], "https://keys.invalid/keys");
    // A name that leads nowhere.
    let id = text(&told, "/client_id");
    let claims = json!({"iss": id, "sub": id, "aud": format!("{}/oauth/token", super::ISSUER), "jti": "1",
        "exp": concord.clock.now_s() + 300});
    let assertion = LoginService::start(true).assertion(&claims);
    let asked = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "concord_rt_x"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    for _ in 0..2 {
        let refused = token(&open, &asked).await.expect(401);
        assert_eq!(error(&refused), "invalid_client");
        assert!(refused.text().contains("cannot be fetched"), "{refused}");
    }
}
