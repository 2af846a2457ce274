//! Comments: anybody says something about what they can read, beside it and not in it.

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { a_comment_stands_beside, a_thread, who_reads_comments, what_cannot_be_read_cannot_be_commented, broken_threads, labels_go_along }

fn comment(about: &str, says: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": about}], "payload": [{"contentString": says}]})
}

fn answer(to: &str, says: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "inResponseTo": [{"reference": format!("Communication/{to}")}], "payload": [{"contentString": says}]})
}

fn condition(id: &str, labels: Value) -> Value {
    json!({"resourceType": "Condition", "id": id, "meta": {"security": labels}, "code": {"text": id},
        "subject": {"reference": "Patient/amina"}, "recorder": {"reference": "Practitioner/gp"}})
}

async fn said(app: &App, about: &str) -> Vec<String> {
    let found = app.get(&format!("Communication?patient=amina&about={about}&_sort=sent")).await.expect(200).matches();
    found.iter().map(|one| text(one, "/payload/0/contentString").to_owned()).collect()
}

async fn a_comment_stands_beside(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let asthma = with(
        people::without(condition("x", json!([{"system": "urn:x", "code": "y"}])), "id"),
        "meta",
        json!({"tag": [{"code": "t"}]}),
    );
    let place = format!("Condition/{}", gp.create(&asthma).await);
    amina.put(&place, &with(asthma.clone(), "id", json!(place.trim_start_matches("Condition/")))).await.expect(403);
    let stored = amina.post("Communication", &comment(&place, "It began in 2017")).await.expect(201).json();
    assert_eq!(text(&stored, "/sender/reference"), "Patient/amina");
    assert_eq!(text(&stored, "/category/0/coding/0/code"), "comment");
    assert_eq!(text(&stored, "/about/0/reference"), format!("{place}/_history/1"), "at a version");
    assert!(!text(&stored, "/sent").is_empty());
    // What it is about is as it was.
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"1\"");
    assert_eq!(said(&gp, &place).await, ["It began in 2017"]);
    // It comes along with what it is about.
    let page = gp.get("Condition?patient=amina&_revinclude=Communication:about").await.expect(200);
    assert!(page.text().contains("It began in 2017"), "{page}");
    // And the other way round: a professional comments on what the patient wrote.
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 190)).await);
    gp.post("Communication", &comment(&reading, "Please take it again")).await.expect(201);
    assert_eq!(said(&amina, &reading).await, ["Please take it again"]);
    let silent = people::without(comment(&reading, ""), "payload");
    assert_eq!(amina.post("Communication", &silent).await.expect(422).issues()[0].1, "Communication.payload");
    // An older version can be commented on, one that never was cannot.
    amina.post("Communication", &comment(&format!("{reading}/_history/1"), "This one")).await.expect(201);
    amina.post("Communication", &comment(&format!("{reading}/_history/7"), "Which?")).await.expect(404);
}

async fn a_thread(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 190)).await);
    let first = gp.create(&comment(&reading, "Please take it again")).await;
    concord.later(1_000);
    let second = amina.post("Communication", &answer(&first, "It was 140")).await.expect(201).json();
    assert!(text(&second, "/about/0/reference").starts_with(&reading), "an answer is about the same thing: {second}");
    concord.later(1_000);
    gp.create(&answer(text(&second, "/id"), "Thank you")).await;
    assert_eq!(said(&amina, &reading).await, ["Please take it again", "It was 140", "Thank you"]);
    let answers = amina.get(&format!("Communication?patient=amina&in-response-to=Communication/{first}")).await;
    assert_eq!(answers.expect(200).matches().len(), 1);
}

