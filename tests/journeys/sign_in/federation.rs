//! People sign in with NHS login and CIS2, stood in for by services of the test's own with their claims and signatures.

use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, asking, authorize, field, for_code, query, token};

on_both! {
    with super::super::SETTINGS;
    a_patient_signs_in_with_nhs_login, a_professional_signs_in_with_cis2, who_is_not_known_for_certain_is_nobody,
    what_comes_back_is_for_this_browser_and_this_time, nobody_picks_a_person_where_a_login_service_is_asked,
    nobody_takes_the_place_of_somebody_else_unasked, nobody_is_signed_in_who_has_not_said_that_it_is_they,
    so_many_are_sent_to_a_login_service
}

const NUMBER: &str = "9434765919";

/// A server that people sign in to with both, and with nothing else.
async fn server(concord: &Concord, nhs: &LoginService, cis2: &LoginService) -> Concord {
    with_both(concord, nhs, cis2, json!({})).await
}

/// The same, with more settings of NHS login.
pub(super) async fn with_both(concord: &Concord, nhs: &LoginService, cis2: &LoginService, more: Value) -> Concord {
    people::arrive(concord).await;
    let system = concord.system();
    system
        .store(&json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "birthDate": "1985-03-02",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}]}))
        .await;
    system
        .store(&json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}],
            "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "555036632103"}]}))
        .await;
    system
        .store(&json!({"resourceType": "Organization", "id": "practice",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A83008"}]}))
        .await;
    let folder = concord.scratch().folder();
    let mut login = nhs.setting("nhs-login", folder);
    login.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let providers = json!([login, cis2.setting("cis2", folder)]).to_string();
    let own = [("CONCORD_SIGN_IN", "{}"), ("CONCORD_PROVIDERS", providers.as_str())];
    concord.another_node_with(&[super::SETTINGS, &own].concat()).await
}

/// Somebody of NHS login with everything that is asked for.
pub(super) fn citizen(
    concord: &Concord,
    service: &LoginService,
    sent: &std::collections::BTreeMap<String, String>,
) -> Value {
    let now_s = concord.clock.now_s();
    json!({"iss": service.origin(), "aud": "phr", "sub": "s-1", "exp": now_s + 300, "iat": now_s, "nonce": sent["nonce"],
        "nhs_number": NUMBER, "birthdate": "1985-03-02", "identity_proofing_level": "P9", "vot": "P9.Cp.Cd",
        "vtm": "https://auth.login.nhs.uk/trustmark/login.nhs.uk"})
}

/// Sends the browser to a login service: what it is sent with.
pub(super) async fn sent(
    browser: &Browser,
    page: &Answer,
    provider: &str,
) -> std::collections::BTreeMap<String, String> {
    let (token, request) = (field(page, "form_token"), field(page, "request"));
    let chosen = [("form_token", token.as_str()), ("request", request.as_str()), ("provider", provider)];
    query(browser.submit("/sign-in/with", &chosen).await.expect(303).header("location"))
}

pub(super) async fn back(browser: &Browser, state: &str, code: &str) -> Answer {
    browser.get(&format!("/sign-in/return?{}", super::form(&[("state", state), ("code", code)]))).await
}

pub(super) async fn a_patient_signs_in_with_nhs_login(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let browser = Browser::new(&server);
    let page = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
    assert!(page.text().contains("Continue to nhs-login") && !page.text().contains("Hussain"), "{page}");
    assert!(page.header("content-security-policy").contains(&nhs.origin()), "{page}");
    let asked = sent(&browser, &page, "nhs-login").await;
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("phr", "openid profile"));
    assert_eq!(asked["vtr"], r#"["P9.Cp.Cd","P9.Cp.Ck","P9.Cm"]"#);
    assert_eq!(asked["redirect_uri"], "http://localhost:8080/sign-in/return");
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    let next = back(&browser, &asked["state"], &code).await.expect(303);
    let page = browser.get(next.header("location")).await.expect(200);
    assert!(page.text().contains("wants to use your record") && page.text().contains("Hussain"), "{page}");
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let tokens = token(&server, &for_code(&code)).await.expect(200).json();
    assert_eq!(tokens["patient"], "amina");
    super::app(&server, &tokens).get("Patient/amina").await.expect(200);
    // The id token of the login service is no token for the API.
    let claims = citizen(concord, &nhs, &asked);
    let api = server.nobody().with_token(nhs.id_token(&claims));
    api.get("Patient/amina").await.expect(401);
}

pub(super) async fn a_professional_signs_in_with_cis2(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let now_s = concord.clock.now_s();
    let (nurse, practice) = ("S8000:G8000:R8001", "A83008");
    for (level, role, organisation, is_in) in [
        (json!("3"), nurse, practice, true),
        (json!(2), nurse, practice, true),
        (json!("1"), nurse, practice, false),
        (Value::Null, nurse, practice, false),
        (json!("3"), "S8000:G8001:R8006", practice, false),
        (json!("3"), nurse, "B81001", false),
    ] {
        let browser = Browser::new(&server);
        let page = browser.get(&authorize(&asking("openid user/*.rs"))).await.expect(200);
        let asked = sent(&browser, &page, "cis2").await;
        assert!(!asked.contains_key("vtr") && asked["scope"].contains("selectedrole"), "{asked:?}");
        let claims = json!({"iss": cis2.origin(), "aud": "phr", "sub": "555036632103", "exp": now_s + 300, "iat": now_s,
            "nonce": asked["nonce"], "nhsid_useruid": "555036632103", "selected_roleid": "r1",
            "authentication_assurance_level": level,
            "nhsid_nrbac_roles": [{"person_roleid": "r1", "org_code": organisation, "role_code": role}]});
        let code = cis2.signed_in(claims, &asked["code_challenge"]);
        let next = back(&browser, &asked["state"], &code).await.expect(if is_in { 303 } else { 400 });
        if is_in {
            let page = browser.get(next.header("location")).await.expect(200);
            assert!(page.text().contains("the records that you may see") && page.text().contains("Okafor"), "{page}");
            let code = query(&browser.decide(&page, &[("kind", "measurements"), ("decision", "allow")]).await);
            let tokens = token(&server, &for_code(&code["code"])).await.expect(200).json();
            let asked = [("token", concord_tests::client::text(&tokens, "/access_token"))];
            let told = super::post(&server, "/oauth/introspect", &asked, Some("checker")).await.expect(200).json();
            let role = (&told["selected_roleid"], &told["role_code"], &told["org_code"]);
            assert_eq!(role, (&json!("r1"), &json!("S8000:G8000:R8001"), &json!("A83008")));
        }
    }
}

pub(super) async fn who_is_not_known_for_certain_is_nobody(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    for (claim, value) in [
        ("iss", json!("https://auth.login.nhs.uk")),
        ("aud", json!("another")),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("exp", json!(concord.clock.now_s() - 31)),
        ("azp", json!("another")),
        // Known, but not proven; or nobody vouches for it.
        ("identity_proofing_level", json!("P5")),
        ("vot", json!("P5.Cp.Cd")),
        ("vot", json!("P9.Cp")),
        ("vot", Value::Null),
        ("vtm", json!("http://auth.login.nhs.uk/trustmark/x")),
        ("vtm", json!("https://auth.login.nhs.uk.evil.example/trustmark/auth.login.nhs.uk")),
        ("vtm", Value::Null),
        // Another kind of token.
        ("token_use", json!("access")),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        // Somebody else's number, or somebody else.
        ("nhs_number", json!("9000000009")),
        ("nhs_number", json!("9434765918")),
        ("nhs_number", Value::Null),
        ("birthdate", json!("1985-03-03")),
        ("birthdate", Value::Null),
    ] {
        let browser = Browser::new(&server);
        let page = browser.get("/sign-in").await.expect(200);
        let asked = sent(&browser, &page, "nhs-login").await;
        let mut claims = citizen(concord, &nhs, &asked);
        claims[claim] = value.clone();
        let code = nhs.signed_in(claims, &asked["code_challenge"]);
        let refused = back(&browser, &asked["state"], &code).await;
        let told = if refused.status == 403 { "Prove who you are first" } else { "You are not signed in" };
        assert!(refused.status >= 400 && refused.text().contains(told), "{claim} {value}: {refused}");
        assert!(browser.get("/apps").await.expect(200).text().contains("Who are you?"), "{claim} {value}");
    }
    // Two with one number are nobody.
    let twin = json!({"resourceType": "Patient", "id": "twin", "birthDate": "1985-03-02",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}]});
    if concord.system().put("Patient/twin", &twin).await.status == 201 {
        let browser = Browser::new(&server);
        let page = browser.get("/sign-in").await.expect(200);
        let asked = sent(&browser, &page, "nhs-login").await;
        let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
        back(&browser, &asked["state"], &code).await.expect(400);
    }
}

