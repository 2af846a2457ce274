//! Breaking the glass: who may, for how long, what it opens and what not, and that the patient is told.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Ask, text};
use concord_tests::people::{self, blood_pressure};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    for_an_hour_and_one_patient, by_professionals_with_a_reason, never_what_is_kept_for_a_team, by_search_on_every_node,
    purposes_that_the_token_does_not_allow, reviewed_by_the_privacy_officer,
    by_nhs_number, the_message_is_hidden_by_nobody_whom_it_names, words_are_never_read_as_rules
}

const WHY: &str = "found unconscious at the bus stop";

fn broken(ask: Ask) -> Ask {
    ask.header("x-purpose-of-use", "BTG").header("x-purpose-reason", WHY)
}

/// A condition of Amina's with these labels, which nobody but her may see by her choices.
async fn condition(concord: &Concord, id: &str, labels: &[(&str, &str)]) -> String {
    let security: Vec<Value> = labels.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    let mut condition = json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/amina"},
        "code": {"text": "epilepsy"}});
    if !security.is_empty() {
        condition["meta"] = json!({"security": security});
    }
    concord.system().store(&condition).await;
    format!("Condition/{id}")
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

async fn messages(app: &App) -> Vec<Value> {
    app.get("Communication?patient=amina&category=alert&_count=100").await.expect(200).matches()
}

async fn for_an_hour_and_one_patient(concord: &Concord) {
    people::arrive(concord).await;
    let place = condition(concord, "sensitive", &[(ACT, "MH")]).await;
    let callum = format!("Observation/{}", concord.patient("callum").create(&blood_pressure("callum", 120)).await);
    let (amina, doctor) = (concord.patient("amina"), concord.user("Practitioner/gp-elsewhere"));
    doctor.get(&place).await.expect(404);
    assert!(messages(&amina).await.is_empty());
    broken(doctor.get(&place)).await.expect(200);
    // She is told at once, by whom and why.
    let told = messages(&amina).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let said = text(&told[0], "/payload/0/contentString");
    assert!(said.contains(WHY) && said.contains("Lindqvist") && said.contains("Practitioner/gp-elsewhere"), "{said}");
    let log = amina.get("AuditEvent?subtype=110127").await.expect(200).matches();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(text(&log[0], "/purposeOfEvent/0/coding/0/code"), "BTG");
    assert!(text(&log[0], "/outcomeDesc").contains(WHY));
    let reads =
        amina.get("AuditEvent?agent=Practitioner/gp-elsewhere&subtype=read&outcome=0").await.expect(200).matches();
    assert_eq!(text(&reads[0], "/purposeOfEvent/0/coding/0/code"), "BTG");
    assert!(text(&reads[0], "/outcomeDesc").contains(WHY), "{reads:?}");
    // For an hour, and only where it is said to be for that.
    concord.later(59 * 60_000);
    broken(doctor.get(&place)).await.expect(200);
    broken(doctor.get(&format!("{place}/_history/1"))).await.expect(200);
    broken(doctor.get(&format!("{place}/_history"))).await.expect(200);
    doctor.get(&place).await.expect(404);
    assert_eq!(messages(&amina).await.len(), 1, "she is told once");
    // Not for another patient, and not for another professional.
    broken(concord.user("Practitioner/former").get("Condition/nothing")).await.expect(404);
    concord.user("Practitioner/former").get(&place).await.expect(404);
    assert!(!doctor.get(&callum).await.text().contains("120"));
    concord.later(2 * 60_000);
    let again = doctor.get(&place).header("x-purpose-of-use", "BTG").header("x-purpose-reason", "looked away too long");
    again.await.expect(200);
    assert_eq!(messages(&amina).await.len(), 2, "it was broken anew");
    assert!(concord.patient("callum").get("Communication").await.expect(200).ids().is_empty());
}

