//! Corrections: a patient asks for one, sees how far it is, and may disagree with its denial (HL7 Patient Corrections).

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Answer, text};
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::proxies::attorney;

on_both! {
    a_correction_is_asked_for_and_made,
    a_denial_is_disagreed_with_for_good,
    a_question_is_answered_and_a_request_taken_back,
    a_plain_create_asks_too,
    who_asks,
    what_is_hidden_stays_hidden,
    a_label_of_what_is_disputed_takes_the_request_from_nobody_who_has_a_part_in_it,
    what_others_say_in_her_name_is_not_her_word
}

const PLACE: &str = "Communication/$correctionrequest";
const STATUS: &str = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionBusinessStatus";

fn condition() -> Value {
    json!({"resourceType": "Condition", "code": {"text": "asthma since 2018"}, "subject": {"reference": "Patient/amina"}})
}

fn request(about: &str, says: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": about}], "recipient": [{"reference": "Practitioner/gp"}],
        "payload": [{"contentString": says}]})
}

fn disagreement(task: &str, says: &str) -> Value {
    with(request(task, says), "category", json!([{"coding": [{"code": "medRecCxDenialDisagree"}]}]))
}

fn state(task: &Value) -> (&str, &str) {
    (text(task, "/status"), text(task, "/businessStatus/coding/0/code"))
}

fn becomes(task: &Value, status: &str, business: &str, answer: Option<&str>) -> Value {
    let coding = json!({"coding": [{"system": STATUS, "code": business}]});
    let task = with(with(task.clone(), "status", json!(status)), "businessStatus", coding);
    match answer {
        None => task,
        Some(answer) => with(task, "output", json!([{"type": {"text": "answer"}, "valueString": answer}])),
    }
}

fn part(parameters: &Value, name: &str) -> Value {
    let parts = parameters["parameter"].as_array().expect("parameters");
    parts.iter().find(|part| part["name"] == name).map_or(Value::Null, |part| part["resource"].clone())
}

fn place(resource: &Value) -> String {
    format!("{}/{}", text(resource, "/resourceType"), text(resource, "/id"))
}

/// A condition that the GP wrote, and a request for its correction: the condition, what was said, and the Task.
async fn ask(concord: &Concord, says: &str) -> (String, Value, Value) {
    let condition = format!("Condition/{}", concord.user("Practitioner/gp").create(&condition()).await);
    let told = concord.patient("amina").post(PLACE, &request(&condition, says)).await.expect(200).json();
    (condition, part(&told, "Response"), part(&told, "Task"))
}

async fn said_about(app: &App, about: &str) -> Vec<String> {
    let found = app.get(&format!("Communication?patient=amina&about={about}&_sort=sent")).await.expect(200).matches();
    found.iter().map(|one| text(one, "/payload/0/contentString").to_owned()).collect()
}

async fn a_correction_is_asked_for_and_made(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let (condition, said, task) = ask(concord, "It was 2017").await;
    let at = place(&task);
    assert_eq!(state(&task), ("ready", "queued"));
    assert_eq!(text(&task, "/focus/reference"), format!("{condition}/_history/1"), "at a version");
    assert_eq!(text(&task, "/input/0/valueReference/reference"), place(&said));
    assert_eq!(text(&said, "/about/1/reference"), at, "what was asked names the Task");
    assert_eq!(
        (text(&task, "/requester/reference"), text(&task, "/owner/reference")),
        ("Patient/amina", "Practitioner/gp")
    );
    assert_eq!(gp.get("Task?patient=amina&status=ready").await.expect(200).ids(), [text(&task, "/id")]);
    let page = gp.get("Condition?patient=amina&_revinclude=Communication:about").await.expect(200);
    assert!(page.text().contains("It was 2017"), "beside what is to be corrected: {page}");
    // The professional moves it on, by the states of the guide, and ends it with an answer.
    let wrong = gp.put(&at, &becomes(&task, "completed", "queued", Some("done"))).await.expect(422);
    assert_eq!(wrong.issues()[0].1, "Task.businessStatus");
    let silent = gp.put(&at, &becomes(&task, "completed", "amendment-completed", None)).await.expect(422);
    assert_eq!(silent.issues()[0].1, "Task.output");
    let another =
        with(becomes(&task, "in-progress", "in-review", None), "requester", json!({"reference": "Practitioner/gp"}));
    assert_eq!(gp.put(&at, &another).await.expect(422).issues()[0].1, "Task.requester");
    assert_eq!(gp.get(&at).await.expect(200).header("etag"), "W/\"1\"", "nothing has changed");
    concord.later(60_000);
    let moved = gp.put(&at, &becomes(&task, "in-progress", "in-review", None)).await.expect(200).json();
    assert_ne!(text(&moved, "/lastModified"), text(&task, "/lastModified"));
    gp.put(&at, &becomes(&task, "in-progress", "accepted", None)).await.expect(200);
    gp.put(&at, &becomes(&task, "completed", "amendment-completed", Some("2017 it is"))).await.expect(200);
    let seen = amina.get(&at).await.expect(200).json();
    assert_eq!(
        (state(&seen), text(&seen, "/output/0/valueString")),
        (("completed", "amendment-completed"), "2017 it is")
    );
    assert_eq!(amina.get(&format!("{at}/_history")).await.expect(200).entries().len(), 4, "how it went");
    // That is the end of it, and nobody else decides.
    let again = gp.put(&at, &becomes(&seen, "in-progress", "in-review", None)).await.expect(422);
    assert_eq!(again.issues()[0].1, "Task.status");
    amina.put(&at, &becomes(&task, "ready", "queued", None)).await.expect(422).issues();
    for stranger in
        [concord.user("Practitioner/former"), concord.user("Practitioner/gp-elsewhere"), concord.patient("callum")]
    {
        stranger.put(&at, &becomes(&task, "ready", "queued", None)).await.expect(404);
        stranger.get(&at).await.expect(404);
    }
}

