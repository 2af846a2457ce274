//! Conditional interactions, If-Match, and what makes no new version.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    conditional_read, conditional_create, conditional_update, conditional_delete, if_match, the_same_again_is_no_new_version,
    conditions_see_what_the_caller_may_see, only_systems_choose_ids
}

fn goal(patient: &str, number: &str) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "identifier": [{"system": "urn:app", "value": number}], "subject": {"reference": format!("Patient/{patient}")}})
}

async fn conditional_read(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let read = amina.get(&place).await.expect(200);
    let modified = read.header("last-modified").to_owned();
    assert_eq!(modified, "Tue, 01 Dec 2026 12:00:00 GMT");
    for (name, value, status) in [
        ("if-none-match", "W/\"1\"", 304),
        ("if-none-match", "\"1\"", 304),
        ("if-none-match", "W/\"7\", W/\"1\"", 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "W/\"2\"", 200),
        ("if-modified-since", &modified, 304),
        ("if-modified-since", "Tue, 01 Dec 2026 11:59:59 GMT", 200),
        ("if-modified-since", "no date", 200),
    ] {
        let answer = amina.get(&place).header(name, value).await.expect(status);
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert_eq!(answer.body.is_empty(), status == 304);
    }
    // If-None-Match goes before If-Modified-Since (RFC 9110, section 13.2.2).
    let both = amina.get(&place).header("if-none-match", "W/\"2\"").header("if-modified-since", &modified);
    both.await.expect(200);
    // Whoever may not see it learns nothing from a condition.
    concord.patient("callum").get(&place).header("if-none-match", "W/\"1\"").await.expect(404).issues();
}

async fn conditional_create(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let post =
        |number: &str, condition: &str| amina.post("Goal", &goal("amina", number)).header("if-none-exist", condition);
    let first = post("1", "identifier=urn:app|1").await.expect(201);
    let again = post("1", "identifier=urn:app|1").await.expect(200);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("etag"), "W/\"1\"");
    assert_eq!(again.header("content-location"), first.header("content-location"));
    post("2", "?identifier=urn:app|2").await.expect(201);
    // The whole address of the search, and the type before it, as some clients write it.
    for form in ["http://concord.test/fhir/Goal?identifier=urn:app|1", "Goal?identifier=urn:app%7C1"] {
        assert_eq!(post("1", form).await.expect(200).body, first.body, "{form}");
    }
    for form in ["Patient?identifier=urn:app|1", "https://elsewhere.example/fhir/Goal?identifier=urn:app|1"] {
        post("1", form).await.expect(400).issues();
    }
    // One that cannot be read, or stands there twice, is not taken for none.
    let unread = amina.post("Goal", &goal("amina", "5")).header_of_bytes("if-none-exist", b"identifier=urn:app|\xe4");
    unread.await.expect(400).issues();
    post("5", "identifier=urn:app|5").header("if-none-exist", "identifier=urn:app|1").await.expect(400).issues();
    let named = goal("amina", "\u{e4}");
    for status in [201, 200] {
        amina.post("Goal", &named).header("if-none-exist", "identifier=urn:app|\u{e4}").await.expect(status);
    }
    let other =
        text(&amina.get("Goal?identifier=urn:app|%C3%A4").await.expect(200).json(), "/entry/0/resource/id").to_owned();
    amina.delete(&format!("Goal/{other}")).await.expect(204);
    post("3", "status=active,x&lifecycle-status=active").await.expect(400).issues();
    let many = post("3", "lifecycle-status=active").await.expect(412);
    assert_eq!(many.issues()[0].0, "multiple-matches");
    for nothing in ["", "_count=1", "nonsense=1", "identifier="] {
        post("4", nothing).await.expect(400).issues();
    }
    assert_eq!(amina.get("Goal").await.expect(200).ids().len(), 2);
}

