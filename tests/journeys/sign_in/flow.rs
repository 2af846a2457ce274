//! The whole way: discovery, the list, the page, the code, tokens, what they show, refresh, and asking again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with as element};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use super::{
    BACK, Browser, CHOICES, ISSUER, asking, authorize, code, error, field, for_code, post, query, token, tokens, with,
};

/// How a Consent names the app of others.
const APP: &str = "http://localhost:8080|heart-diary";

on_both! {
    with super::super::SETTINGS;
    apps_find_what_there_is, a_person_lets_an_app_in, what_is_chosen_is_what_the_app_gets, sensitive_data_is_given_by_its_name,
    asking_again_shows_what_was_chosen, a_refresh_token_is_changed_for_another, an_app_of_ones_own_gets_no_more_than_is_chosen,
    only_until_it_is_closed, people_who_are_no_patients_let_apps_in, pages_are_for_nobody_elses_frame,
    a_request_may_come_by_post, what_an_app_wants_without_asking, scopes_may_be_fewer,
    a_public_client_need_not_say_who_it_is_to_refresh, logos_are_those_that_the_operator_has_named
}

/// What is there to be read.
const READ: &[&str] = &[
    "/fhir/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/oauth/jwks",
    "/sign-in",
    "/sign-in/logo",
    "/apps",
];

pub(super) async fn apps_find_what_there_is(concord: &Concord) {
    let nobody = concord.nobody();
    for place in
        ["/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration", "/.well-known/jwks.json"]
    {
        let told = nobody.get(place).header("origin", "https://anywhere.example").await.expect(200);
        assert_eq!(told.header("access-control-allow-origin"), "*", "{place}");
        assert!(told.header("content-type").starts_with("application/json"), "{told}");
        nobody.post(place, &json!({})).await.expect(405);
    }
    for place in READ {
        let (got, head) = (nobody.get(place).await, nobody.ask(Method::HEAD, place).await);
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{place}");
        assert_ne!(head.status, 405, "{place}");
    }
    let metadata = nobody.get("/fhir/metadata").header("origin", "https://anywhere.example").await.expect(200);
    assert_eq!(metadata.header("access-control-allow-origin"), "*");
    let refused = nobody.get("Patient/amina").await.expect(401);
    let says_where =
        "a bearer token is required: http://localhost:8080/fhir/.well-known/smart-configuration says where";
    assert!(refused.issues()[0].2.starts_with(says_where), "{refused}");
    let smart = nobody.get("/fhir/.well-known/smart-configuration").await.json();
    let openid = nobody.get("/.well-known/openid-configuration").await.json();
    for document in [&smart, &openid] {
        assert_eq!(document["issuer"], ISSUER);
        for (name, value) in document.as_object().expect("an object") {
            let Some(address) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri") else {
                continue;
            };
            let place = address.strip_prefix(ISSUER).expect("an address of this server");
            assert_ne!(nobody.get(place).await.status, 404, "{place} is named and is not there");
        }
    }
    assert_eq!(smart["code_challenge_methods_supported"], json!(["S256"]));
    let keys = nobody.get("/.well-known/jwks.json").await.json();
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]), (&json!("RSA"), &json!("RS256")));
    assert_eq!(keys["keys"][0].get("d"), None);
    // A server without sign-in has none of it.
    let plain = Concord::start(concord.shared_scratch(), concord.clock.clone(), &[]).await;
    for place in
        ["/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth/authorize", "/sign-in", "/apps"]
    {
        plain.nobody().get(place).await.expect(404);
    }
    post(&plain, "/oauth/token", &[], None).await.expect(404);
}

