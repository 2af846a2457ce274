//! Who signs in is in the log, of her whose record it is too; and who is not let in.

use concord_tests::client::text;
use concord_tests::login_service::LoginService;
use concord_tests::people;
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use super::federation::{back, citizen, sent, with_both};
use super::{Browser, CHOICES, asking, authorize, for_code, query, token};

on_both! {
    with super::super::SETTINGS;
    a_patient_sees_who_came_in, who_comes_by_a_login_service_is_told_with_it,
    a_relatives_patient_may_be_named_by_an_address, a_relative_whom_she_may_not_know_of_is_not_told,
    what_was_told_before_relatives_were_named_is_read
}

/// The events of somebody's coming in, the newest first.
async fn told(app: &concord_tests::App, query: &str) -> Vec<Value> {
    app.get(&format!("AuditEvent?subtype=http://dicom.nema.org/resources/ontology/DCM|110122{query}"))
        .await
        .expect(200)
        .matches()
}

/// Who did it.
fn agent(event: &Value) -> &str {
    let all = event["agent"].as_array().expect("agents");
    text(all.iter().find(|agent| agent["requestor"] == true).expect("who did it"), "/who/reference")
}

pub(super) async fn a_patient_sees_who_came_in(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    for person in ["Patient/amina", "RelatedPerson/yusuf", "Practitioner/gp", "Patient/callum"] {
        let browser = Browser::new(concord);
        let list = browser.get("/sign-in").await.expect(200);
        browser.sign_in(&list, person).await.expect(200);
    }
    let seen = told(&amina, "&patient=amina").await;
    let agents: Vec<&str> = seen.iter().map(agent).collect();
    assert_eq!(agents, ["RelatedPerson/yusuf", "Patient/amina"], "{seen:?}");
    assert!(seen.iter().all(|event| text(event, "/outcome") == "0" && text(event, "/outcomeDesc") == "sign-in.picked"));
    assert_eq!(told(&concord.patient("callum"), "").await.len(), 1, "others' are not hers");
    let all = told(&system, "&outcome=0").await;
    assert_eq!(all.len(), 4, "{all:?}");
    let log = amina.get("Patient/amina/$access-log").await.expect(200).text();
    assert!(log.contains("came in on") && log.contains("picked themselves from the list"), "{log}");
}

/// Somebody picks themselves.
async fn picks(concord: &Concord, person: &str) {
    let browser = Browser::new(concord);
    let list = browser.get("/sign-in").await.expect(200);
    browser.sign_in(&list, person).await.expect(200);
}

pub(super) async fn a_relatives_patient_may_be_named_by_an_address(concord: &Concord) {
    people::arrive(concord).await;
    let base = format!("{}/fhir", super::ISSUER);
    let spelled = [
        format!("{base}/Patient/amina"),
        format!("{}/Patient/amina", base.replace("http://localhost", "HTTP://LOCALHOST")),
        "Patient/amina/_history/1".to_owned(),
        format!("{base}/Patient/amina/_history/1"),
    ];
    for (number, reference) in spelled.iter().enumerate() {
        let relative = json!({"resourceType": "RelatedPerson", "id": format!("kin-{number}"), "active": true,
            "patient": {"reference": reference}});
        concord.system().store(&relative).await;
        let person = format!("RelatedPerson/kin-{number}");
        let browser = Browser::new(concord);
        let list = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
        let page = browser.sign_in(&list, &person).await.expect(200);
        let code = query(&browser.decide(&page, CHOICES).await)["code"].clone();
        let tokens = token(concord, &for_code(&code)).await.expect(200).json();
        assert_eq!(tokens["patient"], "amina", "{reference}");
        let seen = told(&concord.patient("amina"), "&patient=amina").await;
        assert_eq!((seen.len(), agent(&seen[0])), (number + 1, person.as_str()), "{reference}: {seen:?}");
    }
}