pub(super) async fn what_comes_back_is_for_this_browser_and_this_time(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let (browser, other) = (Browser::new(&server), Browser::new(&server));
    let begin = async |browser: &Browser| {
        let page = browser.get("/sign-in").await.expect(200);
        sent(browser, &page, "nhs-login").await
    };
    // Somebody is made to come back with another's answer.
    let asked = begin(&browser).await;
    begin(&other).await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    back(&other, &asked["state"], &code).await.expect(400);
    // A state is used once, whoever used it.
    back(&browser, &asked["state"], &code).await.expect(400);
    // An answer of another service, a refusal, a made-up state, an old one.
    let asked = begin(&browser).await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    let mixed = super::form(&[("state", &asked["state"]), ("code", &code), ("iss", "https://else.example")]);
    browser.get(&format!("/sign-in/return?{mixed}")).await.expect(400);
    let asked = begin(&browser).await;
    let refusal = super::form(&[("state", &asked["state"]), ("error", "access_denied")]);
    browser.get(&format!("/sign-in/return?{refusal}")).await.expect(400);
    back(&browser, "made-up", &code).await.expect(400);
    let asked = begin(&browser).await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    concord.later(900_000);
    back(&browser, &asked["state"], &code).await.expect(400);
    let asked = begin(&browser).await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    back(&browser, &asked["state"], &code).await.expect(303);
}

