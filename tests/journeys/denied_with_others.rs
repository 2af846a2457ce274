//! What a Consent denies is denied with what shows it and with what speaks about it: the content of a letter, comments and
//! their answers, lists, and who vouches for it. Who may not know of it is answered as if none of it were there.

use concord_api::auth::development::TokenRequest;
use concord_api::command::reindex::{self, ReindexArgs};
use concord_tests::client::{Method, text};
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    with super::SETTINGS;
    the_content_of_a_letter, hundreds_of_denials_are_as_few, to_an_app_of_others, what_is_said_about_it, a_carer_reads_no_comment_on_it,
    who_wrote_it_reads_what_is_said_about_it, what_names_it_and_says_something_else,
    what_is_said_of_a_version_that_was_denied, what_only_a_version_that_was_denied_showed,
    a_denied_code_wherever_it_stands, what_names_it_goes_with_its_dependents,
    a_denial_is_one_of_its_own_record, nothing_is_found_by_what_goes_with_a_name
}

const SETTINGS: &[(&str, &str)] = &[(
    "CONCORD_CLIENTS",
    r#"[{"client": "phr-app", "kind": "own"}, {"client": "heart-diary", "kind": "third-party"}]"#,
)];

fn class(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"system": "http://hl7.org/fhir/resource-types", "code": name})).collect()
}

fn data(meaning: &str, reference: &str) -> Value {
    json!({"type": "deny", "data": [{"meaning": meaning, "reference": {"reference": reference}}]})
}

/// Amina's Consent that lets somebody see what they may of these types, all if none, but for what is denied.
fn but_for(actor: &Value, types: &[&str], denied: &Value) -> Value {
    let mut consent = with(people::consent("active", "", &["access"], types), "id", json!("but-for"));
    consent["provision"]["actor"][0]["reference"] = actor.clone();
    consent["provision"]["provision"] = json!([denied]);
    for (name, is_empty) in [("class", types.is_empty()), ("action", true)] {
        if is_empty {
            consent["provision"].as_object_mut().expect("an object").shift_remove(name);
        }
    }
    consent
}

async fn upload(app: &App, content: &'static str) -> String {
    let stored = app.ask(Method::POST, "Binary").body("text/plain", content).await.expect(201).json();
    format!("Binary/{}", text(&stored, "/id"))
}

/// A letter and a photo of Amina's: what shows each, and its content.
async fn uploads(concord: &Concord) -> [String; 4] {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let (scan, picture) = (upload(&amina, "zebra").await, upload(&amina, "horse").await);
    let subject = json!({"reference": "Patient/amina"});
    let letter = json!({"resourceType": "DocumentReference", "status": "current", "subject": subject,
        "type": {"coding": [{"system": "urn:kinds", "code": "letter"}]}, "date": "1995-01-01T00:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "url": scan}}]});
    let photo = json!({"resourceType": "Media", "status": "completed", "subject": subject,
        "content": {"contentType": "text/plain", "url": picture}});
    let letter = format!("DocumentReference/{}", amina.create(&letter).await);
    let photo = format!("Media/{}", amina.create(&photo).await);
    [letter, scan, photo, picture]
}

/// Whether somebody is shown it, by any way.
async fn shown(app: &App, place: &str) -> bool {
    let (of_type, id) = place.split_once('/').expect("a place");
    let read = app.get(place).await;
    if read.status != 200 {
        // As if it had never been there.
        let missing = app.get(&format!("{of_type}/{}", "0".repeat(id.len()))).await.expect(404);
        assert_eq!(read.expect(404).text(), missing.text().replace(&"0".repeat(id.len()), id), "{place}");
        assert!(app.get(&format!("{place}/_history/1")).await.status == 404, "{place}");
    }
    let is_read = app.get(place).await.status == 200;
    assert_eq!(app.get(&format!("{of_type}?_id={id}&_total=accurate")).await.expect(200).json()["total"] == 1, is_read);
    assert_eq!(app.get(&format!("{place}/_history/1")).await.status == 200, is_read, "{place}");
    let quoted = format!("\"{id}\"");
    for list in [format!("{of_type}/_history?_count=500"), "_history?_count=1000".to_owned()] {
        assert_eq!(app.get(&list).await.expect(200).text().contains(&quoted), is_read, "{place} in {list}");
    }
    let everything = app.get("Patient/amina/$everything?_count=500").await.text();
    assert_eq!(everything.contains(&quoted), is_read, "{place} in everything");
    is_read
}

/// What is decided of it for somebody, as the patient is told.
async fn decided(concord: &Concord, actor: &str, place: &str) -> (String, bool) {
    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": "Patient/amina"}},
        {"name": "actor", "valueReference": {"reference": actor}},
        {"name": "resource", "valueReference": {"reference": place}}
    ]});
    let told = concord.patient("amina").post("Consent/$evaluate", &asked).await.expect(200).json().to_string();
    let effect = if told.contains("\"valueCode\":\"permit\"") { "permit" } else { "deny" };
    (effect.to_owned(), told.contains("consent.deny-of-other"))
}

