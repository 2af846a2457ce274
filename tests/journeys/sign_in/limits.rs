//! What a person chose last is what every grant of the app gets, until when she chose; and nobody keeps an app, or keeps it out,
//! who may not.

use concord_tests::client::text;
use concord_tests::people::{self, with as element};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use super::{Browser, CHOICES, app, asking, authorize, error, field, for_code, post, query, token, tokens, with};

on_both! {
    with super::super::SETTINGS;
    a_smaller_choice_holds_for_what_was_let_before, an_app_of_ones_own_gets_nothing_when_the_choice_has_run_out,
    nobody_keeps_an_app_out_by_claiming_to_be_it, who_may_no_longer_act_keeps_no_app, a_session_ends_also_when_nobody_used_it,
    a_refusal_of_scopes_uses_nothing_up, all_that_is_ticked_is_no_less_than_a_part
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const OFFLINE: &str = "launch/patient offline_access patient/*.rs";
const ALL_KINDS: &[(&str, &str)] =
    &[("kind", "details"), ("kind", "measurements"), ("kind", "conditions"), ("lasts", "year"), ("decision", "allow")];

fn refresh(tokens: &Value) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", text(tokens, "/refresh_token")),
        ("client_id", "heart-diary"),
    ]
}

fn condition(label: Option<&str>) -> Value {
    let plain = json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"}, "code": {"text": "x"}});
    match label {
        Some(label) => element(plain, "meta", json!({"security": [{"system": ACT, "code": label}]})),
        None => plain,
    }
}

pub(super) async fn a_smaller_choice_holds_for_what_was_let_before(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let hidden = format!("Condition/{}", system.create(&condition(Some("MH"))).await);
    let open = format!("Condition/{}", system.create(&condition(None)).await);
    let before = app(concord, &tokens(concord, OFFLINE, ALL_KINDS).await);
    before.get(&open).await.expect(200);
    before.get(&hidden).await.expect(404);
    let named = [("kind", "measurements"), ("sensitive", "MH"), ("lasts", "year"), ("decision", "allow")];
    let after = tokens(concord, "launch/patient offline_access patient/Observation.rs", &named).await;
    app(concord, &after).get("Observation").await.expect(200);
    for one in [&hidden, &open] {
        before.get(one).await.expect(404);
    }
}

pub(super) async fn an_app_of_ones_own_gets_nothing_when_the_choice_has_run_out(concord: &Concord) {
    people::arrive(concord).await;
    let hidden = format!("Condition/{}", concord.system().create(&condition(Some("MH"))).await);
    let lets = async |lasts: &str| -> Value {
        let asked = with(&with(&asking(OFFLINE), "client_id", Some("portal")), "redirect_uri", Some(PORTAL));
        let browser = Browser::new(concord);
        let list = browser.get(&authorize(&asked)).await.expect(200);
        let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
        let choice = [("kind", "details"), ("kind", "conditions"), ("lasts", lasts), ("decision", "allow")];
        let code = query(&browser.decide(&page, &choice).await)["code"].clone();
        let asked = with(&with(&for_code(&code), "redirect_uri", Some(PORTAL)), "client_id", None);
        post(concord, "/oauth/token", &asked, Some("portal")).await.expect(200).json()
    };
    let year = lets("year").await;
    app(concord, &year).get(&hidden).await.expect(404);
    lets("session").await;
    concord.later(9 * 3_600_000);
    let asked = with(&refresh(&year), "client_id", None);
    let again = post(concord, "/oauth/token", &asked, Some("portal")).await.expect(200).json();
    app(concord, &again).get(&hidden).await.expect(404);
}

const PORTAL: &str = "https://portal.example/back";

pub(super) async fn nobody_keeps_an_app_out_by_claiming_to_be_it(concord: &Concord) {
    people::arrive(concord).await;
    for _ in 0..40 {
        let refused = post(concord, "/oauth/token", &for_code("concord_ac_x"), Some("heart-diary")).await;
        assert_eq!(refused.status, 401);
        token(concord, &for_code("concord_ac_x")).await.expect(400);
    }
    tokens(concord, OFFLINE, CHOICES).await;
}