/// Whoever can read the item reads what is said about it, and nobody else does.
async fn who_reads_comments(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, son) = (concord.patient("amina"), concord.user("RelatedPerson/yusuf"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", amina.create(&goal).await);
    let on_reading = amina.create(&comment(&reading, "after running")).await;
    let on_goal = amina.create(&comment(&goal, "with a friend")).await;
    // Her son is let see Observations.
    assert_eq!(said(&son, &reading).await, ["after running"]);
    assert!(said(&son, &goal).await.is_empty());
    son.get(&format!("Communication/{on_reading}")).await.expect(200);
    let hidden = son.get(&format!("Communication/{on_goal}")).await.expect(404);
    assert_eq!(hidden.body, son.get("Communication/none").await.expect(404).body);
    let found = son.get("Communication?patient=amina&_total=accurate").await.expect(200).json();
    assert_eq!(found["total"], 1, "{found}");
    let page = son.get("Observation?patient=amina&_revinclude=Communication:about").await.expect(200);
    assert!(page.text().contains("after running") && !page.text().contains("with a friend"), "{page}");
    let kept = with(
        comment(&reading, "not for my son"),
        "meta",
        json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}),
    );
    amina.create(&kept).await;
    assert_eq!(said(&son, &reading).await, ["after running"], "unless it is labelled otherwise");
    for stranger in
        [concord.patient("callum"), concord.user("RelatedPerson/neighbour"), concord.user("Practitioner/former")]
    {
        assert!(said(&stranger, &reading).await.is_empty());
        stranger.get(&format!("Communication/{on_reading}")).await.expect(404);
    }
    let app = concord.patient_with("amina", "patient/Observation.rs");
    app.get("Communication?patient=amina").await.expect(403);
    // When the reading is no longer shared, neither is what is said about it.
    concord.system().store(&people::consent("inactive", "RelatedPerson/yusuf", &["access"], &["Observation"])).await;
    assert!(said(&son, &reading).await.is_empty());
}

async fn what_cannot_be_read_cannot_be_commented(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let hidden = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    system.store(&condition("withheld", hidden)).await;
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let absent = amina.post("Communication", &comment("Condition/none", "hm")).await.expect(404);
    let refuse = async |refused: Answer| assert_eq!(refused.expect(404).body, absent.body);
    refuse(amina.post("Communication", &comment("Condition/withheld", "hm")).await).await;
    refuse(amina.post("Communication", &comment("Condition/withheld/_history/1", "hm")).await).await;
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("Practitioner/gp-elsewhere")]
    {
        refuse(stranger.post("Communication", &comment(&reading, "hm")).await).await;
    }
    assert!(system.get("Communication?patient=amina").await.expect(200).matches().is_empty(), "nothing has changed");
}

async fn broken_threads(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let one = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let other = format!("Observation/{}", amina.create(&blood_pressure("amina", 130)).await);
    let first = amina.create(&comment(&one, "first")).await;
    let second = amina.create(&answer(&first, "second")).await;
    let at = async |refused: Answer| refused.expect(422).issues()[0].1.clone();
    let lost = amina.post("Communication", &answer("none", "lost")).await;
    assert_eq!(at(lost).await, "Communication.inResponseTo[0]");
    let elsewhere = with(answer(&first, "elsewhere"), "about", json!([{"reference": other}]));
    assert_eq!(at(amina.post("Communication", &elsewhere).await).await, "Communication.about");
    let no_comment = with(answer(&first, "no"), "inResponseTo", json!([{"reference": one}]));
    assert_eq!(at(amina.post("Communication", &no_comment).await).await, "Communication.inResponseTo[0]");
    let ring = with(
        with(comment(&one, "ring"), "inResponseTo", json!([{"reference": format!("Communication/{second}")}])),
        "id",
        json!(first),
    );
    assert_eq!(at(amina.put(&format!("Communication/{first}"), &ring).await).await, "Communication.inResponseTo[0]");
    // Of another record: as if it were not there.
    let theirs = json!({"resourceType": "Communication", "id": "theirs", "status": "completed",
        "subject": {"reference": "Patient/callum"}, "payload": [{"contentString": "mine"}]});
    system.store(&theirs).await;
    assert_eq!(at(amina.post("Communication", &answer("theirs", "hm")).await).await, "Communication.inResponseTo[0]");
    // Nobody speaks in another's name, and nobody changes what another said.
    let forged = with(comment(&one, "forged"), "sender", json!({"reference": "Practitioner/gp"}));
    assert_eq!(at(amina.post("Communication", &forged).await).await, "Communication.sender");
    let changed = with(comment(&one, "changed"), "id", json!(first));
    concord.user("Practitioner/gp").put(&format!("Communication/{first}"), &changed).await.expect(403);
    assert_eq!(said(&amina, &one).await.len(), 2);
}

/// Nobody reads a comment on what is kept from them.
async fn labels_go_along(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]);
    let private = with(condition("private", label), "recorder", json!({"reference": "Practitioner/gp-elsewhere"}));
    concord.system().store(&private).await;
    let stored =
        amina.post("Communication", &comment("Condition/private", "please keep this")).await.expect(201).json();
    assert!(stored["meta"]["security"].to_string().contains("\"SEX\""), "{stored}");
    gp.get("Condition/private").await.expect(404);
    assert!(said(&gp, "Condition/private").await.is_empty());
    assert_eq!(said(&amina, "Condition/private").await, ["please keep this"]);
}