async fn the_content_of_a_letter(concord: &Concord) {
    let [letter, scan, photo, picture] = uploads(concord).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    for (denied, is_exact) in [
        (json!({"type": "deny", "class": class(&["DocumentReference"])}), true),
        (data("instance", &letter), true),
        (data("related", &letter), true),
        (data("dependents", &letter), true),
        (json!({"type": "deny", "code": [{"coding": [{"system": "urn:kinds", "code": "letter"}]}]}), false),
        (json!({"type": "deny", "dataPeriod": {"start": "1990", "end": "1999"}}), false),
    ] {
        system.store(&but_for(&who, &[], &denied)).await;
        assert!(!shown(&reader, &letter).await && !shown(&reader, &scan).await, "{denied}");
        // Of what tells no code and no time, nobody knows that it is not meant.
        assert_eq!((shown(&reader, &photo).await, shown(&reader, &picture).await), (is_exact, is_exact), "{denied}");
        if is_exact && !denied.to_string().contains("related") {
            assert_eq!(decided(concord, "Practitioner/gp-elsewhere", &scan).await, ("deny".to_owned(), true));
            assert_eq!(decided(concord, "Practitioner/gp-elsewhere", &picture).await, ("permit".to_owned(), false));
        }
        for (amina, wanted) in [(concord.patient("amina"), true), (concord.system(), true)] {
            assert_eq!(amina.get(&scan).await.status == 200, wanted, "{denied}");
        }
    }
    system.store(&with(but_for(&who, &[], &data("instance", &letter)), "status", json!("inactive"))).await;
    assert!(!shown(&reader, &picture).await);
    let all = people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Binary", "DocumentReference"]);
    system.store(&with(all, "id", json!("but-for"))).await;
    assert!(shown(&reader, &scan).await && shown(&reader, &letter).await);
}

/// Hundreds of rules are evaluated like few, in her record and among all of a professional's patients.
async fn hundreds_of_denials_are_as_few(concord: &Concord) {
    let [letter, scan, photo, picture] = uploads(concord).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    let code = |code: &str| json!({"type": "deny", "code": [{"coding": [{"system": "urn:kinds", "code": code}]}]});
    let said = async |rules: Vec<Value>| {
        let mut consent = but_for(&who, &[], &code("letter"));
        consent["provision"]["provision"] = json!(rules);
        system.store(&consent).await;
        let mut answers = Vec::new();
        for place in [&letter, &scan, &photo, &picture] {
            answers.push(reader.get(place).await.status);
        }
        for query in ["Observation?code=8867-4", "DocumentReference?patient=amina", "Condition", "Media", "Goal"] {
            let found = reader.get(query).await.expect(200).json();
            answers.push(found["entry"].as_array().map_or(0, |entries| u16::try_from(entries.len()).expect("few")));
        }
        answers
    };
    let few = said(vec![code("letter"), code("other")]).await;
    let many = (0..198).map(|number| code(&format!("code-{number}")));
    assert_eq!(said(many.chain([code("letter")]).collect()).await, few);
    // Each exception counts for each rule that it is an exception from.
    let classes: Vec<Value> =
        (0..20).map(|one| json!({"code": format!("http://x.example/StructureDefinition/p{one}")})).collect();
    let nested = |number: usize| {
        let mut rule = code(&format!("code-{number}"));
        rule["provision"] = json!([{"type": "permit", "class": classes}]);
        rule
    };
    let mut consent = but_for(&who, &[], &code("letter"));
    consent["provision"]["provision"] = (0..50).map(nested).collect();
    let refused = system.put("Consent/but-for", &consent).await.expect(422).json();
    assert!(text(&refused, "/issue/0/diagnostics").contains("10000 is the most"), "{refused}");
    said((0..20).map(nested).chain([code("letter")]).collect()).await;
}

