//! What clients have that are registered over HTTP: no more than who registers them, and no more than they are registered for now.

use concord_api::command::client::{self, Action, AddArgs, ClientArgs};
use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::process::Process;
use concord_tests::{Answer, App, Concord, Database, on_both};
use serde_json::{Value, json};

use super::registration::{call, diary, register, server};
use super::systems::System;
use super::{Browser, CHOICES, app, asking, authorize, error, for_code, post, query, token, with};

on_both! {
    with super::super::SETTINGS;
    a_system_registers_nothing_that_is_more_than_itself, what_an_app_has_is_narrowed_with_it,
    what_a_system_has_is_narrowed_with_it, who_is_narrowed_narrows_what_they_have_registered, who_ends_ends_what_they_have_registered,
    pages_call_from_where_clients_are_now, no_name_reads_like_anothers, a_registration_is_seldom_changed
}

/// A system that registers clients, as these settings say of it, its server, and the token by which it does so.
pub(super) async fn registrar(concord: &Concord, said: Value) -> (System, Concord, String) {
    let (system, server) = System::registered_as(concord, said, json!({"development_provider": true})).await;
    let assertion = system.signed(&system.assertion(concord, "registrar"));
    let told = system.ask(&server, &assertion, "system/clients").await.expect(200).json();
    let token = text(&told, "/access_token").to_owned();
    (system, server, token)
}

pub(super) async fn a_system_registers_nothing_that_is_more_than_itself(concord: &Concord) {
    let scope = "system/clients system/Observation.rs openid launch/patient user/*.rs";
    let (system, server, token) = registrar(concord, json!({"scope": scope, "purposes": ["TREAT", "HPAYMT"]})).await;
    let robot =
        json!({"client_id": "robot", "client_name": "Robot", "jwks": system.keys(), "scope": "system/Observation.rs"});
    let more = |name: &str, value: Value| {
        let mut said = robot.clone();
        said[name] = value;
        said
    };
    for (name, value) in [
        ("scope", json!("system/Observation.cruds")),
        ("scope", json!("user/*.cruds")),
        ("scope", json!("patient/Observation.rs")),
        ("scope", json!("system/Observation.rs offline_access")),
        ("concord_purposes", json!(["HRESCH"])),
        ("concord_purposes", json!(["TREAT", "HRESCH"])),
        ("concord_introspects", json!(true)),
    ] {
        let refused = register(&server, Some(&token), &more(name, value.clone())).await.expect(400);
        assert_eq!(error(&refused), "invalid_client_metadata", "{name} {value}");
    }
    // Where nothing is said, it is what its registrar is.
    let told = register(&server, Some(&token), &robot).await.expect(201).json();
    assert_eq!(told["concord_purposes"], json!(["TREAT", "HPAYMT"]));
    let told = call(
        &server,
        Method::PUT,
        "/oauth/register/robot",
        Some(&token),
        Some(&more("concord_purposes", json!(["TREAT"]))),
    )
    .await
    .expect(200)
    .json();
    assert_eq!(told["concord_purposes"], json!(["TREAT"]));
    let wider = more("concord_purposes", json!(["HRESCH"]));
    call(&server, Method::PUT, "/oauth/register/robot", Some(&token), Some(&wider)).await.expect(400);
}

pub(super) async fn what_an_app_has_is_narrowed_with_it(concord: &Concord) {
    people::arrive(concord).await;
    let server = server(concord, json!({"registration": "open"})).await;
    let mut said = diary();
    said["scope"] = json!("openid fhirUser launch/patient offline_access patient/*.rs");
    let told = register(&server, None, &said).await.expect(201).json();
    let (id, own) = (text(&told, "/client_id"), text(&told, "/registration_access_token"));
    let place = format!("/oauth/register/{id}");
    let tokens = let_in(&server, id).await;
    let app = app(&server, &tokens);
    for place in ["Patient/amina", "Observation?patient=amina"] {
        app.get(place).await.expect(200);
    }
    said["client_id"] = json!(id);
    said["scope"] = json!("launch/patient offline_access patient/Observation.rs");
    call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(200);
    // What it has, and what it gets for what it has.
    app.get("Patient/amina").await.expect(403);
    app.get("Observation?patient=amina").await.expect(200);
    server.nobody().with_token(text(&tokens, "/access_token")).get("/oauth/userinfo").await.expect(403);
    let refresh = |tokens: &Value| {
        [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", text(tokens, "/refresh_token").to_owned()),
            ("client_id", id.to_owned()),
        ]
    };
    let asked = refresh(&tokens);
    let asked: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let fresh = token(&server, &asked).await.expect(200).json();
    assert_eq!(fresh["scope"], "launch/patient offline_access patient/Observation.rs");
    let told = post(&server, "/oauth/introspect", &[("token", text(&fresh, "/refresh_token"))], Some("checker")).await;
    assert_eq!(told.expect(200).json()["scope"], "launch/patient offline_access patient/Observation.rs");
    // What is to be used for long it has no longer, once it is not registered for that.
    said["scope"] = json!("launch/patient patient/Observation.rs");
    call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(200);
    let asked = refresh(&fresh);
    let asked: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(error(&token(&server, &asked).await.expect(400)), "invalid_grant");
}