pub(super) async fn who_may_no_longer_act_keeps_no_app(concord: &Concord) {
    people::arrive(concord).await;
    let lets = async || -> Value {
        let browser = Browser::new(concord);
        let list = browser.get(&authorize(&asking("offline_access user/*.rs"))).await.expect(200);
        let page = browser.sign_in(&list, "Practitioner/gp").await.expect(200);
        let back = browser.decide(&page, ALL_KINDS).await;
        token(concord, &for_code(&query(&back)["code"])).await.expect(200).json()
    };
    let system = concord.system();
    let gp = system.get("Practitioner/gp").await.expect(200).json();
    for gone in [false, true] {
        let given = lets().await;
        token(concord, &refresh(&lets().await)).await.expect(200);
        match gone {
            true => drop(system.delete("Practitioner/gp").await.expect(204)),
            false => drop(system.store(&element(gp.clone(), "active", json!(false))).await),
        }
        assert_eq!(error(&token(concord, &refresh(&given)).await.expect(400)), "invalid_grant");
        system.store(&element(gp.clone(), "active", json!(true))).await;
        assert_eq!(error(&token(concord, &refresh(&given)).await.expect(400)), "invalid_grant", "it has ended");
    }
}

pub(super) async fn a_session_ends_also_when_nobody_used_it(concord: &Concord) {
    people::arrive(concord).await;
    let browser = Browser::new(concord);
    let scope = "launch/patient online_access patient/*.rs";
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let back = browser.decide(&page, &[("kind", "details"), ("decision", "allow")]).await;
    let given = token(concord, &for_code(&query(&back)["code"])).await.expect(200).json();
    let apps = browser.get("/apps").await.expect(200);
    concord.later(11 * 60_000);
    browser.submit("/sign-out", &[("form_token", &field(&apps, "form_token"))]).await.expect(303);
    assert_eq!(error(&token(concord, &refresh(&given)).await.expect(400)), "invalid_grant");
}

pub(super) async fn a_refusal_of_scopes_uses_nothing_up(concord: &Concord) {
    people::arrive(concord).await;
    let given = tokens(concord, OFFLINE, CHOICES).await;
    for scope in ["nonsense", "user/Condition.rs"] {
        let refused = token(concord, &with(&refresh(&given), "scope", Some(scope))).await.expect(400);
        assert_eq!(error(&refused), "invalid_scope", "{scope}");
    }
    token(concord, &refresh(&given)).await.expect(200);
}

pub(super) async fn all_that_is_ticked_is_no_less_than_a_part(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let unclassified = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/amina"}});
    let plain = system.create(&unclassified).await;
    let label = json!({"security": [{"system": ACT, "code": "MH"}]});
    let hidden = system.create(&element(unclassified, "meta", label)).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(OFFLINE))).await.expect(200);
    let mut page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let html = page.text().to_owned();
    let offered: Vec<&str> =
        html.split("name=\"kind\" value=\"").skip(1).map(|rest| rest.split_once('"').expect("a value").0).collect();
    assert_eq!(offered.len(), 11, "{page}");
    for left_out in [None, Some("sharing"), Some("other")] {
        let kinds = offered.iter().filter(|kind| Some(**kind) != left_out).map(|kind| ("kind", *kind));
        let choices: Vec<_> = kinds.chain([("lasts", "month"), ("decision", "allow")]).collect();
        let code = query(&browser.decide(&page, &choices).await)["code"].clone();
        let app = app(concord, &token(concord, &for_code(&code)).await.expect(200).json());
        let seen = app.get("Observation?patient=amina").await.expect(200).ids();
        assert!(seen.contains(&plain) && !seen.contains(&hidden), "{left_out:?}: {seen:?}");
        page = browser.get(&authorize(&asking(OFFLINE))).await.expect(200);
    }
}
