//! Who looked: the log in plain language, and a chain that shows whether anybody has changed it.

use std::path::Path;

use concord_api::command::audit::{self, Action, AuditArgs, VerifyArgs};
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { the_log_in_plain_language, what_is_kept_from_the_patient, broken_glass_comes_first, whose_log_it_is, the_chain_shows_what_was_changed }

/// The sentences of all pages.
async fn sentences(app: &App, place: &str) -> Vec<String> {
    let plain = |event: &Value| {
        let div = text(event, "/text/div").replace("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>", "");
        div.replace("</p></div>", "")
    };
    let entries = app.entries(place).await;
    entries.iter().filter_map(|entry| entry.get("resource")).map(plain).collect()
}

async fn the_log_in_plain_language(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let role = json!({"resourceType": "PractitionerRole", "id": "gp-role", "active": true,
        "practitioner": {"reference": "Practitioner/gp"}, "organization": {"reference": "Organization/surgery"}});
    concord.system().store(&role).await;
    concord.user("Practitioner/gp").get(&reading).await.expect(200);
    concord.user("Practitioner/former").get(&reading).await.expect(404);
    concord.user("RelatedPerson/yusuf").get("Patient/amina/$everything").await.expect(200);
    let place = "Patient/amina/$access-log";
    let told = sentences(&amina, place).await;
    assert_eq!(
        told[2],
        "Okafor (Practitioner/gp) of Example Surgery, with the app phr-app, read an observation on 2026-12-01 at 12:00 UTC, \
         for treatment. This was allowed: by being in the care team."
            .replace("phr-app", concord_client(&told[2])),
        "{told:#?}"
    );
    assert!(told[0].starts_with("RelatedPerson/yusuf") && told[0].contains("read the whole record"), "{told:#?}");
    let refused = told.iter().find(|one| one.starts_with("Walsh (Practitioner/former)")).expect("the refusal");
    assert!(refused.contains("tried to read an observation on"), "{refused}");
    assert!(refused.contains("nothing was shown: neither the care team nor"), "{refused}");
    assert!(told.iter().any(|one| one.starts_with("You, with the app") && one.contains("added an observation")));
    // Reading it is in it.
    let again = sentences(&amina, place).await;
    assert_eq!(again.len(), told.len() + 1);
    assert!(again[0].starts_with("You") && again[0].contains("read this list"), "{}", again[0]);
    // Page by page it is the same.
    let (whole, mut paged) = (sentences(&amina, "Patient/amina/$access-log?_count=100").await, Vec::new());
    let mut next = Some("Patient/amina/$access-log?_count=3&end=2026-12-01".to_owned());
    while let Some(place) = next {
        let page = amina.get(&place).await.expect(200);
        paged.extend(page.matches().iter().map(|event| text(event, "/id").to_owned()));
        next = page.link("next");
    }
    let mut once = paged.clone();
    once.dedup();
    assert_eq!((once.len(), paged.len()), (whole.len() + 1, whole.len() + 1));
    assert!(amina.get("Patient/amina/$access-log?start=2027").await.expect(200).matches().is_empty());
    amina.get("Patient/amina/$access-log?start=soon").await.expect(400);
}

async fn what_is_kept_from_the_patient(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    let kept = |id: &str| with(with(blood_pressure("amina", 120), "id", json!(id)), "meta", json!({"security": label}));
    concord.system().store(&with(blood_pressure("amina", 121), "id", json!("open-to-her"))).await;
    concord.system().store(&kept("kept-from-her")).await;
    for id in ["open-to-her", "kept-from-her"] {
        concord.system().get(&format!("Observation/{id}")).await.expect(200);
        // What others ask for may name it too.
        concord.user("Practitioner/gp").get(&format!("Observation?patient=amina&_id={id}")).await.expect(200);
    }
    concord.patient("amina").get("Observation?_id=open-to-her").await.expect(200);
    for place in ["AuditEvent?patient=amina", "Patient/amina/$access-log"] {
        let told = Value::from(amina.entries(place).await).to_string();
        assert!(told.contains("open-to-her"), "{place}: {told}");
        assert!(!told.contains("kept-from-her"), "{place}: {told}");
    }
}

/// The app in a sentence.
fn concord_client(sentence: &str) -> &str {
    sentence.split("with the app ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default()
}

async fn broken_glass_comes_first(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let event = json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R", "recorded": "2026-11-30T03:00:00Z", "outcome": "0",
        "purposeOfEvent": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}]}],
        "agent": [{"who": {"reference": "Practitioner/gp-elsewhere"}, "requestor": true}],
        "source": {"observer": {"display": "the hospital"}},
        "entity": [{"what": {"reference": "Patient/amina"}}, {"what": {"reference": "Condition/1"}}]});
    concord.system().create(&event).await;
    amina.get("Patient/amina").await.expect(200);
    for place in ["Patient/amina/$access-log", "Patient/amina/$access-log?_count=1"] {
        let told = sentences(&amina, place).await;
        assert!(told[0].contains("breaking the glass") && told[0].contains("Lindqvist"), "{told:#?}");
        assert_eq!(told.iter().filter(|one| one.contains("breaking the glass")).count(), 1);
    }
}

