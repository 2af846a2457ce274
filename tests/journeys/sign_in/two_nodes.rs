//! Two nodes over one database are one server: every journey of sign-in goes the same way where each request meets another node than
//! the one before; and of two who come at once, each at a node, one gets what can be had once.

use concord_tests::client::text;
use concord_tests::login_service::LoginService;
use concord_tests::{Answer, Concord, on_both, on_two_nodes, people};
use serde_json::{Value, json};

use super::federation::{back, citizen, sent, with_both};
use super::systems::System;
use super::{Browser, CHOICES, app, asking, authorize, code, error, field, for_code, post, query, token, tokens};

// Left out is what each node does for itself, as the documentation says: it counts attempts (`nobody_tries_until_a_secret_fits`,
// `few_register_at_once`, `a_registration_is_seldom_changed`, `clients_behind_a_trusted_proxy_are_told_apart`,
// `signatures_are_looked_at_so_often`), and learns within the minute from where pages may call (`pages_call_from_where_clients_are_now`,
// `a_client_is_registered_by_command_beside_the_server`, `who_ends_ends_what_they_have_registered`). So are what has no requests
// (`nothing_secret_is_stored`, `a_lost_key_file_is_a_refusal_to_start`), and what has servers of its own.
on_two_nodes! {
    with super::super::super::SETTINGS;
    attacks: a_code_works_once, a_code_is_worth_nothing_without_its_verifier, a_code_goes_to_no_other_place,
        a_code_of_another_client_is_worth_nothing, a_code_expires, a_refresh_token_that_comes_again_ends_all,
        nobody_is_sent_to_another_place, refusals_are_told_to_the_app, no_other_page_decides,
        a_form_of_no_browser_does_nothing, a_page_of_another_site_sends_nothing, a_session_is_not_given_to_anybody,
        a_client_proves_who_it_is_as_it_is_registered, a_token_is_revoked_at_once,
        tokens_are_told_to_whom_they_belong, two_who_come_at_once;
    flow: apps_find_what_there_is, a_person_lets_an_app_in, what_is_chosen_is_what_the_app_gets,
        sensitive_data_is_given_by_its_name, asking_again_shows_what_was_chosen,
        a_refresh_token_is_changed_for_another, an_app_of_ones_own_gets_no_more_than_is_chosen, only_until_it_is_closed,
        people_who_are_no_patients_let_apps_in, what_an_app_wants_without_asking, scopes_may_be_fewer,
        a_public_client_need_not_say_who_it_is_to_refresh;
    launch: an_app_starts_with_what_its_user_looks_at, a_start_is_for_one_app_one_person_and_once, who_may_start_an_app;
    limits: a_smaller_choice_holds_for_what_was_let_before, who_may_no_longer_act_keeps_no_app,
        a_session_ends_also_when_nobody_used_it, a_refusal_of_scopes_uses_nothing_up;
    apps: a_patient_sees_and_ends_what_is_connected, a_page_lists_and_ends_it, ending_the_consent_ends_the_app,
        what_is_connected_is_told_to_nobody_else;
    federation: a_patient_signs_in_with_nhs_login, a_professional_signs_in_with_cis2,
        what_comes_back_is_for_this_browser_and_this_time, nobody_takes_the_place_of_somebody_else_unasked,
        nobody_is_signed_in_who_has_not_said_that_it_is_they;
    logout: who_signs_out_there_is_signed_out_here, only_a_logout_token_signs_out;
    whose: a_professional_picks_a_patient_whom_they_may_see, a_carer_picks_who_has_named_them;
    carers: a_carer_is_known_by_a_login_services_own_name;
    systems: a_system_gets_a_token_by_its_key, an_assertion_is_believed_once, an_assertion_that_is_not_believed;
    parameters: each_parameter_is_there_once, a_token_is_for_this_server_only, a_client_proves_once_who_it_is;
    registration: an_app_registers_itself_and_a_person_lets_it_in, a_registration_is_its_own_to_change,
        an_invitation_is_good_for_one, a_system_registers_clients;
    registered: what_an_app_has_is_narrowed_with_it, what_a_system_has_is_narrowed_with_it,
        who_is_narrowed_narrows_what_they_have_registered
}

on_both! {
    with super::super::SETTINGS;
    of_two_codes_at_two_nodes_one_is_changed, of_two_refreshes_at_two_nodes_one_is_done,
    of_two_assertions_at_two_nodes_one_is_believed, who_comes_back_at_two_nodes_is_signed_in_once, what_ends_at_one_node_has_ended_at_the_other,
    forms_and_keys_are_those_of_both_nodes
}

const SCOPE: &str = "openid launch/patient offline_access patient/*.rs";

fn refresh(tokens: &Value) -> [(&str, &str); 3] {
    [("grant_type", "refresh_token"), ("refresh_token", text(tokens, "/refresh_token")), ("client_id", "heart-diary")]
}

/// The one that succeeded of two; the other was refused.
fn only(one: Answer, other: Answer, status: u16) -> Answer {
    let (done, refused) = if one.status == status { (one, other) } else { (other, one) };
    assert!(done.status == status && (400..500).contains(&refused.status), "{done} {refused}");
    done
}

async fn of_two_codes_at_two_nodes_one_is_changed(concord: &Concord) {
    people::arrive(concord).await;
    let other = concord.another_node_with(super::SETTINGS).await;
    for _ in 0..5 {
        let code = code(concord, SCOPE, CHOICES).await;
        let asked = for_code(&code);
        let (one, two) = tokio::join!(token(concord, &asked), token(&other, &asked));
        let given = only(one, two, 200).json();
        // One of them has stolen it: what either got is worth nothing at either node.
        for node in [concord, &other] {
            app(node, &given).get("Patient/amina").await.expect(401);
            assert_eq!(error(&token(node, &refresh(&given)).await.expect(400)), "invalid_grant");
        }
    }
}

