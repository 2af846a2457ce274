//! What an attacker tries (RFC 9700), each with what becomes of it.

use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::{Concord, on_both};

use super::{
    BACK, Browser, CHOICES, ISSUER, VERIFIER, app, asking, authorize, code, error, field, for_code, form, post, query,
    token, tokens, with,
};

on_both! {
    with super::super::SETTINGS;
    a_code_works_once, a_code_is_worth_nothing_without_its_verifier, a_code_goes_to_no_other_place,
    a_code_of_another_client_is_worth_nothing, a_code_expires, a_refresh_token_that_comes_again_ends_all,
    nobody_is_sent_to_another_place, refusals_are_told_to_the_app, no_other_page_decides, a_form_of_no_browser_does_nothing, a_page_of_another_site_sends_nothing, a_session_is_not_given_to_anybody,
    a_client_proves_who_it_is_as_it_is_registered, a_token_is_revoked_at_once, tokens_are_told_to_whom_they_belong,
    nothing_secret_is_stored, nobody_tries_until_a_secret_fits, a_lost_key_file_is_a_refusal_to_start, two_who_come_at_once
}

const SCOPE: &str = "openid launch/patient offline_access patient/*.rs";

fn refresh(token: &str) -> Vec<(&str, &str)> {
    vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "heart-diary")]
}

pub(super) async fn a_code_works_once(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    let tokens = token(concord, &for_code(&code)).await.expect(200).json();
    let app = app(concord, &tokens);
    app.get("Patient/amina").await.expect(200);
    let again = token(concord, &for_code(&code)).await.expect(400);
    assert_eq!((error(&again).as_str(), again.header("cache-control")), ("invalid_grant", "no-store"));
    // Whoever was first may have stolen it.
    app.get("Patient/amina").await.expect(401);
    assert_eq!(error(&token(concord, &refresh(text(&tokens, "/refresh_token"))).await.expect(400)), "invalid_grant");
}

pub(super) async fn a_code_is_worth_nothing_without_its_verifier(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    let wrong = VERIFIER.replace('d', "e");
    let challenge = super::CHALLENGE;
    for (verifier, name) in
        [(None, "invalid_request"), (Some(challenge), "invalid_grant"), (Some(wrong.as_str()), "invalid_grant")]
    {
        let refused = token(concord, &with(&for_code(&code), "code_verifier", verifier)).await.expect(400);
        assert_eq!(error(&refused), name, "{verifier:?}");
    }
    // Nobody tries until it fits.
    assert_eq!(error(&token(concord, &for_code(&code)).await.expect(400)), "invalid_grant");
}

pub(super) async fn a_code_goes_to_no_other_place(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    let elsewhere = with(&for_code(&code), "redirect_uri", Some("https://diary.example/back?x=1"));
    assert_eq!(error(&token(concord, &elsewhere).await.expect(400)), "invalid_grant");
}

pub(super) async fn a_code_of_another_client_is_worth_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    let stolen = with(&for_code(&code), "client_id", None);
    assert_eq!(error(&post(concord, "/oauth/token", &stolen, Some("portal")).await.expect(400)), "invalid_grant");
    let tokens = tokens(concord, SCOPE, CHOICES).await;
    let token = text(&tokens, "/refresh_token");
    let stolen = with(&refresh(token), "client_id", None);
    assert_eq!(error(&post(concord, "/oauth/token", &stolen, Some("portal")).await.expect(400)), "invalid_grant");
    app(concord, &tokens).get("Patient/amina").await.expect(401);
}

pub(super) async fn a_code_expires(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    concord.later(60_000);
    assert_eq!(error(&token(concord, &for_code(&code)).await.expect(400)), "invalid_grant");
}

pub(super) async fn a_refresh_token_that_comes_again_ends_all(concord: &Concord) {
    people::arrive(concord).await;
    let first = tokens(concord, SCOPE, CHOICES).await;
    let second = token(concord, &refresh(text(&first, "/refresh_token"))).await.expect(200).json();
    app(concord, &second).get("Patient/amina").await.expect(200);
    assert_eq!(error(&token(concord, &refresh(text(&first, "/refresh_token"))).await.expect(400)), "invalid_grant");
    app(concord, &second).get("Patient/amina").await.expect(401);
    assert_eq!(error(&token(concord, &refresh(text(&second, "/refresh_token"))).await.expect(400)), "invalid_grant");
}

