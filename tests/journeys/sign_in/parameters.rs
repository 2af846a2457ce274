//! What an attacker writes into requests (RFC 9700; RFC 6749 section 3.1; OpenID Connect Core section 6; RFC 8707; RFC 9207): parameters
//! twice, too long, of another kind or for another place, and addresses that only seem to be registered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::registration::{self, diary, register};
use super::systems::System;
use super::{
    BACK, Browser, CHOICES, ISSUER, SECRET, asking, authorize, code, error, for_code, form, post, query, token, tokens,
    with,
};

on_both! {
    with super::super::SETTINGS;
    each_parameter_is_there_once, what_a_request_may_not_have_is_refused_by_its_name, what_an_app_wants_back_is_bounded,
    a_token_is_for_this_server_only, a_client_proves_once_who_it_is, an_address_that_seems_to_be_registered_is_not,
    an_app_that_nobody_has_checked_leads_nobody_away
}

const SCOPE: &str = "openid launch/patient offline_access patient/*.rs";
const FORM: &str = "application/x-www-form-urlencoded";

/// The same parameters with one of them twice.
fn twice<'a>(pairs: &[(&'a str, &'a str)], name: &str) -> Vec<(&'a str, &'a str)> {
    let again = pairs.iter().copied().find(|(key, _)| *key == name).expect("a parameter");
    [pairs, &[again]].concat()
}

/// A refusal that the app is told, where it has registered.
fn there(sent: &Answer) -> std::collections::BTreeMap<String, String> {
    assert!(sent.header("location").starts_with(&format!("{BACK}?")), "{sent}");
    let told = query(sent.header("location"));
    assert_eq!(told["iss"], ISSUER, "{told:?}");
    told
}

pub(super) async fn each_parameter_is_there_once(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let asked = [asking(SCOPE), vec![("ui_locales", "cy")]].concat();
    browser.get(&authorize(&asked)).await.expect(200);
    for (name, _) in &asked {
        let pairs = twice(&asked, name);
        // By POST it comes to the same.
        let sent = concord.nobody().ask(Method::POST, "/oauth/authorize").body(FORM, form(&pairs)).await.expect(303);
        for place in [authorize(&pairs), sent.header("location").to_owned()] {
            let refused = browser.get(&place).await;
            match *name {
                "client_id" | "redirect_uri" => assert_eq!(refused.expect(400).header("location"), "", "{name}"),
                _ => assert_eq!(there(&refused.expect(303))["error"], "invalid_request", "{name}"),
            }
        }
    }
    let code = code(concord, SCOPE, CHOICES).await;
    let asked = [for_code(&code), vec![("unknown", "x")]].concat();
    for (name, _) in &asked {
        assert_eq!(error(&token(concord, &twice(&asked, name)).await.expect(400)), "invalid_request", "{name}");
    }
    // None of these has used the code up.
    let given = token(concord, &asked).await.expect(200).json();
    let known = [("token", text(&given, "/access_token")), ("token_type_hint", "access_token")];
    for place in ["/oauth/introspect", "/oauth/revoke"] {
        for (name, _) in &known {
            let refused = post(concord, place, &twice(&known, name), Some("checker")).await.expect(400);
            assert_eq!(error(&refused), "invalid_request", "{place} {name}");
        }
    }
    super::app(concord, &given).get("Patient/amina").await.expect(200);
    concord.nobody().ask(Method::POST, "/sign-in/logout").body(FORM, "logout_token=x&logout_token=y").await.expect(400);
}