async fn to_an_app_of_others(concord: &Concord) {
    let [letter, scan, photo, picture] = uploads(concord).await;
    let app = concord.app(&TokenRequest {
        client_id: "heart-diary".to_owned(),
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    let who = json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    let denied = json!({"type": "deny", "class": class(&["DocumentReference"])});
    concord.system().store(&but_for(&who, &[], &denied)).await;
    assert!(!shown(&app, &letter).await && !shown(&app, &scan).await);
    assert!(shown(&app, &photo).await && shown(&app, &picture).await);
}

/// A Condition that her GP wrote, Amina's comment on it, an answer to that, and a List that it is in; a comment on something
/// else.
async fn thread(concord: &Concord) -> [String; 5] {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let subject = json!({"reference": "Patient/amina"});
    let asthma = json!({"resourceType": "Condition", "code": {"text": "zebra"}, "subject": subject});
    let asthma = format!("Condition/{}", gp.create(&asthma).await);
    let said = |element: &str, about: &str, says: &str| {
        let said = json!({"resourceType": "Communication", "status": "completed", "subject": subject,
            "payload": [{"contentString": says}]});
        with(said, element, json!([{"reference": about}]))
    };
    let comment = format!("Communication/{}", amina.create(&said("about", &asthma, "zebra")).await);
    let answer = format!("Communication/{}", amina.create(&said("inResponseTo", &comment, "zebra")).await);
    let reading = format!("Observation/{}", amina.create(&people::blood_pressure("amina", 120)).await);
    let other = format!("Communication/{}", amina.create(&said("about", &reading, "horse")).await);
    let list = json!({"resourceType": "List", "id": "problems", "status": "current", "mode": "working",
        "subject": subject, "entry": [{"item": {"reference": asthma}}]});
    concord.system().store(&list).await;
    [asthma, comment, answer, "List/problems".to_owned(), other]
}

/// How many there are, by a search that names something there or something that never was.
async fn found(app: &App, search: &str, place: &str) -> (u64, u64) {
    let (of_type, id) = place.split_once('/').expect("a place");
    let missing = format!("{of_type}/{}", "0".repeat(id.len()));
    let mut told = Vec::new();
    for named in [place, missing.as_str()] {
        let bundle = app.get(&format!("{search}={named}&_total=accurate")).await.expect(200).json();
        told.push(bundle["total"].to_string().parse().expect("a number"));
    }
    (told[0], told[1])
}

async fn what_is_said_about_it(concord: &Concord) {
    let [asthma, comment, answer, list, other] = thread(concord).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    system.store(&but_for(&who, &[], &json!({"type": "deny", "class": class(&["Goal"])}))).await;
    for place in [&asthma, &comment, &answer, &list, &other] {
        assert!(shown(&reader, place).await, "{place}");
    }
    assert_eq!(found(&reader, "Communication?about", &asthma).await, (2, 0));
    assert_ne!(found(&reader, "Provenance?target", &asthma).await.0, 0);
    for denied in [
        json!({"type": "deny", "class": class(&["Condition"])}),
        data("instance", &asthma),
        data("dependents", &asthma),
    ] {
        system.store(&but_for(&who, &[], &denied)).await;
        for place in [&asthma, &comment, &answer, &list] {
            assert!(!shown(&reader, place).await, "{place} with {denied}");
        }
        assert!(shown(&reader, &other).await, "{denied}");
        for search in ["Communication?about", "Provenance?target", "List?item"] {
            assert_eq!(found(&reader, search, &asthma).await, (0, 0), "{search} with {denied}");
        }
        for place in [&comment, &answer] {
            assert_eq!(found(&reader, "Provenance?target", place).await, (0, 0), "{place} with {denied}");
        }
        let told = reader.get("Patient/amina/$everything?_count=500").await.expect(200).text();
        assert!(!told.contains("zebra"), "{denied}: {told}");
    }
}

async fn a_carer_reads_no_comment_on_it(concord: &Concord) {
    let [asthma, comment, answer, _, other] = thread(concord).await;
    let who = json!({"reference": "RelatedPerson/yusuf"});
    let yusuf = concord.user("RelatedPerson/yusuf");
    let by_class = || json!({"type": "deny", "class": class(&["Condition"])});
    // An exception for what is not shared by itself is one for what is said about it.
    let (all, comments) = (&["Communication", "Condition", "Observation"][..], &["Communication"][..]);
    for (types, denied) in [
        (all, by_class()),
        (all, data("instance", &asthma)),
        (comments, by_class()),
        (comments, data("instance", &asthma)),
    ] {
        concord.system().store(&but_for(&who, types, &denied)).await;
        for (place, wanted) in [(&asthma, false), (&comment, false), (&answer, false), (&other, true)] {
            assert_eq!(yusuf.get(place).await.status == 200, wanted, "{place} with {denied}");
        }
        assert_eq!(found(&yusuf, "Communication?about", &asthma).await, (0, 0));
    }
    // A comment on two things is as hidden as the one of them that is.
    let both = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "payload": [{"contentString": "zebra"}], "about": [{"reference": asthma},
        {"reference": format!("Observation/{}", concord.patient("amina").create(&people::blood_pressure("amina", 1)).await)}]});
    let both = format!("Communication/{}", concord.patient("amina").create(&both).await);
    yusuf.get(&both).await.expect(404);
    concord.system().store(&but_for(&who, &["Condition", "Observation"], &data("instance", &asthma))).await;
    yusuf.get(&both).await.expect(404);
    yusuf.get(&other).await.expect(200);
}