async fn whose_log_it_is(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    concord.user("Practitioner/gp").get(&reading).await.expect(200);
    let place = "Patient/amina/$access-log";
    // Others see in it what they did themselves, and strangers as much as of nobody.
    let own = sentences(&concord.user("Practitioner/gp"), place).await;
    assert!(!own.is_empty() && own.iter().all(|one| one.starts_with("Okafor")), "{own:#?}");
    for stranger in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        assert!(stranger.get(place).await.expect(200).matches().is_empty());
        assert!(stranger.get("Patient/none/$access-log").await.expect(200).matches().is_empty());
    }
    concord.patient_with("amina", "patient/Observation.rs").get(place).await.expect(403);
    concord.nobody().get(place).await.expect(401);
    let told = sentences(&amina, place).await;
    assert!(told.iter().any(|one| one.starts_with("Patient/callum") && one.contains("read this list")), "{told:#?}");
}

/// What the command prints, and whether it was content.
async fn command(concord: &Concord, action: Action) -> (bool, String) {
    let mut out = Vec::new();
    let done = audit::run(&AuditArgs { action }, &concord.config, concord.clock.clone(), &mut out).await;
    let printed = String::from_utf8(out).expect("text");
    match done {
        Ok(()) => (true, printed),
        Err(error) => (false, printed + &error),
    }
}

async fn verified(concord: &Concord, head: Option<&Path>) -> (bool, String) {
    command(concord, Action::Verify(VerifyArgs { head: head.map(Path::to_owned), ..VerifyArgs::default() })).await
}

async fn head(concord: &Concord) -> String {
    let (done, printed) =
        command(concord, Action::Head { key: Some(concord.scratch().folder().join("audit.key")) }).await;
    assert!(done, "{printed}");
    printed
}

async fn the_chain_shows_what_was_changed(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for _ in 0..5 {
        amina.get("Patient/amina").await.expect(200);
    }
    let first = head(concord).await;
    let kept = concord.scratch().folder().join("head.json");
    std::fs::write(&kept, &first).expect("a file");
    let (whole, told) = verified(concord, None).await;
    assert!(whole && told.contains(" 0 not in the chain yet, 0 problems"), "{told}");
    amina.get("Patient/amina").await.expect(200);
    let (whole, told) = verified(concord, Some(&kept)).await;
    assert!(whole && told.contains(" 1 not in the chain yet, 0 problems"), "{told}");
    head(concord).await;

    let open = if concord.is_postgres() {
        "ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE seal DISABLE TRIGGER USER;"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER seal_no_update; \
         DROP TRIGGER seal_no_delete;"
    };
    let scratch = concord.scratch();
    scratch.tamper(open);
    const FIRST: &str = "(SELECT min(pk) FROM audit)";
    const LAST: &str = "(SELECT max(pk) FROM audit)";
    let wrong = async |undo: &str, told: &str, times: usize| {
        let (whole, printed) = verified(concord, None).await;
        assert!(!whole && printed.matches(told).count() == times, "{told}: {printed}");
        scratch.tamper(undo);
        let (whole, printed) = verified(concord, None).await;
        assert!(whole, "undone: {printed}");
    };
    // Changed.
    scratch.tamper(&format!("UPDATE audit SET outcome = outcome + 1 WHERE pk = {FIRST}"));
    wrong(&format!("UPDATE audit SET outcome = outcome - 1 WHERE pk = {FIRST}"), "has been changed", 1).await;
    scratch.tamper("UPDATE patient SET id = 'somebody' WHERE id = 'amina'");
    let (whole, printed) = verified(concord, None).await;
    assert!(!whole && printed.contains("has been changed"), "whose record it is: {printed}");
    scratch.tamper("UPDATE patient SET id = 'amina' WHERE id = 'somebody'");
    // Moved: two records have changed places.
    let swap = format!(
        "CREATE TABLE moved AS SELECT {FIRST} AS one, {LAST} AS other; \
         UPDATE audit SET pk = 7 WHERE pk = (SELECT one FROM moved); \
         UPDATE audit SET pk = (SELECT one FROM moved) WHERE pk = (SELECT other FROM moved); \
         UPDATE audit SET pk = (SELECT other FROM moved) WHERE pk = 7; DROP TABLE moved;"
    );
    scratch.tamper(&swap);
    wrong(&swap, "has been changed", 2).await;
    // Put in.
    scratch.tamper(&format!(
        "INSERT INTO audit SELECT 5, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, \
         query, reason, request, body FROM audit WHERE pk = {FIRST}"
    ));
    wrong("DELETE FROM audit WHERE pk = 5", "record 5 stands among those of the chain and is in no link", 1).await;
    // Taken out.
    scratch.tamper(&format!(
        "CREATE TABLE taken AS SELECT * FROM audit WHERE pk = {LAST}; DELETE FROM audit WHERE pk = {LAST}"
    ));
    wrong("INSERT INTO audit SELECT * FROM taken", "is missing", 1).await;
    // A link that was made to fit no longer follows; without its last links the chain does not lead to the head kept.
    scratch.tamper("UPDATE seal SET at = at + 1 WHERE number = 1");
    wrong("UPDATE seal SET at = at - 1 WHERE number = 1", "link 1 has been changed", 1).await;
    let forged = first.replace("\"number\":1", "\"number\":2");
    assert_ne!(forged, first);
    std::fs::write(scratch.folder().join("forged.json"), forged).expect("a file");
    let (done, told) = verified(concord, Some(&scratch.folder().join("forged.json"))).await;
    assert!(!done && told.contains("the signature is wrong"), "{told}");
    scratch.tamper("DELETE FROM seal");
    let (whole, told) = verified(concord, Some(&kept)).await;
    assert!(!whole && told.contains("whose head was kept elsewhere, is missing"), "{told}");
}
