//! Nobody gains power by what they write: not by what they may change of something that several write, not by what the
//! content says of its author, and not by moving an entry.

use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};
use concord_tests::client::{Answer, Method, text};
use concord_tests::minimal;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    who_negotiates_a_goal_changes_their_word_only, who_answers_a_correction_changes_its_state_only,
    who_has_negotiated_keeps_no_access, who_is_named_in_the_content_gets_nothing, an_entry_stays_whose_it_is,
    an_entry_of_any_type_stays_whose_it_is, what_is_referred_to_hides_nothing_of_others, what_was_said_about_a_correction_stays,
    notes_are_signed_by_who_writes_them
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";

fn word(who: &str, status: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
        {"url": "individual", "valueReference": {"reference": who}}, {"url": "status", "valueCode": status}]})
}

fn goal() -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": AMINA}, "extension": [word(AMINA, "agree"), word(GP, "pending")],
        "text": {"status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">in my words</div>"},
        "meta": {"security": [{"system": ACT, "code": "MH"}], "tag": [{"system": "urn:tag", "code": "mine"}]}})
}

/// Amina's sharing choice by which her GP sees what is labelled as mental health.
async fn shares_what_is_sensitive(concord: &Concord) {
    let mut sharing = without(
        people::consent("active", GP, &["access", "collect", "correct"], &["Goal", "Task", "Communication"]),
        "id",
    );
    sharing["provision"]["securityLabel"] = json!([{"system": ACT, "code": "MH"}]);
    concord.patient("amina").create(&sharing).await;
}