/// What names a denied Condition and says something else itself: the names, each with how the reference says it.
fn naming(asthma: &str) -> Vec<(&'static str, Value)> {
    let subject = json!({"reference": "Patient/amina"});
    let named = json!({"reference": asthma, "display": "zebra"});
    let narrative =
        json!({"status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">for zebra</div>"});
    vec![
        (
            "reason-reference",
            json!({"resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"},
            "subject": subject, "text": narrative, "reasonReference": [named], "diagnosis": [{"condition": named, "rank": 1}]}),
        ),
        (
            "",
            json!({"resourceType": "MedicationRequest", "id": "inhaler", "status": "active", "intent": "order", "subject": subject,
            "medicationCodeableConcept": {"text": "salbutamol"}, "reasonReference": [named, {"display": "a cough"}],
            "extension": [{"url": "urn:x", "valueReference": named}]}),
        ),
        (
            "reason-reference",
            json!({"resourceType": "Procedure", "id": "spirometry", "status": "completed", "subject": subject,
            "reasonReference": [named]}),
        ),
        (
            "",
            json!({"resourceType": "Goal", "id": "breathe", "lifecycleStatus": "active", "subject": subject,
            "description": {"text": "run"}, "addresses": [named]}),
        ),
        (
            "condition",
            json!({"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan", "subject": subject,
            "addresses": [named]}),
        ),
    ]
}

/// Data that only names what is denied is shown, and nothing is in it that tells that the denied is there: neither the name nor
/// what stands beside it, by no way; nor is it found by that. Who is denied nothing sees it whole.
async fn what_names_it_and_says_something_else(concord: &Concord) {
    let [asthma, ..] = thread(concord).await;
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    let all = naming(&asthma);
    for (_, resource) in &all {
        system.store(resource).await;
    }
    let changed = with(all[0].1.clone(), "length", json!({"value": 5}));
    system.store(&changed).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    system.store(&but_for(&who, &[], &json!({"type": "deny", "class": class(&["Observation"])}))).await;
    let places: Vec<String> =
        all.iter().map(|(_, one)| format!("{}/{}", text(one, "/resourceType"), text(one, "/id"))).collect();
    for place in &places {
        assert!(reader.get(place).await.expect(200).text().contains("zebra"), "{place}");
    }
    let id = asthma.split_once('/').expect("a place").1.to_owned();
    for denied in [json!({"type": "deny", "class": class(&["Condition"])}), data("instance", &asthma)] {
        system.store(&but_for(&who, &[], &denied)).await;
        let mut ways = vec![
            "Patient/amina/$everything?_count=500".to_owned(),
            "Patient/amina/$summary".to_owned(),
            "_history?_count=1000".to_owned(),
            "Patient/amina/*?_count=500".to_owned(),
        ];
        for ((parameter, resource), place) in all.iter().zip(&places) {
            let of_type = text(resource, "/resourceType");
            let read = reader.get(place).await.expect(200).json();
            assert!(read.to_string().contains("REDACTED"), "{place} with {denied}: {read}");
            ways.extend([
                place.clone(),
                format!("{place}/_history/1"),
                format!("{place}/_history"),
                format!("{of_type}/_history?_count=500"),
                format!("{of_type}?patient=amina"),
                format!("{of_type}?patient=amina&_include=*"),
            ]);
            let every = format!("{of_type}?patient=amina&_total=accurate");
            let total = reader.get(&every).await.expect(200).json()["total"].clone();
            assert_ne!(total, json!(0), "{every}");
            if !parameter.is_empty() {
                assert_eq!(found(&reader, &format!("{of_type}?{parameter}"), &asthma).await, (0, 0), "{place}");
                for search in
                    [format!("{of_type}?{parameter}:missing=false"), format!("{of_type}?_content=zebra&patient=amina")]
                {
                    let told = reader.get(&format!("{search}&_total=accurate")).await.expect(200).json();
                    assert_eq!(told["total"], json!(0), "{search} with {denied}");
                }
            }
        }
        for way in ways {
            let mut told = reader.get(&way).await.expect(200).json();
            // The Consent itself, which the reader may read, has the id of an item that it denies.
            if let Some(entries) = told.get_mut("entry").and_then(Value::as_array_mut) {
                entries.retain(|entry| entry["resource"]["resourceType"] != "Consent");
            }
            let told = told.to_string();
            assert!(!told.contains(&id) && !told.contains("zebra"), "{way} with {denied}: {told}");
        }
        let inhaler = reader.get("MedicationRequest/inhaler").await.expect(200).json();
        assert_eq!(inhaler["reasonReference"], json!([{"display": "a cough"}]), "{inhaler}");
        assert_eq!(inhaler["medicationCodeableConcept"]["text"], "salbutamol");
        assert!(reader.get("Encounter/visit").await.json().get("diagnosis").is_none());
        for (app, place) in
            [(concord.patient("amina"), "Encounter/visit"), (concord.user("Practitioner/gp"), "Goal/breathe")]
        {
            assert!(app.get(place).await.expect(200).text().contains(&id), "{place}");
        }
    }
}

async fn who_wrote_it_reads_what_is_said_about_it(concord: &Concord) {
    let [asthma, comment, answer, ..] = thread(concord).await;
    let gp = concord.user("Practitioner/gp");
    let denied = json!({"type": "deny", "class": class(&["Condition"])});
    concord.system().store(&but_for(&json!({"reference": "Practitioner/gp"}), &[], &denied)).await;
    for place in [&asthma, &comment, &answer] {
        gp.get(place).await.expect(200);
    }
    let hers = json!({"resourceType": "Condition", "id": "hers", "code": {"text": "x"},
        "subject": {"reference": "Patient/amina"}});
    concord.system().store(&hers).await;
    let said = json!({"resourceType": "Communication", "id": "said", "status": "completed",
        "subject": {"reference": "Patient/amina"}, "about": [{"reference": "Condition/hers"}],
        "payload": [{"contentString": "y"}]});
    concord.system().store(&said).await;
    for place in ["Condition/hers", "Communication/said"] {
        gp.get(place).await.expect(404);
    }
}

/// What is said of a version that is denied by its code then, whatever the resource says now.
async fn what_is_said_of_a_version_that_was_denied(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let code = json!([{"coding": [{"system": "urn:k", "code": "zebra"}]}]);
    let denied = json!({"type": "deny", "class": class(&["Condition"]), "code": code});
    system.store(&but_for(&who, &[], &denied)).await;
    let condition = |code: &str| {
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"},
            "code": {"coding": [{"system": "urn:k", "code": code}]}})
    };
    let said = |about: &str| {
        json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
            "about": [{"reference": about}], "payload": [{"contentString": "zebra"}]})
    };
    let id = gp.create(&condition("zebra")).await;
    let place = format!("Condition/{id}");
    let then = format!("Communication/{}", amina.create(&said(&place)).await);
    let answer = with(said(&place), "inResponseTo", json!([{"reference": then}]));
    let answer = format!("Communication/{}", gp.create(&answer).await);
    gp.put(&place, &with(condition("horse"), "id", json!(id))).await.expect(200);
    let now = format!("Communication/{}", amina.create(&said(&place)).await);
    let reader = concord.user("Practitioner/gp-elsewhere");
    reader.get(&place).await.expect(200);
    reader.get(&format!("{place}/_history/1")).await.expect(404);
    for (said, status) in [(&then, 404), (&answer, 404), (&now, 200)] {
        reader.get(said).await.expect(status);
        let (_, id) = said.split_once('/').expect("an id");
        let found = reader.get(&format!("Communication?_id={id}")).await.expect(200).ids();
        assert_eq!(found.len(), usize::from(status == 200), "{said}");
        amina.get(said).await.expect(200);
        gp.get(said).await.expect(200);
    }
    let provenances = reader.get(&format!("Provenance?target={place}")).await.expect(200);
    let targets: Vec<Value> = provenances.matches().iter().map(|one| one["target"][0]["reference"].clone()).collect();
    assert_eq!(targets, [json!(format!("{place}/_history/2"))], "{provenances}");
    // Once it is denied no more.
    system.store(&but_for(&who, &[], &json!({"type": "deny", "class": class(&["Goal"])}))).await;
    reader.get(&then).await.expect(200);
}