pub(super) async fn two_who_come_at_once(concord: &Concord) {
    people::arrive(concord).await;
    let code = code(concord, SCOPE, CHOICES).await;
    let asked = for_code(&code);
    let other = concord_tests::Concord::another_node_with(concord, super::SETTINGS).await;
    let (one, two) = tokio::join!(token(concord, &asked), token(&other, &asked));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{one} {two}");
    let first = if one.status == 200 { one } else { two };
    app(concord, &first.json()).get("Patient/amina").await.expect(401);
}

pub(super) async fn nobody_is_sent_to_another_place(concord: &Concord) {
    let browser = Browser::new(concord);
    let asked = asking(SCOPE);
    let mut twice = asked.clone();
    twice.push(("redirect_uri", "https://evil.example/"));
    for pairs in [
        with(&asked, "client_id", Some("nobody")),
        with(&asked, "client_id", None),
        with(&asked, "redirect_uri", None),
        with(&asked, "redirect_uri", Some("https://evil.example/back")),
        with(&asked, "redirect_uri", Some("https://diary.example/back/")),
        with(&asked, "redirect_uri", Some("https://diary.example.evil.example/back")),
        with(&asked, "redirect_uri", Some("https://portal.example/back")),
        twice,
    ] {
        let refused = browser.get(&authorize(&pairs)).await.expect(400);
        assert_eq!(refused.header("location"), "", "{pairs:?}");
        assert!(refused.header("content-type").starts_with("text/html"));
    }
}

pub(super) async fn refusals_are_told_to_the_app(concord: &Concord) {
    let browser = Browser::new(concord);
    let asked = asking(SCOPE);
    for (pairs, name) in [
        (with(&asked, "response_type", Some("token")), "unsupported_response_type"),
        (with(&asked, "code_challenge", None), "invalid_request"),
        // No downgrade to a verifier that can be read on the way, or to none.
        (with(&asked, "code_challenge_method", Some("plain")), "invalid_request"),
        (with(&asked, "code_challenge_method", None), "invalid_request"),
        (with(&asked, "aud", Some("https://evil.example/fhir")), "invalid_request"),
        (with(&asked, "scope", Some("system/*.cruds")), "invalid_scope"),
        (with(&asked, "request", Some("x")), "request_not_supported"),
    ] {
        let sent = browser.get(&authorize(&pairs)).await.expect(303);
        let told = query(sent.header("location"));
        assert!(sent.header("location").starts_with(&format!("{BACK}?")), "{sent}");
        assert_eq!((told["error"].as_str(), told["iss"].as_str()), (name, ISSUER), "{pairs:?}");
        assert_eq!(told["state"], "a state & more");
    }
    // She says no.
    people::arrive(concord).await;
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    for refused in [&[("decision", "deny")][..], &[]] {
        assert_eq!(query(&browser.decide(&page, refused).await)["error"], "access_denied", "{refused:?}");
    }
    // To let an app in and to give it nothing is to say no, unless it wanted to know who she is.
    let nothing = [("decision", "allow")];
    assert!(query(&browser.decide(&page, &nothing).await).contains_key("code"));
    let page = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
    assert_eq!(query(&browser.decide(&page, &nothing).await)["error"], "access_denied");
}

pub(super) async fn no_other_page_decides(concord: &Concord) {
    people::arrive(concord).await;
    let (browser, other) = (Browser::new(concord), Browser::new(concord));
    let list = browser.get(&authorize(&asking(SCOPE))).await.expect(200);
    // Nobody is signed in by another page: the list's token is this browser's.
    let token = field(&list, "form_token");
    let picked = |token: &str| {
        vec![("form_token".to_owned(), token.to_owned()), ("person".to_owned(), "Patient/amina".to_owned())]
    };
    for token in ["", "0", token.as_str()] {
        let pairs = picked(token);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        other.submit("/sign-in", &pairs).await.expect(400);
    }
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let theirs = other.get("/sign-in").await.expect(200);
    other.sign_in(&theirs, "Patient/callum").await.expect(200);
    let theirs = field(&other.get("/apps").await.expect(200), "form_token");
    let request = field(&page, "request");
    for token in ["", theirs.as_str()] {
        let sent = [("form_token", token), ("request", request.as_str()), ("kind", "details"), ("decision", "allow")];
        assert_eq!(browser.submit("/sign-in/decision", &sent).await.expect(400).header("location"), "");
        browser.submit("/sign-out", &[("form_token", token)]).await.expect(400);
        browser.submit("/apps/end", &[("form_token", token), ("client", "heart-diary")]).await.expect(400);
    }
    // What the page asked for is checked again when it is decided.
    let own = field(&page, "form_token");
    let evil = form(&with(&asking(SCOPE), "redirect_uri", Some("https://evil.example/")));
    let sent = [("form_token", own.as_str()), ("request", evil.as_str()), ("kind", "details"), ("decision", "allow")];
    assert_eq!(browser.submit("/sign-in/decision", &sent).await.expect(400).header("location"), "");
}

