//! Goals: agreed rather than assumed. Each party gives its own word, and a change asks the others again.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { a_goal_is_negotiated, whatever_is_changed_asks_again, nobody_speaks_for_another, what_is_whose_to_change, who_sees_the_negotiation,
labels_of_anothers_goal_are_left_as_they_are, who_is_asked_is_asked_and_no_more }

fn word(who: &str, status: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
        {"url": "individual", "valueReference": {"reference": who}}, {"url": "status", "valueCode": status}]})
}

fn goal(says: &str, words: Vec<Value>) -> Value {
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": says},
        "subject": {"reference": "Patient/amina"}});
    if words.is_empty() { goal } else { with(goal, "extension", json!(words)) }
}

const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";

/// What a party may not say of the goal's `meta` is left as it is: by itself it makes no version.
async fn labels_of_anothers_goal_are_left_as_they_are(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let id = amina.create(&goal("Walk to the mosque", vec![])).await;
    let place = format!("Goal/{id}");
    let patch =
        |changes: &Value| gp.ask(Method::PATCH, &place).body("application/json-patch+json", changes.to_string());
    let tag = json!([{"op": "add", "path": "/meta/tag", "value": [{"system": "urn:x", "code": "y"}]}]);
    let patched = patch(&tag).await.expect(200).json();
    assert_eq!((&patched["meta"]["versionId"], &patched["meta"]["tag"]), (&json!("1"), &Value::Null));
    let both = json!([{"op": "add", "path": "/meta/tag", "value": [{"system": "urn:x", "code": "y"}]},
        {"op": "replace", "path": "/description/text", "value": "Walk to the park"}]);
    let patched = patch(&both).await.expect(200).json();
    assert_eq!((&patched["meta"]["versionId"], &patched["meta"]["tag"]), (&json!("2"), &Value::Null));
}

/// Whoever asks others says nothing for them, from the first version on; and nobody's word goes by another's name.
async fn who_is_asked_is_asked_and_no_more(concord: &Concord) {
    people::arrive(concord).await;
    let gp = concord.user(GP);
    let important = json!({"url": "priority", "valueCodeableConcept": {"text": "not important to me"}});
    let parts = |word: Value, change: &dyn Fn(&mut Vec<Value>)| {
        let mut word = word;
        change(word["extension"].as_array_mut().expect("parts"));
        word
    };
    let id = gp.create(&goal("walk", vec![])).await;
    for word in [
        parts(word(AMINA, "pending"), &|parts| parts.push(important.clone())),
        parts(word(AMINA, "pending"), &|parts| parts[1] = json!({"url": "status", "valueString": "agree"})),
        parts(word(AMINA, "pending"), &|parts| {
            parts[1]["_valueCode"] = json!({"extension": [{"url": "urn:x", "valueString": "agree"}]});
        }),
    ] {
        gp.post("Goal", &goal("walk", vec![word.clone()])).await.expect(422);
        revise(&gp, &id, |goal| goal["extension"] = json!([word])).await.expect(422);
    }
    let called = parts(word(GP, "agree"), &|parts| {
        parts[0]["valueReference"]["display"] = json!("Amina Hussain");
        parts.push(important.clone());
    });
    let made = gp.create(&goal("walk", vec![called.clone(), word(AMINA, "pending")])).await;
    revise(&gp, &id, |goal| goal["extension"] = json!([called])).await.expect(200);
    for id in [made, id] {
        let stored = gp.get(&format!("Goal/{id}")).await.expect(200).json();
        assert_eq!(stored["extension"][0]["extension"][0]["valueReference"], json!({"reference": GP}));
    }
}

/// The goal as it is, changed by `change` and put back.
async fn revise(app: &App, id: &str, change: impl FnOnce(&mut Value)) -> concord_tests::Answer {
    let mut goal = app.get(&format!("Goal/{id}")).await.expect(200).json();
    change(&mut goal);
    app.put(&format!("Goal/{id}"), &goal).await
}

/// Whether they agree, and the word of each.
async fn standing(app: &App, id: &str) -> (String, Vec<(String, String)>) {
    let told = app.get(&format!("Goal/{id}/$agreement")).await.expect(200).json();
    let parameters = told["parameter"].as_array().expect("parameters");
    let parties = parameters.iter().filter(|one| text(one, "/name") == "party").map(|party| {
        (text(party, "/part/0/valueReference/reference").to_owned(), text(party, "/part/1/valueCode").to_owned())
    });
    (text(&parameters[0], "/valueCode").to_owned(), parties.collect())
}