pub(super) async fn a_person_lets_an_app_in(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let scope = "openid fhirUser launch/patient offline_access patient/*.rs";
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    assert!(list.text().contains("Hussain"), "{list}");
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let html = page.text();
    assert!(html.contains("Heart &lt;Diary&gt; wants to use your record") && !html.contains("<Diary>"), "{html}");
    assert!(html.contains("It draws your readings.") && html.contains("Measurements and test results: see"), "{html}");
    let back = browser.decide(&page, CHOICES).await;
    assert!(back.starts_with(&format!("{BACK}?code=concord_ac_")), "{back}");
    let told = query(&back);
    assert_eq!((told["state"].as_str(), told["iss"].as_str()), ("a state & more", ISSUER));
    let answer = token(concord, &for_code(&told["code"])).await.expect(200);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let tokens = answer.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!(
        (&tokens["patient"], &tokens["fhirUser"]),
        (&json!("amina"), &json!(format!("{ISSUER}/fhir/Patient/amina")))
    );
    let granted = text(&tokens, "/scope");
    assert!(granted.contains("openid") && granted.contains("patient/Observation.rs"), "{granted}");
    assert!(!granted.contains("patient/*") && !granted.contains("MedicationRequest"), "{granted}");
    let claims = text(&tokens, "/id_token").split('.').nth(1).expect("a payload");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["nonce"]),
        (&json!(ISSUER), &json!("heart-diary"), &json!("n-1"))
    );
    assert_eq!(claims["fhirUser"], format!("{ISSUER}/fhir/Patient/amina"));
    assert_eq!(claims["exp"].as_i64().expect("a time") - claims["iat"].as_i64().expect("a time"), 300);
    let app = super::app(concord, &tokens);
    app.get("Patient/amina").await.expect(200);
    app.get("Patient/callum").await.expect(404);
    let info = app.get("/oauth/userinfo").await.expect(200).json();
    assert_eq!((&info["sub"], &info["fhirUser"]), (&claims["sub"], &claims["fhirUser"]));
    // Whether she is in front of the browser or not, the token ends.
    concord.later(300_000);
    let ended = app.get("Patient/amina").await.expect(401);
    assert!(ended.header("www-authenticate").contains("invalid_token"), "{ended}");
}

pub(super) async fn what_is_chosen_is_what_the_app_gets(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", amina.create(&goal).await);
    let tokens = tokens(concord, "launch/patient patient/*.cruds", CHOICES).await;
    let app = super::app(concord, &tokens);
    app.get(&reading).await.expect(200);
    app.post("Observation", &blood_pressure("amina", 121)).await.expect(201);
    app.get(&goal).await.expect(403);
    let consents = amina.get("Consent?_count=50").await.expect(200).matches();
    let is_about = |one: &&Value| text(one, "/provision/actor/0/reference/identifier/value") == APP;
    let consent = consents.iter().find(is_about).expect("a Consent about the app");
    // What she narrows afterwards holds at once, whatever the scopes of the token say.
    let mut narrower = consent.clone();
    narrower["provision"]["provision"][0]["class"] =
        json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]);
    amina.put(&format!("Consent/{}", text(consent, "/id")), &narrower).await.expect(200);
    app.get(&reading).await.expect(404);
    app.get("Patient/amina").await.expect(200);
}

pub(super) async fn sensitive_data_is_given_by_its_name(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]});
    let sensitive = element(blood_pressure("amina", 120), "meta", label);
    let sensitive = format!("Observation/{}", amina.create(&sensitive).await);
    let before = tokens(concord, "launch/patient patient/Observation.rs", CHOICES).await;
    super::app(concord, &before).get(&sensitive).await.expect(404);
    let named: Vec<_> = [CHOICES, &[("sensitive", "SEX")]].concat();
    let after = tokens(concord, "launch/patient patient/Observation.rs", &named).await;
    super::app(concord, &after).get(&sensitive).await.expect(200);
    // There is one Consent for the app, and it is what she chose last.
    super::app(concord, &before).get(&sensitive).await.expect(200);
    let own = amina.get("Consent?_count=50").await.expect(200).matches();
    let about = own.iter().filter(|one| text(one, "/provision/actor/0/reference/identifier/value") == APP);
    assert_eq!(about.count(), 1);
}

pub(super) async fn asking_again_shows_what_was_chosen(concord: &Concord) {
    people::arrive(concord).await;
    let scope = "launch/patient offline_access patient/*.rs";
    let chosen = [("kind", "medicines"), ("sensitive", "HIV"), ("lasts", "quarter"), ("decision", "allow")];
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    let first = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let is_on = |page: &concord_tests::Answer, id: &str| page.text().contains(&format!("id=\"{id}\" checked"));
    assert!(is_on(&first, "kind-medicines") && is_on(&first, "kind-goals") == is_on(&first, "kind-nothing"));
    assert!(!is_on(&first, "sensitive-HIV") && is_on(&first, "lasts-session"));
    browser.decide(&first, &chosen).await;
    let again = browser.get(&authorize(&asking(scope))).await.expect(200);
    assert!(is_on(&again, "kind-medicines") && !is_on(&again, "kind-measurements"));
    assert!(is_on(&again, "sensitive-HIV") && !is_on(&again, "sensitive-SEX"));
    assert!(is_on(&again, "lasts-quarter") && !is_on(&again, "lasts-session"));
}