/// Amina lets an app in that has registered itself: its tokens.
pub(super) async fn let_in(server: &Concord, id: &str) -> Value {
    let browser = Browser::new(server);
    let scope = "openid fhirUser launch/patient offline_access patient/*.rs";
    let asked = with(&asking(scope), "client_id", Some(id));
    let asked = with(&asked, "redirect_uri", Some("https://my.example/back"));
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let asked = with(&with(&for_code(&code), "client_id", Some(id)), "redirect_uri", Some("https://my.example/back"));
    token(server, &asked).await.expect(200).json()
}

pub(super) async fn what_a_system_has_is_narrowed_with_it(concord: &Concord) {
    people::arrive(concord).await;
    let (system, server, admin) =
        registrar(concord, json!({"scope": "system/clients system/Patient.rs system/Observation.rs"})).await;
    let mut said = json!({"client_id": "robot", "client_name": "Robot", "concord_kind": "own", "jwks": system.keys(),
        "scope": "system/Patient.rs system/Observation.rs"});
    register(&server, Some(&admin), &said).await.expect(201);
    let mut claims = system.assertion(concord, "robot");
    (claims["iss"], claims["sub"]) = (json!("robot"), json!("robot"));
    let tokens = system.ask(&server, &system.signed(&claims), "system/*.rs").await.expect(200).json();
    let robot = app(&server, &tokens);
    let calls = async |app: &App, purpose: &str| -> Answer {
        app.ask(Method::GET, "Patient/amina").header("x-purpose-of-use", purpose).await
    };
    calls(&robot, "HRESCH").await.expect(200);
    said["concord_purposes"] = json!(["TREAT"]);
    call(&server, Method::PUT, "/oauth/register/robot", Some(&admin), Some(&said)).await.expect(200);
    calls(&robot, "HRESCH").await.expect(404);
    calls(&robot, "TREAT").await.expect(200);
    said["scope"] = json!("system/Observation.rs");
    call(&server, Method::PUT, "/oauth/register/robot", Some(&admin), Some(&said)).await.expect(200);
    calls(&robot, "TREAT").await.expect(403);
}

/// Another server over the same database, whose settings say this of the registrar; nothing is said of it where there is none.
async fn later(concord: &Concord, registrar: Option<Value>, sign_in: Value) -> Concord {
    let file = concord.scratch().folder().join("letters.json");
    let clients = registrar.map(|said| {
        let mut client = json!({"client": "letters", "keys": file});
        client.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
        client
    });
    let clients = json!(clients.into_iter().collect::<Vec<_>>()).to_string();
    let mut all = json!({"development_provider": true});
    all.as_object_mut().expect("an object").extend(sign_in.as_object().expect("an object").clone());
    let all = all.to_string();
    let own = [("CONCORD_CLIENTS", clients.as_str()), ("CONCORD_SIGN_IN", all.as_str())];
    concord.another_node_with(&[super::SETTINGS, &own].concat()).await
}

/// What a system is answered that asks for a token.
async fn asks(concord: &Concord, server: &Concord, (system, id): (&System, &str), unique: &str) -> Answer {
    let mut claims = system.assertion(concord, unique);
    (claims["iss"], claims["sub"]) = (json!(id), json!(id));
    system.ask(server, &system.signed(&claims), "system/*.rs").await
}

