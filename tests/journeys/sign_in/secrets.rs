//! What is kept of secrets: none in the log, and keys that sign for so long.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use concord_tests::client::{Method, text};
use concord_tests::database::Scratch;
use concord_tests::people;
use concord_tests::process::{Process, output};
use concord_tests::{App, Concord, Database, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, SECRET, VERIFIER, asking, authorize, field, for_code, form, query, tokens};

on_both! { with super::super::SETTINGS; keys_sign_for_so_long_and_are_there_as_long_as_they_are_needed }

const DAY_MS: i64 = 86_400_000;

pub(super) async fn keys_sign_for_so_long_and_are_there_as_long_as_they_are_needed(concord: &Concord) {
    people::arrive(concord).await;
    let signed_by = async |server: &Concord| {
        let tokens = tokens(server, "openid launch/patient patient/*.rs", CHOICES).await;
        let header = text(&tokens, "/id_token").split('.').next().expect("a header").to_owned();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
        text(&header, "/kid").to_owned()
    };
    let published = async |server: &Concord| -> Vec<String> {
        let keys = server.nobody().get("/.well-known/jwks.json").await.expect(200).json();
        keys["keys"].as_array().expect("keys").iter().map(|key| text(key, "/kid").to_owned()).collect()
    };
    // A node that starts makes the key that is due, as all do now and then.
    let later = async |days: i64| {
        concord.later(days * DAY_MS);
        concord.another_node_with(super::SETTINGS).await
    };
    let first = signed_by(concord).await;
    let same = later(89).await;
    assert_eq!((signed_by(&same).await, published(&same).await.len()), (first.clone(), 1));
    let other = later(1).await;
    let second = signed_by(&other).await;
    assert_ne!(second, first);
    // What the first has signed can be checked still, and at every node with what there is now.
    for server in [concord, &same, &other] {
        assert_eq!(published(server).await, [second.clone(), first.clone()]);
        assert_eq!(signed_by(server).await, second);
    }
    let last = later(90).await;
    let third = signed_by(&last).await;
    assert_eq!(published(&last).await, [third, second], "nothing is checked with the first any more");
}

/// What of sign-in must not be in a log.
struct Secrets {
    all: Vec<(&'static str, String)>,
}

impl Secrets {
    fn add(&mut self, what: &'static str, value: &str) {
        assert!(value.len() > 3, "{what} is no secret: {value:?}");
        self.all.push((what, value.to_owned()));
    }
}

const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
const NUMBER: &str = "9434765919";

/// The people of the journey, by an ordinary system.
async fn people_of(scratch: &Scratch, settings: &[(&str, &str)], nobody: &App) {
    let token = output(scratch.folder(), &["token", "--system"], settings);
    let system = nobody.with_token(token.trim());
    system
        .store(&json!({"resourceType": "Patient", "id": "p-4711", "name": [{"family": "Hussain", "given": ["Amina"]}],
            "birthDate": "1985-03-02", "identifier": [{"system": SYSTEM, "value": NUMBER}]}))
        .await;
    system.store(&json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}]})).await;
    let mut team = people::care_team(&["Practitioner/gp"]);
    team["subject"] = json!({"reference": "Patient/p-4711"});
    system.store(&team).await;
}

