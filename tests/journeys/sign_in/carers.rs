//! Relatives and carers, and others whom a login service knows without an NHS number: by its own name for them, or by a reference
//! to them here.

use concord_tests::login_service::LoginService;
use concord_tests::people::{self, with as element};
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::federation::{back, sent};
use super::{Browser, CHOICES, asking, authorize, field, for_code, query, token};

on_both! {
    with super::super::SETTINGS;
    who_picks_themselves_picks_whose_record, a_login_services_own_name_for_somebody_is_on_record,
    a_carer_is_known_by_a_login_services_own_name, a_reference_is_believed_where_the_settings_say_so,
    nobody_pushes_another_out, who_is_not_named_now_is_not_let_in, a_next_of_kin_signs_in_as_nobody
}

const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const PATIENT_SCOPES: &str = "launch/patient patient/*.rs";

/// Somebody who cares for Callum, and is known by this.
async fn carer(concord: &Concord, system: &str, value: &str) -> String {
    let carer = json!({"resourceType": "RelatedPerson", "active": true, "name": [{"family": "Hussain"}],
        "patient": {"reference": "Patient/callum"}, "identifier": [{"system": system, "value": value}]});
    format!("RelatedPerson/{}", concord.patient("callum").create(&carer).await)
}

/// What an app gets with a record that is picked on the page.
async fn with_record(server: &Concord, browser: &Browser, page: &Answer, whose: &str) -> Value {
    assert!(page.text().contains("Whose record?") && page.text().contains("Your own record"), "{page}");
    let (form_token, request) = (field(page, "form_token"), field(page, "request"));
    let chosen = [("form_token", form_token.as_str()), ("request", request.as_str()), ("whose", whose)];
    let page = browser.submit("/sign-in/whose", &chosen).await.expect(200);
    lets_in(server, browser, &page).await
}

async fn lets_in(server: &Concord, browser: &Browser, page: &Answer) -> Value {
    let whose = field(page, "whose");
    let picked = [("whose", whose.as_str())];
    let choices = [CHOICES, if whose.is_empty() { &[] } else { &picked[..] }].concat();
    let code = query(&browser.decide(page, &choices).await)["code"].clone();
    token(server, &for_code(&code)).await.expect(200).json()
}

pub(super) async fn who_picks_themselves_picks_whose_record(concord: &Concord) {
    people::arrive(concord).await;
    let amina = json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}],
        "identifier": [{"system": NUMBER, "value": "9434765919"}, {"system": "urn:cards", "value": "7"}]});
    concord.system().store(&amina).await;
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(PATIENT_SCOPES))).await.expect(200);
    let own = browser.sign_in(&list, "Patient/amina").await.expect(200);
    assert!(own.text().contains("your record"), "nobody has named her: {own}");
    for (system, value) in [(NUMBER, "9434765919"), ("urn:cards", "7")] {
        let carer = carer(concord, system, value).await;
        let browser = Browser::new(concord);
        let list = browser.get(&authorize(&asking(PATIENT_SCOPES))).await.expect(200);
        let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
        assert_eq!(with_record(concord, &browser, &page, &carer).await["patient"], "callum");
        concord.patient("callum").delete(&carer).await.expect(204);
    }
}

/// A server that people sign in to with a service that is known by its issuer, with more settings of it.
async fn server(concord: &Concord, service: &LoginService, more: Value) -> Concord {
    let mut provider = service.discovered("surgery", concord.scratch().folder());
    provider.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let providers = json!([provider]).to_string();
    let own = [("CONCORD_SIGN_IN", "{}"), ("CONCORD_PROVIDERS", providers.as_str())];
    concord.another_node_with(&[super::SETTINGS, &own].concat()).await
}

/// Somebody comes back from the service, who says this of them besides.
async fn come_back(concord: &Concord, service: &LoginService, browser: &Browser, said: Value) -> Answer {
    let page = browser.get(&authorize(&asking(PATIENT_SCOPES))).await.expect(200);
    let asked = sent(browser, &page, "surgery").await;
    let now_s = concord.clock.now_s();
    let mut claims = json!({"iss": service.origin(), "aud": "phr", "exp": now_s + 300, "iat": now_s,
        "nonce": asked["nonce"]});
    claims.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
    let code = service.signed_in(claims, &asked["code_challenge"]);
    back(browser, &asked["state"], &code).await
}

/// The page on which they let the app in, or pick whose record it gets.
async fn comes_in(concord: &Concord, service: &LoginService, browser: &Browser, said: Value) -> Answer {
    let next = come_back(concord, service, browser, said).await.expect(303);
    browser.get(next.header("location")).await.expect(200)
}

fn amina(service: &LoginService) -> Value {
    json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "birthDate": "1985-03-02",
        "identifier": [{"system": service.origin(), "value": "amina-there"}]})
}