/// Content that only an older version showed, which is denied by what that says of itself: also when the document has been deleted, and
/// not what the newer one goes on to show.
async fn what_only_a_version_that_was_denied_showed(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let [first, both, second, gone] = [
        upload(&amina, "zebra").await,
        upload(&amina, "horse").await,
        upload(&amina, "donkey").await,
        upload(&amina, "mule").await,
    ];
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let letters = json!([{"coding": [{"system": "urn:kinds", "code": "letter"}]}]);
    let denied = json!({"type": "deny", "class": class(&["DocumentReference"]), "code": letters});
    system.store(&but_for(&who, &[], &denied)).await;
    let document = |kind: &str, shows: &[&String]| {
        let content: Vec<Value> =
            shows.iter().map(|url| json!({"attachment": {"contentType": "text/plain", "url": url}})).collect();
        json!({"resourceType": "DocumentReference", "status": "current", "content": content,
            "subject": {"reference": "Patient/amina"}, "type": {"coding": [{"system": "urn:kinds", "code": kind}]}})
    };
    let scan = amina.create(&document("letter", &[&first, &both])).await;
    let deleted = amina.create(&document("letter", &[&gone])).await;
    let reader = concord.user("Practitioner/gp-elsewhere");
    for content in [&first, &both, &gone] {
        assert!(!shown(&reader, content).await, "{content}");
    }
    for (id, shows) in [(&scan, [&both, &second]), (&deleted, [&both, &both])] {
        amina.store(&with(document("picture", &shows), "id", json!(id))).await;
    }
    amina.delete(&format!("DocumentReference/{deleted}")).await.expect(204);
    reader.get(&format!("DocumentReference/{scan}")).await.expect(200);
    reader.get(&format!("DocumentReference/{scan}/_history/1")).await.expect(404);
    for (content, wanted) in [(&first, false), (&both, true), (&second, true), (&gone, false)] {
        assert_eq!(shown(&reader, content).await, wanted, "{content}");
        amina.get(content).await.expect(200);
        system.get(content).await.expect(200);
    }
    // Once it is denied no more.
    system.store(&but_for(&who, &[], &json!({"type": "deny", "class": class(&["Goal"])}))).await;
    for content in [&first, &both, &second, &gone] {
        assert!(shown(&reader, content).await, "{content}");
    }
}