pub(super) async fn what_a_request_may_not_have_is_refused_by_its_name(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let asked = asking(SCOPE);
    let object = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZS8ifQ.";
    for (name, value, refusal) in [
        ("request", object, "request_not_supported"),
        ("request_uri", "https://evil.example/request", "request_uri_not_supported"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "request_uri_not_supported"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "form_post", "invalid_request"),
        ("response_mode", "web_message", "invalid_request"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "S512", "invalid_request"),
        ("code_challenge", super::VERIFIER, "login_required"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "none", "login_required"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "1e3", "invalid_request"),
        ("max_age", "99999999999999999999", "invalid_request"),
    ] {
        // Where nothing is wrong with it, it goes on to who is signed in.
        let asked = with(&with(&asked, "prompt", Some("none")), name, Some(value));
        assert_eq!(there(&browser.get(&authorize(&asked)).await.expect(303))["error"], refusal, "{name}={value}");
    }
    // A verifier is checked against the challenge by its hash, and there is no other way to ask.
    let list = browser.get(&authorize(&with(&asked, "code_challenge", Some(super::VERIFIER)))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    assert_eq!(error(&token(concord, &for_code(&code)).await.expect(400)), "invalid_grant");
}

pub(super) async fn what_an_app_wants_back_is_bounded(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let (most, more) = ("s".repeat(2048), "s".repeat(4096));
    for name in ["state", "nonce"] {
        let refused = browser.get(&authorize(&with(&asking(SCOPE), name, Some(more.as_str())))).await.expect(303);
        assert_eq!(there(&refused)["error"], "invalid_request", "{name}");
        browser.get(&authorize(&with(&asking(SCOPE), name, Some(most.as_str())))).await.expect(200);
    }
    // It comes back as it was, and adds nothing to the answer.
    let odd = "a&code=x#iss=\u{e9}\r\nLocation: https://evil.example/ %26\"<>\\";
    let list = browser.get(&authorize(&with(&asking(SCOPE), "state", Some(odd)))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let sent = browser.decide(&page, CHOICES).await;
    let told = query(&sent);
    assert_eq!((told["state"].as_str(), told["iss"].as_str()), (odd, ISSUER));
    assert!(told["code"].starts_with("concord_ac_") && !sent.contains('#'), "{sent}");
}

pub(super) async fn a_token_is_for_this_server_only(concord: &Concord) {
    people::arrive(concord).await;
    let (here, elsewhere) = ("http://localhost:8080/fhir", "https://else.example/fhir");
    let browser = Browser::new(concord);
    let asked = with(&asking(SCOPE), "resource", Some(elsewhere));
    assert_eq!(there(&browser.get(&authorize(&asked)).await.expect(303))["error"], "invalid_target");
    browser.get(&authorize(&with(&asking(SCOPE), "resource", Some(here)))).await.expect(200);
    let code = code(concord, SCOPE, CHOICES).await;
    let refused = token(concord, &with(&for_code(&code), "resource", Some(elsewhere))).await.expect(400);
    assert_eq!(error(&refused), "invalid_target");
    let both = [for_code(&code), vec![("resource", here), ("resource", elsewhere)]].concat();
    assert_eq!(error(&token(concord, &both).await.expect(400)), "invalid_target");
    let given = token(concord, &with(&for_code(&code), "resource", Some(here))).await.expect(200).json();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&given, "/refresh_token")),
        ("client_id", "heart-diary"),
    ];
    let refused = token(concord, &with(&refresh, "resource", Some(elsewhere))).await.expect(400);
    assert_eq!(error(&refused), "invalid_target");
    token(concord, &with(&refresh, "resource", Some(here))).await.expect(200);
}

