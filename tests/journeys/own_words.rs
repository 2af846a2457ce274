//! Own words: what somebody has said themselves is not taken from them by a label of what they spoke about, and what somebody else has
//! written never becomes their word.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    what_a_system_said_stays_its_own_whatever_she_adds, each_version_is_somebodys_by_itself,
    what_she_said_stays_hers, what_a_system_adds_anywhere_is_its_own, a_carers_category_makes_no_request, a_system_makes_something_else_of_a_request
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PLACE: &str = "Communication/$correctionrequest";
const STATUS: &str = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionBusinessStatus";

fn said(about: &[&str], says: &str) -> Value {
    let about: Vec<Value> = about.iter().map(|about| json!({"reference": about})).collect();
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": about, "payload": [{"contentString": says}]})
}

fn asking(message: Value) -> Value {
    with(message, "category", json!([{"coding": [{"code": "medRecCxReq"}]}]))
}

fn answering(message: &str, says: &str) -> Value {
    with(without(said(&[], says), "about"), "inResponseTo", json!([{"reference": message}]))
}

/// A reading that somebody writes.
async fn reading(app: &App) -> String {
    format!("Observation/{}", app.create(&blood_pressure("amina", 122)).await)
}

async fn meta(app: &App, place: &str, operation: &str, value: Value) {
    let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": value}]});
    app.post(&format!("{place}/{operation}"), &meta).await.expect(200);
}

async fn patched(app: &App, place: &str, patch: &Value) {
    let ask = app.ask(Method::PATCH, place).body("application/json-patch+json", patch.to_string());
    ask.await.expect(200);
}

fn labelled(code: &str) -> Value {
    json!({"security": [{"system": ACT, "code": code}]})
}

async fn tag(app: &App, place: &str) {
    meta(app, place, "$meta-add", json!({"tag": [{"system": "urn:x", "code": "seen"}]})).await;
}

/// What a system hands in as hers is about what she may not see some day: no tag, label or edit of hers makes it her word.
async fn what_a_system_said_stays_its_own_whatever_she_adds(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let visit = reading(&gp).await;
    let of_her = with(said(&[&visit], "what a system tells"), "sender", json!({"reference": "Patient/amina"}));
    for id in ["untouched", "tagged", "labelled", "edited", "patched"] {
        system.store(&with(of_her.clone(), "id", json!(id))).await;
    }
    tag(&amina, "Communication/tagged").await;
    meta(&amina, "Communication/labelled", "$meta-add", labelled("MH")).await;
    let edited = with(amina.get("Communication/edited").await.expect(200).json(), "priority", json!("urgent"));
    amina.put("Communication/edited", &edited).await.expect(200);
    let patch = json!([{"op": "add", "path": "/note", "value": [{"text": "mine"}]}]);
    patched(&amina, "Communication/patched", &patch).await;
    meta(&gp, &visit, "$meta-add", labelled("NOPAT")).await;
    for id in ["untouched", "tagged", "labelled", "edited", "patched"] {
        assert_eq!(amina.get(&format!("Communication/{id}")).await.status, 404, "{id}");
    }
}

/// What she writes in the place of what a system had stored says nothing of that, also when its labels are worked out anew.
async fn each_version_is_somebodys_by_itself(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let (hidden, hers) = (reading(&gp).await, reading(&amina).await);
    meta(&gp, &hidden, "$meta-add", labelled("NOPAT")).await;
    let sender = json!({"reference": "Patient/amina"});
    let handed_in = |about: &[&str]| with(with(said(about, "told"), "id", json!("told")), "sender", sender.clone());
    system.store(&handed_in(&[&hidden, &hers])).await;
    amina.get("Communication/told").await.expect(404);
    system.store(&handed_in(&[&hers])).await;
    let edited = with(amina.get("Communication/told").await.expect(200).json(), "priority", json!("urgent"));
    amina.put("Communication/told", &edited).await.expect(200);
    // A message of hers of which a system makes another one, and she one of her own again.
    let mine = format!("Communication/{}", amina.create(&said(&[&hers], "mine")).await);
    let first = amina.get(&mine).await.expect(200).json();
    let turned = with(first.clone(), "about", json!([{"reference": hidden}, {"reference": hers}]));
    system.put(&mine, &turned).await.expect(200);
    amina.get(&mine).await.expect(404);
    system.put(&mine, &first).await.expect(200);
    amina.put(&mine, &with(first, "priority", json!("urgent"))).await.expect(200);
    for operation in ["$meta-add", "$meta-delete"] {
        meta(&amina, &hers, operation, labelled("MH")).await;
        for (place, status) in [
            ("Communication/told/_history/1", 404),
            ("Communication/told", 200),
            (&format!("{mine}/_history/1"), 200),
            (&format!("{mine}/_history/2"), 404),
            (&mine, 200),
        ] {
            assert_eq!(amina.get(place).await.status, status, "{operation} {place}");
        }
    }
}