async fn a_denial_is_disagreed_with_for_good(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let (condition, said, task) = ask(concord, "It was 2017").await;
    let at = place(&task);
    let early = amina.post(PLACE, &disagreement(&at, "I was there")).await.expect(422);
    assert_eq!(early.issues()[0].1, "Communication.about");
    let of_nothing = amina.post(PLACE, &disagreement(&condition, "I was there")).await.expect(422);
    assert_eq!(of_nothing.issues()[0].1, "Communication.about");
    gp.put(&at, &becomes(&task, "completed", "denied", Some("The letter says 2018"))).await.expect(200);
    let told = amina.post(PLACE, &disagreement(&at, "I was there")).await.expect(200).json();
    let (second, disagrees) = (part(&told, "Task"), part(&told, "Response"));
    assert_eq!(text(&second, "/reasonReference/reference"), at);
    gp.put(&place(&second), &becomes(&second, "completed", "denied", Some("no"))).await.expect(422);
    let logged = becomes(&second, "completed", "disagreement-logged", None);
    gp.put(&place(&second), &logged).await.expect(200);
    gp.put(&place(&second), &becomes(&second, "completed", "completed", Some("The letter is dated"))).await.expect(200);
    // It stays attached: to the request, and to what was to be corrected.
    let attached = gp.get(&format!("Task?patient=amina&reasonreference={at}")).await.expect(200).ids();
    assert_eq!(attached, [text(&second, "/id")]);
    assert_eq!(said_about(&gp, &at).await, ["It was 2017", "I was there"]);
    assert_eq!(said_about(&gp, &condition).await, ["It was 2017", "I was there"]);
    let whole = gp.get("Patient/amina/$everything?_count=1000").await.expect(200).matches();
    for one in [&task, &second, &said, &disagrees] {
        assert!(whole.iter().any(|found| place(found) == place(one)), "{}", place(one));
    }
    for (app, one) in
        [(&gp, &second), (&gp, &disagrees), (&amina, &disagrees), (&amina, &said), (&concord.system(), &second)]
    {
        let refused = app.delete(&place(one)).await.expect(403);
        assert!(!refused.issues()[0].2.is_empty());
        app.get(&place(one)).await.expect(200);
    }
    let silenced = with(disagrees.clone(), "payload", json!([{"contentString": "never mind"}]));
    assert_eq!(amina.put(&place(&disagrees), &silenced).await.expect(422).issues()[0].1, "Communication.payload");
    let other = with(disagrees.clone(), "category", json!([{"text": "gossip"}]));
    assert_eq!(amina.put(&place(&disagrees), &other).await.expect(422).issues()[0].1, "Communication.category");
    gp.put(&place(&disagrees), &silenced).await.expect(403);
}