pub(super) async fn a_refresh_token_is_changed_for_another(concord: &Concord) {
    people::arrive(concord).await;
    let first = tokens(concord, "openid launch/patient offline_access patient/*.rs", CHOICES).await;
    concord.later(3_600_000);
    let refresh = |token: &str| {
        let token = token.to_owned();
        async move {
            let asked = [("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", "heart-diary")];
            super::token(concord, &asked).await
        }
    };
    let second = refresh(text(&first, "/refresh_token")).await.expect(200).json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!((&first["scope"], &second["patient"]), (&second["scope"], &json!("amina")));
    super::app(concord, &second).get("Patient/amina").await.expect(200);
    // After the 30 days that she chose there is nothing more.
    concord.later(30 * 86_400_000);
    assert_eq!(error(&refresh(text(&second, "/refresh_token")).await.expect(400)), "invalid_grant");
}

pub(super) async fn scopes_may_be_fewer(concord: &Concord) {
    people::arrive(concord).await;
    let first = tokens(concord, "launch/patient offline_access patient/*.rs", CHOICES).await;
    let refresh = async |tokens: &Value, scope: Option<&str>| {
        let asked = [
            ("grant_type", "refresh_token"),
            ("refresh_token", text(tokens, "/refresh_token")),
            ("client_id", "heart-diary"),
        ];
        token(concord, &with(&asked, "scope", scope)).await
    };
    // Wider than what was let is refused, and uses nothing up (RFC 6749 section 6).
    for wider in ["patient/*.rs", "patient/Observation.cruds", "patient/Observation.r patient/Goal.rs", "openid", "x"] {
        assert_eq!(error(&refresh(&first, Some(wider)).await.expect(400)), "invalid_scope", "{wider}");
    }
    let fewer = refresh(&first, Some("patient/Observation.r")).await.expect(200).json();
    assert_eq!(fewer["scope"], "patient/Observation.r");
    super::app(concord, &fewer).get("Patient/amina").await.expect(403);
    // Where no scope is said it is all that was let, also after fewer.
    let all = refresh(&fewer, None).await.expect(200).json();
    assert_eq!(all["scope"], first["scope"]);
    let again = refresh(&all, Some(text(&first, "/scope"))).await.expect(200).json();
    assert_eq!(again["scope"], first["scope"]);
    // One version of a scope is as good as the other, and a query narrows it.
    let query =
        "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
    let scopes = format!("launch/patient patient/Patient.read {query}");
    let granular = tokens(concord, &scopes, CHOICES).await;
    assert_eq!(granular["scope"], scopes);
    assert_eq!(granular.get("refresh_token"), None);
    let app = super::app(concord, &granular);
    let amina = concord.patient("amina");
    let vital = amina.create(&blood_pressure("amina", 120)).await;
    let laboratory = json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]);
    amina.create(&element(blood_pressure("amina", 121), "category", laboratory)).await;
    assert_eq!(app.get("Observation").await.expect(200).ids(), [vital]);
}

pub(super) async fn an_app_of_ones_own_gets_no_more_than_is_chosen(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let browser = Browser::new(concord);
    let asked = with(
        &with(&asking("launch/patient patient/*.rs"), "client_id", Some("portal")),
        "redirect_uri",
        Some("https://portal.example/back"),
    );
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let back = browser.decide(&page, &[("kind", "details"), ("decision", "allow")]).await;
    let code = query(&back)["code"].clone();
    let asked = with(&with(&for_code(&code), "redirect_uri", Some("https://portal.example/back")), "client_id", None);
    let tokens = post(concord, "/oauth/token", &asked, Some("portal")).await.expect(200).json();
    let app = super::app(concord, &tokens);
    app.get("Patient/amina").await.expect(200);
    app.get(&reading).await.expect(403);
}