/// Her own words stay hers through what she changes, through what others add to how they are kept, and when she takes them back. What a
/// system brings back is its own.
async fn what_she_said_stays_hers(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let visit = reading(&gp).await;
    let mut said_by_her = Vec::new();
    for _ in 0..4 {
        said_by_her.push(format!("Communication/{}", amina.create(&said(&[&visit], "mine")).await));
    }
    let [edited, tagged, taken_back, restored] = said_by_her.try_into().expect("four messages");
    let now = with(amina.get(&edited).await.expect(200).json(), "priority", json!("urgent"));
    amina.put(&edited, &now).await.expect(200);
    let mut there = amina.get(&tagged).await.expect(200).json();
    there["meta"]["tag"] = json!([{"system": "urn:x", "code": "seen"}]);
    system.put(&tagged, &there).await.expect(200);
    amina.delete(&taken_back).await.expect(204);
    amina.delete(&restored).await.expect(204);
    let id = restored.trim_start_matches("Communication/");
    let again = with(said(&[&visit], "mine"), "sender", json!({"reference": "Patient/amina"}));
    system.put(&restored, &with(again, "id", json!(id))).await.expect(201);
    amina.get(&restored).await.expect(200);
    meta(&gp, &visit, "$meta-add", labelled("NOPAT")).await;
    for (place, status) in [(&edited, 200), (&tagged, 200), (&taken_back, 410), (&restored, 404)] {
        assert_eq!(amina.get(place).await.status, status, "{place}");
    }
    for place in [&edited, &tagged] {
        assert_eq!(amina.get(&format!("{place}/_history/1")).await.status, 200, "{place}");
    }
}

/// What names something else is no part of how her words are kept, wherever a system puts it: in what stands in `meta`, and in the number
/// or the state of the Task of what she has asked. Such a version bears the labels of what it is about.
async fn what_a_system_adds_anywhere_is_its_own(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let (visit, hidden) = (reading(&gp).await, reading(&gp).await);
    meta(&gp, &hidden, "$meta-add", labelled("NOPAT")).await;
    let naming = json!([{"url": "urn:x", "valueReference": {"reference": hidden}}]);
    let tag = json!({"system": "urn:x", "code": "seen"});
    let number = json!({"system": "urn:x", "value": "1"});
    let additions = [
        ("meta", json!({"tag": [tag]}), true),
        ("meta", json!({"extension": naming}), false),
        ("meta", json!({"tag": [with(tag.clone(), "extension", naming.clone())]}), false),
        ("identifier", json!([number]), true),
        ("identifier", json!([with(number.clone(), "extension", naming.clone())]), false),
        ("identifier", json!([with(number, "assigner", json!({"reference": hidden}))]), false),
        ("statusReason", json!({"text": "x", "extension": naming}), false),
    ];
    let mut places = Vec::new();
    for (element, value, stays) in additions {
        let message = format!("Communication/{}", amina.create(&asking(said(&[&visit], "this is wrong"))).await);
        let asked = amina.get(&message).await.expect(200).json();
        let about = asked["about"].as_array().expect("what it is about").iter().map(|about| text(about, "/reference"));
        let task = about.into_iter().find(|about| about.starts_with("Task/")).expect("a Task").to_owned();
        // Of a message any number and reason are its words.
        for place in [&message, &task] {
            if element == "meta" || *place == task {
                let changed = with(system.get(place).await.expect(200).json(), element, value.clone());
                system.put(place, &changed).await.expect(200);
                places.push((place.clone(), stays, format!("{place} {element} {value}")));
            }
        }
    }
    meta(&gp, &visit, "$meta-add", labelled("NOPAT")).await;
    for (place, stays, what) in places {
        assert_eq!(amina.get(&place).await.status, if stays { 200 } else { 404 }, "{what}");
    }
}