/// A name, and what is changed.
type Attempt = (&'static str, fn(&mut Value));

/// Attempts to change what is not the caller's: each with its name.
fn attempts() -> Vec<Attempt> {
    vec![
        ("hides it from the patient", |it| {
            it["meta"]["security"] = json!([{"system": ACT, "code": "MH"}, {"system": ACT, "code": "NOPAT"}]);
        }),
        ("keeps it for a team", |it| {
            it["meta"]["security"] =
                json!([{"system": ACT, "code": "MH"}, {"system": "urn:concord:label", "code": "AUTHOR-TEAM"}]);
        }),
        ("restricts it", |it| {
            it["meta"]["security"] = json!([{"system": ACT, "code": "MH"},
                {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]);
        }),
        ("takes its labels away", |it| it["meta"]["security"] = json!([{"system": ACT, "code": "ETH"}])),
        ("leaves its labels out", |it| drop(it["meta"].as_object_mut().expect("meta").shift_remove("security"))),
        ("leaves meta out", |it| drop(it.as_object_mut().expect("an object").shift_remove("meta"))),
        ("tags it", |it| it["meta"]["tag"] = json!([{"system": "urn:tag", "code": "theirs"}])),
        ("claims a profile", |it| it["meta"]["profile"] = json!(["http://example.org/profile"])),
        ("puts an extension into meta", |it| {
            it["meta"]["extension"] = json!([{"url": "urn:concord:review-by", "valueDate": "2027-01-01"}]);
        }),
        ("rewrites the text", |it| {
            it["text"] = json!({"status": "additional",
                "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">in other words</div>"});
        }),
        ("takes the text away", |it| drop(it.as_object_mut().expect("an object").shift_remove("text"))),
        ("adds an extension", |it| {
            let mut all = it["extension"].as_array().cloned().unwrap_or_default();
            all.push(json!({"url": "http://example.org/more", "valueString": "x"}));
            it["extension"] = json!(all);
        }),
        ("adds a modifier extension", |it| {
            it["modifierExtension"] = json!([{"url": "http://example.org/not", "valueBoolean": true}]);
        }),
        ("puts an extension on an element", |it| {
            let subject = if it["resourceType"] == "Task" { "for" } else { "subject" };
            it[subject]["extension"] = json!([{"url": "http://example.org/more", "valueString": "x"}]);
        }),
        ("contains something", |it| {
            it["contained"] =
                json!([{"resourceType": "Basic", "id": "c", "code": {"text": "x"}, "subject": {"reference": "#"}}]);
        }),
        ("changes its language", |it| it["language"] = json!("cy")),
        ("sets rules for it", |it| it["implicitRules"] = json!("http://example.org/rules")),
        ("identifies it", |it| it["identifier"] = json!([{"system": "urn:x", "value": "theirs"}])),
    ]
}

/// The resource without what the server writes and what the parties have a word in.
fn kept(resource: &Value, own: &[&str]) -> Value {
    let mut kept = resource.clone();
    for element in own {
        kept = without(kept, element);
    }
    for stamped in ["versionId", "lastUpdated", "source"] {
        if let Some(meta) = kept.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove(stamped);
        }
    }
    let list = |pointer: &str| resource.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut labels = list("/meta/security");
    // Who vouches is the server's to say.
    labels.retain(|label| !text(label, "/system").ends_with("v3-ObservationValue"));
    labels.sort_by_key(Value::to_string);
    kept["meta"]["security"] = json!(labels);
    let mut extensions = list("/extension");
    extensions.retain(|one| !text(one, "/url").ends_with("goal-acceptance"));
    kept["extension"] = json!(extensions);
    kept
}

/// Tries each of them, by PUT, by PATCH and in a transaction, on a new one each time that `made` makes: it is refused with
/// the element, or that is kept as it was.
async fn tried(
    concord: &Concord,
    made: impl AsyncFn() -> String,
    own: &[&str],
    change: impl Fn(&mut Value),
) -> Vec<String> {
    let (system, app) = (concord.system(), concord.user(GP));
    let mut problems = Vec::new();
    for (name, attempt) in attempts() {
        let mut failed = Vec::new();
        for way in ["PUT", "PATCH", "transaction"] {
            let place = made().await;
            let before = system.get(&place).await.expect(200).json();
            let seen = app.get(&place).await.expect(200).json();
            let mut wanted = seen.clone();
            change(&mut wanted);
            attempt(&mut wanted);
            let answer = match way {
                "PUT" => app.put(&place, &wanted).await,
                "PATCH" => patched(&app, &place, &seen, &wanted).await,
                _ => {
                    let entry = json!({"resource": wanted, "request": {"method": "PUT", "url": place}});
                    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
                    app.post("", &bundle).await
                }
            };
            if !matches!(answer.status, 200 | 403 | 422) {
                failed.push(format!("{way}: {answer}"));
            }
            let after = system.get(&place).await.expect(200).json();
            if kept(&after, own) != kept(&before, own) {
                failed.push(format!("{way} is answered {} and changes it", answer.status));
            }
            if concord.patient("amina").get(&place).await.status != 200 {
                failed.push("it is hidden from the patient".to_owned());
            }
        }
        if !failed.is_empty() {
            problems.push(format!("{name}: {}", failed.join("; ")));
        }
    }
    problems
}

async fn patched(app: &App, place: &str, from: &Value, to: &Value) -> Answer {
    let (from, to) = (from.as_object().expect("an object"), to.as_object().expect("an object"));
    let mut patch = Vec::new();
    for (name, value) in to.iter().filter(|(name, value)| from.get(*name) != Some(value)) {
        patch.push(json!({"op": if from.contains_key(name) { "replace" } else { "add" }, "path": format!("/{name}"), "value": value}));
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.push(json!({"op": "remove", "path": format!("/{name}")}));
    }
    let seen = format!("W/\"{}\"", from["meta"]["versionId"].as_str().unwrap_or_default());
    let ask = app.ask(Method::PATCH, place).body("application/json-patch+json", Value::from(patch).to_string());
    ask.header("If-Match", &seen).await
}

/// Whoever negotiates a Goal gives their own word and proposes what it says; labels, text, meta and extensions
/// of others stay.
async fn who_negotiates_a_goal_changes_their_word_only(concord: &Concord) {
    people::arrive(concord).await;
    shares_what_is_sensitive(concord).await;
    let amina = concord.patient("amina");
    let made = async || format!("Goal/{}", amina.create(&goal()).await);
    let own = ["description", "lifecycleStatus", "statusDate", "target"];
    let problems = tried(concord, made, &own, |goal| goal["extension"][1] = word(GP, "agree")).await;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    // Without anything else, the word is taken.
    let place = made().await;
    let mut seen = concord.user(GP).get(&place).await.expect(200).json();
    seen["extension"][1] = word(GP, "agree");
    concord.user(GP).put(&place, &seen).await.expect(200);
}

/// Whoever answers a correction moves its Task on, and no more.
async fn who_answers_a_correction_changes_its_state_only(concord: &Concord) {
    people::arrive(concord).await;
    shares_what_is_sensitive(concord).await;
    let condition = json!({"resourceType": "Condition", "code": {"text": "asthma"}, "subject": {"reference": AMINA}});
    let condition = format!("Condition/{}", concord.user(GP).create(&condition).await);
    let (amina, system) = (concord.patient("amina"), concord.system());
    let made = async || {
        let task = correction(&amina, &condition).await;
        system.post(&format!("{task}/$meta-add"), &meta("MH")).await.expect(200);
        task
    };
    let own = [
        "status",
        "businessStatus",
        "output",
        "note",
        "owner",
        "lastModified",
        "executionPeriod",
        "statusReason",
        "input",
    ];
    let moved = |task: &mut Value| {
        task["status"] = json!("in-progress");
        task["businessStatus"] = in_review();
    };
    let problems = tried(concord, made, &own, moved).await;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    let place = made().await;
    let mut seen = concord.user(GP).get(&place).await.expect(200).json();
    moved(&mut seen);
    concord.user(GP).put(&place, &seen).await.expect(200);
}

fn in_review() -> Value {
    json!({"coding": [{"code": "in-review",
        "system": "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionBusinessStatus"}]})
}

/// A correction that the patient asks her GP for; the place of its Task.
async fn correction(amina: &App, about: &str) -> String {
    let said = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": AMINA},
        "about": [{"reference": about}], "recipient": [{"reference": GP}], "payload": [{"contentString": "Not so"}]});
    let told = amina.post("Communication/$correctionrequest", &said).await.expect(200).json();
    let task = told["parameter"].as_array().into_iter().flatten().find(|one| one["name"] == "Task").expect("a Task");
    format!("Task/{}", text(task, "/resource/id"))
}

/// A reference in what somebody else wrote hands no label on to it: neither the goal nor the correction is hidden from the
/// patient by what a professional puts there.
async fn what_is_referred_to_hides_nothing_of_others(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user(GP), concord.system());
    let goal = format!("Goal/{}", amina.create(&without(without(goal(), "meta"), "text")).await);
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let task = correction(&amina, &reading).await;
    let asked = text(&amina.get(&task).await.expect(200).json(), "/input/0/valueReference/reference").to_owned();
    let kept = json!([{"system": ACT, "code": "NOPAT"}]);
    let impression = json!({"resourceType": "ClinicalImpression", "status": "completed", "subject": {"reference": AMINA},
        "meta": {"security": kept}});
    let impression = format!("ClinicalImpression/{}", gp.create(&impression).await);
    let clinic = json!({"resourceType": "Organization", "id": "quiet", "name": "quiet", "meta": {"security": kept}});
    system.store(&clinic).await;
    let before = text(&gp.get(&goal).await.expect(200).json(), "/meta/versionId").to_owned();
    let attempts = [
        (&goal, json!([{"op": "add", "path": "/extension/-", "value": word(&impression, "pending")}])),
        (
            &task,
            json!([{"op": "add", "path": "/output", "value":
            [{"type": {"text": "answer"}, "valueReference": {"reference": impression}}]}]),
        ),
        (&task, json!([{"op": "add", "path": "/owner", "value": {"reference": "Organization/quiet"}}])),
        (
            &task,
            json!([{"op": "add", "path": "/note", "value":
            [{"authorReference": {"reference": impression}, "text": "seen"}]}]),
        ),
    ];
    for (place, patch) in attempts {
        let answer = gp.ask(Method::PATCH, place).body("application/json-patch+json", patch.to_string()).await;
        assert_eq!(answer.status, 422, "{patch}: {answer}");
        for place in [&goal, &task, &asked] {
            amina.get(place).await.expect(200);
            amina.get(&format!("{place}/_history")).await.expect(200);
        }
    }
    assert_eq!(text(&gp.get(&goal).await.expect(200).json(), "/meta/versionId"), before);
    named_first_and_labelled_later(concord).await;
    // What is kept from nobody is referred to as ever.
    let answer = json!([{"op": "add", "path": "/output", "value":
        [{"type": {"text": "answer"}, "valueReference": {"reference": reading}}]}]);
    gp.ask(Method::PATCH, &task).body("application/json-patch+json", answer.to_string()).await.expect(200);
}