async fn by_professionals_with_a_reason(concord: &Concord) {
    people::arrive(concord).await;
    let place = condition(concord, "plain", &[]).await;
    let doctor = concord.user("Practitioner/gp-elsewhere");
    for (name, reason) in [("none", None), ("short", Some("emergency")), ("spaces", Some("                "))] {
        let ask = doctor.get(&place).header("x-purpose-of-use", "BTG");
        let ask = match reason {
            Some(reason) => ask.header("x-purpose-reason", reason),
            None => ask,
        };
        let refused = ask.await.expect(400);
        assert!(refused.issues()[0].2.starts_with("header X-Purpose-Reason "), "{name}: {refused}");
    }
    let refused = doctor.get(&place).header("x-purpose-of-use", "WHIM").await.expect(400);
    let told = "header X-Purpose-Of-Use must be a purpose of use of v3-ActReason, for instance BTG";
    assert_eq!(refused.issues()[0].2, told);
    for app in
        [concord.patient("callum"), concord.user("RelatedPerson/neighbour"), concord.system(), concord.patient("amina")]
    {
        broken(app.get(&place)).await.expect(403).issues();
        broken(app.get("Condition/nothing")).await.expect(403).issues();
    }
    assert!(messages(&concord.patient("amina")).await.is_empty());
    // What does not exist is not broken into, and says the same as ever.
    let nothing = broken(doctor.get("Condition/nothing")).await.expect(404);
    assert_eq!(nothing.body, doctor.get("Condition/nothing").await.body);
}

async fn never_what_is_kept_for_a_team(concord: &Concord) {
    people::arrive(concord).await;
    let doctor = concord.user("Practitioner/gp-elsewhere");
    for code in ["AUTHOR-TEAM", "THIRD-PARTY", "SAFEGUARDING"] {
        let place = condition(concord, &code.to_lowercase(), &[("urn:concord:label", code)]).await;
        let hidden = broken(doctor.get(&place)).await.expect(404);
        assert_eq!(hidden.body, doctor.get("Condition/nothing").await.body);
        // Nor does it leave a trace from which the professional could tell that it is there.
        assert!(messages(&concord.patient("amina")).await.is_empty());
    }
    let open = condition(concord, "open", &[(ACT, "MH")]).await;
    broken(doctor.get(&open)).await.expect(200);
    assert_eq!(broken(doctor.get("Condition?patient=amina")).await.expect(200).ids(), ["open"]);
    for code in ["author-team", "third-party", "safeguarding"] {
        broken(doctor.get(&format!("Condition/{code}"))).await.expect(404);
    }
    // What the patient refuses for emergencies by name stays hers.
    let mut denial =
        people::without(people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Condition"]), "id");
    denial["provision"]["type"] = json!("deny");
    let id = concord.patient("amina").create(&denial).await;
    broken(doctor.get(&open)).await.expect(200);
    concord.patient("amina").delete(&format!("Consent/{id}")).await.expect(204);
    denial["provision"]["purpose"] =
        json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}]);
    concord.patient("amina").create(&denial).await;
    broken(doctor.get(&open)).await.expect(404);
}

async fn by_search_on_every_node(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    condition(concord, "sensitive", &[(ACT, "MH")]).await;
    let here = concord.user("Practitioner/gp-elsewhere");
    let there = node.user("Practitioner/gp-elsewhere").with_token(here.token());
    // Nobody is named, so nothing is broken.
    assert!(broken(here.get("Condition")).await.expect(200).ids().is_empty());
    assert!(broken(here.get("Condition?code:text=epilepsy")).await.expect(200).ids().is_empty());
    assert!(broken(here.get("Condition?patient=amina,callum")).await.expect(200).ids().is_empty());
    assert!(messages(&concord.patient("amina")).await.is_empty());
    assert!(there.get("Condition?patient=amina").await.expect(200).ids().is_empty());
    assert_eq!(broken(here.get("Condition?patient=amina")).await.expect(200).ids(), ["sensitive"]);
    assert_eq!(broken(there.get("Condition/sensitive")).await.expect(200).json()["id"], "sensitive");
    assert_eq!(broken(there.get("Patient/amina/Condition")).await.expect(200).ids(), ["sensitive"]);
    assert_eq!(messages(&node.patient("amina")).await.len(), 1);
    concord.later(61 * 60_000);
    let undeclared = there.get("Condition/sensitive").await;
    assert_eq!(undeclared.status, 404);
    // An entry of a transaction opens it as a request does.
    let entry = json!({"request": {"method": "GET", "url": "Condition/sensitive"}});
    let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    broken(here.post("/fhir", &transaction)).await.expect(200);
    assert_eq!(messages(&node.patient("amina")).await.len(), 2);
}

