//! Whose record an app gets: a professional looks for a patient, a carer picks who has named them, and a visit may be picked.

use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::{Answer, Concord, on_both};
use serde_json::{Value, json};

use super::federation::{back, citizen, sent, with_both};
use super::{Browser, CHOICES, CLIENTS, app, asking, authorize, field, for_code, query, token};

on_both! {
    with super::super::SETTINGS;
    a_professional_picks_a_patient_whom_they_may_see, a_carer_picks_who_has_named_them, a_visit_may_be_picked,
    who_is_not_proven_adds_to_the_record_and_sees_nothing_of_it, nobody_is_told_of_a_record_at_p0
}

const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// What a form on the picking page sends.
async fn pick(browser: &Browser, page: &Answer, name: &str, value: &str) -> Answer {
    let (token, request) = (field(page, "form_token"), field(page, "request"));
    browser.submit("/sign-in/whose", &[("form_token", &token), ("request", &request), (name, value)]).await
}

async fn decided(server: &Concord, browser: &Browser, page: &Answer, more: &[(&str, &str)]) -> Value {
    let whose = field(page, "whose");
    let all: Vec<_> = [CHOICES, &[("whose", whose.as_str())], more].concat();
    let back = browser.decide(page, &all).await;
    let code = query(&back).get("code").unwrap_or_else(|| panic!("no code: {back}")).clone();
    token(server, &for_code(&code)).await.expect(200).json()
}

pub(super) async fn a_professional_picks_a_patient_whom_they_may_see(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for (id, number, family) in [("amina", "9434765919", "Hussain"), ("callum", "9000000009", "Fraser")] {
        system
            .store(&json!({"resourceType": "Patient", "id": id, "birthDate": "1985-03-02",
                "identifier": [{"system": NUMBER, "value": number}], "name": [{"family": family}]}))
            .await;
    }
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking("launch/patient patient/*.rs user/*.rs"))).await.expect(200);
    let page = browser.sign_in(&list, "Practitioner/gp").await.expect(200);
    assert!(page.text().contains("Whose record?") && page.text().contains("Go on without a patient"), "{page}");
    for sought in ["943 476 5919", "hussain", "Hussain"] {
        let found = pick(&browser, &page, "sought", sought).await.expect(200);
        assert!(found.text().contains("value=\"Patient/amina\""), "{sought}: {found}");
        assert!(found.text().contains("born 2 March 1985"), "{sought}: {found}");
    }
    // Who may not be seen is not there.
    for sought in ["9000000009", "fraser", "Nobody", "9434765918", "hussain,fraser|x", ""] {
        let none = pick(&browser, &page, "sought", sought).await.expect(200);
        assert!(!none.text().contains("value=\"Patient/"), "{sought}: {none}");
    }
    for bad in ["Patient/callum", "Patient/absent", "Practitioner/gp", "amina"] {
        let again = pick(&browser, &page, "whose", bad).await.expect(200);
        assert!(again.text().contains("Whose record?"), "{bad}: {again}");
    }
    let page = pick(&browser, &page, "whose", "Patient/amina").await.expect(200);
    assert!(page.text().contains("the record of one patient") && page.text().contains("Hussain"), "{page}");
    // The form cannot be sent for another.
    let back = browser.decide(&page, &[CHOICES, &[("whose", "Patient/callum")]].concat()).await;
    assert_eq!(query(&back)["error"], "access_denied");
    let tokens = decided(concord, &browser, &page, &[]).await;
    assert_eq!(tokens["patient"], "amina");
    // What the app of others gets is still for the patient to say.
    app(concord, &tokens).get("Patient/amina").await.expect(404);
    // The page is not for another browser.
    let (other, asked) = (Browser::new(concord), authorize(&asking("launch/patient patient/*.rs user/*.rs")));
    let list = other.get(&asked).await.expect(200);
    let own = other.sign_in(&list, "Practitioner/gp").await.expect(200);
    let request = field(&own, "request");
    let sent = [("form_token", "x"), ("request", request.as_str()), ("whose", "Patient/amina")];
    other.submit("/sign-in/whose", &sent).await.expect(400);
}