async fn a_question_is_answered_and_a_request_taken_back(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let (_, said, task) = ask(concord, "It was 2017").await;
    let at = place(&task);
    gp.put(&at, &becomes(&task, "in-progress", "waiting-for-information", None)).await.expect(200);
    let asks = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "inResponseTo": [{"reference": place(&said)}], "payload": [{"contentString": "Who told you?"}]});
    let asks = gp.post("Communication", &asks).await.expect(201).json();
    assert_eq!(
        state(&amina.get(&at).await.expect(200).json()).1,
        "waiting-for-information",
        "the GP's own word does not move it"
    );
    let answer = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "inResponseTo": [{"reference": place(&asks)}], "payload": [{"contentString": "Dr Walsh"}]});
    concord.later(1_000);
    let told = amina.post(PLACE, &answer).await.expect(200).json();
    assert!(part(&told, "Task").is_null(), "no second Task: {told}");
    let task = gp.get(&at).await.expect(200).json();
    assert_eq!(state(&task), ("in-progress", "in-review"));
    assert_eq!(text(&task, "/input/1/valueReference/reference"), place(&part(&told, "Response")));
    let provenance = amina.get(&format!("Provenance?target={at}")).await.expect(200).matches();
    assert_eq!(provenance.len(), 3, "who opened it, asked and answered");
    // The professional does not take it back for her, and she takes nothing else into her hand.
    let back = becomes(&task, "cancelled", "requester-cancelled", None);
    assert_eq!(gp.put(&at, &back).await.expect(422).issues()[0].1, "Task.status");
    let more = with(back.clone(), "output", json!([{"type": {"text": "answer"}, "valueString": "granted"}]));
    assert_eq!(amina.put(&at, &more).await.expect(422).issues()[0].1, "Task.output");
    concord.user("RelatedPerson/yusuf").put(&at, &back).await.expect(404);
    concord.patient_with("amina", "patient/Task.rs").put(&at, &back).await.expect(403);
    let patch = json!([{"op": "replace", "path": "/status", "value": "cancelled"},
        {"op": "replace", "path": "/businessStatus/coding/0/code", "value": "requester-cancelled"}]);
    let ask = amina.ask(concord_tests::client::Method::PATCH, &at);
    ask.body("application/json-patch+json", patch.to_string()).await.expect(200);
    assert_eq!(state(&gp.get(&at).await.expect(200).json()), ("cancelled", "requester-cancelled"));
    // A Task that is something else is not hers to change, nor to create.
    let chore = json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/amina"}});
    amina.post("Task", &chore).await.expect(403);
    amina.post("Task", &with(chore.clone(), "code", json!({"coding": [{"code": "medRecCxReq"}]}))).await.expect(403);
    let chore = gp.post("Task", &chore).await.expect(201).json();
    amina.put(&place(&chore), &with(chore.clone(), "status", json!("cancelled"))).await.expect(403);
    // Nor is somebody else's made a request for correction, to be changed by all.
    concord.system().store(&people::care_team(&["Practitioner/gp", "Practitioner/former"])).await;
    let taken = with(chore.clone(), "code", json!({"coding": [{"code": "medRecCxReq"}]}));
    concord.user("Practitioner/former").put(&place(&chore), &taken).await.expect(403);
}

async fn a_plain_create_asks_too(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let category = json!([{"coding": [{"code": "medRecCxReq"}]}]);
    // About nothing in the record: what is wrong is in words, as the guide has it.
    let plain =
        with(people::without(request("x", "My name is spelt with one m"), "about"), "category", category.clone());
    let draft = with(plain.clone(), "status", json!("preparation"));
    assert_eq!(amina.post("Communication", &draft).await.expect(422).issues()[0].1, "Communication.status");
    let said = amina.post("Communication", &plain).await.expect(201).json();
    let tasks = gp.get("Task?patient=amina").await.expect(200).matches();
    assert_eq!((tasks.len(), state(&tasks[0])), (1, ("ready", "queued")));
    assert_eq!(text(&said, "/about/0/reference"), place(&tasks[0]));
    // What is said about it later opens no other one.
    let more = with(request(&place(&said), "One m only"), "category", category.clone());
    amina.post("Communication", &more).await.expect(201);
    // In a transaction too, and with it or not at all.
    let entry = |resource: &Value| json!({"resource": resource, "request": {"method": "POST", "url": "Communication"}});
    let bundle = |entries: Vec<Value>| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let broken = with(plain.clone(), "sender", json!({"reference": "Practitioner/gp"}));
    amina.post("", &bundle(vec![entry(&plain), entry(&broken)])).await.expect(422);
    assert_eq!(gp.get("Task?patient=amina").await.expect(200).ids().len(), 1);
    amina.post("", &bundle(vec![entry(&plain)])).await.expect(200);
    assert_eq!(gp.get("Task?patient=amina").await.expect(200).ids().len(), 2);
}