async fn of_two_refreshes_at_two_nodes_one_is_done(concord: &Concord) {
    people::arrive(concord).await;
    let other = concord.another_node_with(super::SETTINGS).await;
    for _ in 0..5 {
        let first = tokens(concord, SCOPE, CHOICES).await;
        // In turn it goes on and on.
        let second = token(&other, &refresh(&first)).await.expect(200).json();
        let third = token(concord, &refresh(&second)).await.expect(200).json();
        let asked = refresh(&third);
        let (one, two) = tokio::join!(token(concord, &asked), token(&other, &asked));
        let given = only(one, two, 200).json();
        for node in [concord, &other] {
            app(node, &given).get("Patient/amina").await.expect(401);
            assert_eq!(error(&token(node, &refresh(&given)).await.expect(400)), "invalid_grant");
        }
    }
}

async fn of_two_assertions_at_two_nodes_one_is_believed(concord: &Concord) {
    people::arrive(concord).await;
    let (system, server) = System::registered(concord).await;
    let said = json!({"scope": "system/Observation.cruds system/Patient.rs"});
    let other = system.server(concord, said, json!({"development_provider": true})).await;
    for number in 0..5 {
        let assertion = system.signed(&system.assertion(concord, &format!("raced-{number}")));
        let asks = async |node: &Concord| system.ask(node, &assertion, "system/*.rs").await;
        let (one, two) = tokio::join!(asks(&server), asks(&other));
        let given = only(one, two, 200).json();
        app(&other, &given).get("Patient/amina").await.expect(200);
        for node in [&server, &other] {
            assert_eq!(error(&asks(node).await.expect(401)), "invalid_client");
        }
    }
}

async fn who_comes_back_at_two_nodes_is_signed_in_once(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = with_both(concord, &nhs, &cis2, json!({})).await;
    let other = with_both(concord, &nhs, &cis2, json!({})).await;
    let browser = Browser::new(&server);
    let page = browser.get("/sign-in").await.expect(200);
    let asked = sent(&browser, &page, "nhs-login").await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    let there = browser.at(&other);
    let (one, two) = tokio::join!(back(&browser, &asked["state"], &code), back(&there, &asked["state"], &code));
    only(one, two, 303);
    back(&browser, &asked["state"], &code).await.expect(400);
    back(&there, &asked["state"], &code).await.expect(400);
}

async fn what_ends_at_one_node_has_ended_at_the_other(concord: &Concord) {
    people::arrive(concord).await;
    let other = concord.another_node_with(super::SETTINGS).await;
    let given = tokens(concord, SCOPE, CHOICES).await;
    // Both remember it.
    for node in [concord, &other, concord, &other] {
        app(node, &given).get("Patient/amina").await.expect(200);
    }
    let revoked = [("token", text(&given, "/access_token")), ("client_id", "heart-diary")];
    post(concord, "/oauth/revoke", &revoked, None).await.expect(200);
    app(&other, &given).get("Patient/amina").await.expect(401);
    let fresh = token(&other, &refresh(&given)).await.expect(200).json();
    app(concord, &fresh).get("Patient/amina").await.expect(200);
    // She ends it in her own app, at the other node.
    let place = "Patient/amina/$end-app-access?client=heart-diary";
    other.patient("amina").ask(concord_tests::client::Method::POST, place).await.expect(200);
    for node in [concord, &other] {
        app(node, &fresh).get("Patient/amina").await.expect(401);
        assert_eq!(error(&token(node, &refresh(&fresh)).await.expect(400)), "invalid_grant");
    }
}

async fn forms_and_keys_are_those_of_both_nodes(concord: &Concord) {
    people::arrive(concord).await;
    let other = concord.another_node_with(super::SETTINGS).await;
    let keys = |node: &Concord| node.nobody().get("/.well-known/jwks.json");
    assert_eq!(keys(concord).await.expect(200).json(), keys(&other).await.expect(200).json());
    let (browser, stranger) = (Browser::new(concord), Browser::new(concord));
    let page = browser.get(&authorize(&asking(SCOPE))).await.expect(200);
    let theirs = stranger.get(&authorize(&asking(SCOPE))).await.expect(200);
    let there = browser.at(&other);
    let sends = async |page: &Answer| {
        let (form_token, request) = (field(page, "form_token"), field(page, "request"));
        let pairs = [("form_token", form_token.as_str()), ("request", request.as_str()), ("person", "Patient/amina")];
        there.submit("/sign-in", &pairs).await
    };
    sends(&theirs).await.expect(400);
    let next = sends(&page).await.expect(303);
    // What was begun at one node, and goes on at the other, is decided at the first; and what its page says is of this browser alone.
    let here = there.at(concord);
    let page = here.get(next.header("location")).await.expect(200);
    let (form_token, request) = (field(&page, "form_token"), field(&page, "request"));
    let pairs = |token| [&[("form_token", token), ("request", request.as_str())], CHOICES].concat();
    stranger.at(&other).submit("/sign-in/decision", &pairs(form_token.as_str())).await.expect(400);
    there.submit("/sign-in/decision", &pairs("x")).await.expect(400);
    let sent_back = here.at(&other).submit("/sign-in/decision", &pairs(form_token.as_str())).await.expect(303);
    let code = query(sent_back.header("location"))["code"].clone();
    token(concord, &for_code(&code)).await.expect(200);
}