pub(super) async fn a_login_services_own_name_for_somebody_is_on_record(concord: &Concord) {
    people::arrive(concord).await;
    let service = LoginService::start(false);
    concord.system().store(&amina(&service)).await;
    let with_service = server(concord, &service, json!({})).await;
    let comes = async |said: Value| come_back(concord, &service, &Browser::new(&with_service), said).await;
    for good in [json!({"sub": "amina-there"}), json!({"sub": "amina-there", "birthdate": "1985-03-02"})] {
        let browser = Browser::new(&with_service);
        let page = comes_in(concord, &service, &browser, good).await;
        assert_eq!(lets_in(&with_service, &browser, &page).await["patient"], "amina");
    }
    for bad in [
        json!({"sub": "amina"}),
        json!({"sub": "Amina-There"}),
        json!({"sub": ""}),
        json!({}),
        json!({"sub": "amina-there", "birthdate": "1985-03-03"}),
        // By the number of somebody else she is not she.
        json!({"sub": "amina-there", "nhs_number": "9000000009", "birthdate": "1985-03-02"}),
        json!({"sub": "amina-there", "nhs_number": "9434765918"}),
    ] {
        comes(bad.clone()).await.expect(400);
    }
    // Another service calls somebody else so; and two who are called so are nobody.
    let other = LoginService::start(false);
    let elsewhere = server(concord, &other, json!({})).await;
    come_back(concord, &other, &Browser::new(&elsewhere), json!({"sub": "amina-there"})).await.expect(400);
    concord.system().store(&element(amina(&service), "id", json!("twin"))).await;
    comes(json!({"sub": "amina-there"})).await.expect(400);
    // Professionals are known so too.
    let staff = server(concord, &service, json!({"person": "practitioner"})).await;
    let browser = Browser::new(&staff);
    come_back(concord, &service, &browser, json!({"sub": "okafor-there"})).await.expect(400);
    concord
        .system()
        .store(&json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}],
            "identifier": [{"system": service.origin(), "value": "okafor-there"}]}))
        .await;
    let page = comes_in(concord, &service, &browser, json!({"sub": "okafor-there"})).await;
    assert!(page.text().contains("Whose record?") && page.text().contains("NHS number or name"), "{page}");
}

pub(super) async fn a_carer_is_known_by_a_login_services_own_name(concord: &Concord) {
    people::arrive(concord).await;
    let service = LoginService::start(false);
    concord.system().store(&amina(&service)).await;
    let with_service = server(concord, &service, json!({})).await;
    let named = carer(concord, &service.origin(), "amina-there").await;
    let browser = Browser::new(&with_service);
    let page = comes_in(concord, &service, &browser, json!({"sub": "amina-there"})).await;
    assert_eq!(with_record(&with_service, &browser, &page, &named).await["patient"], "callum");
    // Who is no patient here is in the record of whoever has named them.
    let only = carer(concord, &service.origin(), "yusuf-there").await;
    for more in [json!({}), json!({"person": "related-person"})] {
        let with_service = server(concord, &service, more).await;
        let browser = Browser::new(&with_service);
        let page = comes_in(concord, &service, &browser, json!({"sub": "yusuf-there"})).await;
        assert!(page.text().contains("the record of the person that you care for"), "{page}");
        assert_eq!(lets_in(&with_service, &browser, &page).await["patient"], "callum");
    }
    // Where only relatives and carers sign in, she is one of them.
    let relatives = server(concord, &service, json!({"person": "related-person"})).await;
    let browser = Browser::new(&relatives);
    let page = comes_in(concord, &service, &browser, json!({"sub": "amina-there"})).await;
    assert!(page.text().contains("the record of the person that you care for"), "{page}");
    // When he takes back that he has named them, they are nobody.
    concord.patient("callum").delete(&only).await.expect(204);
    come_back(concord, &service, &Browser::new(&relatives), json!({"sub": "yusuf-there"})).await.expect(400);
}