/// A denial by code reaches data that says the code in any element in which codes say what it is about, and what it contains.
async fn a_denied_code_wherever_it_stands(concord: &Concord) {
    people::arrive(concord).await;
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    let code = json!({"coding": [{"system": "urn:kinds", "code": "zebra"}]});
    let subject = json!({"reference": "Patient/amina"});
    let inside =
        |resource_type: &str| json!([{"resourceType": resource_type, "id": "in", "code": code, "subject": subject}]);
    let prescription = json!({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": subject,
        "medicationCodeableConcept": {"text": "x"}});
    let mut medicine =
        with(prescription.clone(), "contained", json!([{"resourceType": "Medication", "id": "in", "code": code}]));
    medicine.as_object_mut().expect("an object").shift_remove("medicationCodeableConcept");
    let order = json!({"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": subject});
    let letter = json!({"resourceType": "DocumentReference", "status": "current", "subject": subject,
        "content": [{"attachment": {"title": "x"}}]});
    let reading = people::blood_pressure("amina", 120);
    let about = with(reading.clone(), "focus", json!([{"reference": "#in"}]));
    let all = [
        with(medicine, "medicationReference", json!({"reference": "#in"})),
        with(prescription.clone(), "reasonCode", json!([code])),
        with(prescription, "dosageInstruction", json!([{"asNeededCodeableConcept": code}])),
        with(order, "reasonCode", json!([code])),
        with(letter, "context", json!({"event": [code]})),
        with(about, "contained", inside("Condition")),
        with(reading.clone(), "extension", json!([{"url": "urn:x", "valueCodeableConcept": code}])),
    ];
    let denied = json!({"type": "deny", "code": [code]});
    system.store(&but_for(&json!({"reference": "Practitioner/gp-elsewhere"}), &[], &denied)).await;
    for resource in all {
        let place = format!("{}/{}", text(&resource, "/resourceType"), system.create(&resource).await);
        assert!(!shown(&reader, &place).await, "{resource}");
        // Also by an older version that said it.
        let mut without = resource.clone();
        for member in ["contained", "reasonCode", "dosageInstruction", "context", "extension", "focus"] {
            without.as_object_mut().expect("an object").shift_remove(member);
        }
        if without.get("medicationReference").is_some() {
            continue;
        }
        let (_, id) = place.split_once('/').expect("a place");
        system.store(&with(without, "id", json!(id))).await;
        reader.get(&place).await.expect(200);
        reader.get(&format!("{place}/_history/1")).await.expect(404);
    }
    let how = with(reading, "interpretation", json!([code]));
    let place = format!("Observation/{}", system.create(&how).await);
    assert!(shown(&reader, &place).await, "how a value is judged is not what it is of");
}

