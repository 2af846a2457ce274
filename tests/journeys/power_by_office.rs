//! An office gives its reason for every act, and nobody changes by an operation what is never changed.

use concord_tests::client::{Answer, Method, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::power_by_writing::meta;

on_both! {
    an_office_needs_its_reason_for_every_act, a_reason_is_one_for_who_is_named, what_is_never_changed_is_not_released,
    an_office_in_the_team_does_what_the_office_does, what_tells_of_an_emergency_stays,
    whoever_broke_the_glass_does_not_review_it, a_review_is_made_by_the_server_only,
    she_is_told_of_an_emergency_whatever_labels_a_professional_bears
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";

/// An office gives its reason for every act, also on data without an author; with it, it may.
async fn an_office_needs_its_reason_for_every_act(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let mut problems = Vec::new();
    for office in ["privacy-officer", "safeguarding-lead"] {
        for holder in ["Practitioner/gp-elsewhere", GP] {
            // Without a reason they may what they may without the office.
            let plain = acts(&concord.user(holder), &system, "plain").await;
            let officer = acts(&concord.officer(holder, office), &system, "office").await;
            for ((act, plain), (_, officer)) in plain.iter().zip(&officer) {
                if plain != officer {
                    problems.push(format!("{office} {holder}, {act}: {officer}, and {plain} without the office"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// A reason opens the record of the patient who is named. Who else has ever named the officer, in whichever way, is not opened by it.
async fn a_reason_is_one_for_who_is_named(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let holder = "Practitioner/gp-elsewhere";
    for (status, patient) in [("inactive", "amina"), ("draft", "callum")] {
        let mut named = without(people::consent(status, holder, &["access"], &["Goal"]), "id");
        named["patient"] = json!({"reference": format!("Patient/{patient}")});
        system.create(&named).await;
        let label = json!({"security": [{"system": ACT, "code": "SEX"}]});
        system.create(&with(blood_pressure(patient, 120), "meta", label)).await;
    }
    for office in ["privacy-officer", "safeguarding-lead"] {
        let officer = concord.officer(holder, office);
        let because = async |way: &str| officer.get(way).header("X-Purpose-Reason", "a complaint of the patient").await;
        for way in [
            "Patient",
            "Observation",
            "Observation?code=85354-9",
            "Observation?patient=amina,callum",
            "Observation?subject:Patient.active:missing=true",
            "Patient?_has:Observation:patient:code=85354-9",
            "Observation/_history",
            "Patient/_history",
            "_history",
            "?_type=Observation,Patient",
        ] {
            let answer = because(way).await;
            assert!(answer.status >= 400 || answer.ids().is_empty(), "{office} {way}: {answer}");
        }
        for way in ["Observation?patient=amina", "Observation?patient=amina&code=85354-9", "Patient/amina/_history"] {
            assert!(!because(way).await.expect(200).entries().is_empty(), "{office} {way}");
        }
    }
}

/// What somebody gets who tries to change data that names no author; each time on data of its own.
async fn acts(app: &App, system: &App, name: &str) -> Vec<(&'static str, String)> {
    let security = |code: &str| json!({"security": [{"system": ACT, "code": code}]});
    let fresh = async |resource: Value| {
        // As a system loads it: nobody is named.
        format!("{}/{}", text(&resource, "/resourceType"), system.create(&resource).await)
    };
    let reading = async || fresh(blood_pressure("amina", 120)).await;
    let hidden = async || fresh(with(blood_pressure("amina", 121), "meta", security("NOPAT"))).await;
    let sharing = async || {
        fresh(without(people::consent("active", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id")).await
    };
    let because = json!({"resourceType": "Parameters",
        "parameter": [{"name": "reason", "valueString": "the patient has asked for it"}]});
    let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]).to_string();
    let note = json!({"resourceType": "Condition", "subject": {"reference": AMINA}, "code": {"text": name}});
    let mut all = Vec::new();
    let outcome = |answer: &Answer, version: &str| match answer.status {
        400.. => format!("refused {version}"),
        status => format!("{status} {version}"),
    };
    for act in
        ["update", "patch", "$meta-add", "$meta-delete", "$release", "delete", "update a Consent", "delete a Consent"]
    {
        let place = match act {
            "$meta-delete" | "$release" => hidden().await,
            "update a Consent" | "delete a Consent" => sharing().await,
            _ => reading().await,
        };
        let stored = system.get(&place).await.expect(200).json();
        let answer = match act {
            "update" => app.put(&place, &with(stored, "status", json!("amended"))).await,
            "patch" => app.ask(Method::PATCH, &place).body("application/json-patch+json", patch.clone()).await,
            "$meta-add" => app.post(&format!("{place}/$meta-add"), &meta("NOPAT")).await,
            "$meta-delete" => app.post(&format!("{place}/$meta-delete"), &meta("NOPAT")).await,
            "$release" => app.post(&format!("{place}/$release"), &because).await,
            "update a Consent" => app.put(&place, &with(stored, "status", json!("inactive"))).await,
            _ => app.delete(&place).await,
        };
        let after = system.get(&place).await;
        all.push((act, outcome(&answer, after.header("etag"))));
    }
    let created = app.post("Condition", &note).await;
    all.push(("create", outcome(&created, "")));
    all
}

/// Operations that write respect the types that are never changed.
async fn what_is_never_changed_is_not_released(concord: &Concord) {
    people::arrive(concord).await;
    let (system, gp) = (concord.system(), concord.user(GP));
    let condition = json!({"resourceType": "Condition", "subject": {"reference": AMINA}, "code": {"text": "x"},
        "meta": {"security": [{"system": ACT, "code": "NOPAT"}]}});
    let condition = format!("Condition/{}", gp.create(&condition).await);
    let told = system.get(&format!("Provenance?target={condition}")).await.expect(200).ids();
    let event = json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-11-30T03:00:00Z", "agent": [{"who": {"reference": GP}, "requestor": true}],
        "source": {"observer": {"display": "the hospital"}}, "entity": [{"what": {"reference": AMINA}}],
        "meta": {"security": [{"system": ACT, "code": "NOPAT"}]}});
    let event = system.create(&event).await;
    let because = json!({"resourceType": "Parameters",
        "parameter": [{"name": "reason", "valueString": "we have talked about it"}]});
    let officer = concord.officer("Practitioner/gp-elsewhere", "privacy-officer");
    let mut problems = Vec::new();
    for place in [format!("Provenance/{}", told[0]), format!("AuditEvent/{event}")] {
        let before = system.get(&place).await.expect(200);
        for (who, app) in [
            ("a professional", &gp),
            ("an officer", &officer),
            ("a system", &system),
            ("the patient", &concord.patient("amina")),
        ] {
            for (operation, given) in
                [("$release", &because), ("$meta-add", &meta("MH")), ("$meta-delete", &meta("NOPAT"))]
            {
                let ask = app.post(&format!("{place}/{operation}"), given);
                let answer = ask.header("x-purpose-reason", "the patient has asked for it").await;
                // What she puts beside it is no change of it.
                let beside = who == "the patient" && operation == "$meta-add" && answer.status == 200;
                if !matches!(answer.status, 403 | 404 | 405 | 422) && !beside {
                    problems.push(format!("{who}, {place}/{operation}: {}", answer.status));
                }
            }
        }
        let after = system.get(&place).await.expect(200);
        if before.header("etag") != after.header("etag") {
            problems.push(format!("{place} has changed: {after}"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Whoever holds an office and is in the care team may what the team may and what the office may, and not what only both together
/// would let anybody do: what nobody is known to have written stays, unless it is kept from the patient.
async fn an_office_in_the_team_does_what_the_office_does(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let mut problems = Vec::new();
    for office in ["privacy-officer", "safeguarding-lead"] {
        let officer = concord.officer(GP, office);
        let because = |ask: concord_tests::client::Ask| ask.header("X-Purpose-Reason", "a complaint of the patient");
        let mut refused = async |act: &str, answer: Answer| {
            if answer.status != 403 {
                problems.push(format!("{office}, {act}: {answer}"));
            }
        };
        let role = json!({"resourceType": "RelatedPerson", "active": true, "patient": {"reference": AMINA}});
        let sharing = without(people::consent("active", "RelatedPerson/yusuf", &["access"], &["Goal"]), "id");
        for resource in [blood_pressure("amina", 120), role, without(people::care_team(&[GP]), "id"), sharing] {
            let place = format!("{}/{}", text(&resource, "/resourceType"), system.create(&resource).await);
            let changed = with(system.get(&place).await.expect(200).json(), "language", json!("cy"));
            refused(&format!("update of {place}"), because(officer.put(&place, &changed)).await).await;
            refused(
                &format!("label on {place}"),
                because(officer.post(&format!("{place}/$meta-add"), &meta("NOPAT"))).await,
            )
            .await;
            refused(&format!("deletion of {place}"), because(officer.delete(&place)).await).await;
            amina.get(&place).await.expect(200);
        }
        // What is kept from the patient the office changes, and deletes as little.
        let kept = with(blood_pressure("amina", 121), "meta", json!({"security": [{"system": ACT, "code": "NOPAT"}]}));
        let place = format!("Observation/{}", system.create(&kept).await);
        let changed = with(system.get(&place).await.expect(200).json(), "language", json!("cy"));
        because(officer.put(&place, &changed)).await.expect(200);
        refused("deletion of what is kept from the patient", because(officer.delete(&place)).await).await;
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The message to the patient and the review stay as they are, whoever asks; an officer says how far the review is, and nothing else.
async fn what_tells_of_an_emergency_stays(concord: &Concord) {
    people::arrive(concord).await;
    let broken = concord.user("Practitioner/gp-elsewhere").get(AMINA);
    broken
        .header("x-purpose-of-use", "BTG")
        .header("x-purpose-reason", "found unconscious at the bus stop")
        .await
        .expect(200);
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let only = async |query: &str| {
        let found = system.get(query).await.expect(200).matches();
        assert_eq!(found.len(), 1, "{query}");
        found[0].clone()
    };
    let message = only("Communication?patient=amina&category=alert").await;
    let review = only("Task?code=urn:concord:task|break-glass-review").await;
    let officers = [GP, "Practitioner/gp-elsewhere", "Practitioner/former"]
        .iter()
        .flat_map(|holder| ["privacy-officer", "safeguarding-lead"].map(|office| concord.officer(holder, office)));
    let apps = officers.chain([concord.user(GP), concord.patient("amina"), concord.system()]);
    let mut problems = Vec::new();
    for (number, app) in apps.enumerate() {
        let because = |ask: concord_tests::client::Ask| ask.header("X-Purpose-Reason", "a complaint of the patient");
        for told in [&message, &review] {
            let place = format!("{}/{}", text(told, "/resourceType"), text(told, "/id"));
            let release = json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "we have talked about it"}]});
            for (act, answer) in [
                ("description", because(app.put(&place, &with(told.clone(), "language", json!("cy")))).await),
                (
                    "text",
                    because(app.put(
                        &place,
                        &with(told.clone(), "extension", json!([{"url": "http://x", "valueString": "not so"}])),
                    ))
                    .await,
                ),
                ("label", because(app.post(&format!("{place}/$meta-add"), &meta("NOPAT"))).await),
                ("release", because(app.post(&format!("{place}/$release"), &release)).await),
                ("deletion", because(app.delete(&place)).await),
            ] {
                if !matches!(answer.status, 403 | 404 | 422) {
                    problems.push(format!("{number}, {act} of {place}: {answer}"));
                }
            }
            amina.get(&place).await.expect(200);
            assert_eq!(text(&system.get(&place).await.expect(200).json(), "/meta/versionId"), "1", "{place}");
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    let done = with(review.clone(), "status", json!("completed"));
    let place = format!("Task/{}", text(&review, "/id"));
    let closes = concord.officer("Practitioner/former", "privacy-officer").put(&place, &done);
    closes.header("x-purpose-reason", "reviewing emergency access").await.expect(200);
}

/// Breaks the glass for Amina as that professional; the review that this leads to.
async fn broken(concord: &Concord, by: &str) -> Value {
    let reviews = "Task?code=urn:concord:task|break-glass-review";
    let known = concord.system().get(reviews).await.expect(200).ids();
    let ask = concord.user(by).get(AMINA).header("x-purpose-of-use", "BTG");
    ask.header("x-purpose-reason", "found unconscious at the bus stop").await.expect(200);
    let found = concord.system().get(reviews).await.expect(200).matches();
    let mut new = found.into_iter().filter(|one| !known.contains(&text(one, "/id").to_owned()));
    new.next().expect("a review")
}

/// Whoever broke the glass reviews it in no role and by no entry of theirs, whatever office they hold; somebody else does.
async fn whoever_broke_the_glass_does_not_review_it(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let number = |value: &str| json!([{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": value}]);
    let doctor = |id: &str, value: &str| json!({"resourceType": "Practitioner", "id": id, "identifier": number(value)});
    let role = |id: &str, practitioner: Value, active: bool| {
        json!({"resourceType": "PractitionerRole", "id": id, "active": active, "practitioner": practitioner,
            "organization": {"reference": "Organization/surgery"}})
    };
    let named = |reference: &str| json!({"reference": reference});
    for resource in [
        doctor("one", "7654321"),
        doctor("one-again", "7654321"),
        doctor("other", "1234567"),
        role("day", named("Practitioner/one"), true),
        role("night", named("Practitioner/one"), true),
        role("numbered", json!({"identifier": number("7654321")[0]}), true),
        role("others", named("Practitioner/other"), true),
    ] {
        system.store(&resource).await;
    }
    let same = [
        "Practitioner/one",
        "Practitioner/one-again",
        "PractitionerRole/day",
        "PractitionerRole/night",
        "PractitionerRole/numbered",
    ];
    let mut problems = Vec::new();
    for by in same {
        let review = broken(concord, by).await;
        let place = format!("Task/{}", text(&review, "/id"));
        let done = with(review, "status", json!("completed"));
        for reviewer in same.iter().chain(&["Practitioner/other", "PractitionerRole/others"]) {
            let officer = concord.officer(reviewer, "privacy-officer");
            let answer = officer.put(&place, &done).header("x-purpose-reason", "reviewing emergency access").await;
            let wanted = if reviewer.contains("other") { 200 } else { 403 };
            if answer.status != wanted {
                problems.push(format!("{by}, reviewed by {reviewer}: {answer}"));
            }
        }
        concord.later(61 * 60_000);
    }
    // Nor by a role that has come to its end.
    let review = broken(concord, "PractitionerRole/day").await;
    system.store(&role("day", named("Practitioner/one"), false)).await;
    let done = with(review.clone(), "status", json!("completed"));
    let officer = concord.officer("Practitioner/one", "privacy-officer");
    let own = officer.put(&format!("Task/{}", text(&review, "/id")), &done);
    own.header("x-purpose-reason", "reviewing emergency access").await.expect(403).issues();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Nobody makes up a review, nor anything else that would be found as one of the server's own Tasks: anew, out of another Task, or
/// in a Bundle.
async fn a_review_is_made_by_the_server_only(concord: &Concord) {
    people::arrive(concord).await;
    let coded = |coding: Value| {
        json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": AMINA},
            "code": {"coding": [coding]}})
    };
    let kinds = [
        json!({"system": "urn:concord:task", "code": "break-glass-review"}),
        json!({"system": "urn:concord:task", "code": "file-in-record"}),
        json!({"code": "break-glass-review"}),
    ];
    let plain = coded(json!({"code": "call-her"}));
    for app in [concord.user(GP), concord.system(), concord.officer(GP, "privacy-officer")] {
        let because = |ask: concord_tests::client::Ask| ask.header("X-Purpose-Reason", "a complaint of the patient");
        let id = text(&because(app.post("Task", &plain)).await.expect(201).json(), "/id").to_owned();
        let place = format!("Task/{id}");
        for kind in &kinds {
            let made_up = coded(kind.clone());
            let changed = with(made_up.clone(), "id", json!(id));
            let entry = json!({"resource": made_up, "request": {"method": "POST", "url": "Task"}});
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
            let patch = json!([{"op": "add", "path": "/code/coding/-", "value": kind}]).to_string();
            for refused in [
                because(app.post("Task", &made_up)).await,
                because(app.post("Task/$validate?mode=create", &made_up)).await,
                because(app.put(&place, &changed)).await,
                because(app.ask(Method::PATCH, &place).body("application/json-patch+json", patch)).await,
                because(app.post("", &bundle)).await,
            ] {
                let told = refused.text();
                assert!(refused.status == 422 || told.contains("made by the server"), "{kind}: {refused}");
                assert!(told.contains("Task.code") || told.contains("resource.code"), "{refused}");
            }
        }
        assert_eq!(app.get(&place).await.expect(200).header("etag"), "W/\"1\"");
    }
    concord.system().put("Task/mine", &with(coded(kinds[0].clone()), "id", json!("mine"))).await.expect(422).issues();
    // Another system's kinds are its own; and a registered system says how far a review is.
    concord.system().create(&coded(json!({"system": "urn:hospital", "code": "break-glass-review"}))).await;
    let review = broken(concord, "Practitioner/gp-elsewhere").await;
    let place = format!("Task/{}", text(&review, "/id"));
    concord.system().put(&place, &with(review, "status", json!("in-progress"))).await.expect(200);
}

/// What an entry of a professional is labelled with is about them: the message to her is not kept from her by it.
async fn she_is_told_of_an_emergency_whatever_labels_a_professional_bears(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    for code in ["NOPAT", "SEX"] {
        for place in ["Practitioner/gp-elsewhere", "Organization/surgery"] {
            let stored = system.get(place).await.expect(200).json();
            system.store(&with(stored, "meta", json!({"security": [{"system": ACT, "code": code}]}))).await;
        }
        let role = json!({"resourceType": "PractitionerRole", "id": "elsewhere", "active": true,
            "practitioner": {"reference": "Practitioner/gp-elsewhere"}, "organization": {"reference": "Organization/surgery"},
            "meta": {"security": [{"system": ACT, "code": code}]}});
        system.store(&role).await;
        for by in ["Practitioner/gp-elsewhere", "PractitionerRole/elsewhere"] {
            let told = amina.get("Communication?category=alert").await.expect(200).ids().len();
            broken(concord, by).await;
            let now = amina.get("Communication?category=alert").await.expect(200).matches();
            assert_eq!(now.len(), told + 1, "{code}, {by}");
            concord.later(61 * 60_000);
        }
    }
}