pub(super) async fn nobody_picks_a_person_where_a_login_service_is_asked(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let browser = Browser::new(&server);
    let page = browser.get("/sign-in").await.expect(200);
    let token = field(&page, "form_token");
    browser.submit("/sign-in", &[("form_token", &token), ("person", "Patient/amina")]).await.expect(400);
    browser.submit("/sign-in/with", &[("form_token", &token), ("provider", "another")]).await.expect(400);
    browser.submit("/sign-in/with", &[("form_token", "x"), ("provider", "nhs-login")]).await.expect(400);
}

pub(super) async fn nobody_takes_the_place_of_somebody_else_unasked(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let now_s = concord.clock.now_s();
    let browser = Browser::new(&server);
    let page = browser.get("/sign-in").await.expect(200);
    let asked = sent(&browser, &page, "cis2").await;
    let claims = json!({"iss": cis2.origin(), "aud": "phr", "sub": "555036632103", "exp": now_s + 300, "iat": now_s,
        "nonce": asked["nonce"], "nhsid_useruid": "555036632103", "authentication_assurance_level": "3",
        "nhsid_nrbac_roles": [{"person_roleid": "r1", "org_code": "A83008", "role_code": "S8000:G8000:R8001"}]});
    let code = cis2.signed_in(claims, &asked["code_challenge"]);
    back(&browser, &asked["state"], &code).await.expect(303);
    // Another page has the NHS App's word for somebody else.
    let asserted = async || {
        let next = browser.get("/sign-in?assertedLoginIdentity=a.b.c").await.expect(303);
        let asked = query(next.header("location"));
        let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
        back(&browser, &asked["state"], &code).await
    };
    let shown = asserted().await.expect(409);
    assert!(shown.text().contains("You come as <strong>Hussain</strong>"), "{shown}");
    assert!(shown.text().contains("You are signed in as <strong>Okafor</strong>"), "{shown}");
    assert!(browser.get("/apps").await.expect(200).text().contains("Okafor"), "nothing has changed");
    // They choose: who is signed in signs out, and the other one comes again.
    browser.submit("/sign-out", &[("form_token", &field(&shown, "form_token"))]).await.expect(303);
    let shown = asserted().await.expect(200);
    let chosen = [("form_token", field(&shown, "form_token")), ("decision", "go-on".to_owned())];
    let chosen = chosen.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.submit("/sign-in/arrival", &chosen).await.expect(303);
    assert!(browser.get("/apps").await.expect(200).text().contains("Hussain"));
    // Who is signed in already comes again without a question.
    asserted().await.expect(303);
    assert!(browser.get("/apps").await.expect(200).text().contains("Hussain"));
}