fn said(agreement: &str, amina: &str, gp: &str) -> (String, Vec<(String, String)>) {
    let words = [(AMINA, amina), (GP, gp)].map(|(who, word)| (who.to_owned(), word.to_owned()));
    (agreement.to_owned(), words.to_vec())
}

async fn a_goal_is_negotiated(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let id = amina.create(&goal("Walk to the mosque", vec![word(AMINA, "agree"), word(GP, "pending")])).await;
    assert_eq!(standing(&amina, &id).await, said("pending", "agree", "pending"));
    concord.later(60_000);
    revise(&gp, &id, |goal| goal["extension"][1] = word(GP, "agree")).await.expect(200);
    assert_eq!(standing(&amina, &id).await, said("agreed", "agree", "agree"));
    let agreed = async |app: &App| app.get("Goal?patient=amina&agreement=agreed").await.expect(200).ids().len();
    assert_eq!(agreed(&amina).await, 1);
    // The GP would have her walk further: she is asked again.
    concord.later(60_000);
    let changed = revise(&gp, &id, |goal| goal["description"]["text"] = json!("Walk to the park")).await.expect(200);
    assert_eq!(standing(&gp, &id).await, said("pending", "pending", "agree"));
    assert_eq!(text(&changed.json(), "/expressedBy/reference"), AMINA, "it is still hers");
    assert!(changed.json()["meta"]["security"].to_string().contains("PATAST"));
    assert_eq!(agreed(&gp).await, 0);
    concord.later(60_000);
    revise(&amina, &id, |goal| goal["extension"][0] = word(AMINA, "disagree")).await.expect(200);
    assert_eq!(standing(&gp, &id).await, said("disagreed", "disagree", "agree"));
    // Her own wish, with her word: now the GP is asked again. She may withdraw at any time.
    revise(&amina, &id, |goal| {
        goal["description"]["text"] = json!("Walk to the shop");
        goal["extension"][0] = word(AMINA, "agree");
    })
    .await
    .expect(200);
    assert_eq!(standing(&gp, &id).await, said("pending", "agree", "pending"));
    revise(&gp, &id, |goal| goal["extension"][1] = word(GP, "agree")).await.expect(200);
    revise(&amina, &id, |goal| goal["extension"][0] = word(AMINA, "pending")).await.expect(200);
    assert_eq!(standing(&gp, &id).await, said("pending", "pending", "agree"));
    // The whole negotiation is there for both.
    for app in [&amina, &gp] {
        let told = app.get(&format!("Goal/{id}/$agreement")).await.expect(200).json();
        let events: Vec<&Value> = told["parameter"]
            .as_array()
            .expect("parameters")
            .iter()
            .filter(|one| text(one, "/name") == "event")
            .collect();
        assert_eq!(events.len(), 7, "{told}");
        assert!(events[2].to_string().contains("description was changed") && events[2].to_string().contains(GP));
    }
    // Nobody has to agree.
    let alone = amina.create(&goal("Sleep", vec![])).await;
    assert_eq!(standing(&amina, &alone).await.0, "none");
}