async fn who_asks(concord: &Concord) {
    people::arrive(concord).await;
    let condition = format!("Condition/{}", concord.user("Practitioner/gp").create(&condition()).await);
    let asked = request(&condition, "hm");
    for (app, status) in [
        (concord.nobody(), 401),
        (concord.user("Practitioner/gp"), 403),
        (concord.patient("callum"), 404),
        (concord.user("RelatedPerson/yusuf"), 404),
        (concord.user("RelatedPerson/neighbour"), 404),
        (concord.user("Practitioner/former"), 403),
        (concord.patient_with("amina", "patient/Condition.rs"), 403),
    ] {
        app.post(PLACE, &asked).await.expect(status).issues();
    }
    // Nor by somebody of whom it is only claimed who they are.
    let claimed = concord.app(&TokenRequest {
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        proofing: Some("P5".to_owned()),
        ..TokenRequest::default()
    });
    claimed.post(PLACE, &asked).await.expect(403);
    let amina = concord.patient("amina");
    amina.post(PLACE, &self::condition()).await.expect(400).issues();
    amina.get(PLACE).await.expect(405);
    let none = concord.system().get("Task?patient=amina").await.expect(200).ids();
    assert!(none.is_empty(), "nothing was opened");
    // In a Bundle, as the guide has it.
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": asked}]});
    let two = with(bundle.clone(), "entry", json!([{"resource": asked}, {"resource": asked}]));
    amina.post(PLACE, &two).await.expect(400);
    amina.post(PLACE, &bundle).await.expect(200);
    // Her son, when she lets him see and write so much, asks in his own name and on her behalf.
    let types = ["Communication", "Condition", "Task"];
    let lets = people::consent("active", "RelatedPerson/yusuf", &["access", "collect", "correct"], &types);
    concord.system().store(&lets).await;
    let son = concord.user("RelatedPerson/yusuf");
    let told = son.post(PLACE, &request(&condition, "It was 2017")).await.expect(200).json();
    let task = part(&told, "Task");
    assert_eq!(text(&task, "/requester/reference"), "RelatedPerson/yusuf");
    son.put(&place(&task), &becomes(&task, "cancelled", "requester-cancelled", None)).await.expect(200);
    // So does her attorney, whom the law lets.
    concord.system().store(&attorney("RelatedPerson/neighbour", "active")).await;
    let told =
        concord.user("RelatedPerson/neighbour").post(PLACE, &request(&condition, "It was 2016")).await.expect(200);
    let task = part(&told.json(), "Task");
    assert_eq!(text(&task, "/requester/reference"), "RelatedPerson/neighbour");
    amina.put(&place(&task), &becomes(&task, "cancelled", "requester-cancelled", None)).await.expect(200);
    let logged = amina.get("AuditEvent?patient=amina&subtype=operation").await.expect(200).text();
    assert!(logged.contains("RelatedPerson/yusuf"), "{logged}");
}

/// Nothing about what is hidden can be asked, and what was asked follows the labels of what it is about.
async fn what_is_hidden_stays_hidden(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let labelled = |id: &str, code: &str| {
        let meta = json!({"security": [{"system": ACT, "code": code}]});
        let by = json!({"reference": "Practitioner/gp-elsewhere"});
        with(with(with(condition(), "id", json!(id)), "meta", meta), "recorder", by)
    };
    system.store(&labelled("withheld", "NOPAT")).await;
    system.store(&labelled("private", "SEX")).await;
    let absent = amina.post(PLACE, &request("Condition/none", "hm")).await.expect(404);
    let hidden = amina.post(PLACE, &request("Condition/withheld", "hm")).await.expect(404);
    assert_eq!(hidden.body, absent.body);
    assert!(system.get("Task?patient=amina").await.expect(200).ids().is_empty());
    let told = amina.post(PLACE, &request("Condition/private", "Not so")).await.expect(200).json();
    let task = part(&told, "Task");
    assert!(task["meta"]["security"].to_string().contains("\"SEX\""), "{task}");
    let gp = concord.user("Practitioner/gp");
    gp.get(&place(&task)).await.expect(404);
    assert!(gp.get("Task?patient=amina").await.expect(200).ids().is_empty());
    amina.get(&place(&task)).await.expect(200);
    // Others do not learn from a Task that they cannot see whether it was denied.
    let probe = with(disagreement(&place(&task), "hm"), "subject", json!({"reference": "Patient/callum"}));
    let unused = with(disagreement("Task/none", "hm"), "subject", json!({"reference": "Patient/callum"}));
    let callum = concord.patient("callum");
    let (probed, unused) =
        (callum.post(PLACE, &probe).await.expect(404), callum.post(PLACE, &unused).await.expect(404));
    assert_eq!(probed.body, unused.body);
}