pub(super) async fn only_until_it_is_closed(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let scope = "launch/patient online_access offline_access patient/*.rs";
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let back = browser.decide(&page, &[("kind", "details"), ("lasts", "session"), ("decision", "allow")]).await;
    let tokens = token(concord, &for_code(&query(&back)["code"])).await.expect(200).json();
    assert!(!text(&tokens, "/scope").contains("offline_access"), "{tokens}");
    let form_token = field(&browser.get("/apps").await.expect(200), "form_token");
    let refresh = async |tokens: &Value| {
        let asked = [
            ("grant_type", "refresh_token"),
            ("refresh_token", text(tokens, "/refresh_token")),
            ("client_id", "heart-diary"),
        ];
        token(concord, &asked).await
    };
    // As long as she stays signed in the app gets others, whether she looks at a page or not.
    concord.later(3_600_000);
    let tokens = refresh(&tokens).await.expect(200).json();
    assert!(text(&tokens, "/scope").contains("online_access"), "{tokens}");
    let app = super::app(concord, &tokens);
    app.get("Patient/amina").await.expect(200);
    let lie = browser.get("/sign-in?signed_out=yes").await.expect(200);
    let sent = browser.submit("/sign-out", &[("form_token", &form_token)]).await.expect(303);
    let told = browser.get(sent.header("location")).await.expect(200);
    let says = |page: &concord_tests::Answer| page.text().contains("You are signed out.");
    assert!(says(&told) && !says(&lie), "{told}");
    app.get("Patient/amina").await.expect(401);
    assert_eq!(error(&refresh(&tokens).await.expect(400)), "invalid_grant");
}

pub(super) async fn people_who_are_no_patients_let_apps_in(concord: &Concord) {
    people::arrive(concord).await;
    let lets = async |person: &str, scope: &str| {
        let browser = Browser::new(concord);
        let list = browser.get(&authorize(&asking(scope))).await.expect(200);
        let page = browser.sign_in(&list, person).await;
        match page.status {
            200 => query(&browser.decide(&page, CHOICES).await),
            _ => query(page.header("location")),
        }
    };
    // A professional lets an app see what they see, and no patient is in context.
    let told = lets("Practitioner/gp", "user/*.rs patient/*.rs").await;
    let tokens = token(concord, &for_code(&told["code"])).await.expect(200).json();
    assert_eq!(tokens.get("patient"), None);
    assert!(!text(&tokens, "/scope").contains("patient/"), "{tokens}");
    assert_eq!(lets("Practitioner/gp", "patient/*.rs").await["error"], "invalid_scope");
    // A relative lets an app do for the patient what both may: an app of others still needs her own word.
    let told = lets("RelatedPerson/yusuf", "launch/patient patient/Observation.rs").await;
    let tokens = token(concord, &for_code(&told["code"])).await.expect(200).json();
    assert_eq!(tokens["patient"], "amina");
    let reading = format!("Observation/{}", concord.patient("amina").create(&blood_pressure("amina", 120)).await);
    concord.user("RelatedPerson/yusuf").get(&reading).await.expect(200);
    super::app(concord, &tokens).get(&reading).await.expect(404);
}

pub(super) async fn pages_are_for_nobody_elses_frame(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let apps = browser.get("/apps").await.expect(200);
    let diary = " https://diary.example";
    for (page, leads) in [(&list, diary), (&page, diary), (&apps, "")] {
        let policy = page.header("content-security-policy");
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{leads}; frame-ancestors 'none'; base-uri 'none'"
            )
        );
        assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
        assert!(!page.text().contains("<script") && !page.text().contains("style=\""), "{page}");
    }
    assert!(browser.get("/style.css").await.expect(200).header("content-type").starts_with("text/css"));
    let cookies = list.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("text").to_owned());
    assert!(
        cookies.into_iter().all(|cookie| cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains("Secure"))
    );
    // Over https no other host can set the cookie.
    let settings = &[
        ("CONCORD_PUBLIC_URL", "https://phr.example"),
        ("CONCORD_SIGN_IN", r#"{"development_provider": true, "development_provider_anywhere": true}"#),
    ];
    let secure = Concord::start(concord.shared_scratch(), concord.clock.clone(), settings).await;
    let list = secure.nobody().get("/sign-in").await.expect(200);
    let cookie = list.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-concord-visit=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure")
    );
}

pub(super) async fn a_request_may_come_by_post(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let asked = asking("launch/patient patient/*.rs");
    let sent = browser.submit("/oauth/authorize", &asked).await.expect(303);
    let list = browser.get(sent.header("location")).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    assert!(browser.decide(&page, CHOICES).await.contains("code="));
    code(concord, "launch/patient patient/*.rs", CHOICES).await;
}