pub(super) async fn who_is_narrowed_narrows_what_they_have_registered(concord: &Concord) {
    people::arrive(concord).await;
    let (system, server, admin) =
        registrar(concord, json!({"scope": "system/clients system/Patient.rs system/Observation.rs"})).await;
    let robot = json!({"client_id": "robot", "client_name": "Robot", "concord_kind": "own", "jwks": system.keys(),
        "scope": "system/Patient.rs system/Observation.rs"});
    register(&server, Some(&admin), &robot).await.expect(201);
    let tokens = asks(concord, &server, (&system, "robot"), "1").await.expect(200).json();
    app(&server, &tokens).get("Patient/amina").await.expect(200);
    let less = json!({"scope": "system/clients system/Patient.rs", "purposes": ["TREAT"]});
    let narrowed = later(concord, Some(less), json!({})).await;
    let robot = app(&narrowed, &tokens);
    robot.get("Observation?patient=amina").await.expect(403);
    let calls = async |purpose: &str| robot.ask(Method::GET, "Patient/amina").header("x-purpose-of-use", purpose).await;
    calls("TREAT").await.expect(200);
    calls("HRESCH").await.expect(404);
    let fresh = asks(concord, &narrowed, (&system, "robot"), "2").await.expect(200).json();
    assert_eq!(fresh["scope"], "system/Patient.rs");
    // What registers itself is registered by a setting.
    let scope = "openid fhirUser launch/patient offline_access patient/*.rs";
    let open = later(concord, None, json!({"registration": "open", "registration_scope": scope})).await;
    let mut said = diary();
    said["scope"] = json!(scope);
    let told = register(&open, None, &said).await.expect(201).json();
    let tokens = let_in(&open, text(&told, "/client_id")).await;
    app(&open, &tokens).get("Patient/amina").await.expect(200);
    let less = json!({"registration": "open", "registration_scope": "launch/patient patient/Observation.rs"});
    let narrowed = later(concord, None, less).await;
    app(&narrowed, &tokens).get("Patient/amina").await.expect(403);
    app(&narrowed, &tokens).get("Observation?patient=amina").await.expect(200);
}

pub(super) async fn who_ends_ends_what_they_have_registered(concord: &Concord) {
    people::arrive(concord).await;
    let scope = "system/clients system/Patient.rs";
    let (system, server, admin) = registrar(concord, json!({ "scope": scope })).await;
    let client = |id: &str| {
        json!({"client_id": id, "client_name": id, "concord_kind": "own", "jwks": system.keys(),
            "redirect_uris": [format!("https://{id}.example/back")], "scope": "system/Patient.rs"})
    };
    register(&server, Some(&admin), &client("robot")).await.expect(201);
    let tokens = asks(concord, &server, (&system, "robot"), "1").await.expect(200).json();
    assert!(may_call(&server, "https://robot.example").await);
    // It is no longer in the settings.
    let without = later(concord, None, json!({})).await;
    app(&without, &tokens).get("Patient/amina").await.expect(401);
    assert_eq!(error(&asks(concord, &without, (&system, "robot"), "2").await.expect(401)), "invalid_client");
    assert!(!may_call(&without, "https://robot.example").await);
    // It is one that a command has registered, and revokes.
    let run = async |action: Action| {
        let args = ClientArgs { action };
        let mut out = Vec::new();
        client::run(&args, &concord.config, concord.clock.clone(), &mut out).await.expect("a command");
        String::from_utf8(out).expect("UTF-8")
    };
    let add = AddArgs {
        id: "desk".to_owned(),
        name: "Desk".to_owned(),
        about: None,
        own: true,
        scope: scope.to_owned(),
        redirect_uri: Vec::new(),
        secret: false,
        keys: Some(concord.scratch().folder().join("letters.json")),
        keys_url: None,
        purpose: Vec::new(),
        introspects: false,
    };
    run(Action::Add(Box::new(add))).await;
    let mut claims = system.assertion(concord, "3");
    (claims["iss"], claims["sub"]) = (json!("desk"), json!("desk"));
    let desk = system.ask(&server, &system.signed(&claims), "system/clients").await.expect(200).json();
    register(&server, Some(text(&desk, "/access_token")), &client("drone")).await.expect(201);
    let tokens = asks(concord, &server, (&system, "drone"), "4").await.expect(200).json();
    app(&server, &tokens).get("Patient/amina").await.expect(200);
    run(Action::Revoke { id: "desk".to_owned() }).await;
    app(&server, &tokens).get("Patient/amina").await.expect(401);
    assert_eq!(error(&asks(concord, &server, (&system, "drone"), "5").await.expect(401)), "invalid_client");
    let listed = run(Action::List).await;
    assert!(listed.contains("drone\tended with who registered it"), "{listed}");
}