async fn conditional_update(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let put = |number: &str, query: &str| amina.put(&format!("Goal?{query}"), &goal("amina", number));
    let created = put("1", "identifier=urn:app|1").await.expect(201);
    let id = text(&created.json(), "/id").to_owned();
    assert!(created.header("location").ends_with(&format!("/Goal/{id}/_history/1")));
    let changed = with(goal("amina", "1"), "lifecycleStatus", json!("completed"));
    let updated = amina.put("Goal?identifier=urn:app|1", &changed).await.expect(200);
    assert_eq!((text(&updated.json(), "/id"), text(&updated.json(), "/meta/versionId")), (&*id, "2"));
    // A condition with If-Match is both.
    let stale = amina.put("Goal?identifier=urn:app|1", &goal("amina", "1")).header("if-match", "W/\"1\"");
    stale.await.expect(412).issues();
    let other_id = with(changed, "id", json!("another"));
    amina.put("Goal?identifier=urn:app|1", &other_id).await.expect(400).issues();
    // Only a system chooses the id of what is not there.
    let chosen = with(goal("amina", "9"), "id", json!("chosen"));
    amina.put("Goal?identifier=urn:app|9", &chosen).await.expect(404).issues();
    concord.system().put("Goal?identifier=urn:app|9", &chosen).await.expect(201);
    put("2", "identifier=urn:app|2").await.expect(201);
    put("1", "lifecycle-status=active,completed").await.expect(412).issues();
    put("1", "").await.expect(400).issues();
    put("1", "unknown=1").await.expect(400).issues();
}

async fn conditional_delete(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for number in ["1", "2"] {
        amina.create(&goal("amina", number)).await;
    }
    amina.delete("Goal?lifecycle-status=active").await.expect(412).issues();
    amina.delete("Goal").await.expect(400).issues();
    amina.delete("Goal?unknown=1").await.expect(400).issues();
    assert_eq!(amina.delete("Goal?identifier=urn:app|1").await.expect(204).header("etag"), "W/\"2\"");
    assert_eq!(amina.delete("Goal?identifier=urn:app|1").await.expect(204).header("etag"), "");
    let left = amina.get("Goal").await.expect(200).matches();
    assert_eq!(left.len(), 1);
    assert_eq!(text(&left[0], "/identifier/0/value"), "2");
}

async fn if_match(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&goal("amina", "1")).await;
    let place = format!("Goal/{id}");
    let wanted = |status: &str| with(with(goal("amina", "1"), "id", json!(id)), "lifecycleStatus", json!(status));
    let stale = amina.put(&place, &wanted("on-hold")).header("if-match", "W/\"2\"").await.expect(412);
    assert_eq!(stale.issues()[0].0, "conflict");
    amina.put(&place, &wanted("on-hold")).header("if-match", "version one").await.expect(400).issues();
    let updated = amina.put(&place, &wanted("on-hold")).header("if-match", "W/\"1\"").await.expect(200);
    assert_eq!(updated.header("etag"), "W/\"2\"");
    // One of several is enough (RFC 9110, section 13.1.1).
    let several = amina.put(&place, &wanted("active")).header("if-match", "W/\"1\", W/\"2\"").await.expect(200);
    assert_eq!(several.header("etag"), "W/\"3\"");
    amina.delete(&place).header("if-match", "W/\"1\"").await.expect(412).issues();
    // What cannot be read is not taken for nothing.
    amina.put(&place, &wanted("on-hold")).header_of_bytes("if-match", b"W/\"\xe4\"").await.expect(400).issues();
    let twice = amina.put(&place, &wanted("on-hold")).header("if-match", "W/\"1\"").header("if-match", "W/\"3\"");
    twice.await.expect(400).issues();
    // Only where there is nothing yet.
    amina.put(&place, &wanted("on-hold")).header("if-none-match", "*").await.expect(412).issues();
    amina.put(&place, &wanted("on-hold")).header("if-none-match", "W/\"9\"").await.expect(400).issues();
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"3\"");
    amina.delete(&place).header("if-match", "W/\"3\"").await.expect(204);
    // What is not there has no version that could match.
    let system = concord.system();
    let unused = with(goal("amina", "2"), "id", json!("unused"));
    system.put("Goal/unused", &unused).header("if-match", "W/\"1\"").await.expect(412).issues();
    system.put("Goal/unused", &unused).header("if-match", "*").await.expect(412).issues();
    system.get("Goal/unused").await.expect(404).issues();
    system.put("Goal/unused", &unused).header("if-none-match", "*").await.expect(201);
    system.put("Goal/unused", &unused).header("if-none-match", "*").await.expect(412).issues();
    system.delete("Goal/unused").await.expect(204);
    system.put("Goal/unused", &unused).header("if-none-match", "*").await.expect(201);
}