async fn purposes_that_the_token_does_not_allow(concord: &Concord) {
    people::arrive(concord).await;
    let place = condition(concord, "plain", &[]).await;
    let with = |purposes: &[&str]| {
        concord.app(&TokenRequest {
            fhir_user: Some("Practitioner/gp".to_owned()),
            scope: "user/*.cruds".to_owned(),
            purposes: purposes.iter().map(|code| (*code).to_owned()).collect(),
            ..TokenRequest::default()
        })
    };
    for (purposes, asked, status) in [
        (&[][..], "TREAT", 200),
        (&[], "ETREAT", 200),
        (&[], "HRESCH", 403),
        (&["TREAT"], "TREAT", 200),
        (&["TREAT"], "BTG", 403),
        (&["TREAT"], "HQUALIMP", 403),
        (&["TREAT", "BTG"], "BTG", 200),
        (&["HQUALIMP"], "TREAT", 403),
    ] {
        let ask = with(purposes).get(&place).header("x-purpose-of-use", asked).header("x-purpose-reason", WHY);
        let answer = ask.await;
        assert_eq!(answer.status, status, "{purposes:?} {asked}: {answer}");
    }
    with(&["BTG"]).get(&place).await.expect(400).issues();
    concord.patient("amina").get(&place).header("x-purpose-of-use", "TREAT").await.expect(403).issues();
    concord.patient("amina").get(&place).header("x-purpose-of-use", "PATRQT").await.expect(200);
    let refusals = concord.system().get("AuditEvent?outcome=4&agent=Practitioner/gp").await.expect(200).matches();
    assert!(refusals.iter().any(|event| text(event, "/outcomeDesc").contains("purpose")), "{refusals:?}");
}

async fn reviewed_by_the_privacy_officer(concord: &Concord) {
    people::arrive(concord).await;
    let place = condition(concord, "sensitive", &[(ACT, "MH")]).await;
    broken(concord.user("Practitioner/gp-elsewhere").get(&place)).await.expect(200);
    let officer = concord.officer("Practitioner/former", "privacy-officer");
    let tasks = officer.get("Task?code=urn:concord:task|break-glass-review").await.expect(200).matches();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(text(&tasks[0], "/for/reference"), "Patient/amina");
    assert!(text(&tasks[0], "/description").contains(WHY));
    let own = concord.user("Practitioner/gp-elsewhere").get("Task").await.expect(200).matches();
    assert!(own.is_empty(), "{own:?}");
    let id = text(&tasks[0], "/id").to_owned();
    let mut done = tasks[0].clone();
    done["status"] = json!("completed");
    // An office says why, for every act.
    officer.put(&format!("Task/{id}"), &done).await.expect(403).issues();
    let closes = officer.put(&format!("Task/{id}"), &done);
    closes.header("x-purpose-reason", "reviewing emergency access").await.expect(200);
    concord.user("Practitioner/gp").put(&format!("Task/{id}"), &done).await.expect(403).issues();
    // In the office, with a reason, the rest of the record of a patient who is named.
    officer.get(&place).await.expect(404);
    officer.get(&place).header("x-purpose-reason", "reviewing emergency access").await.expect(200);
}

