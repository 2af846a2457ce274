//! Comments: anybody says something about what they can read, beside it and not in it.

use std::collections::BTreeSet;

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_comment_stands_beside, a_thread, who_reads_comments, what_cannot_be_read_cannot_be_commented, broken_threads,
    labels_go_along, all_that_it_speaks_about_is_readable, a_comment_stands_in_one_record, a_denied_comment,
    lists_have_what_is_read, her_own_words_stay_hers
}

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

/// What is found of comments by any way but a read.
async fn listed(app: &App) -> Vec<String> {
    let mut ways = Vec::new();
    for place in ["Communication?_count=500", "Communication/_history?_count=500", "_history?_count=500"] {
        let entries = app.entries(place).await;
        let comments =
            entries.iter().map(|entry| &entry["resource"]).filter(|one| one["resourceType"] == "Communication");
        let mut ids: Vec<String> = comments.map(|one| text(one, "/id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        ways.push(ids);
    }
    assert!(ways.iter().all(|way| *way == ways[0]), "{ways:?}");
    let included = app.entries("Observation?_count=500&_revinclude=Communication:about").await;
    let included = included.iter().map(|entry| text(&entry["resource"], "/id"));
    assert!(included.filter(|id| ways[0].iter().any(|one| one == id)).count() == ways[0].len(), "{ways:?}");
    ways.swap_remove(0)
}

/// What `$evaluate` says to Amina of what her son may see.
async fn evaluated(concord: &Concord, place: &str) -> bool {
    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": "Patient/amina"}},
        {"name": "actor", "valueReference": {"reference": "RelatedPerson/yusuf"}},
        {"name": "resource", "valueReference": {"reference": place}}
    ]});
    let told = concord.patient("amina").post("Consent/$evaluate", &asked).await.expect(200).text();
    assert_eq!(told.contains("comment.on-readable"), told.contains("\"valueCode\":\"permit\""), "{told}");
    told.contains("\"valueCode\":\"permit\"")
}

/// Whoever may see one of several things that a comment speaks about does not see the comment.
async fn all_that_it_speaks_about_is_readable(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, son) =
        (concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let asthma = with(people::without(condition("asthma", json!([])), "id"), "meta", json!({"tag": [{"code": "t"}]}));
    let asthma = format!("Condition/{}", gp.create(&asthma).await);
    let (reading, asthma) = (&json!({"reference": reading}), &json!({"reference": asthma}));
    let said = |about: &[&Value], element: &str, value: Value| {
        let comment = with(comment("", "zebra"), "about", about.iter().copied().cloned().collect());
        if element.is_empty() { comment } else { with(comment, element, value) }
    };
    let on_reading = amina.create(&said(&[reading], "", json!(null))).await;
    let on_both = amina.create(&said(&[asthma, reading], "", json!(null))).await;
    let to = |id: &str| json!([{"reference": format!("Communication/{id}")}]);
    let answer = amina.create(&said(&[reading], "inResponseTo", to(&on_reading))).await;
    let mut hidden = vec![on_both.clone()];
    for comment in [
        said(&[reading], "reasonReference", json!([asthma])),
        said(&[reading], "payload", json!([{"contentString": "zebra"}, {"contentReference": asthma}])),
        said(&[reading], "extension", json!([{"url": "urn:x", "valueReference": asthma}])),
        said(&[reading], "inResponseTo", to(&on_both)),
        said(&[asthma, reading], "inResponseTo", to(&on_both)),
    ] {
        hidden.push(amina.create(&comment).await);
    }
    let mut wanted = vec![on_reading.clone(), answer.clone()];
    wanted.sort();
    assert_eq!(listed(&son).await, wanted);
    for id in [&on_reading, &answer] {
        son.get(&format!("Communication/{id}")).await.expect(200);
        assert!(evaluated(concord, &format!("Communication/{id}")).await);
    }
    for id in &hidden {
        son.get(&format!("Communication/{id}")).await.expect(404);
        son.get(&format!("Communication/{id}/_history/1")).await.expect(404);
        assert!(!evaluated(concord, &format!("Communication/{id}")).await);
    }
    let who = amina.get("Patient/amina/$who-can-see").await.expect(200).text();
    assert!(who.contains("comment.on-readable"), "{who}");
    // Once all of it is shared, so are the comments.
    let all = people::consent("active", "RelatedPerson/yusuf", &["access"], &["Condition", "Observation"]);
    concord.system().store(&all).await;
    assert_eq!(listed(&son).await.len(), wanted.len() + hidden.len());
}