pub(super) async fn what_an_app_wants_without_asking(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let scope = "openid launch/patient patient/*.rs";
    let silently = authorize(&with(&asking(scope), "prompt", Some("none")));
    let told = query(browser.get(&silently).await.expect(303).header("location"));
    assert_eq!((told["error"].as_str(), told["state"].as_str()), ("login_required", "a state & more"));
    let list = browser.get("/sign-in").await.expect(200);
    browser.sign_in(&list, "Patient/amina").await.expect(200);
    let told = query(browser.get(&silently).await.expect(303).header("location"));
    assert_eq!(told["error"], "interaction_required");
    // Somebody may be asked to sign in again, and is not asked for ever.
    for again in [with(&asking(scope), "prompt", Some("login")), with(&asking(scope), "max_age", Some("0"))] {
        concord.later(1_000);
        let list = browser.get(&authorize(&again)).await.expect(200);
        assert!(list.text().contains("Who are you?"), "{list}");
        let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
        assert!(page.text().contains("wants to use your record"), "{page}");
    }
    // Nobody stays signed in who does nothing for ten minutes.
    concord.later(600_000);
    assert!(browser.get("/apps").await.expect(200).text().contains("Who are you?"));
}

pub(super) async fn a_public_client_need_not_say_who_it_is_to_refresh(concord: &Concord) {
    people::arrive(concord).await;
    let first = super::tokens(concord, "launch/patient offline_access patient/*.rs", CHOICES).await;
    let with_only = |tokens: &Value| text(tokens, "/refresh_token").to_owned();
    let ask =
        async |refresh: &str| token(concord, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    let second = ask(&with_only(&first)).await.expect(200).json();
    super::app(concord, &second).get("Patient/amina").await.expect(200);
    // One that comes again ends all, whoever says nothing.
    assert_eq!(error(&ask(&with_only(&first)).await.expect(400)), "invalid_grant");
    super::app(concord, &second).get("Patient/amina").await.expect(401);
    assert_eq!(error(&ask(&with_only(&second)).await.expect(401)), "invalid_client");
    // A client with a secret does not get away with saying nothing.
    let asked = with(
        &with(&asking("offline_access launch/patient patient/*.rs"), "client_id", Some("portal")),
        "redirect_uri",
        Some("https://portal.example/back"),
    );
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let asked = with(&with(&for_code(&code), "client_id", None), "redirect_uri", Some("https://portal.example/back"));
    let tokens = post(concord, "/oauth/token", &asked, Some("portal")).await.expect(200).json();
    assert_eq!(error(&ask(&with_only(&tokens)).await.expect(401)), "invalid_client");
}

pub(super) async fn logos_are_those_that_the_operator_has_named(concord: &Concord) {
    people::arrive(concord).await;
    let (logo, folder) = (b"\x89PNG\r\n\x1a\n and the rest".to_vec(), concord.scratch().folder());
    std::fs::write(folder.join("logo.png"), &logo).expect("a file");
    let mut clients: Vec<Value> = serde_json::from_str(super::CLIENTS).expect("clients");
    clients[0]["logo_file"] = json!(folder.join("logo.png"));
    let clients = json!(clients).to_string();
    let sign_in = json!({"development_provider": true, "logo_file": folder.join("logo.png"), "logo_text": "N\"HS"});
    let sign_in = sign_in.to_string();
    let own = [("CONCORD_CLIENTS", clients.as_str()), ("CONCORD_SIGN_IN", sign_in.as_str())];
    let server = concord.another_node_with(&[super::SETTINGS, &own].concat()).await;
    for place in ["/sign-in/logo", "/sign-in/logo/heart-diary"] {
        let image = server.nobody().get(place).await.expect(200);
        assert_eq!((image.header("content-type"), &image.body), ("image/png", &logo));
    }
    let style = server.nobody().get("/style.css").await.expect(200).text();
    assert!(style.contains("url(/sign-in/logo)") && style.contains("N\\22 HS"), "{style}");
    let page = async |server: &Concord| {
        let browser = Browser::new(server);
        let list = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
        browser.sign_in(&list, "Patient/amina").await.expect(200).text()
    };
    assert!(page(&server).await.contains("src=\"/sign-in/logo/heart-diary\""));
    // Where none is named there is none.
    assert!(!page(concord).await.contains("<img"));
    for (server, place) in
        [(concord, "/sign-in/logo"), (concord, "/sign-in/logo/heart-diary"), (&server, "/sign-in/logo/portal")]
    {
        server.nobody().get(place).await.expect(404);
    }
    std::fs::write(folder.join("logo.png"), "<svg onload=\"x\">").expect("a file");
    let config = &server.config;
    let refused = concord_api::command::serve::bind(config, concord.clock.clone()).await.map(drop).expect_err("no PNG");
    assert!(refused.contains("logo_file") && refused.contains("PNG"), "{refused}");
}