/// In every form in which a party may name something, it is named first and kept from the patient later: neither what she
/// wrote nor the correction that she asked for is, nor what she wrote about that.
async fn named_first_and_labelled_later(concord: &Concord) {
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let disputed = format!("Observation/{}", amina.create(&blood_pressure("amina", 121)).await);
    let output = |kind: &str, value: Value| json!([{"op": "add", "path": "/output", "value": [{"type": {"text": "answer"}, kind: value}]}]);
    let mut problems = Vec::new();
    for form in [
        "word",
        "second individual",
        "owner",
        "author of a note",
        "valueReference",
        "valueUri",
        "valueUrl",
        "valueCanonical",
        "valueAnnotation",
        "valueAttachment",
        "valueMeta",
        "valueSignature",
        "valueIdentifier",
        "valueDataRequirement",
    ] {
        let goal = format!("Goal/{}", amina.create(&without(without(goal(), "meta"), "text")).await);
        let about = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": AMINA},
            "about": [{"reference": goal}], "payload": [{"contentString": "mine"}]});
        let comment = format!("Communication/{}", amina.create(&about).await);
        let task = correction(&amina, &disputed).await;
        let asked = text(&amina.get(&task).await.expect(200).json(), "/input/0/valueReference/reference").to_owned();
        let named = format!("Observation/{}", gp.create(&blood_pressure("amina", 122)).await);
        let to = json!({"reference": named});
        let (place, patch) = match form {
            "word" => (&goal, json!([{"op": "add", "path": "/extension/-", "value": word(&named, "pending")}])),
            "second individual" => {
                let mut word = word("Practitioner/nobody-yet", "pending");
                word["extension"][0]["valueReference"] = json!({"display": "somebody"});
                word["extension"]
                    .as_array_mut()
                    .expect("parts")
                    .push(json!({"url": "individual", "valueReference": to}));
                (&goal, json!([{"op": "add", "path": "/extension/-", "value": word}]))
            }
            "owner" => (&task, json!([{"op": "add", "path": "/owner", "value": to}])),
            "author of a note" => {
                (&task, json!([{"op": "add", "path": "/note", "value": [{"authorReference": to, "text": "seen"}]}]))
            }
            "valueReference" => (&task, output(form, to)),
            "valueAnnotation" => (&task, output(form, json!({"authorReference": to, "text": "seen"}))),
            "valueAttachment" => (&task, output(form, json!({"url": named}))),
            "valueMeta" => (&task, output(form, json!({"source": named}))),
            "valueIdentifier" => (&task, output(form, json!({"value": "x", "assigner": to}))),
            "valueDataRequirement" => (&task, output(form, json!({"type": "Observation", "subjectReference": to}))),
            "valueSignature" => {
                let kind = json!([{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.5"}]);
                (&task, output(form, json!({"type": kind, "when": "2026-01-01T00:00:00Z", "who": to})))
            }
            _ => (&task, output(form, json!(named))),
        };
        let answer = gp.ask(Method::PATCH, place).body("application/json-patch+json", patch.to_string()).await;
        let names_people = !form.starts_with("value")
            || ["valueAnnotation", "valueSignature", "valueIdentifier", "valueDataRequirement"].contains(&form);
        if answer.status != if names_people { 422 } else { 200 } {
            problems.push(format!("{form}: {answer}"));
        }
        let mut seen = async |when: &str| {
            for place in [&goal, &comment, &task, &asked] {
                for place in [place.clone(), format!("{place}/_history")] {
                    let status = amina.get(&place).await.status;
                    if status != 200 {
                        problems.push(format!("{form}, {when}: {place} is answered {status}"));
                    }
                }
            }
        };
        gp.post(&format!("{named}/$meta-add"), &meta("NOPAT")).await.expect(200);
        seen("labelled").await;
        gp.post(&format!("{named}/$meta-add"), &meta("SEX")).await.expect(200);
        seen("labelled again").await;
        gp.delete(&named).await.expect(204);
        seen("deleted").await;
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// What was said about a correction stays, in every element, and is not kept from the patient afterwards.
async fn what_was_said_about_a_correction_stays(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let task = correction(&amina, &reading).await;
    let asked = text(&amina.get(&task).await.expect(200).json(), "/input/0/valueReference/reference").to_owned();
    let div = |said: &str| json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{said}</div>")});
    let inner = |said: &str| json!([{"resourceType": "Basic", "id": "x", "code": {"text": said}}]);
    let answer = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": AMINA},
        "inResponseTo": [{"reference": asked}], "contained": inner("I deny it"), "text": div("I deny it"),
        "payload": [{"contentReference": {"reference": "#x"}}, {"contentString": "see"}], "note": [{"text": "n"}]});
    let answer = format!("Communication/{}", gp.create(&answer).await);
    let mut problems = Vec::new();
    for (app, place) in [(&gp, &answer), (&amina, &asked)] {
        let said = app.get(place).await.expect(200).json();
        for (element, value) in [
            ("contained", inner("I never denied it")),
            ("text", div("I agreed")),
            ("sent", json!("2020-01-01T00:00:00Z")),
            ("note", json!([{"text": "other"}])),
            ("extension", json!([{"url": "http://x", "valueString": "withdrawn"}])),
            ("modifierExtension", json!([{"url": "http://x/not", "valueBoolean": true}])),
            ("statusReason", json!({"text": "sent by mistake"})),
            ("_status", json!({"extension": [{"url": "http://x", "valueString": "not"}]})),
            ("inResponseTo", json!([])),
            ("reasonReference", json!([{"reference": reading}])),
            ("language", json!("cy")),
            ("priority", json!("stat")),
            ("recipient", json!([{"reference": "Practitioner/former"}])),
            ("payload", json!([{"contentString": "other"}])),
        ] {
            let mut changed = with(said.clone(), element, value.clone());
            if value == json!([]) {
                if said.get(element).is_none() {
                    continue;
                }
                changed = without(changed, element);
            }
            let answer = app.put(place, &changed).await;
            if answer.status != 422 {
                problems.push(format!("{place}.{element}: {answer}"));
            }
        }
        let labelled = app.post(&format!("{place}/$meta-add"), &meta("NOPAT")).await;
        if !matches!(labelled.status, 403 | 422) {
            problems.push(format!("{place} is kept from the patient: {labelled}"));
        }
        amina.get(place).await.expect(200);
        app.put(place, &said).await.expect(200);
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Nobody puts words into another's mouth.
async fn notes_are_signed_by_who_writes_them(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let task = correction(&amina, &reading).await;
    let note = async |author: Value, status: u16| {
        let mut note = json!({"text": "I withdraw what I said"});
        note.as_object_mut().expect("a note").extend(author.as_object().cloned().unwrap_or_default());
        let patch = json!([{"op": "add", "path": "/note", "value": [note]}]).to_string();
        gp.ask(Method::PATCH, &task).body("application/json-patch+json", patch).await.expect(status);
    };
    for author in [
        json!({"authorReference": {"reference": AMINA}}),
        json!({"authorReference": {"reference": "Practitioner/former"}}),
        json!({"authorReference": {"display": "Amina"}}),
        json!({"authorString": "Amina"}),
        json!({}),
    ] {
        note(author, 422).await;
    }
    note(json!({"authorReference": {"reference": GP}}), 200).await;
}

/// Having taken part in it is no access that outlives the patient's sharing.
async fn who_has_negotiated_keeps_no_access(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user(GP), concord.system());
    let plain = without(without(goal(), "meta"), "text");
    let goal = format!("Goal/{}", amina.create(&plain).await);
    let mut stored = gp.get(&goal).await.expect(200).json();
    stored["extension"][1] = word(GP, "agree");
    gp.put(&goal, &stored).await.expect(200);
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let task = correction(&amina, &reading).await;
    let moved = with(gp.get(&task).await.expect(200).json(), "status", json!("in-progress"));
    gp.put(&task, &with(moved, "businessStatus", in_review())).await.expect(200);
    system.store(&people::care_team(&["Practitioner/former"])).await;
    for place in [&goal, &task, &reading] {
        gp.get(place).await.expect(404);
    }
    // Nor past a denial by name, while still in the team.
    system.store(&people::care_team(&[GP])).await;
    let mut denial = without(people::consent("active", GP, &["access"], &["Goal", "Task"]), "id");
    denial["provision"]["type"] = json!("deny");
    amina.create(&denial).await;
    for place in [&goal, &task] {
        gp.get(place).await.expect(404);
    }
}

/// Who wrote something is who was signed in. A colleague or an organisation that the content names is not
/// let in past a denial by name.
async fn who_is_named_in_the_content_gets_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user(GP), concord.system());
    let role = |id: &str, who: &str| {
        json!({"resourceType": "PractitionerRole", "id": id, "active": true,
        "practitioner": {"reference": who}, "organization": {"reference": "Organization/surgery"}})
    };
    system.store(&role("elsewhere-role", "Practitioner/gp-elsewhere")).await;
    let mut denial =
        without(people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Observation"]), "id");
    denial["provision"]["type"] = json!("deny");
    denial["provision"].as_object_mut().expect("a provision").shift_remove("class");
    amina.create(&denial).await;
    let named = ["Practitioner/gp-elsewhere", "PractitionerRole/elsewhere-role", "Organization/surgery"];
    let condition = json!({"resourceType": "Condition", "subject": {"reference": AMINA}, "code": {"text": "x"}});
    let statement = json!({"resourceType": "MedicationStatement", "status": "active", "subject": {"reference": AMINA},
        "medicationCodeableConcept": {"text": "x"}});
    let allergy = json!({"resourceType": "AllergyIntolerance", "patient": {"reference": AMINA}, "code": {"text": "x"}});
    let procedure = json!({"resourceType": "Procedure", "status": "completed", "subject": {"reference": AMINA}});
    let report = json!({"resourceType": "DiagnosticReport", "status": "final", "subject": {"reference": AMINA}, "code": {"text": "x"}});
    let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": AMINA},
        "content": [{"attachment": {"title": "x"}}]});
    let impression =
        json!({"resourceType": "ClinicalImpression", "status": "completed", "subject": {"reference": AMINA}});
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "x",
        "category": [{"text": "x"}], "subject": {"reference": AMINA}});
    let mut problems = Vec::new();
    for colleague in named {
        let one = json!({"reference": colleague});
        let both = json!([{"reference": GP}, {"reference": colleague}]);
        for (name, resource) in [
            ("performer", with(blood_pressure("amina", 120), "performer", both.clone())),
            ("only performer", with(blood_pressure("amina", 120), "performer", json!([one]))),
            ("informationSource", with(statement.clone(), "informationSource", one.clone())),
            ("asserter", with(condition.clone(), "asserter", one.clone())),
            ("recorder", with(condition.clone(), "recorder", one.clone())),
            ("recorder of an allergy", with(allergy.clone(), "recorder", one.clone())),
            ("asserter of an allergy", with(allergy.clone(), "asserter", one.clone())),
            ("performer of a procedure", with(procedure.clone(), "performer", json!([{"actor": one}]))),
            ("performer of a report", with(report.clone(), "performer", both.clone())),
            ("interpreter of a report", with(report.clone(), "resultsInterpreter", both.clone())),
            ("author of a document", with(document.clone(), "author", both.clone())),
            ("authenticator of a document", with(document.clone(), "authenticator", one.clone())),
            ("assessor", with(impression.clone(), "assessor", one.clone())),
            ("contributor", with(plan.clone(), "contributor", both.clone())),
            ("author of a plan", with(plan.clone(), "author", one.clone())),
        ] {
            let place = text(&resource, "/resourceType");
            let written = gp.post(place, &resource).await;
            if written.status != 201 {
                assert!(matches!(written.status, 403 | 422), "{name}: {written}");
                continue;
            }
            let place = format!("{place}/{}", text(&written.json(), "/id"));
            let read = concord.user("Practitioner/gp-elsewhere").get(&place).await;
            if read.status != 404 {
                problems.push(format!("{name}, {colleague}: {}", read.status));
            }
            assert_eq!(gp.get(&place).await.status, 200, "whoever wrote it reads it: {name}");
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The subject of an entry never changes, whoever writes and however; the refusal says what to do instead.
async fn an_entry_stays_whose_it_is(concord: &Concord) {
    people::arrive(concord).await;
    let (system, gp) = (concord.system(), concord.user(GP));
    let both = with(people::care_team(&[GP]), "subject", json!({"reference": "Patient/callum"}));
    system.store(&with(both, "id", json!("callum-team"))).await;
    let own = format!("Observation/{}", gp.create(&blood_pressure("amina", 120)).await);
    system.store(&with(blood_pressure("amina", 121), "id", json!("loaded"))).await;
    let mut problems = Vec::new();
    for (who, app, place) in [("a professional", &gp, own.as_str()), ("a system", &system, "Observation/loaded")] {
        let callum = json!({"reference": "Patient/callum"});
        let moved = with(app.get(place).await.expect(200).json(), "subject", callum.clone());
        let entry = json!({"resource": moved, "request": {"method": "PUT", "url": place}});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        let patch = json!([{"op": "replace", "path": "/subject", "value": callum}]).to_string();
        let id = place.replace("Observation/", "");
        let by_condition = app.put(&format!("Observation?_id={id}"), &without(moved.clone(), "id")).await;
        let by_patch = app.ask(Method::PATCH, place).body("application/json-patch+json", patch).await;
        for (way, answer) in [
            ("update", app.put(place, &moved).await),
            ("patch", by_patch),
            ("conditional update", by_condition),
            ("transaction", app.post("", &bundle).await),
        ] {
            if answer.status != 422 {
                problems.push(format!("{who}, {way}: {}", answer.status));
            } else if !answer.issues()[0].2.contains("error") || !answer.issues()[0].1.contains("subject") {
                problems.push(format!("{who}, {way}: it does not say what to do instead: {answer}"));
            }
        }
        // Its history and its log stay where it happened.
        let now = concord.patient("amina").get(place).await;
        if now.status != 200 || !text(&now.json(), "/subject/reference").contains("amina") {
            problems.push(format!("{who}: it is no longer in her record"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Types of things that change hands, or that say which records belong to one human.
const MOVABLE: [&str; 9] = [
    "Appointment",
    "AppointmentResponse",
    "BiologicallyDerivedProduct",
    "Binary",
    "Device",
    "Person",
    "Schedule",
    "SupplyRequest",
    "VerificationResult",
];

/// The same for every type that says whom it is about.
async fn an_entry_of_any_type_stays_whose_it_is(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let mut problems = Vec::new();
    let mut tried = 0;
    for resource_type in ResourceType::all() {
        let PatientCompartment::Record { owner: [owner, ..], .. } = patient_compartment(resource_type) else {
            continue;
        };
        if *owner == "." || MOVABLE.contains(&resource_type.name()) {
            continue;
        }
        let members = [(*owner).to_owned()];
        let of = |patient: &str| {
            let made =
                minimal::resource(resource_type, &[(&members[..], json!({"reference": format!("Patient/{patient}")}))]);
            with(made, "id", json!("of-somebody"))
        };
        system.store(&of("amina")).await;
        let answer = system.put(&format!("{resource_type}/of-somebody"), &of("callum")).await;
        if answer.status != 422 {
            problems.push(format!("{resource_type}: {}", answer.status));
        }
        // What is not about whom it is may change.
        system.store(&with(of("amina"), "language", json!("cy"))).await;
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The parameters of `$meta-add` and `$meta-delete` for one sensitivity.
pub(crate) fn meta(code: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [{"system": ACT, "code": code}]}}]})
}