const OWN: &str = "urn:concord:label";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

async fn label(app: &App, place: &str, (system, code): (&str, &str)) -> Answer {
    let meta = json!({"security": [{"system": system, "code": code}]});
    let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]});
    app.post(&format!("{place}/$meta-add"), &meta).await
}

/// What she asked, how far it is and what she says about it stay hers to see, whatever keeps what she disputes from her, but for
/// safeguarding; which label that is she is not told. Who has to answer goes on to see it too.
async fn a_label_of_what_is_disputed_takes_the_request_from_nobody_who_has_a_part_in_it(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    for (name, hides) in [
        ((ACT, "NOPAT"), false),
        ((OWN, "AUTHOR-TEAM"), false),
        ((OWN, "THIRD-PARTY"), false),
        ((OWN, "SAFEGUARDING"), true),
    ] {
        let code = name.1;
        let (condition, said, task) = ask(concord, "It was 2017").await;
        let (said, at) = (place(&said), place(&task));
        let heard = format!("Communication/{}", gp.create(&request(&condition, "It is in the letter")).await);
        label(&gp, &condition, name).await.expect(200);
        for place in [&condition, &heard] {
            amina.get(place).await.expect(404);
        }
        for place in [&said, &at] {
            let status = if hides { 404 } else { 200 };
            let seen = amina.get(place).await.expect(status);
            assert!(!seen.text().contains(code), "{code}: {seen}");
            gp.get(place).await.expect(status);
        }
        if hides {
            continue;
        }
        let found = amina.get("Task?patient=amina&_count=50").await.expect(200).ids();
        assert!(found.contains(&text(&task, "/id").to_owned()), "{code}");
        for kept in ["Task", "Communication"] {
            let by_label = amina.get(&format!("{kept}?patient=amina&_security={code}")).await.expect(200).ids();
            assert!(by_label.is_empty(), "{code}: {by_label:?}");
        }
        gp.put(&at, &becomes(&task, "in-progress", "waiting-for-information", None)).await.expect(200);
        let more = with(
            people::without(request("x", "I have the letter"), "about"),
            "inResponseTo",
            json!([{"reference": said}]),
        );
        let more = amina.post("Communication", &more).await.expect(201).json();
        amina.get(&place(&more)).await.expect(200);
        assert_eq!(state(&gp.get(&at).await.expect(200).json()).1, "in-review", "{code}");
        gp.put(&at, &becomes(&gp.get(&at).await.expect(200).json(), "completed", "denied", Some("It is not")))
            .await
            .expect(200);
        let seen = amina.get(&at).await.expect(200).json();
        assert_eq!(text(&seen, "/output/0/valueString"), "It is not", "{code}");
        assert_eq!(amina.get(&format!("{at}/_history")).await.expect(200).entries().len(), 4, "{code}: how it went");
        let told = amina.post(PLACE, &disagreement(&at, "It is")).await.expect(200).json();
        amina.get(&place(&part(&told, "Task"))).await.expect(200);
    }
}

/// What a system hands in as hers is about what she may never have seen: it is hidden with that. So is what a system makes of her words.
async fn what_others_say_in_her_name_is_not_her_word(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let hidden =
        with(with(condition(), "id", json!("hidden")), "meta", json!({"security": [{"system": ACT, "code": "NOPAT"}]}));
    system.store(&hidden).await;
    let category = json!([{"coding": [{"code": "medRecCxReq"}]}]);
    let hers = with(
        with(request("Condition/hidden", "Not so"), "category", category),
        "sender",
        json!({"reference": "Patient/amina"}),
    );
    system.store(&with(hers, "id", json!("handed-in"))).await;
    amina.get("Communication/handed-in").await.expect(404);
    let (_, said, _) = ask(concord, "It was 2017").await;
    let turned = with(said.clone(), "about", json!([{"reference": "Condition/hidden"}]));
    system.put(&place(&said), &turned).await.expect(200);
    amina.get(&place(&said)).await.expect(404);
}