/// Who wrote the goal first changes all of it, and so nothing of it behind what the other has agreed to.
async fn whatever_is_changed_asks_again(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let id = gp.create(&goal("Walk", vec![word(AMINA, "pending"), word(GP, "agree")])).await;
    let reading = gp.create(&people::blood_pressure("amina", 128)).await;
    let narrative = |says: &str| json!({"status": "additional", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{says}</div>")});
    for (element, value) in [
        ("text", narrative("Walk, and give up the car")),
        ("text", narrative("Walk")),
        ("addresses", json!([{"reference": format!("Observation/{reading}")}])),
        ("startDate", json!("2026-06-01")),
        ("_startDate", json!({"extension": [{"url": "urn:x:only", "valueString": "if it is dry"}]})),
        ("category", json!([{"text": "a condition of the operation"}])),
        ("target", json!([{"dueDate": "2026-07-01"}])),
    ] {
        revise(&amina, &id, |goal| goal["extension"][0] = word(AMINA, "agree")).await.expect(200);
        assert_eq!(standing(&amina, &id).await, said("agreed", "agree", "agree"));
        revise(&gp, &id, |goal| goal[element] = value).await.expect(200);
        assert_eq!(standing(&amina, &id).await, said("pending", "pending", "agree"), "{element}");
    }
    revise(&amina, &id, |goal| goal["extension"][0] = word(AMINA, "agree")).await.expect(200);
    let more = json!({"url": "urn:x:and", "valueString": "no car"});
    revise(&gp, &id, |goal| goal["extension"].as_array_mut().expect("words").push(more)).await.expect(200);
    assert_eq!(standing(&amina, &id).await, said("pending", "pending", "agree"));
    // How it goes is nothing that was agreed to.
    revise(&amina, &id, |goal| goal["extension"][0] = word(AMINA, "agree")).await.expect(200);
    revise(&gp, &id, |goal| goal["achievementStatus"] = json!({"text": "well"})).await.expect(200);
    assert_eq!(standing(&amina, &id).await, said("agreed", "agree", "agree"));
    // What she has accepted is accepted as it was.
    revise(&amina, &id, |goal| goal["lifecycleStatus"] = json!("accepted")).await.expect(200);
    let refused = revise(&gp, &id, |goal| goal["startDate"] = json!("2027-01-01")).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Goal.lifecycleStatus");
    let told = amina.get(&format!("Goal/{id}/$agreement")).await.expect(200).text();
    assert!(told.contains("addresses was changed") && told.contains("extension was changed"), "{told}");
}

async fn nobody_speaks_for_another(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let refused = amina.post("Goal", &goal("Walk", vec![word(GP, "agree")])).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Goal.extension[0]");
    let id = gp.create(&goal("Walk", vec![word(GP, "agree"), word(AMINA, "pending")])).await;
    for (app, position, forged) in [(&gp, 1, word(AMINA, "agree")), (&amina, 0, word(GP, "disagree"))] {
        let refused = revise(app, &id, |goal| goal["extension"][position] = forged).await.expect(422);
        assert_eq!(refused.issues()[0].1, format!("Goal.extension[{position}]"));
    }
    let gone = revise(&amina, &id, |goal| goal["extension"] = json!([word(AMINA, "agree")])).await.expect(422);
    assert_eq!(gone.issues()[0].1, "Goal.extension");
    let accepted = revise(&gp, &id, |goal| goal["lifecycleStatus"] = json!("accepted")).await.expect(422);
    assert_eq!(accepted.issues()[0].1, "Goal.lifecycleStatus");
    assert_eq!(amina.get(&format!("Goal/{id}")).await.expect(200).header("etag"), "W/\"1\"", "nothing has changed");
    revise(&amina, &id, |goal| goal["lifecycleStatus"] = json!("accepted")).await.expect(200);
}

async fn what_is_whose_to_change(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let id = gp.create(&goal("Walk", vec![word(GP, "agree"), word(AMINA, "pending")])).await;
    for (element, value) in [
        ("expressedBy", json!({"reference": AMINA})),
        ("startDate", json!("2026-01-01")),
        ("category", json!([{"text": "mine"}])),
    ] {
        let refused = revise(&amina, &id, |goal| goal[element] = value).await.expect(422);
        assert_eq!(refused.issues()[0].1, format!("Goal.{element}"));
    }
    let note = json!([{"text": "Only with a stick", "authorReference": {"reference": AMINA}}]);
    revise(&amina, &id, |goal| goal["note"] = note).await.expect(200);
    let gone = revise(&gp, &id, |goal| drop(goal.as_object_mut().expect("a goal").shift_remove("note"))).await;
    assert_eq!(gone.expect(422).issues()[0].1, "Goal.note", "also in one's own goal");
    amina.delete(&format!("Goal/{id}")).await.expect(403);
    // Those who may not write in the record do not negotiate.
    let stored = amina.get(&format!("Goal/{id}")).await.expect(200).json();
    for (app, status) in [
        (concord.patient("callum"), 404),
        (concord.user("Practitioner/former"), 404),
        (concord.user("RelatedPerson/yusuf"), 404),
        (concord.patient_with("amina", "patient/Goal.rs"), 403),
        (concord.nobody(), 401),
    ] {
        app.put(&format!("Goal/{id}"), &stored).await.expect(status);
    }
}

async fn who_sees_the_negotiation(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("Walk", vec![word(AMINA, "agree")])).await;
    let place = format!("Goal/{id}/$agreement");
    let absent = amina.get("Goal/none/$agreement").await.expect(404);
    for app in [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("RelatedPerson/yusuf")] {
        assert_eq!(app.get(&place).await.expect(404).body, absent.body);
    }
    concord.patient_with("amina", "patient/Observation.rs").get(&place).await.expect(403);
    concord.nobody().get(&place).await.expect(401);
    // Whom she lets see her goals sees it, without who wrote which version.
    concord.system().store(&people::consent("active", "RelatedPerson/yusuf", &["access"], &["Goal"])).await;
    let told = concord.user("RelatedPerson/yusuf").get(&place).await.expect(200).text();
    assert!(told.contains("\"agreement\"") && !told.contains("\"who\""), "{told}");
    amina.delete(&format!("Goal/{id}")).await.expect(204);
    amina.get(&place).await.expect(410);
}