pub(super) async fn a_carer_picks_who_has_named_them(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = with_both(concord, &nhs, &cis2, json!({})).await;
    // Callum has named her as his carer, by her number; somebody else has named another.
    let carer = json!({"resourceType": "RelatedPerson", "active": true,
        "name": [{"family": "Hussain"}], "patient": {"reference": "Patient/callum"},
        "identifier": [{"system": NUMBER, "value": "9434765919"}]});
    let carer = format!("RelatedPerson/{}", concord.patient("callum").create(&carer).await);
    let browser = Browser::new(&server);
    let page = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
    let asked = sent(&browser, &page, "nhs-login").await;
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    let next = back(&browser, &asked["state"], &code).await.expect(303);
    let page = browser.get(next.header("location")).await.expect(200);
    assert!(page.text().contains("Whose record?") && page.text().contains("Your own record"), "{page}");
    assert!(!page.text().contains("RelatedPerson/yusuf"), "{page}");
    for bad in ["RelatedPerson/yusuf", "Patient/callum", "nobody"] {
        let again = pick(&browser, &page, "whose", bad).await.expect(200);
        assert!(again.text().contains("Whose record?"), "{bad}: {again}");
    }
    let theirs = pick(&browser, &page, "whose", &carer).await.expect(200);
    assert!(theirs.text().contains("the record of the person that you care for"), "{theirs}");
    let tokens = decided(&server, &browser, &theirs, &[]).await;
    assert_eq!(tokens["patient"], "callum");
    let asked = [("token", concord_tests::client::text(&tokens, "/access_token"))];
    let told = super::post(&server, "/oauth/introspect", &asked, Some("checker")).await.expect(200).json();
    assert_eq!(told["fhirUser"], format!("http://localhost:8080/fhir/{carer}"));
    // She sees and ends it on her page.
    let apps = browser.get("/apps").await.expect(200);
    assert!(apps.text().contains(&format!("value=\"{carer}\"")), "{apps}");
    let form = field(&apps, "form_token");
    for (person, status) in [("RelatedPerson/yusuf", 200), (carer.as_str(), 401)] {
        let pairs = [("form_token", form.as_str()), ("client", "heart-diary"), ("person", person)];
        browser.submit("/apps/end", &pairs).await.expect(303);
        let place = if status == 200 { "Patient?_id=callum" } else { "Patient/callum" };
        app(&server, &tokens).get(place).await.expect(status);
    }
    let own = pick(&browser, &page, "whose", "Patient/amina").await.expect(200);
    assert!(own.text().contains("your record"), "{own}");
    assert_eq!(decided(&server, &browser, &own, &[]).await["patient"], "amina");
}

pub(super) async fn a_visit_may_be_picked(concord: &Concord) {
    people::arrive(concord).await;
    for (id, subject) in [("visit", "amina"), ("theirs", "callum")] {
        concord
            .system()
            .store(&json!({"resourceType": "Encounter", "id": id, "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "type": [{"text": "Blood pressure check"}], "period": {"start": "2026-03-01T10:00:00Z"},
                "subject": {"reference": format!("Patient/{subject}")}}))
            .await;
    }
    let clients = CLIENTS.replace("launch/patient", "launch/patient launch/encounter");
    let server = concord.another_node_with(&[super::SETTINGS, &[("CONCORD_CLIENTS", clients.as_str())]].concat()).await;
    let browser = Browser::new(&server);
    let asked = authorize(&asking("launch/patient launch/encounter patient/*.rs"));
    let list = browser.get(&asked).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    assert!(
        page.text().contains("1 March 2026, 10:00: Blood pressure check") && !page.text().contains("theirs"),
        "{page}"
    );
    let tokens = decided(&server, &browser, &page, &[("visit", "visit")]).await;
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("amina"), &json!("visit")));
    for none in [&[][..], &[("visit", "theirs")], &[("visit", "absent")]] {
        let page = browser.get(&asked).await.expect(200);
        let tokens = decided(&server, &browser, &page, none).await;
        assert_eq!(tokens.get("encounter"), None, "{none:?}");
        assert!(!tokens["scope"].to_string().contains("launch/encounter"), "{tokens}");
    }
}