/// Every form of the pages, with what it asks for.
const FORMS: &[(&str, (&str, &str))] = &[
    ("/sign-in", ("person", "Patient/callum")),
    ("/sign-in/with", ("provider", "nhs-login")),
    ("/sign-in/decision", ("decision", "allow")),
    ("/sign-in/whose", ("whose", "Patient/amina")),
    ("/sign-out", ("x", "x")),
    ("/apps/end", ("client", "heart-diary")),
];

pub(super) async fn a_form_of_no_browser_does_nothing(concord: &Concord) {
    people::arrive(concord).await;
    // The token that could be made of no cookie at all: it would be the same everywhere.
    let of_nothing = "65b50b6de4cfe504f2d3900f9dd3804d4de8e08edf3ac2ed14e92902d73d8287";
    for (place, (name, value)) in FORMS {
        for token in ["", of_nothing] {
            let sent = form(&[("form_token", token), (name, value)]);
            let ask = concord.nobody().ask(Method::POST, place).body("application/x-www-form-urlencoded", sent.clone());
            let refused = ask.await.expect(400);
            assert!(refused.headers.get("set-cookie").is_none(), "{place}: {refused}");
            // Nor with a cookie that is none of ours.
            for cookie in ["concord-visit=", "concord-session=", "concord-visit=x; concord-session=x"] {
                let ask = concord.nobody().ask(Method::POST, place).header("cookie", cookie);
                ask.body("application/x-www-form-urlencoded", sent.clone()).await.expect(400);
            }
        }
    }
    // Nor does anybody come back who was not sent.
    concord.nobody().get("/sign-in/return?state=x&code=y").await.expect(400);
}

pub(super) async fn a_page_of_another_site_sends_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let list = browser.get("/sign-in").await.expect(200);
    browser.sign_in(&list, "Patient/amina").await.expect(200);
    let own = field(&browser.get("/apps").await.expect(200), "form_token");
    let visit = field(&browser.get("/sign-in").await.expect(200), "form_token");
    let cookies =
        ["concord-session", "concord-visit"].map(|name| format!("{name}={}", browser.cookie(name))).join("; ");
    let send = async |place: &str, pairs: &[(&str, &str)], (header, value): (&str, &str)| {
        let ask = concord.nobody().ask(Method::POST, place).header("cookie", &cookies).header(header, value);
        ask.body("application/x-www-form-urlencoded", form(pairs)).await
    };
    for (place, (name, value)) in FORMS {
        let token = if matches!(*place, "/sign-in" | "/sign-in/with") { &visit } else { &own };
        for said in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "x"),
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:8081"),
            ("origin", "null"),
        ] {
            let refused = send(place, &[("form_token", token), (name, value)], said).await.expect(400);
            assert!(refused.text().contains("was opened in another browser"), "{place} {said:?}: {refused}");
        }
    }
    assert!(browser.get("/apps").await.expect(200).text().contains("Connected apps"), "she is signed in still");
    let pairs = [("form_token", own.as_str()), ("client", "heart-diary")];
    for said in [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", ISSUER)] {
        send("/apps/end", &pairs, said).await.expect(303);
    }
}

pub(super) async fn a_session_is_not_given_to_anybody(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    // A cookie that somebody else has chosen is none of ours.
    let made_up = format!("concord-session=concord_se_{}", "a".repeat(43));
    let list = concord.nobody().get("/apps").header("cookie", &made_up).await.expect(200);
    assert!(list.text().contains("Who are you?"));
    // Whoever signs in gets a session of their own, and the one that was there before ends.
    let list = browser.get("/sign-in").await.expect(200);
    browser.sign_in(&list, "Patient/amina").await.expect(200);
    let before = browser.cookie("concord-session");
    let list = browser.get("/sign-in").await.expect(200);
    browser.sign_in(&list, "Patient/callum").await.expect(200);
    assert_ne!(browser.cookie("concord-session"), before);
    let old = concord.nobody().get("/apps").header("cookie", &format!("concord-session={before}")).await.expect(200);
    assert!(old.text().contains("Who are you?"));
}