/// Somebody lets an app in and it does all that an app does, right and wrong, and a professional looks for a patient: what was secret.
async fn everything_is_done(nobody: &App) -> Secrets {
    let mut secrets = Secrets { all: Vec::new() };
    let send = async |place: &str, pairs: &[(&str, &str)], client: Option<&str>| {
        let ask = nobody.ask(Method::POST, place).body("application/x-www-form-urlencoded", form(pairs));
        match client {
            Some(secret) => {
                ask.header("authorization", &format!("Basic {}", STANDARD.encode(format!("portal:{secret}"))))
            }
            None => ask,
        }
        .await
    };
    let browser = Browser::of(nobody.clone());
    let scope = "openid fhirUser launch/patient offline_access patient/*.rs";
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    secrets.add("a form's token", &field(&list, "form_token"));
    let page = browser.sign_in(&list, "Patient/p-4711").await.expect(200);
    secrets.add("a session", &browser.cookie("concord-session"));
    secrets.add("a form's token", &field(&page, "form_token"));
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    secrets.add("a code", &code);
    secrets.add("a verifier", VERIFIER);
    let given = send("/oauth/token", &for_code(&code), None).await.expect(200).json();
    for name in ["access_token", "refresh_token", "id_token"] {
        secrets.add(name, text(&given, &format!("/{name}")));
    }
    let app = nobody.with_token(text(&given, "/access_token"));
    app.get("Patient/p-4711").await.expect(200);
    app.get(&format!("Patient?identifier={SYSTEM}|{NUMBER}")).await.expect(200);
    app.get("/oauth/userinfo").await.expect(200);
    let refresh = |token: &Value| {
        let token = text(token, "/refresh_token").to_owned();
        [("grant_type", "refresh_token".to_owned()), ("refresh_token", token), ("client_id", "heart-diary".to_owned())]
    };
    let asked = refresh(&given);
    let asked: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let fresh = send("/oauth/token", &asked, None).await.expect(200).json();
    secrets.add("a refresh token", text(&fresh, "/refresh_token"));
    // What is sent twice, what is guessed, and what is no request at all.
    send("/oauth/token", &asked, None).await.expect(400);
    send("/oauth/token", &for_code(&code), None).await.expect(400);
    secrets.add("a client's secret", SECRET);
    let right = form(&[("", SECRET)]).trim_start_matches('=').to_owned();
    secrets.add("a client's secret", &right);
    let token = [("token", text(&given, "/access_token"))];
    send("/oauth/introspect", &token, Some(&right)).await.expect(200);
    secrets.add("a guess", "a-guessed-secret");
    send("/oauth/introspect", &token, Some("a-guessed-secret")).await.expect(401);
    send("/oauth/revoke", &token, Some(&right)).await;
    secrets.add("what is no token", "concord_at_no-token-at-all");
    nobody.with_token("concord_at_no-token-at-all").get("Patient").await.expect(401);
    browser
        .get(&format!("/sign-in/return?{}", form(&[("state", "a-secret-state"), ("code", "a-secret-code")])))
        .await
        .expect(400);
    secrets.add("a state", "a-secret-state");
    secrets.add("a login service's code", "a-secret-code");
    let professional = Browser::of(nobody.clone());
    let list = professional.get(&authorize(&asking("launch/patient patient/*.rs user/*.rs"))).await.expect(200);
    let page = professional.sign_in(&list, "Practitioner/gp").await.expect(200);
    let (form_token, request) = (field(&page, "form_token"), field(&page, "request"));
    let sought = [("form_token", form_token.as_str()), ("request", request.as_str()), ("sought", NUMBER)];
    professional.submit("/sign-in/whose", &sought).await.expect(200);
    for (what, value) in
        [("a name", "Hussain"), ("a name", "Okafor"), ("an NHS number", NUMBER), ("a birth date", "1985-03-02")]
    {
        secrets.add(what, value);
    }
    secrets.add("who somebody is", "p-4711");
    secrets
}

#[test]
fn nothing_secret_is_in_the_log() {
    let scratch = Scratch::new(Database::Sqlite);
    let settings: Vec<(&str, &str)> = [
        super::SETTINGS,
        &[
            ("CONCORD_LISTEN", "127.0.0.1:0"),
            ("CONCORD_DATABASE_URL", scratch.url()),
            ("CONCORD_DEVELOPMENT_ISSUER", "true"),
            ("CONCORD_LOG_LEVEL", "trace"),
        ],
    ]
    .concat();
    let process = Process::serve(scratch.folder(), &settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let secrets = runtime.block_on(async {
        let nobody = App::at(&process.origin);
        people_of(&scratch, &settings, &nobody).await;
        everything_is_done(&nobody).await
    });
    let log = process.log();
    assert!(log.contains("/oauth/token") && log.contains("somebody lets an app in"), "{log}");
    let told: Vec<_> = secrets.all.iter().filter(|(_, value)| log.contains(value)).collect();
    assert!(told.is_empty(), "{told:?} in {log}");
}