/// What one patient shares shows nothing of what is said in the record of another.
async fn a_comment_stands_in_one_record(concord: &Concord) {
    people::arrive(concord).await;
    let team = with(people::care_team(&["Practitioner/gp"]), "id", json!("callum-team"));
    concord.system().store(&with(team, "subject", json!({"reference": "Patient/callum"}))).await;
    let (amina, gp, son) =
        (concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let of_callum = with(comment(&reading, "zebra"), "subject", json!({"reference": "Patient/callum"}));
    let refused = gp.post("Communication", &of_callum).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Communication.about[0]");
    let request = json!({"resourceType": "CommunicationRequest", "status": "active", "about": [{"reference": reading}],
        "subject": {"reference": "Patient/callum"}, "payload": [{"contentString": "zebra"}]});
    let refused = gp.post("CommunicationRequest", &request).await.expect(422);
    assert_eq!(refused.issues()[0].1, "CommunicationRequest.about[0]");
    // What a system stored.
    concord
        .system()
        .store(&with(with(of_callum, "id", json!("theirs")), "category", json!([{"coding": [{"code": "comment"}]}])))
        .await;
    son.get("Communication/theirs").await.expect(404);
    assert!(listed(&son).await.is_empty());
    for place in ["Communication?_id=theirs", "Communication?_content=zebra", "?_type=Communication,Observation"] {
        let found = son.get(place).await.expect(200).matches();
        assert!(found.iter().all(|one| one["resourceType"] == "Observation"), "{place}");
    }
    assert!(!son.get("Patient/amina/$everything").await.expect(200).text().contains("zebra"));
}

/// A comment that is denied itself is not shown because what it is about is shared.
async fn a_denied_comment(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, son) = (concord.patient("amina"), concord.user("RelatedPerson/yusuf"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let (one, other) = (amina.create(&comment(&reading, "one")).await, amina.create(&comment(&reading, "other")).await);
    assert_eq!(listed(&son).await.len(), 2);
    let named = json!([{"meaning": "instance", "reference": {"reference": format!("Communication/{one}")}}]);
    let mut denial = with(people::consent("active", "RelatedPerson/yusuf", &[], &[]), "id", json!("denial"));
    denial["provision"] = json!({"type": "deny", "actor": denial["provision"]["actor"], "data": named});
    concord.system().store(&denial).await;
    assert_eq!(listed(&son).await, [other.as_str()]);
    son.get(&format!("Communication/{one}")).await.expect(404);
    assert!(!evaluated(concord, &format!("Communication/{one}")).await);
}

/// The people of the fixtures with what is theirs, of the readings one in twenty, and comments of each kind.
fn everything() -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/people");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let step = if file.ends_with("4-readings.ndjson") { 20 } else { 1 };
        let text = std::fs::read_to_string(file).expect("a text");
        all.extend(text.lines().step_by(step).map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
    }
    let things = [
        "Condition/amina-diabetes",
        "Goal/amina-walk",
        "MedicationStatement/callum-lamotrigine",
        "QuestionnaireResponse/eleanor-about-me",
        "Flag/eleanor-advance-decision",
        "Practitioner/dr-okafor",
        "Condition/none",
    ];
    for (number, one) in things.iter().enumerate() {
        for (at, other) in things.iter().enumerate() {
            let subject = ["amina", "callum", "eleanor"][(number + at) % 3];
            let about = json!([{"reference": one}, {"reference": other}]);
            all.push(
                json!({"resourceType": "Communication", "id": format!("said-{number}-{at}"), "status": "completed",
                "category": [{"coding": [{"system": "urn:concord:communication-category", "code": "comment"}]}],
                "subject": {"reference": format!("Patient/{subject}")}, "about": about}),
            );
        }
    }
    all
}

/// Whoever it is: what they read is what they find, and what the histories and the whole record have.
async fn lists_have_what_is_read(concord: &Concord) {
    let all = everything();
    for resource in &all {
        concord.system().store(resource).await;
    }
    let place = |one: &Value| format!("{}/{}", text(one, "/resourceType"), text(one, "/id"));
    let places: BTreeSet<String> = all.iter().map(place).collect();
    let types: BTreeSet<&str> = all.iter().map(|one| text(one, "/resourceType")).collect();
    let mut comments_read = 0;
    for caller in &all {
        let app = match text(caller, "/resourceType") {
            "Patient" => concord.patient(text(caller, "/id")),
            "RelatedPerson" | "Practitioner" | "PractitionerRole" => concord.user(&place(caller)),
            _ => continue,
        };
        let mut read = BTreeSet::new();
        for one in &places {
            if app.get(one).await.status == 200 {
                read.insert(one.clone());
            }
        }
        if text(caller, "/resourceType") == "RelatedPerson" {
            comments_read += read.iter().filter(|one| one.starts_with("Communication/said")).count();
        }
        let found = async |search: &str| {
            let entries = app.entries(search).await;
            let found = entries
                .iter()
                .filter(|entry| entry["search"]["mode"] != "outcome")
                .map(|entry| place(&entry["resource"]));
            found.filter(|one| places.contains(one)).collect::<BTreeSet<String>>()
        };
        // A professional finds what they wrote where nobody lets them in when they name the patient.
        let is_professional = text(caller, "/resourceType").starts_with("Practitioner");
        let reached = |found: &BTreeSet<String>, read: &BTreeSet<String>| {
            found.is_subset(read)
                && read.difference(found).all(|one| is_professional && !one.starts_with("Communication/"))
        };
        assert!(reached(&found("_history?_count=1000").await, &read), "{} in the history", place(caller));
        for name in &types {
            let of_type: BTreeSet<String> =
                read.iter().filter(|one| one.split('/').next() == Some(name)).cloned().collect();
            for way in [format!("{name}?_count=1000"), format!("{name}/_history?_count=1000")] {
                assert!(reached(&found(&way).await, &of_type), "{} by {way}", place(caller));
            }
        }
        for patient in all.iter().filter(|one| one["resourceType"] == "Patient") {
            let id = text(patient, "/id");
            let whole = app.get(&format!("Patient/{id}/$everything?_count=1000")).await;
            if whole.status != 200 {
                assert!(!read.contains(&format!("Patient/{id}")), "{} by the whole record of {id}", place(caller));
                continue;
            }
            let whole: BTreeSet<String> = whole.entries().iter().map(|entry| place(&entry["resource"])).collect();
            let beyond: Vec<&String> =
                whole.iter().filter(|one| places.contains(*one) && !read.contains(*one)).collect();
            assert!(beyond.is_empty(), "{} by the whole record of {id}: {beyond:?}", place(caller));
            let said = all.iter().filter(|one| text(one, "/resourceType") == "Communication");
            for one in said.filter(|one| text(one, "/subject/reference") == format!("Patient/{id}")).map(place) {
                assert_eq!(
                    whole.contains(&one),
                    read.contains(&one),
                    "{} by the whole record of {id}: {one}",
                    place(caller)
                );
            }
        }
    }
    assert_ne!(comments_read, 0, "carers read some");
}

/// What a patient has said she goes on to see, whatever comes to what she spoke about: a colleague's entry, or a note that is kept
/// from her now. What a professional says about it is kept from her with it.
async fn her_own_words_stay_hers(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let note = |label: (&str, &str)| json!({"security": [{"system": label.0, "code": label.1}]});
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let walsh = |meta: Value| json!({"resourceType": "Practitioner", "id": "walsh", "meta": meta, "name": [{"family": "Walsh"}]});
    system.store(&walsh(note((act, "NOPAT")))).await;
    let before = amina.post("Communication", &comment("Practitioner/walsh", "She was kind")).await.expect(201).json();
    system.store(&walsh(note(("urn:concord:label", "AUTHOR-TEAM")))).await;
    let after = amina.post("Communication", &comment("Practitioner/walsh", "And patient")).await.expect(201).json();
    for said in [&before, &after] {
        amina.get(&format!("Communication/{}", text(said, "/id"))).await.expect(200);
    }
    assert_eq!(said(&amina, "Practitioner/walsh").await.len(), 2);
    // Nor is what is to be kept for safeguarding told by what she said about it.
    let asthma =
        json!({"resourceType": "Condition", "code": {"text": "asthma"}, "subject": {"reference": "Patient/amina"}});
    let asthma = format!("Condition/{}", gp.create(&asthma).await);
    let mine = amina.post("Communication", &comment(&asthma, "Since 2017")).await.expect(201).json();
    let mine = format!("Communication/{}", text(&mine, "/id"));
    let theirs = format!("Communication/{}", gp.create(&comment(&asthma, "I do not think so")).await);
    let provenance = format!("Provenance?target={mine}");
    for (label, status) in [
        ((act, "NOPAT"), 200),
        (("urn:concord:label", "THIRD-PARTY"), 200),
        (("urn:concord:label", "SAFEGUARDING"), 404),
    ] {
        let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": note(label)}]});
        gp.post(&format!("{asthma}/$meta-add"), &meta).await.expect(200);
        let seen = amina.get(&mine).await.expect(status);
        assert!(!seen.text().contains(label.1), "{seen}");
        let written = amina.get(&provenance).await.expect(200).ids().len();
        assert_eq!(written, usize::from(status == 200), "{label:?}");
        for place in [&asthma, &theirs] {
            amina.get(place).await.expect(404);
        }
    }
}