/// Amina comes back from NHS login known this surely, with what an app asks.
async fn at_level(concord: &Concord, nhs: &LoginService, browser: &Browser, place: &str, level: &str) -> Answer {
    let page = browser.get(place).await.expect(200);
    let asked = sent(browser, &page, "nhs-login").await;
    let mut claims = citizen(concord, nhs, &asked);
    claims["identity_proofing_level"] = json!(level);
    claims["vot"] = json!(format!("{level}.Cp.Cd"));
    if level == "P0" {
        claims.as_object_mut().expect("claims").remove("nhs_number");
    }
    let code = nhs.signed_in(claims, &asked["code_challenge"]);
    back(browser, &asked["state"], &code).await
}

pub(super) async fn who_is_not_proven_adds_to_the_record_and_sees_nothing_of_it(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = with_both(concord, &nhs, &cis2, json!({"lowest_proofing": "P5"})).await;
    let reading =
        format!("Observation/{}", concord.patient("amina").create(&people::blood_pressure("amina", 120)).await);
    // An app of others is let in by nobody who is not proven.
    let browser = Browser::new(&server);
    let others = authorize(&asking("launch/patient patient/*.cruds"));
    let next = at_level(concord, &nhs, &browser, &others, "P5").await.expect(303);
    let told = browser.get(next.header("location")).await.expect(403);
    assert!(told.text().contains("Prove who you are first") && !told.text().contains("Hussain"), "{told}");
    assert!(browser.get("/apps").await.expect(403).text().contains("Prove who you are first"));
    // An app of those who keep the record adds to it, and reads back what she entered in this sign-in.
    let asked = super::with(&asking("launch/patient patient/*.cruds"), "client_id", Some("portal"));
    let asked = super::with(&asked, "redirect_uri", Some("https://portal.example/back"));
    let page = browser.get(&authorize(&asked)).await.expect(200);
    assert!(
        page.text().contains("somebody whose identity is not proven") && !page.text().contains("Hussain"),
        "{page}"
    );
    let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
    let asked = super::with(&for_code(&code), "redirect_uri", Some("https://portal.example/back"));
    let asked = super::with(&asked, "client_id", None);
    let tokens = super::post(&server, "/oauth/token", &asked, Some("portal")).await.expect(200).json();
    let app = app(&server, &tokens);
    app.get(&reading).await.expect(404);
    app.get("Patient/amina").await.expect(403);
    let own = format!("Observation/{}", app.create(&people::blood_pressure("amina", 121)).await);
    app.get(&own).await.expect(200);
    let consents = concord.patient("amina").get("Consent?patient=amina").await.expect(200).ids();
    assert!(!consents.iter().any(|id| id.contains("portal")), "no choice of hers is changed");
}

pub(super) async fn nobody_is_told_of_a_record_at_p0(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = with_both(concord, &nhs, &cis2, json!({"lowest_proofing": "P0"})).await;
    let browser = Browser::new(&server);
    let page = browser.get("/sign-in").await.expect(200);
    let asked = sent(&browser, &page, "nhs-login").await;
    assert!(asked["vtr"].contains("P0.Cp.Cd") && asked["vtr"].contains("P9.Cm"), "{asked:?}");
    let told = at_level(concord, &nhs, &browser, "/sign-in", "P0").await.expect(403);
    assert!(told.text().contains("Prove who you are first") && told.text().contains("What to do"), "{told}");
    assert!(browser.get("/apps").await.expect(200).text().contains("Who are you?"), "nobody is signed in");
    // The NHS App says who is signed in to it: nobody is asked.
    let next = browser.get("/sign-in?assertedLoginIdentity=a.b.c").await.expect(303);
    let asked = query(next.header("location"));
    assert_eq!((asked["asserted_login_identity"].as_str(), asked["prompt"].as_str()), ("a.b.c", "none"));
    let code = nhs.signed_in(citizen(concord, &nhs, &asked), &asked["code_challenge"]);
    let shown = back(&browser, &asked["state"], &code).await.expect(200);
    assert!(shown.text().contains("Is this you?"), "{shown}");
    browser.get("/sign-in?assertedLoginIdentity=a%20b").await.expect(400);
}