pub(super) async fn a_client_proves_who_it_is_as_it_is_registered(concord: &Concord) {
    let asked = for_code("x");
    let secret = ("client_secret", super::SECRET);
    for pairs in [
        with(&asked, "client_id", Some("portal")),
        with(&asked, "client_id", Some("nobody")),
        with(&asked, "client_id", None),
        [with(&asked, "client_id", Some("portal")), vec![secret]].concat(),
    ] {
        let refused = token(concord, &pairs).await.expect(401);
        assert_eq!(error(&refused), "invalid_client", "{pairs:?}");
    }
    let refused =
        post(concord, "/oauth/token", &with(&asked, "client_id", None), Some("heart-diary")).await.expect(401);
    assert_eq!(
        (error(&refused).as_str(), refused.header("www-authenticate")),
        ("invalid_client", "Basic realm=\"concord\"")
    );
    for (place, pairs) in [("/oauth/introspect", [("token", "x")]), ("/oauth/revoke", [("token", "x")])] {
        assert_eq!(error(&post(concord, place, &pairs, None).await.expect(401)), "invalid_client", "{place}");
    }
    let grants = [("grant_type", "password"), ("client_id", "heart-diary")];
    assert_eq!(error(&token(concord, &grants).await.expect(400)), "unsupported_grant_type");
    let alone = [("grant_type", "client_credentials"), ("scope", "system/*.cruds")];
    let refused = post(concord, "/oauth/token", &alone, Some("portal")).await.expect(400);
    assert_eq!(error(&refused), "unauthorized_client");
    // Nor where such scopes are registered for it: alone acts who has a key.
    let clients = super::CLIENTS.replacen(
        "openid fhirUser launch/patient offline_access patient/*.cruds user/*.cruds",
        "system/*.cruds",
        1,
    );
    let own = [("CONCORD_CLIENTS", clients.as_str())];
    let server = concord.another_node_with(&[super::SETTINGS, &own].concat()).await;
    let refused = post(&server, "/oauth/token", &alone, Some("portal")).await.expect(400);
    assert_eq!(error(&refused), "unauthorized_client");
    concord.nobody().post("/oauth/token", &serde_json::json!({})).await.expect(400);
}

pub(super) async fn nobody_tries_until_a_secret_fits(concord: &Concord) {
    let ask = async |secret: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("portal:{secret}"));
        let ask = concord.nobody().ask(concord_tests::client::Method::POST, "/oauth/revoke");
        let ask = ask.header("authorization", &format!("Basic {pair}"));
        ask.body("application/x-www-form-urlencoded", "token=x").await
    };
    let right = form(&[("", super::SECRET)]).trim_start_matches('=').to_owned();
    for _ in 0..30 {
        assert_eq!(error(&ask("guess").await.expect(401)), "invalid_client");
    }
    let refused = ask("guess").await.expect(429);
    assert_eq!((error(&refused).as_str(), refused.header("retry-after")), ("temporarily_unavailable", "60"));
    // Neither the client that others claim to be nor another one is held up.
    ask(&right).await.expect(200);
    post(concord, "/oauth/revoke", &[("token", "x")], Some("checker")).await.expect(200);
    ask("guess").await.expect(429);
    concord.later(60_000);
    ask("guess").await.expect(401);
}