/// Whoever finds somebody unconscious may know the NHS number and nothing else.
async fn by_nhs_number(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let number = |value: &str| json!([{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": value}]);
    let bearing = |id: &str, value: &str| json!({"resourceType": "Patient", "id": id, "identifier": number(value)});
    let place = condition(concord, "sensitive", &[(ACT, "MH")]).await;
    let amina = concord.patient("amina");
    let who = "https://fhir.nhs.uk/Id/nhs-number|9990011176";
    let unknown = "https://fhir.nhs.uk/Id/nhs-number|9434765919";
    let doctor = concord.user("Practitioner/gp-elsewhere");
    for (times, search) in [
        format!("Patient?identifier={who}"),
        format!("Condition?patient.identifier={who}"),
        format!("Condition?subject:Patient.identifier={who}"),
        format!("Condition?patient:identifier={who}"),
        format!("Patient/$summary?identifier={who}"),
    ]
    .iter()
    .enumerate()
    {
        system.store(&bearing("amina", "9990011176")).await;
        let before = doctor.get(search).await;
        assert!(before.status == 404 || before.ids().is_empty(), "{before}");
        // A number that nobody bears leaves no trace.
        let nothing = broken(doctor.get(&search.replace(who, unknown))).await;
        assert!(nothing.status == 404 || nothing.ids().is_empty(), "{nothing}");
        assert_eq!(messages(&amina).await.len(), times, "{search}");
        let found = broken(doctor.get(search)).await.expect(200);
        assert!(found.text().contains("Patient/amina") || found.ids() == ["amina"], "{search}: {found}");
        assert_eq!(messages(&amina).await.len(), times + 1, "{search}");
        if search.starts_with("Condition") {
            assert_eq!(found.ids(), ["sensitive"], "{search}");
        }
        broken(doctor.get(&place)).await.expect(200);
        // The next is another emergency.
        concord.later(61 * 60_000);
        doctor.get(&place).await.expect(404);
    }
    // A superseded number, and that of a record which has been replaced, lead to the one who is left.
    let replaced = json!([{"other": {"reference": "Patient/amina"}, "type": "replaced-by"}]);
    let mut old = bearing("old", "9434765919");
    old["link"] = replaced;
    system.store(&old).await;
    let found = broken(doctor.get(&format!("Condition?patient.identifier={unknown}"))).await.expect(200);
    assert_eq!(found.ids(), ["sensitive"], "{found}");
    broken(doctor.get(&place)).await.expect(200);
    concord.later(61 * 60_000);
    let found = broken(doctor.get(&format!("Patient?identifier={unknown}"))).await.expect(200);
    assert_eq!(found.ids(), ["amina"], "{found}");
    // Whose scopes do not cover the Patient learns nothing by her number, and breaks nothing.
    concord.later(61 * 60_000);
    let told = messages(&amina).await.len();
    for scope in ["user/Condition.rs", "user/Condition.rs user/Patient.r"] {
        let few = concord.user_with("Practitioner/gp-elsewhere", scope);
        let found = broken(few.get(&format!("Condition?patient.identifier={who}"))).await.expect(200);
        assert!(found.ids().is_empty(), "{scope}: {found}");
        assert_eq!(messages(&amina).await.len(), told, "{scope}");
    }
    // Not by who performed it, and not by another identifier.
    concord.later(61 * 60_000);
    let told = messages(&amina).await.len();
    for search in [
        format!("Observation?performer:Patient.identifier={who}"),
        "Patient?identifier=9990011176".to_owned(),
        format!("Patient?identifier={who},{unknown}"),
    ] {
        broken(doctor.get(&search)).await.expect(200);
    }
    assert_eq!(messages(&amina).await.len(), told);
    // In a transaction and by POST as well.
    let entry = json!({"request": {"method": "GET", "url": format!("Condition?patient.identifier={who}")}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    let answer = broken(doctor.post("/fhir", &bundle)).await.expect(200);
    assert!(answer.text().contains("epilepsy"), "{answer}");
    assert_eq!(messages(&amina).await.len(), told + 1);
}

/// What a label says of a professional, their role or their service hides from no patient that they have looked, whether it was there
/// before or comes later.
async fn the_message_is_hidden_by_nobody_whom_it_names(concord: &Concord) {
    people::arrive(concord).await;
    let labelled = |mut resource: Value, code: &str| {
        let system = if code == "SAFEGUARDING" { "urn:concord:label" } else { ACT };
        resource["meta"] = json!({"security": [{"system": system, "code": code}]});
        resource
    };
    let place = condition(concord, "sensitive", &[(ACT, "MH")]).await;
    let mut number = 0;
    for code in ["NOPAT", "SEX", "SAFEGUARDING"] {
        for labels in 0..3 {
            let id = |kind: &str| format!("{kind}-{}-{labels}", code.to_lowercase());
            let (doctor, role, clinic) = (id("doctor"), id("role"), id("clinic"));
            let all = [
                json!({"resourceType": "Practitioner", "id": doctor, "name": [{"family": "Lindqvist"}]}),
                json!({"resourceType": "Organization", "id": clinic, "name": "Clinic"}),
                json!({"resourceType": "PractitionerRole", "id": role, "active": true,
                    "practitioner": {"reference": format!("Practitioner/{doctor}")},
                    "organization": {"reference": format!("Organization/{clinic}")}}),
            ];
            for resource in &all {
                concord.system().store(resource).await;
            }
            let who = if labels == 0 { format!("Practitioner/{doctor}") } else { format!("PractitionerRole/{role}") };
            // The label comes later, and is there before.
            for when in ["after", "before"] {
                concord.later(2 * 3_600_000);
                broken(concord.user(&who).get(&place)).await.expect(200);
                number += 1;
                concord.system().store(&labelled(all[labels].clone(), code)).await;
                let told = messages(&concord.patient("amina")).await.len();
                assert_eq!(told, number, "{code} on {} {when} {who} looked", all[labels]);
            }
        }
    }
    let reviews = concord.officer("Practitioner/gp", "privacy-officer");
    let reviews =
        reviews.get("Task?patient=amina&_count=100").header("x-purpose-reason", "review of emergencies").await;
    assert_eq!(reviews.expect(200).ids().len(), number);
}

/// What somebody types as a reason is told as they have typed it, and is no rule of the server's, whatever it looks like.
async fn words_are_never_read_as_rules(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = condition(concord, "sensitive", &[(ACT, "MH")]).await;
    let (doctor, officer) =
        (concord.user("Practitioner/gp-elsewhere"), concord.officer("Practitioner/former", "privacy-officer"));
    for typed in [
        "found unconscious here",
        "@CareTeam/amina-team hello",
        "Consent/hc/_history/1 hello",
        "kept: care-team@CareTeam/x, scope.covers",
        "hidden: default; and @CareTeam/y more",
    ] {
        concord.later(2 * 3_600_000);
        let with_reason = |ask: Ask| ask.header("x-purpose-reason", typed);
        with_reason(doctor.get(&place).header("x-purpose-of-use", "BTG")).await.expect(200);
        with_reason(doctor.get("Condition?patient=amina").header("x-purpose-of-use", "BTG")).await.expect(200);
        with_reason(officer.get(&place)).await.expect(200);
        with_reason(officer.get("Condition?patient=amina")).await.expect(200);
        let events = amina.get("AuditEvent?patient=amina&_count=200").await.expect(200).matches();
        let told = events.iter().filter(|event| event["outcomeDesc"].as_str().is_some_and(|told| told.contains(typed)));
        let told: Vec<&str> = told.map(|event| text(event, "/outcomeDesc")).collect();
        assert_eq!(told.len(), 5, "{typed}: {told:#?}");
        assert!(told.iter().all(|told| !told.contains("rule.not-shown")), "{typed}: {told:#?}");
        let list = amina.get("Patient/amina/$access-log?_count=200").await.expect(200).matches();
        let sentences: Vec<String> = list.iter().map(|event| text(event, "/text/div").to_owned()).collect();
        let told = sentences.iter().filter(|sentence| sentence.contains(typed)).count();
        assert_eq!(told, 5, "{typed}: {sentences:#?}");
    }
}