/// A denial of what depends on something reaches what names it in any element of type Reference, in extensions, answers and contained
/// resources.
async fn what_names_it_goes_with_its_dependents(concord: &Concord) {
    let [asthma, ..] = thread(concord).await;
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    let subject = json!({"reference": "Patient/amina"});
    let named = json!({"reference": asthma});
    let reading = people::blood_pressure("amina", 120);
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "subject": subject,
        "item": [{"linkId": "1", "answer": [{"valueReference": named}]}]});
    let procedure = json!([{"resourceType": "Procedure", "id": "in", "status": "completed", "subject": subject,
        "reasonReference": [named]}]);
    let mut places = vec![
        format!("QuestionnaireResponse/{}", system.create(&answers).await),
        format!(
            "Observation/{}",
            system
                .create(&with(reading.clone(), "extension", json!([{"url": "urn:x", "valueReference": named}])))
                .await
        ),
        format!(
            "Observation/{}",
            system
                .create(&with(with(reading.clone(), "focus", json!([{"reference": "#in"}])), "contained", procedure))
                .await
        ),
    ];
    for (_, resource) in naming(&asthma) {
        system.store(&resource).await;
        places.push(format!("{}/{}", text(&resource, "/resourceType"), text(&resource, "/id")));
    }
    let other = format!("Observation/{}", system.create(&reading).await);
    let about = format!("Observation/{}", system.create(&with(reading.clone(), "focus", json!([named]))).await);
    let report = json!({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, "subject": subject,
        "result": [{"reference": about}]});
    system.create(&report).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    for meaning in ["dependents", "related"] {
        system.store(&but_for(&who, &[], &data(meaning, &asthma))).await;
        for search in ["DiagnosticReport?result.code=85354-9", "DiagnosticReport?patient=amina&result.code=85354-9"] {
            assert!(reader.get(search).await.expect(200).matches().is_empty(), "{search} leads through what is hidden");
        }
        for place in &places {
            assert!(!shown(&reader, place).await, "{meaning} {place}");
        }
        assert!(shown(&reader, &other).await);
    }
    system.store(&but_for(&who, &[], &data("instance", &asthma))).await;
    for place in &places {
        assert!(shown(&reader, place).await, "{place}");
    }
}

/// What the record of another patient says, and what is in nobody's, names what is denied in one: a read says so, and a search of one
/// record, of several or of all says the same.
async fn a_denial_is_one_of_its_own_record(concord: &Concord) {
    let [asthma, ..] = thread(concord).await;
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    let named = json!([{"reference": asthma, "display": "zebra"}]);
    for patient in ["amina", "callum"] {
        let reading = with(with(people::blood_pressure(patient, 120), "id", json!(patient)), "focus", named.clone());
        system.store(&reading).await;
    }
    let shared = json!({"resourceType": "Organization", "id": "shared", "name": "x",
        "extension": [{"url": "urn:x", "valueReference": named[0]}]});
    system.store(&shared).await;
    let callums = people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Observation"]);
    let callums = with(with(callums, "id", json!("callums")), "patient", json!({"reference": "Patient/callum"}));
    system.store(&callums).await;
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    system.store(&but_for(&who, &[], &data("instance", &asthma))).await;
    for (place, is_named) in [("Observation/amina", false), ("Observation/callum", true), ("Organization/shared", true)]
    {
        let (of_type, id) = place.split_once('/').expect("a place");
        for way in [place.to_owned(), format!("{of_type}?_id={id}"), format!("{of_type}/_history?_count=500")] {
            let told = reader.get(&way).await.expect(200).json();
            let entries = told["entry"].as_array().cloned().unwrap_or_else(|| vec![json!({"resource": told})]);
            let shown = entries.iter().find(|entry| entry["resource"]["id"] == id);
            let shown = shown.unwrap_or_else(|| panic!("{way}: {told}")).to_string();
            assert_eq!(shown.contains("zebra"), is_named, "{way}: {shown}");
        }
    }
    for (search, wanted) in [
        ("Observation?patient=amina&", vec![]),
        ("Observation?patient=callum&", vec!["callum"]),
        ("Observation?", vec!["callum"]),
    ] {
        for test in
            [format!("focus={asthma}"), format!("focus={asthma},Condition/none"), "focus:missing=false".to_owned()]
        {
            let found = reader.get(&format!("{search}{test}")).await.expect(200).ids();
            assert_eq!(found, wanted, "{search}{test}");
        }
    }
}