pub(super) async fn a_token_is_revoked_at_once(concord: &Concord) {
    people::arrive(concord).await;
    let other = Concord::another_node_with(concord, super::SETTINGS).await;
    let everywhere = async |tokens: &serde_json::Value, status: u16| {
        for node in [concord, &other] {
            app(node, tokens).get("Patient/amina").await.expect(status);
        }
    };
    let one = tokens(concord, SCOPE, CHOICES).await;
    everywhere(&one, 200).await;
    let revoke =
        |token: &str| vec![("token".to_owned(), token.to_owned()), ("client_id".to_owned(), "heart-diary".to_owned())];
    let sent = async |token: &str| {
        let pairs = revoke(token);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        post(concord, "/oauth/revoke", &pairs, None).await
    };
    sent(text(&one, "/access_token")).await.expect(200);
    everywhere(&one, 401).await;
    // The family goes on, until its refresh token is taken back.
    let two = token(concord, &refresh(text(&one, "/refresh_token"))).await.expect(200).json();
    everywhere(&two, 200).await;
    sent(text(&two, "/refresh_token")).await.expect(200);
    everywhere(&two, 401).await;
    sent(text(&two, "/refresh_token")).await.expect(200);
    sent("no token at all").await.expect(200);
    // Nobody takes back what is another's.
    let three = tokens(concord, SCOPE, CHOICES).await;
    let theirs = post(concord, "/oauth/revoke", &[("token", text(&three, "/access_token"))], Some("portal")).await;
    assert_eq!(error(&theirs.expect(400)), "unauthorized_client");
    everywhere(&three, 200).await;
}

pub(super) async fn tokens_are_told_to_whom_they_belong(concord: &Concord) {
    people::arrive(concord).await;
    let tokens = tokens(concord, SCOPE, CHOICES).await;
    let ask = async |token: &str, client: &str| {
        post(concord, "/oauth/introspect", &[("token", token)], Some(client)).await.expect(200).json()
    };
    for name in ["/access_token", "/refresh_token"] {
        let told = ask(text(&tokens, name), "checker").await;
        assert_eq!(
            (&told["active"], &told["client_id"], &told["patient"]),
            (&true.into(), &"heart-diary".into(), &"amina".into())
        );
        assert_eq!((text(&told, "/iss"), text(&told, "/scope")), (ISSUER, text(&tokens, "/scope")));
        let theirs = ask(text(&tokens, name), "portal").await;
        assert_eq!(theirs, serde_json::json!({"active": false}), "another client is told nothing");
    }
    assert_eq!(ask("concord_at_unknown", "checker").await, serde_json::json!({"active": false}));
    let public = [("token", text(&tokens, "/access_token")), ("client_id", "heart-diary")];
    assert_eq!(error(&post(concord, "/oauth/introspect", &public, None).await.expect(401)), "invalid_client");
    concord.later(300_000);
    assert_eq!(ask(text(&tokens, "/access_token"), "checker").await, serde_json::json!({"active": false}));
    let plain = super::tokens(concord, "launch/patient patient/*.rs", CHOICES).await;
    let info = app(concord, &plain).get("/oauth/userinfo").await.expect(403);
    assert!(info.header("www-authenticate").contains("insufficient_scope"));
    concord.nobody().get("/oauth/userinfo").await.expect(401);
    concord.patient("amina").get("/oauth/userinfo").await.expect(401);
}

pub(super) async fn nothing_secret_is_stored(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(SCOPE))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(concord, &for_code(&code)).await.expect(200).json();
    let stored = concord.scratch().everything_in(&[
        "sign_in_grant",
        "sign_in_code",
        "sign_in_refresh",
        "sign_in_access",
        "sign_in_session",
        "sign_in_key",
    ]);
    assert!(stored.contains("heart-diary"), "{stored}");
    let session = browser.cookie("concord-session");
    for secret in [
        code.as_str(),
        text(&tokens, "/access_token"),
        text(&tokens, "/refresh_token"),
        session.as_str(),
        "PRIVATE",
        "concord_",
    ] {
        assert!(!stored.contains(secret), "{secret}");
    }
}

pub(super) async fn a_lost_key_file_is_a_refusal_to_start(concord: &Concord) {
    let file = concord.config.sign_in_key_file();
    let kept = std::fs::read_to_string(&file).expect("a key file");
    let starts = async || concord_api::command::serve::bind(&concord.config, concord.clock.clone()).await.map(drop);
    starts().await.expect("a server that starts");
    std::fs::remove_file(&file).expect("a file to remove");
    let refused = starts().await.expect_err("a server without its key");
    assert!(refused.contains("key_file") && refused.contains("missing"), "{refused}");
    std::fs::write(&file, "A".repeat(43)).expect("another key");
    assert!(starts().await.expect_err("a server with another key").contains("another key"));
    std::fs::write(&file, "no key").expect("no key");
    assert!(starts().await.expect_err("a server with no key").contains("32 bytes"));
    std::fs::write(&file, kept).expect("the key");
    starts().await.expect("a server that starts again");
}