/// She sees who looked, whoever it was; who only came in looked at nothing of hers.
pub(super) async fn a_relative_whom_she_may_not_know_of_is_not_told(concord: &Concord) {
    people::arrive(concord).await;
    let kept = json!({"resourceType": "RelatedPerson", "id": "kept", "active": true,
        "patient": {"reference": "Patient/amina"}, "meta": {"security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]}});
    concord.system().store(&kept).await;
    for person in ["RelatedPerson/kept", "RelatedPerson/yusuf"] {
        picks(concord, person).await;
    }
    let amina = concord.patient("amina");
    amina.get("RelatedPerson/kept").await.expect(404);
    let seen = told(&amina, "&patient=amina").await;
    assert_eq!(seen.iter().map(agent).collect::<Vec<_>>(), ["RelatedPerson/yusuf"], "{seen:?}");
    for place in ["AuditEvent?patient=amina", "Patient/amina/$access-log"] {
        let log = amina.get(place).await.expect(200).text();
        assert!(log.contains("RelatedPerson/yusuf") && !log.contains("kept"), "{place}: {log}");
    }
    assert_eq!(told(&concord.system(), "&patient=amina").await.len(), 2);
    // One who is on record no more is told as before.
    concord.system().delete("RelatedPerson/yusuf").await.expect(204);
    assert_eq!(told(&amina, "&patient=amina").await.len(), 1);
}

/// Events of relatives' sign-ins once named nobody whom they were about.
pub(super) async fn what_was_told_before_relatives_were_named_is_read(concord: &Concord) {
    people::arrive(concord).await;
    for person in ["RelatedPerson/yusuf", "Patient/amina"] {
        picks(concord, person).await;
    }
    let amina = concord.patient("amina");
    let shown = async || (told(&amina, "&patient=amina").await, told(&concord.system(), "&outcome=0").await);
    let (hers, all) = shown().await;
    assert_eq!((hers.len(), all.len()), (2, 2));
    let open = match concord.is_postgres() {
        true => "ALTER TABLE audit DISABLE TRIGGER USER;",
        false => "DROP TRIGGER audit_no_update;",
    };
    concord.scratch().tamper(&format!(
        "{open} UPDATE audit SET type = -1, entity = '' WHERE interaction = 9 AND agent LIKE 'RelatedPerson/%'"
    ));
    let (hers_now, all_now) = shown().await;
    // What they say besides is what those of now say.
    let others = |events: &[Value]| -> Vec<Value> {
        let mut events = events.to_vec();
        events.iter_mut().for_each(|event| drop(event.as_object_mut().expect("an event").remove("entity")));
        events
    };
    assert_eq!((others(&hers_now), others(&all_now)), (others(&hers), others(&all)));
    let log = amina.get("Patient/amina/$access-log").await.expect(200).text();
    assert!(log.contains("RelatedPerson/yusuf") && log.matches("came in on").count() >= 2, "{log}");
    told(&amina, "&agent=RelatedPerson/yusuf").await.first().expect("it is found by who it was");
}

pub(super) async fn who_comes_by_a_login_service_is_told_with_it(concord: &Concord) {
    let (nhs, cis2) = (LoginService::start(true), LoginService::start(false));
    let server = with_both(concord, &nhs, &cis2, json!({"lowest_proofing": "P5"})).await;
    let comes = async |change: fn(&mut Value), status: u16| {
        let browser = Browser::new(&server);
        let page = browser.get(&authorize(&asking("launch/patient patient/*.rs"))).await.expect(200);
        let asked = sent(&browser, &page, "nhs-login").await;
        let mut claims = citizen(concord, &nhs, &asked);
        change(&mut claims);
        let code = nhs.signed_in(claims, &asked["code_challenge"]);
        back(&browser, &asked["state"], &code).await.expect(status);
    };
    comes(|_| {}, 303).await;
    comes(|claims| (claims["identity_proofing_level"], claims["vot"]) = (json!("P5"), json!("P5.Cp.Cd")), 303).await;
    let seen = told(&concord.patient("amina"), "&patient=amina").await;
    let reasons: Vec<&str> = seen.iter().map(|event| text(event, "/outcomeDesc")).collect();
    assert_eq!(reasons, ["sign-in.with:nhs-login, sign-in.unproven", "sign-in.with:nhs-login"]);
    // Who is not on record, or not the person of that number, is told to those who run the server, and to nobody of whom it is about.
    comes(|claims| claims["birthdate"] = json!("1985-03-03"), 400).await;
    let refused = told(&concord.system(), "&outcome=4").await;
    assert!(refused.iter().any(|event| text(event, "/outcomeDesc") == "sign-in: not let in"), "{refused:?}");
    assert_eq!(told(&concord.patient("amina"), "&patient=amina").await.len(), 2);
}