/// Nothing is found, or put in an order, by what is left out with a name: neither by R4's parameters nor by those that operators add.
async fn nothing_is_found_by_what_goes_with_a_name(concord: &Concord) {
    let [asthma, ..] = thread(concord).await;
    let (system, reader) = (concord.system(), concord.user("Practitioner/gp-elsewhere"));
    for (code, kind, expression) in [
        ("shown-as", "string", "MedicationRequest.reasonReference.display"),
        ("named", "reference", "MedicationRequest.reasonReference"),
        ("known-as", "token", "MedicationRequest.reasonReference.identifier"),
        ("used-as", "token", "Encounter.diagnosis.use"),
        ("ranked", "number", "Encounter.diagnosis.rank"),
        ("in-class", "token", "Encounter.class"),
    ] {
        let base = expression.split('.').next().expect("a type");
        let definition = json!({"resourceType": "SearchParameter", "id": code, "url": format!("http://example.org/{code}"),
            "name": code, "status": "active", "description": "x", "code": code, "base": [base], "type": kind, "expression": expression});
        system.store(&definition).await;
    }
    reindex::run(&ReindexArgs::default(), &concord.config, concord.clock.clone()).await.expect("an index");
    let subject = json!({"reference": "Patient/amina"});
    let named = json!({"reference": asthma, "display": "zebra", "identifier": {"system": "urn:s", "value": "zz"}});
    for resource in [
        json!({"resourceType": "MedicationRequest", "id": "inhaler", "status": "active", "intent": "order", "subject": subject,
            "medicationCodeableConcept": {"text": "salbutamol"}, "reasonReference": [named]}),
        json!({"resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"}, "subject": subject,
            "diagnosis": [{"condition": named, "use": {"coding": [{"code": "AD"}]}, "rank": 3}]}),
        json!({"resourceType": "DocumentReference", "id": "old", "status": "current", "subject": subject,
            "content": [{"attachment": {"title": "x"}}]}),
        json!({"resourceType": "DocumentReference", "id": "new", "status": "current", "subject": subject,
            "content": [{"attachment": {"title": "x"}}],
            "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/old"}}]}),
    ] {
        system.store(&resource).await;
    }
    let who = json!({"reference": "Practitioner/gp-elsewhere"});
    let mut denied = data("instance", &asthma);
    let questions = [
        ("MedicationRequest?shown-as=ZEB", 1),
        ("MedicationRequest?known-as=zz", 1),
        ("MedicationRequest?named:missing=false", 1),
        ("MedicationRequest?named:identifier=urn:s|zz", 1),
        ("Encounter?used-as=AD", 1),
        ("Encounter?ranked=3", 1),
        ("Encounter?_sort=-ranked", 1),
        ("DocumentReference?relation=replaces", 1),
    ];
    let count = async |search: &str| {
        let found = reader.get(search).header("prefer", "handling=strict").await.expect(200).matches();
        found.iter().filter(|one| one["id"] != "old").count()
    };
    system.store(&but_for(&who, &[], &json!({"type": "deny", "class": class(&["Goal"])}))).await;
    for (search, wanted) in questions {
        assert_eq!(count(search).await, wanted, "{search}");
    }
    denied["data"].as_array_mut().expect("a list").push(data("instance", "DocumentReference/old")["data"][0].clone());
    system.store(&but_for(&who, &[], &denied)).await;
    for (search, _) in questions {
        assert_eq!(count(search).await, 0, "{search}");
    }
    assert_eq!(count("Encounter?in-class=AMB").await, 1, "that says nothing of names");
}