/// Another page has the NHS App's word for Amina, and sends a browser here with it: what is shown.
async fn asserted(concord: &Concord, nhs: &LoginService, browser: &Browser) -> Answer {
    let next = browser.get("/sign-in?assertedLoginIdentity=a.b.c").await.expect(303);
    let asked = query(next.header("location"));
    let code = nhs.signed_in(citizen(concord, nhs, &asked), &asked["code_challenge"]);
    back(browser, &asked["state"], &code).await.expect(200)
}

pub(super) async fn nobody_is_signed_in_who_has_not_said_that_it_is_they(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    let (browser, attacker) = (Browser::new(&server), Browser::new(&server));
    let is_out = async || browser.get("/apps").await.expect(200).text().contains("Who are you?");
    let says = async |token: &str, decision: &str| {
        browser.submit("/sign-in/arrival", &[("form_token", token), ("decision", decision)]).await
    };
    let shown = asserted(concord, &nhs, &browser).await;
    assert!(shown.text().contains("You come as <strong>Hussain</strong>"), "{shown}");
    assert!(is_out().await, "she has not said that it is she");
    let kept = browser.cookie("concord-arrival");
    for secret in [kept.clone(), kept.replace("_ar_", "_se_")] {
        let ask = server.nobody().get("/apps").header("cookie", &format!("concord-session={secret}"));
        assert!(ask.await.expect(200).text().contains("Who are you?"), "what is kept of an arrival is no session");
    }
    // What another browser was shown is not this one's, and the arrival is no session by another name.
    let theirs = field(&asserted(concord, &nhs, &attacker).await, "form_token");
    says(&theirs, "go-on").await.expect(400);
    says("", "go-on").await.expect(400);
    assert!(is_out().await);
    let own = field(&shown, "form_token");
    let from_elsewhere = browser.submit_from("https://evil.example", "/sign-in/arrival", &[("form_token", &own)]).await;
    from_elsewhere.expect(400);
    // It is not she.
    let next = says(&own, "no").await.expect(303);
    assert_eq!((next.header("location"), is_out().await), ("/sign-in", true));
    says(&own, "go-on").await.expect(400);
    assert!(is_out().await);
    // It is she, in time; and the same form says nothing a second time.
    let late = field(&asserted(concord, &nhs, &browser).await, "form_token");
    concord.later(11 * 60_000);
    let next = says(&late, "go-on").await.expect(303);
    assert_eq!((next.header("location"), is_out().await), ("/sign-in", true));
    let own = field(&asserted(concord, &nhs, &browser).await, "form_token");
    let kept = browser.cookie("concord-arrival");
    let next = says(&own, "go-on").await.expect(303);
    assert_eq!(next.header("location"), "/apps");
    assert_ne!(
        browser.cookie("concord-session").trim_start_matches("concord_se_"),
        kept.trim_start_matches("concord_ar_")
    );
    assert!(browser.get("/apps").await.expect(200).text().contains("Hussain"));
    says(&own, "go-on").await.expect(400);
}

pub(super) async fn so_many_are_sent_to_a_login_service(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = server(concord, &nhs, &cis2).await;
    // Any page can have a browser do it, and each is kept until it is back.
    let ask = || server.nobody().get("/sign-in?assertedLoginIdentity=a.b.c");
    for _ in 0..300 {
        ask().await.expect(303);
    }
    let refused = ask().await.expect(429);
    assert!((1..=60).contains(&refused.header("retry-after").parse().expect("seconds")), "{refused}");
    assert!(
        refused.header("content-type").starts_with("text/html") && refused.header("location").is_empty(),
        "{refused}"
    );
    concord.later(60_000);
    ask().await.expect(303);
}