async fn the_same_again_is_no_new_version(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let first = amina.get(&place).await.expect(200);
    concord.later(60_000);
    for body in [first.json(), with(blood_pressure("amina", 120), "id", json!(id))] {
        let same = amina.put(&place, &body).await.expect(200);
        assert_eq!(same.body, first.body);
        assert_eq!(
            (same.header("etag"), same.header("last-modified")),
            (first.header("etag"), first.header("last-modified"))
        );
    }
    assert_eq!(amina.get(&format!("{place}/_history")).await.expect(200).entries().len(), 1);
    assert_eq!(amina.get("Provenance").await.expect(200).ids().len(), 1, "no Provenance of what did not happen");
    let changed = with(blood_pressure("amina", 121), "id", json!(id));
    assert_eq!(amina.put(&place, &changed).await.expect(200).header("etag"), "W/\"2\"");
    // Back to what it was is a change.
    assert_eq!(amina.put(&place, &first.json()).await.expect(200).header("etag"), "W/\"3\"");
}

/// What is hidden from the caller neither matches a condition nor stands in its way.
async fn conditions_see_what_the_caller_may_see(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, callum) = (concord.patient("amina"), concord.patient("callum"));
    let hidden = amina.create(&goal("amina", "1")).await;
    let own =
        callum.post("Goal", &goal("callum", "1")).header("if-none-exist", "identifier=urn:app|1").await.expect(201);
    assert_ne!(text(&own.json(), "/id"), hidden);
    let updated = callum.put("Goal?identifier=urn:app|1", &goal("callum", "1")).await.expect(200);
    assert_eq!(text(&updated.json(), "/id"), text(&own.json(), "/id"));
    callum.delete("Goal?identifier=urn:app|1").await.expect(204);
    assert_eq!(callum.delete("Goal?identifier=urn:app|1").await.expect(204).header("etag"), "");
    amina.get(&format!("Goal/{hidden}")).await.expect(200);
}

/// For anybody but a system a PUT to an unused id answers exactly like one to a hidden id.
async fn only_systems_choose_ids(concord: &Concord) {
    people::arrive(concord).await;
    let hidden = concord.patient("amina").create(&goal("amina", "1")).await;
    for (app, subject) in [
        (concord.patient("callum"), "callum"),
        (concord.user("Practitioner/gp-elsewhere"), "amina"),
        (concord.user("RelatedPerson/neighbour"), "amina"),
    ] {
        let mut answers = Vec::new();
        for id in [hidden.as_str(), "unused"] {
            let place = format!("Goal/{id}");
            let put = with(goal(subject, "2"), "id", json!(id));
            let written = app.put(&place, &put).await;
            let matched = app.put(&place, &put).header("if-match", "W/\"1\"").await;
            let deleted = app.delete(&place).await;
            let deleted_match = app.delete(&place).header("if-match", "W/\"5\"").await;
            let read = app.get(&place).await;
            answers.push([written, matched, deleted, deleted_match, read].map(|answer| {
                let headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
                (answer.status, headers, answer.body)
            }));
        }
        assert_eq!(answers[0], answers[1]);
        assert!(answers[0].iter().all(|(status, ..)| [403, 404].contains(status)));
    }
    concord.system().get("Goal/unused").await.expect(404).issues();
    let chosen = with(goal("amina", "3"), "id", json!("chosen"));
    assert_eq!(concord.system().put("Goal/chosen", &chosen).await.expect(201).header("etag"), "W/\"1\"");
}