pub(super) async fn a_client_proves_once_who_it_is(concord: &Concord) {
    let (system, server) = System::registered(concord).await;
    let ask = async |header: Option<String>, pairs: &[(&str, &str)]| {
        let mut ask = server.nobody().ask(Method::POST, "/oauth/token").body(FORM, form(pairs));
        if let Some(header) = header {
            ask = ask.header("authorization", &header);
        }
        ask.await
    };
    let basic = |id: &str| {
        let secret = form(&[("", SECRET)]);
        Some(format!("Basic {}", STANDARD.encode(format!("{id}{}", secret.replacen('=', ":", 1)))))
    };
    let assertion = system.signed(&system.assertion(concord, "once"));
    let signed = [
        ("grant_type", "client_credentials"),
        ("scope", "system/Patient.rs"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    let said = |more: &[(&'static str, &'static str)]| [&signed[..], more].concat();
    for (header, pairs, name) in [
        (basic("letters"), said(&[]), "invalid_request"),
        (Some("Bearer x".to_owned()), said(&[]), "invalid_request"),
        (None, said(&[("client_secret", "x")]), "invalid_client"),
        (None, said(&[("client_id", "portal")]), "invalid_client"),
        (basic("portal"), with(&for_code("x"), "client_secret", Some(SECRET)), "invalid_client"),
        (basic("portal"), for_code("x"), "invalid_request"),
        (None, with(&said(&[]), "client_assertion_type", Some("urn:x")), "invalid_client"),
        (None, with(&said(&[]), "client_assertion_type", None), "invalid_client"),
    ] {
        let refused = ask(header.clone(), &pairs).await;
        assert!(matches!(refused.status, 400 | 401), "{header:?} {pairs:?}: {refused}");
        assert_eq!(error(&refused), name, "{header:?} {pairs:?}");
    }
    // None of these has used the assertion up.
    ask(None, &said(&[("client_id", "letters")])).await.expect(200);
    // What is signed with no key, or with a key of another kind, is signed by nobody.
    for algorithm in ["none", "HS256", "HS384", "RS256", "ES256", "PS384", "RS384", ""] {
        let parts: Vec<&str> = assertion.split('.').collect();
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(json!({"alg": algorithm, "kid": "k1", "typ": "JWT"}).to_string());
        let forged = [header.as_str(), parts[1], parts[2]].join(".");
        let refused = system.ask(&server, &forged, "system/Patient.rs").await.expect(401);
        assert_eq!(error(&refused), "invalid_client", "{algorithm}");
    }
    for (name, value) in
        [("jti", json!("j".repeat(10_240))), ("jti", json!("")), ("exp", json!(1e300)), ("exp", Value::Null)]
    {
        let mut claims = system.assertion(concord, "odd");
        claims[name] = value;
        let refused = system.ask(&server, &system.signed(&claims), "system/Patient.rs").await.expect(401);
        assert_eq!(error(&refused), "invalid_client", "{name}");
    }
}

pub(super) async fn an_address_that_seems_to_be_registered_is_not(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    for other in [
        "https://DIARY.example/back",
        "https://diary.example:443/back",
        "https://diary.example/back/",
        "https://diary.example/%62ack",
        "https://diary.example/x/../back",
        "https://diary.example/back?",
        "https://diary.example/back#",
        "https://user@diary.example/back",
        "https://diary.example\\@evil.example/back",
        "https:\\\\diary.example/back",
        "https://diary.example/back\0",
        "https://diary.example/back\u{200b}",
    ] {
        let refused = browser.get(&authorize(&with(&asking(SCOPE), "redirect_uri", Some(other)))).await.expect(400);
        assert_eq!(refused.header("location"), "", "{other:?}");
    }
    // Nor when the code is changed.
    let tokens = tokens(concord, SCOPE, CHOICES).await;
    super::app(concord, &tokens).get("Patient/amina").await.expect(200);
    let code = code(concord, SCOPE, CHOICES).await;
    let refused = token(concord, &with(&for_code(&code), "redirect_uri", Some("https://DIARY.example/back"))).await;
    assert_eq!(error(&refused.expect(400)), "invalid_grant");
}

pub(super) async fn an_app_that_nobody_has_checked_leads_nobody_away(concord: &Concord) {
    people::arrive(concord).await;
    let server = registration::server(concord, json!({"registration": "open"})).await;
    let told = register(&server, None, &diary()).await.expect(201).json();
    let asked = with(&asking("launch/patient patient/*.rs"), "client_id", Some(text(&told, "/client_id")));
    let asked = with(&asked, "redirect_uri", Some("https://my.example/back"));
    let silently = with(&asked, "prompt", Some("none"));
    let browser = Browser::new(&server);
    // Whoever opens such a link stays here until they say that they want to go there.
    let stays = async |pairs: &[(&str, &str)]| {
        let page = browser.get(&authorize(pairs)).await.expect(400);
        assert_eq!(page.header("location"), "");
        let html = page.text();
        assert!(html.contains("Go on to my.example?"), "{page}");
        assert!(html.contains("href=\"https://my.example/back?error="), "{page}");
    };
    stays(&with(&asked, "scope", Some("system/*.rs"))).await;
    stays(&with(&asked, "response_type", Some("token"))).await;
    stays(&with(&asked, "state", None)).await;
    stays(&silently).await;
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    stays(&silently).await;
    // She has seen where it is when she decides.
    let sent = browser.decide(&page, &[("decision", "deny")]).await;
    assert!(sent.starts_with("https://my.example/back?error=access_denied"), "{sent}");
}