pub(super) async fn a_reference_is_believed_where_the_settings_say_so(concord: &Concord) {
    people::arrive(concord).await;
    let service = LoginService::start(false);
    concord.system().store(&people::without(amina(&service), "identifier")).await;
    let silent = server(concord, &service, json!({})).await;
    let said = json!({"sub": "x", "fhirUser": "Patient/amina"});
    come_back(concord, &service, &Browser::new(&silent), said).await.expect(400);
    let believing = server(concord, &service, json!({"fhir_user_claim": "fhirUser"})).await;
    let yusuf = "http://localhost:8080/fhir/RelatedPerson/yusuf";
    for (reference, patient) in [("Patient/amina", "amina"), (yusuf, "amina"), ("Patient/callum", "callum")] {
        let browser = Browser::new(&believing);
        let page = comes_in(concord, &service, &browser, json!({"sub": "x", "fhirUser": reference})).await;
        assert_eq!(lets_in(&believing, &browser, &page).await["patient"], patient, "{reference}");
    }
    for bad in [
        json!({"fhirUser": "https://else.example/fhir/Patient/amina"}),
        json!({"fhirUser": "Practitioner/gp"}),
        json!({"fhirUser": "Patient/absent"}),
        json!({"fhirUser": "Patient/amina", "birthdate": "1985-03-03"}),
        json!({"fhirUser": "amina"}),
        json!({"fhirUser": ""}),
        json!({"fhirUser": ["Patient/amina"]}),
    ] {
        come_back(concord, &service, &Browser::new(&believing), element(bad.clone(), "sub", json!("x")))
            .await
            .expect(400);
    }
    // Where relatives and carers sign in, a patient is not let in as herself.
    let carers = server(concord, &service, json!({"fhir_user_claim": "fhirUser", "person": "related-person"})).await;
    for (reference, status) in [(yusuf, 303), ("Patient/amina", 400), ("Practitioner/gp", 400)] {
        let said = json!({"sub": "x", "fhirUser": reference});
        come_back(concord, &service, &Browser::new(&carers), said).await.expect(status);
    }
}

/// Amina, who is known by a card, picks whose record.
async fn picks(concord: &Concord) -> Answer {
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(PATIENT_SCOPES))).await.expect(200);
    browser.sign_in(&list, "Patient/amina").await.expect(200)
}

async fn has_a_card(concord: &Concord) {
    people::arrive(concord).await;
    let amina = json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}],
        "identifier": [{"system": "urn:cards", "value": "7"}]});
    concord.system().store(&amina).await;
}

fn named_by(patient: &str) -> Value {
    json!({"resourceType": "RelatedPerson", "patient": {"reference": format!("Patient/{patient}")},
        "identifier": [{"system": "urn:cards", "value": "7"}]})
}

/// What one patient writes of somebody does not take away what another one has written.
pub(super) async fn nobody_pushes_another_out(concord: &Concord) {
    has_a_card(concord).await;
    concord.system().store(&json!({"resourceType": "Patient", "id": "dora"})).await;
    let dora = concord.patient("dora");
    for _ in 0..25 {
        dora.create(&element(named_by("dora"), "active", json!(false))).await;
        dora.create(&element(named_by("dora"), "period", json!({"end": "2020-01-01"}))).await;
    }
    let carer = concord.patient("callum").create(&named_by("callum")).await;
    assert!(picks(concord).await.text().contains(&format!("RelatedPerson/{carer}")));
    for _ in 0..5 {
        concord.patient("callum").create(&named_by("callum")).await;
    }
    let page = picks(concord).await.text();
    assert_eq!(page.matches("value=\"RelatedPerson/").count(), 3, "{page}");
    assert!(page.contains("Not all are shown"), "{page}");
}

/// By what is not said of somebody now, nobody is found.
pub(super) async fn who_is_not_named_now_is_not_let_in(concord: &Concord) {
    has_a_card(concord).await;
    let card = |more: Value| {
        let mut card = json!({"system": "urn:cards", "value": "7"});
        card.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!([card])
    };
    let (ended, ahead) = (json!({"end": "2020-01-01"}), json!({"start": "2099-01-01"}));
    for (name, value) in [
        ("active", json!(false)),
        ("period", ended.clone()),
        ("period", ahead.clone()),
        ("identifier", card(json!({"use": "old"}))),
        ("identifier", card(json!({"period": ended}))),
        ("identifier", card(json!({"period": ahead}))),
    ] {
        let id = concord.patient("callum").create(&element(named_by("callum"), name, value.clone())).await;
        let page = picks(concord).await;
        assert!(page.text().contains("your record") && !page.text().contains(&id), "{name} {value}: {page}");
    }
    let id = concord.patient("callum").create(&named_by("callum")).await;
    assert!(picks(concord).await.text().contains(&id));
}

/// As whom a professional has written down, nobody signs in.
pub(super) async fn a_next_of_kin_signs_in_as_nobody(concord: &Concord) {
    people::arrive(concord).await;
    let kin =
        json!({"resourceType": "RelatedPerson", "patient": {"reference": "Patient/amina"}, "name": [{"text": "Kin"}]});
    let kin = format!("RelatedPerson/{}", concord.user("Practitioner/gp").create(&kin).await);
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(PATIENT_SCOPES))).await.expect(200);
    assert!(!list.text().contains(&kin) && list.text().contains("RelatedPerson/yusuf"), "{list}");
    let chosen = [("form_token", field(&list, "form_token")), ("request", field(&list, "request")), ("person", kin)];
    let chosen = chosen.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.submit("/sign-in", &chosen).await.expect(400);
}