/// Whether pages of an origin may call.
async fn may_call(server: &Concord, origin: &str) -> bool {
    is_let_in(&server.nobody(), origin).await
}

async fn is_let_in(nobody: &App, origin: &str) -> bool {
    let ask = nobody.ask(Method::OPTIONS, "/fhir/Observation").header("origin", origin);
    ask.header("access-control-request-method", "GET").await.status == 200
}

pub(super) async fn pages_call_from_where_clients_are_now(concord: &Concord) {
    let server = server(concord, json!({"registration": "open"})).await;
    let mut said = diary();
    let told = register(&server, None, &said).await.expect(201).json();
    let (id, own) = (text(&told, "/client_id"), text(&told, "/registration_access_token"));
    let place = format!("/oauth/register/{id}");
    let second = register(&server, None, &said).await.expect(201).json();
    assert!(may_call(&server, "https://my.example").await && may_call(&server, "https://diary.example").await);
    said["client_id"] = json!(id);
    said["redirect_uris"] = json!(["https://new.example/back"]);
    call(&server, Method::PUT, &place, Some(own), Some(&said)).await.expect(200);
    assert!(may_call(&server, "https://new.example").await);
    assert!(may_call(&server, "https://my.example").await, "another is there");
    let (other, management) = (text(&second, "/client_id"), text(&second, "/registration_access_token"));
    call(&server, Method::DELETE, &format!("/oauth/register/{other}"), Some(management), None).await.expect(204);
    assert!(!may_call(&server, "https://my.example").await);
    call(&server, Method::DELETE, &place, Some(own), None).await.expect(204);
    assert!(!may_call(&server, "https://new.example").await);
    assert!(may_call(&server, "https://diary.example").await, "it is in the settings");
}

#[test]
fn a_server_that_is_put_back_knows_the_origins_of_its_own_clients() {
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let open = r#"{"development_provider": true, "registration": "open"}"#;
        let settings = [("CONCORD_PUBLIC_URL", "http://127.0.0.1:0"), ("CONCORD_SIGN_IN", open)];
        let process = Process::ephemeral(concord.scratch().folder(), &settings);
        let nobody = App::at(&process.origin);
        let register = async |origin: &str| {
            let mut said = diary();
            said["redirect_uris"] = json!([format!("{origin}/back")]);
            let ask = nobody.ask(Method::POST, "/oauth/register").body("application/json", said.to_string());
            ask.await.expect(201);
        };
        register("https://before.example").await;
        assert!(is_let_in(&nobody, "https://before.example").await);
        nobody.ask(Method::POST, "/fhir/$reset").await.expect(204);
        register("https://after.example").await;
        assert!(is_let_in(&nobody, "https://after.example").await);
        assert!(!is_let_in(&nobody, "https://before.example").await);
    });
}

pub(super) async fn no_name_reads_like_anothers(concord: &Concord) {
    let server = server(concord, json!({"registration": "open"})).await;
    for name in [
        "Surgery\u{3164}Portal",
        "Surgery \u{ffa0} Portal",
        "Ｓｕｒｇｅｒｙ Portal",
        "Surg\u{435}ry Portal",
        "Sürgery P0rta1",
        "Heart \u{414}neunik",
    ] {
        let mut said = diary();
        said["client_name"] = json!(name);
        let refused = register(&server, None, &said).await.expect(400);
        assert_eq!(error(&refused), "invalid_client_metadata", "{name:?}");
    }
    let mut said = diary();
    said["redirect_uris"] = json!(["https://a;sandbox/x"]);
    assert_eq!(error(&register(&server, None, &said).await.expect(400)), "invalid_redirect_uri");
}

pub(super) async fn a_registration_is_seldom_changed(concord: &Concord) {
    let server = server(concord, json!({"registration": "open"})).await;
    let mut said = diary();
    let told = register(&server, None, &said).await.expect(201).json();
    let (id, own) = (text(&told, "/client_id"), text(&told, "/registration_access_token"));
    said["client_id"] = json!(id);
    let mut refused = None;
    for number in 0..10 {
        said["redirect_uris"] = json!([format!("https://a{number}.example/back")]);
        let place = format!("/oauth/register/{id}");
        let answer = call(&server, Method::PUT, &place, Some(own), Some(&said)).await;
        refused = (answer.status == 429).then_some(answer);
    }
    let refused = refused.expect("one too many");
    assert!(!refused.header("retry-after").is_empty(), "{refused}");
}