/// Somebody close to her goes on to see what they have asked and what they say about that; to give a comment the category of a request
/// asks for nothing.
async fn a_carers_category_makes_no_request(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user("Practitioner/gp"), concord.system());
    let types = ["Observation", "Communication", "Task"];
    for who in ["yusuf", "neighbour"] {
        let lets =
            people::consent("active", &format!("RelatedPerson/{who}"), &["access", "collect", "correct"], &types);
        system.store(&with(lets, "id", json!(who))).await;
    }
    let (son, neighbour) = (concord.user("RelatedPerson/yusuf"), concord.user("RelatedPerson/neighbour"));
    let visit = reading(&gp).await;
    let place = |id: String| format!("Communication/{id}");
    let comment = place(son.create(&said(&[&visit], "a comment")).await);
    let named_so = place(son.create(&asking(answering(&comment, "named so"))).await);
    let handed_in = with(asking(said(&[&visit], "a system's")), "sender", json!({"reference": "RelatedPerson/yusuf"}));
    system.store(&with(handed_in, "id", json!("handed-in"))).await;
    tag(&son, "Communication/handed-in").await;
    let below = place(son.create(&answering("Communication/handed-in", "below a system's")).await);
    let told = son.post(PLACE, &said(&[&visit], "It was 130")).await.expect(200).json();
    let part = |name: &str| {
        let parts = told["parameter"].as_array().expect("parameters");
        let found = parts.iter().find(|part| part["name"] == name).expect("a part");
        format!("{}/{}", text(&found["resource"], "/resourceType"), text(&found["resource"], "/id"))
    };
    let (asked, task) = (part("Response"), part("Task"));
    let question = place(gp.create(&answering(&asked, "When?")).await);
    let reply = place(son.create(&answering(&question, "In May")).await);
    let more = place(son.create(&asking(said(&[&visit, &task], "It is in the letter"))).await);
    let of_another = place(neighbour.create(&answering(&asked, "I was there")).await);
    meta(&gp, &visit, "$meta-add", labelled("NOPAT")).await;
    for (place, status) in [
        (&comment, 404),
        (&named_so, 404),
        (&"Communication/handed-in".to_owned(), 404),
        (&below, 404),
        (&of_another, 404),
        (&question, 404),
        (&asked, 200),
        (&task, 200),
        (&reply, 200),
        (&more, 200),
    ] {
        assert_eq!(son.get(place).await.status, status, "{place}");
    }
}

/// Who moves a request on leaves it what was asked. A system that makes something else of it hands that in as anything else: it is hidden
/// with what it is about.
async fn a_system_makes_something_else_of_a_request(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let (hidden, visit) = (reading(&gp).await, reading(&gp).await);
    meta(&gp, &hidden, "$meta-add", labelled("NOPAT")).await;
    let task = async || {
        let told = amina.post(PLACE, &said(&[&visit], "It was 130")).await.expect(200).json();
        let parts = told["parameter"].as_array().expect("parameters").clone();
        let task = parts.into_iter().find(|part| part["name"] == "Task").expect("a Task");
        task["resource"].clone()
    };
    let (moved, turned, told) = (task().await, task().await, task().await);
    let place = |task: &Value| format!("Task/{}", text(task, "/id"));
    let in_review = json!({"coding": [{"system": STATUS, "code": "in-review"}]});
    let goes_on = with(with(moved.clone(), "status", json!("in-progress")), "businessStatus", in_review);
    let kept_there = with(goes_on, "identifier", json!([{"system": "urn:elsewhere", "value": "1"}]));
    system.put(&place(&moved), &kept_there).await.expect(200);
    let noted = json!([{"op": "add", "path": "/note",
        "value": [{"authorReference": {"reference": "Practitioner/gp"}, "text": "We look"}]}]);
    patched(&gp, &place(&moved), &noted).await;
    system.put(&place(&turned), &with(turned.clone(), "focus", json!({"reference": hidden}))).await.expect(200);
    system.put(&place(&told), &with(told.clone(), "description", json!("what a system tells"))).await.expect(200);
    amina.get(&place(&turned)).await.expect(404);
    meta(&gp, &visit, "$meta-add", labelled("NOPAT")).await;
    for (task, status) in [(&moved, 200), (&turned, 404), (&told, 404)] {
        assert_eq!(amina.get(&place(task)).await.status, status, "{task}");
    }
}
